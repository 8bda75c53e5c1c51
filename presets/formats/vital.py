"""Vital's presets: JSON, one to a file, and its banks, which are zip archives of them.

A state is canonical JSON: the settings (knobs by name, wavetables, sample, modulations, LFOs) and the version of
the Vital that saved them, since a newer one changes old settings by it. Names, author, comments and style belong
to the listing. Keys are sorted and every number has its shortest digits, so a file that was saved again by
another program has the same state.

Vital believes what a file says about its own sizes and reads on behind the end of what is there, so those are
checked here.
"""

from __future__ import annotations

import json
import math
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from synthmatch.errors import PresetError
from synthmatch.files import write_text
from synthmatch.presets.catalogue import Synth
from synthmatch.presets.formats.wholefile import read_whole
from synthmatch.presets.preset import Preset, State

SYNTH = "vital"

_SIZE_LIMIT = 32 * 2**20  # three full wavetables take 9 MB, a minute of stereo sample 14
_VALUE_LIMIT = 1_000_000  # some 1,500 in a new preset; each takes far more memory than its two bytes in the file
_BANK_SIZE_LIMIT = 256 * 2**20
_BANK_LIMIT = 2**30  # bytes of all presets of a bank, unpacked
_DEPTH_LIMIT = 32  # wavetables nest nine deep
_LARGEST = 3.4e38  # the synth's numbers have 32 bits
_TEXTS = {"preset_name": "name", "author": "author", "comments": "comment", "preset_style": "category"}
_ROOM = {"modulations": 64, "wavetables": 3, "lfos": 8}  # what the synth has places for
_LINE_POINTS = 100  # of an LFO or another drawn line
_MACROS = {f"macro{number}": f"MACRO {number}" for number in range(1, 5)}  # as Vital names them untouched
_PRESET_FOLDER = "Presets"  # within each of Vital's banks


@dataclass(frozen=True)
class VitalPreset:
    """Vital's ``.vital`` files."""

    suffix: str = ".vital"
    many: bool = False
    readable: bool = True

    def serves(self, synth: Synth) -> bool:
        """Whether it can hold presets of that synth."""
        return synth.id == SYNTH

    def read(self, path: Path) -> tuple[list[Preset], list[str]]:
        """Read a preset.

        Returns:
            One preset, unlabelled, and no faults.

        Raises:
            PresetError: the file can't be opened, is damaged, too large or isn't a preset of Vital.
        """
        data = read_whole(path, _SIZE_LIMIT, "preset of Vital")
        folders = [parent.name for parent in path.resolve().parents]
        return [_preset(data, str(path), path, 0, path.stem, _bank(folders))], []

    def write(self, path: Path, presets: Sequence[Preset]) -> None:
        """Write one preset; reading it gives the same state, name, author, comment and category.

        Macros get the names they have in a new preset.

        Raises:
            PresetError: not exactly one preset, not Vital's, or the synth's untouched state, which only it knows.
        """
        if len(presets) != 1:
            raise PresetError(f"{path} can't hold {len(presets)} presets; a .vital file holds exactly one.")
        preset = presets[0]
        if preset.synth != SYNTH:
            raise PresetError(f"{preset.name} is a preset of {preset.synth}; a .vital file can't hold it.")
        if not preset.state.data:
            raise PresetError(f"{preset.name} is Vital as it starts, which is no preset; save one from the synth.")
        texts = {key: getattr(preset, field) for key, field in _TEXTS.items()}
        document = {**json.loads(preset.state.data), **_MACROS, **texts}
        try:
            write_text(path, _dump(document))
        except UnicodeEncodeError as error:
            raise PresetError(f"{preset.name!r} has a text with half a character in it; change it.") from error


