"""``.vstpreset``: presets of VST 3 plugins.

Every number is little-endian::

    "VST3"  int32 version, 1   32 hex digits, the plugin's class   int64 place of the list
    ...     the chunks
    "List"  int32 count        per chunk: 4 letters, int64 place, int64 size

The chunk ``Comp`` is the state of the plugin, ``Cont`` that of its panel, ``Info`` tells of the preset in XML.
What they hold is the plugin's own affair, so the state of a preset is the file with the first two alone.
"""

from __future__ import annotations

import string
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree.ElementTree import Element, SubElement, tostring

from synthmatch.errors import PresetError
from synthmatch.files import write_bytes
from synthmatch.presets import catalogue
from synthmatch.presets.catalogue import Synth
from synthmatch.presets.formats.safexml import parse_xml, unprintable
from synthmatch.presets.formats.wholefile import read_whole
from synthmatch.presets.preset import Preset, State

_HEADER = struct.Struct("<4si32sq")  # magic, version, class, place of the list
_LIST = struct.Struct("<4si")
_ENTRY = struct.Struct("<4sqq")  # chunk, place, size
_MAGIC, _VERSION = b"VST3", 1
_LIST_MAGIC = b"List"
_COMPONENT, _CONTROLLER, _INFO = b"Comp", b"Cont", b"Info"
_MOST_CHUNKS = 128  # the format's own limit
_SIZE_LIMIT = 256 * 2**20
_INFO_LIMIT = 2**20  # bytes of text above which nobody describes a preset


@dataclass(frozen=True)
class Vst3Preset:
    """What a ``.vstpreset`` file holds.

    Args:
        plugin: the plugin's class, 32 hex digits in upper case.
        component: the state of the plugin.
        controller: the state of its panel; None if the file holds none.
        info: XML that describes the preset, or nothing.
    """

    plugin: str
    component: bytes = field(repr=False)
    controller: bytes | None = field(default=None, repr=False)
    info: bytes = field(default=b"", repr=False)

    def encode(self) -> bytes:
        """The file's bytes.

        Raises:
            PresetError: the plugin's class isn't 32 hex digits.
        """
        if not is_class(self.plugin):
            raise PresetError(f"A VST 3 plugin's class has 32 hex digits; {self.plugin!r} isn't one.")
        chunks = [(_COMPONENT, self.component)]
        if self.controller is not None:
            chunks.append((_CONTROLLER, self.controller))
        if self.info:
            chunks.append((_INFO, self.info))
        place, entries = _HEADER.size, b""
        for letters, content in chunks:
            entries += _ENTRY.pack(letters, place, len(content))
            place += len(content)
        header = _HEADER.pack(_MAGIC, _VERSION, self.plugin.upper().encode("ascii"), place)
        contents = b"".join(content for _, content in chunks)
        return header + contents + _LIST.pack(_LIST_MAGIC, len(chunks)) + entries

    @classmethod
    def decode(cls, data: bytes, source: str) -> Vst3Preset:
        """Read a file's bytes.

        Args:
            data: the whole file.
            source: what errors call it, such as its path.

        Raises:
            PresetError: not a VST 3 preset file, cut short, or without the state of a plugin.
        """
        if len(data) < _HEADER.size or not data.startswith(_MAGIC):
            raise PresetError(f"{source} isn't a VST 3 preset file; name a .vstpreset that a host saved.")
        _, version, letters, place = _HEADER.unpack_from(data)
        plugin = letters.decode("latin-1").upper()
        if version != _VERSION or not is_class(plugin):
            raise PresetError(f"{source} is a VST 3 preset file of an unknown version ({version}); save it again.")
        chunks = _chunks(data, place, source)
        if _COMPONENT not in chunks:
            raise PresetError(f"{source} holds no state of the plugin, only {_names(chunks)}; save the preset again.")
        return cls(plugin, chunks[_COMPONENT], chunks.get(_CONTROLLER), chunks.get(_INFO, b""))


def is_class(text: str) -> bool:
    """Whether a text is how files name a VST 3 plugin's class: 32 hex digits."""
    return len(text) == 32 and all(letter in string.hexdigits for letter in text)


