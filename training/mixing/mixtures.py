"""Mixtures made by rule: how parts become one sound.

The rules are those of the mixtures in the paper's published code: a 10 ms fade where a note is cut, each stem
normalised to its peak, percussion four times louder than the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from synthmatch.audio import ENCODER_RATE, Samples
from synthmatch.notes import Note, Performance

LEVELS: Mapping[str, float] = {"percussion": 4.0}
"""How much louder than the others a family's stem is, by peak; 1 where none is named."""

FADE = 0.010


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
