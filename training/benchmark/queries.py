"""What the benchmark asks: sounds made of test presets, each the same whenever it is made.

A sound is made when somebody wants to hear it, so thousands of them need no memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from torch import Tensor

from synthmatch.audio import Samples
from synthmatch.errors import TrainingError
from synthmatch.notes import REFERENCE_NOTES, Performance
from synthmatch.training.benchmark.degradations import DEGRADATIONS
from synthmatch.training.mixing.mixtures import mix_stems, stem
from synthmatch.training.parts import compose
from synthmatch.training.recorded.corpus import Corpus
from synthmatch.training.recorded.notebank import as_float

CORE = ("percussion", "bass", "lead")
ANY = ""
"""The family of a query that names none."""

SECONDS = 10.0
SEED = 2025
REFERENCE_PITCHES = frozenset(performance.notes[0].pitch for performance in REFERENCE_NOTES)


@dataclass(frozen=True, slots=True)
class Asked:
    """A question: which preset plays the part of a family in a sound.

    Args:
        query: number of the sound, from 0.
        family: of the part, or ``ANY`` where nobody tells.
        preset: the id of the right answer.
    """

    query: int
    family: str
    preset: str


@dataclass(frozen=True, eq=False)
class Queries:
    """Sounds, and what is asked about each.

    Args:
        count: how many sounds.
        asked: the questions, in the order of the sounds.
        sound: makes the sound of a number, shape (n,), 16 kHz; one n for all. The same number gives the same.
        played: what each family plays in the sound of a number; nothing where that isn't told.
    """

    count: int
    asked: tuple[Asked, ...]
    sound: Callable[[int], Samples]
    played: Callable[[int], Mapping[str, Performance]] = lambda _: {}

    def batches(self, size: int) -> Iterator[Tensor]:
        """All sounds in order, (up to ``size``, n) at a time."""
        for first in range(0, self.count, size):
            numbers = range(first, min(first + size, self.count))
            yield torch.from_numpy(np.stack([self.sound(number) for number in numbers]))

    def first(self, count: int) -> Queries:
        """The first sounds alone."""
        asked = tuple(each for each in self.asked if each.query < count)
        return replace(self, count=min(count, self.count), asked=asked)


def pools(corpus: Corpus, families: Sequence[str], synth: str | None = None) -> dict[str, list[str]]:
    """The presets that may be asked for: those of the test side that a person labelled, recorded on every pitch.

    Args:
        synth: of this synth alone; of all if None.

    Raises:
        TrainingError: a family has none.
    """
    found = {
        family: [
            key
            for key in corpus.ids("test", family, stated=True)
            if key in corpus.scales and synth in (None, corpus.labels[key].synth)
        ]
        for family in families
    }
    for family, pool in found.items():
        if not pool:
            raise TrainingError(
                f"No test preset of the family {family} is there{f' for {synth}' if synth else ''}; "
                "install the Debian synths' banks."
            )
    return found


def mixture_queries(corpus: Corpus, count: int, seed: int = SEED, synth: str | None = None) -> Queries:
    """Three-part mixtures of test presets.

    Args:
        synth: made of this synth's presets alone.

    Raises:
        TrainingError: a family has no test preset.
    """
    there = pools(corpus, CORE, synth)

    def draw(number: int) -> tuple[np.random.Generator, dict[str, str]]:
        rng = np.random.default_rng((seed, number))
        return rng, {family: pool[rng.integers(len(pool))] for family, pool in there.items()}

    def played(number: int) -> dict[str, Performance]:
        return compose(draw(number)[0], CORE, SECONDS)

    def sound(number: int) -> Samples:
        chosen = draw(number)[1]
        parts = played(number)
        return mix_stems(
            {key: stem(part, partial(corpus.scales.nearest, chosen[key]), SECONDS) for key, part in parts.items()}
        )

    asked = (Asked(number, *part) for number in range(count) for part in draw(number)[1].items())
    return Queries(count, tuple(asked), sound, played)


def single_queries(corpus: Corpus, notes: int = 3, seed: int = SEED) -> Queries:
    """Single notes of test presets, at pitches that no reference note has.

    Args:
        notes: how many of each preset.
    """
    rng = np.random.default_rng(seed)
    rows: list[tuple[str, int]] = []
    for key in corpus.ids("test", stated=True):
        if key not in corpus.scales:
            continue
        pitches = corpus.scales.recorded[key].pitches
        free = [row for row in range(len(REFERENCE_NOTES), len(pitches)) if pitches[row] not in REFERENCE_PITCHES]
        rows += [(key, int(row)) for row in rng.choice(free, min(notes, len(free)), replace=False)]

    def sound(number: int) -> Samples:
        key, row = rows[number]
        return as_float(corpus.scales.notes(key)[row])

    return Queries(len(rows), tuple(Asked(number, ANY, key) for number, (key, _) in enumerate(rows)), sound)


def degraded_queries(clean: Queries, seed: int = SEED) -> Queries:
    """The same mixtures after MP3, a limiter, a reverb and an equaliser, in turn."""

    def sound(number: int) -> Samples:
        degrade = DEGRADATIONS[degradation(number)]
        return degrade(clean.sound(number), np.random.default_rng((seed, number, 1)))

    return Queries(clean.count, clean.asked, sound)


def degradation(number: int) -> str:
    """What has been done to a mixture of the suite ``degraded``: a key of ``DEGRADATIONS``."""
    return list(DEGRADATIONS)[number % len(DEGRADATIONS)]
