"""Sounds that are nobody's part: beats, on drum kits made by rule or recorded ones, bands of noise, drones.

A mixture that holds one teaches that drums aren't percussion with a pitch, and that not all that sounds is a part.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from synthmatch.audio import ENCODER_RATE, Samples
from synthmatch.training.arrays import Floats, Sound
from synthmatch.training.mixing.distractors import DISTRACTORS, distractor
from synthmatch.training.mixing.residence import Keys, Notes, Passages
from synthmatch.training.parts import TEMPO
from synthmatch.training.recorded.drums import CLOSED, KICK, OPEN, SNARE, Kit, beat
from synthmatch.training.recorded.kits import mixed_kit
from synthmatch.training.recorded.notebank import NoteBank
from synthmatch.training.recorded.phrasebank import SECONDS

COUNT = 1024
DRUMS_SHARE = 0.67  # of them that are beats
RECORDED_SHARE = 0.67  # of the beats that are played on recorded kits, where there are any
_PEAK = 32767
_BODY = 1.0  # seconds of a hit


@dataclass(frozen=True)
class _Note:
    """A stranger's only note: what it plays from its beginning."""

    pitches: tuple[int, ...] = (60,)
    velocities: tuple[int, ...] = (100,)


class Company:
    """A bank with passages of its presets, and strangers among them: :class:`Notes` and :class:`Passages` at once."""

    def __init__(
        self, bank: Notes, passages: Passages | None, seed: int, kits: NoteBank | None = None, count: int = COUNT
    ) -> None:
        """
        Args:
            bank: holds notes.
            passages: what was played live, if anything.
            seed: of the strangers.
            kits: recorded ones; None, or an empty bank, for none.
            count: how many of them.
        """
        self._bank, self._passages = bank, passages
        self._sounds = {f"stranger {number}": stranger(seed, number, kits) for number in range(count)}
        self._recorded: dict[str, Keys] = {**bank.recorded, **dict.fromkeys(self._sounds, _Note())}
        self.strangers = tuple(self._sounds)
        """Their ids."""

    @property
    def recorded(self) -> Mapping[str, Keys]:
        """Which notes there are of whom."""
        return self._recorded

    def notes(self, state_id: str) -> Sound:
        """The notes of one, (n, samples)."""
        return self._sounds[state_id] if state_id in self._sounds else self._bank.notes(state_id)

    def __contains__(self, state_id: object) -> bool:
        return state_id in self._sounds or (self._passages is not None and state_id in self._passages)

    def stems(self, state_id: str) -> Sound:
        """The passages of one, (n, samples)."""
        if state_id in self._sounds or self._passages is None:
            return self._sounds[state_id]
        return self._passages.stems(state_id)


def stranger(seed: int, number: int, kits: NoteBank | None = None) -> Sound:
    """One of them: the same seed, number and kits give the same.

    Args:
        kits: recorded ones; None, or an empty bank, for none.

    Returns:
        Shape (1, 160,000): 10 s at 16 kHz, scaled to its peak.
    """
    rng = np.random.default_rng((seed, number, 5))
    if rng.random() < DRUMS_SHARE:
        recorded = kits is not None and kits.ids and rng.random() < RECORDED_SHARE
        kit = mixed_kit(rng, kits) if kits is not None and recorded else made_up_kit(rng)
        sound = beat(rng, kit, float(rng.uniform(*TEMPO)), SECONDS)
    else:
        sound = distractor(rng, str(rng.choice(DISTRACTORS)), SECONDS)
    out: Sound = np.rint(sound / np.abs(sound).max() * _PEAK).astype(np.int16)[None]
    return out


def made_up_kit(rng: np.random.Generator) -> Kit:
    """A drum kit as analogue machines make them: a kick whose pitch falls, a snare of tone and noise, hats of
    high noise."""
    time = np.arange(round(_BODY * ENCODER_RATE)) / ENCODER_RATE
    short = rng.uniform(0.02, 0.08)
    hats = _noise(rng, time, rng.uniform(3000, 6500))
    sounds = {
        KICK: _kick(rng, time),
        SNARE: _snare(rng, time),
        CLOSED: rng.uniform(0.15, 0.5) * hats * np.exp(-time / short),
        OPEN: rng.uniform(0.15, 0.5) * hats * np.exp(-time / rng.uniform(0.15, 0.4)),
    }
    return Kit("made up", {pitch: _hit(sound) for pitch, sound in sounds.items()})


def _kick(rng: np.random.Generator, time: Floats) -> Floats:
    low, fall = rng.uniform(38, 70), rng.uniform(0.015, 0.06)
    phase = 2 * math.pi * (low * time + low * rng.uniform(1, 6) * fall * (1 - np.exp(-time / fall)))
    click = rng.uniform(0, 0.5) * rng.standard_normal(len(time)) * np.exp(-time / 0.003)
    out: Floats = np.sin(phase) * np.exp(-time / rng.uniform(0.08, 0.35)) + click
    return out


def _snare(rng: np.random.Generator, time: Floats) -> Floats:
    tone = np.sin(2 * math.pi * rng.uniform(140, 260) * time) * np.exp(-time / rng.uniform(0.03, 0.12))
    rattle = _noise(rng, time, rng.uniform(700, 2500)) * np.exp(-time / rng.uniform(0.06, 0.25))
    out: Floats = rng.uniform(0.3, 1.0) * tone + rng.uniform(0.4, 1.0) * rattle
    return out


def _noise(rng: np.random.Generator, time: Floats, above: float) -> Floats:
    """Noise above a frequency in Hz, of a peak of 1."""
    hertz = np.fft.rfftfreq(len(time), 1 / ENCODER_RATE)
    slope = 1 / (1 + (above / np.maximum(hertz, 1.0)) ** 6)
    sound = np.fft.irfft(np.fft.rfft(rng.standard_normal(len(time))) * slope, len(time))
    out: Floats = sound / np.abs(sound).max()
    return out


def _hit(sound: Floats) -> Samples:
    faded = sound.copy()
    faded[-160:] *= np.linspace(1, 0, 160)
    out: Samples = faded.astype(np.float32)
    return out