@dataclass(frozen=True)
class VitalBank:
    """Vital's ``.vitalbank`` files: zip archives in which each ``.vital`` file is a preset."""

    suffix: str = ".vitalbank"
    many: bool = True
    readable: bool = True

    def serves(self, synth: Synth) -> bool:  # noqa: ARG002
        """Never: Vital imports a bank as a folder of presets, and those are what is written."""
        return False

    def read(self, path: Path) -> tuple[list[Preset], list[str]]:
        """Read every preset, in the order of their names in the archive; see ``PresetFormat.read``.

        A preset's bank is its folder, as it would be once Vital has imported it. Nothing is unpacked to the disk.
        """
        try:
            if path.stat().st_size > _BANK_SIZE_LIMIT:
                raise PresetError(f"{path} is larger than {_BANK_SIZE_LIMIT >> 20} MiB; no bank is.")
            with zipfile.ZipFile(path) as archive:
                return _members(archive, path)
        except OSError as error:
            raise PresetError(f"{path} can't be read ({error.strerror}).") from error
        except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
            raise PresetError(f"{path} isn't a bank of Vital ({error}); export it again.") from error

    def write(self, path: Path, presets: Sequence[Preset]) -> None:  # noqa: ARG002
        """Refuse."""
        raise PresetError(f"{path} can't be written: banks of Vital are only read; write .vital files.")


def _members(archive: zipfile.ZipFile, path: Path) -> tuple[list[Preset], list[str]]:
    infos = [info for info in archive.infolist() if _is_preset(info)]
    if not infos:
        raise PresetError(f"{path} holds no presets of Vital; export it again.")
    presets: list[Preset] = []
    faults: list[str] = []
    left = _BANK_LIMIT
    for slot, info in enumerate(sorted(infos, key=lambda info: info.filename)):
        source = f"{path}: {info.filename}"
        left -= info.file_size
        if left < 0:
            faults.append(f"{path} unpacks to more than {_BANK_LIMIT >> 20} MiB; what comes after that is left out.")
            break
        try:
            data = _unpacked(archive, info, source)
            member = PurePosixPath(info.filename)
            folders = [*(parent.name for parent in member.parents if parent.name), path.stem]
            presets.append(_preset(data, source, path, slot, member.stem, _bank(folders)))
        except PresetError as error:
            faults.append(str(error))
    return presets, faults


def _is_preset(info: zipfile.ZipInfo) -> bool:
    """Whether a member is called like a preset. What macOS leaves beside a file in an archive is called like it and
    holds none of it."""
    name = PurePosixPath(info.filename).name
    return name.lower().endswith(".vital") and not name.startswith("._") and not info.is_dir()


def _unpacked(archive: zipfile.ZipFile, info: zipfile.ZipInfo, source: str) -> bytes:
    """A member's bytes; zipfile itself never unpacks more of them than the archive admits to."""
    if info.file_size > _SIZE_LIMIT:
        raise PresetError(f"{source} unpacks to more than {_SIZE_LIMIT >> 20} MiB; no preset is so large.")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise PresetError(f"{source} is packed in a way that Vital can't read; export the bank again.")
    try:
        return archive.read(info)
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:
        raise PresetError(f"{source} is damaged or locked ({error}); export the bank again.") from error


def _bank(folders: Sequence[str]) -> str:
    """The bank's name among the folders around a preset, innermost first: Vital keeps ``Bank/Presets/x.vital``."""
    return folders[1] if len(folders) > 1 and folders[0] == _PRESET_FOLDER else folders[0]


