"""Top-k, presence, and their intervals. Pure functions of arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from synthmatch.training.arrays import Bools, Floats, Ints

RESAMPLES = 1000
CALIBRATION_BINS = 15


@dataclass(frozen=True)
class Interval:
    """A figure in per cent with its 95 % interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:z.1f} [{self.low:z.1f}, {self.high:z.1f}]"  # z: no minus before 0.0


def stratified(values: npt.ArrayLike, groups: npt.ArrayLike, strata: npt.ArrayLike, seed: int = 0) -> Interval:
    """The mean over strata, and a bootstrap over groups within each.

    Mixtures share presets, so they aren't independent: presets are what is drawn again.

    Args:
        values: (Q,), a figure of each question, such as whether it was answered; Q at least 1.
        groups: (Q,), the preset that each asks for: numbers or ids.
        strata: (Q,), its family; each counts the same.

    Returns:
        Values times 100, with a 95 % percentile interval over ``RESAMPLES`` draws.
    """
    each = np.asarray(values, dtype=np.float64)
    preset, family = np.asarray(groups), np.asarray(strata)
    rng = np.random.default_rng(seed)
    means, draws = [], []
    for stratum in np.unique(family):
        inside = family == stratum
        _, member = np.unique(preset[inside], return_inverse=True)
        sums = np.bincount(member, weights=each[inside])
        counts = np.bincount(member).astype(np.float64)
        picked = rng.integers(len(sums), size=(RESAMPLES, len(sums)))
        draws.append(sums[picked].sum(axis=1) / counts[picked].sum(axis=1))
        means.append(each[inside].mean())
    return _interval(float(np.mean(means)), np.mean(draws, axis=0))


def top_k(found: Ints, groups: npt.ArrayLike, strata: npt.ArrayLike, k: int, seed: int = 0) -> Interval:
    """How often the rank is at most ``k``, in per cent: see :func:`stratified`.

    Args:
        found: (Q,), ranks from 1.
        groups, strata: (Q,), preset and family of each question.
    """
    return stratified(found <= k, groups, strata, seed)


def average_precision(scores: npt.ArrayLike, truth: npt.ArrayLike, counts: npt.ArrayLike | None = None) -> Floats:
    """Average precision: the precision at each threshold, weighted by the recall that it adds.

    What has the same score stands or falls together, so whoever says the same of everything has the share of
    what is true.

    Args:
        scores: (N,), higher is surer.
        truth: (N,), bool.
        counts: (R, N), how often each counts, once in each of R draws; each once if None.

    Returns:
        (R,), from 0 to 1; (1,) without ``counts``. NaN where nothing is true.
    """
    sure, true = np.asarray(scores, dtype=np.float64), np.asarray(truth, dtype=np.bool_)
    times = np.ones((1, len(sure))) if counts is None else np.asarray(counts, dtype=np.float64)
    order = np.argsort(-sure, kind="stable")
    sure, times = sure[order], times[:, order]
    hits = times * true[order]
    last = np.searchsorted(-sure, -sure, side="right") - 1  # the end of each run of equal scores
    every = np.cumsum(times, axis=1)[:, last]
    precision = np.divide(np.cumsum(hits, axis=1)[:, last], every, out=np.zeros_like(every), where=every > 0)
    total = hits.sum(axis=1)
    out: Floats = np.divide((hits * precision).sum(axis=1), total, out=np.full(len(total), np.nan), where=total > 0)
    return out


def calibration_error(probabilities: npt.ArrayLike, truth: npt.ArrayLike, bins: int = CALIBRATION_BINS) -> float:
    """Expected calibration error: how far what is said lies from what is so, over equal bins of what is said.

    Args:
        probabilities: any shape, from 0 to 1.
        truth: the same shape, bool.

    Returns:
        From 0 to 1: the mean over all, of the distance between the mean probability of a bin and the share in
        it that is true.
    """
    said = np.asarray(probabilities, dtype=np.float64).ravel()
    true = np.asarray(truth, dtype=np.float64).ravel()
    place = np.minimum((said * bins).astype(np.int64), bins - 1)
    gaps = np.abs(np.bincount(place, weights=said - true, minlength=bins))
    return float(gaps.sum() / len(said))


@dataclass(frozen=True)
class Presence:
    """How well someone says which families a song holds.

    Args:
        families: average precision of each family that some song holds and some doesn't, in per cent.
        macro: their mean, with a 95 % bootstrap interval over songs.
        calibration: expected calibration error over all songs and families, in per cent.
    """

    families: dict[str, float]
    macro: Interval
    calibration: float


def presence_of(logits: npt.NDArray[np.floating], truth: Bools, names: tuple[str, ...], seed: int = 0) -> Presence:
    """Measure presence.

    Args:
        logits: (Q, F), the log-odds that a family is there.
        truth: (Q, F), whether it is; at least one family is there in some songs and not in others.
        names: of the F families.
    """
    rng = np.random.default_rng(seed)
    count = len(truth)
    drawn = rng.multinomial(count, np.full(count, 1 / count), size=RESAMPLES)
    told = [place for place in range(len(names)) if 0 < truth[:, place].sum() < count]
    values = {names[place]: float(average_precision(logits[:, place], truth[:, place])[0]) for place in told}
    draws = np.array([average_precision(logits[:, place], truth[:, place], drawn) for place in told])
    draws = draws[:, ~np.isnan(draws).all(axis=0)]  # of few songs, some draws say nothing of any family
    macro = _interval(float(np.mean(list(values.values()))), np.nanmean(draws, axis=0))
    said = 1 / (1 + np.exp(-logits.astype(np.float64)))
    families = {name: 100 * value for name, value in values.items()}
    return Presence(families, macro, 100 * calibration_error(said, truth))


@dataclass(frozen=True)
class NoteFigures:
    """How right someone's notes are, in per cent: F-measures of beginnings, by family.

    Args:
        key: with the right key. octave: in any octave. onset: on any key.
    """

    key: dict[str, Interval]
    octave: dict[str, Interval]
    onset: dict[str, Interval]


def _interval(value: float, draws: Floats) -> Interval:
    low, high = np.percentile(draws, [2.5, 97.5])
    return Interval(100 * value, 100 * float(low), 100 * float(high))
