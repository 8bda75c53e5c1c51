"""Waveform -> log-mel spectrogram, and the distance between two of them. Pure functions of tensors."""

from __future__ import annotations

import math
from functools import lru_cache

import torch
from torch import Tensor

from synthmatch.audio import ENCODER_RATE

WINDOW = 1024
HOP = 320  # 20 ms
FLOOR_DB = -80.0


@lru_cache(maxsize=8)
def mel_filters(bands: int, low: float = 30.0, high: float = 8000.0, window: int = WINDOW) -> Tensor:
    """Triangular filters on the mel scale (O'Shaughnessy's formula), each with a sum of 1.

    Returns:
        Shape (bands, window // 2 + 1); every band has at least one bin above 0.
    """
    edges_mel = torch.linspace(_mel(low), _mel(high), bands + 2, dtype=torch.float64)
    edges = 700 * (10 ** (edges_mel / 2595) - 1)
    bins = torch.linspace(0, ENCODER_RATE / 2, window // 2 + 1, dtype=torch.float64)
    # Low bands are narrower than a bin of the transform: widen them to one bin on each side.
    width = ENCODER_RATE / window
    rise = torch.clamp(edges[1:-1] - edges[:-2], min=width)[:, None]
    fall = torch.clamp(edges[2:] - edges[1:-1], min=width)[:, None]
    offset = bins[None, :] - edges[1:-1, None]
    weights = torch.clamp(torch.minimum(1 + offset / rise, 1 - offset / fall), min=0)
    return (weights / weights.sum(1, keepdim=True)).float()


@lru_cache(maxsize=32)
def _within(bands: int, window: int, device: torch.device) -> tuple[tuple[int, int, Tensor], ...]:
    """:func:`mel_filters` without most of their zeros: for an eighth of the bands at a time, the bins from which and up
    to which they reach, and their weights there."""
    groups = []
    for filters in mel_filters(bands, window=window).chunk(8):
        heard = filters.any(dim=0).nonzero()
        first, last = int(heard[0]), int(heard[-1]) + 1
        groups.append((first, last, filters[:, first:last].contiguous().to(device)))
    return tuple(groups)


def _mel(hertz: float) -> float:
    return 2595 * math.log10(1 + hertz / 700)


def mel_power(audio: Tensor, bands: int = 64, window: int = WINDOW, hop: int = HOP) -> Tensor:
    """Mel-band power of 16 kHz sound.

    Args:
        audio: (B, T), T at least 1.
        window, hop: samples of a frame, and from one to the next.

    Returns:
        (B, bands, N) with N = 1 + T // hop; frames are centred, the ends padded with silence. A full-scale
        sine gives about 0 dB in its band's bins before they are averaged over the band.
    """
    shape = torch.hann_window(window, device=audio.device) * (2 / (window / 2))
    padded = torch.nn.functional.pad(audio.float(), (window // 2, window // 2))
    reached = _within(bands, window, audio.device)

    def heard(some: Tensor) -> Tensor:
        spectrum = torch.view_as_real(torch.fft.rfft(some.unfold(1, window, hop) * shape)).square()
        power = (spectrum[..., 0] + spectrum[..., 1]).mT
        return torch.cat([weights @ power[:, first:last] for first, last, weights in reached], dim=1)

    # On a CPU clip by clip: the spectra of one stay in its cache, those of many are written out and read again.
    size = 1 if audio.device.type == "cpu" else len(padded)
    return torch.cat([heard(some) for some in torch.split(padded, size)])


def log_mel(audio: Tensor, bands: int = 64, window: int = WINDOW, hop: int = HOP) -> Tensor:
    """Log-mel spectrogram in dB, floored at ``FLOOR_DB``; see :func:`mel_power`.

    Returns:
        (B, bands, N) in dB of full scale.
    """
    return 10 * torch.log10(mel_power(audio, bands, window, hop) + 10 ** (FLOOR_DB / 10))


def relative_mel(audio: Tensor, bands: int = 64, window: int = WINDOW, hop: int = HOP) -> Tensor:
    """What networks hear: a log-mel that doesn't know the level; see :func:`mel_power`.

    Returns:
        (B, bands, N), relative to the clip's loudest band: from 0 (80 dB below it, and less) to 4.
    """
    decibels = log_mel(audio / audio.abs().amax(dim=1, keepdim=True).clamp(min=1e-6), bands, window, hop)
    loudest = decibels.amax(dim=(1, 2), keepdim=True)
    return torch.clamp((decibels - loudest - FLOOR_DB) / 20, min=0)


def sound_print(notes: Tensor, bands: int = 64, depth: float = 60.0) -> Tensor:
    """What two presets are compared by: log-mels of the same notes, without the overall level.

    Args:
        notes: (K, T), one preset's notes at 16 kHz.
        depth: dB below the preset's loudest band at which everything counts as silent.

    Returns:
        (K, bands, N) in dB, between -depth and 0.
    """
    decibels = 10 * torch.log10(mel_power(notes, bands) + 1e-16)
    return torch.clamp(decibels - decibels.max(), min=-depth)


def mel_distance(first: Tensor, second: Tensor) -> float:
    """Mean absolute difference in dB of two sound prints of the same shape."""
    return float((first - second).abs().mean())


def sounding_distance(first: Tensor, second: Tensor, depth: float = 60.0) -> float:
    """Mean absolute difference in dB where at least one of two sound prints sounds.

    Never below :func:`mel_distance`. Two short sounds agree in the silence that follows them, so over all of
    the print they look alike whatever they are.
    """
    sounding = torch.maximum(first, second) > -depth
    return float((first - second).abs().sum() / sounding.sum().clamp(min=1))
