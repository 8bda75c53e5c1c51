"""Presets of parameter synths as positions of knobs, and what may be done to them: move a few, cross two presets.

A ``Panel`` says which knobs a synth has and turns states into positions and back. The tables beside it say what
keeps its place: tuning and volume, which are no sound design, when presets are made up; volume and how keys are
played, which no recording tells, when a preset is brought closer to one.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

import numpy as np

from synthmatch.errors import PresetError
from synthmatch.presets import faustsynth
from synthmatch.presets.catalogue import synths
from synthmatch.presets.formats import amsynth, dx7voice
from synthmatch.presets.formats.fxp import FxFile, FxProgram
from synthmatch.presets.formats.vst2 import plugin_file
from synthmatch.presets.preset import State
from synthmatch.presets.randompatches import is_held

MOVED = (2, 7)
"""How many knobs a perturbation moves: at least, and fewer than."""
REACH = 0.15
"""Standard deviation of a move, as a share of the knob's way."""
SLOW = re.compile(r"attack|decay|sustain|release|rate \d|portamento|keyboard")
"""Knobs that shape a note over time, and so its family: they are moved half as far, or not at all if switches."""
_WIDE = 100.0  # a knob whose largest value is that many times its smallest turns in ratios, as ears hear it
_POSITIONS = 12  # steps that a switch has at most: DX7's knobs have 99, and are turned all the same

KEPT: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "amsynth": frozenset(
            {"master_vol", "portamento_time", "portamento_mode", "keyboard_mode", "filter_vel_sens", "amp_vel_sens"}
        ),
        "faust": frozenset({"level", "timbre_velocity", "amp_velocity"}),
    }
)
"""By synth, the knobs that stay while a preset is brought closer to a sound: volume, which isn't compared, and how
keys are played, which one recording doesn't tell. Of other synths, those that are ``held``."""


@dataclass(frozen=True)
class Knob:
    """One parameter.

    Args:
        name: what it is called.
        minimum, maximum: its range.
        step: 0 if it is continuous.
        section: knobs of one section are inherited together.
        held: whether it keeps its place when others are moved.
    """

    name: str
    minimum: float
    maximum: float
    step: float = 0.0
    section: str = ""
    held: bool = False

    @property
    def is_switch(self) -> bool:
        """Whether it has a few positions, each a thing of its own, rather than a way to be turned along."""
        return bool(self.step) and (self.maximum - self.minimum) / self.step <= _POSITIONS

    def place(self, value: float) -> float:
        """How far it is turned, 0 to 1: in equal ratios where it is wide, in equal steps elsewhere."""
        value = min(self.maximum, max(self.minimum, value))
        if self._is_wide:
            return math.log(value / self.minimum) / math.log(self.maximum / self.minimum)
        return (value - self.minimum) / (self.maximum - self.minimum)

    def value(self, place: float) -> float:
        """The value at a place, 0 to 1; the nearest one where it has steps."""
        place = min(1.0, max(0.0, place))
        if self._is_wide:
            return min(self.maximum, float(self.minimum * (self.maximum / self.minimum) ** place))
        value = self.minimum + place * (self.maximum - self.minimum)
        return self.minimum + round((value - self.minimum) / self.step) * self.step if self.step else value

    @property
    def _is_wide(self) -> bool:
        return not self.step and self.minimum > 0 and self.maximum / self.minimum >= _WIDE

    def moved(self, value: float, way: float) -> float:
        """The value after a move by ``way``, a share of the range; switches go one step."""
        if self.step:
            count = max(1, round(abs(way) * (self.maximum - self.minimum) / self.step))
            value += math.copysign(count * self.step, way)
        elif self._is_wide:
            value *= (self.maximum / self.minimum) ** way
        else:
            value += way * (self.maximum - self.minimum)
        return min(self.maximum, max(self.minimum, value))


@dataclass(frozen=True)
class Panel:
    """A synth's knobs.

    Args:
        knobs: in the order of the values.
        read: a state's values.
        write: the state of values; values that no knob has are moved to the nearest.
    """

    knobs: tuple[Knob, ...]
    read: Callable[[State], list[float]]
    write: Callable[[Sequence[float]], State]

    def perturbed(self, state: State, rng: np.random.Generator) -> State:
        """A few knobs moved within their ranges."""
        values = self.read(state)
        free = [place for place, knob in enumerate(self.knobs) if not knob.held]
        count = min(len(free), int(rng.integers(*MOVED)))
        for place in rng.choice(free, count, replace=False) if free else ():
            knob = self.knobs[place]
            reach = REACH / 2 if SLOW.search(knob.name) else REACH
            values[place] = knob.moved(values[place], float(rng.normal(0, reach)))
        return self.write(values)

    def crossed(self, first: State, second: State, rng: np.random.Generator) -> State:
        """Some sections of the second preset in the first; or some knobs, one time in three.

        Sections bring their tuning with them; single knobs leave the first preset's tuning alone.
        """
        if rng.random() < 1 / 3:
            names = ["" if knob.held else knob.name for knob in self.knobs]
        else:
            names = [knob.section for knob in self.knobs]
        given = {name: bool(name and rng.random() < 0.5) for name in dict.fromkeys(names)}
        pairs = zip(self.read(first), self.read(second), names, strict=True)
        return self.write([other if given[name] else own for own, other, name in pairs])

    def drawn(self, states: Sequence[State], rng: np.random.Generator) -> State:
        """A random patch: each knob as it stands in one of the presets; tuning and volume are the first one's."""
        rows = [self.read(state) for state in states]
        drawn = [0 if knob.held else int(rng.integers(len(rows))) for knob in self.knobs]
        return self.write([rows[row][place] for place, row in enumerate(drawn)])


