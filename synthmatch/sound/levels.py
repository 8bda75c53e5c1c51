"""One level for all sounds that are heard one after the other."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from synthmatch.audio import Clip, Samples, decibels

LEVEL_DB = -20.0
"""Level, in dB of full scale over the parts that sound, that sounds are brought to, so that the louder of
two does not seem the better."""

_PEAK = 0.9  # of full scale: MP3 adds a little to the peaks


def levelled(clip: Clip) -> Clip:
    """The same sound at ``LEVEL_DB``, measured where it sounds, or as loud as its peaks allow."""
    level = sounding_level(clip)
    return clip if level == -math.inf else clip.scaled(min(10 ** ((LEVEL_DB - level) / 20), _PEAK / clip.peak))


def sounding_level(clip: Clip) -> float:
    """How loud a clip is where it sounds, in dB of full scale; -inf for silence.

    Silence and stretches 30 dB below the loudest 50 ms are not measured, so that a short sound with a long
    tail is not taken for a soft one. Power is the channels' mean, not that of their sum: what is wide cancels itself
    out in mono, and is heard all the same.
    """
    if clip.peak == 0:
        return -math.inf
    window = max(1, clip.sample_rate // 20)
    power = np.mean([_power(channel, window) for channel in clip.samples], axis=0)
    return decibels(math.sqrt(power[power > power.max() / 1000].mean()))


def _power(channel: Samples, window: int) -> npt.NDArray[np.float64]:
    """The mean power of each ``window`` samples of a channel (n,), the last ones filled up with silence."""
    blocks = np.pad(channel, (0, -len(channel) % window)).reshape(-1, window)
    power: npt.NDArray[np.float64] = (blocks.astype(np.float64) ** 2).mean(axis=1)
    return power
