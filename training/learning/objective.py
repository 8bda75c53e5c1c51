"""What training minimises: mixtures find the references of their parts, and say which families they hold."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import functional

from synthmatch.networks.encoder import Encoder
from synthmatch.training.config import Recipe
from synthmatch.training.learning.distributed import ALONE, Processes
from synthmatch.training.learning.losses import Contrast, contrast
from synthmatch.training.mixing.batches import Batch


@dataclass(frozen=True, eq=False)
class Losses:
    """The parts of the objective, each a scalar tensor; ``further`` holds those that not every recipe has."""

    total: Tensor
    mixture: Tensor
    presence: Tensor
    timbre: Tensor
    further: dict[str, Tensor] = field(default_factory=dict)

    def numbers(self) -> dict[str, float]:
        """All of them by name, for a log."""
        named = {"total": self.total, "mixture": self.mixture, "presence": self.presence, "timbre": self.timbre}
        return {name: float(value.detach()) for name, value in (named | self.further).items()}


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
        if not self.vectors.shape[1]:  # asking a GPU which are filled would wait for it
            return self.vectors[family], self.cluster[family]
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


@dataclass(frozen=True, eq=False)
class _Heard:
    """Vectors of a whole step, (.., F + 1, D), and presence logits, (.., F), from every process."""

    mixed: Tensor
    presence: Tensor
    single: Tensor
    alone: Tensor
    partners: Tensor
    stems: Tensor


def objective(
    encoder: Encoder, batch: Batch, memory: Memory, recipe: Recipe, use_memory: bool, processes: Processes = ALONE
) -> Losses:
    """Losses of a step; adds its references to the memory.

    Per family: each mixture against the references of that family in the batch and in memory, and each
    reference against the mixtures. Another preset of the same near-duplicate cluster counts neither for nor
    against. With a shared head all families are compared at once.

    With several processes each hears its share; the losses are those of the whole step in all of them.
    """
    heard = _hear(encoder, batch, recipe, processes)
    compare = contrast(recipe.loss, recipe.temperature, recipe.margin)
    main = _shared if encoder.config.shared else _by_family
    mixture = main(heard, batch, memory, compare, use_memory)
    timbre = _timbre(heard, batch, compare) if recipe.timbre_weight else mixture.new_zeros(())
    # A reference note is a mixture of one part, too: libraries ask of it which families a preset belongs to.
    own = functional.one_hot(batch.family, heard.presence.shape[1])
    held = 0.5 * functional.binary_cross_entropy_with_logits(heard.presence, batch.presence.float())
    held = held + 0.5 * functional.binary_cross_entropy_with_logits(heard.alone, own.float())
    weights = {name: getattr(recipe, f"{name}_weight") for name in _FURTHER}
    further = {name: _FURTHER[name](heard, batch, compare) for name, weight in weights.items() if weight}
    total = mixture + recipe.presence_weight * held + recipe.timbre_weight * timbre
    for name, loss in further.items():
        total = total + weights[name] * loss
    return Losses(
        total,
        mixture.detach(),
        held.detach(),
        timbre.detach(),
        {name: loss.detach() for name, loss in further.items()},
    )


def _hear(encoder: Encoder, batch: Batch, recipe: Recipe, processes: Processes) -> _Heard:
    """Embed this process's share, and gather everybody's."""
    long = torch.cat([batch.mixtures, batch.stems]) if len(batch.stems) else batch.mixtures
    short = torch.cat([batch.references, batch.partners]) if len(batch.partners) else batch.references
    (mixed, presence), (single, alone) = (encoder.embed(each) for each in (long, short))
    mixtures, parts = len(batch.mixtures), len(batch.references)
    whole = processes.gather
    return _Heard(
        whole(mixed[:mixtures], batch.mixtures_of),
        whole(presence[:mixtures], batch.mixtures_of),
        whole(single[:parts], batch.parts_of),
        whole(alone[:parts], batch.parts_of),
        whole(single[parts:], batch.parts_of) if recipe.note_note_weight else single[parts:],
        whole(mixed[mixtures:], batch.stems_of) if any(batch.stems_of) else mixed[mixtures:],
    )


def _by_family(heard: _Heard, batch: Batch, memory: Memory, compare: Contrast, use_memory: bool) -> Tensor:
    """Mixtures and references of each family, in the family's space, both ways; the mean over families."""
    terms: list[Tensor] = []
    for family, rows in batch.columns:
        queries, keys = heard.mixed[batch.mixture[rows], family], heard.single[rows, family]
        same, apart = _pairs(batch, rows, rows)
        cluster = batch.cluster[rows]
        terms.append(0.5 * compare(keys, queries, same, apart))
        old, old_cluster = memory.keys(family)
        if use_memory and len(old):
            same = torch.cat([same, same.new_zeros(len(rows), len(old))], dim=1)
            apart = torch.cat([apart, cluster[:, None] != old_cluster[None]], dim=1)
            terms.append(0.5 * compare(queries, torch.cat([keys, old]), same, apart))
        else:
            terms.append(0.5 * compare(queries, keys, same, apart))
        memory.add(family, keys, cluster)
    return torch.stack(terms).sum() / (len(terms) / 2)


