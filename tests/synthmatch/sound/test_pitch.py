from __future__ import annotations

import numpy as np
import pytest

from synthmatch.audio import Clip
from synthmatch.sound.pitch import estimate_pitch

RATE = 44_100


def tone(pitch: float, partials: int, seconds: float = 1.0) -> Clip:
    time = np.arange(round(seconds * RATE)) / RATE
    hertz = 440 * 2 ** ((pitch - 69) / 12)
    waves = [np.sin(2 * np.pi * hertz * number * time) / number for number in range(1, partials + 1)]
    return Clip(np.sum(waves, axis=0, dtype=np.float64).astype(np.float32)[None] * np.float32(0.2), RATE)


@pytest.mark.parametrize("pitch", range(24, 97, 6))
@pytest.mark.parametrize("partials", [1, 3, 12])
def test_a_tone_has_its_pitch(pitch: int, partials: int) -> None:
    assert estimate_pitch(tone(pitch, partials)) == pitch


def test_a_tone_that_is_a_little_out_of_tune_is_the_nearest_note() -> None:
    assert estimate_pitch(tone(60.3, 6)) == 60
    assert estimate_pitch(tone(59.7, 6)) == 60


def test_the_fundamental_may_be_missing() -> None:
    full = tone(48, 12).samples - tone(48, 1).samples
    assert estimate_pitch(Clip(full, RATE)) == 48


def test_level_and_rate_and_a_short_sound_do_not_matter() -> None:
    assert estimate_pitch(tone(55, 6).scaled(0.01)) == 55
    assert estimate_pitch(tone(55, 6).resampled(22_050)) == 55
    assert estimate_pitch(tone(67, 6, 0.1)) == 67


def test_noise_and_silence_have_none() -> None:
    noise = np.random.default_rng(0).normal(size=(1, RATE)).astype(np.float32)
    assert estimate_pitch(Clip(noise, RATE)) is None
    assert estimate_pitch(Clip(np.zeros((1, RATE), np.float32), RATE)) is None
