"""How far down a listener's list the preset that was asked for stands."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from synthmatch.training.arrays import Bools, Ints


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
    # What is no number, from an encoder that went wrong, is no lower than anything.
    found: Ints = 1 + (~(scores < best) & ~right).sum(axis=1)
    return found
