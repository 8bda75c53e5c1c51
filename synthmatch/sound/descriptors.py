"""Plain words for how a preset sounds: measured on its reference notes, and compared with other presets.

What is measured is kept, not the words: where a word begins is a row of ``DESCRIPTORS``, and those rows come from the
quantiles of Debian's banks (``bench/descriptors.py`` prints them). numpy alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from synthmatch.audio import SILENCE_DB, Clip, decibels
from synthmatch.notes import REFERENCE_NOTES, Note, Performance
from synthmatch.sound.stft import powers

VERSION = 1
"""Raised when measures change, so that older ones are made again."""

_RATE = 22_050
_WINDOW, _HOP = 1024, 256  # samples: 46 ms every 12 ms
_FINE = 4096  # samples in which the partials of the lowest note stand apart
_ONSET_DB, _SOUNDING_DB, _FULL_DB = -40.0, -20.0, -3.0  # of the loudest frame
_DEEPEST_DB = -60.0
_NOISE_BAND = (100.0, 8_000.0)  # Hz
_NOISE_DEPTH_DB = 80.0
_SETTLED = 0.25  # seconds after the onset at which movement begins to count: before, it is the attack
_MOVING = 0.5  # seconds that must be left for movement to be told
_SMOOTH = 5  # frames over which levels are averaged, so that a low note's own period isn't movement
_DB_PER_OCTAVE = 6.0  # what an octave of brightness weighs beside level in movement

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Measures:
    """How a preset sounds, in numbers: medians over the reference notes that can be heard.

    Args:
        brightness: octaves by which the middle of its spectrum's power lies above the note.
        attack: seconds from the first sound to within 3 dB of the loudest moment.
        length: seconds from the first sound to the last that is within 20 dB of the loudest, at most the note's.
        ring: level at the note's end, half a second after the key is let go, in dB of the loudest moment, at least -60.
        noise: flatness of the spectrum in dB: 0 is white noise, a few partials lie far below.
        width: level of what differs between left and right, in dB of what they share, at least -60, as of mono.
        movement: how much level and brightness change while the key is held, beyond a slow rise or fall, in dB.
    """

    brightness: float
    attack: float
    length: float
    ring: float
    noise: float
    width: float
    movement: float


NAMES: tuple[str, ...] = tuple(each.name for each in fields(Measures))
"""What is measured, in the order of ``Measures``."""


@dataclass(frozen=True)
class Descriptor:
    """A word.

    Args:
        word: for a sound whose measure is at least ``least``, or at most ``most``.
        measure: a name of ``Measures``.
        least, most: one of them; the other is None.
    """

    word: str
    measure: str
    least: float | None = None
    most: float | None = None

    def fits(self, measures: Measures) -> bool:
        """Whether the word is said of a sound."""
        value = float(getattr(measures, self.measure))
        return (self.least is None or value >= self.least) and (self.most is None or value <= self.most)


DESCRIPTORS: tuple[Descriptor, ...] = (
    Descriptor("bright", "brightness", least=2.0),
    Descriptor("dark", "brightness", most=0.3),
    Descriptor("short", "length", most=1.0),
    Descriptor("long", "ring", least=-9.0),
    Descriptor("slow attack", "attack", least=0.2),
    Descriptor("noisy", "noise", least=-28.0),
    Descriptor("wide", "width", least=-8.5),
    Descriptor("modulated", "movement", least=2.5),
)
"""The words, in the order in which they are shown. Each is said of the tenth to the quarter of Debian's presets that
have most, or least, of what it means."""

WORDS: tuple[str, ...] = tuple(each.word for each in DESCRIPTORS)
"""The words alone."""


def describe(measures: Measures) -> tuple[str, ...]:
    """The words that fit a sound, in the order of ``DESCRIPTORS``; none for what is in the middle of everything."""
    return tuple(each.word for each in DESCRIPTORS if each.fits(measures))


def measure(clips: Sequence[Clip], performances: Sequence[Performance] = REFERENCE_NOTES) -> Measures:
    """Measure a preset's sound.

    Args:
        clips: what it played, at least one of them audible.
        performances: what each of them plays: one note.
    """
    audible = [pair for pair in zip(clips, performances, strict=True) if decibels(pair[0].peak) >= SILENCE_DB]
    pairs = audible or [max(zip(clips, performances, strict=True), key=lambda pair: pair[0].peak)]
    rows = [astuple(_of_note(clip, performance.notes[0])) for clip, performance in pairs]
    return Measures(*(float(value) for value in np.median(np.array(rows), axis=0)))


def _of_note(clip: Clip, note: Note) -> Measures:
    clip = clip.resampled(_RATE)
    power = _power(clip.samples, _WINDOW, _HOP)  # (frames, bins)
    total = power.sum(axis=1)
    level = 10 * np.log10(np.maximum(total, 1e-20))
    level -= level.max()
    onset = int(np.argmax(level > _ONSET_DB))
    sounding = np.flatnonzero(level > _SOUNDING_DB)
    second = _RATE / _HOP
    return Measures(
        _brightness(power[sounding].sum(axis=0), note.pitch),
        (int(np.argmax(level >= _FULL_DB)) - onset) / second,
        (int(sounding[-1]) - onset + 1) / second,
        max(_DEEPEST_DB, float(level[-max(1, round(0.1 * second)) :].mean())),
        _flatness(clip),
        _width(clip),
        _movement(power, level, onset, round(note.end * second)),
    )


def _brightness(power: Floats, pitch: int) -> float:
    hertz = np.fft.rfftfreq(_WINDOW, 1 / _RATE)
    middle = float((hertz * power).sum() / max(power.sum(), 1e-30))
    return math.log2(max(middle, 1.0) / (440 * 2 ** ((pitch - 69) / 12)))


def _flatness(clip: Clip) -> float:
    """The mean over the louder half of the sound, frame by frame."""
    power = _power(clip.samples, _FINE, _FINE // 2)
    hertz = np.fft.rfftfreq(_FINE, 1 / _RATE)
    inside = power[:, (hertz >= _NOISE_BAND[0]) & (hertz <= _NOISE_BAND[1])]
    loud = inside.sum(axis=1)
    inside = inside[loud >= loud.max() * 10 ** (_SOUNDING_DB / 10)]
    floor = inside.max(axis=1, keepdims=True) * 10 ** (-_NOISE_DEPTH_DB / 10) + 1e-30
    inside = np.maximum(inside, floor)
    flat = 10 * (np.log10(inside).mean(axis=1) - np.log10(inside.mean(axis=1)))
    return float(flat.mean())


def _width(clip: Clip) -> float:
    if clip.samples.shape[0] != 2:
        return _DEEPEST_DB
    left, right = clip.samples.astype(np.float64)
    middle, side = ((left + right) ** 2).sum(), ((left - right) ** 2).sum()
    return min(-_DEEPEST_DB, max(_DEEPEST_DB, decibels(math.sqrt(side / max(middle, 1e-20)))))


def _movement(power: Floats, level: Floats, onset: int, key_up: int) -> float:
    """How far level and brightness stray from a parabola while the key is held and the sound is there."""
    second = _RATE / _HOP
    first = onset + round(_SETTLED * second)
    held = np.arange(first, max(first, min(key_up, len(level))))
    held = held[level[held] > _SOUNDING_DB - 10]
    if len(held) < _MOVING * second:
        return 0.0
    hertz = np.fft.rfftfreq(_WINDOW, 1 / _RATE)
    middle = (power[held] @ hertz) / np.maximum(power[held].sum(axis=1), 1e-30)
    return _strays(level[held]) + _DB_PER_OCTAVE * _strays(np.log2(np.maximum(middle, 1.0)))


def _strays(series: Floats) -> float:
    smooth = np.convolve(series, np.full(_SMOOTH, 1 / _SMOOTH), mode="valid")
    time = np.linspace(-1, 1, len(smooth))
    return float(np.std(smooth - np.polyval(np.polyfit(time, smooth, 2), time)))


def _power(samples: npt.NDArray[np.float32], window: int, hop: int) -> Floats:
    """(frames, bins): mean power of the channels; at least one frame."""
    padded = np.pad(samples, ((0, 0), (0, max(0, window - samples.shape[1]))))
    power: Floats = powers(padded, _hann(window), hop, np.float64)
    return power


@lru_cache(maxsize=4)
def _hann(window: int) -> npt.NDArray[np.float32]:
    shape: npt.NDArray[np.float32] = np.hanning(window + 1)[:window].astype(np.float32)
    return shape
