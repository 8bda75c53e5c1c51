"""Notes as pictures, and back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synthmatch.notes import Note
from synthmatch.pianoroll import VELOCITY, Grid, Reading, notes_of, roll_of

GRID = Grid(24, 72, 50.0)
FRAMES = 200
ALL = Reading(voices=100)


@st.composite
def melodies(draw: st.DrawFn) -> list[Note]:
    """Notes on the grid, on each key one after the other with a gap between."""
    notes = []
    for pitch in draw(st.lists(st.integers(24, 95), min_size=1, max_size=6, unique=True)):
        frame = draw(st.integers(0, 40))
        while frame < FRAMES - 30:
            length = draw(st.integers(4, 30))
            notes.append(Note(frame / GRID.rate, pitch, VELOCITY, length / GRID.rate))
            frame += length + draw(st.integers(4, 60))
    return sorted(notes)


@given(melodies())
@settings(deadline=None)
def test_what_is_drawn_is_read(notes: list[Note]) -> None:
    read = notes_of(*roll_of(notes, GRID, FRAMES), GRID, ALL)
    assert [(each.pitch, each.velocity) for each in read] == [(each.pitch, each.velocity) for each in notes]
    for was, now in zip(notes, read, strict=True):
        first = 1 if was.start == 0 else 0  # at the very edge a beginning is only two frames wide
        assert abs(now.start - was.start) <= first / GRID.rate + 1e-9
        assert now.end == pytest.approx(was.end, abs=1e-6)


def test_what_lies_outside_is_not_drawn() -> None:
    outside = [Note(0, 23, 100, 1), Note(0, 96, 100, 1), Note(4.0, 60, 100, 1)]
    onsets, held = roll_of(outside, GRID, FRAMES)
    assert not onsets.any()
    assert not held.any()


def test_the_surest_of_several_at_once_are_kept() -> None:
    onsets, held = np.zeros((2, 72, 100), np.float32)
    for row, chance in ((10, 0.9), (20, 0.7), (30, 0.8)):
        onsets[row, 49:52] = chance
        held[row, 50:80] = 1
    assert [note.pitch for note in notes_of(onsets, held, GRID, Reading(voices=2))] == [34, 54]
    assert [note.pitch for note in notes_of(onsets, held, GRID, Reading(onset=0.85))] == [34]


def test_a_new_beginning_ends_the_note_before_on_its_key() -> None:
    onsets, held = roll_of([Note(0.5, 60, 100, 2.0), Note(1.5, 60, 100, 1.0)], GRID, FRAMES)
    first, second = notes_of(onsets, held, GRID)
    assert first.end == pytest.approx(second.start)
