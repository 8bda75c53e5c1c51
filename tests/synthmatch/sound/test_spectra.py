from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pytest

from synthmatch.audio import Clip
from synthmatch.sound import spectra
from synthmatch.sound.spectra import RATE, Spectra, hidden_distance, regional_differences, spectral_distance

Floats = npt.NDArray[np.float32]
TIME = np.arange(RATE) / RATE


def clip(samples: npt.NDArray[np.floating]) -> Clip:
    return Clip(np.asarray(samples, np.float32)[None], RATE)


def saw(pitch: float, partials: int = 20) -> npt.NDArray[np.float64]:
    waves = [np.sin(2 * np.pi * pitch * number * TIME) / number for number in range(1, partials + 1)]
    return 0.2 * np.sum(waves, axis=0) * np.exp(-2 * TIME)


def of(samples: npt.NDArray[np.floating]) -> Spectra:
    return Spectra.of(clip(samples))


def slow_band_power(mono: Floats, window: int, edges: npt.NDArray[np.intp]) -> npt.NDArray[np.float64]:
    """The same by the definition: frame by frame, bin by bin, band by band."""
    hop = window // 2
    shape = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(window) / window)
    padded = np.pad(mono, (0, window))
    rows = []
    for start in range(0, len(mono) - hop, hop):
        piece = padded[start : start + window] * shape * 2 / shape.sum()
        power = [abs(np.sum(piece * np.exp(-2j * np.pi * k * np.arange(window) / window))) ** 2
                 for k in range(edges[-1])]  # fmt: skip
        rows.append([np.mean(power[low:high]) for low, high in pairwise(edges)])
    return np.array(rows)


def test_bands_are_what_their_definition_says() -> None:
    mono = np.random.default_rng(0).normal(size=1200).astype(np.float32)
    slow = slow_band_power(mono, 256, spectra._edges(256, 24))
    fast = spectra._band_power(mono, 256, 24)
    assert fast.shape == slow.shape
    assert fast == pytest.approx(slow, rel=1e-4)


def test_a_sine_at_full_scale_reaches_0_db() -> None:
    assert of(np.sin(2 * np.pi * 1000 * TIME)).loudest == pytest.approx(0, abs=4)  # a band is wider than a bin


def test_a_sound_is_at_no_distance_from_itself_at_any_level() -> None:
    one = saw(110)
    assert spectral_distance(of(one), of(one)) == 0
    assert spectral_distance(of(one), of(one * 0.1)) == pytest.approx(0, abs=0.01)
    assert hidden_distance(of(one), of(one * 0.1)) == pytest.approx(0, abs=0.01)


def test_another_rate_and_both_channels_change_little() -> None:
    one = clip(saw(110))
    stereo = Clip(np.repeat(one.samples, 2, axis=0), RATE)
    assert spectral_distance(Spectra.of(one), Spectra.of(stereo)) == pytest.approx(0, abs=1e-3)
    assert spectral_distance(Spectra.of(one), Spectra.of(one.resampled(44_100))) < 0.5


def test_the_more_is_changed_the_farther_it_is() -> None:
    part = of(saw(110))
    apart = [spectral_distance(part, of(saw(110, partials))) for partials in (18, 10, 4, 1)]
    assert apart == sorted(apart)
    assert apart[0] > 0.2
    assert spectral_distance(part, of(saw(220))) > apart[0]


def test_time_counts_as_well_as_pitch() -> None:
    part, late = saw(110), np.roll(saw(110), RATE // 10)
    late[: RATE // 10] = 0
    assert spectral_distance(of(part), of(late)) > 3


def test_silence_is_far_from_everything_and_no_error() -> None:
    assert spectral_distance(of(saw(110)), of(np.zeros(RATE))) > 20


def test_inside_a_mixture_the_right_part_is_nearer_than_another() -> None:
    bass, lead = saw(55), 0.5 * saw(880, 4)
    mixture = of(bass + lead)
    assert hidden_distance(mixture, of(bass)) < 3
    assert hidden_distance(mixture, of(bass)) < hidden_distance(mixture, of(saw(62)))
    assert hidden_distance(mixture, of(bass)) < spectral_distance(mixture, of(bass))


def test_what_is_missing_is_told_by_region() -> None:
    full, dull = saw(200, 40), saw(200, 4)
    low, middle, high = regional_differences(of(full), of(dull))
    assert high < -10
    assert abs(middle) < 2
    assert regional_differences(of(full), of(full * 0.3)) == pytest.approx((0, 0, 0), abs=0.01)
    assert low == pytest.approx(0.5, abs=1)
