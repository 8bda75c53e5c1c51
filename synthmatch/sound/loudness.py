"""How loud a sound is, as broadcasters measure it (ITU-R BS.1770, LUFS): the only module that knows pyloudnorm."""

from __future__ import annotations

import math
from functools import lru_cache
from importlib.util import find_spec
from typing import Any

import numpy as np

from synthmatch.audio import Clip
from synthmatch.errors import AudioError
from synthmatch.extras import remedy

BLOCK = 0.4
"""Seconds over which loudness is measured at a time."""

SILENCE = -70.0
"""LUFS below which a sound counts as silence."""

QUIETEST, LOUDEST = -60.0, 0.0
"""The levels in LUFS that can be asked for."""

CHANNELS = 5
"""Channels for which loudness is defined at most."""

_EXACT = 0.005  # dB: how near a gain must come to the level that is asked for
_ATTEMPTS = 8


def is_installed() -> bool:
    """Whether loudness can be measured here."""
    return find_spec("pyloudnorm") is not None


def require() -> None:
    """Make sure that loudness can be measured.

    Raises:
        AudioError: it can't; the message says how to get what is missing.
    """
    if not is_installed():
        raise AudioError(f"Loudness can't be measured without pyloudnorm; {remedy('loudness')}.")


def check_target(target: float) -> None:
    """Make sure that a loudness can be asked for.

    Raises:
        AudioError: it isn't from ``QUIETEST`` to ``LOUDEST`` LUFS.
    """
    if not QUIETEST <= target <= LOUDEST:
        raise AudioError(f"A loudness of {target} LUFS can't be made; choose one from {QUIETEST:g} to {LOUDEST:g}.")


def integrated(clip: Clip) -> float:
    """The integrated loudness of a clip in LUFS; -inf for what counts as silence.

    A clip shorter than ``BLOCK`` is followed by silence up to that length: it counts as what a meter shows when
    it is played on its own. Repeating it instead would make a click as loud as a roll of clicks. One channel
    counts as one loudspeaker, so that a mono file reads 3 dB less than the same sound on two channels.

    Raises:
        AudioError: pyloudnorm isn't installed, or the clip has more than five channels.
    """
    require()
    if clip.samples.shape[0] > CHANNELS:
        raise AudioError(f"Loudness is defined for up to five channels, not for {clip.samples.shape[0]}.")
    frames = clip.samples.T.astype(np.float64)
    missing = math.ceil(BLOCK * clip.sample_rate) - len(frames)
    if missing > 0:
        frames = np.pad(frames, ((0, missing), (0, 0)))
    if not frames.any():
        return -math.inf
    return float(_meter(clip.sample_rate).integrated_loudness(frames))


def gain_to(clip: Clip, target: float) -> float:
    """The factor that brings a clip to a loudness, whatever its peak will be then.

    Loudness doesn't simply follow the level: what lies below -70 LUFS doesn't count, and more of a quiet sound
    does once it is made louder. So the gain is tried and corrected.

    Args:
        clip: any sound; a silent one gets 1.
        target: LUFS, from ``QUIETEST`` to ``LOUDEST``.

    Raises:
        AudioError: the target is out of range, or as :func:`integrated` does.
    """
    check_target(target)
    if clip.peak == 0:
        return 1.0
    gain = 1 / clip.peak
    for _ in range(_ATTEMPTS):
        reached = integrated(clip.scaled(gain))
        if not math.isfinite(reached) or abs(target - reached) <= _EXACT:
            break
        gain *= 10 ** ((target - reached) / 20)
    return gain


@lru_cache(maxsize=8)
def _meter(sample_rate: int) -> Any:
    import pyloudnorm

    return pyloudnorm.Meter(sample_rate)
