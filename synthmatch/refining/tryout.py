"""Playing one candidate after the other and comparing it with a part, as long as an effort lasts."""

from __future__ import annotations

import enum
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from synthmatch.audio import Clip
from synthmatch.errors import InputError, RenderError
from synthmatch.notes import Performance
from synthmatch.presets.preset import Preset, State
from synthmatch.refining.likeness import Distance, Part
from synthmatch.renderers.pool import Pool
from synthmatch.renderers.renderer import RenderJob

_UNUSABLE = 1000.0  # dB: farther than any sound is

Report = Callable[[float, float, str], None]
"""Is told how far a refinement is: (seconds, seconds in all, a remark)."""


class Stop(enum.Enum):
    """Why a refinement ended."""

    TIME = "the time was up"
    BUDGET = "all renders were used"
    CONVERGED = "further moves brought nothing more"


@dataclass(frozen=True)
class Effort:
    """How hard to try.

    Args:
        seconds: of wall time, above 0; what is under way when it is up is left.
        renders: presets played at most, at least 2; as many as the time allows if None. Where the time suffices for
            all of them, the same seed gives the same preset.
        seed: other seeds search elsewhere.

    Raises:
        InputError: a value out of range.
    """

    seconds: float = 60.0
    renders: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.seconds > 0:
            raise InputError(f"A preset can't be refined in {self.seconds} seconds; give it more than 0.")
        if self.renders is not None and self.renders < 2:
            raise InputError(f"A preset can't be refined with {self.renders} renders; allow at least 2.")
        if not 0 <= self.seed < 2**32:
            raise InputError(f"{self.seed} is no seed; choose one from 0 to {2**32 - 1}.")


@dataclass(frozen=True, eq=False)
class Candidate:
    """A state that was played: how far it is from the part, and how it sounds."""

    state: State
    distance: Distance
    clip: Clip = field(repr=False)

    @property
    def rank(self) -> tuple[float, str]:
        """The less, the better. Results come in the order in which they get done: where two are equally far, the id
        decides."""
        return self.distance.total, self.state.id


class Tryout:
    """Plays candidates on the part's notes; none twice, but by :meth:`heard`.

    Args:
        part: what they are compared with.
        readings: what may be played in the part, at least one; that under which the first preset comes nearest is
            what all others play.
        pool: what renders.
        report: is told how far it is.
    """

    def __init__(
        self,
        part: Part,
        readings: Sequence[Performance],
        pool: Pool,
        effort: Effort,
        report: Report | None = None,
    ) -> None:
        self.effort = effort
        self.unusable = 0
        self.notes = readings[0]
        self._part, self._readings, self._pool, self._report = part, readings, pool, report
        self._totals: dict[str, float] = {}
        self._best: Candidate | None = None
        self._begun = time.monotonic()

    @property
    def seconds(self) -> float:
        """Since it began."""
        return time.monotonic() - self._begun

    @property
    def renders(self) -> int:
        """Candidates played."""
        return len(self._totals)

    @property
    def best(self) -> Candidate:
        """The nearest so far; :meth:`begin` comes first."""
        assert self._best is not None
        return self._best

    def begin(self, preset: Preset) -> Candidate:
        """Play the preset from which all others are made.

        Raises:
            RenderError: it makes no usable sound.
        """
        (result,) = self._pool.render([RenderJob(preset.state, tuple(self._readings))])
        if not result.ok:
            raise RenderError(f"{preset.name} can't be refined: {result.reason}")
        distances = [self._part.distance(clip) for clip in result.clips]
        place = min(range(len(distances)), key=lambda each: distances[each].total)
        self.notes = self._readings[place]
        self._best = self._take(preset.state, result.clips[place])
        return self._best

    def spent(self, share: float = 1.0) -> Stop | None:
        """What of that share of the effort is used up, if anything."""
        if self.seconds >= self.effort.seconds * share:
            return Stop.TIME
        return Stop.BUDGET if self._left(share) == 0 else None

    def play(self, states: Sequence[State], share: float = 1.0) -> list[Candidate]:
        """Play those of some states that are new, until that share of the effort is used up.

        Returns:
            Those that made a usable sound, in the order in which they got done.
        """
        new = list({state.id: state for state in states if state.id not in self._totals}.values())
        found = []
        for result in self._pool.render(map(self._job, new[: self._left(share)])):
            if result.ok:
                found.append(self._take(result.job.state, result.clips[0]))
                self._best = min(self.best, found[-1], key=lambda each: each.rank)
            else:
                self._totals[result.job.state.id] = _UNUSABLE
                self.unusable += 1
            if self._report is not None:
                self._report(self.seconds, self.effort.seconds, f"{self.best.distance.total:.1f} dB apart")
            if self.seconds >= self.effort.seconds * share:
                break
        return found

    def heard(self, state: State) -> Candidate | None:
        """A state as a candidate: played again if it was played before, since sounds aren't kept.

        Returns:
            None if it makes no usable sound, or if it is new and no renders are left.
        """
        if self.total(state) is None and self._left(1.0) == 0:
            return None
        (result,) = self._pool.render([self._job(state)])
        return self._take(state, result.clips[0]) if result.ok else None

    def total(self, state: State) -> float | None:
        """A state's distance in dB, far beyond any sound's if it made none; None if it wasn't played."""
        return self._totals.get(state.id)

    def _left(self, share: float) -> int | None:
        """Renders that are left of the effort; None where they aren't counted."""
        if self.effort.renders is None:
            return None
        return max(0, round(self.effort.renders * share) - self.renders)

    def _job(self, state: State) -> RenderJob:
        return RenderJob(state, (self.notes,))

    def _take(self, state: State, clip: Clip) -> Candidate:
        candidate = Candidate(state, self._part.distance(clip), clip)
        self._totals[state.id] = candidate.distance.total
        return candidate
