"""Parts made by rule: what each plays, in phrases that are recorded, in mixtures and in the benchmark.

The rules are those of the mixtures in the paper's published code: a random scale and key, 60 to 140 beats a
minute, note lengths and rests per family, onsets off by up to 2 % of a beat.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from synthmatch.notes import Note, Performance
from synthmatch.presets.families import FAMILIES, Family

SCALES: tuple[tuple[int, ...], ...] = (
    (0, 2, 4, 5, 7, 9, 11),  # major
    (0, 2, 3, 5, 7, 8, 10),  # natural minor
    (0, 2, 3, 5, 7, 9, 10),  # dorian
    (0, 2, 4, 7, 9),  # major pentatonic
    (0, 3, 5, 7, 10),  # minor pentatonic
)
JITTER = 0.02
TEMPO = (60.0, 140.0)


def compose(
    rng: np.random.Generator,
    families: Sequence[str],
    seconds: float = 10.0,
    velocity: int = 100,
    tempo: float | None = None,
) -> dict[str, Performance]:
    """Write one part per family, all in one key and tempo.

    Args:
        rng: where every choice comes from; the same state gives the same parts.
        families: keys of ``FAMILIES``, each once.
        seconds: no note sounds beyond this.
        tempo: beats a minute; drawn from ``TEMPO`` if None.

    Returns:
        For each family at least one note within its typical pitches.
    """
    beat = 60 / (rng.uniform(*TEMPO) if tempo is None else tempo)
    scale = SCALES[rng.integers(len(SCALES))]
    root = int(rng.integers(12))
    return {
        key: _part(rng, FAMILIES[key], _pitches(FAMILIES[key], root, scale), beat, seconds, velocity)
        for key in families
    }


def _pitches(family: Family, root: int, scale: tuple[int, ...]) -> list[int]:
    return [pitch for pitch in range(family.low, family.high + 1) if (pitch - root) % 12 in scale]


def _part(
    rng: np.random.Generator, family: Family, pitches: list[int], beat: float, seconds: float, velocity: int
) -> Performance:
    lengths = np.array([length for length, _ in family.beats])
    chances = np.array([chance for _, chance in family.beats])
    notes: list[Note] = []
    place = int(rng.integers(len(pitches)))
    now = 0.0
    while now < seconds - 0.1:
        length = float(rng.choice(lengths, p=chances)) * beat
        rest = rng.random() < family.rest
        place = int(np.clip(place + rng.integers(-3, 4), 0, len(pitches) - 1))
        onset = now + rng.uniform(0, JITTER) * beat
        last_chance = not notes and now + length >= seconds - 0.1
        if (not rest or last_chance) and onset < seconds - 0.05:
            held = min(length, seconds - onset)
            chord = (0, 2, 4) if family.chords else (0,)
            voices = {pitches[min(place + step, len(pitches) - 1)] for step in chord}
            notes += [Note(onset, pitch, velocity, held) for pitch in sorted(voices)]
        now += length
    return Performance(tuple(notes), tail=0.0)
