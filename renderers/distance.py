"""How far two sounds are apart. Plain numpy: host processes and what drives them load no torch."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from synthmatch.audio import Clip, Samples

_WINDOW, _HOP = 2048, 512
_DEPTH = 80.0  # dB below the louder sound's loudest bin, under which everything counts as silence


def difference(first: Sequence[Clip], second: Sequence[Clip]) -> float:
    """The largest distance of two samples that stand at the same place; infinite if the shapes differ."""
    if [clip.samples.shape for clip in first] != [clip.samples.shape for clip in second]:
        return math.inf
    pairs = zip(first, second, strict=True)
    return max((float(np.abs(one.samples - other.samples).max(initial=0.0)) for one, other in pairs), default=0.0)


def spectral_distance(first: Sequence[Clip], second: Sequence[Clip]) -> float:
    """Log-spectral distance in dB, the mean over all clips: 0 for the same sound, 6 to 36 between different presets.

    Args:
        first, second: renders of the same performances; channels are mixed.

    Returns:
        Per frame of 2,048 samples the root mean square over the spectrum of the difference of both levels, which
        are cut 80 dB below the loudest; then the mean over frames.
    """
    pairs = zip(first, second, strict=True)
    distances = [_distance(one.mono(), other.mono()) for one, other in pairs]
    return sum(distances) / len(distances) if distances else 0.0


def _distance(first: Samples, second: Samples) -> float:
    length = max(len(first), len(second), _WINDOW)
    powers = [_power(np.pad(each, (0, length - len(each)))) for each in (first, second)]
    floor = max(float(each.max()) for each in powers) * 10 ** (-_DEPTH / 10)
    if floor <= 0:
        return 0.0
    levels = [10 * np.log10(np.maximum(each, floor)) for each in powers]
    return float(np.sqrt(((levels[0] - levels[1]) ** 2).mean(axis=1)).mean())


def _power(samples: Samples) -> npt.NDArray[np.float64]:
    """Shape (frames, bins)."""
    frames = np.lib.stride_tricks.sliding_window_view(samples.astype(np.float64), _WINDOW)[::_HOP]
    power: npt.NDArray[np.float64] = np.abs(np.fft.rfft(frames * np.hanning(_WINDOW))) ** 2
    return power
