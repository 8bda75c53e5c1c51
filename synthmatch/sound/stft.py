"""Power spectra of a sound's overlapping pieces. numpy alone.

A few pieces at a time: arrays of all of them at once are megabytes that the system hands out and takes back with every
sound, which costs as much again as the transforms.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

Kind = TypeVar("Kind", bound=np.floating[Any])

_BLOCK = 2**17  # bytes of pieces that are transformed at a time: they stay in a processor's own memory


@lru_cache(maxsize=8)
def hann(window: int) -> npt.NDArray[np.float32]:
    """A window under which a full-scale sine has a power of about 1 in its bin."""
    shape = np.hanning(window + 1)[:window]
    scaled: npt.NDArray[np.float32] = (shape * 2 / shape.sum()).astype(np.float32)
    return scaled


def powers(
    samples: npt.NDArray[np.float32],
    window: npt.NDArray[np.float32],
    hop: int,
    dtype: type[Kind],
) -> npt.NDArray[Kind]:
    """The power of each piece at each frequency, as the mean of the channels.

    Args:
        samples: (channels, n), n at least the window's length; what is left behind the last whole piece isn't heard.
        window: (w,), by which each piece is multiplied.
        hop: samples from one piece's beginning to the next one's.
        dtype: in which means are taken.

    Returns:
        (frames, w // 2 + 1) with frames = 1 + (n - w) // hop.
    """
    pieces = np.lib.stride_tricks.sliding_window_view(samples, len(window), axis=1)[:, ::hop]
    channels, frames, length = pieces.shape
    found = np.empty((frames, length // 2 + 1), dtype)
    block = max(1, _BLOCK // (channels * window.nbytes))
    for first in range(0, frames, block):
        spectrum = np.fft.rfft(pieces[:, first : first + block] * window, axis=2)
        power = spectrum.real**2 + spectrum.imag**2
        power.mean(axis=0, dtype=dtype, out=found[first : first + block])
    return found
