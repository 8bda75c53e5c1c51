"""Which candidate explains the song: sounds on the song's own notes are compared with what is heard of the mixture.

A part is never heard alone, so no sound is compared with the song by itself: of each family one candidate at a time is
added to those of the other families that explain the song best so far, each at the level at which all of them
together come nearest to it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from synthmatch.audio import Clip, Samples
from synthmatch.matching.results import FamilyMatches, MatchResult

WEIGHT = 0.05
"""Cosine that one dB of distance is worth."""

FRAMES = 2
"""Frames of 20 ms that are averaged: estimated notes begin a little off."""

_DEPTH = 45.0  # dB below the mixture's loudest cell from which on cells count
_FLOOR = 60.0  # dB below it: what is always there, so that silence explains silence
_FAR = 20.0  # dB that a cell is off at most: another part's note, or one that was missed
_ROUNDS = 2  # how often each family's candidates are compared
_FITS = 12  # steps of a fit of levels

Cells = npt.NDArray[np.float64]
Distances = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Heard:
    """A candidate on its part's notes.

    Args:
        cosine: the encoder's score.
        cells: (C,), the power of its sound as :func:`cells_of` gives it; None if it has none.
    """

    cosine: float
    cells: Cells | None


def cells_of(samples: Samples, length: int | None = None) -> Cells:
    """The power of a sound in mel bands and short stretches of time, (C,).

    Args:
        samples: (n,), 16 kHz.
        length: to which it is cut or filled up with silence; as it is if None.
    """
    import torch

    from synthmatch.networks.features import mel_power

    if length is not None:
        samples = np.pad(samples[:length], (0, max(0, length - len(samples))))
    with torch.inference_mode():
        power = mel_power(torch.from_numpy(np.ascontiguousarray(samples, np.float32))[None])[0].double().numpy()
    power = np.pad(power, ((0, 0), (0, -power.shape[1] % FRAMES)))
    cells: Cells = power.reshape(len(power), -1, FRAMES).mean(axis=2).ravel()
    return cells


def distances(mixture: Cells, candidates: Mapping[str, Sequence[Heard]]) -> dict[str, Distances]:
    """How far each candidate leaves the mixture unexplained, in dB.

    Args:
        mixture: (C,), as :func:`cells_of` gives it.
        candidates: of each family, the encoder's first choice first.

    Returns:
        Of each family one distance per candidate: the mean over the cells that sound, of what lies between the
        mixture and the sum of all families' best candidates with this one in its family's place. A candidate without
        sound has its family's mean; where none has any, all have 0.
    """
    loudest = float(mixture.max())
    if loudest <= 0:
        return {family: np.zeros(len(group)) for family, group in candidates.items()}
    floor = loudest * 10 ** (-_FLOOR / 10)
    sounding = {family: [each.cells for each in group] for family, group in candidates.items()}
    best = {family: next((each for each in group if each is not None), None) for family, group in sounding.items()}
    out = {family: np.zeros(len(group)) for family, group in candidates.items()}
    for _ in range(_ROUNDS):
        for family, group in sounding.items():
            others = [each for key, each in best.items() if key != family and each is not None]
            found = [np.nan if each is None else _distance(mixture, [*others, each], floor) for each in group]
            if np.isnan(found).all():
                continue
            out[family] = np.where(np.isnan(found), np.nanmean(found), found)
            scores = [_score(each, far) for each, far in zip(candidates[family], found, strict=True)]
            best[family] = group[int(np.nanargmax(scores))]
    return out


def order(candidates: Sequence[Heard], far: Distances) -> list[int]:
    """The candidates' places, best first, by cosine and distance together."""
    middle = float(np.mean(far)) if len(far) else 0.0
    scores = [_score(each, distance - middle) for each, distance in zip(candidates, far, strict=True)]
    return sorted(range(len(candidates)), key=lambda place: (-scores[place], place))


def rerank(
    result: MatchResult, passage: Clip, sounds: Mapping[tuple[str, str], Clip | None], first: int
) -> MatchResult:
    """Put the first matches of each family in a better order.

    Args:
        passage: what was listened to, or as much of it as the sounds have.
        sounds: by the family's key and the preset's id, on the song's notes, from the passage's beginning on.
        first: how many matches of each family are compared; those after them stay where they are.

    Returns:
        The same matches with new ranks; scores are the encoder's still.
    """
    heard = passage.heard()
    cells = cells_of(heard)
    groups = {
        found.family: [
            Heard(match.score, _cells(sounds.get((found.family, match.preset.id)), len(heard)))
            for match in found.matches[:first]
        ]
        for found in result
    }
    far = distances(cells, groups)
    families = tuple(_ordered(found, order(groups[found.family], far[found.family])) for found in result)
    return replace(result, families=families)


def _ordered(found: FamilyMatches, places: Sequence[int]) -> FamilyMatches:
    chosen = [*(found.matches[place] for place in places), *found.matches[len(places) :]]
    return replace(found, matches=tuple(replace(match, rank=rank) for rank, match in enumerate(chosen, 1)))


def _cells(clip: Clip | None, length: int) -> Cells | None:
    return None if clip is None or clip.peak == 0 else cells_of(clip.heard(), length)


def _score(candidate: Heard, distance: float) -> float:
    return candidate.cosine - WEIGHT * distance


def _distance(mixture: Cells, sounds: Sequence[Cells], floor: float) -> float:
    """The mean distance in dB of a mixture from the best sum of sounds, over the cells where either is loud."""
    parts = np.stack(sounds)
    model = _levels(mixture, parts, floor) @ parts + floor
    least = float(mixture.max()) * 10 ** (-_DEPTH / 10)
    loud = np.maximum(mixture, model) > least
    off = 10 * np.abs(np.log10(np.maximum(mixture[loud], floor) / model[loud]))
    return float(np.minimum(off, _FAR).mean())


def _levels(mixture: Cells, parts: npt.NDArray[np.float64], floor: float) -> npt.NDArray[np.float64]:
    """The levels (K,) at which sounds (K, C) together come nearest to a mixture.

    Nearest by the divergence of Itakura and Saito, which sees ratios as an ear does; by the multiplicative steps of
    Févotte, Bertin and Durrieu (2009), with the exponent under which no step leads away.
    """
    power = parts.sum(axis=1)
    levels: npt.NDArray[np.float64] = mixture.sum() / np.maximum(power, 1e-30) / len(parts)
    wanted = mixture + floor
    for _ in range(_FITS):
        model = levels @ parts + floor
        levels = levels * np.sqrt((parts @ (wanted / model**2)) / np.maximum(parts @ (1 / model), 1e-30))
    return levels
