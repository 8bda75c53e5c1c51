"""``.syx``: voices of Yamaha's DX7 as MIDI system exclusive messages, one after the other.

Two kinds of message are understood: a single voice, one byte a parameter, and a cartridge of 32 voices, in which
small parameters share bytes. Other messages are passed over. The bare 4,096 bytes of a cartridge without a
message around them, as many collections hold them, are read as well.

A state is the 145 parameters that a voice's sound consists of, in the order of the single voice, each within its
range; the ten letters of the name belong to the listing. What a DX7 doesn't store in a voice (which operators
are switched on, bend range, portamento, the wheels) is no part of a preset.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from synthmatch.errors import PresetError
from synthmatch.files import write_bytes
from synthmatch.presets.catalogue import Synth
from synthmatch.presets.formats.wholefile import read_whole
from synthmatch.presets.preset import Preset, State

SYNTH = "dx7"

SIZE_LIMIT = 2**20
"""Bytes of the largest file: some 250 cartridges."""


@dataclass(frozen=True)
class Parameter:
    """A parameter of the sound: its range, and where a packed voice keeps it.

    Args:
        maximum: its largest value; the smallest is 0.
        place: the byte of the packed voice.
        shift: the lowest of its bits there.
        bits: how many bits it has there.
    """

    maximum: int
    place: int
    shift: int = 0
    bits: int = 7


_OPERATOR = (
    *(Parameter(99, place) for place in range(8)),  # envelope: four rates, four levels
    *(Parameter(99, place) for place in range(8, 11)),  # keyboard scaling: break point, left depth, right depth
    Parameter(3, 11, 0, 2),  # left curve
    Parameter(3, 11, 2, 2),  # right curve
    Parameter(7, 12, 0, 3),  # rate scaling
    Parameter(3, 13, 0, 2),  # sensitivity to the LFO's amplitude modulation
    Parameter(7, 13, 2, 3),  # sensitivity to velocity
    Parameter(99, 14),  # output level
    Parameter(1, 15, 0, 1),  # fixed frequency
    Parameter(31, 15, 1, 5),  # coarse frequency
    Parameter(99, 16),  # fine frequency
    Parameter(14, 12, 3, 4),  # detune; 7 is none
)
_COMMON = (
    *(Parameter(99, place) for place in range(102, 110)),  # pitch envelope: four rates, four levels
    Parameter(31, 110, 0, 5),  # algorithm
    Parameter(7, 111, 0, 3),  # feedback
    Parameter(1, 111, 3, 1),  # oscillators start with the key
    *(Parameter(99, place) for place in range(112, 116)),  # LFO: speed, delay, pitch and amplitude depth
    Parameter(1, 116, 0, 1),  # LFO starts with the key
    Parameter(5, 116, 1, 3),  # LFO's wave
    Parameter(7, 116, 4, 3),  # sensitivity to the LFO's pitch modulation
    Parameter(48, 117),  # transpose; 24 is none
)

OPERATORS, _PACKED_OPERATOR = 6, 17
PARAMETERS = (
    *(replace(row, place=row.place + _PACKED_OPERATOR * index) for index in range(OPERATORS) for row in _OPERATOR),
    *_COMMON,
)
"""The parameters of the sound in the order of a state: operators 6 to 1, 21 each, then what they share, 19."""

_NAME = 10
_SOUND, _VOICE = len(PARAMETERS), len(PARAMETERS) + _NAME
_PACKED_NAME, _PACKED_VOICE = 118, 128

_INITIAL = (
    bytes((99, 99, 99, 99, 99, 99, 99, 0, 39, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 7)) * 5
    + bytes((99, 99, 99, 99, 99, 99, 99, 0, 39, 0, 0, 0, 0, 0, 0, 0, 99, 0, 1, 0, 7))
    + bytes((99, 99, 99, 99, 50, 50, 50, 50, 0, 0, 1, 35, 0, 0, 0, 1, 0, 3, 24))
)
_PADDING = _INITIAL + b"INIT VOICE"  # what a DX7 itself puts into a place that it clears

INITIAL = State(SYNTH, _INITIAL)
"""The DX7's initial voice: a sine."""


def sound_of(state: State) -> bytes:
    """The 145 parameters of a state; the initial voice's if it has none.

    Raises:
        PresetError: the state isn't one of a DX7.
    """
    sound = state.data or _INITIAL
    if state.synth != SYNTH or len(sound) != _SOUND or sound != _clamped(sound):
        raise PresetError(f"A state of {state.synth} isn't a voice of the DX7; read its bank again.")
    return sound


