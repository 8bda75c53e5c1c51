"""amsynth's banks: text, one line per parameter, values in natural units.

Its reader takes words, not lines, and has no mercy: an unknown parameter, or ``<parameter>`` inside a name,
aborts the process that hosts it, and a preset without parameters hangs it. So what is read here is checked
against the table of parameters, and what a host gets is written from that table alone.
"""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from pathlib import Path

from synthmatch.errors import PresetError
from synthmatch.files import write_text
from synthmatch.presets.catalogue import Synth
from synthmatch.presets.formats.wholefile import read_whole
from synthmatch.presets.preset import Preset, State, encode_parameters

SYNTH = "amsynth"

_HEADER = "amSynth"
_PRESET = "<preset> <name>"
_PARAMETER = "<parameter>"
_PROPERTY = "<property>"  # settings of the program, such as its tuning files: no part of a preset
_END = "EOF"
_LINE_END = re.compile("\r\n|\r|\n")  # no others: byte 0x85 is an ellipsis in names that Windows wrote
_SIZE_LIMIT = 64 * 2**20
_MOST_READ = 50_000  # presets, as many as files of that size have if each is whole
_MOST = 128  # presets of a bank; amsynth puts those beyond behind the end of its table, and crashes when it starts
_EFFECTS_OFF = {"reverb_wet": 0.0, "distortion_crunch": 0.0}


@dataclass(frozen=True)
class Parameter:
    """One of amsynth's 41 parameters, in natural units; ``step`` is 0 where the value is continuous."""

    name: str
    default: float
    minimum: float
    maximum: float
    step: float

    def clean(self, value: float) -> float:
        """The value that the synth would use: clamped, and rounded if stepped."""
        value = min(max(value, self.minimum), self.maximum)
        if not self.step:
            return value
        return self.minimum + math.floor((value - self.minimum) / self.step + 0.5) * self.step

    def vst(self, value: float) -> float:
        """The value that a plugin host sets, 0 to 1."""
        return (self.clean(value) - self.minimum) / (self.maximum - self.minimum)


@cache
def parameter_table() -> tuple[Parameter, ...]:
    """All 41 parameters in the plugin's order."""
    text = resources.files(__package__).joinpath("amsynth_parameters.csv").read_text("utf-8")
    return tuple(
        Parameter(row["name"], *(float(row[key]) for key in ("default", "minimum", "maximum", "step")))
        for row in csv.DictReader(text.splitlines())
    )


@cache
def _by_name() -> dict[str, Parameter]:
    return {parameter.name: parameter for parameter in parameter_table()}


def make_state(parameters: Mapping[str, float]) -> State:
    """The state of some parameters: what is missing gets its default, what is out of range is clamped.

    Args:
        parameters: natural units, by name.

    Raises:
        PresetError: amsynth has no parameter of that name, or a value isn't finite.
    """
    for name, value in parameters.items():
        if name not in _by_name():
            raise PresetError(f"amsynth has no parameter called {name}.")
        if not math.isfinite(value):
            raise PresetError(f"Parameter {name} is {value}; every parameter must be a finite number.")
    values = {row.name: row.clean(parameters.get(row.name, row.default)) for row in parameter_table()}
    return State(SYNTH, encode_parameters(values))


def vst_values(parameters: Mapping[str, float]) -> list[float]:
    """All 41 values that a plugin host sets, 0 to 1, in the plugin's order.

    Args:
        parameters: natural units, by name; what is missing gets its default.
    """
    return [row.vst(parameters.get(row.name, row.default)) for row in parameter_table()]


def effects_off(parameters: Mapping[str, float]) -> dict[str, float]:
    """The same parameters without reverb and distortion."""
    return {**parameters, **_EFFECTS_OFF}


def host_chunk(state: State) -> bytes:
    """What the plugin takes as its chunk: text with one nameless preset, ended by a zero byte.

    Without that last byte amsynth 1.13.2 reads on behind the chunk and aborts now and then.
    """
    return f"amSynth1.0preset\n{_PRESET} x\n{_parameter_lines(state)}\0".encode("ascii")


def read_chunk(chunk: bytes, path: Path, name: str) -> tuple[list[Preset], list[str]]:
    """Read what the plugin saved as its chunk: a bank as text, usually with one preset.

    Args:
        chunk: up to its first zero byte.
        path: where it comes from.
        name: what the plugin host called it; where there is just one preset, this is its name rather than the
            one in the chunk, which is seldom more than a letter.

    Raises:
        PresetError: it isn't amsynth's, or holds no preset.
    """
    presets, faults = _presets(chunk.split(b"\0", 1)[0], path, path.stem)
    if len(presets) == 1:
        own = presets[0].name
        presets = [replace(presets[0], name=name or (own if len(own) > 1 else path.stem))]
    return presets, faults


