"""What a step of fine-tuning minimises: presets of one's own are found, and the rest stays where its teacher has it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from synthmatch.networks.encoder import Encoder
from synthmatch.training.finetuning.lessons import FineTuning, Lesson
from synthmatch.training.learning.losses import info_nce


@dataclass(frozen=True, eq=False)
class Losses:
    """What a step minimises, each a scalar tensor: the sum, the parts in mixtures, single sounds, and how far
    vectors (1 - cosine) and presence (nats) are from the teacher's."""

    total: Tensor
    own: Tensor
    timbre: Tensor
    drift: Tensor
    presence: Tensor


def objective(encoder: Encoder, teacher: Encoder, lesson: Lesson, settings: FineTuning) -> Losses:
    """The losses of a lesson, on the device where all of it is.

    Args:
        encoder: which learns.
        teacher: which it was before.
    """
    sounds = lesson.mixtures, lesson.references
    with torch.no_grad():
        taught = [_embed(teacher, each) for each in sounds]
    learnt = [_embed(encoder, each) for each in sounds]
    mixed, single = (vectors for vectors, _ in learnt)
    own = _parts(mixed, single, lesson, settings.temperature)
    timbre = _timbre(mixed, single, lesson, settings.temperature)
    kept = kept_vectors(lesson, mixed.shape[1])
    both = list(zip(learnt, taught, strict=True))
    moved = [_drift(mine, theirs, same) for ((mine, _), (theirs, _)), same in zip(both, kept, strict=True)]
    apart = [_divergence(mine, theirs) for (_, mine), (_, theirs) in both if mine is not None and theirs is not None]
    drift = torch.stack(moved).mean()
    presence = torch.stack(apart).mean() if apart else torch.zeros_like(drift)
    total = own + settings.timbre_weight * timbre + settings.drift_weight * (drift + presence)
    return Losses(total, own.detach(), timbre.detach(), drift.detach(), presence.detach())


def kept_vectors(lesson: Lesson, slots: int) -> tuple[Tensor, Tensor]:
    """Which vectors are to stay where the teacher's are: all of them but those by which presets of one's own are found.

    Args:
        slots: F + 1, one space per family and one of timbre.

    Returns:
        (B, F + 1) of the mixtures and (K, F + 1) of the references, True where they stay.
    """
    own = lesson.preset < lesson.own
    mixed = torch.ones(len(lesson.mixtures), slots, dtype=torch.bool, device=lesson.taught.device)
    mixed[lesson.mixture[own], lesson.family[own]] = False
    mixed[_alone(lesson, own), -1] = False
    single = torch.ones(len(lesson.references), slots, dtype=torch.bool, device=lesson.taught.device)
    learnt = (lesson.taught < lesson.own)[:, None]
    single[: len(lesson.taught), :-1] = ~(lesson.found & learnt)
    single[: len(lesson.taught), -1:] = ~learnt
    return mixed, single


def _alone(lesson: Lesson, own: Tensor) -> Tensor:
    """The mixtures in which a preset of one's own plays alone."""
    counts = lesson.mixture.bincount(minlength=lesson.lessons)
    return lesson.mixture[own & (counts[lesson.mixture] == 1)]


def _parts(mixed: Tensor, single: Tensor, lesson: Lesson, temperature: float) -> Tensor:
    """Each part that is one's own against every reference of the lesson that is found under the part's family, and
    its reference against the mixtures in which one's own play in the family."""
    terms: list[Tensor] = []
    keys = single[: len(lesson.taught)]
    own = lesson.preset < lesson.own
    for family in torch.unique(lesson.family[own]).tolist():
        rows = (own & (lesson.family == family)).nonzero()[:, 0]
        found = lesson.found[:, family].nonzero()[:, 0]
        queries, references = mixed[lesson.mixture[rows], family], keys[found, family]
        same = lesson.preset[rows, None] == lesson.taught[None, found]
        apart = lesson.cluster[lesson.preset[rows], None] != lesson.cluster[lesson.taught[None, found]]
        terms.append(0.5 * len(rows) * info_nce(queries, references, same, apart, temperature))
        parts = keys[lesson.place[rows], family]
        same, apart = (each[:, torch.searchsorted(found, lesson.place[rows])] for each in (same, apart))
        terms.append(0.5 * len(rows) * info_nce(parts, queries, same.T, apart.T, temperature))
    return torch.stack(terms).sum() / own.sum()


def _timbre(mixed: Tensor, single: Tensor, lesson: Lesson, temperature: float) -> Tensor:
    """Presets of one's own that play alone against every reference of the lesson, in the space without families."""
    own = lesson.preset < lesson.own
    rows = (own & (lesson.mixture.bincount(minlength=lesson.lessons)[lesson.mixture] == 1)).nonzero()[:, 0]
    same = lesson.preset[rows, None] == lesson.taught[None]
    apart = lesson.cluster[lesson.preset[rows], None] != lesson.cluster[lesson.taught[None]]
    queries, keys = mixed[lesson.mixture[rows], -1], single[: len(lesson.taught), -1]
    return info_nce(queries, keys, same, apart, temperature)


def _drift(mine: Tensor, theirs: Tensor, kept: Tensor) -> Tensor:
    """How far vectors (B, F + 1, D) are from the teacher's: the mean of 1 - cosine over those that are to stay (as Li
    and Hoiem, "Learning without forgetting", 2016, do with classes).

    Args:
        kept: (B, F + 1), True where one is.
    """
    return (1 - (mine * theirs).sum(-1))[kept].mean()


def _embed(encoder: Encoder, audio: Tensor) -> tuple[Tensor, Tensor | None]:
    """Vectors, and presence where what is learnt could change it."""
    return encoder.embed(audio) if encoder.listener is None else (encoder.vectors(audio), None)


def _divergence(mine: Tensor, theirs: Tensor) -> Tensor:
    """How far presence logits (B, F) are from the teacher's: the mean of the Kullback-Leibler divergences, in nats, of
    whether each family plays (Hinton et al., "Distilling the knowledge in a neural network", 2015). 0 where they are
    the same."""
    chance = theirs.sigmoid()
    crossed = functional.binary_cross_entropy_with_logits(mine, chance)
    return crossed - functional.binary_cross_entropy_with_logits(theirs, chance)
