from __future__ import annotations

import numpy as np
import pytest

from synthmatch.audio import Clip
from synthmatch.errors import AudioError, InputError, NotesError
from synthmatch.networks.encoder import Encoder
from synthmatch.notes import Note, Performance
from synthmatch.refining.partnotes import PASSAGE, passage, struck_together, written_down
from synthmatch.refining.refinement import LONGEST

RATE = 22_050
NOTES = Performance(tuple(Note(float(start), 40 + start, 100, 0.9) for start in range(2, 12)))


def clip(seconds: float, begin: float = 0.0, held: float | None = None, hertz: float = 220.0) -> Clip:
    """A sine that begins late, and rings out over half a second after it was held."""
    time = np.arange(round(seconds * RATE)) / RATE - begin
    held = seconds if held is None else held
    level = np.where(time < held, 1.0, np.exp(-10 * (time - held))) * (time >= 0)
    return Clip((0.5 * level * np.sin(2 * np.pi * hertz * time)).astype(np.float32)[None], RATE)


def test_a_passage_begins_with_the_first_note() -> None:
    heard, notes = passage(clip(20), NOTES)
    assert heard.seconds == pytest.approx(PASSAGE)
    assert notes.seconds == pytest.approx(PASSAGE)
    assert [(note.start, note.pitch) for note in notes.notes] == [(0, 42), (1, 43), (2, 44), (3, 45), (4, 46)]


def test_notes_are_cut_at_both_ends() -> None:
    heard, notes = passage(clip(20), NOTES, 3.5, 5.25)
    assert heard.seconds == pytest.approx(1.75, abs=1e-3)
    spans = [(note.pitch, note.start, note.duration) for note in notes.notes]
    assert spans == [(43, 0.0, pytest.approx(0.4)), (44, 0.5, pytest.approx(0.9)), (45, 1.5, pytest.approx(0.25))]
    assert notes.tail == pytest.approx(0, abs=1e-3)


def test_a_passage_ends_with_the_song() -> None:
    heard, notes = passage(clip(4), NOTES)
    assert heard.seconds == pytest.approx(notes.seconds) == pytest.approx(2.0)


def test_a_passage_without_notes_is_refused() -> None:
    with pytest.raises(NotesError, match="No note sounds between 0 s and 1 s; choose another passage"):
        passage(clip(20), NOTES, 0, 1)
    with pytest.raises(NotesError, match="No note sounds between 2 s"):
        passage(clip(1), NOTES)
    with pytest.raises(NotesError, match="No note sounds between 4 s and 2 s"):
        passage(clip(20), Performance((Note(1.0, 40, 100, 9.0),)), 4.0, 2.0)


def test_a_sample_is_read_as_a_note_from_where_it_begins() -> None:
    heard, readings = struck_together(clip(3, begin=0.5, held=1.0))
    assert heard.seconds == pytest.approx(2.5, abs=0.03)
    likeliest = readings[0]
    assert likeliest.notes[0].pitch == 57
    assert likeliest.notes[0].duration == pytest.approx(1.23, abs=0.05)  # 20 dB down, 0.23 s after the key
    assert {note.pitch for each in readings for note in each.notes} == {33, 45, 57, 69, 81}
    assert all(each.seconds == pytest.approx(heard.seconds) for each in readings)
    assert {round(each.tail, 3) for each in readings} == {0, round(likeliest.tail, 3)}


def test_what_is_named_is_not_guessed() -> None:
    heard, readings = struck_together(clip(2), (48, 55), held=0.7)
    (only,) = readings
    assert [(note.pitch, note.duration) for note in only.notes] == [(48, 0.7), (55, 0.7)]
    assert only.seconds == pytest.approx(heard.seconds)
    assert {note.pitch for each in struck_together(clip(2), (48,))[1] for note in each.notes} == {48}


def test_a_long_sample_is_heard_in_part() -> None:
    assert struck_together(clip(9, begin=1.0))[0].seconds == pytest.approx(PASSAGE)
    assert struck_together(clip(9), start=2.0, end=8.5)[0].seconds == pytest.approx(6.5)


def test_keys_that_are_held_longer_than_is_heard_are_held_to_the_end() -> None:
    for sample in (clip(9), clip(3)):  # longer than a passage, and cut off while the key is down
        heard, (only,) = struck_together(sample, (57,), held=8.0)
        assert only.seconds == pytest.approx(heard.seconds)
        assert (only.notes[0].duration, only.tail) == (heard.seconds, 0)


def test_what_has_no_pitch_must_be_named() -> None:
    noise = Clip(np.random.default_rng(0).normal(0, 0.1, (1, RATE)).astype(np.float32), RATE)
    with pytest.raises(NotesError, match="name it, C3 say, or give a MIDI file"):
        struck_together(noise)
    assert struck_together(noise, (60,))[1]


def test_silence_is_refused() -> None:
    with pytest.raises(AudioError, match="The passage is silent"):
        struck_together(clip(3, begin=2.0), end=1.5)


def test_channels_that_cancel_each_other_out_are_refused() -> None:
    sine = clip(2).samples
    with pytest.raises(AudioError, match="channels cancel each other out"):
        struck_together(Clip(np.concatenate([sine, -sine]), RATE), (57,))


def test_a_part_of_a_song_is_written_down_from_its_first_note(encoder: Encoder) -> None:
    """What writes the notes down is a stand-in here: it hears a note of the bass in every second."""
    asked: list[float] = []

    def estimate(heard: Clip) -> dict[str, list[Note]]:
        asked.append(heard.seconds)
        return {"bass": [Note(second + 0.5, 40 + second, 100, 0.4) for second in range(int(heard.seconds))]}

    song = clip(50)
    begins, heard, notes = written_down(song, encoder, "bass", estimate=estimate)
    assert asked == [pytest.approx(30.0, abs=0.01)]  # at most so much, from where the family is heard most surely
    assert begins % 5 == pytest.approx(0.5)
    assert heard.seconds == pytest.approx(PASSAGE)
    assert [(note.start, note.pitch) for note in notes.notes] == [(second, 40 + second) for second in range(5)]
    begins, heard, notes = written_down(song, encoder, "bass", 10.0, 12.0, estimate)
    assert (begins, heard.seconds) == (10.0, pytest.approx(2.0))
    assert [(note.start, note.pitch) for note in notes.notes] == [(0.5, 40), (1.5, 41)]
    for end in (20.0, 45.0):  # bounds the search; what follows the first note is more than can be played
        begins, heard, notes = written_down(song, encoder, "bass", None, end, estimate)
        assert begins + notes.seconds <= end
        assert heard.seconds == pytest.approx(notes.seconds, abs=1e-3)
        assert PASSAGE < notes.seconds <= LONGEST
    with pytest.raises(NotesError, match=r"No note sounds between 32\.5 s and 37\.5 s"):  # in the song's time
        written_down(song, encoder, "bass", 32.5, None, lambda _: {"bass": [Note(7.0, 40, 100, 1.0)]})
    with pytest.raises(NotesError, match="No notes of lead could be made out"):
        written_down(song, encoder, "lead", estimate=estimate)
    with pytest.raises(InputError, match=r"ends at 50\.00 s, before the passage at 60\.0 s"):
        written_down(song, encoder, "bass", 60.0, None, estimate)
