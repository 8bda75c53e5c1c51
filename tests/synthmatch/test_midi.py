import os
from itertools import pairwise
from pathlib import Path

import mido
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthmatch.errors import NotesError
from synthmatch.midi import one_at_a_time, read_midi, read_parts, write_midi
from synthmatch.notes import Note, Performance

TICK = 1 / 960
notes = st.builds(
    Note,
    start=st.floats(0, 20),
    pitch=st.integers(0, 127),
    velocity=st.integers(1, 127),
    duration=st.floats(2 * TICK, 3),
)


@given(st.lists(notes, min_size=1, max_size=12, unique_by=lambda note: note.pitch))
def test_notes_come_back_from_a_midi_file(tmp_path_factory, played):
    path = tmp_path_factory.mktemp("midi") / "notes.mid"
    write_midi(path, Performance(tuple(played)))
    again = read_midi(path).notes
    by_pitch = sorted(played, key=lambda note: note.pitch)
    for before, after in zip(by_pitch, sorted(again, key=lambda note: note.pitch), strict=True):
        assert (after.pitch, after.velocity) == (before.pitch, before.velocity)
        assert abs(after.start - before.start) <= TICK
        assert abs(after.end - before.end) <= 2 * TICK


def test_drums_are_left_out(tmp_path):
    file = mido.MidiFile()
    track = mido.MidiTrack()
    file.tracks.append(track)
    for kind in ("note_on", "note_off"):
        track.append(mido.Message(kind, channel=9, note=36, velocity=100, time=100))
    path = tmp_path / "drums.mid"
    file.save(path)
    with pytest.raises(NotesError, match="no notes outside the drum channel"):
        read_midi(path)


def test_the_sustain_pedal_holds_notes_until_it_comes_up_or_they_are_struck_again(tmp_path):
    """Beats of 0.5 s; two keys let go under the pedal, one of them struck again; another channel has no pedal."""
    events = [
        (0, "control_change", {"control": 64, "value": 100}),
        (0, "note_on", {"note": 60, "velocity": 80}),
        (0, "note_on", {"note": 40, "velocity": 70, "channel": 1}),
        (1, "note_off", {"note": 60}),
        (0, "note_off", {"note": 40, "channel": 1}),
        (0, "note_on", {"note": 67, "velocity": 90}),
        (1, "note_off", {"note": 67}),
        (1, "note_on", {"note": 60, "velocity": 81}),  # beat 3
        (1, "control_change", {"control": 64, "value": 63}),  # beat 4: 60 is down, 67 was held
        (1, "note_off", {"note": 60}),
        (0, "control_change", {"control": 64, "value": 127}),
        (0, "note_on", {"note": 72, "velocity": 60}),
        (1, "note_off", {"note": 72}),
        (2, "control_change", {"control": 1, "value": 1}),  # beat 8: the track ends with the pedal down
    ]
    file = mido.MidiFile(ticks_per_beat=480)
    file.tracks.append(mido.MidiTrack(mido.Message(kind, time=480 * beats, **said) for beats, kind, said in events))
    file.save(tmp_path / "pedal.mid")
    piano, other = read_parts(tmp_path / "pedal.mid")
    expected = [Note(0.0, 60, 80, 1.5), Note(0.5, 67, 90, 1.5), Note(1.5, 60, 81, 1.0), Note(2.5, 72, 60, 1.5)]
    assert list(piano.notes) == expected
    assert other.notes == (Note(0.0, 40, 70, 0.5),)


def write(path, *tracks, **settings):
    """A MIDI file of tracks of (beats since the message before, kind, what it says); a beat is 0.5 s."""
    file = mido.MidiFile(ticks_per_beat=480, **settings)
    for events in tracks:
        track = [
            (mido.MetaMessage if kind in ("midi_port", "track_name") else mido.Message)(
                kind, time=round(480 * beats), **said
            )
            for beats, kind, said in events
        ]
        file.tracks.append(mido.MidiTrack(track))
    file.save(path)
    return path


def key(pitch, beats, velocity=80, wait=0, **said):
    """A key that goes down after some beats, and is held for some."""
    said = {"note": pitch, **said}
    return [(wait, "note_on", {"velocity": velocity, **said}), (beats, "note_off", said)]


def pedal(beats, value, **said):
    return (beats, "control_change", {"control": 64, "value": value, **said})


def test_a_pedal_holds_the_notes_of_its_channel_in_every_track(tmp_path):
    """Not those of another channel, nor of that channel on another port; and for longer than their track lasts."""
    pedals = [pedal(0, 127), (0, "program_change", {"program": 4}), pedal(4, 0), (2, "note_off", {"note": 1})]
    other = [(0, "midi_port", {"port": 1}), *key(62, 1)]
    after = [(0, "program_change", {"program": 8}), *key(65, 1, wait=4)]
    path = write(tmp_path / "tracks.mid", key(60, 1), pedals, key(61, 1, channel=1), other, after)
    told = [(part.channel, part.program, *part.notes) for part in read_parts(path)]
    assert told == [
        (1, 5, Note(0.0, 60, 80, 2.0)),
        (2, None, Note(0.0, 61, 80, 0.5)),
        (1, None, Note(0.0, 62, 80, 0.5)),
        (1, 9, Note(2.0, 65, 80, 0.5)),
    ]


