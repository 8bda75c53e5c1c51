"""Made-up vectors of as many presets as one likes, with the neighbours of real ones.

Real presets lie on something far thinner than the sphere: along most directions a preset and its neighbours are alike.
So a drawn preset is a real one, chosen at random, moved along the differences to its ``NEIGHBOURS`` nearest real ones,
by normally distributed steps that are the same for all of its notes. One number is fitted, how far: so that as many
drawn presets as there are real ones have the same median distance to their nearest. How the other distances compare is
printed beside the results.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

NEIGHBOURS = 16
ASKED = 300  # presets whose distances are compared
_ORDINAL = {1: "nearest", 3: "third nearest", 10: "tenth nearest"}
RANKS = tuple(_ORDINAL)
QUANTILES = (5, 25, 50, 75, 95)
_AT_A_TIME = 2_000


@dataclass(frozen=True)
class Drawing:
    """Real presets, and how new ones are drawn from them.

    Args:
        real: (n, R, D), of unit length.
        near: (n, NEIGHBOURS), rows of each one's nearest.
        reach: how far, in parts of the differences' length.
    """

    real: Floats
    near: npt.NDArray[np.intp]
    reach: float

    @classmethod
    def fit(cls, real: Floats, seed: int = 0) -> Drawing:
        """Find the reach that gives as many drawn presets the real ones' median distance to the nearest."""
        random = np.random.default_rng(seed)
        flat = real.reshape(len(real), -1) / np.sqrt(real.shape[1])
        near = np.concatenate(
            [
                np.argpartition(-(flat[first : first + _AT_A_TIME] @ flat.T), NEIGHBOURS, axis=1)[:, : NEIGHBOURS + 1]
                for first in range(0, len(flat), _AT_A_TIME)
            ]
        )
        own = near == np.arange(len(real))[:, None]
        own[~own.any(axis=1), -1] = True  # among copies it may be missing itself
        near = near[~own].reshape(len(real), NEIGHBOURS)
        wanted = float(np.median(distances(real, random)[:, 0]))
        low, high = 0.05, 2.0
        for _ in range(7):
            reach = (low + high) / 2
            drawn = cls(real, near, reach).draw(len(real), random)
            short = float(np.median(distances(drawn, random)[:, 0])) < wanted
            low, high = (reach, high) if short else (low, reach)
        return cls(real, near, (low + high) / 2)

    def draw(self, count: int, random: np.random.Generator) -> Floats:
        """(count, R, D), of unit length."""
        made = np.empty((count, *self.real.shape[1:]), np.float32)
        for first in range(0, count, _AT_A_TIME):
            some = made[first : first + _AT_A_TIME]
            row = random.integers(len(self.real), size=len(some))
            steps = random.normal(size=(len(some), NEIGHBOURS)).astype(np.float32) * self.reach / np.sqrt(NEIGHBOURS)
            base = self.real[row]
            some[:] = base
            for place in range(NEIGHBOURS):
                some += steps[:, place, None, None] * (self.real[self.near[row, place]] - base)
            some /= np.linalg.norm(some, axis=-1, keepdims=True)
        return made


def distances(vectors: Floats, random: np.random.Generator) -> Floats:
    """(ASKED, len(RANKS)) angular distances, sqrt(2 - 2 cos), of some presets' first notes to the nearest other
    presets, each measured at its nearest note as in a search."""
    notes, dimension = vectors.shape[1:]
    rows = random.choice(len(vectors), size=min(ASKED, len(vectors)), replace=False)
    cosine = (vectors[rows, 0] @ vectors.reshape(-1, dimension).T).reshape(len(rows), -1, notes).max(axis=2)
    cosine[np.arange(len(rows)), rows] = -2
    best = -np.partition(-cosine, max(RANKS), axis=1)[:, : max(RANKS)]
    best = -np.sort(-best, axis=1)[:, [rank - 1 for rank in RANKS]]
    apart: Floats = np.sqrt(np.maximum(0, 2 - 2 * best))
    return apart


def read_real(library: Path, space: str, notes: int) -> Floats:
    """The vectors of a library in one space, (n, notes, D), of the notes in the middle of the keyboard first."""
    from synthmatch.library.facts import Facts

    facts = Facts.read(library / "library.json")
    vectors = facts.vectors(library).space(space)[:, [2, 1, 3, 4, 0][:notes]].astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def matched(drawing: Drawing, seed: int = 1) -> list[str]:
    """A table of distances, real against drawn."""
    random = np.random.default_rng(seed)
    pair = [distances(drawing.real, random), distances(drawing.draw(len(drawing.real), random), random)]
    lines = [
        "| distance to the | " + " | ".join(f"{each} %" for each in QUANTILES) + " |",
        "| --- |" + " --- |" * len(QUANTILES),
    ]
    for place, rank in enumerate(RANKS):
        for name, each in zip(("real", "drawn"), pair, strict=True):
            values = " | ".join(f"{value:.3f}" for value in np.percentile(each[:, place], QUANTILES))
            lines.append(f"| {_ORDINAL[rank]}, {name} | {values} |")
    return lines
