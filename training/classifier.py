"""The encoder's last head: the family of a single preset, from its timbre, learnt from labels of people."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from synthmatch.encoder import Encoder
from synthmatch.training.recording import Corpus

STEPS = 300
DECAY = 1e-5


def fit_families(encoder: Encoder, corpus: Corpus) -> float:
    """Fit :meth:`Encoder.family_of` to the labelled presets of the training side.

    Families count the same, however many presets each has: a logistic regression with class weights.

    Args:
        encoder: trained; its other weights stay as they are.

    Returns:
        The share of labelled presets of the valid side whose most probable family, over their reference
        notes, is the stated one; 0 if there are none.
    """
    features, families = _timbres(encoder, corpus, "train")
    if not len(features):
        return 0.0
    weight, bias = _regression(features, families, len(encoder.config.families))
    encoder.family_weight.copy_(weight)
    encoder.family_bias.copy_(bias)
    features, families = _timbres(encoder, corpus, "valid")
    if not len(features):
        return 0.0
    said = encoder.family_of(features).mean(dim=1).argmax(dim=1)
    return float((said == families).float().mean())


def _timbres(encoder: Encoder, corpus: Corpus, side: str) -> tuple[Tensor, Tensor]:
    """Timbres (K, notes, D) and families (K,) of a side's labelled presets."""
    ids = corpus.ids(side, stated=True)
    heard = []
    with torch.inference_mode():
        for first in range(0, len(ids), 64):
            notes = np.concatenate([corpus.notes.references(key) for key in ids[first : first + 64]])
            heard.append(encoder.encode_timbre(torch.from_numpy(notes)))
    if not heard:
        return torch.zeros(0), torch.zeros(0, dtype=torch.long)
    # A copy, since tensors of inference mode take no part in what is fitted to them.
    timbres = torch.cat(heard).clone().view(len(ids), -1, encoder.config.dimension)
    return timbres, torch.tensor([encoder.config.families.index(corpus.labels[key].family) for key in ids])


def _regression(features: Tensor, families: Tensor, classes: int) -> tuple[Tensor, Tensor]:
    """Weights (F, D) and biases (F,) of a multinomial logistic regression on every note."""
    notes = features.flatten(0, 1)
    known = families.repeat_interleave(features.shape[1])
    counts = torch.bincount(known, minlength=classes).float()
    balance = torch.where(counts > 0, len(known) / (counts.clamp(min=1) * (counts > 0).sum()), 0.0)
    weight = torch.zeros(classes, notes.shape[1], requires_grad=True)
    bias = torch.zeros(classes, requires_grad=True)
    optimizer = torch.optim.Adam([weight, bias], lr=0.1)
    for _ in range(STEPS):
        loss = functional.cross_entropy(notes @ weight.T + bias, known, weight=balance)
        loss = loss + DECAY * (weight**2).sum()
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return weight.detach(), bias.detach()
