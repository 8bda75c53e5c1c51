"""Note names, chords and the built-in phrases."""

from __future__ import annotations

from itertools import pairwise

import pytest

from synthmatch.errors import NotesError
from synthmatch.notes import Note
from synthmatch.phrases import PHRASES, chord, one_by_one, phrase, pitch_of, pitches_of


@pytest.mark.parametrize(
    ("text", "pitch"),
    [
        *(("C4", 60), ("60", 60), ("A4", 69), ("C-1", 0), ("G9", 127), ("0", 0), ("127", 127), (" e3 ", 52)),
        *(("F#3", 54), ("Gb3", 54), ("bb2", 46), ("B♭2", 46), ("Cb4", 59), ("B#3", 60), ("C##4", 62), ("Dbb4", 60)),
    ],
)
def test_notes_go_by_name_and_number(text: str, pitch: int) -> None:
    assert pitch_of(text) == pitch


def test_every_note_has_a_name() -> None:
    names = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
    assert [pitch_of(f"{names[pitch % 12]}{pitch // 12 - 1}") for pitch in range(128)] == list(range(128))


@pytest.mark.parametrize("text", ["", "H4", "C", "4C", "-1", "60.0", "C4 E4", "C###4", "x", "٦٠"])
def test_what_is_no_note(text: str) -> None:
    with pytest.raises(NotesError, match=r"is no note; write it like C4 \(middle C\)"):
        pitch_of(text)


@pytest.mark.parametrize("text", ["128", "Cb-1", "G#9", "999"])
def test_notes_beyond_midi(text: str) -> None:
    with pytest.raises(NotesError, match="outside MIDI's range"):
        pitch_of(text)


def test_a_chord_is_struck_at_once() -> None:
    played = chord(pitches_of("C3, E3,G3,E3"), velocity=90, held=1.5, tail=0.5)
    assert played.notes == tuple(Note(0.0, pitch, 90, 1.5) for pitch in (48, 52, 55))
    assert played.seconds == 2.0


def test_notes_one_by_one_ring_out_before_the_next() -> None:
    played = one_by_one((36, 60), velocity=100, held=2.0, tail=1.0)
    assert played.notes == (Note(0.0, 36, 100, 2.0), Note(3.0, 60, 100, 2.0))
    assert played.seconds == 6.0


@pytest.mark.parametrize("name", PHRASES)
def test_every_phrase_can_be_played(name: str) -> None:
    loud, soft = phrase(name, 127, 1.0), phrase(name, 1, 1.0)
    assert max(note.velocity for note in loud.notes) == 127
    assert {note.velocity for note in soft.notes} == {1}
    assert loud.notes[0].start == 0
    assert 2 <= loud.seconds <= 6
    assert len({(note.start, note.pitch) for note in loud.notes}) == len(loud.notes)
    by_pitch = sorted((note.pitch, note.start, note.end) for note in loud.notes)
    for (pitch, _, end), (following, start, _) in pairwise(by_pitch):
        assert pitch != following or end <= start  # a key is let go before it is struck again


def test_an_unknown_phrase_is_refused_with_the_choice() -> None:
    with pytest.raises(NotesError, match="No phrase is called solo; choose one of bass, lead"):
        phrase("solo")
