"""Songs made by rule, for presence: one to six parts of any families, and sounds that belong to none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import numpy as np

from synthmatch.audio import Samples
from synthmatch.presets.families import FAMILY_KEYS
from synthmatch.training.benchmark.queries import SECONDS, SEED, Asked, Queries, pools
from synthmatch.training.mixing.distractors import DISTRACTORS, distractor
from synthmatch.training.mixing.mixtures import mix_stems, stem
from synthmatch.training.parts import TEMPO, compose
from synthmatch.training.recorded.corpus import Corpus
from synthmatch.training.recorded.drums import Kit, beat

_Thing = TypeVar("_Thing")

PARTS = (1, 6)
GAIN_DB = 3.0
DRUMS_DB = 6.0
"""How much higher than a part's the peak of the drums is."""

DISTRACTOR_DB = -12.0
"""The same for what sounds all the time, whose loudness is much nearer to its peak than a part's."""


@dataclass(frozen=True)
class Song:
    """What a song is made of.

    Args:
        parts: preset by family; families that aren't here are absent.
        drums: whether a drum kit plays.
        distractor: one of ``DISTRACTORS``, or "".
    """

    parts: dict[str, str]
    drums: bool
    distractor: str


def plan_song(there: Mapping[str, Sequence[str]], number: int, seed: int = SEED) -> Song:
    """What the song of a number is made of: of any four in a row, two have drums, two a distractor, one both.

    Args:
        there: the presets that may play, by family.
    """
    rng = np.random.default_rng((seed, number, 2))
    families = list(there)
    count = int(rng.integers(PARTS[0], min(PARTS[1], len(families)) + 1))
    chosen = sorted(rng.choice(len(families), count, replace=False).tolist())
    parts = {families[place]: _drawn(rng, there[families[place]]) for place in chosen}
    return Song(parts, bool(number % 2), _drawn(rng, DISTRACTORS) if number // 2 % 2 else "")


def song_queries(
    corpus: Corpus, count: int, kits: Sequence[Kit], families: Sequence[str] = FAMILY_KEYS, seed: int = SEED
) -> Queries:
    """Songs of test presets; each part that is there is asked for.

    Args:
        kits: the drum kits, one of which is drawn for each song with drums; none for songs without drums.
        families: those that may play.

    Raises:
        TrainingError: a family has no test preset.
    """
    there = pools(corpus, families)

    def sound(number: int) -> Samples:
        return mix_stems(*song_stems(corpus, plan_song(there, number, seed), number, kits, seed))

    asked = (Asked(number, *part) for number in range(count) for part in plan_song(there, number, seed).parts.items())
    return Queries(count, tuple(asked), sound)


def song_stems(
    corpus: Corpus, song: Song, number: int, kits: Sequence[Kit], seed: int = SEED
) -> tuple[dict[str, Samples], dict[str, float]]:
    """What sounds in the song of a number: by family, "drums" or "distractor", each with the gain of its peak."""
    rng = np.random.default_rng((seed, number, 3))
    tempo = float(rng.uniform(*TEMPO))
    parts = compose(rng, list(song.parts), SECONDS, tempo=tempo)
    stems = {key: stem(part, partial(corpus.scales.nearest, song.parts[key]), SECONDS) for key, part in parts.items()}
    levels = dict.fromkeys(stems, 0.0)
    if song.drums and kits:
        stems["drums"], levels["drums"] = beat(rng, _drawn(rng, kits), tempo, SECONDS), DRUMS_DB
    if song.distractor:
        stems["distractor"] = distractor(rng, song.distractor, SECONDS)
        levels["distractor"] = DISTRACTOR_DB
    return stems, {key: 10 ** ((level + rng.uniform(-GAIN_DB, GAIN_DB)) / 20) for key, level in levels.items()}


def _drawn(rng: np.random.Generator, things: Sequence[_Thing]) -> _Thing:
    return things[int(rng.integers(len(things)))]
