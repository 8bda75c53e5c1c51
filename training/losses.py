"""Contrastive losses over unit vectors."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def info_nce(queries: Tensor, keys: Tensor, positive: Tensor, allowed: Tensor, temperature: float) -> Tensor:
    """Masked InfoNCE with any number of positives a query (van den Oord et al., 2018; the mean over
    positives stands outside the logarithm, as in Khosla et al., 2020, equation 2).

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
    mean = (each.masked_fill(~positive, 0.0).sum(dim=1) / counts.clamp(min=1))[counts > 0]
    return mean.mean() if len(mean) else scores.sum() * 0.0