@dataclass(frozen=True)
class AmsynthBank:
    """amsynth's ``.bank`` files."""

    suffix: str = ".bank"
    many: bool = True
    readable: bool = True

    def serves(self, synth: Synth) -> bool:
        """Whether it can hold presets of that synth."""
        return synth.id == SYNTH

    def read(self, path: Path) -> tuple[list[Preset], list[str]]:
        """Read every preset of a bank.

        Returns:
            The presets, unlabelled, and one sentence per preset that can't be read.

        Raises:
            PresetError: the file can't be opened, isn't an amsynth bank or holds no preset.
        """
        data = read_whole(path, _SIZE_LIMIT, "amsynth bank")
        return _presets(data, path, path.name.removesuffix(path.suffix).removesuffix(".amSynth"))

    def write(self, path: Path, presets: Sequence[Preset]) -> None:
        """Write a bank; reading it gives the same names and states.

        Raises:
            PresetError: there is none, one isn't amsynth's, or has a name that a bank can't hold; or they are more
                than a bank can hold.
        """
        if not presets:
            raise PresetError(f"{path} needs at least one preset.")
        if len(presets) > _MOST:
            raise PresetError(f"{path} can't hold {len(presets)} presets; amsynth crashes over more than {_MOST}.")
        for preset in presets:
            if preset.synth != SYNTH:
                raise PresetError(f"{preset.name} is a preset of {preset.synth}, not of amsynth.")
            _check_name(preset.name)
        bodies = "".join(f"{_PRESET} {each.name}\n{_parameter_lines(each.state)}" for each in presets)
        write_text(path, f"{_HEADER}\n{bodies}{_END}\n")


def _text(data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")  # takes any byte; only names are ever outside ASCII


def _presets(data: bytes, path: Path, bank: str) -> tuple[list[Preset], list[str]]:
    lines = _LINE_END.split(_text(data))
    if not lines[0].startswith(_HEADER):
        raise PresetError(f"{path} isn't an amsynth bank: its first line doesn't say {_HEADER}.")
    presets: list[Preset] = []
    faults: list[str] = []
    for slot, (name, body) in enumerate(_split(lines[1:])):
        if slot == _MOST_READ:
            raise PresetError(f"{path} holds more than {_MOST_READ:,} presets; split it.")
        try:
            presets.append(Preset(name, _parse(name, body), bank, path, slot))
        except PresetError as error:
            faults.append(f"{path}: preset {slot + 1} ({name!r}) is left out: {error}")
    if not presets and not faults:
        raise PresetError(f"{path} is an amsynth bank without presets.")
    return presets, faults


def _split(lines: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    """Each preset's name and the lines below it, up to the line that ends the bank."""
    name: str | None = None
    body: list[str] = []
    for line in lines:
        if line.strip() == _END:
            break
        if line.startswith(_PRESET):
            if name is not None:
                yield name, body
            name, body = line.removeprefix(_PRESET).strip(), []
        elif line.strip() and name is not None:
            body.append(line)
    if name is not None:
        yield name, body


def _parse(name: str, body: Sequence[str]) -> State:
    _check_name(name)
    values: dict[str, float] = {}
    for line in body:
        match line.split():
            case [word, *_] if word == _PROPERTY:
                continue
            case [word, key, text] if word == _PARAMETER:
                try:
                    values[key] = float(text)
                except ValueError:
                    raise PresetError(f"parameter {key} is {text!r}, not a number.") from None
            case _:
                raise PresetError(f"the line {line.strip()[:60]!r} means nothing in a bank.")
    if not values:
        raise PresetError("it has no parameters.")
    return make_state(values)


def _check_name(name: str) -> None:
    if _PARAMETER in name or _PRESET in name:
        raise PresetError(f"The name {name!r} holds a word that makes amsynth crash; rename the preset.")
    if name != name.strip() or _LINE_END.search(name) or "\0" in name:
        raise PresetError(f"The name {name!r} has line breaks, zeros or blanks around it; rename the preset.")


def _parameter_lines(state: State) -> str:
    values = state.parameters()
    # repr gives the shortest digits that read back as the same number.
    return "".join(f"{_PARAMETER} {row.name} {values[row.name]!r}\n" for row in parameter_table())
