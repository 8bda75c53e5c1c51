"""Which presets play in the mixtures of a step: one of each family in each mixture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from synthmatch.errors import TrainingError
from synthmatch.training.arrays import Ints
from synthmatch.training.config import Recipe

NEAREST = 24  # soundalikes that are known of a preset
GROUP = 8  # presets of a step that are one of them and its soundalikes
NOBODY = ""
"""The family of presets that may be heard in mixtures, but are nobody's part."""
STRANGERS = "strangers"
"""That of sounds which were never presets, and are heard as they are."""
_GROUPED = 8  # beside seed and step, of which random numbers soundalikes are drawn by


class Casting:
    """Draws the presets of any step, by (seed, step) alone."""

    def __init__(self, pools: Mapping[str, Ints], recipe: Recipe) -> None:
        """
        Args:
            pools: by family, the numbers of its presets.
        """
        self.pools, self.recipe = pools, recipe
        self.soundalikes: dict[str, Ints] = {}
        """By family, (N, NEAREST): for each of its presets the places in the pool of those that sound most like it."""

    def columns(self, rng: np.random.Generator, families: Sequence[str], step: int) -> Ints:
        """One preset of each family for each mixture, (B, K), no one twice before all have had their turn.

        With soundalikes, some columns are groups of them (the recipe's ``soundalikes``).
        """
        count = self.recipe.mixtures
        # Random numbers of their own, so that a recipe without soundalikes draws what it always did.
        own = np.random.default_rng((self.recipe.seed, step, _GROUPED))
        columns = []
        for family in families:
            column = _any(rng, self.pools[family], count)
            if family in self.soundalikes and own.random() < self.recipe.soundalikes:
                column = self.pools[family][_grouped(own, self.soundalikes[family], count)]
            columns.append(column)
        return np.stack(columns, axis=1)


def _any(rng: np.random.Generator, pool: Ints, count: int) -> Ints:
    turns = [rng.permutation(pool) for _ in range(-(-count // len(pool)))]
    column: Ints = np.concatenate(turns)[:count]
    return column


def _grouped(rng: np.random.Generator, nearest: Ints, count: int) -> Ints:
    """So many places, none of them twice, in groups: one that is drawn, and some of those nearest to it.

    Args:
        nearest: (N, NEAREST), places; N is at least ``count``.
    """
    taken = np.zeros(len(nearest), np.bool_)
    places: list[int] = []
    for first in rng.permutation(len(nearest)).tolist():
        if len(places) >= count:
            break
        if not taken[first]:
            taken[first] = True
            free = nearest[first][~taken[nearest[first]]]
            chosen = rng.permutation(free)[: GROUP - 1]
            taken[chosen] = True
            places += [first, *chosen.tolist()]
    # In any order: groups of different families mustn't meet in the same mixtures.
    return rng.permutation(np.array(places[:count], np.int64))


def mixable(presets: Mapping[str, Sequence[str]], recipe: Recipe) -> dict[str, list[str]]:
    """The families that can be mixed, and their presets.

    Raises:
        TrainingError: a core family has too few presets to fill a step's mixtures.
    """
    needed = -(-recipe.mixtures // recipe.repeats)
    kept = {key: list(ids) for key, ids in presets.items() if key not in (NOBODY, STRANGERS) and len(ids) >= needed}
    for family in recipe.core:
        if family not in kept:
            raise TrainingError(
                f"Only {len(presets.get(family, ()))} presets of the family {family} can be trained on; "
                f"at least {needed} (a recipe's mixtures / repeats) are needed: add banks, or change these."
            )
    return kept
