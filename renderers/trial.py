"""What a synth needs between two presets, found by trial: the cheapest way that sounds like a new process each time.

The measure of everything is a preset played in a process of its own. If that itself differs from one time to the
next, what makes it agree is looked for first (the C library's random numbers started over, a single processor).
Then each ``Isolation`` plays the same presets in the given order and in reverse, and the cheapest wins whose every
sound is the measure's. Times are measured, not assumed: some plugins take longer to be forked than to be made anew.
"""

from __future__ import annotations

import itertools
import math
import os
import random
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from synthmatch.audio import Clip
from synthmatch.errors import RenderError
from synthmatch.notes import Note, Performance
from synthmatch.presets.catalogue import Isolation, Synth
from synthmatch.presets.preset import State
from synthmatch.renderers.pool import RenderPool
from synthmatch.renderers.renderer import RenderJob, RenderSettings
from synthmatch.renderers.soundcheck import TOLERANCE, difference
from synthmatch.renderers.synths import require
from synthmatch.sound.soundprint import sound_distance

PRESETS = 8
"""How many presets a trial plays."""

SETTLES = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0)
"""Seconds of silence that are tried; the last is taken where none of them is enough."""

QUIET = 10 ** (-90 / 20)
"""Amplitude below which what still rings counts as gone: -90 dB of full scale, no louder than 16-bit noise."""

MARGIN = 1.25
"""How much further a way may be from the measure than the measure from itself, where a synth never sounds the same
twice: a spread that eight presets show is known no better."""

TIMEOUT = 60.0
"""Seconds that one preset may take."""

_PERFORMANCES = (
    Performance.single(48, 100, 0.6, 0.3),
    Performance((Note(0.0, 64, 70, 0.3), Note(0.1, 71, 110, 0.3)), 0.2),
)

_LEAD = 0.25  # seconds before the note, in which only what was played before can be heard
_EARLY = 0.05  # some plugins begin a note where its block begins
_AGAIN = Performance((Note(_LEAD, 55, 100, 0.5),), 0.2)
_BETWEEN = Performance((Note(0.0, 36, 127, 0.8), Note(0.2, 84, 127, 0.6)), 0.0)  # let go at the very end

_OTHERS = (Isolation.NOTHING, Isolation.FORK, Isolation.NEW_INSTANCE)
_FEWEST = 2  # presets that tell anything
_SHORTEST_TIMEOUT, _SLOWER = 10.0, 20.0  # a way may take that long, or so many times what a new process takes

Sound = tuple[Clip, ...]

Tell = Callable[[int, int, str], None]
"""Told of progress: (steps done, steps in all, what comes now)."""


@dataclass(frozen=True)
class Way:
    """How one isolation did.

    Args:
        exact: whether every sound was the measure's, in both orders.
        difference: the largest that two samples were apart; infinite if it didn't play.
        spread: the mean distance from the measure in dB, see ``soundprint.sound_distance``.
        seconds: per preset, once the host is there.
        good: whether it may be used: exact, or as near the measure as the measure is to itself.
        reason: why it didn't play to the end, or "".
    """

    isolation: Isolation
    exact: bool
    difference: float
    spread: float
    seconds: float
    good: bool
    reason: str = ""


@dataclass(frozen=True)
class Trial:
    """What was found.

    Args:
        synth: the row with isolation, settle, random_state, one_processor and repeatable as found.
        ways: one for each isolation tried, cheapest first; those that didn't play last.
        spread: mean distance in dB between two renders in processes of their own; 0 if they agree.
        presets: how many presets took part.
        left_out: one sentence per preset that made no usable sound, even in a process of its own.
    """

    synth: Synth
    ways: tuple[Way, ...]
    spread: float
    presets: int
    left_out: tuple[str, ...] = ()

    def way(self, isolation: Isolation) -> Way | None:
        """How an isolation did; None if this system can't do it."""
        return next((each for each in self.ways if each.isolation is isolation), None)


def choose_states(states: Sequence[State], count: int = PRESETS, seed: int = 0) -> tuple[State, ...]:
    """Different states for a trial, drawn at random: the same ones for the same seed.

    Returns:
        ``count`` of them, or all if there are fewer.
    """
    different = list({state.id: state for state in states}.values())
    return tuple(random.Random(seed).sample(different, min(count, len(different))))


