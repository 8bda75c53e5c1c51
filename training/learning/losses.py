"""Contrastive losses over unit vectors, and the one by which families are learnt."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional


def info_nce(queries: Tensor, keys: Tensor, positive: Tensor, allowed: Tensor, temperature: float) -> Tensor:
    """Masked InfoNCE with any number of positives a query (van den Oord et al., 2018; the mean over
    positives stands outside the logarithm, as in Khosla et al., 2020, equation 2, where the other positives count
    against each, though; here they don't).

    For each query the loss is the mean, over its positives, of ``-log(e^s+ / (e^s+ + sum of e^s-))``, where
    s is cosine / temperature and the sum runs over the allowed keys that aren't positive.

    Args:
        queries: (Q, D), unit length.
        keys: (K, D), unit length.
        positive: (Q, K), True where the key is what the query looks for.
        allowed: (Q, K), True where a key may count against the query; positives needn't be.
        temperature: above 0.

    Returns:
        The mean over the queries that have a positive; 0 if none has.
    """
    scores = queries.float() @ keys.float().T / temperature
    against = scores.masked_fill(~allowed | positive, -torch.inf).logsumexp(dim=1, keepdim=True)
    each = functional.softplus(against - scores)  # log(1 + e^(against - s+)) = -log(e^s+ / (e^s+ + e^against))
    counts = positive.sum(dim=1)
    mean = each.masked_fill(~positive, 0.0).sum(dim=1) / counts.clamp(min=1)  # 0 without a positive
    return mean.sum() / (counts > 0).sum().clamp(min=1)


def full_triplet(queries: Tensor, keys: Tensor, positive: Tensor, allowed: Tensor, margin: float) -> Tensor:
    """The triplet loss over every triplet there is (as in Hermans et al., 2017, "batch all", with the mean over
    all triplets instead of the active ones).

    A triplet is a query, one of its positives and one of its negatives; its loss is ``max(0, margin - s+ + s-)``,
    where s is the cosine.

    Args:
        queries, keys, positive, allowed: as for :func:`info_nce`.
        margin: by how much a positive is to be nearer, from 0 to 2.

    Returns:
        The mean over the triplets of a query, then over the queries that have one; 0 if none has.
    """
    scores = queries.float() @ keys.float().T
    against = allowed & ~positive
    # One positive column at a time: (Q, K, K) at once would fill a GPU at a few hundred mixtures.
    found = positive.sum(dim=1)
    order = scores.masked_fill(~positive, torch.inf).argsort(dim=1)
    total = scores.sum(dim=1) * 0.0
    for turn in range(_most(positive)):
        chosen = order[:, turn : turn + 1]
        gaps = functional.relu(margin - scores.gather(1, chosen) + scores).masked_fill(~against, 0.0).sum(dim=1)
        total = total + torch.where(found > turn, gaps, 0.0)
    count = found * against.sum(dim=1)
    return (total / count.clamp(min=1)).sum() / (count > 0).sum().clamp(min=1)


def _most(positive: Tensor) -> int:
    """The largest number of positives that a query has."""
    return int(positive.sum(dim=1).max()) if positive.numel() else 0


def smoothed_entropy(logits: Tensor, labels: Tensor, smoothed: float) -> Tensor:
    """Cross-entropy with smoothed labels (Szegedy et al., 2016): a label counts for ``1 - smoothed``, and all families,
    its own among them, for equal shares of the rest.

    Args:
        logits: (B, F).
        labels: (B,), what each is, from 0 to F - 1.
        smoothed: from 0 to 1; people disagree about families.

    Returns:
        The mean over B.
    """
    return functional.cross_entropy(logits, labels, label_smoothing=smoothed)


Contrast = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]
"""A loss of queries (Q, D), keys (K, D), positives (Q, K) and allowed keys (Q, K)."""


def contrast(name: str, temperature: float, margin: float) -> Contrast:
    """The loss that a recipe names, with its setting."""
    table: dict[str, Contrast] = {
        "infonce": partial(info_nce, temperature=temperature),
        "triplet": partial(full_triplet, margin=margin),
    }
    return table[name]