@dataclass(frozen=True)
class VstPreset:
    """``.vstpreset`` files.

    Args:
        known: the synths by id, among which plugins are looked up; those of the catalogue if None.
    """

    known: Mapping[str, Synth] | None = None

    suffix = ".vstpreset"
    many = False
    readable = True

    def serves(self, synth: Synth) -> bool:
        """Whether it can hold presets of that synth."""
        return synth.is_vst3

    def read(self, path: Path) -> tuple[Sequence[Preset], Sequence[str]]:
        """Read the one preset; see ``PresetFormat.read``."""
        file = Vst3Preset.decode(read_whole(path, _SIZE_LIMIT, "plugin's preset"), str(path))
        synth = self._synth(file, path)
        state = State(synth.id, Vst3Preset(file.plugin, file.component, file.controller).encode())
        about = _attributes(file.info)
        preset = Preset(
            about.get("Name", "") or path.stem,
            state,
            bank=path.parent.resolve().name,
            file=path,
            category=about.get("MusicalInstrument", ""),
            author=about.get("Author", ""),
            comment=about.get("Comment", ""),
            tags=_tags(about),
        )
        return [preset], []

    def write(self, path: Path, presets: Sequence[Preset]) -> None:
        """Write one preset; see ``PresetFormat.write``."""
        if len(presets) != 1:
            raise PresetError(f"{path} can't hold {len(presets)} presets; a .vstpreset file holds exactly one.")
        preset = presets[0]
        row = self._known().get(preset.synth)
        if row is None or not self.serves(row):
            raise PresetError(f"{preset.name} is a preset of {preset.synth}, which a .vstpreset file can't hold.")
        state = Vst3Preset.decode(preset.state.data, f"The state {preset.id} of {preset.synth}")
        whole = Vst3Preset(state.plugin, state.component, state.controller, _info(preset, row))
        write_bytes(path, whole.encode())

    def _known(self) -> Mapping[str, Synth]:
        return catalogue.synths() if self.known is None else self.known

    def _synth(self, file: Vst3Preset, path: Path) -> Synth:
        for row in self._known().values():
            if row.is_vst3 and row.plugin_id.upper() == file.plugin:
                return row
        raise PresetError(
            f"{path} is of a plugin with the class {file.plugin}, which isn't known;"
            " add the plugin with `synthmatch synth add`."
        )


def _chunks(data: bytes, place: int, source: str) -> dict[bytes, bytes]:
    """The chunks by their letters; of two with the same, the first. Of those that nobody here reads, nothing but the
    letters: a hostile list could name all of the file again and again."""
    first = place + _LIST.size
    if not _HEADER.size <= place <= len(data) - _LIST.size or not data.startswith(_LIST_MAGIC, place):
        raise PresetError(f"{source} is cut short or damaged: its list of chunks isn't there; copy it again.")
    _, count = _LIST.unpack_from(data, place)
    if not 0 <= count <= _MOST_CHUNKS:
        raise PresetError(f"{source} says that it holds {count} chunks; save it again.")
    if len(data) < first + count * _ENTRY.size:
        raise PresetError(f"{source} is cut short: its list of chunks isn't whole; copy it again.")
    chunks: dict[bytes, bytes] = {}
    for letters, start, size in _ENTRY.iter_unpack(data[first : first + count * _ENTRY.size]):
        if start < _HEADER.size or size < 0 or start + size > len(data):
            raise PresetError(f"{source} is damaged: its chunk {_names([letters])} lies outside; copy it again.")
        read = letters in (_COMPONENT, _CONTROLLER, _INFO) and letters not in chunks
        chunks.setdefault(letters, data[start : start + size] if read else b"")
    return chunks


def _names(chunks: Mapping[bytes, bytes] | Sequence[bytes]) -> str:
    return ", ".join(ascii(letters.decode("latin-1")) for letters in chunks) or "nothing"


def _attributes(info: bytes) -> dict[str, str]:
    """What the file tells of itself. Text that can't be read is left out: it changes no sound."""
    text = info.strip(b"\0\t\r\n ")
    if not text or len(text) > _INFO_LIMIT:
        return {}
    try:
        root = parse_xml(text, "Info")
    except PresetError:
        return {}
    return {each.get("id", ""): each.get("value", "").strip() for each in root.iter("Attribute")}


def _tags(about: Mapping[str, str]) -> tuple[str, ...]:
    words = (word.strip() for key in ("MusicalStyle", "MusicalCharacter") for word in about.get(key, "").split("|"))
    return tuple(sorted({word for word in words if word}))


def _info(preset: Preset, row: Synth) -> bytes:
    """XML that tells of a preset, in the attributes that hosts know."""
    root = Element("MetaInfo")
    texts = {
        "MediaType": "VstPreset",
        "PlugInName": row.title,
        "PlugInCategory": "Instrument",
        "Name": preset.name,
        "MusicalInstrument": preset.category,
        "MusicalCharacter": "|".join(preset.tags),
        "Author": preset.author,
        "Comment": preset.comment,
    }
    for key, text in texts.items():
        if found := unprintable(text):
            raise PresetError(f"The {key} of {preset.name!r} holds {found!r}, which XML can't; change it.")
        if text:
            SubElement(root, "Attribute", id=key, value=text, type="string", flags="")
    return b'<?xml version="1.0" encoding="utf-8"?>\n' + tostring(root, encoding="unicode").encode()