def pack(voice: bytes) -> bytes:
    """A voice as a cartridge keeps it.

    Args:
        voice: 155 bytes: 145 parameters within their ranges, and the name.

    Returns:
        128 bytes.
    """
    packed = bytearray(_PACKED_VOICE)
    for value, row in zip(voice[:_SOUND], PARAMETERS, strict=True):
        packed[row.place] |= value << row.shift
    packed[_PACKED_NAME:] = voice[_SOUND:]
    return bytes(packed)


def unpack(packed: bytes) -> bytes:
    """The 155 bytes of a voice that a cartridge keeps in 128; bits that no parameter owns are dropped."""
    sound = bytes(packed[row.place] >> row.shift & (1 << row.bits) - 1 for row in PARAMETERS)
    return sound + packed[_PACKED_NAME:]


@dataclass(frozen=True)
class _Kind:
    """A kind of message: F0 43 0n, its number, its length in two bytes, its data, their checksum, F7."""

    title: str
    number: int
    size: int
    count: int

    def voices(self, data: bytes) -> list[bytes]:
        """The voices, 155 bytes each, in a message's data."""
        if self.count == 1:
            return [data]
        return [unpack(data[start : start + _PACKED_VOICE]) for start in range(0, self.size, _PACKED_VOICE)]

    def message(self, data: bytes) -> bytes:
        """The message that holds this data, on MIDI channel 1."""
        head = bytes((0xF0, 0x43, 0x00, self.number, self.size >> 7, self.size & 0x7F))
        return head + data + bytes((_checksum(data), 0xF7))


_SINGLE = _Kind("voice", 0, _VOICE, 1)
_CARTRIDGE = _Kind("cartridge", 9, 32 * _PACKED_VOICE, 32)
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
        while self.kind is _CARTRIDGE and used and used[-1][1] == _PADDING:
            used.pop()
        if not used:
            raise PresetError("it is blank; save it again from the synth.")
        if self.sealed:
            return [(place, _clamped(voice)) for place, voice in used], []
        right = [(place, voice) for place, voice in used if voice == _clamped(voice)]
        if not right:
            raise PresetError("no voice in it has values that a DX7 knows; it may be something else.")
        return right, [place for place, voice in used if voice != _clamped(voice)]

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
        presets: list[Preset] = []
        faults: list[str] = []
        first = 0
        for dump in _dumps(read_whole(path, SIZE_LIMIT, "file of DX7 voices")):
            try:
                voices, broken = dump.voices()
            except PresetError as error:
                faults.append(f"{path}: the {dump.kind.title} at byte {dump.start} is left out: {error}")
                continue
            presets += [_preset(path, first + place, voice) for place, voice in voices]
            faults += [f"{path}: voice {place + 1} is left out: it holds values that no DX7 has." for place in broken]
            first += dump.kind.count
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
        if not presets:
            raise PresetError(f"{path} needs at least one preset.")
        voices = [sound_of(preset.state) + _letters(preset.name) for preset in presets]
        data = b"".join(_messages(voices))
        if len(data) > SIZE_LIMIT:
            raise PresetError(f"{path} can't hold {len(presets)} presets; write several files.")
        write_bytes(path, data)


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
        while batch and batch[-1] == _PADDING:  # as the end of a cartridge, these would count as empty places
            alone.append(batch.pop())
        if len(batch) == 1:
            alone.append(batch.pop())
        if batch:
            batch += [_PADDING] * (_CARTRIDGE.count - len(batch))
            yield _CARTRIDGE.message(b"".join(map(pack, batch)))
        yield from map(_SINGLE.message, reversed(alone))


def _checksum(data: bytes) -> int:
    """What makes the sum of the data and itself a multiple of 128."""
    return -sum(data) & 0x7F


def _clamped(voice: bytes) -> bytes:
    """A voice, with or without its name, each parameter within its range."""
    sound = zip(voice[:_SOUND], PARAMETERS, strict=True)
    return bytes(min(value, row.maximum) for value, row in sound) + voice[_SOUND:]


def _preset(path: Path, slot: int, voice: bytes) -> Preset:
    name = _name(voice[_SOUND:]) or f"VOICE {slot + 1}"
    return Preset(name, State(SYNTH, voice[:_SOUND]), path.stem, path, slot)


def _name(letters: bytes) -> str:
    return "".join(chr(letter) if 0x20 <= letter < 0x7F else " " for letter in letters).strip()


def _letters(name: str) -> bytes:
    plain = "".join(letter for letter in unicodedata.normalize("NFKD", name) if not unicodedata.combining(letter))
    return plain.encode("ascii", "replace")[:_NAME].ljust(_NAME)
