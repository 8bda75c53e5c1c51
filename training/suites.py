"""The benchmark's queries and candidates: fixed seeds, presets by their frozen labels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor

from synthmatch.audio import Samples
from synthmatch.errors import TrainingError
from synthmatch.notes import REFERENCE_NOTES
from synthmatch.training.hearing import ANY, Hearing, Vectors
from synthmatch.training.metrics import Bools, Ints, ranks
from synthmatch.training.mixtures import compose, mix_stems, stem
from synthmatch.training.recording import Corpus

CORE = ("percussion", "bass", "lead")
CANDIDATES = {"percussion": 368, "bass": 615, "lead": 480}
"""How many candidates a family has in the paper's experiment."""

SECONDS = 10.0
REFERENCE_PITCHES = frozenset(performance.notes[0].pitch for performance in REFERENCE_NOTES)


@dataclass(frozen=True, eq=False)
class Found:
    """The ranks of one suite: of each query's preset, strictly and with credit for near-duplicates.

    Args:
        strict, lenient: (Q,), from 1.
        asked: (Q,), number of the preset asked for.
        strata: (Q,), number of its family.
        candidates: how many each family had, by family (``ANY`` for all presets).
    """

    strict: Ints
    lenient: Ints
    asked: Ints
    strata: Ints
    candidates: dict[str, int]


def mixture_queries(corpus: Corpus, count: int, seed: int = 2025) -> tuple[Tensor, dict[str, list[str]]]:
    """Three-part mixtures of test presets.

    Returns:
        Sound (count, 160,000) at 16 kHz, and for each family the id of each mixture's preset.

    Raises:
        TrainingError: a family has no test preset.
    """
    pools = {
        family: [key for key in corpus.ids("test", family, stated=True) if key in corpus.scales] for family in CORE
    }
    for family, pool in pools.items():
        if not pool:
            raise TrainingError(f"No test preset of the family {family} is there; install the Debian synths' banks.")
    sounds: list[Samples] = []
    asked: dict[str, list[str]] = {family: [] for family in CORE}
    for number in range(count):
        rng = np.random.default_rng((seed, number))
        chosen = {family: pools[family][rng.integers(len(pools[family]))] for family in CORE}
        parts = compose(rng, CORE, SECONDS)
        stems = {
            family: stem(part, partial(corpus.scales.nearest, chosen[family]), SECONDS)
            for family, part in parts.items()
        }
        sounds.append(mix_stems(stems))
        for family, key in chosen.items():
            asked[family].append(key)
    return torch.from_numpy(np.stack(sounds)), asked


def single_queries(corpus: Corpus, notes: int = 3, seed: int = 2025) -> tuple[Tensor, list[str]]:
    """Single notes of test presets, at pitches that no reference note has.

    Args:
        notes: how many of each preset.

    Returns:
        Sound (Q, T) at 16 kHz, and the preset of each.
    """
    sounds: list[Samples] = []
    asked: list[str] = []
    rng = np.random.default_rng(seed)
    for key in corpus.ids("test", stated=True):
        if key not in corpus.scales:
            continue
        pitches = corpus.scales.recorded[key].pitches
        free = [row for row in range(len(REFERENCE_NOTES), len(pitches)) if pitches[row] not in REFERENCE_PITCHES]
        for row in rng.choice(free, min(notes, len(free)), replace=False):
            sounds.append(corpus.scales.notes(key)[row].astype(np.float32) / 32767)
            asked.append(key)
    return torch.from_numpy(np.stack(sounds)), asked


def candidates(corpus: Corpus, family: str, size: int | None, seed: int = 2025) -> list[str]:
    """The presets that are searched for a family.

    Args:
        family: one of ``CORE``, or ``ANY`` for every preset.
        size: how many; None for all that are there.

    Returns:
        First every test preset that a person labelled, then the rest of the family, then presets whose
        family nobody knows, each in an order drawn with a fixed seed; at most ``size``.
    """
    if family == ANY:
        return corpus.ids()
    rng = np.random.default_rng((seed, CORE.index(family)))
    asked = corpus.ids("test", family, stated=True)
    others = [key for key in corpus.ids(family=family) if key not in set(asked)]
    unknown = corpus.ids(family="")
    drawn = [group[place] for group in (others, unknown) for place in rng.permutation(len(group))]
    return (asked + drawn)[:size]


class Listener:
    """A hearing that has heard every candidate, and each set of queries, once."""

    def __init__(self, corpus: Corpus, hearing: Hearing) -> None:
        self.corpus = corpus
        self.hearing = hearing
        self._rows = {key: row for row, key in enumerate(corpus.labels)}
        self._references = _references(corpus, hearing)

    def rank(self, queries: Vectors, asked: Sequence[str], family: str, size: int | None) -> Ranked:
        """Rank each query's preset among the candidates.

        Args:
            queries: (Q, S, D), as ``hearing.hear`` gives them.
            asked: Q ids.
            family: that of the queries, or ``ANY``.
            size: how many candidates; None for all.
        """
        ids = candidates(self.corpus, family, size)
        space = self.hearing.space(family)
        rows = [self._rows[key] for key in ids]
        scores = self.hearing.scores(queries[:, space], self._references[rows][:, :, space])
        strict, lenient = rights(ids, asked, lambda key: self.corpus.labels[key].cluster)
        return Ranked(ranks(scores, strict), ranks(scores, lenient), tuple(asked), len(ids))


@dataclass(frozen=True, eq=False)
class Ranked:
    """Ranks (Q,) of the presets asked for, among so many candidates."""

    strict: Ints
    lenient: Ints
    asked: tuple[str, ...]
    candidates: int


def _references(corpus: Corpus, hearing: Hearing) -> Vectors:
    """Vectors of every preset's reference notes, (K, 5, S, D)."""
    ids = list(corpus.labels)
    heard = []
    for first in range(0, len(ids), 256):
        block = np.concatenate([corpus.notes.references(key) for key in ids[first : first + 256]])
        heard.append(hearing.hear(torch.from_numpy(block)))
    flat = np.concatenate(heard)
    return flat.reshape(len(ids), -1, *flat.shape[1:])


def run_mixture(listener: Listener, queries: Vectors, asked: dict[str, list[str]], full: bool) -> Found:
    """Rank the preset of each part of each mixture among the candidates of its family, which is given."""
    return _joined(
        {
            family: listener.rank(queries, ids, family, None if full else CANDIDATES[family])
            for family, ids in asked.items()
        }
    )


def run_single(listener: Listener, queries: Vectors, asked: list[str]) -> Found:
    """Rank the preset of each note among all presets, the family not given."""
    return _joined({ANY: listener.rank(queries, asked, ANY, None)})


def rights(ids: Sequence[str], asked: Sequence[str], cluster: Callable[[str], str]) -> tuple[Bools, Bools]:
    """Which candidates (Q, K) count as found: the preset itself; any of its near-duplicates as well."""
    names, clusters = np.array(ids), np.array([cluster(key) for key in ids])
    wanted, near = np.array(asked), np.array([cluster(key) for key in asked])
    return names[None] == wanted[:, None], clusters[None] == near[:, None]


def _joined(groups: dict[str, Ranked]) -> Found:
    asked = [key for group in groups.values() for key in group.asked]
    _, numbers = np.unique(asked, return_inverse=True)
    return Found(
        np.concatenate([group.strict for group in groups.values()]),
        np.concatenate([group.lenient for group in groups.values()]),
        numbers,
        np.concatenate([np.full(len(group.asked), place) for place, group in enumerate(groups.values())]),
        {family: group.candidates for family, group in groups.items()},
    )
