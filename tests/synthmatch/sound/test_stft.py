"""Power spectra come out as if all pieces had been transformed at once, to the last bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from synthmatch.audio import Clip
from synthmatch.notes import REFERENCE_NOTES
from synthmatch.sound import descriptors, soundprint
from synthmatch.sound.descriptors import measure
from synthmatch.sound.soundprint import sound_print
from synthmatch.sound.stft import powers

Powers = npt.NDArray[np.floating[Any]]


def at_once(
    samples: npt.NDArray[np.float32],
    window: npt.NDArray[np.float32],
    hop: int,
    dtype: type[np.floating[Any]] = np.float32,
) -> Powers:
    pieces = np.lib.stride_tricks.sliding_window_view(samples, len(window), axis=1)[:, ::hop]
    spectrum = np.fft.rfft(pieces * window, axis=2)
    found: Powers = (spectrum.real**2 + spectrum.imag**2).mean(axis=0, dtype=dtype)
    return found


def noise(channels: int, count: int, seed: int = 0) -> npt.NDArray[np.float32]:
    return np.random.default_rng(seed).normal(0, 0.2, (channels, count)).astype(np.float32)


@pytest.mark.parametrize(("channels", "count"), [(1, 1024), (1, 50_001), (2, 44_100), (6, 9_000)])
@pytest.mark.parametrize(("length", "hop"), [(256, 256), (1024, 100), (1000, 500)])
def test_a_few_pieces_at_a_time_are_the_same_as_all_at_once(channels: int, count: int, length: int, hop: int) -> None:
    samples, window = noise(channels, count), np.hanning(length).astype(np.float32)
    for dtype in (np.float32, np.float64):
        found = powers(samples, window, hop, dtype)
        assert found.dtype == dtype
        np.testing.assert_array_equal(found, at_once(samples, window, hop, dtype))


def test_measures_and_prints_are_what_they_were(monkeypatch: pytest.MonkeyPatch) -> None:
    fading = np.exp(-np.arange(88_200) / 30_000).astype(np.float32)
    clips = [Clip(noise(2, 88_200, seed) * fading, 44_100) for seed in range(len(REFERENCE_NOTES))]
    measures, cells = measure(clips), sound_print(clips)
    monkeypatch.setattr(descriptors, "powers", at_once)
    monkeypatch.setattr(soundprint, "powers", at_once)
    assert measure(clips) == measures
    np.testing.assert_array_equal(sound_print(clips), cells)
