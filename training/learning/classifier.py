"""The encoder's last head: the family of a single preset, from how it sounds, learnt from labels of people."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from synthmatch.networks.encoder import Encoder, summary
from synthmatch.training.learning.heads import Head
from synthmatch.training.learning.losses import smoothed_entropy
from synthmatch.training.recorded.corpus import Corpus

STEPS = 3000
TOGETHER = 256  # notes a step
RATE, DECAY = 1e-3, 0.1  # AdamW's
DROPPED = (0.3, 0.5)  # of the summary, and of the hidden features
SMOOTHED = 0.1  # of a label's weight, spread over all families: people disagree
_HEARD = 16  # presets heard at a time


def fit_families(encoder: Encoder, corpus: Corpus) -> float:
    """Fit the family head of :meth:`Encoder.encode_preset` to the presets of the training side whose family a person
    stated, and to their variants.

    Args:
        encoder: trained; its other weights stay as they are.

    Returns:
        The share of labelled presets of the valid side whose most probable family, over their reference
        notes, is the stated one; 0 if there are none.
    """
    families = encoder.config.families
    known = [(key, place) for place, family in enumerate(families) for key in corpus.players(family)]
    if not known:
        return 0.0
    ids, labels = zip(*known, strict=True)
    _teach(encoder, _summaries(encoder, corpus, ids), torch.tensor(labels))
    asked = [key for family in families for key in corpus.ids("valid", family, stated=True)]
    if not asked:
        return 0.0
    with torch.inference_mode():
        said = torch.stack([encoder.encode_preset(_notes(corpus, [key]))[1].mean(dim=0) for key in asked])
    stated = [families.index(corpus.labels[key].family) for key in asked]
    return float((said.argmax(dim=1) == torch.tensor(stated)).float().mean())


def _teach(encoder: Encoder, heard: Tensor, labels: Tensor) -> None:
    """Learn families (K,) of summaries (K, notes, S), and give the head to the encoder."""
    rng = torch.Generator().manual_seed(0)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        centre, spread = heard.mean(dim=(0, 1)), heard.std(dim=(0, 1), correction=0) + 1e-3
        head = Head(encoder.config.summary, encoder.config.family, len(encoder.config.families))
        optimizer = torch.optim.AdamW(head.parameters(), lr=RATE, weight_decay=DECAY)
        for step in range(STEPS):
            for group in optimizer.param_groups:
                group["lr"] = RATE * 0.5 * (1 + math.cos(math.pi * step / STEPS))
            presets = torch.randint(len(heard), (TOGETHER,), generator=rng)
            notes = torch.randint(heard.shape[1], (TOGETHER,), generator=rng)
            said = head((heard[presets, notes] - centre) / spread, DROPPED)
            loss = smoothed_entropy(said, labels[presets], SMOOTHED)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
    weight, bias = head.folded(centre, spread)
    encoder.family_hidden_weight.copy_(weight)
    encoder.family_hidden_bias.copy_(bias)
    encoder.family_weight.copy_(head.out.weight.detach())
    encoder.family_bias.copy_(head.out.bias.detach())


def _summaries(encoder: Encoder, corpus: Corpus, ids: Sequence[str]) -> Tensor:
    """(K, notes, S) of the reference notes of some presets."""
    heard = []
    with torch.inference_mode():
        for first in range(0, len(ids), _HEARD):
            some = ids[first : first + _HEARD]
            features = encoder.features(encoder.hear(_notes(corpus, some)))
            heard.append(summary(features, encoder.attend(features)).view(len(some), -1, encoder.config.summary))
    # A copy, since tensors of inference mode take no part in what is fitted to them.
    return torch.cat(heard).clone()


def _notes(corpus: Corpus, ids: Sequence[str]) -> Tensor:
    """The reference notes of some presets, one after the other: (K * notes, T)."""
    return torch.from_numpy(np.concatenate([corpus.notes.references(key) for key in ids]))
