"""What is done to a mixture is what its name says, and nothing is late."""

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthmatch.audio import ENCODER_RATE
from synthmatch.training.benchmark.degradations import (
    DEGRADATIONS,
    EQ_DB,
    Band,
    equaliser,
    limiter,
    mp3_round_trip,
    reverb,
)

SECONDS = 2


@pytest.fixture(scope="module")
def noise():
    sound = np.random.default_rng(0).standard_normal(SECONDS * ENCODER_RATE).astype(np.float32)
    return sound / np.abs(sound).max()


def impulse(length=SECONDS * ENCODER_RATE):
    out = np.zeros(length, np.float32)
    out[0] = 1.0
    return out


def gain_at(filtered, hertz):
    """dB at a frequency, of what became of an impulse."""
    turns = np.exp(-2j * np.pi * hertz * np.arange(len(filtered)) / ENCODER_RATE)
    return 20 * math.log10(abs(np.sum(filtered * turns)))


def lag(first, second, reach=2000):
    """By how many samples the second is later than the first."""
    size = 2 * len(first)
    spectrum = np.conj(np.fft.rfft(first, size)) * np.fft.rfft(second, size)
    correlation = np.fft.irfft(spectrum, size)
    return max(range(-reach, reach), key=lambda place: correlation[place])


@pytest.mark.parametrize("name", DEGRADATIONS)
def test_each_keeps_length_and_time_and_is_the_same_for_the_same_seed(name, noise):
    once, again = (DEGRADATIONS[name](noise, np.random.default_rng(3)) for _ in range(2))
    assert once.shape == noise.shape
    assert once.dtype == np.float32
    assert np.array_equal(once, again)
    assert np.abs(once - noise).max() > 1e-3
    assert abs(lag(noise, once)) <= 2


def test_an_mp3_leaves_a_steady_tone_as_it_was_and_when_it_was():
    """But for a little gain: to within 1 %."""
    time = np.arange(SECONDS * ENCODER_RATE) / ENCODER_RATE
    tone = (0.5 * np.sin(2 * np.pi * 440 * time)).astype(np.float32)
    heard = mp3_round_trip(tone)
    middle = slice(ENCODER_RATE // 2, -ENCODER_RATE // 2)
    gain = float(np.dot(heard[middle], tone[middle]) / np.dot(tone[middle], tone[middle]))
    assert gain == pytest.approx(1, abs=0.06)
    assert np.abs(heard[middle] - gain * tone[middle]).max() < 0.005


@given(drive=st.floats(0, 24), ceiling=st.floats(-12, 0), seed=st.integers(0, 99))
def test_nothing_passes_the_limiter_s_ceiling(drive, ceiling, seed):
    rng = np.random.default_rng(seed)
    sound = (rng.standard_normal(4000) * rng.choice([0.01, 1.0], 4000)).astype(np.float32)
    assert np.abs(limiter(sound, drive, ceiling)).max() <= 10 ** (ceiling / 20) * (1 + 1e-6)


def test_below_the_ceiling_a_limiter_is_a_gain(noise):
    quiet = noise * np.float32(0.01)
    assert np.allclose(limiter(quiet, 12.0), quiet * 10 ** (12 / 20), rtol=1e-5)


def test_a_limiter_s_gain_equals_a_loop_over_samples(noise):
    sound, side, ceiling = noise[:1200], 3, 10 ** (-6 / 20)
    needed = [min(1.0, ceiling / max(abs(float(each)), 1e-9)) for each in sound]

    def around(values, place):
        return [values[at] if 0 <= at < len(values) else 1.0 for at in range(place - side, place + side + 1)]

    # Beyond the ends nothing is needed, but what is near the ends counts there, too.
    smallest = {place: min(around(needed, place)) for place in range(-side, len(sound) + side)}
    gain = [np.mean([smallest[at] for at in range(place - side, place + side + 1)]) for place in range(len(sound))]
    assert np.allclose(limiter(sound, 0.0, -6.0, side / ENCODER_RATE), sound * gain, atol=1e-6)


@pytest.mark.parametrize("gain", [-EQ_DB, -2.5, 4.0, EQ_DB])
def test_a_peak_has_its_gain_at_its_centre_and_none_far_away(gain):
    out = equaliser(impulse(), [Band("peak", 1000, gain, 2.0)])
    assert gain_at(out, 1000) == pytest.approx(gain, abs=0.01)
    assert gain_at(out, 20) == pytest.approx(0, abs=0.05)
    assert gain_at(out, 7900) == pytest.approx(0, abs=0.05)


@pytest.mark.parametrize(("kind", "inside", "outside"), [("low shelf", 5, 7900), ("high shelf", 7990, 30)])
@pytest.mark.parametrize("gain", [-EQ_DB, EQ_DB])
def test_a_shelf_has_its_gain_on_one_side_and_half_of_it_in_the_middle(kind, inside, outside, gain):
    out = equaliser(impulse(), [Band(kind, 700, gain)])
    assert gain_at(out, inside) == pytest.approx(gain, abs=0.05)
    assert gain_at(out, 700) == pytest.approx(gain / 2, abs=0.05)
    assert gain_at(out, outside) == pytest.approx(0, abs=0.05)


def test_a_filter_equals_its_difference_equation(noise):
    band = Band("peak", 600, 5.0, 0.9)
    above, below = band.coefficients()
    sound, out = noise[:500].astype(np.float64), []
    for place in range(len(sound)):
        ahead = sum(above[k] * sound[place - k] for k in range(3) if place >= k)
        back = sum(below[k] * out[place - k] for k in (1, 2) if place >= k)
        out.append((ahead - back) / below[0])
    assert np.allclose(equaliser(noise[:500], [band]), out, atol=1e-5)


def test_two_bands_undo_each_other(noise):
    bands = [Band("high shelf", 3000, 6.0), Band("high shelf", 3000, -6.0)]
    assert np.allclose(equaliser(noise, bands), noise, atol=1e-5)


@pytest.mark.parametrize("wet", [-12.0, -3.0])
@pytest.mark.parametrize("decay", [0.6, 1.5])
def test_a_room_has_its_energy_and_falls_by_60_db_in_its_time(decay, wet):
    out = reverb(impulse(), np.random.default_rng(1), decay, wet).astype(np.float64)
    tail = out[1:] ** 2
    assert out[0] == pytest.approx(1.0, abs=1e-5)
    assert 10 * math.log10(tail.sum()) == pytest.approx(wet, abs=0.01)
    assert np.all(np.abs(out[1 : round(0.009 * ENCODER_RATE)]) < 1e-5)
    # Schroeder's integral: what is left to come falls by 20 dB in a third of the time.
    left = np.cumsum(tail[::-1])[::-1]
    first = round(0.01 * ENCODER_RATE)
    later = first + round(decay / 3 * ENCODER_RATE)
    assert 10 * math.log10(left[first] / left[later]) == pytest.approx(20, abs=1.0)


def test_the_page_tells_of_every_degradation():
    page = (Path(__file__).parents[3] / "docs" / "evaluation.md").read_text(encoding="utf-8")
    told = page.partition("| degradation | what is done |\n|---|---|\n")[2].partition("\n\n")[0]
    assert [line.split("|")[1].strip(" `") for line in told.splitlines()] == list(DEGRADATIONS)
