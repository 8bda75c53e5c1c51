"""Voices of Yamaha's DX7: ``.syx``, MIDI system exclusive messages one after the other, and ``.dx7``, packed voices.

Two kinds of message are understood: a single voice, one byte a parameter, and a cartridge of 32 voices, in which
small parameters share bytes. Other messages are passed over. The bare 4,096 bytes of a cartridge without a
message around them, as many collections hold them, are read as well. A ``.dx7`` file, as hexter brings some, is
nothing but packed voices of 128 bytes, any number of them.

What a voice is made of stands in :mod:`synthmatch.presets.formats.dx7voice`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from synthmatch.errors import PresetError
from synthmatch.files import write_bytes
from synthmatch.presets.catalogue import Synth
from synthmatch.presets.formats.dx7voice import (
    NAME,
    PACKED_VOICE,
    PADDING,
    SOUND,
    SYNTH,
    VOICE,
    clamped,
    pack,
    sound_of,
    unpack,
)
from synthmatch.presets.formats.wholefile import read_whole
from synthmatch.presets.preset import Preset, State

SIZE_LIMIT = 2**20
"""Bytes of the largest file: some 250 cartridges."""

_WHAT = "file of DX7 voices"


@dataclass(frozen=True)
class _Kind:
    """A kind of message: F0 43 0n, its number, its length in two bytes, its data, their checksum, F7."""

    title: str
    number: int
    size: int
    count: int

    def voices(self, data: bytes) -> list[bytes]:
        """The voices, 155 bytes each, in a message's data."""
        if self.number == 0:
            return [data]
        return [unpack(data[start : start + PACKED_VOICE]) for start in range(0, self.size, PACKED_VOICE)]

    def message(self, data: bytes) -> bytes:
        """The message that holds this data, on MIDI channel 1."""
        head = bytes((0xF0, 0x43, 0x00, self.number, self.size >> 7, self.size & 0x7F))
        return head + data + bytes((_checksum(data), 0xF7))


_SINGLE = _Kind("voice", 0, VOICE, 1)
_CARTRIDGE = _Kind("cartridge", 9, 32 * PACKED_VOICE, 32)
_KINDS = {kind.number: kind for kind in (_SINGLE, _CARTRIDGE)}
_MESSAGE = re.compile(rb"\xf0\x43[\x00-\x0f]([\x00\x09])[\x00-\x7f]{2}([\x00-\x7f]*)")


@dataclass(frozen=True)
class _Dump:
    """The data of a message, and where in the file it begins; ``sealed`` if a checksum vouches for it."""

    kind: _Kind
    start: int
    data: bytes
    sealed: bool = True

    def voices(self) -> tuple[list[tuple[int, bytes]], list[int]]:
        """The voices that are there, each with its place in the dump, and the places of broken ones.

        Raises:
            PresetError: the message is damaged, blank or, as far as one can tell, none of a DX7.
        """
        voices = list(enumerate(self.kind.voices(self._checked() if self.sealed else self.data)))
        used = [(place, voice) for place, voice in voices if any(voice)]
        while self.kind is _CARTRIDGE and used and used[-1][1] == PADDING:
            used.pop()
        if not used:
            raise PresetError("it is blank; save it again from the synth.")
        if self.sealed:
            return [(place, clamped(voice)) for place, voice in used], []
        right = [(place, voice) for place, voice in used if voice == clamped(voice)]
        if not right:
            raise PresetError("no voice in it has values that a DX7 knows; it may be something else.")
        return right, [place for place, voice in used if voice != clamped(voice)]

    def _checked(self) -> bytes:
        size, there = self.kind.size, len(self.data) - 1
        if there < size:
            raise PresetError(f"it is cut short, with {max(there, 0)} of {size} bytes; copy the file again.")
        if there > size:
            raise PresetError(f"it has {there} bytes instead of {size}; copy the file again.")
        data, said, right = self.data[:size], self.data[size], _checksum(self.data[:size])
        if said != right:
            raise PresetError(f"its checksum is {said} instead of {right}, so it is damaged; copy the file again.")
        return data


@dataclass(frozen=True)
class DX7Sysex:
    """The DX7's ``.syx`` files."""

    suffix: str = ".syx"
    many: bool = True
    readable: bool = True

    def serves(self, synth: Synth) -> bool:
        """Whether it can hold presets of that synth."""
        return synth.id == SYNTH

    def read(self, path: Path) -> tuple[list[Preset], list[str]]:
        """Read every voice of every message.

        Places of a cartridge that hold zeros, or, at its end, the DX7's unchanged "INIT VOICE", are empty and no
        presets. Many cartridges hold some value out of its range, such as a level of 100: it is moved to the
        nearest, as editors do, where a checksum vouches for the rest. Without one (bare data) the voice is a
        fault, since such a file may be anything.

        Returns:
            The presets, unlabelled, and one sentence per broken message or voice.

        Raises:
            PresetError: the file can't be opened, is too large, or holds nothing of a DX7.
        """
        presets, faults = _listed(path, _dumps(read_whole(path, SIZE_LIMIT, _WHAT)))
        if not presets and not faults:
            raise PresetError(f"{path} holds no voice of a DX7; name a .syx file with a voice or a cartridge of it.")
        return presets, faults

    def write(self, path: Path, presets: Sequence[Preset]) -> None:
        """Write one preset as a single voice, more as cartridges, of which the last is filled up with the DX7's
        "INIT VOICE"; reading them gives the same states and names.

        Names are cut after ten letters, and letters that aren't ASCII lose their accents or become "?".

        Raises:
            PresetError: no preset, too many for a file, or one of another synth.
        """
        write_bytes(path, _fitting(path, presets, b"".join(_messages(_voices(path, presets)))))


