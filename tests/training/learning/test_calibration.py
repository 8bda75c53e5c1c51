"""Presence as a probability: what it says after calibration comes true, and the order of songs stays."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from synthmatch.networks.encoder import Encoder
from synthmatch.training.benchmark.metrics import calibration_error
from synthmatch.training.learning.calibration import _judged, _platt, calibrate_presence
from synthmatch.training.recorded.corpus import Corpus


@pytest.fixture(scope="module")
def valid(corpus):
    labels = {key: replace(label, side="valid") for key, label in corpus.labels.items()}
    return Corpus(labels, corpus.notes, corpus.scales)


def test_scales_and_shifts_that_were_put_in_are_found():
    rng = torch.Generator().manual_seed(0)
    right = 2 * torch.randn(20_000, 3, generator=rng)
    truth = (torch.rand(right.shape, generator=rng) < right.sigmoid()).float()
    scale, shift = torch.tensor([4.0, 0.5, 1.0]), torch.tensor([1.0, -2.0, 0.0])
    found = _platt(right / scale - shift / scale, truth, torch.tensor([True, True, False]))
    assert found[0].tolist() == pytest.approx([4.0, 0.5, 1.0], rel=0.1)
    assert found[1].tolist() == pytest.approx([1.0, -2.0, 0.0], abs=0.15)  # held a little


def test_what_is_said_comes_true_and_the_order_stays(valid, tiny, monkeypatch):
    monkeypatch.setattr("synthmatch.training.learning.calibration.SONGS", 144)
    monkeypatch.setattr("synthmatch.training.learning.songs.SECONDS", 2.0)
    torch.manual_seed(0)
    encoder = Encoder(tiny.encoder).eval()
    with torch.no_grad():
        encoder.presence_weight.normal_()
        encoder.presence_bias.fill_(3.0)  # far too sure
    there = {key: valid.ids("valid", key) for key in ("percussion", "bass", "lead")}
    before, truth = _judged(encoder, valid, there, 1)
    loss = calibrate_presence(encoder, valid)
    after, _ = _judged(encoder, valid, there, 1)
    own = [encoder.config.families.index(key) for key in there]
    errors = [calibration_error(each.sigmoid()[:, own].numpy(), truth[:, own].numpy()) for each in (before, after)]
    assert errors[1] < min(0.1, errors[0] / 3)
    assert 0 < loss < 0.8
    for family in own:
        assert np.array_equal(before[:, family].argsort(), after[:, family].argsort())
    others = [row for row in range(len(encoder.config.families)) if row not in own]
    assert torch.equal(before[:, others], after[:, others])


def test_without_valid_presets_nothing_changes(corpus, tiny):
    encoder = Encoder(tiny.encoder).eval()
    before = encoder.fingerprint
    assert calibrate_presence(encoder, corpus) == 0.0
    assert encoder.fingerprint == before