def test_a_pedal_holds_no_other_instrument_that_a_program_put_on_the_same_channel(tmp_path):
    """Staves of a piano share a name; instruments that all play on the first channel don't."""
    named = {each: (0, "track_name", {"name": each}) for each in ("Piano", "Bass")}
    pedals = [named["Piano"], (0, "program_change", {"program": 4}), pedal(0, 127), *key(60, 1), pedal(3, 0)]
    staff, bass = [named["Piano"], *key(48, 1)], [named["Bass"], *key(36, 1)]
    told = [
        (part.name, part.program, *part.notes) for part in read_parts(write(tmp_path / "a.mid", pedals, staff, bass))
    ]
    assert told == [
        ("Piano", 5, Note(0.0, 60, 80, 2.0)),
        ("Piano", 5, Note(0.0, 48, 80, 2.0)),
        ("Bass", None, Note(0.0, 36, 80, 0.5)),
    ]


def test_a_pedal_that_stays_down_holds_to_the_end_of_the_tracks_that_have_a_say(tmp_path):
    longer = key(40, 20, channel=1)
    (alone, _) = read_parts(write(tmp_path / "own.mid", [pedal(0, 127), *key(60, 1), pedal(1, 127)], longer))
    assert alone.notes == (Note(0.0, 60, 80, 1.0),)
    (apart, _) = read_parts(write(tmp_path / "apart.mid", key(60, 1), [pedal(0, 127), pedal(6, 127)], longer))
    assert apart.notes == (Note(0.0, 60, 80, 3.0),)


def test_a_key_that_several_parts_strike_is_one_key(tmp_path):
    """Struck together, the longest and loudest counts; struck later, it ends the one before and is held as long."""
    together = write(tmp_path / "together.mid", key(60, 0.5, 70), key(60, 2.5, 60, wait=4 / 480, channel=1))
    (note,) = read_midi(together).notes
    assert (note.start, note.pitch, note.velocity) == (0.0, 60, 70)
    assert note.end == pytest.approx(1.25 + 2 / 480)
    assert len(read_parts(together)) == 2  # each part for itself is as it was written
    path = write(tmp_path / "later.mid", [*key(60, 4, 70), *key(62, 1)], [*key(60, 1, 90, wait=1), *key(60, 4, 50)])
    assert read_midi(path).notes == (
        Note(0.0, 60, 70, 0.5),
        Note(0.5, 60, 90, 0.5),
        Note(1.0, 60, 50, 2.0),
        Note(2.0, 62, 80, 0.5),
    )
    nested = write(tmp_path / "nested.mid", key(60, 4, 70), key(60, 1, 90, wait=1))
    assert read_midi(nested).notes == (Note(0.0, 60, 70, 0.5), Note(0.5, 60, 90, 1.5))


crowded = st.builds(
    Note, start=st.floats(0, 1), pitch=st.integers(60, 61), velocity=st.integers(1, 127), duration=st.floats(TICK, 1)
)


@given(st.lists(crowded, min_size=1, max_size=8))
def test_the_same_keys_are_down_whoever_strikes_them(played):
    apart = one_at_a_time(played)
    assert list(apart) == sorted(apart)
    for pitch in {note.pitch for note in played}:
        written = [note for note in played if note.pitch == pitch]
        alone = [note for note in apart if note.pitch == pitch]
        assert all(note.end <= after.start + 1e-9 for note, after in pairwise(alone))
        assert max(note.end for note in alone) == pytest.approx(max(note.end for note in written))
        for moment in (note.start + share * note.duration for note in written for share in (0.1, 0.9)):
            assert any(note.start < moment < note.end + 1e-9 for note in alone)
    assert one_at_a_time(apart) == apart


def test_files_that_are_not_midi_are_named(tmp_path):
    with pytest.raises(NotesError, match="isn't there"):
        read_midi(tmp_path / "gone.mid")
    (tmp_path / "text.mid").write_text("not music")
    with pytest.raises(NotesError, match=r"text\.mid can't be read as a MIDI file"):
        read_midi(tmp_path / "text.mid")
    whole = write(tmp_path / "whole.mid", key(60, 1))
    (tmp_path / "cut.mid").write_bytes(whole.read_bytes()[:-5])
    for path in (tmp_path / "cut.mid", Path(os.devnull)):
        with pytest.raises(NotesError, match=rf"{path} is empty or cut short; name a whole MIDI file\.$"):
            read_midi(path)


@pytest.mark.parametrize("raw", ["Bäss".encode(), "Bäss".encode("latin-1")])
def test_a_track_is_called_what_its_program_wrote(tmp_path, raw):
    track = mido.MidiTrack([mido.MetaMessage("track_name", name=raw.decode("latin-1"))])
    track += [mido.Message("note_on", note=60, velocity=90), mido.Message("note_off", note=60, time=480)]
    path = tmp_path / "named.mid"
    mido.MidiFile(tracks=[track]).save(path)
    assert [part.name for part in read_parts(path)] == ["Bäss"]
