"""Sounds that are nobody's part: what they are by measure, and that a bank with them is still the bank."""

import numpy as np

from synthmatch.audio import ENCODER_RATE, Clip
from synthmatch.presets.faustsynth import make_state
from synthmatch.renderers.renderer import RenderResult
from synthmatch.training.mixing.strangers import Company, made_up_kit, stranger
from synthmatch.training.recorded.drums import CLOSED, KICK, OPEN, SNARE
from synthmatch.training.recorded.kits import kit_job
from synthmatch.training.recorded.notebank import NoteBank
from synthmatch.training.recorded.phrasebank import LENGTH
from synthmatch.training.recorded.shards import recording_into

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


def test_beats_are_played_on_recorded_kits_where_there_are_any(tmp_path):
    """A kit of clicks, each of a height of its own, which no rule makes."""
    kits = NoteBank(tmp_path)
    clicks = tuple(Clip(np.array([[height, 0.0]], np.float32), ENCODER_RATE) for height in np.linspace(0.1, 1, 15))
    with recording_into(tmp_path):
        kits.record_jobs(
            ["clicks"], lambda _: kit_job(make_state({})), lambda jobs: (RenderResult(job, clicks) for job in jobs)
        )
    recorded = [np.count_nonzero(stranger(3, number, kits)) < 200 for number in range(120)]
    assert 0.3 < np.mean(recorded) < 0.6  # two in three of two in three
    empty = NoteBank(tmp_path / "nothing")
    assert all(np.array_equal(stranger(3, number, empty), stranger(3, number)) for number in range(12))


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
