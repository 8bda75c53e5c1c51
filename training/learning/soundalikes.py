"""Soundalikes: presets that the encoder hardly tells apart yet, mixed in the same steps.

A contrastive loss learns most from negatives that are nearly taken for the positive. They are looked for by the encoder
itself, anew at each restart of the learning rate (after Xiong et al., "Approximate nearest neighbor negative
contrastive learning for dense text retrieval", 2021).
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from synthmatch.networks.encoder import Encoder
from synthmatch.training.arrays import Ints
from synthmatch.training.learning.distributed import ALONE, Processes
from synthmatch.training.mixing.batches import Mixer
from synthmatch.training.mixing.casting import NEAREST

_NOTES = (1, 2)  # the reference notes by which presets are compared: a low and a middle one
_AT_ONCE = 64  # presets


def find_soundalikes(encoder: Encoder, mixer: Mixer, processes: Processes = ALONE) -> dict[str, Ints]:
    """Look for the soundalikes of every preset that is mixed.

    Args:
        encoder: where the mixer plays.
        processes: those that share the work; all of them find the same.

    Returns:
        By family, (N, NEAREST): for each of its presets the places, in the planner's pool, of those that the encoder
        puts nearest to it, near-duplicates last; for families that needn't hear a preset twice in a step.
    """
    out: dict[str, Ints] = {}
    with torch.inference_mode():
        for family, pool in mixer.planner.casting.pools.items():
            if len(pool) < mixer.recipe.mixtures:
                continue
            shares = np.array_split(pool, processes.world)
            own = _heard(encoder, mixer, shares[processes.rank])[:, :, encoder.config.families.index(family)]
            vectors = processes.gather(own, [len(share) for share in shares])
            out[family] = _nearest(vectors, torch.from_numpy(mixer.planner.cluster[pool]).to(vectors.device))
    return out


def _heard(encoder: Encoder, mixer: Mixer, presets: Ints) -> Tensor:
    """The vectors of presets, (N, notes, F, D)."""
    groups = [presets[first : first + _AT_ONCE] for first in range(0, len(presets), _AT_ONCE)]
    heard = [[encoder.encode_reference(mixer.reference(group, note)) for note in _NOTES] for group in groups]
    return torch.cat([torch.stack(notes, dim=1) for notes in heard])


def _nearest(vectors: Tensor, cluster: Tensor) -> Ints:
    """The places of the nearest presets, by the sum of the notes' cosines: (N, notes, D) and (N,) -> (N, NEAREST), or
    fewer columns where there are fewer others."""
    flat = vectors.flatten(1)
    most = min(NEAREST, len(flat) - 1)
    found = []
    for first in range(0, len(flat), 512):
        scores = flat[first : first + 512] @ flat.T
        near = cluster[first : first + 512, None] == cluster[None]
        scores = scores.masked_fill(near, -1.0 - vectors.shape[1])  # below what cosines can add up to
        scores.diagonal(first).fill_(-torch.inf)
        found.append(scores.topk(most).indices)
    nearest: Ints = torch.cat(found).cpu().numpy()
    return nearest