def _preset(data: bytes, source: str, path: Path, slot: int, stem: str, bank: str) -> Preset:
    """The preset in a file's bytes.

    Args:
        source: what errors call it.
        stem: its name if there is none inside.
    """
    document = _parse(data, source)
    settings, version = document.get("settings"), document.get("synth_version")
    if not isinstance(settings, dict) or not isinstance(version, str):
        raise PresetError(f"{source} isn't a preset of Vital: it has no settings or no version; save it again.")
    texts = {field: document.get(key, "") for key, field in _TEXTS.items()}
    if wrong := [key for key, field in _TEXTS.items() if not isinstance(texts[field], str)]:
        raise PresetError(f"{source} is damaged: its {wrong[0]} isn't text; save it again.")
    try:
        _check_lists(settings)
        _check(settings)
        state = State(SYNTH, _dump({"settings": settings, "synth_version": version}).encode())
        "".join(texts.values()).encode()
    except UnicodeEncodeError as error:
        raise PresetError(f"{source} is damaged: a text has half a character in it; save it again.") from error
    except _Damage as error:
        raise PresetError(f"{source} is damaged: {error}; save it again.") from error
    texts["name"] = texts["name"].strip() or stem.strip()
    return Preset(state=state, bank=bank, file=path, slot=slot, **texts)


class _Damage(Exception):
    """What is wrong with a preset, as the middle of a sentence."""


def _parse(data: bytes, source: str) -> dict[str, Any]:
    if sum(map(data.count, (b",", b"[", b"{"))) > _VALUE_LIMIT:
        raise PresetError(f"{source} holds more than {_VALUE_LIMIT:,} values; no preset does.")
    try:
        document = json.loads(
            data.decode("utf-8-sig"),
            object_pairs_hook=_unambiguous,
            parse_constant=_not_a_number,
            parse_float=_number,
            parse_int=_number,
        )
    except (ValueError, RecursionError) as error:
        raise PresetError(f"{source} isn't a preset of Vital: it isn't JSON text; save it again.") from error
    except _Damage as error:
        raise PresetError(f"{source} is damaged: {error}; save it again.") from error
    if not isinstance(document, dict):
        raise PresetError(f"{source} isn't a preset of Vital: it isn't a JSON object; save it again.")
    return document


def _unambiguous(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        for key, value in pairs:
            if value != found[key]:
                raise _Damage(f"it gives {key[:60]!r} twice, with different values")
    return found


def _not_a_number(token: str) -> float:
    raise _Damage(f"it holds {token}, which is no number")


def _number(text: str) -> float | int:
    """The number, whole where it has no fraction, so that 1 and 1.0 are the same state."""
    value = float(text)
    if not math.isfinite(value) or abs(value) > _LARGEST:
        raise _Damage(f"it holds the number {text[:20]}, which is too large")
    return int(value) if value.is_integer() and abs(value) < 2**53 else value


def _check_lists(settings: dict[str, Any]) -> None:
    """Refuse more modulations, wavetables or LFOs than there are places, and any of the wrong kind."""
    for key, room in _ROOM.items():
        rows = settings.get(key) or []
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise _Damage(f"its {key} aren't a list of objects")
        if len(rows) > room:
            raise _Damage(f"it has {len(rows)} {key}, and Vital has room for {room}")
    for row in settings.get("modulations") or []:
        if not all(isinstance(row.get(end), str) for end in ("source", "destination")):
            raise _Damage("a modulation lacks its source or destination")


def _check(value: Any, depth: int = 1) -> None:
    """Refuse what nests too deep, and what says that it holds more than it does or than Vital has room for."""
    if depth > _DEPTH_LIMIT:
        raise _Damage(f"it nests more than {_DEPTH_LIMIT} deep, which no preset does")
    if isinstance(value, dict):
        points = value.get("num_points", 1)
        if not isinstance(points, int) or not 1 <= points <= _LINE_POINTS:
            raise _Damage(f"a line in it has {points!r:.20} points, and Vital has room for {_LINE_POINTS}")
        for key in ("samples", "samples_stereo"):
            if key in value and not _holds(value[key], value.get("length")):
                raise _Damage("its sample is shorter than it says")
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            _check(item, depth + 1)


def _holds(packed: Any, length: Any) -> bool:
    """Whether base64 text holds that many samples of 16 bits."""
    room = len(packed.rstrip("=")) * 3 // 4 if isinstance(packed, str) else 0
    return isinstance(length, int) and 0 <= 2 * length <= room


def _dump(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
