import numpy as np

from synthmatch.training.metrics import ranks, top_k


def test_ranks_equal_sorting():
    rng = np.random.default_rng(0)
    scores = rng.random((20, 30))
    truth = rng.integers(30, size=20)
    right = np.arange(30)[None] == truth[:, None]
    order = np.argsort(-scores, axis=1)
    expected = [1 + list(row).index(want) for row, want in zip(order, truth, strict=True)]
    assert ranks(scores, right).tolist() == expected


def test_a_tie_counts_against_the_right_one():
    assert ranks(np.array([[0.5, 0.5, 0.1]]), np.array([[True, False, False]])).tolist() == [2]


def test_the_best_of_several_right_candidates_counts():
    assert ranks(np.array([[0.9, 0.5, 0.7]]), np.array([[False, True, True]])).tolist() == [2]


def test_top_k_is_the_mean_over_families_whatever_their_sizes():
    found = np.array([1] * 90 + [10] * 10)
    strata = np.array([0] * 90 + [1] * 10)
    assert top_k(found, np.arange(100), strata, 1).value == 50


def test_intervals_come_from_presets_and_not_from_queries():
    """Asking the same ten presets a hundred times tells no more than asking them once."""
    rng = np.random.default_rng(1)
    once = rng.integers(1, 3, size=10)
    groups = np.arange(10)
    single = top_k(once, groups, np.zeros(10), 1)
    often = top_k(np.tile(once, 100), np.tile(groups, 100), np.zeros(1000), 1)
    assert (single.low, single.high) == (often.low, often.high)
    assert single.low < single.value < single.high


def test_intervals_are_the_same_every_time():
    found, groups = np.arange(50) % 7 + 1, np.arange(50) % 11
    assert top_k(found, groups, np.zeros(50), 3) == top_k(found, groups, np.zeros(50), 3)
