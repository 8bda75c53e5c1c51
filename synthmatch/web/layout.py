"""Vectors as places on a plane: the only module that knows scikit-learn.

t-SNE rather than the two strongest directions (PCA): on a map one looks for what sounds like this, and t-SNE keeps
neighbours together, where two directions out of many pile up whatever differs in the others. It begins from PCA and has
a seed, so the same library gives the same map. Beyond ``MANY`` sounds it would take more than minutes, and PCA alone
has to do; so it does where scikit-learn is missing, or where there's next to nothing to lay out.
"""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

MANY = 30_000
"""Sounds from which t-SNE would take too long."""
FEW = 8
"""Sounds below which there are no neighbourhoods to keep."""
_PERPLEXITY = 30.0


def laid_out(vectors: Floats) -> Floats:
    """Places for vectors, so that near ones stand near each other.

    Args:
        vectors: (n, D) of unit length.

    Returns:
        (n, 2), from -1 to 1.
    """
    if len(vectors) < FEW or len(vectors) > MANY or find_spec("sklearn") is None:
        return _scaled(_principal(vectors))
    from sklearn.manifold import TSNE

    perplexity = min(_PERPLEXITY, (len(vectors) - 1) / 3)
    begin = _principal(vectors)
    begin = (begin / (begin[:, 0].std() or 1.0) * 1e-4).astype(np.float32)
    layout = TSNE(2, perplexity=perplexity, init=begin, learning_rate="auto", random_state=0, n_jobs=1)
    return _scaled(np.asarray(layout.fit_transform(vectors), np.float32))


def placed(vector: Floats, vectors: Floats, places: Floats, nearest: int = 5) -> Floats:
    """Where a new vector stands among those that have places: amid the nearest, the nearer the closer.

    Args:
        vector: (D,). vectors: (n, D), n above 0. places: (n, 2).

    Returns:
        (2,).
    """
    score = vectors @ vector
    best = np.argsort(-score, kind="stable")[:nearest]
    weights = np.exp((score[best] - score[best[0]]) * 20)
    found: Floats = ((places[best] * weights[:, None]).sum(axis=0) / weights.sum()).astype(np.float32)
    return found


def _principal(vectors: Floats) -> Floats:
    """(n, 2): the two directions in which the vectors differ most, each with the sign of its largest weight."""
    centred = vectors - vectors.mean(axis=0) if len(vectors) else vectors
    _, _, directions = np.linalg.svd(centred.T @ centred if len(vectors) else np.eye(vectors.shape[1]))
    first = directions[:2]
    first = first * np.sign(first[np.arange(len(first)), np.abs(first).argmax(axis=1)])[:, None]
    found: Floats = (centred @ first.T).astype(np.float32)
    return found


def _scaled(places: Floats) -> Floats:
    """Amid -1 to 1; one place alone stands in the middle."""
    if not len(places):
        return places
    low, high = places.min(axis=0), places.max(axis=0)
    reach = np.maximum(high - low, 1e-9)
    scaled: Floats = np.where(high > low, (places - low) / reach * 2 - 1, 0).astype(np.float32)
    return scaled
