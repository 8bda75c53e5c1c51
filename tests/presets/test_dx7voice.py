"""A DX7's voice: which bits of a packed voice belong to which parameter, in both directions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthmatch.errors import PresetError
from synthmatch.presets.formats.dx7voice import INITIAL, PARAMETERS, SYNTH, pack, sound_of, unpack
from synthmatch.presets.preset import State

SOUNDS = st.tuples(*(st.integers(0, row.maximum) for row in PARAMETERS)).map(bytes)


def test_a_state_is_145_parameters() -> None:
    assert len(PARAMETERS) == len(INITIAL.data) == 145
    assert sound_of(State(SYNTH, b"")) == sound_of(INITIAL)
    for wrong in (State("amsynth", INITIAL.data), State(SYNTH, b"x"), State(SYNTH, bytes([100]) + INITIAL.data[1:])):
        with pytest.raises(PresetError, match="isn't a voice of the DX7"):
            sound_of(wrong)


def test_no_bit_of_a_packed_voice_is_used_twice() -> None:
    used = [(row.place, row.shift + bit) for row in PARAMETERS for bit in range(row.bits)]
    assert len(set(used)) == len(used)
    assert max(used) < (118, 0)
    assert all(bit < 7 for _, bit in used)
    assert all(row.maximum < 1 << row.bits for row in PARAMETERS)


def test_the_packed_layout() -> None:
    """The bytes that share parameters, as the owner's manual lays them out, for operator 6 and the common part."""
    voice = bytearray(INITIAL.data + b"SHARED BIT")
    voice[11:13] = 1, 2  # left and right curve
    voice[13], voice[20] = 5, 12  # rate scaling, detune
    voice[14], voice[15] = 3, 6  # amplitude and velocity sensitivity
    voice[17], voice[18] = 1, 21  # fixed, coarse
    voice[134:137] = 30, 4, 1  # algorithm, feedback, oscillator sync
    voice[141:145] = 1, 5, 6, 48  # LFO sync, wave, sensitivity, transpose
    packed = pack(bytes(voice))
    assert packed[11:16] == bytes([0b10_01, 0b1100_101, 0b110_11, 0, 0b10101_1])
    assert packed[110:112] == bytes([30, 0b1_100])
    assert packed[116:118] == bytes([0b110_101_1, 48])
    assert packed[118:] == b"SHARED BIT"


@given(SOUNDS, st.binary(min_size=10, max_size=10))
def test_packing_round_trip(voice: bytes, name: bytes) -> None:
    packed = pack(voice + name)
    assert len(packed) == 128
    assert unpack(packed) == voice + name


@given(SOUNDS)
def test_packing_agrees_with_dexed(voice: bytes) -> None:
    dexed = pytest.importorskip("dexed", reason="run pip install dexed-py")
    whole = voice + b"TEN LETTER"
    assert dexed.Patch.from_sysex(whole).to_packed() == pack(whole)
    assert dexed.Patch.from_packed(pack(whole)).to_sysex()[:155] == whole
