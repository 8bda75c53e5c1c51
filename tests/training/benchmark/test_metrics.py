import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthmatch.training.benchmark.metrics import Interval, average_precision, calibration_error, presence_of, top_k


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


def slow_average_precision(scores, truth):
    """Over each threshold, from above: the recall that it adds, times the precision there."""
    total, before, out = sum(truth), 0.0, 0.0
    for threshold in sorted(set(scores), reverse=True):
        named = [right for score, right in zip(scores, truth, strict=True) if score >= threshold]
        recall = sum(named) / total
        out += (recall - before) * sum(named) / len(named)
        before = recall
    return out


@given(
    pairs=st.lists(st.tuples(st.integers(0, 6), st.booleans()), min_size=1, max_size=40).filter(
        lambda pairs: any(truth for _, truth in pairs)
    )
)
def test_average_precision_equals_a_loop_over_thresholds(pairs):
    scores, truth = zip(*pairs, strict=True)
    assert average_precision(scores, truth)[0] == pytest.approx(slow_average_precision(scores, truth))


def test_counting_one_twice_is_the_same_as_having_it_twice():
    rng = np.random.default_rng(2)
    scores, truth = rng.random(12).round(1), rng.random(12) < 0.5
    counts = rng.multinomial(12, np.full(12, 1 / 12), size=5)
    expected = [slow_average_precision(np.repeat(scores, row), np.repeat(truth, row)) for row in counts]
    assert np.allclose(average_precision(scores, truth, counts), expected)


def test_who_says_the_same_of_everything_has_the_share_of_what_is_true():
    assert average_precision(np.zeros(10), np.arange(10) < 3)[0] == pytest.approx(0.3)
    assert np.isnan(average_precision(np.zeros(3), np.zeros(3))[0])


def test_calibration_error_equals_a_loop_over_bins():
    rng = np.random.default_rng(3)
    said = np.concatenate([rng.random(200), [0.0, 1.0]])
    true = rng.random(202) < said**2
    expected = 0.0
    for low in range(15):
        inside = [place for place, each in enumerate(said) if min(int(each * 15), 14) == low]
        if inside:
            gap = abs(np.mean(said[inside]) - np.mean(true[inside]))
            expected += gap * len(inside) / len(said)
    assert calibration_error(said, true) == pytest.approx(expected)


def test_who_says_how_it_is_makes_no_calibration_error():
    truth = np.arange(100).reshape(20, 5) % 4 == 0
    assert calibration_error(np.full(truth.shape, 0.25), truth) == pytest.approx(0)
    assert calibration_error(truth, truth) == 0


def test_presence_leaves_out_families_that_are_always_or_never_there():
    rng = np.random.default_rng(4)
    truth = np.stack([np.ones(30), np.zeros(30), rng.random(30) < 0.5, rng.random(30) < 0.3], axis=1).astype(bool)
    logits = rng.standard_normal((30, 4))
    logits[:, 2] = truth[:, 2] * 8 - 4
    found = presence_of(logits, truth, ("a", "b", "c", "d"))
    assert set(found.families) == {"c", "d"}
    assert found.families["c"] == 100
    assert found.macro.value == pytest.approx((100 + found.families["d"]) / 2)
    assert found.macro.low <= found.macro.value <= found.macro.high
    assert found == presence_of(logits, truth, ("a", "b", "c", "d"))


def test_two_songs_are_enough_for_an_interval():
    """Some draws hold one of them alone, which says nothing of a family that the other one has."""
    truth = np.array([[True, False], [True, True]])
    found = presence_of(np.array([[1.0, -1.0], [1.0, 2.0]]), truth, ("a", "b"))
    assert found.families == {"b": 100}
    assert (found.macro.low, found.macro.high) == (100, 100)


def test_an_interval_shows_no_minus_before_nothing():
    assert str(Interval(-0.04, -0.06, 1.0)) == "0.0 [-0.1, 1.0]"
