"""Looking at sound instead of believing a plugin: silent, clipped, or the same as something else."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from synthmatch.audio import SILENCE_DB, Clip, decibels
from synthmatch.presets.preset import State
from synthmatch.renderers.renderer import Failure

TOLERANCE = 1e-6
"""Two sounds whose samples differ by at most this, a thousandth of a 16-bit step of full scale's, are the same:
ZynAddSubFX adds noise of 1e-16 against denormal numbers, which an instance before can change."""

_CEILING = 1 - 1e-4
_CLIPPED_SHARE = 0.5  # of a note's sounding samples: a square wave at full scale is no accident, but of no use
_SOUNDING = 1e-3


def fault(state: State, clips: Sequence[Clip]) -> tuple[Failure, str] | None:
    """Why a sound is of no use: silent, or little else than full scale; None if it is fine.

    Args:
        state: what was played, for the sentence.
        clips: finite samples.
    """
    loudest = max((decibels(clip.peak) for clip in clips), default=-float("inf"))
    if loudest < SILENCE_DB:
        return Failure.SILENT, f"{state.synth} makes no sound with state {state.id} (peak below {SILENCE_DB:.0f} dB)."
    share = max(map(clipped_share, clips))
    if share > _CLIPPED_SHARE:
        return Failure.CLIPPED, f"{state.synth} clips with state {state.id}: {share:.0%} of it is at full scale."
    return None


def clipped_share(clip: Clip) -> float:
    """The share of a clip's sounding samples that lie exactly at full scale, 0 to 1; 0 if it passes full scale,
    since what has room above isn't cut there."""
    if not _CEILING <= clip.peak <= 2 - _CEILING:
        return 0.0  # as almost always: nothing is counted then
    level = np.abs(clip.samples)
    return float((level >= _CEILING).sum() / max(1, (level > _SOUNDING).sum()))


def difference(first: Sequence[Clip], second: Sequence[Clip]) -> float:
    """The largest difference of two samples that stand at the same place; infinite if the shapes differ."""
    if [clip.samples.shape for clip in first] != [clip.samples.shape for clip in second]:
        return math.inf
    pairs = zip(first, second, strict=True)
    return max((float(np.abs(one.samples - other.samples).max(initial=0.0)) for one, other in pairs), default=0.0)


def same_sound(first: Sequence[Clip], second: Sequence[Clip], tolerance: float = TOLERANCE) -> bool:
    """Whether two renders of the same performances agree in every sample, within ``tolerance``."""
    return difference(first, second) <= tolerance
