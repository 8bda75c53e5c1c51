"""Sounds and states on disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from synthmatch.audio import Clip
from synthmatch.errors import LibraryError
from synthmatch.library.sounds import Sounds
from synthmatch.library.store import StoredSound
from synthmatch.presets.preset import State


def noise(seed: int, channels: int, frames: int, peak: float) -> Clip:
    samples = np.random.default_rng(seed).uniform(-1, 1, (channels, frames)).astype(np.float32)
    return Clip(samples / np.abs(samples).max() * np.float32(peak), 44_100)


@pytest.mark.parametrize("channels", [1, 2])
def test_every_note_keeps_16_bits_whatever_its_level(tmp_path: Path, channels: int) -> None:
    peaks = (3.7, 1.0, 0.02, 1e-5, 0.0)  # louder than full scale, quiet, next to nothing, silent
    notes = [noise(1, channels, 1000 + place, 1.0).scaled(peak) for place, peak in enumerate(peaks)]
    sounds = Sounds(tmp_path)
    stored = sounds.write("abcd", notes)
    back = sounds.read("abcd", stored)
    assert [clip.samples.shape for clip in back] == [clip.samples.shape for clip in notes]
    for ours, theirs in zip(back, notes, strict=True):
        step = max(theirs.peak, 3.7e-3) * 2.0**-15
        assert np.abs(ours.samples - theirs.samples).max() <= 0.51 * step
    assert stored.bytes == sounds.audio_path("abcd").stat().st_size


def test_silence_stays_silence(tmp_path: Path) -> None:
    sounds = Sounds(tmp_path)
    stored = sounds.write("abcd", [Clip(np.zeros((2, 500), np.float32), 44_100)] * 2)
    assert all(clip.peak == 0 for clip in sounds.read("abcd", stored))


def test_damage_is_named(tmp_path: Path) -> None:
    sounds = Sounds(tmp_path)
    stored = sounds.write("abcd", [noise(1, 1, 4000, 0.5)])
    longer = StoredSound(stored.gains, (4001,), stored.bytes)
    with pytest.raises(LibraryError, match="another length"):
        sounds.read("abcd", longer)
    sounds.audio_path("abcd").write_bytes(b"fLaC")
    with pytest.raises(LibraryError, match=r"abcd\.flac is missing or damaged.*repair"):
        sounds.read("abcd", stored)
    with pytest.raises(LibraryError, match="missing"):
        sounds.read("none", stored)


def test_states_come_back_and_are_checked(tmp_path: Path) -> None:
    sounds = Sounds(tmp_path)
    first, second = State("faust", b"{}" * 50), State("faust", b"[]")
    sounds.write_state(first)
    sounds.write_state(second)
    assert sounds.read_state(first.id, "faust") == first
    sounds.state_path(first.id).write_bytes(sounds.state_path(second.id).read_bytes())
    with pytest.raises(LibraryError, match="another preset"):
        sounds.read_state(first.id, "faust")
    sounds.state_path(first.id).write_bytes(b"?")
    with pytest.raises(LibraryError, match="damaged"):
        sounds.read_state(first.id, "faust")
    assert list(sounds.strays({first.id})) == [sounds.state_path(second.id)]
