"""Sounds that last and are no part: bands of noise, and drones.

The benchmark's songs hold them, and so do those that teach presence: another distractor is another benchmark, and
other training data.
"""

from __future__ import annotations

import math

import numpy as np

from synthmatch.audio import ENCODER_RATE, Samples
from synthmatch.training.arrays import Floats

DISTRACTORS = ("noise", "drone")


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
