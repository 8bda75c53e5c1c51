"""Waveform -> spectrogram by pitch, and its harmonics one behind the other. Pure functions of tensors."""

from __future__ import annotations

import math
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional

from synthmatch.audio import ENCODER_RATE

LOWEST = 24
"""The MIDI pitch of the first row (C1, 32.7 Hz)."""
PITCHES = 72
"""Rows of pitches: six octaves, up to B6."""
HOP = 480  # samples: 30 ms
FRAMES_A_SECOND = ENCODER_RATE / HOP

WINDOWS = (8192, 2048, 512)
"""Samples that are looked at for a frame: the longest tells basses apart, the shortest when something begins."""
_EVERY = {8192: 2}  # frames between two looks, where it isn't one: through half a second little changes in a frame
HARMONICS = (0.5, 1, 2, 3, 4, 5, 6, 8)
"""What is looked at of each pitch, as multiples of its frequency; the half tells a note from its octave."""
STEPS = 3
"""Rows to a semitone; the middle one is in tune."""
DEPTH = 80.0  # dB below the loudest cell at which everything counts as silent

RISING = WINDOWS[1:]
"""The windows of which is told, too, where it gets louder: a beginning shows there, and long windows blur it."""
_SILENCE = 1e-14  # power
_RISE = 1, 4.0  # frames over which it gets louder, and how much more a rise counts than a level

LAYERS = len(WINDOWS) + len(RISING)
CHANNELS = LAYERS * len(HARMONICS)

_BELOW = round(-12 * STEPS * math.log2(min(HARMONICS)))  # rows that harmonics need below the lowest pitch
_ABOVE = round(12 * STEPS * math.log2(max(HARMONICS)))
ROWS = _BELOW + STEPS * PITCHES + _ABOVE


def row_frequency(row: int) -> float:
    """The frequency in Hz at the middle of a row; row ``_BELOW + 1`` is the lowest pitch, in tune."""
    pitch = LOWEST + (row - _BELOW - 1) / STEPS
    return 440.0 * 2 ** ((pitch - 69) / 12)


@lru_cache(maxsize=8)
def _filters(window: int) -> Tensor:
    """Triangles around each row's frequency, (ROWS, window // 2 + 1), each with a sum of 1, or of 0 above half the
    sample rate. Where rows lie closer together than the transform's bins, they are as wide as a bin."""
    centres = torch.tensor([row_frequency(row) for row in range(ROWS)], dtype=torch.float64)
    bins = torch.linspace(0, ENCODER_RATE / 2, window // 2 + 1, dtype=torch.float64)
    width = (centres * (2 ** (1 / (12 * STEPS)) - 1)).clamp(min=ENCODER_RATE / window)[:, None]
    weights = (1 - (bins[None] - centres[:, None]).abs() / width).clamp(min=0)
    weights[centres > ENCODER_RATE / 2] = 0
    return (weights / weights.sum(1, keepdim=True).clamp(min=1e-9)).float()


def pitchgram(audio: Tensor) -> Tensor:
    """How loud each third of a semitone is, as windows of several lengths see it.

    Args:
        audio: (B, T), 16 kHz, T at least 1.

    Returns:
        (B, LAYERS, ROWS, N) with N = 1 + T // HOP. First each window's levels, from 0 (``DEPTH`` dB below the
        loudest cell of the clip, or more) to 1; then how much those of ``RISING`` have just risen, at least 0.
        Frames are centred, the ends padded with silence. A clip's level doesn't matter.
    """
    powers = torch.stack([_powers(audio, window) for window in WINDOWS], dim=1)
    loudest = powers.amax(dim=(2, 3), keepdim=True)
    decibels = 10 * torch.log10(powers / loudest.clamp(min=_SILENCE) + 10 ** (-DEPTH / 10 - 1))
    levels = (decibels / DEPTH + 1).clamp(0, 1) * (loudest > _SILENCE)
    frames, weight = _RISE
    short = levels[:, -len(RISING) :]
    before = functional.pad(short, (frames, 0))[..., : short.shape[-1]]
    return torch.cat([levels, weight * (short - before).clamp(min=0)], dim=1)


def _powers(audio: Tensor, window: int) -> Tensor:
    shape = torch.hann_window(window, device=audio.device)
    every, frames = _EVERY.get(window, 1), 1 + audio.shape[1] // HOP
    # So long that the last look is there as well, whatever it sees beyond the end.
    beyond = HOP * (-(-(frames - 1) // every) * every) - audio.shape[1]
    padded = functional.pad(audio.float(), (window // 2, window // 2 + max(0, beyond)))
    spectrum = torch.stft(padded, window, every * HOP, window=shape, center=False, return_complex=True)
    power = (spectrum.real**2 + spectrum.imag**2) * (4 / window) ** 2
    seen = _filters(window).to(audio.device) @ power
    return seen.repeat_interleave(every, dim=2)[..., :frames]


def harmonics(spectrum: Tensor, shift: int = 0) -> Tensor:
    """Every pitch's harmonics one behind the other.

    Args:
        spectrum: (B, LAYERS, ROWS, N) from :func:`pitchgram`.
        shift: semitones by which everything is moved up; what comes in at the edges is silence.

    Returns:
        (B, CHANNELS, STEPS * PITCHES, N).
    """
    if shift:
        rows = STEPS * shift
        # A negative pad cuts: what leaves at one edge comes in as silence at the other.
        spectrum = functional.pad(spectrum, (0, 0, rows, -rows))
    layers = []
    for multiple in HARMONICS:
        first = _BELOW + round(12 * STEPS * math.log2(multiple))
        layers.append(spectrum[:, :, first : first + STEPS * PITCHES])
    return torch.cat(layers, dim=1)
