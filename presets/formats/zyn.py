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
from dataclasses import dataclass, replace
from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from synthmatch.errors import PresetError
from synthmatch.files import write_bytes
from synthmatch.presets.catalogue import Synth
from synthmatch.presets.formats.safexml import parse_xml, unprintable
from synthmatch.presets.preset import Preset, State

SYNTH = "zynaddsubfx"

_ROOT = "ZynAddSubFX-data"
_GZIP_MAGIC = b"\x1f\x8b"
_SIZE_LIMIT = 32 * 2**20  # the largest of Debian's 1,318 instruments has 0.4 MB
_DEPTH_LIMIT = 64  # real files nest about ten deep
_AUTHOR = {"ZynAddSubFX-author": "Nasca Octavian Paul"}  # every file carries it; no part of the sound
_SLOT_PREFIX = re.compile(r"^\d{4}-(?=.)")  # how the synth names the files of a bank
_NUMBER_PREFIX = re.compile(r"^\d+\s*[-_. ]\s*(?=\S)")
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


def preset_chunk(preset: Preset) -> bytes:
    """What the plugin takes as its chunk, as :func:`host_chunk`, with the preset's name, author and comment in it.

    Raises:
        PresetError: not ZynAddSubFX's, or a text that XML can't hold.
    """
    _check(preset)
    root, tag, rest = host_chunk(preset.state).partition(b"<INSTRUMENT>")
    return root + tag + ElementTree.tostring(_info(preset), encoding="unicode").encode() + rest


@dataclass(frozen=True)
class ZynInstrument:
    """ZynAddSubFX's ``.xiz`` files."""

    suffix: str = ".xiz"
    many: bool = False
    readable: bool = True

    def serves(self, synth: Synth) -> bool:
        """Whether it can hold presets of that synth."""
        return synth.id == SYNTH

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
        preset = _preset(root, instruments[0], path)
        name = _name(path, preset.name)
        return [replace(preset, name=name, bank=path.resolve().parent.name)], []

    def write(self, path: Path, presets: Sequence[Preset]) -> None:
        """Write one instrument, compressed; reading it gives the same state, name, author and comment.

        (Not the same name where ``path`` is named like a slot of a bank, "0001-Something.xiz": see ``_name``.)

        Raises:
            PresetError: not exactly one preset, not ZynAddSubFX's, or a text that XML can't hold.
        """
        if len(presets) != 1:
            raise PresetError(f"{path} can't hold {len(presets)} presets; an .xiz file holds exactly one.")
        preset = presets[0]
        _check(preset)
        text = ElementTree.tostring(_document(preset), encoding="unicode")
        head = f'<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE {_ROOT}>\n'
        write_bytes(path, gzip.compress((head + text + "\n").encode(), 6, mtime=0))


@dataclass(frozen=True)
class ZynMaster:
    """ZynAddSubFX's ``.xmz`` files: a whole session, of which every part is a preset."""

    suffix: str = ".xmz"
    many: bool = True
    readable: bool = True

    def serves(self, synth: Synth) -> bool:  # noqa: ARG002
        """Never: mixer and system effects belong to no preset, so sessions are read and not written."""
        return False

    def read(self, path: Path) -> tuple[list[Preset], list[str]]:
        """Read every part that is switched on; see ``PresetFormat.read``."""
        return _parts(_parse(_read_bytes(path), path), path, path.stem)

    def write(self, path: Path, presets: Sequence[Preset]) -> None:  # noqa: ARG002
        """Refuse."""
        raise PresetError(f"{path} can't be written: sessions are only read; write an .xiz file for each preset.")


def read_chunk(chunk: bytes, path: Path, name: str) -> tuple[list[Preset], list[str]]:
    """Read what the plugin saved as its chunk: the session as XML, after a word of the plugin host's.

    Args:
        path: where it comes from.
        name: what the plugin host called it, which stands for a single part without a name.

    Raises:
        PresetError: it isn't a session, or no part of it is switched on.
    """
    start = chunk.find(b"<?xml")
    if start < 0:
        raise PresetError(f"{path} holds no session of ZynAddSubFX; save it again from the synth.")
    session = chunk[start:].split(b"\0", 1)[0]
    if len(session) > _SIZE_LIMIT:
        raise PresetError(f"{path} holds a session of more than {_SIZE_LIMIT >> 20} MiB; no session is so large.")
    return _parts(_parse(session, path), path, name or path.stem)


def _check(preset: Preset) -> None:
    if preset.synth != SYNTH:
        raise PresetError(f"{preset.name} is a preset of {preset.synth}; a file of ZynAddSubFX can't hold it.")


def _parts(root: Element, path: Path, title: str) -> tuple[list[Preset], list[str]]:
    """The presets of a session; ``title`` is what a part without a name is called."""
    parts = root.findall("MASTER/PART")
    if root.tag != _ROOT or not parts:
        raise PresetError(f"{path} isn't a session of ZynAddSubFX; save it from the synth as .xmz.")
    presets: list[Preset] = []
    faults: list[str] = []
    for slot, part in enumerate(parts):
        enabled = part.find("par_bool[@name='enabled']")
        instrument = part.find("INSTRUMENT")
        if instrument is None or enabled is None or enabled.get("value") != "yes":
            continue
        try:
            preset = _preset(root, instrument, path)
        except PresetError as error:
            faults.append(f"{path}: part {slot + 1} is left out: {error}")
            continue
        name = preset.name or (title if slot == 0 else f"{title} {slot + 1}")
        presets.append(replace(preset, name=name, bank=path.stem, slot=slot))
    if not presets and not faults:
        raise PresetError(f"{path} is a session in which no part is switched on.")
    return presets, faults


def _preset(root: Element, instrument: Element, path: Path) -> Preset:
    info = instrument.find("INFO")
    return Preset(
        _string(info, "name"),
        State(SYNTH, _canonical(root, instrument, path)),
        file=path,
        category=_value(info, "type"),
        author=_string(info, "author"),
        comment=_string(info, "comments"),
    )


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
    # Two thirds of the files begin with an empty line, which strict XML forbids.
    return parse_xml(data.lstrip(), str(path))


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
    root = parse_xml(preset.state.data, f"The state {preset.id}")
    root.attrib.update(_AUTHOR)
    information = Element("INFORMATION")
    padsynth = "yes" if uses_padsynth(preset.state) else "no"
    SubElement(information, "par_bool", name="PADsynth_used", value=padsynth)
    root.insert(0, information)
    root[1].insert(0, _info(preset))
    return root


def _info(preset: Preset) -> Element:
    """What a file says about the preset, besides how it sounds."""
    info = Element("INFO")
    for key, text in (("name", preset.name), ("author", preset.author), ("comments", preset.comment)):
        if found := unprintable(text):
            raise PresetError(f"The {key} of {preset.name!r} holds {found!r}, which XML can't; change it.")
        SubElement(info, "string", name=key).text = text
    SubElement(info, "par", name="type", value=preset.category or "0")
    return info


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
