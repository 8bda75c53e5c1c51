import pytest

from synthmatch.errors import NotesError
from synthmatch.notes import REFERENCE_NOTES, Note, Performance


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
