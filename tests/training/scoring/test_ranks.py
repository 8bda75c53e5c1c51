import numpy as np

from synthmatch.training.scoring.ranks import ranks


def test_ranks_equal_sorting():
    rng = np.random.default_rng(0)
    scores = rng.random((20, 30))
    truth = rng.integers(30, size=20)
    right = np.arange(30)[None] == truth[:, None]
    order = np.argsort(-scores, axis=1)
    expected = [1 + list(row).index(want) for row, want in zip(order, truth, strict=True)]
    assert ranks(scores, right).tolist() == expected


def test_scores_that_are_no_numbers_find_nothing():
    right = np.array([[False, True, False]])
    assert ranks(np.full((1, 3), np.nan), right).tolist() == [3]
    assert ranks(np.array([[np.nan, 0.5, 0.1]]), right).tolist() == [2]


def test_a_tie_counts_against_the_right_one():
    assert ranks(np.array([[0.5, 0.5, 0.1]]), np.array([[True, False, False]])).tolist() == [2]


def test_the_best_of_several_right_candidates_counts():
    assert ranks(np.array([[0.9, 0.5, 0.7]]), np.array([[False, True, True]])).tolist() == [2]