def _shared(heard: _Heard, batch: Batch, memory: Memory, compare: Contrast, use_memory: bool) -> Tensor:  # noqa: ARG001
    """One vector a mixture: near to all of its parts' references, far from all others, and the other way round."""
    own = batch.mixture[None] == torch.arange(len(heard.mixed), device=batch.mixture.device)[:, None]  # (B, P)
    # A reference that is a near-duplicate of any part counts neither for nor against.
    near = (own.float() @ (batch.cluster[:, None] == batch.cluster[None]).float()) > 0
    mixed, single = heard.mixed[:, -1], heard.single[:, -1]
    return 0.5 * compare(mixed, single, own, ~near) + 0.5 * compare(single, mixed, own.T, ~near.T)


def _timbre(heard: _Heard, batch: Batch, compare: Contrast) -> Tensor:
    """Mixtures of one part alone against every reference of the batch, in the space without families."""
    same, apart = _pairs(batch, batch.alone, None)
    return compare(heard.mixed[batch.mixture[batch.alone], -1], heard.single[:, -1], same, apart)


def _mixture_stem(heard: _Heard, batch: Batch, compare: Contrast) -> Tensor:
    """Mixtures against the stems that they hold, both ways, in the family of each."""

    def both(family: int, rows: Tensor, places: Tensor) -> Tensor:
        mixed, stems = heard.mixed[batch.mixture[rows], family], heard.stems[places, family]
        same, apart = _pairs(batch, rows, rows)
        return 0.5 * (compare(mixed, stems, same, apart) + compare(stems, mixed, same, apart))

    return _over_stems(batch, heard, both)


def _stem_note(heard: _Heard, batch: Batch, compare: Contrast) -> Tensor:
    """Stems against the references of their family, in its space."""

    def one(family: int, rows: Tensor, places: Tensor) -> Tensor:
        keys = (batch.family == family).nonzero()[:, 0]
        same, apart = _pairs(batch, rows, keys)
        return compare(heard.stems[places, family], heard.single[keys, family], same, apart)

    return _over_stems(batch, heard, one)


def _over_stems(batch: Batch, heard: _Heard, loss: Callable[[int, Tensor, Tensor], Tensor]) -> Tensor:
    """The mean over families of a loss of (family, parts whose stems are heard, places of those stems)."""
    terms = []
    for family, _ in batch.columns:
        places = (batch.family[batch.heard] == family).nonzero()[:, 0]
        if len(places):
            terms.append(loss(family, batch.heard[places], places))
    return torch.stack(terms).mean() if terms else heard.mixed.sum() * 0.0


def _note_note(heard: _Heard, batch: Batch, compare: Contrast) -> Tensor:
    """Two notes of a preset, in the space of its family; the mean over families."""
    terms = []
    for family, rows in batch.columns:
        same, apart = _pairs(batch, rows, rows)
        terms.append(compare(heard.partners[rows, family], heard.single[rows, family], same, apart))
    return torch.stack(terms).mean()


def _pairs(batch: Batch, rows: Tensor, columns: Tensor | None) -> tuple[Tensor, Tensor]:
    """Which parts are of one preset, and which of different clusters; all parts as columns if None."""
    state, cluster = (each if columns is None else each[columns] for each in (batch.state, batch.cluster))
    return batch.state[rows, None] == state[None], batch.cluster[rows, None] != cluster[None]


_FURTHER: Mapping[str, Callable[[_Heard, Batch, Contrast], Tensor]] = {
    "mixture_stem": _mixture_stem,
    "stem_note": _stem_note,
    "note_note": _note_note,
}
