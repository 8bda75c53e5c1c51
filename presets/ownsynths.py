"""``synths.toml``: the user's own synths, one table each.

::

    [diva]
    title = "Diva"
    plugin = "/home/ana/.vst3/Diva.vst3"
    plugin_id = "d39d5b69d6af42fa1234567844695661"
    presets = ["/home/ana/Diva presets"]
    isolation = "new instance"
    settle = 2.0
    effects_off = { "FX1: Active" = 0.0 }

``plugin`` alone must be there; ``synthmatch synth add`` finds out the rest.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synthmatch.errors import SynthError
from synthmatch.files import write_text
from synthmatch.presets.catalogue import Engine, Isolation, Parameter, Synth

_ID = re.compile(r"[a-z0-9][a-z0-9_-]*")


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("text between quotes")
    return value


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 3600:
        raise ValueError("a number of seconds")
    return float(value)


def _whole(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError("a whole number")
    return int(value)


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("true or false")
    return value


def _paths(value: Any) -> tuple[Path, ...]:
    if not isinstance(value, list):
        raise ValueError("a list of folders or files")
    return tuple(Path(_text(each)).expanduser() for each in value)


def _levels(value: Any) -> dict[str, float]:
    if not isinstance(value, Mapping):
        raise ValueError("a table of parameters and values from 0 to 1")
    for level in value.values():
        if isinstance(level, bool) or not isinstance(level, int | float) or not 0 <= level <= 1:
            raise ValueError("a table of parameters and values from 0 to 1")
    return {str(name): float(level) for name, level in value.items()}


def _effects_off(value: Any) -> tuple[tuple[str, float], ...]:
    return tuple(_levels(value).items())


def _parameters(value: Any) -> tuple[Parameter, ...]:
    return tuple(Parameter(name, level) for name, level in _levels(value).items())


def _isolation(value: Any) -> Isolation:
    try:
        return Isolation(value)
    except ValueError:
        raise ValueError(f"one of {', '.join(repr(each.value) for each in Isolation)}") from None


@dataclass(frozen=True)
class _Key:
    """A key of a synth's table: the field that it fills, and how its value is read."""

    name: str
    field: str
    read: Callable[[Any], Any]


_KEYS = {
    key.name: key
    for key in (
        _Key("title", "title", _text),
        _Key("plugin", "plugin", _text),
        _Key("plugin_id", "plugin_id", _text),
        _Key("plugin_version", "plugin_version", _whole),
        _Key("presets", "banks", _paths),
        _Key("parameters", "parameters", _parameters),
        _Key("effects_off", "effects_off", _effects_off),
        _Key("settle", "settle", _number),
        _Key("isolation", "isolation", _isolation),
        _Key("random_state", "random_state", _text),
        _Key("one_processor", "one_processor", _flag),
        _Key("repeatable", "repeatable", _flag),
    )
}


def read_synths(path: Path) -> dict[str, Synth]:
    """Read the user's synths by id; none if the file isn't there.

    Raises:
        SynthError: it can't be read, or a table says something that can't be.
    """
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    if not path.exists():
        return {}
    try:
        tables = tomlkit.parse(path.read_text(encoding="utf-8")).unwrap()
    except (OSError, UnicodeDecodeError, TOMLKitError) as error:
        raise SynthError(f"{path} can't be read ({error}); mend it, or move it away and add yours again.") from error
    return {name: _synth(path, name, table) for name, table in tables.items()}


def write_synth(path: Path, row: Synth) -> None:
    """Write a synth's table, in the place of one with the same id; the rest of the file stays as it is.

    Raises:
        SynthError: the file that is there can't be read.
    """
    document = _document(path)
    document[row.id] = entry(row)
    _write(path, document)


def entry(row: Synth) -> dict[str, Any]:
    """What a synth's table says, key by key."""
    return {key.name: _plain(getattr(row, key.field)) for key in _KEYS.values() if _says(row, key)}


def entry_text(row: Synth) -> str:
    """A synth's table as it stands in the file."""
    import tomlkit

    return tomlkit.dumps({row.id: entry(row)})


def is_synth_id(text: str) -> bool:
    """Whether a synth can be called that: small letters, digits, dashes and underlines."""
    return _ID.fullmatch(text) is not None


def remove_synth(path: Path, synth_id: str) -> None:
    """Take a synth's table out of the file.

    Raises:
        SynthError: there is none.
    """
    document = _document(path)
    if synth_id not in document:
        raise SynthError(f"{path} names no synth called {synth_id}; `synthmatch synth list` shows those that it does.")
    del document[synth_id]
    _write(path, document)


def _document(path: Path) -> Any:
    import tomlkit

    read_synths(path)  # what can't be understood isn't written over
    return tomlkit.parse(path.read_text(encoding="utf-8") if path.exists() else "")


def _write(path: Path, document: Any) -> None:
    import tomlkit

    write_text(path, tomlkit.dumps(document))


def _synth(path: Path, name: str, table: Any) -> Synth:
    if not isinstance(table, dict) or not _ID.fullmatch(name):
        raise SynthError(f"{path}: {name!r} isn't a synth's table; write [name] in small letters, digits and dashes.")
    unknown = [key for key in table if key not in _KEYS]
    if unknown:
        raise SynthError(f"{path}, [{name}]: {unknown[0]} means nothing; choose from {', '.join(_KEYS)}.")
    if not table.get("plugin"):
        raise SynthError(f"{path}, [{name}] names no plugin; add the line plugin = \"/path/of/the/plugin\".")
    fields: dict[str, Any] = {}
    for key, value in table.items():
        try:
            fields[_KEYS[key].field] = _KEYS[key].read(value)
        except ValueError as error:
            raise SynthError(f"{path}, [{name}]: {key} must be {error}.") from None
    title = fields.pop("title", name)
    return own_synth(name, title, fields)


def own_synth(name: str, title: str, fields: Mapping[str, Any]) -> Synth:
    """The row of a user's synth.

    Args:
        name: its id.
        fields: those of ``Synth`` that are known, ``plugin`` among them.
    """
    vst3 = Path(fields["plugin"]).suffix.lower() == ".vst3"
    files = (".vstpreset",) if vst3 else (".fxp",)
    package = f"correct its path in synths.toml, or take it out with `synthmatch synth remove {name}`"
    return Synth(name, title, Engine.PLUGIN, files, package, mine=True, **fields)


def _says(row: Synth, key: _Key) -> bool:
    """Whether a row's value differs from what stands for a key that isn't there."""
    blank = Synth("", "", Engine.PLUGIN, (), "")
    return bool(getattr(row, key.field) != getattr(blank, key.field))


def _plain(value: Any) -> Any:
    """A field's value as TOML has it."""
    if isinstance(value, enum.Enum):
        return value.value
    if not isinstance(value, tuple):
        return value
    if all(isinstance(each, Parameter) for each in value):
        return {each.name: each.default for each in value}
    if all(isinstance(each, tuple) for each in value):
        return dict(value)
    return [str(each) for each in value]
