"""What training minimises: mixtures find the references of their parts, and say which families they hold."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from synthmatch.encoder import Encoder
from synthmatch.training.batches import Batch
from synthmatch.training.config import Recipe
from synthmatch.training.losses import info_nce


@dataclass(frozen=True, eq=False)
class Losses:
    """The parts of the objective, each a scalar tensor."""

    total: Tensor
    mixture: Tensor
    presence: Tensor
    timbre: Tensor


class Memory:
    """Reference vectors of earlier steps, one ring per family: more negatives than a batch holds.

    After Wang et al., "Cross-batch memory for embedding learning" (2020): vectors drift slowly once the
    first steps are over, so old ones still serve as negatives.
    """

    def __init__(self, families: int, size: int, dimension: int, device: torch.device) -> None:
        self.vectors = torch.zeros(families, size, dimension, device=device)
        self.cluster = torch.full((families, size), -1, dtype=torch.long, device=device)
        self.place = torch.zeros(families, dtype=torch.long)

    def keys(self, family: int) -> tuple[Tensor, Tensor]:
        """The vectors of a family, (K, D), and their clusters, (K,)."""
        filled = self.cluster[family] >= 0
        return self.vectors[family][filled], self.cluster[family][filled]

    def add(self, family: int, vectors: Tensor, clusters: Tensor) -> None:
        """Put (K, D) vectors in the place of the oldest."""
        size = self.vectors.shape[1]
        if size == 0:
            return
        vectors, clusters = vectors[-size:], clusters[-size:]
        places = (torch.arange(len(vectors)) + int(self.place[family])) % size
        self.vectors[family, places.to(self.vectors.device)] = vectors.detach().float()
        self.cluster[family, places.to(self.vectors.device)] = clusters
        self.place[family] = (self.place[family] + len(vectors)) % size

    def state(self) -> dict[str, Tensor]:
        """Everything in it, for a checkpoint."""
        return {"memory.vectors": self.vectors, "memory.cluster": self.cluster, "memory.place": self.place}

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Take up where :meth:`state` left off."""
        self.vectors.copy_(tensors["memory.vectors"])
        self.cluster.copy_(tensors["memory.cluster"])
        self.place.copy_(tensors["memory.place"])


def objective(encoder: Encoder, batch: Batch, memory: Memory, recipe: Recipe, use_memory: bool) -> Losses:
    """Losses of a batch; adds its references to the memory.

    Per family: each mixture against the references of that family in the batch and in memory, and each
    reference against the mixtures. Another preset of the same near-duplicate cluster counts neither for nor
    against.
    """
    mixed, presence = encoder.embed(encoder.hear(batch.mixtures))  # (B, F + 1, D), (B, F)
    single, alone = encoder.embed(encoder.hear(batch.references))  # (P, F + 1, D), (P, F)
    terms: list[Tensor] = []
    for family in torch.unique(batch.family).tolist():
        rows = (batch.family == family).nonzero()[:, 0]
        queries, keys = mixed[batch.mixture[rows], family], single[rows, family]
        state, cluster = batch.state[rows], batch.cluster[rows]
        same = state[:, None] == state[None]
        apart = cluster[:, None] != cluster[None]
        terms.append(0.5 * info_nce(keys, queries, same, apart, recipe.temperature))
        old, old_cluster = memory.keys(family)
        if use_memory and len(old):
            same = torch.cat([same, same.new_zeros(len(rows), len(old))], dim=1)
            apart = torch.cat([apart, cluster[:, None] != old_cluster[None]], dim=1)
            terms.append(0.5 * info_nce(queries, torch.cat([keys, old]), same, apart, recipe.temperature))
        else:
            terms.append(0.5 * info_nce(queries, keys, same, apart, recipe.temperature))
        memory.add(family, keys, cluster)
    mixture = torch.stack(terms).sum() / (len(terms) / 2)
    timbre = _timbre(mixed, single, batch, recipe)
    # A reference note is a mixture of one part, too: libraries ask of it which families a preset belongs to.
    own = functional.one_hot(batch.family, presence.shape[1])
    held = 0.5 * functional.binary_cross_entropy_with_logits(presence, batch.presence.float())
    held = held + 0.5 * functional.binary_cross_entropy_with_logits(alone, own.float())
    total = mixture + recipe.presence_weight * held + recipe.timbre_weight * timbre
    return Losses(total, mixture.detach(), held.detach(), timbre.detach())


def _timbre(mixed: Tensor, single: Tensor, batch: Batch, recipe: Recipe) -> Tensor:
    """Mixtures of one part alone against every reference of the batch, in the space without families."""
    alone = (batch.mixture.bincount(minlength=len(mixed))[batch.mixture] == 1).nonzero()[:, 0]
    same = batch.state[alone, None] == batch.state[None]
    apart = batch.cluster[alone, None] != batch.cluster[None]
    return info_nce(mixed[batch.mixture[alone], -1], single[:, -1], same, apart, recipe.temperature)
