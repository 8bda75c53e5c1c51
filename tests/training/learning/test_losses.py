import math

import pytest
import torch
from torch.nn import functional

from synthmatch.training.config import LOSSES
from synthmatch.training.learning.losses import contrast, full_triplet, info_nce, smoothed_entropy


def slow_loop(queries, keys, positive, allowed, temperature):
    """Straight from the formula, one pair at a time."""
    losses = []
    for q in range(len(queries)):
        score = [float(queries[q] @ keys[k]) / temperature for k in range(len(keys))]
        against = sum(
            torch.tensor(score[k]).double().exp() for k in range(len(keys)) if allowed[q, k] and not positive[q, k]
        )
        own = [
            -torch.log(torch.tensor(score[k]).double().exp() / (torch.tensor(score[k]).double().exp() + against))
            for k in range(len(keys))
            if positive[q, k]
        ]
        if own:
            losses.append(sum(own) / len(own))
    return float(sum(losses) / len(losses))


def draw(seed, rows=7, columns=11):
    torch.manual_seed(seed)
    queries = functional.normalize(torch.randn(rows, 8), dim=1)
    keys = functional.normalize(torch.randn(columns, 8), dim=1)
    return queries, keys, torch.rand(rows, columns) < 0.2, torch.rand(rows, columns) < 0.7


def test_info_nce_equals_a_slow_loop():
    for seed in range(5):
        queries, keys, positive, allowed = draw(seed)
        for temperature in (0.05, 0.5):
            expected = slow_loop(queries, keys, positive, allowed, temperature)
            assert abs(float(info_nce(queries, keys, positive, allowed, temperature)) - expected) < 1e-4


def test_masked_keys_have_no_influence_and_no_gradient():
    queries, keys, positive, allowed = draw(1)
    allowed[:, 3] = False
    positive[:, 3] = False
    keys.requires_grad_()
    loss = info_nce(queries, keys, positive, allowed, 0.1)
    loss.backward()
    assert keys.grad is not None
    assert not keys.grad[3].any()
    moved = keys.detach().clone()
    moved[3] = -moved[3]
    assert float(info_nce(queries, moved, positive, allowed, 0.1)) == float(loss.detach())


def test_a_batch_without_positives_costs_nothing_and_has_finite_gradients():
    queries, keys, positive, allowed = draw(2)
    queries.requires_grad_()
    loss = info_nce(queries, keys, torch.zeros_like(positive), allowed, 0.1)
    loss.backward()
    assert float(loss.detach()) == 0
    assert queries.grad is not None
    assert queries.grad.isfinite().all()


def test_a_query_without_negatives_costs_nothing():
    queries, keys, positive, _ = draw(3)
    loss = info_nce(queries, keys, positive, torch.zeros_like(positive), 0.1)
    assert float(loss.detach()) == 0


def slow_triplets(queries, keys, positive, allowed, margin):
    """Every triplet, one at a time."""
    losses = []
    for q in range(len(queries)):
        score = [float(queries[q] @ keys[k]) for k in range(len(keys))]
        own = [
            max(0.0, margin - score[p] + score[n])
            for p in range(len(keys))
            for n in range(len(keys))
            if positive[q, p] and allowed[q, n] and not positive[q, n]
        ]
        if own:
            losses.append(sum(own) / len(own))
    return sum(losses) / len(losses)


def test_full_triplet_equals_a_slow_loop():
    for seed in range(5):
        queries, keys, positive, allowed = draw(seed)
        for margin in (0.2, 1.0):
            found = float(full_triplet(queries, keys, positive, allowed, margin))
            assert abs(found - slow_triplets(queries, keys, positive, allowed, margin)) < 1e-5


def test_triplets_without_positives_or_negatives_cost_nothing():
    queries, keys, positive, allowed = draw(4)
    queries.requires_grad_()
    for loss in (
        full_triplet(queries, keys, torch.zeros_like(positive), allowed, 1.0),
        full_triplet(queries, keys, positive, torch.zeros_like(allowed), 1.0),
    ):
        assert float(loss.detach()) == 0
        loss.backward(retain_graph=True)
        assert queries.grad.isfinite().all()
        assert not queries.grad.any()


def test_a_positive_far_enough_ahead_costs_nothing():
    queries = torch.tensor([[1.0, 0.0]])
    keys = torch.tensor([[1.0, 0.0], [-1.0, 0.0]])
    positive = torch.tensor([[True, False]])
    assert float(full_triplet(queries, keys, positive, torch.ones_like(positive), 1.0)) == 0
    assert float(full_triplet(queries, keys, ~positive, torch.ones_like(positive), 1.0)) == 3.0


def test_a_recipe_names_its_loss():
    queries, keys, positive, allowed = draw(2)
    for name, value in (("infonce", info_nce(*draw(2), 0.1)), ("triplet", full_triplet(*draw(2), 0.7))):
        assert torch.equal(contrast(name, 0.1, 0.7)(queries, keys, positive, allowed), value)
    assert set(LOSSES) == {"infonce", "triplet"}


def slow_entropy(logits, labels, smoothed):
    """Minus the logarithm of each family's probability, by how much it counts, label by label."""
    total = 0.0
    for row, label in zip(logits.tolist(), labels.tolist(), strict=True):
        for family, logit in enumerate(row):
            counts = smoothed / len(row) + (1 - smoothed if family == label else 0)
            total -= counts * math.log(math.exp(logit) / sum(map(math.exp, row)))
    return total / len(labels)


@pytest.mark.parametrize("smoothed", [0.0, 0.1, 1.0])
def test_smoothed_entropy_equals_a_slow_loop(smoothed):
    for seed in range(5):
        torch.manual_seed(seed)
        logits, labels = 3 * torch.randn(7, 5), torch.randint(5, (7,))
        found = float(smoothed_entropy(logits, labels, smoothed))
        assert abs(found - slow_entropy(logits, labels, smoothed)) < 1e-5
