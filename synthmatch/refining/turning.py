"""Turning the knobs of a preset: each alone, then all together, and back those that moved in vain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from synthmatch.errors import PresetError
from synthmatch.presets.catalogue import known_synth
from synthmatch.presets.knobs import Knob, Panel, movable, panel_of
from synthmatch.presets.preset import Preset, State
from synthmatch.refining.evolution import Evolution
from synthmatch.refining.tryout import Candidate, Stop, Tryout

_PROBE = 0.12  # share of its way by which a knob is turned alone; a switch goes one position
_PROBED, _JOINED, _SEARCHED, _TIDIED = 0.4, 0.5, 0.85, 0.97  # of the effort: when each stage ends at the latest
_JOINS = (2, 3, 4, 6, 8, 12, 16, 24, 32)  # how many of the best turns are tried together
_AIM = 0.01  # of the distance: what one standard deviation of a knob's moves should change of it
_NARROWEST, _WIDEST = 0.004, 0.1  # standard deviations, as shares of a knob's way
_SAME = 0.05  # dB: nothing is nearer
_NOTICED = 0.02  # dB: a knob whose way back costs less was moved in vain
_TIDY = 0.1  # dB that putting all of those back may cost together


@dataclass(frozen=True)
class Board:
    """The knobs of a preset that may move, and where they stand.

    Args:
        panel: of its synth.
        values: of all knobs.
        free: the places of those that may move.
    """

    panel: Panel
    values: tuple[float, ...]
    free: tuple[int, ...]

    @classmethod
    def of(cls, preset: Preset) -> Board:
        """The knobs of a preset.

        Raises:
            PresetError: it has none that could be moved.
        """
        panel = panel_of(preset.state)
        if panel is None or not can_be_refined(preset):
            raise PresetError(
                f"{preset.name} can't be refined, since a preset of {known_synth(preset.synth).title} doesn't lay its"
                " knobs open; start from one of amsynth, the DX7, the built-in synth, or a plugin of bare values."
            )
        return cls(panel, tuple(panel.read(preset.state)), movable(preset.state, panel))

    @property
    def knobs(self) -> tuple[Knob, ...]:
        """Those that may move."""
        return tuple(self.panel.knobs[place] for place in self.free)

    def places(self, values: Sequence[float] | None = None) -> list[float]:
        """Where those that may move stand, each 0 to 1."""
        values = self.values if values is None else values
        return [knob.place(values[place]) for knob, place in zip(self.knobs, self.free, strict=True)]

    def positions(self) -> list[int]:
        """How many positions each of them has if it is a switch; 0 if it turns."""
        return [round((each.maximum - each.minimum) / each.step) + 1 if each.is_switch else 0 for each in self.knobs]

    def at(self, places: Sequence[float]) -> State:
        """The state with those that may move there; one that stays keeps its value to the last digit."""
        values = list(self.values)
        for knob, number, place in zip(self.knobs, self.free, places, strict=True):
            if place != knob.place(values[number]):
                values[number] = knob.value(place)
        return self.panel.write(values)

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


def can_be_refined(preset: Preset) -> bool:
    """Whether a preset has knobs that could be moved."""
    panel = panel_of(preset.state)
    return panel is not None and len(movable(preset.state, panel)) > 1  # a search needs two ways to go


@dataclass(frozen=True)
class _Turn:
    """A knob turned alone: which of the free ones, to where, and what that did to the distance, in dB."""

    knob: int
    place: float
    change: float


def search(board: Board, tryout: Tryout) -> Stop:
    """Look for better places of the knobs until the effort is nearly spent, and say why it ended.

    Presets have many knobs, of which few matter: all moved at once, even a little, most presets that are near get
    farther away. So each is turned alone first. The turns that helped are tried together, and what each of the others
    did says how far it may be moved when CMA-ES, from there on, moves all of them.
    """
    if tryout.best.distance.total <= _SAME:
        return Stop.CONVERGED
    turns = _probed(board, tryout)
    _joined(board, tryout, turns)
    return _evolved(board, tryout, turns)


def _probed(board: Board, tryout: Tryout) -> list[_Turn]:
    """Each knob turned alone, either way."""
    here, before = board.places(), tryout.best.distance.total
    tried = []
    for knob, (place, count) in enumerate(zip(here, board.positions(), strict=True)):
        step = 1 / (count - 1) if count else _PROBE
        ways = dict.fromkeys(min(1.0, max(0.0, place + way)) for way in (-step, step))
        tried += [(knob, there, board.at(_turned(here, {knob: there}))) for there in ways if there != place]
    tryout.play([state for *_, state in tried], _PROBED)
    totals = [(knob, there, tryout.total(state)) for knob, there, state in tried]
    return [_Turn(knob, there, total - before) for knob, there, total in totals if total is not None]


def _joined(board: Board, tryout: Tryout, turns: Sequence[_Turn]) -> None:
    """The turns that helped, the best of each knob, more and more of them at once."""
    best: dict[int, _Turn] = {}
    for turn in sorted(turns, key=lambda turn: (turn.change, turn.knob, turn.place)):
        if turn.change < 0:
            best.setdefault(turn.knob, turn)
    good = [(knob, turn.place) for knob, turn in best.items()]
    counts = sorted({count for count in _JOINS if count < len(good)} | {len(good)})
    tryout.play([board.at(_turned(board.places(), dict(good[:count]))) for count in counts], _JOINED)


def _evolved(board: Board, tryout: Tryout, turns: Sequence[_Turn]) -> Stop:
    """Generations of candidates that compete, begun where the best one is."""
    start = board.places(board.panel.read(tryout.best.state))
    spreads = _spreads(turns, len(start), tryout.best.distance.total)
    evolution = Evolution(start, board.positions(), spreads, tryout.effort.seed)
    while tryout.best.distance.total > _SAME and not evolution.converged:
        states = [board.at(places) for places in evolution.ask()]
        tryout.play(states, _SEARCHED)
        totals = [total for state in states if (total := tryout.total(state)) is not None]
        if len(totals) < len(states):  # a generation that wasn't played to its end teaches nothing
            return tryout.spent(_SEARCHED) or Stop.TIME
        evolution.tell(totals)
    return Stop.CONVERGED


def _spreads(turns: Sequence[_Turn], count: int, distance: float) -> list[float]:
    """Standard deviations of the first moves: small for a knob that does much."""
    spreads = []
    for knob in range(count):
        changes = [abs(turn.change) for turn in turns if turn.knob == knob]
        mean = sum(changes) / len(changes) if changes else 0.0
        spreads.append(min(_WIDEST, max(_NARROWEST, _PROBE * _AIM * distance / max(mean, 1e-3))))
    return spreads


def tidied(board: Board, tryout: Tryout, before: Candidate) -> Candidate:
    """The best candidate, with those knobs put back whose moves nobody would notice, so that the rest tells what
    mattered; those that moved least come first, as far as the effort lasts. It is never farther than where the search
    began, ``before``."""
    found = tryout.best
    back = {place: board.put_back(found.state, [place]) for place in reversed(board.moved(found.state))}
    tryout.play(list(back.values()), _TIDIED)
    bearable = found.distance.total + _NOTICED
    totals = {place: tryout.total(state) for place, state in back.items()}
    idle = [place for place, total in totals.items() if total is not None and total <= bearable]
    # Often that was played already: where one knob is idle, or where those that moved least did so in vain.
    tidy = tryout.heard(board.put_back(found.state, idle)) if idle else None
    bearable = min(tryout.best.distance.total + _TIDY, before.distance.total)
    if tidy is not None and tidy.distance.total <= bearable:
        return tidy
    return tryout.best


def _turned(places: Sequence[float], turns: Mapping[int, float]) -> list[float]:
    return [turns.get(knob, place) for knob, place in enumerate(places)]
