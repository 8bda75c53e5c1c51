"""From what a synth played to a sound file at a chosen level, that never clips."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from pathlib import Path

from synthmatch import audio
from synthmatch.audio import Clip, decibels
from synthmatch.errors import AudioError
from synthmatch.files import file_hash
from synthmatch.sound import loudness, samebytes

NORMALISED_PEAK_DB = -1.0
"""The highest sample peak of a normalised file, in dB of full scale."""

_ROUNDING = 1 + 2.0**-22  # keeps a peak that is scaled to a limit from being rounded past it
_EXACT = 0.05  # dB: how near a normalised file must come to the loudness asked for
_ATTEMPTS = 8  # at a lossy file, whose level isn't that of what was written
_LOWER = 0.995  # what each attempt takes off at least: Vorbis may give the same peak for a little less


class Format(enum.Enum):
    """What files are written as; the value is their suffix without the dot."""

    WAV = "wav"  # 32-bit float: any level
    FLAC = "flac"  # 24 bits
    OGG = "ogg"  # Vorbis

    @property
    def suffix(self) -> str:
        """How its files end, with the dot."""
        return f".{self.value}"

    @property
    def has_full_scale(self) -> bool:
        """Whether whoever plays a file cuts off what is above 1."""
        return self is not Format.WAV


class Level(enum.Enum):
    """How a file's level came about."""

    AS_PLAYED = "as played"
    SCALED_DOWN = "scaled down"  # it would have clipped
    NORMALISED = "normalised"  # to the loudness asked for
    PEAK_LIMITED = "peak-limited"  # quieter than the loudness asked for: its peak is at the limit


@dataclass(frozen=True)
class Sound:
    """A written sound file, as it is heard by whoever reads it.

    Args:
        hash: of its bytes.
        seconds: its length.
        sample_rate: samples a second.
        channels: 1 or 2.
        peak_db: its highest sample, in dB of full scale.
        loudness: integrated loudness in LUFS; None where that can't be measured (no pyloudnorm), or is below -70.
        gain: what the synth's own samples were multiplied by.
        level: why (a value of ``Level``).
    """

    hash: str
    seconds: float
    sample_rate: int
    channels: int
    peak_db: float
    loudness: float | None
    gain: float
    level: str


def write(path: Path, clip: Clip, form: Format, normalise: float | None = None) -> tuple[Sound, Clip]:
    """Write a clip as a file whose bytes depend on the sound and the arguments alone.

    Without ``normalise``, it has the clip's own level, unless that would clip: then its peak is at full scale.

    Args:
        path: whose suffix is the format's.
        clip: finite samples, at any level.
        normalise: the integrated loudness to bring it to, in LUFS, as far as a peak of ``NORMALISED_PEAK_DB``
            lets it; None to leave it as it is.

    Returns:
        What is in the file, and what it plays with its gain undone, as :func:`played` reads it.

    Raises:
        AudioError: the loudness can't be made or measured, or the format leaves nothing of the sound.
        OSError: the file can't be written.
    """
    ceiling = _ceiling(form, normalise)
    gain, level = _first_gain(clip, ceiling, normalise)
    for attempt in range(1, _ATTEMPTS + 1):
        audio.write(path, clip.scaled(gain) if gain != 1 else clip)
        samebytes.settle(path)
        heard = audio.read(path)
        if heard.peak == 0:  # all of it above what Vorbis keeps, or below what 24 bits hold
            raise AudioError(f"Written as {form.value}, nothing of it is left; choose WAV.")
        sound = _sound(path, heard, gain, level)
        if ceiling is not None and heard.peak > ceiling:  # a lossy format rings beyond the peaks that it was given
            gain *= _LOWER * ceiling / heard.peak
            level = Level.SCALED_DOWN if normalise is None else Level.PEAK_LIMITED
        elif abs(off := _off(sound, normalise)) > _EXACT and attempt < _ATTEMPTS:
            gain *= 10 ** (off / 20)  # and leaves out some of the rest
        else:
            return sound, _undone(heard, gain)
    raise AudioError(f"Written as {form.value}, it rings past full scale at any gain; choose FLAC or WAV.")


def played(path: Path, sound: Sound) -> Clip:
    """Read a file back as the synth played it, its gain undone.

    Raises:
        AudioError: it can't be read.
    """
    return _undone(audio.read(path), sound.gain)


def _undone(heard: Clip, gain: float) -> Clip:
    return heard if gain == 1 else heard.scaled(1 / gain)


def _ceiling(form: Format, normalise: float | None) -> float | None:
    if normalise is not None:
        return float(10 ** (NORMALISED_PEAK_DB / 20))
    return 1.0 if form.has_full_scale else None


def _first_gain(clip: Clip, ceiling: float | None, normalise: float | None) -> tuple[float, Level]:
    gain, level = (1.0, Level.AS_PLAYED) if normalise is None else (loudness.gain_to(clip, normalise), Level.NORMALISED)
    if ceiling is None or clip.peak * gain <= ceiling:
        return gain, level
    return ceiling / clip.peak / _ROUNDING, Level.SCALED_DOWN if normalise is None else Level.PEAK_LIMITED


def _off(sound: Sound, normalise: float | None) -> float:
    """What a file lacks of the loudness asked for, in dB; 0 where its peak decides."""
    if normalise is None or sound.loudness is None or sound.level != Level.NORMALISED.value:
        return 0.0
    return normalise - sound.loudness


def _sound(path: Path, heard: Clip, gain: float, level: Level) -> Sound:
    measured = loudness.integrated(heard) if loudness.is_installed() else None
    return Sound(
        file_hash(path),
        heard.seconds,
        heard.sample_rate,
        heard.samples.shape[0],
        decibels(heard.peak),
        None if measured is None or measured < loudness.SILENCE else measured,
        gain,
        level.value,
    )
