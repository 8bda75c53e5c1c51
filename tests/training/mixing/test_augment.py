"""Degradations do what they say: in decibels, hertz and cents."""

import numpy as np
import pytest
import torch

from synthmatch.audio import ENCODER_RATE
from synthmatch.training.config import Degradations
from synthmatch.training.mixing.augment import NOISE, TAIL, Treatment, draw, treat

TIME = torch.arange(2 * ENCODER_RATE) / ENCODER_RATE


def untreated(count=1, **asked):
    nothing = {name: np.zeros(count, np.float32) for name in Treatment.__dataclass_fields__}
    nothing |= {"place": np.zeros(count, np.int64), "decay": np.full(count, 0.3, np.float32)}
    return Treatment(**nothing | {name: np.full(count, value, np.float32) for name, value in asked.items()})


def tone(hertz):
    return torch.sin(2 * torch.pi * hertz * TIME)[None]


def levels(audio, *hertz):
    """Levels in dB of some frequencies in the middle second."""
    part = audio[0, ENCODER_RATE // 2 : ENCODER_RATE // 2 + ENCODER_RATE] * torch.hann_window(ENCODER_RATE)
    spectrum = torch.fft.rfft(part).abs()
    return [20 * float(spectrum[each].log10()) for each in hertz]


def change(treatment, *hertz):
    """By how many dB each tone is louder than the first, if they were all equal before."""
    mixed = sum(tone(each) for each in hertz)
    found = levels(treat(mixed / mixed.abs().max(), treatment), *hertz)
    return [each - found[0] for each in found]


def test_nothing_asked_for_changes_nothing():
    audio = torch.randn(3, 5000)
    audio /= audio.abs().amax(1, keepdim=True)
    assert torch.allclose(treat(audio, untreated(3)), audio, atol=1e-6)


def test_a_tilt_is_a_straight_line_over_octaves():
    _, octave, four = change(untreated(tilt=7.0), 100, 200, 1600)
    assert octave == pytest.approx(7.0 / np.log2(8000 / 60), abs=0.05)
    assert four == pytest.approx(4 * 7.0 / np.log2(8000 / 60), abs=0.05)


def test_shelves_lift_what_lies_beyond_them():
    _, middle, high = change(untreated(low=6.0), 40, 2000, 7000)
    assert middle == pytest.approx(-5.8, abs=0.3)
    assert high == pytest.approx(-5.8, abs=0.3)
    _, high = change(untreated(high=-6.0), 100, 7900)
    assert -6.0 < high < -4.5


def test_a_low_pass_leaves_the_low_and_takes_the_high():
    _, middle, high = change(untreated(lowpass=4000.0), 100, 2000, 6000)
    assert middle == pytest.approx(0, abs=0.05)
    assert high < -40


def test_a_reverb_rings_on_after_the_sound():
    audio = torch.cat([torch.randn(1, 8000), torch.zeros(1, 2 * TAIL)], 1)
    ringing = treat(audio, untreated(wet=0.5))[0]
    late, later = ringing[8100:9000].square().mean(), ringing[8000 + TAIL // 2 : 8000 + TAIL // 2 + 900].square().mean()
    assert late > 100 * later > 0
    assert not treat(audio, untreated())[0, 8100:].any()


def test_drive_makes_loud_and_soft_more_alike():
    audio = torch.cat([tone(200), 0.1 * tone(200)], 1)
    driven = treat(audio, untreated(drive=12.0))[0]
    middle = len(TIME)
    assert driven.abs().max() == pytest.approx(1)
    assert driven[middle:].abs().max() > 0.25


def test_noise_is_as_loud_as_asked_for():
    audio = tone(440)
    noisy = treat(audio, untreated(noise=10 ** (-20 / 20)))[0]
    # Normalised again: the tone that is left is found by projection.
    share = (noisy @ audio[0]) / (audio[0] @ audio[0])
    left = noisy - share * audio[0]
    decibels = 10 * torch.log10((share * audio[0]).square().mean() / left.square().mean())
    assert float(decibels) == pytest.approx(20, abs=0.5)


@pytest.mark.parametrize("cents", [-30.0, 12.0])
def test_cents_move_a_tone(cents):
    moved = treat(tone(1000), untreated(cents=cents))[0, :ENCODER_RATE]
    crossings = int(((moved[:-1] < 0) & (moved[1:] >= 0)).sum())
    assert crossings == pytest.approx(1000 * 2 ** (cents / 1200), abs=1.5)


def test_silence_stays_silent():
    everything = untreated(2, tilt=3.0, drive=6.0, wet=0.3, noise=0.1, cents=5.0)
    assert not treat(torch.zeros(2, 4000), everything).any()


@pytest.mark.parametrize("share", [1.0, 0.4])
def test_what_happens_to_a_mixture_does_not_depend_on_the_others(share):
    kinds = Degradations(share, 6.0, 6.0, 12.0, 0.4, 5000.0, 25.0, 8.0)
    treatment = draw(np.random.default_rng(0), kinds, 5)
    audio = torch.randn(5, 9000)
    whole = treat(audio, treatment)
    for row in range(5):
        assert torch.allclose(treat(audio[row : row + 1], treatment.of(slice(row, row + 1)))[0], whole[row], atol=1e-5)


def test_each_is_drawn_by_itself_and_within_its_bounds():
    kinds = Degradations(share=0.3, tilt_db=6.0, drive_db=12.0, lowpass=5000.0, noise_db=25.0, cents=8.0)
    treatment = draw(np.random.default_rng(1), kinds, 4000)
    for name, low, high in (("tilt", -6, 6), ("drive", 0, 12), ("lowpass", 5000, 8000), ("cents", -8, 8)):
        values = getattr(treatment, name)
        assert 0.26 < np.mean(values != 0) < 0.34, name
        assert low <= values[values != 0].min() <= values.max() <= high
    quiet = 20 * np.log10(treatment.noise[treatment.noise > 0])
    assert -45.1 < quiet.min() < quiet.max() < -24.9
    assert not treatment.low.any()
    assert not treatment.wet.any()
    assert treatment.place.max() < NOISE
    both = np.mean((treatment.tilt != 0) & (treatment.drive != 0))
    assert 0.06 < both < 0.12
