"""What makes a stem sound as another preset might: in decibels and semitones, and only where it was asked for."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from synthmatch.audio import ENCODER_RATE
from synthmatch.training.config import Alterations
from synthmatch.training.mixing.alteration import POINTS, bend, draw_alteration, transpose
from synthmatch.training.mixing.batches import Mixer

TIME = torch.arange(ENCODER_RATE) / ENCODER_RATE


def test_a_curve_is_what_tones_are_changed_by():
    curve = np.array([[-6, -3, 0, 1, 2, 4, 8, 12]], np.float32)
    for hertz, expected in (*zip(POINTS[1:-1], curve[0, 1:-1], strict=True), (750, 1.585), (40, -6)):
        tone = torch.sin(2 * torch.pi * hertz * TIME)[None]
        middle = slice(ENCODER_RATE // 4, 3 * ENCODER_RATE // 4)
        before, after = (each[0, middle].square().mean() for each in (tone, bend(tone.clone(), curve)))
        assert 10 * float((after / before).log10()) == pytest.approx(expected, abs=0.1)


def test_a_stem_without_a_curve_stays_as_it_is_beside_one_with_it():
    audio = torch.randn(3, 4000)
    curve = np.zeros((3, len(POINTS)), np.float32)
    curve[1] = 6.0
    bent = bend(audio.clone(), curve)
    assert torch.equal(bent[[0, 2]], audio[[0, 2]])
    assert torch.allclose(bent[1], audio[1] * 10 ** (6 / 20), atol=1e-4)


def test_a_filter_moves_nothing_in_time():
    click = torch.zeros(1, 4000)
    click[0, 1000] = 1.0
    bent = bend(click, np.array([[0, 0, 0, 3, 6, 3, 0, 0]], np.float32))
    assert int(bent.abs().argmax()) == 1000
    assert torch.allclose(bent[0, 800:1000], bent[0, 1001:1201].flip(0), atol=1e-4)


def test_pieces_are_read_at_their_rates_as_sample_by_sample():
    sound = torch.randn(3, 50)
    rates = np.array([2 ** (3 / 12), 1.0, 2 ** (-4 / 12)])
    played = transpose(sound, rates, 40)
    for row, rate in zip(range(3), rates, strict=True):
        for place in range(40):
            where = max(0.0, (place + 0.5) * rate - 0.5)  # a sample's middle is where it was
            if where >= 49:
                continue  # beyond the recording, where nothing is promised
            before, share = divmod(where, 1)
            expected = sound[row, int(before)] * (1 - share) + sound[row, int(before) + 1] * share
            assert float(played[row, place]) == pytest.approx(float(expected), abs=1e-5)


def test_alterations_are_drawn_as_often_and_as_far_as_asked():
    drawn = draw_alteration(np.random.default_rng(0), Alterations(share=0.4, semitones=3, bend_db=6.0), 4000)
    bent = drawn.curve.any(axis=1)
    assert bent.mean() == pytest.approx(0.4, abs=0.03)
    assert set(drawn.shift.tolist()) == set(range(-3, 4))
    assert (drawn.shift != 0).mean() == pytest.approx(0.4 * 6 / 7, abs=0.03)
    assert np.corrcoef(bent, drawn.shift != 0)[0, 1] == pytest.approx(0, abs=0.05)
    tilt = (drawn.curve[bent, -1] - drawn.curve[bent, 0]) / 2
    assert 0.5 * 6 < tilt.std() < 0.75 * 6  # uniform to 6 either way, and what is uneven


class Keys:
    pitches = tuple(range(20, 110))
    velocities = (100,) * len(pitches)


class Tones:
    """A bank whose presets are all the same sine, recorded on every pitch."""

    def __init__(self, bank):
        self.recorded = dict.fromkeys(bank.recorded, Keys())
        times = np.arange(5 * ENCODER_RATE) / ENCODER_RATE
        hertz = [440 * 2 ** ((pitch - 69) / 12) for pitch in Keys.pitches]
        self._sound = np.stack([np.rint(20000 * np.sin(2 * np.pi * each * times)) for each in hertz]).astype(np.int16)

    def notes(self, _):
        return self._sound


def test_a_sine_is_the_same_sine_from_any_pitch(notes, tiny):
    """Whatever it is recorded at, a note sounds where, when and for as long as the score says."""
    asked = replace(tiny, seconds=3.0, alterations=Alterations(share=1.0, semitones=4))
    plain = replace(asked, alterations=Alterations())
    altered, whole = (Mixer(Tones(notes.bank), notes.presets, {}, recipe) for recipe in (asked, plain))
    assert (altered.planner.plan(0).events.rate != 1).mean() > 0.7
    for one, other in zip(altered.stems(altered.planner.plan(0)), whole.stems(whole.planner.plan(0)), strict=True):
        assert float(torch.corrcoef(torch.stack([one, other]))[0, 1]) > 0.99


def test_what_is_composed_does_not_depend_on_alterations(notes, tiny):
    plain, altered = (
        Mixer(notes.bank, notes.presets, {}, replace(tiny, alterations=kinds)).planner.plan(5)
        for kinds in (Alterations(), Alterations(semitones=3, bend_db=6.0))
    )
    assert np.array_equal(plain.labels.state, altered.labels.state)
    assert np.array_equal(np.sort(plain.events.onset), np.sort(altered.events.onset))
    assert not np.array_equal(np.sort(plain.events.source), np.sort(altered.events.source))
    assert plain.curve.shape[1] == 0
