"""Notes as pictures of when which key goes down and stays down, and back. Numpy alone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from synthmatch.notes import Note

VOICES = 6
"""Notes that may begin at the same moment, where chords are played."""

Roll = npt.NDArray[np.float32]

VELOCITY = 100
"""At which notes are played whose velocity nobody told: that of the notes in mixtures."""


@dataclass(frozen=True)
class Grid:
    """What a cell of a roll stands for.

    Args:
        lowest: MIDI pitch of the first row.
        pitches: how many rows.
        rate: frames a second.
    """

    lowest: int
    pitches: int
    rate: float


@dataclass(frozen=True)
class Reading:
    """From when on something counts as a note.

    Args:
        onset: probability of a beginning, 0 to 1.
        held: probability below which a note has ended.
        shortest: seconds that a note lasts at least.
        voices: how many notes may begin at the same moment.
        together: seconds within which that is the same moment.
    """

    onset: float = 0.5
    held: float = 0.5
    shortest: float = 0.06
    voices: int = VOICES
    together: float = 0.03


def roll_of(notes: Iterable[Note], grid: Grid, frames: int) -> tuple[Roll, Roll]:
    """Draw notes.

    Args:
        frames: how many the picture has; what lies beyond them, or beyond its pitches, isn't in it.

    Returns:
        Beginnings and held keys, (pitches, frames) each, 0 or 1. A beginning is three frames wide.
    """
    onsets, held = np.zeros((2, grid.pitches, frames), np.float32)
    for note in notes:
        row, first = note.pitch - grid.lowest, round(note.start * grid.rate)
        if 0 <= row < grid.pitches and first < frames:
            onsets[row, max(0, first - 1) : first + 2] = 1
            held[row, first : max(first + 1, round(note.end * grid.rate))] = 1
    return onsets, held


def notes_of(onsets: Roll, held: Roll, grid: Grid, reading: Reading = Reading()) -> tuple[Note, ...]:
    """Read notes off two pictures of probabilities.

    Args:
        onsets, held: (pitches, frames), as :func:`roll_of` draws them.

    Returns:
        Notes in order, at ``VELOCITY``.
    """
    begun = _kept(_peaks(onsets, reading.onset), grid, reading)
    notes = []
    for row in sorted({row for row, _, _ in begun}):
        places = sorted(frame for each, frame, _ in begun if each == row)
        for frame, following in zip(places, [*places[1:], held.shape[1]], strict=True):
            silent = np.nonzero(held[row, frame + 1 : following] < reading.held)[0]
            end = frame + 1 + int(silent[0]) if len(silent) else following
            length = max(reading.shortest, (end - frame) / grid.rate)
            notes.append(Note(frame / grid.rate, grid.lowest + row, VELOCITY, length))
    return tuple(sorted(notes))


def _peaks(onsets: Roll, least: float) -> list[tuple[int, int, float]]:
    """(row, frame, probability) where a row is highest among its neighbours; of a plateau, its middle."""
    edged = np.pad(onsets, ((0, 0), (1, 1)), constant_values=-1.0)
    found = []
    rises = (onsets > edged[:, :-2]) & (onsets >= least)
    for row, first in zip(*(each.tolist() for each in np.nonzero(rises)), strict=True):
        last = first
        while edged[row, last + 2] == onsets[row, first]:
            last += 1
        if edged[row, last + 2] < onsets[row, first]:
            found.append((row, (first + last) // 2, float(onsets[row, first])))
    return found


def _kept(peaks: list[tuple[int, int, float]], grid: Grid, reading: Reading) -> list[tuple[int, int, float]]:
    """The surest ones: none twice on a key within ``shortest``, and no more than ``voices`` at a moment."""
    kept: list[tuple[int, int, float]] = []
    near, again = reading.together * grid.rate, reading.shortest * grid.rate
    for peak in sorted(peaks, key=lambda each: -each[2]):
        row, frame, _ = peak
        if any(each == row and abs(other - frame) < again for each, other, _ in kept):
            continue
        if sum(abs(other - frame) <= near for _, other, _ in kept) < reading.voices:
            kept.append(peak)
    return kept
