"""Songs made by rule, for presence: one to six parts of any families, and sounds that belong to none."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import numpy as np

from synthmatch.audio import ENCODER_RATE, Samples
from synthmatch.presets.families import FAMILY_KEYS
from synthmatch.training.arrays import Floats
from synthmatch.training.benchmark.drums import Kit, beat
from synthmatch.training.benchmark.queries import SECONDS, SEED, Asked, Queries, pools
from synthmatch.training.mixing.mixtures import TEMPO, compose, mix_stems, stem
from synthmatch.training.recorded.corpus import Corpus

_Thing = TypeVar("_Thing")

PARTS = (1, 6)
GAIN_DB = 3.0
DRUMS_DB = 6.0
"""How much higher than a part's the peak of the drums is."""

DISTRACTOR_DB = -12.0
"""The same for what sounds all the time, whose loudness is much nearer to its peak than a part's."""

DISTRACTORS = ("noise", "drone")


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


def distractor(rng: np.random.Generator, kind: str, seconds: float) -> Samples:
    """A sound that lasts and is no part: a band of noise an octave or two wide, or a drone of a fundamental and
    its fifth with their harmonics; either rises and falls slowly.

    Args:
        kind: one of ``DISTRACTORS``.

    Returns:
        Shape (round(seconds * 16,000),), with a peak of 1.
    """
    time = np.arange(round(seconds * ENCODER_RATE)) / ENCODER_RATE
    steady = _SOUNDS[kind](rng, time)
    swell = 1 + 0.5 * np.sin(2 * math.pi * (rng.uniform(0.1, 0.5) * time + rng.random()))
    sound = steady * swell
    out: Samples = (sound / np.abs(sound).max()).astype(np.float32)
    return out


def _drawn(rng: np.random.Generator, things: Sequence[_Thing]) -> _Thing:
    return things[int(rng.integers(len(things)))]


def _noise(rng: np.random.Generator, time: Floats) -> Floats:
    centre, width = math.exp(rng.uniform(math.log(150), math.log(4000))), rng.uniform(0.5, 1.0)
    hertz = np.fft.rfftfreq(len(time), 1 / ENCODER_RATE)
    octaves = np.log2(np.maximum(hertz, 1.0) / centre)
    band = np.exp(-0.5 * (octaves / width) ** 2)
    return np.fft.irfft(np.fft.rfft(rng.standard_normal(len(time))) * band, len(time))


def _drone(rng: np.random.Generator, time: Floats) -> Floats:
    root = 440 * 2 ** ((int(rng.integers(33, 57)) - 69) / 12)
    brightness = rng.uniform(0.8, 2.0)
    out = np.zeros_like(time)
    for ratio in (1.0, 1.5):
        for harmonic in range(1, 17):
            hertz = root * ratio * harmonic * (1 + rng.uniform(-0.001, 0.001))
            out += np.sin(2 * math.pi * (hertz * time + rng.random())) / harmonic**brightness
    return out


_SOUNDS = {"noise": _noise, "drone": _drone}
