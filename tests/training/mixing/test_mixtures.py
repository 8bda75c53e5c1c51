import numpy as np
import pytest

from synthmatch.training.mixing.mixtures import FADE, mix_stems, stem
from synthmatch.training.parts import compose

RATE = 16_000


def test_a_stem_is_the_sum_of_its_notes_cut_with_a_fade():
    part = compose(np.random.default_rng(5), ("lead",), 4.0)["lead"]
    made = stem(part, lambda note: np.full(RATE * 3, note.pitch / 127, np.float32), 4.0)
    slow = np.zeros(4 * RATE)
    fade = round(FADE * RATE)
    for note in part.notes:
        for offset in range(round(note.duration * RATE)):
            place = round(note.start * RATE) + offset
            left = round(note.duration * RATE) - offset
            if place < len(slow):
                slow[place] += note.pitch / 127 * min(1.0, (left - 1) / (fade - 1))
    assert len(made) == 4 * RATE
    # A note that the stem's end cuts fades there; every other sample must agree.
    assert np.abs(made[: -fade * 2] - slow[: -fade * 2]).max() < 0.02


def test_recordings_are_left_as_they_were():
    sound = np.ones(RATE, np.float32)
    part = compose(np.random.default_rng(6), ("bass",), 2.0)["bass"]
    stem(part, lambda _: sound, 2.0)
    assert (sound == 1).all()


def test_levels_of_a_mixture():
    time = np.arange(RATE) / RATE
    drum = np.sin(2 * np.pi * 1000 * time).astype(np.float32) * 0.1
    bass = np.sin(2 * np.pi * 100 * time).astype(np.float32) * 0.7
    mixed = mix_stems({"percussion": drum, "bass": bass})
    spectrum = np.abs(np.fft.rfft(mixed))
    assert np.abs(mixed).max() == pytest.approx(1)
    assert spectrum[1000] / spectrum[100] == pytest.approx(4, rel=0.01)


def test_silent_stems_make_silence():
    assert not mix_stems({"bass": np.zeros(100, np.float32)}).any()
