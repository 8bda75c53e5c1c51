"""Whose notes a family plays."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import mido
import numpy as np
import pytest

from synthmatch.audio import Clip
from synthmatch.errors import CheckpointError, NotesError
from synthmatch.matching.parts import LONGEST, Score, parts_of, within
from synthmatch.midi import DRUMS, read_midi, read_parts
from synthmatch.notes import Note
from synthmatch.presets.families import FAMILY_KEYS

TICKS = 480
Row = tuple[str, int, int | None, int]  # name, channel from 1, program from 1, how many notes


def write(path: Path, rows: Sequence[Row], tempos: Sequence[tuple[int, float]] = ((0, 120.0),)) -> Path:
    """A MIDI file of one track per row, each with notes of a beat on every beat; the tempo changes in the first."""
    file = mido.MidiFile(ticks_per_beat=TICKS)
    for number, (name, channel, program, count) in enumerate(rows):
        track = mido.MidiTrack()
        file.tracks.append(track)
        if name:
            track.append(mido.MetaMessage("track_name", name=name))
        if program is not None:
            track.append(mido.Message("program_change", channel=channel - 1, program=program - 1))
        events = [(tick, mido.MetaMessage("set_tempo", tempo=mido.bpm2tempo(bpm))) for tick, bpm in tempos]
        events = [] if number else events
        for beat in range(count):
            on = mido.Message("note_on", note=40 + number, velocity=90, channel=channel - 1)
            off = mido.Message("note_off", note=40 + number, channel=channel - 1)
            events += [(beat * TICKS, on), ((beat + 1) * TICKS, off)]
        now = 0
        for tick, message in sorted(events, key=lambda each: each[0]):
            track.append(message.copy(time=tick - now))
            now = tick
    file.save(path)
    return path


@pytest.fixture
def song(tmp_path: Path) -> Path:
    first, second = (("Deep Bass", 1, 1, 8), ("", 2, 82, 4)), (("Solo", 4, None, 2), ("Grand", 5, 1, 2))
    return write(tmp_path / "song.mid", (*first, ("Drum Kit", 10, None, 16), *second))


def test_parts_are_the_channels_of_tracks(song: Path) -> None:
    parts = read_parts(song)
    told = [(part.number, part.name, part.channel, part.program, len(part.notes)) for part in parts]
    assert told == [
        (1, "Deep Bass", 1, 1, 8),
        (2, "", 2, 82, 4),
        (3, "Drum Kit", DRUMS, None, 16),
        (4, "Solo", 4, None, 2),
        (5, "Grand", 5, 1, 2),
    ]
    assert {note.velocity for part in parts for note in part.notes} == {90}


def test_every_track_follows_every_change_of_tempo(tmp_path: Path) -> None:
    """Two beats at 120 a minute, then beats of 2 s: as mido's own clock has it."""
    path = write(tmp_path / "slower.mid", (("a", 1, None, 4), ("b", 2, None, 4)), ((0, 120.0), (2 * TICKS, 30.0)))
    for part in read_parts(path):
        assert [note.start for note in part.notes] == pytest.approx([0, 0.5, 1.0, 3.0])
        assert part.notes[-1].end == pytest.approx(mido.MidiFile(path).length)
    assert [note.start for note in read_midi(path).notes] == pytest.approx([0, 0, 0.5, 0.5, 1, 1, 3, 3])


def test_names_tell_then_programs_then_drums(song: Path) -> None:
    assigned = Score.read(song).assigned(("bass", "lead", "percussion", "keys", "pad"))
    assert {family: part.number for family, part in assigned.items()} == {"bass": 1, "lead": 4, "percussion": 3}


def test_a_title_over_several_channels_names_none_of_them(tmp_path: Path) -> None:
    """One track for all, as in format 0, is called as the song is: there programs tell the families."""
    track = mido.MidiTrack([mido.MetaMessage("track_name", name="Piano Sonata")])
    for channel, program in ((0, 34), (1, 82)):  # a bass, and a lead
        track.append(mido.Message("program_change", channel=channel, program=program - 1))
        track.append(mido.Message("note_on", channel=channel, note=40 + channel))
        track.append(mido.Message("note_off", channel=channel, note=40 + channel, time=TICKS))
    mido.MidiFile(type=0, tracks=[track]).save(tmp_path / "sonata.mid")
    score = Score.read(tmp_path / "sonata.mid")
    assert {family: part.number for family, part in score.assigned(FAMILY_KEYS).items()} == {"bass": 1, "lead": 2}
    assert score.listed == "1 (Piano Sonata), 2 (Piano Sonata)"
    lone = Score.read(write(tmp_path / "two.mid", (("Piano", 1, None, 2), ("Bass", 2, None, 2)))).assigned(("keys",))
    assert lone["keys"].number == 1


