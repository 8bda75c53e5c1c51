"""Bringing a preset closer to a part: its knobs are moved, and what comes of that is played and compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from synthmatch.audio import Clip, require_audible
from synthmatch.errors import InputError, PresetError
from synthmatch.evolution import Evolution
from synthmatch.likeness import Distance, Part, fitted
from synthmatch.notes import Performance
from synthmatch.presets.catalogue import known_synth
from synthmatch.presets.knobs import Knob, Panel, movable, panel_of
from synthmatch.presets.preset import Preset, State
from synthmatch.tryout import Candidate, Effort, Report, Stop, Tryout

if TYPE_CHECKING:
    from synthmatch.encoder import Encoder
    from synthmatch.renderers.pool import Pool

__all__ = ["Effort", "Move", "Refinement", "Stop", "can_be_refined", "refine"]

LONGEST = 10.0
"""Seconds of a part that are played at most: what the encoder hears at a time."""
SUFFIX = " refined"
"""What a refined preset is called besides its name."""

_SEARCHED, _TIDIED = 0.85, 0.97  # of the effort: when the search ends, and when the way back of single knobs does
_SAME = 0.05  # dB: nothing is nearer
_NOTICED = 0.02  # dB: a knob whose way back costs less was moved in vain
_TIDY = 0.1  # dB that putting all of those back may cost together


@dataclass(frozen=True)
class Move:
    """A knob that was moved: its name, and its value before and after, in the synth's own units."""

    knob: str
    before: float
    after: float


@dataclass(frozen=True)
class Refinement:
    """What came of it.

    Args:
        start: the preset that was brought closer.
        preset: the one that came closest; ``start`` itself if nothing did.
        before, after: how far each is from the part.
        moves: the knobs that were moved, the one that was turned farthest first.
        notes: what was played; of several readings, the one that was taken.
        remaining: by region of the spectrum, how much too loud (above 0) or too soft it still is, in dB; empty for a
            part in a mixture.
        preview: how ``preset`` plays the part.
        renders: presets played.
        unusable: how many of them made no usable sound.
        seconds: of wall time.
        stop: why it ended.
    """

    start: Preset
    preset: Preset
    before: Distance
    after: Distance
    moves: tuple[Move, ...]
    notes: Performance
    remaining: tuple[tuple[str, float], ...]
    preview: Clip = field(repr=False)
    renders: int
    unusable: int
    seconds: float
    stop: Stop

    @property
    def fall(self) -> float:
        """By what share of itself the distance fell, 0 to 1."""
        return 1 - self.after.total / self.before.total if self.before.total > 0 else 0.0

    def to_json(self) -> dict[str, Any]:
        """As ``refine --json`` prints it."""
        return {
            "start": {"id": self.start.id, "name": self.start.name, "synth": self.start.synth},
            "preset": {"id": self.preset.id, "name": self.preset.name},
            "before": self.before.to_json(),
            "after": self.after.to_json(),
            "fall": round(self.fall, 4),
            "moves": [{"knob": each.knob, "before": each.before, "after": each.after} for each in self.moves],
            "remaining": {name: round(level, 2) for name, level in self.remaining},
            "renders": self.renders,
            "unusable": self.unusable,
            "seconds": round(self.seconds, 2),
            "stop": self.stop.name.lower(),
        }


def refine(
    start: Preset,
    clip: Clip,
    notes: Performance | Sequence[Performance],
    pool: Pool,
    encoder: Encoder | None = None,
    *,
    family: str = "",
    alone: bool = True,
    effort: Effort | None = None,
    report: Report | None = None,
) -> Refinement:
    """Move a preset's knobs until it plays some notes as a part does.

    Args:
        start: where to begin; the closer, the better it ends.
        clip: the part, from the time at which the notes begin; what is longer than them isn't heard.
        notes: what is played in it, wherever they come from; at most ``LONGEST`` seconds with their tail. Of several
            readings of the part the one is taken under which the preset comes nearest.
        pool: what renders.
        encoder: what hears besides the spectrum; by default the released one.
        family: what the part is, if it is known; needed in a mixture.
        alone: whether nothing but the part sounds in the clip.
        effort: how hard to try.
        report: is told how far it is.

    Raises:
        PresetError: the preset has no knobs that could be moved.
        InputError: the notes are too long, or the family isn't known; or cma isn't installed.
        AudioError: the clip is too short, or silent.
        RenderError: the preset makes no usable sound.
    """
    readings = (notes,) if isinstance(notes, Performance) else tuple(notes)
    seconds = max((each.seconds for each in readings), default=0.0)
    if not 0 < seconds <= LONGEST:
        raise InputError(f"The notes last {seconds:.1f} s; choose a passage of at most {LONGEST:g} s with some in it.")
    board = _Board.of(start)
    heard = clip.between(0, seconds)
    require_audible(heard, "What is heard of the part")
    if encoder is None:
        from synthmatch.encoder import Encoder

        encoder = Encoder.released()
    part = Part(fitted(heard, seconds), encoder, family, alone=alone)
    tryout = Tryout(part, readings, pool, effort or Effort(), report)
    before = tryout.begin(start)
    stop = _search(board, tryout)
    after = _tidied(board, tryout)
    return Refinement(
        start,
        start if after.state == start.state else _named(start, after.state),
        before.distance,
        after.distance,
        board.moves(after.state),
        tryout.notes,
        part.regions(after.clip),
        after.clip,
        tryout.renders,
        tryout.unusable,
        tryout.seconds,
        stop,
    )


