"""Ranks, top-k and their intervals. Pure functions of arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

RESAMPLES = 1000


def ranks(scores: npt.NDArray[np.floating], right: Bools) -> Ints:
    """The rank of the best right candidate of each query.

    Args:
        scores: (Q, K), higher is closer.
        right: (Q, K), True for each candidate that counts as found; at least one a query.

    Returns:
        (Q,), from 1. A wrong candidate with the same score stands before the right one: whoever can't tell
        two presets apart hasn't found one of them.
    """
    best = np.where(right, scores, -np.inf).max(axis=1, keepdims=True)
    found: Ints = 1 + ((scores >= best) & ~right).sum(axis=1)
    return found


@dataclass(frozen=True)
class Interval:
    """A share in per cent with its 95 % interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.1f} [{self.low:.1f}, {self.high:.1f}]"


def top_k(found: Ints, groups: Ints, strata: Ints, k: int, seed: int = 0) -> Interval:
    """How often the rank is at most ``k``: the mean over strata, and a bootstrap over groups within each.

    Mixtures share presets, so they aren't independent: presets are what is drawn again.

    Args:
        found: (Q,), ranks.
        groups: (Q,), the preset that each query asks for.
        strata: (Q,), its family; each counts the same.

    Returns:
        Per cent, with a 95 % percentile interval over ``RESAMPLES`` draws.
    """
    hits = (found <= k).astype(np.float64)
    rng = np.random.default_rng(seed)
    means, draws = [], []
    for stratum in np.unique(strata):
        inside = strata == stratum
        _, member = np.unique(groups[inside], return_inverse=True)
        sums = np.bincount(member, weights=hits[inside])
        counts = np.bincount(member).astype(np.float64)
        picked = rng.integers(len(sums), size=(RESAMPLES, len(sums)))
        draws.append(sums[picked].sum(axis=1) / counts[picked].sum(axis=1))
        means.append(hits[inside].mean())
    low, high = np.percentile(np.mean(draws, axis=0), [2.5, 97.5])
    return Interval(100 * float(np.mean(means)), 100 * float(low), 100 * float(high))