def panel_of(state: State) -> Panel | None:
    """The panel of a state's synth; None if its presets aren't positions of knobs."""
    make = _PANELS.get(state.synth)
    return make() if make else _plugin_panel(state)


def movable(state: State, panel: Panel) -> tuple[int, ...]:
    """The places of the knobs that may move while a preset is brought closer to a sound."""
    kept = KEPT.get(state.synth)
    stays = [knob.held if kept is None else knob.name in kept for knob in panel.knobs]
    return tuple(place for place, knob in enumerate(panel.knobs) if not stays[place] and knob.maximum > knob.minimum)


_SECTIONS: dict[str, tuple[tuple[str, str], ...]] = {
    "amsynth": (
        (r"osc", "oscillators"),
        (r"amp_mod|filter_mod|freq_mod|lfo", "modulation"),
        (r"amp_vel|filter_vel|portamento|keyboard|master", "playing"),
        (r"amp", "amplitude"),
        (r"filter", "filter"),
        (r"reverb|distortion", "effects"),
    ),
    "faust": (
        (r"osc|pulse|unison", "oscillators"),
        (r"pitch|fm", "frequency modulation"),
        (r"noise", "noise"),
        (r"string|body", "string"),
        (r"filter|timbre", "filter"),
        (r"amp|level", "amplitude"),
        (r"lfo", "modulation"),
        (r"drive|formant|chorus|delay|reverb", "effects"),
    ),
}
"""By synth, how a knob's name begins, and its section; the first that fits."""


def _section(synth: str, name: str) -> str:
    return next(section for start, section in _SECTIONS[synth] if re.match(start, name))


@cache
def _amsynth_panel() -> Panel:
    rows = amsynth.parameter_table()

    def read(state: State) -> list[float]:
        values = state.parameters()
        return [values[row.name] for row in rows]

    def write(values: Sequence[float]) -> State:
        return amsynth.make_state(dict(zip((row.name for row in rows), values, strict=True)))

    knobs = (_knob("amsynth", row.name, row.minimum, row.maximum, row.step) for row in rows)
    return Panel(tuple(knobs), read, write)


@cache
def _faust_panel() -> Panel:
    rows = list(faustsynth.parameters().values())

    def read(state: State) -> list[float]:
        values = faustsynth.values_of(state)
        return [values[row.name] for row in rows]

    def write(values: Sequence[float]) -> State:
        return faustsynth.make_state(dict(zip((row.name for row in rows), values, strict=True)))

    knobs = (_knob("faust", row.name, row.minimum, row.maximum, row.step if row.step == 1 else 0.0) for row in rows)
    return Panel(tuple(knobs), read, write)


def _knob(synth: str, name: str, minimum: float, maximum: float, step: float) -> Knob:
    held = is_held(name) or bool(step and SLOW.search(name))
    return Knob(name, minimum, maximum, step, _section(synth, name), held)


_OPERATOR = (
    *(f"rate {place}" for place in range(1, 5)),
    *(f"envelope {place}" for place in range(1, 5)),
    *("break point", "left depth", "right depth", "left curve", "right curve", "rate scaling"),
    *("amplitude modulation", "velocity sensitivity", "strength", "fixed pitch", "coarse pitch", "fine", "detune"),
)
_COMMON = (
    *(f"pitch rate {place}" for place in range(1, 5)),
    *(f"pitch level {place}" for place in range(1, 5)),
    *("algorithm", "feedback", "key start", "lfo speed", "lfo delay", "lfo pitch depth", "lfo amplitude depth"),
    *("lfo start", "lfo wave", "lfo sensitivity", "transpose"),
)
_DX7_HELD = frozenset({"fixed pitch", "coarse pitch", "fine", "break point", "algorithm", "velocity sensitivity"})


@cache
def _dx7_panel() -> Panel:
    named = [(f"operator {6 - place}", name) for place in range(dx7voice.OPERATORS) for name in _OPERATOR]
    named += [("common", name) for name in _COMMON]
    knobs = tuple(
        Knob(f"{section}: {name}", 0, row.maximum, 1, section, name in _DX7_HELD or is_held(name))
        for (section, name), row in zip(named, dx7voice.PARAMETERS, strict=True)
    )

    def write(values: Sequence[float]) -> State:
        return State(dx7voice.SYNTH, bytes(round(value) for value in values))

    return Panel(knobs, lambda state: [float(value) for value in dx7voice.sound_of(state)], write)


_PANELS: dict[str, Callable[[], Panel]] = {
    "amsynth": _amsynth_panel,
    "faust": _faust_panel,
    "dx7": _dx7_panel,
}


def _plugin_panel(state: State) -> Panel | None:
    """The panel of a plugin whose presets are bare values; names are known only of synths with a row."""
    try:
        file = plugin_file(state)
    except PresetError:
        return None
    if file.chunk is not None:
        return None
    count = len(file.programs[0].values)
    row = synths().get(state.synth)
    names = [each.name for each in row.parameters] if row else []
    if len(names) != count:
        names = [f"parameter {place}" for place in range(count)]
    knobs = tuple(Knob(name, 0.0, 1.0, 0.0, name, is_held(name)) for name in names)

    def write(values: Sequence[float]) -> State:
        program = FxProgram("", tuple(float(np.float32(value)) for value in values))
        whole = FxFile(file.plugin, programs=(program,), plugin_version=file.plugin_version)
        return State(state.synth, whole.encode())

    return Panel(knobs, lambda other: list(plugin_file(other).programs[0].values), write)
