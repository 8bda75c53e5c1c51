"""A voice of Yamaha's DX7: the parameters of its sound, and the bytes in which a cartridge keeps them.

A state is the 145 parameters that a voice's sound consists of, in the order of the single voice, each within its
range; the ten letters of the name belong to the listing. What a DX7 doesn't store in a voice (which operators
are switched on, bend range, portamento, the wheels) is no part of a preset.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from synthmatch.errors import PresetError
from synthmatch.presets.preset import State

SYNTH = "dx7"


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

NAME = 10
"""Letters of a name."""
SOUND, VOICE, PACKED_VOICE = len(PARAMETERS), len(PARAMETERS) + NAME, 128
"""Bytes of a sound, of a voice, which has a name, and of a voice as a cartridge keeps it."""
_PACKED_NAME = 118

_INITIAL = (
    bytes((99, 99, 99, 99, 99, 99, 99, 0, 39, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 7)) * 5
    + bytes((99, 99, 99, 99, 99, 99, 99, 0, 39, 0, 0, 0, 0, 0, 0, 0, 99, 0, 1, 0, 7))
    + bytes((99, 99, 99, 99, 50, 50, 50, 50, 0, 0, 1, 35, 0, 0, 0, 1, 0, 3, 24))
)
PADDING = _INITIAL + b"INIT VOICE"
"""The voice that a DX7 itself puts into a place that it clears."""

INITIAL = State(SYNTH, _INITIAL)
"""The DX7's initial voice: a sine."""


def sound_of(state: State) -> bytes:
    """The 145 parameters of a state; the initial voice's if it has none.

    Raises:
        PresetError: the state isn't one of a DX7.
    """
    sound = state.data or _INITIAL
    if state.synth != SYNTH or len(sound) != SOUND or sound != clamped(sound):
        raise PresetError(f"A state of {state.synth} isn't a voice of the DX7; read its bank again.")
    return sound


def pack(voice: bytes) -> bytes:
    """A voice as a cartridge keeps it.

    Args:
        voice: 155 bytes: 145 parameters within their ranges, and the name.

    Returns:
        128 bytes.
    """
    packed = bytearray(PACKED_VOICE)
    for value, row in zip(voice[:SOUND], PARAMETERS, strict=True):
        packed[row.place] |= value << row.shift
    packed[_PACKED_NAME:] = voice[SOUND:]
    return bytes(packed)


def unpack(packed: bytes) -> bytes:
    """The 155 bytes of a voice that a cartridge keeps in 128; bits that no parameter owns are dropped."""
    sound = bytes(packed[row.place] >> row.shift & (1 << row.bits) - 1 for row in PARAMETERS)
    return sound + packed[_PACKED_NAME:]


def clamped(voice: bytes) -> bytes:
    """A voice, with or without its name, each parameter within its range."""
    sound = zip(voice[:SOUND], PARAMETERS, strict=True)
    return bytes(min(value, row.maximum) for value, row in sound) + voice[SOUND:]