def test_what_is_chosen_comes_first(song: Path) -> None:
    score = Score.read(song, {"bass": "2", "keys": "grand"})
    assigned = score.assigned(("bass", "keys", "lead"))
    assert {family: part.number for family, part in assigned.items()} == {"bass": 2, "keys": 5, "lead": 4}
    assert "pad" not in Score.read(song, {"pad": "1"}).assigned(("bass",))


@pytest.mark.parametrize("wanted", ["9", "no such track", ""])
def test_a_part_that_is_not_there_is_answered_with_those_that_are(song: Path, wanted: str) -> None:
    with pytest.raises(NotesError, match=r"1 \(Deep Bass\), 2 \(no name\), 3 \(Drum Kit\)") as caught:
        Score.read(song, {"bass": wanted})
    assert str(song) in str(caught.value)


def test_a_number_always_chooses_its_part(tmp_path: Path) -> None:
    """Also where it is another track's name: a track without notes, which is no part, makes them differ."""
    rows = (("1", 1, None, 0), ("2", 2, None, 2), ("3", 3, None, 2), ("4", 3, None, 2))
    score = Score.read(write(tmp_path / "numbered.mid", rows))
    assert [(part.number, part.name) for part in score.parts] == [(1, "2"), (2, "3"), (3, "4")]
    assert [score.named(str(number)).number for number in (1, 2, 3)] == [1, 2, 3]
    assert score.named("4").number == 3  # no number, and so a name


def test_a_lone_part_is_everybodys(tmp_path: Path) -> None:
    score = Score.read(write(tmp_path / "one.mid", (("whatever", 3, 49, 2),)))
    assert {part.number for part in score.assigned(("bass", "lead")).values()} == {1}
    assert set(score.assigned(("bass", "lead"))) == {"bass", "lead"}


def test_a_file_without_notes_or_of_pieces_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotesError, match="holds no notes"):
        Score.read(write(tmp_path / "empty.mid", (("bass", 1, None, 0),)))
    pieces = mido.MidiFile(type=2)
    pieces.tracks.append(mido.MidiTrack())
    pieces.save(tmp_path / "pieces.mid")
    with pytest.raises(NotesError, match="format 2"):
        Score.read(tmp_path / "pieces.mid")


def test_a_stretch_cuts_what_rings_across_its_edges() -> None:
    notes = [Note(0.0, 60, 100, 1.5), Note(2.0, 62, 100, 5.0), Note(9.0, 64, 100, 1.0)]
    cut = within(notes, 1.0, 3.0)
    assert cut is not None
    assert [(note.start, note.pitch, note.end) for note in cut.notes] == [(0.0, 60, 0.5), (1.0, 62, 3.0)]
    assert cut.seconds == pytest.approx(3.0)
    assert within(notes, 20.0, 3.0) is None


def clip(seconds: float) -> Clip:
    return Clip(np.full((1, round(seconds * 8000)), 0.1, np.float32), 8000)


def heard(pitch: int) -> Callable[[Clip], Mapping[str, Sequence[Note]]]:
    return lambda clip: {"lead": (Note(0.0, pitch, 100, clip.seconds),), "pad": ()}


def test_given_notes_are_moved_to_the_passage_and_the_rest_is_estimated(song: Path) -> None:
    """The bass plays every half second; the passage starts at 11 s, the file at 10 s."""
    score = Score.read(song, begins=10.0)
    parts = parts_of(clip(2.0), 11.0, ("bass", "pad", "organ"), score, heard(70))
    bass = parts["bass"].notes
    assert bass is not None
    assert [note.start for note in bass.notes] == pytest.approx([0, 0.5, 1.0, 1.5])
    assert not parts["bass"].estimated
    assert "Deep Bass" in parts["bass"].origin
    assert parts["pad"].notes is None
    assert "give them as a MIDI file" in parts["pad"].origin
    silent = parts_of(clip(2.0), 0.0, ("bass",), score, heard(70))["bass"]
    assert silent.notes is None
    assert "silent in this passage" in silent.origin


def test_no_more_is_played_than_is_shown() -> None:
    lead = parts_of(clip(LONGEST + 20), 0.0, ("lead",), None, heard(70))["lead"]
    assert lead.notes is not None
    assert lead.notes.seconds == pytest.approx(LONGEST)


def test_without_a_transcriber_the_page_says_so() -> None:
    def none(_: Clip) -> Mapping[str, Sequence[Note]]:
        raise CheckpointError("There is none.")

    part = parts_of(clip(2.0), 0.0, ("lead",), None, none)["lead"]
    assert (part.notes, part.origin) == (None, "There is none.")
