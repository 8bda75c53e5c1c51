"""How right written-down notes are: the only module that knows mir_eval."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np

from synthmatch.extras import remedy
from synthmatch.notes import Note

TOLERANCE = 0.05
"""Seconds by which the beginning of a note may be off."""


@dataclass(frozen=True)
class Agreement:
    """F-measures of written-down notes, from 0 to 1.

    Args:
        key: of notes whose key is right and that begin within ``TOLERANCE``.
        octave: the same, when an octave doesn't matter: presets may sound octaves away from their keys.
        onset: the same, when the key doesn't matter at all.
    """

    key: float
    octave: float
    onset: float


def is_installed() -> bool:
    """Whether notes can be measured here."""
    return find_spec("mir_eval") is not None


def without() -> str:
    """Says that notes can't be measured, and how to get what is missing."""
    return f"Notes aren't measured without mir_eval; {remedy('train')}."


def agreement(written: Sequence[Note], played: Sequence[Note]) -> Agreement:
    """Compare notes with what was played; no notes where none were played agree wholly.

    Ends of notes don't count: a preset decides itself how long a key sounds.
    """
    return Agreement(
        _measure(written, played, lambda pitch: pitch),
        _measure(written, played, lambda pitch: 60 + pitch % 12),
        _measure(written, played, lambda _: 60),
    )


def _measure(written: Sequence[Note], played: Sequence[Note], heard_as: Callable[[int], int]) -> float:
    from mir_eval import transcription, util

    if not written or not played:
        return float(not written and not played)
    (first, pitches), (second, others) = (
        (
            np.array([(note.start, note.end) for note in notes]),
            util.midi_to_hz(np.array([heard_as(note.pitch) for note in notes], np.float64)),
        )
        for notes in (played, written)
    )
    _, _, measure, _ = transcription.precision_recall_f1_overlap(
        first, pitches, second, others, onset_tolerance=TOLERANCE, offset_ratio=None
    )
    return float(measure)
