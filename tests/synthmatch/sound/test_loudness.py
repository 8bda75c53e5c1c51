"""Loudness, held against the reference signals of the standard and of EBU Tech 3341."""

from __future__ import annotations

import math
import sys

import numpy as np
import pytest

from synthmatch.audio import Clip
from synthmatch.errors import AudioError
from synthmatch.sound.loudness import gain_to, integrated, is_installed, require

pytestmark = pytest.mark.skipif(not is_installed(), reason="pyloudnorm is missing: pip install pyloudnorm")


def sine(frequency: float, peak_db: float, seconds: float, channels: int = 2, rate: int = 48_000) -> Clip:
    wave = 10 ** (peak_db / 20) * np.sin(2 * np.pi * frequency * np.arange(round(seconds * rate)) / rate)
    return Clip(np.tile(wave.astype(np.float32), (channels, 1)), rate)


def joined(*clips: Clip) -> Clip:
    return Clip(np.concatenate([clip.samples for clip in clips], axis=1), clips[0].sample_rate)


@pytest.mark.parametrize("rate", [44_100, 48_000, 96_000])
def test_the_reference_tone(rate: int) -> None:
    """ITU-R BS.1770: 997 Hz at full scale in one channel reads -3.01; in both, 3 dB more."""
    assert integrated(sine(997, 0, 5, 1, rate)) == pytest.approx(-3.01, abs=0.05)
    assert integrated(sine(997, 0, 5, 2, rate)) == pytest.approx(0.0, abs=0.05)


def test_what_is_quiet_for_long_does_not_count() -> None:
    """EBU Tech 3341, cases 1, 3 and 4: -23 LUFS, whatever is 13 dB, or far more, below it."""
    loud = sine(1000, -23, 20)
    assert integrated(loud) == pytest.approx(-23, abs=0.1)
    assert integrated(joined(sine(1000, -36, 10), sine(1000, -23, 60), sine(1000, -36, 10))) == pytest.approx(
        -23, abs=0.1
    )
    assert integrated(joined(sine(1000, -72, 10), loud, sine(1000, -72, 10))) == pytest.approx(-23, abs=0.1)


def test_a_short_sound_counts_as_if_silence_followed() -> None:
    click = sine(1000, -10, 0.05)
    silence = Clip(np.zeros((2, round(0.35 * 48_000)), np.float32), 48_000)
    assert integrated(click) == pytest.approx(integrated(joined(click, silence)), abs=1e-9)
    assert integrated(sine(1000, -10, 0.1)) - integrated(click) == pytest.approx(3.0, abs=0.2)  # twice the energy


def test_silence_has_no_loudness() -> None:
    assert integrated(Clip(np.zeros((2, 48_000), np.float32), 48_000)) == -math.inf
    assert gain_to(Clip(np.zeros((2, 48_000), np.float32), 48_000), -20) == 1.0


@pytest.mark.parametrize("peak_db", [12, -20, -60, -90])
def test_the_gain_reaches_the_target_from_anywhere(peak_db: float) -> None:
    """From below the gate too, where the first measurement is silence."""
    rng = np.random.default_rng(5)
    fading = rng.standard_normal((2, 96_000)) * np.exp(-np.arange(96_000) / 12_000)
    clip = Clip((fading * 10 ** (peak_db / 20)).astype(np.float32), 48_000)
    assert integrated(clip.scaled(gain_to(clip, -18))) == pytest.approx(-18, abs=0.01)


@pytest.mark.parametrize("target", [-61, 1, math.nan, -math.inf])
def test_a_target_out_of_range_is_refused(target: float) -> None:
    with pytest.raises(AudioError, match="choose one from -60 to 0"):
        gain_to(sine(1000, -10, 1), target)


def test_more_channels_than_the_standard_knows() -> None:
    with pytest.raises(AudioError, match="up to five channels, not for 6"):
        integrated(sine(1000, -10, 1, channels=6))


def test_without_pyloudnorm_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyloudnorm", None)  # as if it weren't there
    assert not is_installed()
    with pytest.raises(AudioError, match=r"run `pip install pyloudnorm`"):
        require()
    with pytest.raises(AudioError, match="without pyloudnorm"):
        integrated(sine(1000, -10, 1))
