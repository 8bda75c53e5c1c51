"""Sounds that are nobody's part: what they are by measure, and that a bank with them is still the bank."""

import numpy as np

from synthmatch.audio import ENCODER_RATE
from synthmatch.training.benchmark.drums import CLOSED, KICK, OPEN, SNARE
from synthmatch.training.mixing.strangers import Company, made_up_kit, stranger
from synthmatch.training.recorded.phrasebank import LENGTH

PEAK = 32767


def centre(sound):
    """The spectral centre in Hz."""
    power = np.abs(np.fft.rfft(sound)) ** 2
    return float((np.fft.rfftfreq(len(sound), 1 / ENCODER_RATE) * power).sum() / power.sum())


def test_each_is_ten_seconds_of_sound_and_the_same_again():
    for number in range(12):
        sound = stranger(3, number)
        assert sound.shape == (1, LENGTH)
        assert np.abs(sound.astype(np.int32)).max() == PEAK
        level = np.sqrt((sound / PEAK) ** 2).reshape(10, -1).mean(axis=1)
        assert level.min() > 0.003  # it sounds in every second
        assert np.array_equal(sound, stranger(3, number))
    assert not np.array_equal(stranger(3, 0), stranger(4, 0))


def test_a_kit_goes_from_low_to_high_and_dies_away():
    for seed in range(10):
        hits = made_up_kit(np.random.default_rng(seed)).hits
        assert centre(hits[KICK]) < centre(hits[SNARE]) < centre(hits[CLOSED])
        assert centre(hits[KICK]) < 200
        assert centre(hits[CLOSED]) > 3000
        for hit in hits.values():
            assert np.abs(hit[-1000:]).max() < 0.1 * np.abs(hit).max()
        ring = {drum: float((np.cumsum(hits[drum] ** 2) < 0.9 * (hits[drum] ** 2).sum()).sum()) for drum in hits}
        assert ring[CLOSED] < ring[OPEN]


def test_a_bank_with_strangers_is_still_the_bank(notes):
    company = Company(notes.bank, None, seed=1, count=3)
    for key in notes.presets["bass"]:
        assert np.array_equal(company.notes(key), notes.bank.notes(key))
        assert company.recorded[key] == notes.bank.recorded[key]
        assert key not in company
    for key in company.strangers:
        assert key in company
        assert np.array_equal(company.stems(key), company.notes(key))
        assert len(company.recorded[key].pitches) == len(company.notes(key))