def try_isolations(row: Synth, states: Sequence[State], tell: Tell = lambda _done, _total, _what: None) -> Trial:
    """Find out what a synth needs between two presets.

    Args:
        row: the synth; its ``isolation`` and ``settle`` aren't believed, what else it says is taken as given.
        states: some of its own, different from each other; see ``choose_states``.
        tell: told of each step.

    Raises:
        RenderError: fewer than two of them make any sound in a process of their own.
        PluginMissing: the plugin, or what plays it, isn't there.
    """
    require(row)
    return _Trial(row, states, tell).run()


@dataclass(frozen=True)
class _Run:
    """Presets played in one way.

    Args:
        sounds: every render of each preset, by the state's id.
        faults: why some made none, by the state's id.
        seconds: from one to the next.
        restarted: whether one process wasn't enough where it should have been.
    """

    sounds: Mapping[str, tuple[Sound, ...]]
    faults: Mapping[str, str]
    seconds: float
    restarted: bool

    def sound(self, state: State) -> Sound:
        """A preset's first render."""
        return self.sounds[state.id][0]


class _Trial:
    """A trial under way."""

    def __init__(self, row: Synth, states: Sequence[State], tell: Tell) -> None:
        self._states = list(states)
        self._row = replace(row, isolation=Isolation.NEW_PROCESS)
        self._others = [way for way in _OTHERS if way is not Isolation.FORK or hasattr(os, "fork")]
        # Two measures, the silence, two more measures, and every other way.
        self._tell, self._done, self._steps = tell, 0, 5 + len(self._others)
        self._left_out: list[str] = []

    def run(self) -> Trial:
        """Do everything; see ``try_isolations``."""
        first, second = self._cured()
        settle = self._settle()
        if settle != self._row.settle:  # phases run on through the silence, so that it changes the sound
            self._row = replace(self._row, settle=settle)
            first, second = self._measures()
        own = {state.id: difference(first.sound(state), second.sound(state)) for state in self._states}
        distances = [
            sound_distance(first.sound(state), second.sound(state))
            for state in self._states
            if own[state.id] > TOLERANCE
        ]
        spread = statistics.fmean(distances) if distances else 0.0
        seconds = statistics.fmean((first.seconds, second.seconds))
        measure = Way(Isolation.NEW_PROCESS, not distances, max(own.values()), spread, seconds, good=True)
        unsteady = frozenset(key for key, value in own.items() if value > TOLERANCE)
        ways = [self._way(way, first, unsteady, measure) for way in self._others]
        ways = sorted((*ways, measure), key=lambda way: (bool(way.reason), way.seconds))
        best = next(way for way in ways if way.good)
        self._step("")
        found = replace(self._row, isolation=best.isolation, repeatable=not unsteady)
        return Trial(found, tuple(ways), spread, len(self._states), tuple(self._left_out))

    def _cured(self) -> tuple[_Run, _Run]:
        """Two measures, with whatever makes most presets agree in them."""
        tried: list[tuple[int, Synth, tuple[_Run, _Run]]] = []
        for row in _treated(self._row):
            if tried:
                self._steps += 2
            self._row = row
            first, second = self._measures()
            alike = [difference(first.sound(state), second.sound(state)) <= TOLERANCE for state in self._states]
            tried.append((sum(alike), row, (first, second)))
            if all(alike):
                break
        _, self._row, runs = max(tried, key=lambda each: each[0])  # the first of the best: it asks for least
        return runs

    def _measures(self) -> tuple[_Run, _Run]:
        """Every preset in a process of its own, twice; presets that make no sound are left out from here on."""
        runs = []
        for what in ("new processes", "new processes again"):
            self._step(what)
            run = self._play(self._row, self._states, _PERFORMANCES, TIMEOUT)
            self._left_out += run.faults.values()
            self._states = [state for state in self._states if state.id not in run.faults]
            if len(self._states) < _FEWEST:
                raise RenderError(
                    f"{self._row.title} can't be tried: {len(self._states)} of its presets make a sound, and "
                    f"{_FEWEST} are needed; {self._left_out[-1] if self._left_out else 'give it more presets.'}"
                )
            runs.append(run)
        return runs[0], runs[1]

    def _way(self, isolation: Isolation, measure: _Run, unsteady: frozenset[str], own: Way) -> Way:
        """How an isolation does beside the measure, which isn't the same each time for the ``unsteady`` presets."""
        self._step(isolation.value)
        limit = min(TIMEOUT, max(_SHORTEST_TIMEOUT, _SLOWER * own.seconds))
        row = replace(self._row, isolation=isolation)
        run = self._play(row, [*self._states, *reversed(self._states)], _PERFORMANCES, limit, patient=False)
        if run.faults or run.restarted:
            reason = next(iter(run.faults.values()), f"{row.title} had to be started again between two presets.")
            return Way(isolation, False, math.inf, math.inf, run.seconds, good=False, reason=reason)
        pairs = {state.id: [(measure.sound(state), sound) for sound in run.sounds[state.id]] for state in self._states}
        differences = {key: max(difference(*pair) for pair in each) for key, each in pairs.items()}
        distances = {key: statistics.fmean(sound_distance(*pair) for pair in pairs[key]) for key in differences}
        exact = max(differences.values()) <= TOLERANCE
        steady_agree = all(value <= TOLERANCE for key, value in differences.items() if key not in unsteady)
        spread = statistics.fmean(distances[key] for key in unsteady or distances)
        good = steady_agree and (not unsteady or spread <= MARGIN * own.spread)
        return Way(isolation, exact, max(differences.values()), 0.0 if exact else spread, run.seconds, good)

    def _settle(self) -> float:
        """The shortest silence after which every preset plays again what it played first. Where phases run on
        through any silence, so that it never does: after which nothing is heard of what was played before."""
        self._step("silence in between")
        waiting, quiet, found = list(self._states), dict[str, float](), 0.0
        for settle in SETTLES:
            run = self._play(self._row, waiting, (_AGAIN, _BETWEEN, _AGAIN), TIMEOUT, settle)
            for state in list(waiting):
                if state.id in run.faults:
                    waiting.remove(state)
                    continue
                first, _, again = run.sound(state)
                if difference([first], [again]) <= QUIET:
                    waiting.remove(state)
                    found = settle
                elif _lead(again) <= max(QUIET, _lead(first)):  # it may hum by itself
                    quiet.setdefault(state.id, settle)
            if not waiting:
                break
        return max((found, *(quiet.get(state.id, SETTLES[-1]) for state in waiting)))

    def _play(
        self,
        row: Synth,
        states: Sequence[State],
        performances: tuple[Performance, ...],
        timeout: float,
        settle: float | None = None,
        patient: bool = True,
    ) -> _Run:
        """Play presets in that order; the first that fails ends it unless ``patient``."""
        sounds: dict[str, tuple[Sound, ...]] = {}
        faults: dict[str, str] = {}
        settings = RenderSettings(settle=settle)
        hosts: set[int] = set()
        moments: list[float] = []
        with RenderPool(1, timeout=timeout, known={row.id: row}) as pool:
            for result in pool.render(RenderJob(state, performances, settings) for state in states):
                moments.append(time.monotonic())
                hosts.update(pool.pids())
                key = result.job.state.id
                if result.ok:
                    sounds[key] = (*sounds.get(key, ()), result.clips)
                    continue
                faults[key] = result.reason
                if not patient:
                    break
        gaps = [later - earlier for earlier, later in itertools.pairwise(moments)]
        seconds = statistics.median(gaps) if gaps else 0.0
        return _Run(sounds, faults, seconds, row.isolation is not Isolation.NEW_PROCESS and len(hosts) > 1)

    def _step(self, what: str) -> None:
        self._tell(min(self._done, self._steps), self._steps, what)
        self._done += 1


def _treated(row: Synth) -> tuple[Synth, ...]:
    """The row, and what may cure a synth of never sounding the same twice, least first."""
    srand = replace(row, random_state=row.random_state or "srand")
    return tuple(dict.fromkeys((row, srand, replace(row, one_processor=True), replace(srand, one_processor=True))))


def _lead(clip: Clip) -> float:
    """The loudest of what is heard before the note."""
    return clip.between(0.0, _LEAD - _EARLY).peak
