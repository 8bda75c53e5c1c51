"""The built-in synth as presets see it: its parameters, its Faust source, its factory bank.

The source, ``synth.dsp``, is the one truth: the table of parameters is read from it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from pathlib import Path

from synthmatch.errors import PresetError
from synthmatch.presets.preset import State, encode_parameters

SYNTH = "faust"
"""The synth's id."""

KEYBOARD = frozenset({"freq", "gain"})
"""Controls that a note sets, not a preset."""

EFFECTS_OFF: dict[str, float] = {"chorus_mix": 0.0, "delay_mix": 0.0, "reverb_mix": 0.0}
"""Parameter values that leave exactly the dry voice."""

_SLIDER = re.compile(r'^(?P<name>\w+) = hslider\("(?P=name)", (?P<numbers>[^)]+)\);', re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Parameter:
    """One knob; ``step`` 1 makes it a switch between whole numbers."""

    name: str
    default: float
    minimum: float
    maximum: float
    step: float

    def fit(self, value: float) -> float:
        """The nearest value that the knob has: within its range, and whole on a switch."""
        value = min(self.maximum, max(self.minimum, value))
        return float(round(value)) if self.step == 1 else value


@lru_cache(maxsize=1)
def source() -> str:
    """The synth's Faust source."""
    return resources.files("synthmatch.presets").joinpath("synth.dsp").read_text(encoding="utf-8")


@lru_cache(maxsize=1)
def parameters() -> dict[str, Parameter]:
    """Every parameter by name, in the order of the source."""
    rows = (Parameter(match["name"], *map(float, match["numbers"].split(","))) for match in _SLIDER.finditer(source()))
    return {row.name: row for row in rows if row.name not in KEYBOARD}


def factory_bank_path() -> Path:
    """The factory bank, a ``.faustpatch`` file."""
    return Path(str(resources.files("synthmatch.presets").joinpath("factory.faustpatch")))


def complete(values: Mapping[str, object]) -> dict[str, float]:
    """Every parameter of the synth: ``values``, moved into their ranges, and defaults for the rest.

    Raises:
        PresetError: a name is unknown, or a value isn't a finite number.
    """
    table = parameters()
    result = {name: row.default for name, row in table.items()}
    for name, value in values.items():
        if name not in table:
            raise PresetError(f"The built-in synth has no parameter called {name}; remove it.")
        if isinstance(value, bool) or not isinstance(value, int | float) or not _finite(value):
            raise PresetError(f"Parameter {name} is {value!r}; give a finite number.")
        result[name] = table[name].fit(float(value))
    return result


def _finite(value: int | float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number beyond any float
        return False


def make_state(values: Mapping[str, object]) -> State:
    """The state of a set of parameters, completed.

    Raises:
        PresetError: as ``complete`` does.
    """
    return State(SYNTH, encode_parameters(complete(values)))


def values_of(state: State) -> dict[str, float]:
    """All parameters of a state of this synth.

    Raises:
        PresetError: it is another synth's state, or isn't a valid set of parameters.
    """
    if state.synth != SYNTH:
        raise PresetError(f"A state of {state.synth} can't be played by the built-in synth; use its own renderer.")
    return complete(state.parameters())


def preset_source(name: str, author: str, values: Mapping[str, float]) -> str:
    """The synth's source with other defaults: a stand-alone program that sounds like the preset."""
    table = parameters()

    def slider(match: re.Match[str]) -> str:
        row = table.get(match["name"])
        if row is None:
            return match[0]
        return (
            f'{row.name} = hslider("{row.name}", {values[row.name]!r}, {row.minimum!r}, {row.maximum!r}, {row.step!r});'
        )

    heading = f'declare name "{_quotable(name)}";'
    if author:
        heading += f'\ndeclare author "{_quotable(author)}";'
    return _SLIDER.sub(slider, source()).replace('declare name "synthmatch";', heading)


def _quotable(text: str) -> str:
    """Text that can stand between Faust's quotes, which know no escapes."""
    return "".join("'" if letter in '"\\' else letter for letter in text if letter.isprintable()) or "unnamed"
