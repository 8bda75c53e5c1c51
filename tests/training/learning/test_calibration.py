"""Presence as a probability: what it says after calibration comes true, and the order of songs stays."""

import math
from dataclasses import replace
from functools import partial
from itertools import product

import numpy as np
import pytest
import torch

from synthmatch.networks.encoder import Encoder
from synthmatch.training.benchmark.metrics import calibration_error
from synthmatch.training.learning.calibration import HELD, _judged, _missed, _platt, calibrate_presence
from synthmatch.training.mixing.strangers import Company
from synthmatch.training.recorded.corpus import Corpus


@pytest.fixture(scope="module")
def valid(corpus):
    labels = {key: replace(label, side="valid") for key, label in corpus.labels.items()}
    return Corpus(labels, corpus.notes, corpus.scales)


def crossed(logits, truth):
    """Binary cross-entropy of (songs, F), cell by cell."""
    cells = [pair for rows in zip(logits.tolist(), truth.tolist(), strict=True) for pair in zip(*rows, strict=True)]
    return -sum(math.log(1 / (1 + math.exp(-logit if so else logit))) for logit, so in cells) / len(cells)


def drawn(seed):
    """Logits and truth of 9 songs and 4 families, of which one wasn't heard."""
    rng = torch.Generator().manual_seed(seed)
    heard = torch.ones(4, dtype=torch.bool)
    heard[seed % 4] = False
    return 2 * torch.randn(9, 4, generator=rng), (torch.rand(9, 4, generator=rng) < 0.4).float(), heard


def slowly(scale, shift, logits, truth, heard):
    """What calibration minimises, family by family, song by song."""
    own = [family for family in range(4) if heard[family]]
    said = torch.stack([logits[:, family] * scale[family] + shift[family] for family in own], dim=1)
    moved = [math.log(scale[family]) ** 2 + shift[family] ** 2 for family in range(4)]
    return crossed(said, truth[:, own]) + HELD * sum(moved) / 4


def test_what_is_minimised_equals_a_slow_loop():
    for seed in range(5):
        logits, truth, heard = drawn(seed)
        free = torch.randn(2, 4, generator=torch.Generator().manual_seed(seed))
        expected = slowly(free[0].exp().tolist(), free[1].tolist(), logits, truth, heard)
        assert float(_missed(free, logits, truth, heard)) == pytest.approx(expected, abs=1e-5)
        logits[:, ~heard] += 5.0  # of which nothing is asked
        assert float(_missed(free, logits, truth, heard)) == pytest.approx(expected, abs=1e-5)


def test_what_is_found_is_where_the_slow_loop_is_least():
    """No scale and no shift could be a little larger or smaller to any gain."""
    for seed in range(5):
        logits, truth, heard = drawn(seed)
        found = torch.stack(_platt(logits, truth, heard)).double()
        least = slowly(*found.tolist(), logits, truth, heard)
        for family in heard.nonzero()[:, 0].tolist():
            for row, step in product(range(2), (-0.02, 0.02)):
                moved = found.clone()
                moved[row, family] += step
                assert slowly(*moved.tolist(), logits, truth, heard) > least


def test_scales_and_shifts_that_were_put_in_are_found():
    rng = torch.Generator().manual_seed(0)
    right = 2 * torch.randn(20_000, 3, generator=rng)
    truth = (torch.rand(right.shape, generator=rng) < right.sigmoid()).float()
    scale, shift = torch.tensor([4.0, 0.5, 1.0]), torch.tensor([1.0, -2.0, 0.0])
    found = _platt(right / scale - shift / scale, truth, torch.tensor([True, True, False]))
    assert found[0].tolist() == pytest.approx([4.0, 0.5, 1.0], rel=0.1)
    assert found[1].tolist() == pytest.approx([1.0, -2.0, 0.0], abs=0.15)  # held a little


@pytest.fixture
def short(monkeypatch):
    """Songs of 2 s, and few strangers in them."""
    monkeypatch.setattr("synthmatch.training.learning.songs.SECONDS", 2.0)
    monkeypatch.setattr("synthmatch.training.mixing.batches.Company", partial(Company, count=12))


@pytest.mark.usefixtures("short")
def test_what_is_said_comes_true_and_the_order_stays(valid, tiny, monkeypatch):
    monkeypatch.setattr("synthmatch.training.learning.calibration.SONGS", 144)
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


@pytest.mark.usefixtures("short")
def test_the_loss_that_is_told_is_what_songs_cost_afterwards(valid, tiny, monkeypatch):
    """In the families that valid presets have; of the others nothing is known."""
    for name, value in (("calibration.SONGS", 12), ("calibration.TOGETHER", 12), ("songs.TOGETHER", 12)):
        monkeypatch.setattr(f"synthmatch.training.learning.{name}", value)
    torch.manual_seed(0)
    encoder = Encoder(tiny.encoder).eval()
    with torch.no_grad():
        encoder.presence_weight.normal_()
    loss = calibrate_presence(encoder, valid, 5)
    there = {key: ids for key in encoder.config.families if (ids := valid.ids("valid", key))}
    own = [encoder.config.families.index(key) for key in there]
    logits, truth = _judged(encoder, valid, there, 5)
    assert loss == pytest.approx(crossed(logits[:, own], truth[:, own]), abs=1e-4)


def test_without_valid_presets_nothing_changes(corpus, tiny):
    encoder = Encoder(tiny.encoder).eval()
    before = encoder.fingerprint
    assert calibrate_presence(encoder, corpus) == 0.0
    assert encoder.fingerprint == before
