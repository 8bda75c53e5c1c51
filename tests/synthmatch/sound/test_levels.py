from __future__ import annotations

import numpy as np
import pytest

from synthmatch.audio import Clip
from synthmatch.sound.levels import LEVEL_DB, levelled, sounding_level

RATE = 44_100


def noise(seed: int) -> Clip:
    return Clip(np.random.default_rng(seed).normal(0, 0.1, (1, RATE)).astype(np.float32), RATE)


def test_levels_are_equal_and_peaks_stay_below_full_scale() -> None:
    click = Clip(np.zeros((1, RATE), np.float32), RATE)
    click.samples[0, 100] = 0.001
    assert levelled(click).peak == pytest.approx(0.9)
    for gain in (0.001, 1.0, 30.0):
        level = float(np.sqrt((levelled(noise(0).scaled(gain)).samples ** 2).mean()))
        assert 20 * np.log10(level) == pytest.approx(LEVEL_DB, abs=0.1)
    short = Clip(np.concatenate([noise(0).samples, np.zeros((1, 3 * RATE), np.float32)], axis=1), RATE)
    assert levelled(short).peak == pytest.approx(levelled(noise(0)).peak)
    silence = Clip(np.zeros((1, 100), np.float32), RATE)
    assert levelled(silence).peak == 0


def test_what_is_wide_is_as_loud_as_each_of_its_channels() -> None:
    left = noise(0).samples
    for right in (left, -left, noise(1).samples):
        wide = Clip(np.concatenate([left, right]), RATE)
        assert sounding_level(wide) == pytest.approx(sounding_level(noise(0)), abs=0.1)
    assert sounding_level(Clip(np.zeros((2, RATE), np.float32), RATE)) == -np.inf
