"""Batches for contrastive training: mixtures of recorded notes, and one reference note per part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from synthmatch.audio import Samples
from synthmatch.errors import TrainingError
from synthmatch.training.config import Recipe
from synthmatch.training.mixtures import compose, mix_stems, stem
from synthmatch.training.notebank import REFERENCES, NoteBank


@dataclass(frozen=True, eq=False)
class Batch:
    """Mixtures and the references of their parts (P parts in all, in any number a mixture).

    Args:
        mixtures: (B, T), 16 kHz.
        references: (P, T'), one reference note of each part's preset.
        mixture: (P,), which mixture holds the part.
        family: (P,), index of the part's family.
        state: (P,), number of the part's preset.
        cluster: (P,), number of its near-duplicates' cluster.
        presence: (B, F), True where a mixture holds a part of the family.
    """

    mixtures: Tensor
    references: Tensor
    mixture: Tensor
    family: Tensor
    state: Tensor
    cluster: Tensor
    presence: Tensor

    def to(self, device: torch.device) -> Batch:
        """The same batch on another device."""
        return Batch(**{name: value.to(device) for name, value in vars(self).items()})


class Mixer:
    """Composes the batch of any step, by (seed, step) alone."""

    def __init__(
        self,
        bank: NoteBank,
        presets: Mapping[str, Sequence[str]],
        clusters: Mapping[str, str],
        recipe: Recipe,
    ) -> None:
        """
        Args:
            bank: holds the notes of every preset.
            presets: state ids by family; families without presets are never mixed.
            clusters: the near-duplicates' cluster of a state; its own id where it isn't named.
            recipe: see :class:`Recipe`.

        Raises:
            TrainingError: a core family has fewer presets than a step has mixtures.
        """
        self.bank = bank
        self.recipe = recipe
        # Negatives are other presets of the batch: a family must fill a column of it without repeats.
        self.presets = {key: list(ids) for key, ids in presets.items() if len(ids) >= recipe.mixtures}
        for family in recipe.core:
            if family not in self.presets:
                raise TrainingError(
                    f"Only {len(presets.get(family, ()))} presets of the family {family} can be trained on; "
                    f"at least {recipe.mixtures} (a recipe's mixtures) are needed: add banks or lower it."
                )
        states = sorted({each for ids in self.presets.values() for each in ids})
        self._state = {key: number for number, key in enumerate(states)}
        names = sorted({clusters.get(key, key) for key in states})
        order = {name: number for number, name in enumerate(names)}
        self._cluster = {key: order[clusters.get(key, key)] for key in states}

    def batch(self, step: int) -> Batch:
        """The batch of a step: always the same for the same recipe and bank."""
        recipe = self.recipe
        rng = np.random.default_rng((recipe.seed, step))
        families = self._families(rng)
        columns = {
            key: rng.choice(len(self.presets[key]), recipe.mixtures, replace=False) for key in families
        }
        mixtures: list[Samples] = []
        references: list[Samples] = []
        parts: list[tuple[int, int, int, int]] = []
        presence = torch.zeros(recipe.mixtures, len(recipe.encoder.families), dtype=torch.bool)
        for row in range(recipe.mixtures):
            chosen = {key: self.presets[key][columns[key][row]] for key in self._kept(rng, families, step)}
            mixtures.append(self.mixture(rng, chosen))
            for family, state in chosen.items():
                number = recipe.encoder.families.index(family)
                presence[row, number] = True
                parts.append((row, number, self._state[state], self._cluster[state]))
                references.append(self.bank.references(state)[rng.integers(REFERENCES)])
        mixture, family_of, state_of, cluster = torch.tensor(parts).unbind(dim=1)
        return Batch(
            torch.from_numpy(np.stack(mixtures)),
            torch.from_numpy(np.stack(references)),
            mixture,
            family_of,
            state_of,
            cluster,
            presence,
        )

    def mixture(self, rng: np.random.Generator, chosen: Mapping[str, str]) -> Samples:
        """One mixture of a preset per family, shape (n,)."""
        recipe = self.recipe
        parts = compose(rng, list(chosen), recipe.seconds)
        stems = {
            family: stem(part, partial(self.bank.nearest, chosen[family]), recipe.seconds)
            for family, part in parts.items()
        }
        gains = {key: 10 ** (rng.uniform(-recipe.gain_db, recipe.gain_db) / 20) for key in chosen}
        return mix_stems(stems, gains)

    def _families(self, rng: np.random.Generator) -> list[str]:
        if rng.random() < self.recipe.core_share:
            return list(self.recipe.core)
        names = list(self.presets)
        picked = rng.choice(len(names), min(len(self.recipe.core), len(names)), replace=False)
        return [names[place] for place in picked]

    def _kept(self, rng: np.random.Generator, families: Sequence[str], step: int) -> list[str]:
        if rng.random() < solo_share(self.recipe, step):
            return [families[int(rng.integers(len(families)))]]
        kept: npt.NDArray[np.bool_] = rng.random(len(families)) >= self.recipe.drop
        kept[rng.integers(len(families))] = True
        return [family for family, keep in zip(families, kept, strict=True) if keep]


def solo_share(recipe: Recipe, step: int) -> float:
    """The share of mixtures of one part alone at a step."""
    left = max(0.0, 1 - step / max(1, recipe.solo_until))
    return recipe.solo + (recipe.solo_start - recipe.solo) * left
