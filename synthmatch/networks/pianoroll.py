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

ATTACK = 0.3
"""Seconds within which a note is at its surest."""

AGAIN = 0.1
"""Seconds within which no key goes down twice."""

AROUND = 5.0
"""Seconds among which beginnings are compared with the surest: as long as what transcribers are trained on."""

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
        surest: how sure a beginning must be beside the surest one around it, 0 to 1: the denser the music, the less
            sure all of them are.
        fading: how sure a note must remain beside the surest moment of its first ``ATTACK`` seconds, 0 to 1.
        shortest: seconds that a note lasts at least.
        voices: how many notes may begin at the same moment; with one, a note lasts until the next at most.
        together: seconds within which that is the same moment.
    """

    onset: float = 0.5
    held: float = 0.5
    surest: float = 0.0
    fading: float = 0.0
    shortest: float = 0.06
    voices: int = VOICES
    together: float = 0.06


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
    sure = _sure(_peaks(onsets, reading.onset), onsets, grid, reading)
    begun = sorted((frame, row) for row, frame, _ in _kept(sure, grid, reading))
    notes = []
    for place, (frame, row) in enumerate(begun):
        others = (other for other, key in begun[place + 1 :] if other > frame and (reading.voices == 1 or key == row))
        following = next(others, held.shape[1])
        length = max(reading.shortest, _frames(held[row, frame + 1 : following], grid, reading) / grid.rate)
        notes.append(Note(frame / grid.rate, grid.lowest + row, VELOCITY, length))
    return tuple(sorted(notes))


def _frames(held: Roll, grid: Grid, reading: Reading) -> int:
    """How many frames a note lasts whose key is down with these probabilities after its first."""
    attack = held[: max(1, round(ATTACK * grid.rate))]
    if not len(attack):
        return 1
    top = int(attack.argmax())
    silent = np.nonzero(held[top:] < max(reading.held, reading.fading * float(attack[top])))[0]
    return 1 + (top + int(silent[0]) if len(silent) else len(held))


def _sure(
    peaks: list[tuple[int, int, float]], onsets: Roll, grid: Grid, reading: Reading
) -> list[tuple[int, int, float]]:
    """Those that are sure enough beside the surest around them."""
    if not reading.surest:
        return peaks
    reach = round(AROUND / 2 * grid.rate)
    edged = np.pad(onsets.max(axis=0), reach)
    surest = np.lib.stride_tricks.sliding_window_view(edged, 2 * reach + 1).max(axis=1)
    return [peak for peak in peaks if peak[2] >= reading.surest * surest[peak[1]]]


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
    """The surest ones: none twice on a key within ``AGAIN``, and no more than ``voices`` at a moment."""
    kept: list[tuple[int, int, float]] = []
    near, again = reading.together * grid.rate, AGAIN * grid.rate
    for peak in sorted(peaks, key=lambda each: -each[2]):
        row, frame, _ = peak
        if any(each == row and abs(other - frame) < again for each, other, _ in kept):
            continue
        if sum(abs(other - frame) <= near for _, other, _ in kept) < reading.voices:
            kept.append(peak)
    return kept
