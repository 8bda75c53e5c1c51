"""How many presets of a library are found in mixtures of notes that weren't taught."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from synthmatch.audio import Samples
from synthmatch.networks.encoder import Encoder
from synthmatch.training.finetuning.lessons import FineTuning, Lessons
from synthmatch.training.finetuning.material import Material
from synthmatch.training.recorded.notebank import REFERENCES
from synthmatch.training.scoring.ranks import ranks

_AT_ONCE = 64
"""Sounds that are heard together, so that memory stays bounded."""

_PRESETS = _AT_ONCE // REFERENCES


@dataclass(frozen=True)
class Found:
    """How often the preset asked for came first, and among the first five, in per cent; ``near`` counts one of
    its near-duplicates as found.

    Args:
        mixtures: how many were asked.
        candidates: how many presets were searched, over all families.
        taught: whether the notes in them were taught, since the presets' synths aren't here to record others.
    """

    top1: float
    top5: float
    near1: float
    near5: float
    mixtures: int
    candidates: int
    taught: bool

    def __str__(self) -> str:
        return f"{self.top1:.1f} / {self.top5:.1f} % (near-duplicates counted, {self.near1:.1f} / {self.near5:.1f} %)"


def examine(encoder: Encoder, material: Material, settings: FineTuning) -> Found:
    """Ask for presets of one's own, each in a mixture with two others at most, among all presets of its family.

    The mixtures are the same for every encoder.
    """
    lessons = Lessons(material, encoder.config.families, settings)
    rng = np.random.default_rng((settings.seed, 2**32))
    examined = [each for each in material.own if each.examined]
    pool = examined or list(material.own)
    asked = [pool[place] for place in rng.integers(len(pool), size=settings.examined)]
    casts = [lessons.cast(rng, each) for each in asked]
    sounds = np.stack([lessons.mixture(rng, cast, held_out=True) for cast in casts])
    queries = _hear(encoder, sounds)  # (Q, F, D)
    presets = (*material.own, *material.known)
    heard = [  # a few presets' notes at a time: those of thousands take gigabytes
        _hear(encoder, np.concatenate([each.references for each in presets[first : first + _PRESETS]]))
        for first in range(0, len(presets), _PRESETS)
    ]
    references = np.concatenate(heard).reshape(len(presets), REFERENCES, *queries.shape[1:])
    strict, near = np.zeros(len(asked), np.int64), np.zeros(len(asked), np.int64)
    for row, (preset, cast) in enumerate(zip(asked, casts, strict=True)):
        family = next(key for key, each in cast.items() if each is preset)
        places = [place for place, each in enumerate(presets) if family in each.families]
        space = encoder.config.families.index(family)
        scores = (references[places][:, :, space] @ queries[row, space]).max(axis=1)[None]
        candidates = [presets[place] for place in places]
        strict[row] = ranks(scores, np.array([[each is preset for each in candidates]]))[0]
        near[row] = ranks(scores, np.array([[each.cluster == preset.cluster for each in candidates]]))[0]
    (top1, top5), (near1, near5) = ([100 * float((found <= k).mean()) for k in (1, 5)] for found in (strict, near))
    return Found(top1, top5, near1, near5, len(asked), len(presets), taught=not examined)


def _hear(encoder: Encoder, sounds: Samples) -> npt.NDArray[np.float32]:
    """Mixtures or notes (B, T) as vectors (B, F, D)."""
    with torch.inference_mode():
        parts = [encoder.encode_reference(each) for each in torch.split(torch.from_numpy(sounds), _AT_ONCE)]
    return torch.cat(parts).numpy()
