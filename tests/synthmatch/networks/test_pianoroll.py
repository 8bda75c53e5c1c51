"""Notes as pictures, and back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthmatch.networks.pianoroll import VELOCITY, Grid, Reading, notes_of, roll_of
from synthmatch.notes import Note

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


def test_one_voice_plays_one_note_at_a_time() -> None:
    onsets, held = roll_of([Note(0.5, 60, 100, 2.0), Note(1.5, 67, 100, 1.0)], GRID, FRAMES)
    first, second = notes_of(onsets, held, GRID, Reading(voices=1))
    assert first.end == pytest.approx(second.start)
    assert notes_of(onsets, held, GRID, Reading(voices=2))[0].end == pytest.approx(2.5)


def test_reading_by_shares_does_not_ask_how_sure_everything_is() -> None:
    notes = (Note(0.5, 60, 100, 0.5), Note(1.5, 64, 100, 1.0))
    onsets, held = roll_of(notes, GRID, FRAMES)
    onsets[5, 100:103] = held[5, 100:160] = 0.3  # a ghost, beside what is sure
    by_shares = Reading(onset=0.05, held=0.01, surest=0.5, fading=0.4)
    for sureness in (1.0, 0.5, 0.2):
        read = notes_of(sureness * onsets, sureness * held, GRID, by_shares)
        assert [note.pitch for note in read] == [60, 64]
        assert [note.end - note.start for note in read] == pytest.approx([0.5, 1.0])


def test_what_is_surest_far_away_does_not_count() -> None:
    onsets, held = roll_of([Note(0.5, 60, 100, 0.5), Note(9.0, 64, 100, 0.5)], GRID, 600)
    onsets[:, :300] *= 0.3
    assert [note.pitch for note in notes_of(onsets, held, GRID, Reading(onset=0.05, surest=0.5))] == [60, 64]


def test_a_note_that_swells_is_not_cut_before_its_peak() -> None:
    onsets, held = roll_of([Note(0.5, 60, 100, 1.0)], GRID, FRAMES)
    held[36, 25:75] = np.linspace(0.2, 1.0, 50)
    held[36, 25:33] = (0.1, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6)
    (note,) = notes_of(onsets, held, GRID, Reading(held=0.01, fading=0.5))
    assert note.end - note.start == pytest.approx(1.0)
