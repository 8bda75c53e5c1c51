"""Mixtures made by rule: what each part plays, and how parts become one sound.

The rules are those of the mixtures in the paper's published code: a random scale and key, 60 to 140 beats a
minute, note lengths and rests per family, onsets off by up to 2 % of a beat, a 10 ms fade where a note is
cut, each stem normalised to its peak, percussion four times louder than the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from synthmatch.audio import ENCODER_RATE, Samples
from synthmatch.notes import Note, Performance
from synthmatch.presets.families import FAMILIES, Family

SCALES: tuple[tuple[int, ...], ...] = (
    (0, 2, 4, 5, 7, 9, 11),  # major
    (0, 2, 3, 5, 7, 8, 10),  # natural minor
    (0, 2, 3, 5, 7, 9, 10),  # dorian
    (0, 2, 4, 7, 9),  # major pentatonic
    (0, 3, 5, 7, 10),  # minor pentatonic
)
LEVELS: Mapping[str, float] = {"percussion": 4.0}
"""How much louder than the others a family's stem is, by peak; 1 where none is named."""

FADE = 0.010
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


def stem(
    performance: Performance,
    recording: Callable[[Note], Samples],
    seconds: float,
    sample_rate: int = ENCODER_RATE,
) -> Samples:
    """Play a part from recorded notes instead of a synth.

    Args:
        recording: gives the sound of a note, shape (n,), from its onset on.
        seconds: length of the stem.

    Returns:
        Shape (round(seconds * sample_rate),), unscaled; each note is cut at its end with a fade.
    """
    out = np.zeros(round(seconds * sample_rate), dtype=np.float32)
    for note in performance.notes:
        first = round(note.start * sample_rate)
        sound = recording(note)[: min(round(note.duration * sample_rate), len(out) - first)]
        out[first : first + len(sound)] += _faded(sound, round(FADE * sample_rate))
    return out


def _faded(sound: Samples, length: int) -> Samples:
    length = min(length, len(sound))
    if length == 0:
        return sound
    sound = sound.copy()
    sound[-length:] *= np.linspace(1, 0, length, dtype=np.float32)
    return sound


def mix_stems(stems: Mapping[str, Samples], gains: Mapping[str, float] | None = None) -> Samples:
    """Add up stems: each at its own peak times its family's level, the sum normalised to a peak of 1.

    Args:
        stems: by family, all of one length (n,).
        gains: further factors by family; 1 where none is named.

    Returns:
        Shape (n,); silence if every stem is silent.
    """
    total: Samples = np.zeros_like(next(iter(stems.values())))
    for family, samples in stems.items():
        peak = float(np.abs(samples).max(initial=0.0))
        if peak > 0:
            total += samples * np.float32(LEVELS.get(family, 1.0) * (gains or {}).get(family, 1.0) / peak)
    peak = float(np.abs(total).max(initial=0.0))
    return total / np.float32(peak) if peak > 0 else total
