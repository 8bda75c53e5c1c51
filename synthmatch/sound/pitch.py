"""Which note a sound plays: where it repeats itself, after YIN (de Cheveigné and Kawahara, 2002).

For single notes; a melody asks for more.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from synthmatch.audio import Clip

_RATE = 11_025
_FRAME, _HOP = 2048, 512  # samples: 186 ms, in which the lowest note repeats itself five times
_LOWEST, _HIGHEST = 27.0, 2_200.0  # Hz: A0, the lowest of a piano, to C#7
_CLEAR = 0.2  # aperiodicity up to which a frame tells a pitch
_SHARE = 0.2  # of the sounding frames that must tell one
_SOUNDING_DB = 30.0  # below the loudest moment, by this much, nothing sounds

Floats = npt.NDArray[np.float64]


def estimate_pitch(clip: Clip) -> int | None:
    """The MIDI note that a sound plays; None if it plays none clearly.

    Args:
        clip: one note, any rate; its channels are mixed.
    """
    mono = Clip(clip.mono()[None], clip.sample_rate).resampled(_RATE).samples[0].astype(np.float64)
    padded = np.pad(mono, (0, max(0, _FRAME - len(mono))))
    frames = np.lib.stride_tricks.sliding_window_view(padded, _FRAME)[::_HOP]
    power = (frames**2).mean(axis=1)
    sounding = frames[power > power.max() * 10 ** (-_SOUNDING_DB / 10)]
    pitches = [pitch for frame in sounding if (pitch := _frame_pitch(frame)) is not None]
    if not pitches or len(pitches) < _SHARE * len(sounding):
        return None
    return round(float(np.median(pitches)))


def _frame_pitch(frame: Floats) -> float | None:
    """The MIDI pitch, with its fraction, at which a frame repeats itself; None if it doesn't."""
    shortest, longest = int(_RATE / _HIGHEST), math.ceil(_RATE / _LOWEST)
    window = len(frame) - longest
    ahead = np.lib.stride_tricks.sliding_window_view(frame, window)[: longest + 1]
    difference = ((ahead - frame[:window]) ** 2).sum(axis=1)
    sums = np.cumsum(difference[1:])
    normal = np.concatenate([[1.0], difference[1:] * np.arange(1, longest + 1) / np.maximum(sums, 1e-30)])
    below = np.flatnonzero(normal[shortest:-1] < _CLEAR)
    if not below.size:
        return None
    place = int(below[0]) + shortest
    while place + 1 < longest and normal[place + 1] < normal[place]:
        place += 1
    before, here, after = normal[place - 1 : place + 2]
    bend = before - 2 * here + after
    lag = place + (0.5 * (before - after) / bend if bend > 0 else 0.0)
    return 69 + 12 * math.log2(_RATE / lag / 440)
