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

``plugin`` alone must be there; ``synthmatch synth add`` finds out the rest. A table that is called like a plugin
which synthmatch knows by itself, such as ``[amsynth]``, replaces what it says and leaves the rest as it is known.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from synthmatch.errors import SynthError
from synthmatch.files import write_text
from synthmatch.presets.catalogue import SYNTHS, Engine, Isolation, Parameter, Synth

_ID = re.compile(r"[a-z0-9][a-z0-9_-]*")
_PLUGIN_ID = re.compile(r"[\x20-\xff]{4}|[0-9a-fA-F]{32}|")
_LARGEST = 2**31 - 1  # a plugin's version is an int32

_LEVELS = "a table of parameters and values from 0 to 1"
_PATHS = "a list of folders or files"


def _text(value: Any) -> str:
    if not isinstance(value, str) or "\0" in value:
        raise ValueError("text between quotes")
    return value


def _plugin_id(value: Any) -> str:
    if not isinstance(value, str) or not _PLUGIN_ID.fullmatch(value):
        raise ValueError("the four letters of a VST 2 plugin or the 32 hex digits of a VST 3 plugin")
    return value


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 3600:
        raise ValueError("a number of seconds, 0 to 3600")
    return float(value)


def _whole(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not -_LARGEST <= value <= _LARGEST:
        raise ValueError("a whole number below 2147483648")
    return int(value)


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("true or false")
    return value


def _paths(value: Any) -> tuple[Path, ...]:
    if not isinstance(value, list) or not all(isinstance(each, str) and "\0" not in each for each in value):
        raise ValueError(_PATHS)
    try:
        return tuple(Path(each).expanduser() for each in value)
    except RuntimeError:  # "~someone" whom this system doesn't know
        raise ValueError(f"{_PATHS}, without the home of someone who isn't known here") from None


def _levels(value: Any) -> tuple[tuple[str, float], ...]:
    rows = list(value.items()) if isinstance(value, Mapping) else value
    if not isinstance(rows, list) or not all(isinstance(row, list | tuple) and len(row) == 2 for row in rows):
        raise ValueError(_LEVELS)
    for name, level in rows:
        if isinstance(level, bool) or not isinstance(level, int | float) or not 0 <= level <= 1:
            raise ValueError(_LEVELS)
        if not isinstance(name, str):
            raise ValueError(_LEVELS)
    return tuple((name, float(level)) for name, level in rows)


def _parameters(value: Any) -> tuple[Parameter, ...]:
    return tuple(Parameter(name, level) for name, level in _levels(value))


def _isolation(value: Any) -> Isolation:
    try:
        return Isolation(value)
    except ValueError:
        raise ValueError(f"one of {', '.join(repr(each.value) for each in Isolation)}") from None


def _plain_levels(rows: Sequence[tuple[str, float]]) -> dict[str, float] | list[list[Any]]:
    """A table; where two parameters have one name, as in some plugins, a list of pairs."""
    table = dict(rows)
    return table if len(table) == len(rows) else [list(row) for row in rows]


def _plain_parameters(parameters: Sequence[Parameter]) -> dict[str, float] | list[list[Any]]:
    return _plain_levels([(each.name, each.default) for each in parameters])


def _plain_paths(paths: Sequence[Path]) -> list[str]:
    return [str(path) for path in paths]


def _same(value: Any) -> Any:
    return value


@dataclass(frozen=True)
class _Key:
    """A key of a synth's table: the field that it fills, and how its value is read and written."""

    name: str
    field: str
    read: Callable[[Any], Any]
    plain: Callable[[Any], Any] = _same


_KEYS = {
    key.name: key
    for key in (
        _Key("title", "title", _text),
        _Key("plugin", "plugin", _text),
        _Key("plugin_id", "plugin_id", _plugin_id),
        _Key("plugin_version", "plugin_version", _whole),
        _Key("presets", "banks", _paths, _plain_paths),
        _Key("settle", "settle", _number),
        _Key("isolation", "isolation", _isolation, lambda isolation: isolation.value),
        _Key("random_state", "random_state", _text),
        _Key("one_processor", "one_processor", _flag),
        _Key("repeatable", "repeatable", _flag),
        _Key("effects_off", "effects_off", _levels, _plain_levels),
        _Key("parameters", "parameters", _parameters, _plain_parameters),
    )
}


def read_synths(path: Path) -> dict[str, Synth]:
    """Read the user's synths by id; none if the file isn't there.

    Raises:
        SynthError: it can't be read, or a table says something that can't be.
    """
    return dict(_rows(path, _read(path)))


def write_synth(path: Path, row: Synth) -> None:
    """Write a synth's table. In one that is there already, what differs is changed; comments, and the rest of the
    file, stay as they are.

    Raises:
        SynthError: the file that is there can't be read, or the row can't be written down.
    """
    write_text(path, text_with(path, row))


def text_with(path: Path, row: Synth) -> str:
    """What ``write_synth`` makes the file say; raises what that raises, and writes nothing."""
    from tomlkit.items import Table

    document = _document(path)
    table, said = document.get(row.id), entry(row)
    if isinstance(table, Table):
        loose = _loosen(table)
        for key in [key for key in table if key not in said]:
            del table[key]
        for key, value in said.items():
            if key not in table or table[key].unwrap() != value:
                table[key] = _item(key, value)
        for each in loose:
            table.value.append(None, each)
    else:
        document[row.id] = {key: _item(key, value) for key, value in said.items()}
    return _text_of(path, document, {**read_synths(path), row.id: row})


def entry(row: Synth) -> dict[str, Any]:
    """What a synth's table says, key by key: what differs from what stands for a key that isn't there."""
    known = _known(row.id, row.plugin, row.plugin_id)
    return {
        name: key.plain(getattr(row, key.field))
        for name, key in _KEYS.items()
        if name == "plugin" or getattr(row, key.field) != getattr(known, key.field)
    }


def entry_text(row: Synth) -> str:
    """A synth's table as it stands in the file."""
    import tomlkit

    return tomlkit.dumps({row.id: {key: _item(key, value) for key, value in entry(row).items()}})


def is_synth_id(text: str) -> bool:
    """Whether a synth can be called that: small letters, digits, dashes and underlines."""
    return _ID.fullmatch(text) is not None


def remove_synth(path: Path, synth_id: str) -> None:
    """Take a synth's table out of the file; the rest stays as it is.

    Raises:
        SynthError: there is none, or the file can't be read.
    """
    import tomlkit
    from tomlkit.items import Table

    document, rows = _document(path), read_synths(path)
    if rows.pop(synth_id, None) is None:
        raise SynthError(f"{path} names no synth called {synth_id}; `synthmatch synth list` shows those that it does.")
    kept = tomlkit.document()
    for key, item in document.body:
        if key is None or key.key != synth_id:
            kept.append(key, item)
        elif isinstance(item, Table):
            for each in _loosen(item):
                kept.append(None, each)
    write_text(path, _text_of(path, kept, rows))


def _loosen(table: Any) -> list[Any]:
    """Take off the blank lines and comments at a table's end: they tell of the table that follows."""
    from tomlkit.items import Table

    body, loose = table.value.body, []
    while body and body[-1][0] is None:
        loose.append(body.pop()[1])
    if not loose and body and isinstance(body[-1][1], Table):
        return _loosen(body[-1][1])
    return loose[::-1]


def _item(key: str, value: Any) -> Any:
    """A value as TOML has it: effects_off in its line, parameters below one another."""
    import tomlkit

    if key != "effects_off" or not isinstance(value, dict):
        return value
    line = tomlkit.inline_table()
    line.update(value)
    return line


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8") if path.exists() else ""
    except (OSError, UnicodeDecodeError) as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> SynthError:
    return SynthError(f"{path} can't be read ({error}); mend it, or move it away and add yours again.")


def _document(path: Path) -> Any:
    import tomlkit

    read_synths(path)  # what can't be understood isn't written over
    return tomlkit.parse(_read(path))


def _text_of(path: Path, document: Any, rows: Mapping[str, Synth]) -> str:
    """The file's text, if what it then says is what it should."""
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    try:
        text = tomlkit.dumps(document)
        text.encode()
        right = _said(_rows(path, text)) == _said(rows)
    except (TOMLKitError, UnicodeEncodeError) as error:
        raise SynthError(f"{path} can't hold that synth ({error}); name its files and itself in plain text.") from error
    if not right:
        raise SynthError(f"{path} can't be changed as it stands; write every synth as one [table], and run this again.")
    return text


def _said(rows: Mapping[str, Synth]) -> dict[str, dict[str, Any]]:
    return {row.id: entry(row) for row in rows.values()}


@lru_cache(maxsize=4)  # each .fxp that is read asks for it, and tomlkit takes its time
def _rows(path: Path, text: str) -> Mapping[str, Synth]:
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    try:
        tables = tomlkit.parse(text).unwrap()
    except (TOMLKitError, RecursionError) as error:
        raise _unreadable(path, error) from error
    return {name: _synth(path, name, table) for name, table in tables.items()}


def _synth(path: Path, name: str, table: Any) -> Synth:
    if not isinstance(table, dict) or not is_synth_id(name):
        raise SynthError(f"{path}: {name!r} isn't a synth's table; write [name] in small letters, digits and dashes.")
    if name in SYNTHS and SYNTHS[name].engine is not Engine.PLUGIN:
        raise SynthError(f"{path}: {name} is what {SYNTHS[name].title} is called here; give [{name}] another name.")
    unknown = [key for key in table if key not in _KEYS]
    if unknown:
        raise SynthError(f"{path}, [{name}]: {unknown[0]} means nothing; choose from {', '.join(_KEYS)}.")
    if not table.get("plugin"):
        raise SynthError(f'{path}, [{name}] names no plugin; add the line plugin = "/path/of/the/plugin".')
    fields: dict[str, Any] = {}
    for key, value in table.items():
        try:
            fields[_KEYS[key].field] = _KEYS[key].read(value)
        except ValueError as error:
            raise SynthError(f"{path}, [{name}]: {key} must be {error}.") from None
    return replace(_known(name, fields["plugin"], fields.get("plugin_id", "")), **fields)


def _known(name: str, plugin: str, plugin_id: str) -> Synth:
    """What is known of a synth before its table says anything: all, if synthmatch knows it by itself."""
    blank = replace(own_synth(name, name, {"plugin": plugin}), files=_files(plugin, plugin_id))
    row = SYNTHS.get(name)
    if row is None or row.engine is not Engine.PLUGIN or blank.is_vst3:
        return blank
    return replace(row, plugin=plugin, package=blank.package, mine=True)


def _files(plugin: str, plugin_id: str) -> tuple[str, ...]:
    vst3 = Path(plugin).suffix.lower() == ".vst3" or len(plugin_id) == 32
    return (".vstpreset",) if vst3 else (".fxp",)


def own_synth(name: str, title: str, fields: Mapping[str, Any]) -> Synth:
    """The row of a user's synth.

    Args:
        name: its id.
        title: what its users call it.
        fields: those of ``Synth`` that are known, ``plugin`` among them.
    """
    files = _files(fields["plugin"], fields.get("plugin_id", ""))
    package = f"correct its path in synths.toml, or take it out with `synthmatch synth remove {name}`"
    return Synth(name, title, Engine.PLUGIN, files, package, mine=True, **fields)
