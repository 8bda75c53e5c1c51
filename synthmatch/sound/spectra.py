"""How differently two sounds are made up from moment to moment: spectra at several resolutions, compared in dB.

Short windows tell when something happens, long ones which partials sound. The bins of each are gathered into bands
that are equally wide on the mel scale, so that neither noise nor the treble outweighs what is heard. numpy alone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from synthmatch.audio import Clip
from synthmatch.sound.stft import hann

RATE = 22_050
"""Samples a second at which sounds are compared."""
DEPTH_DB = 60.0
"""Below the loudest cell, by this much, everything counts as silent."""
FOREGROUND_DB = 30.0
"""Below its own loudest cell, by this much, a part must show inside a mixture."""

_RESOLUTIONS = ((256, 24), (1024, 64), (4096, 128))  # samples of a window, bands at most
_LOW, _HIGH = 30.0, 10_000.0  # Hz
_FAINT_DB = 40.0  # below the whole, by this much, a region is hardly heard
_SILENCE = 1e-14  # power, some 140 dB below a full-scale sine's

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Spectra:
    """A sound's power at each resolution.

    Args:
        levels: per resolution (frames, bands), in dB of full scale; windows overlap by half.
        loudness: dB of the whole power.
    """

    levels: tuple[Floats, ...]
    loudness: float

    @classmethod
    def of(cls, clip: Clip) -> Spectra:
        """Analyse a clip of any rate and length; its channels are mixed."""
        mono = Clip(clip.mono()[None], clip.sample_rate).resampled(RATE).samples[0]
        powers = [_band_power(mono, window, bands) for window, bands in _RESOLUTIONS]
        total = float(powers[1].sum(dtype=np.float64))
        return cls(tuple(10 * np.log10(power + np.float32(_SILENCE)) for power in powers), _decibels(total))

    @property
    def loudest(self) -> float:
        """The level of the loudest cell, in dB."""
        return max(float(level.max()) for level in self.levels)


def spectral_distance(part: Spectra, other: Spectra) -> float:
    """Mean difference in dB where either sounds, over all resolutions, after both are brought to one loudness.

    Args:
        part: its loudest cell decides what counts as silent.
        other: of the same length.
    """
    floor = part.loudest - DEPTH_DB
    gain = part.loudness - other.loudness
    return _mean([_heard_apart(one, two + np.float32(gain), floor) for one, two in _pairs(part, other)])


def hidden_distance(mixture: Spectra, part: Spectra) -> float:
    """Mean difference in dB where a part would stand out of a mixture, over all resolutions.

    What the mixture holds besides doesn't count: only the part's own loud cells are compared, at the level at which
    half of them lie above the mixture's.

    Args:
        mixture, part: of the same length.
    """
    loud = [two > part.loudest - FOREGROUND_DB for _, two in _pairs(mixture, part)]
    apart = [(one - two)[mask] for (one, two), mask in zip(_pairs(mixture, part), loud, strict=True)]
    gain = float(np.median(np.concatenate(apart)))
    return _mean([float(np.abs(each - gain).mean()) if each.size else 0.0 for each in apart])


REGIONS: tuple[tuple[str, float, float], ...] = (
    ("below 250 Hz", 0.0, 250.0),
    ("from 250 Hz to 2 kHz", 250.0, 2_000.0),
    ("above 2 kHz", 2_000.0, _HIGH),
)
"""The regions in which a remaining difference is told: in words, and in Hz."""


def regional_differences(part: Spectra, other: Spectra) -> tuple[float, ...]:
    """By region, how much more power the other sound has, in dB, both at one loudness; 0 where both are faint.

    Args:
        part, other: as for :func:`spectral_distance`.
    """
    centres = _centres(*_RESOLUTIONS[1])
    gain = part.loudness - other.loudness
    floor = 10 ** ((part.loudness - _FAINT_DB) / 10)
    found = []
    for _, low, high in REGIONS:
        inside = (centres >= low) & (centres < high)
        one, two = (10 ** (each.levels[1][:, inside].astype(np.float64) / 10) for each in (part, other))
        found.append(_decibels(max(two.sum() * 10 ** (gain / 10), floor)) - _decibels(max(one.sum(), floor)))
    return tuple(found)


def _pairs(first: Spectra, second: Spectra) -> list[tuple[Floats, Floats]]:
    """The levels of both at each resolution, over the frames that both have."""
    pairs = zip(first.levels, second.levels, strict=True)
    return [(one[: len(two)], two[: len(one)]) for one, two in pairs]


def _heard_apart(one: Floats, two: Floats, floor: float) -> float:
    one, two = np.maximum(one, floor), np.maximum(two, floor)
    heard = int(np.count_nonzero(np.maximum(one, two) > floor))
    return float(np.abs(one - two).sum(dtype=np.float64)) / max(1, heard)


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


def _decibels(power: float) -> float:
    return 10 * math.log10(max(power, _SILENCE))


def _band_power(mono: Floats, window: int, bands: int) -> Floats:
    """(frames, bands): the mean power of the bins of each band."""
    hop = window // 2
    frames = max(1, math.ceil((len(mono) - hop) / hop))
    padded = np.zeros((frames - 1) * hop + window, np.float32)
    padded[: len(mono)] = mono
    pieces = np.lib.stride_tricks.sliding_window_view(padded, window)[::hop]
    spectrum = np.fft.rfft(pieces * hann(window), axis=1)
    power = spectrum.real**2 + spectrum.imag**2
    edges = _edges(window, bands)
    means = np.add.reduceat(power[:, : edges[-1]], edges[:-1], axis=1) / np.diff(edges)
    return means.astype(np.float32)


@lru_cache(maxsize=8)
def _edges(window: int, bands: int) -> npt.NDArray[np.intp]:
    """The bins at which bands begin, and where the last one ends; low bands are at least one bin wide, and so there
    are fewer than asked for where windows are short."""
    mels = np.linspace(_mel(_LOW), _mel(_HIGH), bands + 1)
    hertz = 700 * (10 ** (mels / 2595) - 1)
    edges: npt.NDArray[np.intp] = np.unique(np.rint(hertz * window / RATE).astype(np.intp).clip(1))
    return edges


@lru_cache(maxsize=8)
def _centres(window: int, bands: int) -> npt.NDArray[np.float64]:
    edges = _edges(window, bands)
    middle: npt.NDArray[np.float64] = (edges[:-1] + edges[1:] - 1) / 2 * RATE / window
    return middle


def _mel(hertz: float) -> float:
    return 2595 * math.log10(1 + hertz / 700)
