"""Which presets sound nearly the same: the clusters that stay on one side of the split, and what made-up presets
must keep away from.

The distance is the mean difference in dB of the reference notes' log-mels where either sounds, as training hears
them (16 kHz, mono). The frozen labels were made by it, so "near" means the same everywhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property

import torch
from torch import Tensor
from torch.nn import functional

from synthmatch.audio import ENCODER_RATE, Clip
from synthmatch.networks.features import sound_print, sounding_distance
from synthmatch.notes import REFERENCE_NOTES
from synthmatch.training.recorded.notebank import LENGTH, REFERENCES, NoteBank
from synthmatch.training.recorded.shards import as_float, as_int16

NEAR_DB = 1.5
"""Log-mel distance, where either sounds, below which two presets count as the same sound."""

_POOL = (4, 10)  # bands and frames averaged for the first, coarse comparison
_HEARD = round(REFERENCE_NOTES[0].seconds * ENCODER_RATE)


def rough_print(shapes: Tensor) -> Tensor:
    """What rules most pairs of sound prints (K, notes, bands, N) out: sums over blocks of cells, and as the last
    column how many cells sound; (K, C), float32."""
    bands, frames = shapes.shape[2:]
    whole = shapes[..., : bands // _POOL[0] * _POOL[0], : frames // _POOL[1] * _POOL[1]].flatten(0, 1)
    sums = functional.avg_pool2d(whole.float(), _POOL).view(len(shapes), -1) * (_POOL[0] * _POOL[1])
    return torch.cat((sums, (shapes > -60).flatten(1).sum(1, keepdim=True).float()), dim=1)


def least_distances(first: Tensor, second: Tensor, cells: int) -> Tensor:
    """What the distances of prints can't be below: averages differ by no more than what they average, and no more
    cells sound in a pair than in both of it together.

    Args:
        first, second: rough prints, (K, C) and (L, C).
        cells: of a whole print.

    Returns:
        (K, L), dB.
    """
    summed = torch.cdist(first[:, :-1], second[:, :-1], p=1)
    return summed / (first[:, None, -1] + second[None, :, -1]).clamp(1, cells)


def near_clusters(ids: Sequence[str], shapes: Tensor, near: float = NEAR_DB) -> dict[str, str]:
    """Clusters of presets that are linked by distances below ``near`` dB.

    Args:
        shapes: (K, notes, bands, N) sound prints.

    Returns:
        For each id the smallest id of its cluster.
    """
    parent = list(range(len(ids)))

    def root(place: int) -> int:
        while parent[place] != place:
            parent[place] = parent[parent[place]]
            place = parent[place]
        return place

    rough = rough_print(shapes)
    for first in range(0, len(ids), 256):
        least = least_distances(rough[first : first + 256], rough[first:], shapes[0].numel())
        for row, column in (least < near).nonzero().tolist():
            one, other = root(first + row), root(first + column)
            pair = shapes[first + row].float(), shapes[first + column].float()
            if one != other and sounding_distance(*pair) < near:
                parent[max(one, other)] = min(one, other)
    members: dict[int, list[int]] = {}
    for place in range(len(ids)):
        members.setdefault(root(place), []).append(place)
    return {ids[place]: min(ids[each] for each in group) for group in members.values() for place in group}


def print_of(clips: Sequence[Clip]) -> Tensor:
    """The sound print of a preset's clips, which begin with the reference notes: (5, bands, N), float16."""
    notes = as_float(as_int16(clips[:REFERENCES], LENGTH)[:, :_HEARD])
    return sound_print(torch.from_numpy(notes)).half()


def recorded_print(bank: NoteBank, key: str) -> Tensor:
    """The same of a recorded preset."""
    return sound_print(torch.from_numpy(bank.references(key))).half()


def distance(first: Tensor, second: Tensor) -> float:
    """How far two prints are apart, in dB."""
    return sounding_distance(first.float(), second.float())


class Neighbourhood:
    """Recorded presets, asked which of them a sound is near to."""

    def __init__(self, bank: NoteBank, ids: Iterable[str], near: float = NEAR_DB) -> None:
        """
        Args:
            bank: holds their reference notes; presets that it lacks are passed over.
            ids: of the presets.
            near: dB within which a sound is near.
        """
        self._bank, self._near = bank, near
        self._ids = [key for key in ids if key in bank]

    def near(self, shape: Tensor) -> str:
        """The id of a preset that a print (5, bands, N) is near to, or ""."""
        if not self._ids:
            return ""
        least = least_distances(rough_print(shape[None]), self._rough, shape.numel())[0]
        places: list[int] = torch.nonzero(least < self._near).flatten().tolist()
        for place in places:
            if distance(recorded_print(self._bank, self._ids[place]), shape) < self._near:
                return self._ids[place]
        return ""

    @cached_property
    def _rough(self) -> Tensor:
        return torch.cat([rough_print(recorded_print(self._bank, key)[None]) for key in self._ids])
