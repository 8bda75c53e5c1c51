"""Drum kits of SoundFonts, recorded hit by hit: what songs that teach presence are beaten on, beside kits made by rule.

None of them may hold a hit of the kits that the benchmark's songs are beaten on: SoundFonts share samples.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from synthmatch.audio import ENCODER_RATE, Samples
from synthmatch.networks.features import sound_print, sounding_distance
from synthmatch.notes import Note, Performance
from synthmatch.presets.preset import State
from synthmatch.renderers.renderer import RenderJob, RenderResult
from synthmatch.training.arrays import Bools, Sound
from synthmatch.training.recorded.drums import CLOSED, DRUMS, KICK, OPEN, SNARE, Kit
from synthmatch.training.recorded.nearness import NEAR_DB
from synthmatch.training.recorded.notebank import LENGTH, SECONDS, NoteBank, note_job
from synthmatch.training.recorded.shards import as_float, as_int16

FOLDER = "kits"
"""In a folder of recordings."""

ROLES = {KICK: (36, 35), SNARE: (38, 40, 37, 39, 45, 48), CLOSED: (42, 44, 51, 54, 70), OPEN: (46, 49, 57)}
"""Which drums of General MIDI may stand for each drum of a beat: the other kick; rim, clap and toms for the snare;
pedal, ride, tambourine and maracas for the closed hi-hat; cymbals for the open one."""

PITCHES = tuple(pitch for role in ROLES.values() for pitch in role)
_AUDIBLE = 0.01  # of the kit's loudest hit
_COMPARED = ENCODER_RATE  # samples of a hit; kits are rendered with tails of different lengths
_HELD = 0.5  # seconds a key is held, which drums don't mind


def kit_job(state: State) -> RenderJob:
    """What is played of a kit: one hit of each drum."""
    return note_job(state, [Performance((Note(0.0, pitch, 100, _HELD),), SECONDS - _HELD) for pitch in PITCHES])


class KitGate:
    """Keeps kits that hold none of the benchmark's hits."""

    def __init__(self, forbidden: Sequence[Kit]) -> None:
        """
        Args:
            forbidden: the kits that the benchmark's songs are beaten on.
        """
        self._forbidden = [(kit.name, _print(hit)) for kit in forbidden for hit in kit.hits.values()]

    def refusal(self, _key: str, result: RenderResult, /) -> str:
        """See :meth:`synthmatch.training.recorded.shards.Gate.refusal`."""
        hits = as_int16(result.clips, LENGTH)
        for hit in hits[_loud(hits)]:
            shape = _print(as_float(hit))
            for name, other in self._forbidden:
                if sounding_distance(shape, other) < NEAR_DB:
                    return f"It holds a hit of the benchmark's kit {name}, or nearly, which training mustn't hear."
        return ""

    def commit(self) -> None:
        """Nothing is written down beside the kits themselves."""


def mixed_kit(rng: np.random.Generator, kits: NoteBank) -> Kit:
    """A kit of which each drum is of a kit drawn by itself, and one of those that may stand for it.

    Args:
        kits: recorded ones, at least one.
    """
    return Kit("mixed", {role: as_float(_hit(rng, kits, role)) for role in DRUMS})


def _hit(rng: np.random.Generator, kits: NoteBank, role: int) -> Sound:
    ids = kits.ids
    for number in rng.permutation(len(ids)):
        hits = kits.notes(ids[number])
        there = [place for place in np.flatnonzero(_loud(hits)) if PITCHES[place] in ROLES[role]]
        if there:
            hit: Sound = hits[rng.choice(there)]
            return hit
    return np.zeros(LENGTH, np.int16)  # no kit has such a drum


def _loud(hits: Sound) -> Bools:
    """(n,), which of a kit's hits (n, LENGTH) can be heard."""
    loud: Bools = np.abs(hits.astype(np.int32)).max(axis=1) > _AUDIBLE * 32767
    return loud


def _print(hit: Samples) -> Tensor:
    """Of the beginning of one hit (n,), by itself: whatever the level of the kit's others."""
    heard = np.zeros((1, _COMPARED), np.float32)
    heard[0, : len(hit)] = hit[:_COMPARED]
    return sound_print(torch.from_numpy(heard))
