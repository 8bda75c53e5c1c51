"""Makes a stem sound as another preset of its family might: played from another pitch, through a filter of its own.

A transposed recording carries its formants, its attack and its modulation with it, so that it is not what its preset
would play there, but something that a preset like it could.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from synthmatch.audio import ENCODER_RATE
from synthmatch.training.arrays import Floats, Ints
from synthmatch.training.config import Alterations

POINTS = (62.5, 125.0, 250.0, 500.0, 1000.0, 2000.0, 4000.0, 8000.0)
"""Frequencies in Hz at which a curve is given; between them it is a line over octaves, beyond them level."""
ROUGH = 1 / 3  # of the largest tilt: how far each point lies beside it, as a standard deviation


@dataclass(frozen=True, eq=False)
class Alteration:
    """What is done to each of S stems.

    Args:
        shift: (S,), semitones by which the notes that are played are higher than those that were recorded.
        curve: (S, P), dB at ``POINTS``.
    """

    shift: Ints
    curve: npt.NDArray[np.float32]


def draw_alteration(rng: np.random.Generator, kinds: Alterations, count: int) -> Alteration:
    """Decide what happens to each of some stems."""
    moved = rng.random(count) < kinds.share
    shift = np.where(moved, rng.integers(-kinds.semitones, kinds.semitones + 1, count), 0)
    bent = rng.random(count) < kinds.share
    octaves = np.linspace(-1, 1, len(POINTS))
    tilt = rng.uniform(-kinds.bend_db, kinds.bend_db, count)[:, None] * octaves
    curve = tilt + kinds.bend_db * ROUGH * rng.standard_normal((count, len(POINTS)))
    return Alteration(shift.astype(np.int64), np.where(bent[:, None], curve, 0.0).astype(np.float32))


def bend(audio: Tensor, curve: npt.NDArray[np.float32]) -> Tensor:
    """Filter stems (S, T) by their curves (S, P), in place, without moving anything in time."""
    rows = np.nonzero(curve.any(axis=1))[0]
    if not len(rows):
        return audio
    where = torch.from_numpy(rows).to(audio.device)
    samples = audio.shape[1]
    size = smooth_size(samples + ENCODER_RATE // 20)  # what rings on doesn't come back at the beginning
    decibels = torch.from_numpy(curve[rows]).to(audio.device) @ _weights(size // 2 + 1, audio.device)
    gain = (decibels * (math.log(10) / 20)).exp_()
    audio[where] = torch.fft.irfft(torch.fft.rfft(audio[where], size).mul_(gain), size)[:, :samples]
    return audio


@lru_cache(maxsize=4)
def _weights(bins: int, device: torch.device) -> Tensor:
    """(P, bins), how much each point counts at each frequency."""
    octaves = np.log2(np.maximum(np.linspace(0, ENCODER_RATE / 2, bins), 1.0))
    rows = [np.interp(octaves, np.log2(POINTS), row) for row in np.eye(len(POINTS))]
    return torch.from_numpy(np.stack(rows).astype(np.float32)).to(device)


def transpose(sound: Tensor, rate: Floats, length: int) -> Tensor:
    """Play pieces (E, L) faster or slower, (E, length), by interpolating between samples; silence follows their last.

    Args:
        rate: (E,), samples of the recording for each one that is played.
    """
    played = sound.new_zeros(len(sound), length)
    for each in np.unique(rate).tolist():  # few: rates are of whole semitones
        rows = torch.from_numpy(np.nonzero(rate == each)[0]).to(sound.device)
        needed = math.ceil(length * each) + 1
        piece = sound[rows, :needed]
        if each != 1:
            whole = functional.pad(piece, (0, needed - piece.shape[1]))[:, None]
            piece = functional.interpolate(whole, scale_factor=1 / each, mode="linear", recompute_scale_factor=False)
            piece = piece[:, 0]
        played[rows, : piece.shape[1]] = piece[:, :length]
    return played


def smooth_size(least: int) -> int:
    """The next even number without large factors, of which transforms are fast."""
    size = least + least % 2
    while True:
        rest = size
        for factor in (2, 3, 5):
            while rest % factor == 0:
                rest //= factor
        if rest == 1:
            return size
        size += 2
