"""ZynAddSubFX's instruments: one ``<INSTRUMENT>`` of XML, usually compressed with gzip.

A state is canonical XML: the root element with its version attributes (older files sound different under a
newer version) and the instrument without its ``<INFO>``, whose name, author, comment and type belong to the
listing. Blanks between elements are gone and attributes are sorted, so a file that was saved again by
another program has the same state.
"""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

import defusedxml.ElementTree
from defusedxml import DefusedXmlException

from synthmatch.errors import PresetError
from synthmatch.files import write_bytes
from synthmatch.presets.formats.fxp import FxFile
from synthmatch.presets.preset import Preset, State

SYNTH = "zynaddsubfx"
PLUGIN_ID = "ZASF"
PLUGIN_VERSION = 0x00030006

_ROOT = "ZynAddSubFX-data"
_GZIP_MAGIC = b"\x1f\x8b"
_SIZE_LIMIT = 32 * 2**20  # the largest of Debian's 1,318 instruments has 0.4 MB
_DEPTH_LIMIT = 64  # real files nest about ten deep
_AUTHOR = {"ZynAddSubFX-author": "Nasca Octavian Paul"}  # every file carries it; no part of the sound
_SLOT_PREFIX = re.compile(r"^\d{4}-(?=.)")  # how the synth names the files of a bank
_NUMBER_PREFIX = re.compile(r"^\d+\s*[-_. ]\s*(?=\S)")
_NOT_XML = re.compile("[^\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_EFFECTS = re.compile(rb"<INSTRUMENT_EFFECTS>.*?</INSTRUMENT_EFFECTS>", re.DOTALL)
_PADSYNTH = re.compile(rb'<par_bool name="pad_enabled" value="yes"')
_MASTER = (
    b'<MASTER><par_real name="volume" value="-6.66667"/>'  # left out, the level is 40 dB lower
    b'<PART id="0"><par_bool name="enabled" value="yes"/><par_real name="volume" value="0"/>'
    b'<par name="rcv_chn" value="0"/>'
)


def uses_padsynth(state: State) -> bool:
    """Whether a voice is made by PADsynth, whose tables come out a little different in every run."""
    return bool(_PADSYNTH.search(state.data))


def host_chunk(state: State, effects: bool = True) -> bytes:
    """What the plugin takes as its chunk: a whole session with this instrument as its first part.

    Args:
        state: of ZynAddSubFX.
        effects: whether the instrument's own effects stay in.

    Raises:
        PresetError: the state isn't one of ZynAddSubFX.
    """
    root, tag, rest = state.data.partition(b"<INSTRUMENT>")
    instrument, end, _ = rest.rpartition(b"</INSTRUMENT>")
    if state.synth != SYNTH or not tag or not end:
        raise PresetError(f"A state of {state.synth} isn't a ZynAddSubFX instrument; read its bank again.")
    if not effects:
        instrument = _EFFECTS.sub(b"", instrument)
    body = _MASTER + tag + instrument + end + b"</PART></MASTER>"
    return b'state\0<?xml version="1.0" encoding="UTF-8"?>' + root + body + f"</{_ROOT}>".encode() + b"\0"


@dataclass(frozen=True)
class ZynInstrument:
    """ZynAddSubFX's ``.xiz`` files."""

    synth: str = SYNTH
    suffix: str = ".xiz"

    def read(self, path: Path) -> tuple[list[Preset], list[str]]:
        """Read an instrument, compressed or not.

        Returns:
            One preset, unlabelled, and no faults.

        Raises:
            PresetError: the file can't be opened, is damaged, too large or isn't an instrument.
        """
        root = _parse(_read_bytes(path), path)
        instruments = root.findall("INSTRUMENT")
        if root.tag != _ROOT or len(instruments) != 1:
            raise PresetError(f"{path} isn't a ZynAddSubFX instrument; save it from the synth as .xiz.")
        info = instruments[0].find("INFO")
        state = State(SYNTH, _canonical(root, instruments[0], path))
        preset = Preset(
            _name(path, _string(info, "name")),
            state,
            bank=path.resolve().parent.name,
            file=path,
            category=_value(info, "type"),
            author=_string(info, "author"),
            comment=_string(info, "comments"),
        )
        return [preset], []

    def write(self, path: Path, presets: Sequence[Preset]) -> None:
        """Write one instrument, compressed; reading it gives the same state, name, author and comment.

        (Not the same name where ``path`` is named like a slot of a bank, "0001-Something.xiz": see ``_name``.)

        Raises:
            PresetError: not exactly one preset, not ZynAddSubFX's, or a text that XML can't hold.
        """
        if len(presets) != 1:
            raise PresetError(f"{path} can't hold {len(presets)} presets; an .xiz file holds exactly one.")
        preset = presets[0]
        if preset.synth != SYNTH:
            raise PresetError(f"{preset.name} is a preset of {preset.synth}; an .xiz file can't hold it.")
        text = ElementTree.tostring(_document(preset), encoding="unicode")
        head = f'<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE {_ROOT}>\n'
        write_bytes(path, gzip.compress((head + text + "\n").encode(), 6, mtime=0))

    def write_host(self, folder: Path, preset: Preset, stem: str) -> Path:
        """Write ``folder/stem.fxb``, a bank that any host of the VST plugin loads.

        Raises:
            PresetError: the preset isn't ZynAddSubFX's.
        """
        chunk = host_chunk(preset.state)
        file = FxFile(PLUGIN_ID, chunk, bank=True, plugin_version=PLUGIN_VERSION)
        path = folder / f"{stem}{file.suffix}"
        write_bytes(path, file.encode())
        return path


def _read_bytes(path: Path) -> bytes:
    """The file's XML, at most ``_SIZE_LIMIT`` bytes of it: a small gzip file can hold gigabytes."""
    try:
        with path.open("rb") as file:
            packed = file.read(2) == _GZIP_MAGIC
            file.seek(0)
            data = gzip.GzipFile(fileobj=file).read(_SIZE_LIMIT + 1) if packed else file.read(_SIZE_LIMIT + 1)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise PresetError(f"{path} is damaged ({error}); copy it again.") from error
    except OSError as error:
        raise PresetError(f"{path} can't be read ({error.strerror}).") from error
    if len(data) > _SIZE_LIMIT:
        raise PresetError(f"{path} unpacks to more than {_SIZE_LIMIT >> 20} MiB; no instrument is so large.")
    if not data.strip():
        raise PresetError(f"{path} is empty; copy it again.")
    return data


def _parse(data: bytes, path: Path) -> Element:
    try:
        # Every file has a DOCTYPE; entities are what is dangerous, and defusedxml refuses those. Two thirds
        # of the files begin with an empty line, which strict XML forbids.
        root: Element = defusedxml.ElementTree.fromstring(data.lstrip())
    except DefusedXmlException as error:
        raise PresetError(f"{path} defines entities, which no instrument needs; save it anew.") from error
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise PresetError(f"{path} isn't valid XML ({error}).") from error
    return root


def _canonical(root: Element, instrument: Element, path: Path) -> bytes:
    copy = Element(_ROOT, {key: value for key, value in sorted(root.attrib.items()) if key not in _AUTHOR})
    copy.append(_tidy(instrument, path))
    copy[0][:] = [child for child in copy[0] if child.tag != "INFO"]
    if not len(copy[0]):
        raise PresetError(f"{path} holds an empty instrument; save it again from the synth.")
    return ElementTree.tostring(copy, encoding="unicode").encode()


def _tidy(element: Element, path: Path, depth: int = 0) -> Element:
    """The element with sorted attributes and without blanks around text."""
    if depth > _DEPTH_LIMIT:
        raise PresetError(f"{path} nests more than {_DEPTH_LIMIT} elements; no instrument does.")
    copy = Element(element.tag, dict(sorted(element.attrib.items())))
    copy.text = (element.text or "").strip() or None
    copy.extend([_tidy(child, path, depth + 1) for child in element])
    return copy


def _document(preset: Preset) -> Element:
    """The whole file: what the state left out put back in its place."""
    root: Element = defusedxml.ElementTree.fromstring(preset.state.data)
    root.attrib.update(_AUTHOR)
    information = Element("INFORMATION")
    padsynth = "yes" if uses_padsynth(preset.state) else "no"
    SubElement(information, "par_bool", name="PADsynth_used", value=padsynth)
    info = Element("INFO")
    for key, text in (("name", preset.name), ("author", preset.author), ("comments", preset.comment)):
        if found := _NOT_XML.search(text):
            raise PresetError(f"The {key} of {preset.name!r} holds {found[0]!r}, which XML can't; change it.")
        SubElement(info, "string", name=key).text = text
    SubElement(info, "par", name="type", value=preset.category or "0")
    root.insert(0, information)
    root[1].insert(0, info)
    return root


def _name(path: Path, inside: str) -> str:
    """What the synth's own bank window shows.

    That is the file's name for a file in a bank, since a saved copy keeps the name of its model inside. The
    name inside is taken where only its punctuation differs, which file names can't hold.
    """
    title = _NUMBER_PREFIX.sub("", path.stem).strip()
    if not inside or (_SLOT_PREFIX.match(path.stem) and _letters(title) != _letters(inside)):
        return title
    return inside


def _letters(text: str) -> str:
    return re.sub(r"[\W_]+", "", text).casefold()


def _string(info: Element | None, name: str) -> str:
    found = None if info is None else info.find(f"string[@name='{name}']")
    text = "" if found is None else found.text or ""
    return text.replace("\r\n", "\n").replace("\r", "\n").strip()


def _value(info: Element | None, name: str) -> str:
    found = None if info is None else info.find(f"par[@name='{name}']")
    return "" if found is None else found.get("value", "").strip()
