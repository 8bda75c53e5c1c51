from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthmatch.errors import NotesError
from synthmatch.notes import REFERENCE_NOTES, Note, Performance, Stroke


def test_the_reference_notes():
    played = [(each.notes[0].pitch, each.notes[0].velocity, each.notes[0].duration) for each in REFERENCE_NOTES]
    assert played == [(36, 100, 1.5), (48, 100, 1.5), (60, 100, 1.5), (72, 100, 1.5), (60, 50, 1.5)]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ((0, 128, 100, 1), "pitch is 128"),
        ((0, -1, 100, 1), "pitch is -1"),
        ((0, 60, 0, 1), "velocity is 0"),
        ((-1, 60, 100, 1), "starts at -1"),
        ((0, 60, 100, 0), "lasts 0"),
        ((float("nan"), 60, 100, 1), "starts at nan"),
        ((0, 60, 100, float("inf")), "lasts inf"),
    ],
)
def test_notes_out_of_range_are_refused(values, message):
    with pytest.raises(NotesError, match=message):
        Note(*values)


def test_a_performance_is_sorted_and_ends_with_its_tail():
    late, early = Note(2.0, 60, 100, 0.5), Note(0.0, 62, 100, 3.0)
    performance = Performance((late, early), tail=0.25)
    assert performance.notes == (early, late)
    assert performance.seconds == 3.25
    with pytest.raises(NotesError, match="at least one"):
        Performance(())


def repeats(count: int, seconds: float) -> Performance:
    """Notes of one pitch, each of which ends where the next begins."""
    starts = [place * seconds for place in range(count + 1)]
    return Performance(tuple(Note(start, 60, 100, end - start) for start, end in pairwise(starts)))


@given(
    count=st.integers(1, 60),
    seconds=st.sampled_from((0.03, 0.4, 0.1, 1 / 3, 0.5 / 44_100)) | st.floats(1e-4, 1),
    rate=st.sampled_from((8_000, 44_100, 48_000, 96_000)) | st.integers(8_000, 192_000),
)
def test_a_note_that_ends_where_the_next_begins_ends_on_that_very_sample(count, seconds, rate):
    strokes = repeats(count, seconds).strokes(rate)
    assert all(before.last == after.first for before, after in pairwise(strokes))
    assert all(stroke.first < stroke.last for stroke in strokes)
    if seconds * rate >= 1:
        assert [stroke.first for stroke in strokes] == [round(place * seconds * rate) for place in range(count)]


def test_keys_held_together_stay_so_in_samples():
    notes = (Note(0.0, 60, 100, 1.0), Note(0.5, 60, 90, 0.25), Note(0.5, 64, 80, 1e-9))
    strokes = Performance(notes).strokes(100)
    assert strokes == (Stroke(0, 100, 60, 100), Stroke(50, 75, 60, 90), Stroke(50, 51, 64, 80))


def test_a_note_that_is_over_before_a_sample_has_passed_does_not_end_the_next_one():
    notes = (Note(0.5, 60, 90, 1e-9), Note(0.5 + 1e-9, 60, 100, 0.5))
    assert Performance(notes).strokes(100) == (Stroke(50, 100, 60, 100),)
