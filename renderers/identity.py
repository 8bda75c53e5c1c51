"""Who a plugin says that it is: id, version, name and kind, read from its binary or from the files beside it.

Reading a VST2's or VST3's own word runs its code, so this belongs in a process that may die. Nothing is
instantiated that has to be closed again: the process ends afterwards.
"""

from __future__ import annotations

import ctypes
import json
import plistlib
import re
import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.parsers.expat import ExpatError


@dataclass(frozen=True)
class Identity:
    """What a plugin calls itself.

    Args:
        plugin_id: four letters (VST2, Audio Unit) or 32 hex digits (VST3); "" if it doesn't say.
        version: as it counts; VST3 presets don't name any, so 1 there.
        name: its own, or "".
        instrument: whether it plays notes rather than changing sound; None if it doesn't say.
    """

    plugin_id: str = ""
    version: int = 1
    name: str = ""
    instrument: bool | None = None


def identity(plugin: Path) -> Identity:
    """Who the plugin at that path is, as far as it says."""
    return _READERS[plugin.suffix.lower()](plugin)


# VST2: the start of its AEffect on 64-bit systems.
_MAGIC = 0x56737450  # VstP
_FLAGS, _ID, _VERSION, _DISPATCHER = 56, 112, 116, 8
_IS_SYNTH = 1 << 8
_HOST_VERSION, _EFFECT_NAME = 1, 45
_VST_24 = 2400
_Host = ctypes.CFUNCTYPE(
    *(ctypes.c_ssize_t, ctypes.c_void_p, ctypes.c_int32, ctypes.c_int32, ctypes.c_ssize_t, ctypes.c_void_p),
    ctypes.c_float,
)


def _answer(_effect: int, code: int, _index: int, _value: int, _pointer: int, _option: float) -> int:
    """A host that can nothing but say which version of the interface it speaks."""
    return _VST_24 if code == _HOST_VERSION else 0


_HOST = _Host(_answer)  # the plugin may call it as long as it is loaded


def _vst2(plugin: Path) -> Identity:
    try:
        library = ctypes.CDLL(str(_binary(plugin)))
    except OSError:
        return Identity()
    entry = _symbol(library, "VSTPluginMain") or _symbol(library, "main")
    if entry is None:
        return Identity()
    entry.restype, entry.argtypes = ctypes.c_void_p, [_Host]
    effect = entry(_HOST)
    if not effect:
        return Identity()
    magic, dispatcher = struct.unpack("=i4xq", ctypes.string_at(effect, 16))
    if magic != _MAGIC:
        return Identity()
    (flags,) = struct.unpack("=i", ctypes.string_at(effect + _FLAGS, 4))
    number, version = struct.unpack("=Ii", ctypes.string_at(effect + _ID, _VERSION + 4 - _ID))
    name = ctypes.create_string_buffer(256)
    _Host(dispatcher)(effect, _EFFECT_NAME, 0, 0, ctypes.addressof(name), 0.0)
    return Identity(
        number.to_bytes(4, "big").decode("latin-1"),
        max(version, 0),
        name.value.decode("utf-8", "replace").strip(),
        bool(flags & _IS_SYNTH),
    )


def _symbol(library: ctypes.CDLL, name: str) -> Any:
    try:
        return library[name]
    except AttributeError:
        return None


def _binary(plugin: Path) -> Path:
    """The library that is loaded: the file itself, or the one inside a macOS bundle."""
    inside = plugin / "Contents" / "MacOS"
    return next(iter(sorted(inside.iterdir())), plugin) if inside.is_dir() else plugin


_AUDIO_CLASS = "Audio Module Class"


def _vst3(plugin: Path) -> Identity:
    """The bundle's moduleinfo.json, which newer plugins have."""
    for place in (plugin / "Contents" / "Resources", plugin / "Contents"):
        file = place / "moduleinfo.json"
        if file.is_file():
            try:
                return module_identity(file.read_text("utf-8"))
            except (OSError, ValueError, RecursionError):
                break
    return Identity()


def module_identity(text: str) -> Identity:
    """What a ``moduleinfo.json`` says of its first audio class.

    Raises:
        ValueError: it isn't such a file.
    """
    tables = json.loads(plain_json(text))
    classes = tables.get("Classes") if isinstance(tables, dict) else None
    if not isinstance(classes, list):
        raise ValueError("no classes")
    for each in classes:
        if isinstance(each, dict) and each.get("Category") == _AUDIO_CLASS:
            kinds = each.get("Sub Categories", each.get("SubCategories"))
            instrument = "Instrument" in kinds if isinstance(kinds, list | str) else None
            return Identity(str(each.get("CID", "")).lower(), 1, str(each.get("Name", "")), instrument)
    return Identity()


# Strings are matched first, so that nothing inside them is taken for a comment or a comma.
_COMMENT = r"//[^\n]*|/\*(?:[^*]|\*(?!/))*\*/"
_TOKENS = re.compile(rf'("(?:\\.|[^"\\])*")|{_COMMENT}|,(?=(?:\s|{_COMMENT})*[\]}}])')


def plain_json(text: str) -> str:
    """JSON5, as far as plugins use it, as JSON: without comments and without commas before a closing bracket.

    >>> plain_json('{"a": [1, 2,], // one\\n "b": "// no comment, }",}')
    '{"a": [1, 2], \\n "b": "// no comment, }"}'
    """
    return _TOKENS.sub(lambda found: found[1] or "", text.removeprefix("\ufeff"))


def _audio_unit(plugin: Path) -> Identity:
    try:
        listed = plistlib.loads((plugin / "Contents" / "Info.plist").read_bytes())["AudioComponents"][0]
        version = int(listed.get("version", 1))
    except (OSError, LookupError, TypeError, AttributeError, ValueError, ExpatError):
        return Identity()
    name = str(listed.get("name", "")).rpartition(":")[2].strip()
    return Identity(str(listed.get("subtype", "")), version, name, listed.get("type") == "aumu")


_READERS: Mapping[str, Callable[[Path], Identity]] = {
    ".so": _vst2,
    ".dll": _vst2,
    ".vst": _vst2,
    ".vst3": _vst3,
    ".component": _audio_unit,
}

PLUGIN_SUFFIXES = tuple(_READERS)
"""How plugins end, on any system."""


def class_ids(presets: Iterator[Path]) -> Iterator[str]:
    """The VST3 class ids that ``.vstpreset`` files name, 32 lower-case hex digits each; other files are passed over."""
    for file in presets:
        try:
            with file.open("rb") as stream:
                head = stream.read(40)
        except OSError:
            continue
        written = head[8:].decode("latin-1").lower()
        if head.startswith(b"VST3") and re.fullmatch("[0-9a-f]{32}", written):
            yield written