@dataclass(frozen=True)
class DX7Voices:
    """``.dx7`` files: packed voices and nothing else, as hexter reads and brings them."""

    suffix: str = ".dx7"
    many: bool = True
    readable: bool = True

    def serves(self, synth: Synth) -> bool:
        """Whether it can hold presets of that synth."""
        return synth.id == SYNTH

    def read(self, path: Path) -> tuple[list[Preset], list[str]]:
        """Read every voice but those of zeros. Such a file is as long as its voices, so that an "INIT VOICE" at its end
        counts; without a checksum a value out of range is a fault (:meth:`DX7Sysex.read`).

        Returns:
            The presets, unlabelled, and one sentence per broken voice.

        Raises:
            PresetError: the file can't be opened, is too large, or is no row of packed voices.
        """
        data = read_whole(path, SIZE_LIMIT, _WHAT)
        count, rest = divmod(len(data), PACKED_VOICE)
        if rest or not count:
            raise PresetError(
                f"{path} has {len(data)} bytes, which isn't a whole number of DX7 voices of {PACKED_VOICE}; "
                "copy the file again."
            )
        return _listed(path, [_Dump(_Kind("bank", _CARTRIDGE.number, len(data), count), 0, data, sealed=False)])

    def write(self, path: Path, presets: Sequence[Preset]) -> None:
        """Write presets as packed voices; names are made to fit as :meth:`DX7Sysex.write` does it.

        Raises:
            PresetError: no preset, too many for a file, or one of another synth.
        """
        write_bytes(path, _fitting(path, presets, b"".join(map(pack, _voices(path, presets)))))


def _listed(path: Path, dumps: Iterable[_Dump]) -> tuple[list[Preset], list[str]]:
    """The presets of a file, and what is broken in it."""
    presets: list[Preset] = []
    faults: list[str] = []
    first = 0
    for dump in dumps:
        start, first = first, first + dump.kind.count  # a broken dump's places count: the next one's stay its own
        try:
            voices, broken = dump.voices()
        except PresetError as error:
            faults.append(f"{path}: the {dump.kind.title} at byte {dump.start} is left out: {error}")
            continue
        presets += [_preset(path, start + place, voice) for place, voice in voices]
        faults += [f"{path}: voice {place + 1} is left out: it holds values that no DX7 has." for place in broken]
    return presets, faults


def _voices(path: Path, presets: Sequence[Preset]) -> list[bytes]:
    """155 bytes of each preset.

    Raises:
        PresetError: there's none, or one of another synth.
    """
    if not presets:
        raise PresetError(f"{path} needs at least one preset.")
    return [sound_of(preset.state) + _letters(preset.name) for preset in presets]


def _fitting(path: Path, presets: Sequence[Preset], data: bytes) -> bytes:
    """What a file is to hold, if it can be read again."""
    if len(data) > SIZE_LIMIT:
        raise PresetError(f"{path} can't hold {len(presets)} presets; write several files.")
    return data


def _dumps(data: bytes) -> Iterator[_Dump]:
    if len(data) == _CARTRIDGE.size and max(data) < 0x80:
        yield _Dump(_CARTRIDGE, 0, data, sealed=False)
        return
    for found in _MESSAGE.finditer(data):
        yield _Dump(_KINDS[found[1][0]], found.start(), found[2])


def _messages(voices: Sequence[bytes]) -> Iterator[bytes]:
    for start in range(0, len(voices), _CARTRIDGE.count):
        batch = list(voices[start : start + _CARTRIDGE.count])
        alone = []
        while batch and batch[-1] == PADDING:  # as the end of a cartridge, these would count as empty places
            alone.append(batch.pop())
        if len(batch) == 1:
            alone.append(batch.pop())
        if batch:
            batch += [PADDING] * (_CARTRIDGE.count - len(batch))
            yield _CARTRIDGE.message(b"".join(map(pack, batch)))
        yield from map(_SINGLE.message, reversed(alone))


def _checksum(data: bytes) -> int:
    """What makes the sum of the data and itself a multiple of 128."""
    return -sum(data) & 0x7F


def _preset(path: Path, slot: int, voice: bytes) -> Preset:
    name = _name(voice[SOUND:]) or f"VOICE {slot + 1}"
    return Preset(name, State(SYNTH, voice[:SOUND]), path.stem, path, slot)


def _name(letters: bytes) -> str:
    return "".join(chr(letter) if 0x20 <= letter < 0x7F else " " for letter in letters).strip()


def _letters(name: str) -> bytes:
    plain = "".join(letter for letter in unicodedata.normalize("NFKD", name) if not unicodedata.combining(letter))
    return plain.encode("ascii", "replace")[:NAME].ljust(NAME)