def can_be_refined(preset: Preset) -> bool:
    """Whether a preset has knobs that could be moved."""
    panel = panel_of(preset.state)
    return panel is not None and len(movable(preset.state, panel)) > 1  # a search needs two ways to go


def _named(start: Preset, state: State) -> Preset:
    name = start.name if start.name.endswith(SUFFIX) else start.name + SUFFIX
    return replace(start, name=name, state=state, bank="refined", slot=0)


@dataclass(frozen=True)
class _Board:
    """The knobs of a preset that may move, and where they stand.

    Args:
        values: of all knobs.
        free: the places of those that may move.
    """

    panel: Panel
    values: tuple[float, ...]
    free: tuple[int, ...]

    @classmethod
    def of(cls, preset: Preset) -> _Board:
        panel = panel_of(preset.state)
        if panel is None or not can_be_refined(preset):
            raise PresetError(
                f"{preset.name} can't be refined, since a preset of {known_synth(preset.synth).title} doesn't lay its"
                " knobs open; start from one of amsynth, the built-in synth, or a plugin whose presets are bare values."
            )
        return cls(panel, tuple(panel.read(preset.state)), movable(preset.state, panel))

    @property
    def knobs(self) -> tuple[Knob, ...]:
        return tuple(self.panel.knobs[place] for place in self.free)

    def places(self, values: Sequence[float] | None = None) -> list[float]:
        """Where those that may move stand, each 0 to 1."""
        values = self.values if values is None else values
        return [knob.place(values[place]) for knob, place in zip(self.knobs, self.free, strict=True)]

    def positions(self) -> list[int]:
        """How many positions each of them has if it is a switch; 0 if it turns."""
        return [round((each.maximum - each.minimum) / each.step) + 1 if each.is_switch else 0 for each in self.knobs]

    def at(self, places: Sequence[float]) -> State:
        """The state with those that may move there."""
        turned = [knob.value(place) for knob, place in zip(self.knobs, places, strict=True)]
        return self.panel.write(self._with(dict(zip(self.free, turned, strict=True))))

    def moved(self, state: State) -> list[int]:
        """The places of those that stand elsewhere, the widest move first."""
        values = self.panel.read(state)
        pairs = zip(self.places(), self.places(values), strict=True)
        ways = {place: abs(there - here) for place, (here, there) in zip(self.free, pairs, strict=True)}
        return sorted((place for place in self.free if values[place] != self.values[place]), key=lambda it: -ways[it])

    def put_back(self, state: State, places: Sequence[int]) -> State:
        """A state with some of them where they stood."""
        values = self.panel.read(state)
        for place in places:
            values[place] = self.values[place]
        return self.panel.write(values)

    def moves(self, state: State) -> tuple[Move, ...]:
        """What is different in a state, the widest move first."""
        values = self.panel.read(state)
        knobs = self.panel.knobs
        return tuple(Move(knobs[place].name, self.values[place], values[place]) for place in self.moved(state))

    def _with(self, turned: dict[int, float]) -> list[float]:
        return [turned.get(place, value) for place, value in enumerate(self.values)]


def _search(board: _Board, tryout: Tryout) -> Stop:
    """Let generations of candidates compete until the effort is nearly spent; says why it ended."""
    evolution = Evolution(board.places(), board.positions(), tryout.effort.seed)
    while tryout.best.distance.total > _SAME:
        states = [board.at(places) for places in evolution.ask()]
        tryout.play(states, _SEARCHED)
        totals = [total for state in states if (total := tryout.total(state)) is not None]
        if len(totals) < len(states):  # a generation that wasn't played to its end teaches nothing
            return tryout.spent(_SEARCHED) or Stop.TIME
        evolution.tell(totals)
        if evolution.converged:
            break
    return Stop.CONVERGED


def _tidied(board: _Board, tryout: Tryout) -> Candidate:
    """The best candidate, with those knobs put back whose moves nobody would notice, so that the rest tells what
    mattered; those that moved least come first, as far as the effort lasts."""
    found = tryout.best
    back = {place: board.put_back(found.state, [place]) for place in reversed(board.moved(found.state))}
    tryout.play(list(back.values()), _TIDIED)
    bearable = found.distance.total + _NOTICED
    totals = {place: tryout.total(state) for place, state in back.items()}
    idle = [place for place, total in totals.items() if total is not None and total <= bearable]
    tidy = tryout.play([board.put_back(found.state, idle)]) if len(idle) > 1 else []
    if tidy and tidy[0].distance.total <= tryout.best.distance.total + _TIDY:
        return tidy[0]
    return tryout.best
