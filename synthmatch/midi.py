"""MIDI files, read part by part and written: the only module that knows them."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from synthmatch.errors import NotesError
from synthmatch.files import atomic_path
from synthmatch.notes import Note, Performance

_SUSTAIN = 64  # the controller of the sustain pedal, which is down from the value 64 on

_TOGETHER = 0.005  # seconds between strokes of one key that are one: tracks of a file may be off by a few ticks

DRUMS = 10
"""The MIDI channel, from 1, whose keys are drums instead of pitches."""


@dataclass(frozen=True)
class MidiPart:
    """What one channel of one track of a MIDI file plays.

    Args:
        number: of the part in its file, from 1.
        name: of the track or its instrument, or "".
        channel: from 1.
        program: the General MIDI program that it names first, 1 to 128; None where it names none.
        notes: in order; at least one.
        shared: whether other channels of its track play as well, so that the name is theirs, too.
    """

    number: int
    name: str
    channel: int
    program: int | None
    notes: tuple[Note, ...]
    shared: bool = False

    @property
    def title(self) -> str:
        """What people may call it."""
        return f"part {self.number}" + (f" ({self.name})" if self.name else "")


def read_midi(path: Path, tail: float = 1.0) -> Performance:
    """Read every note of a MIDI file, all tracks and channels but the drum channel merged.

    Of the notes of one pitch, whichever parts they come from, each ends before the next begins: see ``one_at_a_time``.

    Raises:
        NotesError: the file is missing, isn't MIDI, or holds no note.
    """
    notes = [note for part in read_parts(path) if part.channel != DRUMS for note in part.notes]
    if not notes:
        raise NotesError(f"{path} holds no notes outside the drum channel; name one with the part's notes.")
    return Performance(one_at_a_time(notes), tail)


def one_at_a_time(notes: Iterable[Note]) -> tuple[Note, ...]:
    """What a single keyboard plays of notes that several hands play: a key that is down can't go down again.

    Plugins that hear a key struck twice let it go when it is let go first. So strokes within 5 ms are one, as loud as
    the loudest; a later one ends what sounds of its pitch, and goes on for as long as any of them holds the key.

    Returns:
        The notes in order; of one pitch, none begins before the one before it ends.

    >>> one_at_a_time([Note(0.0, 60, 80, 1.0), Note(0.0, 60, 90, 0.25)])
    (Note(start=0.0, pitch=60, velocity=90, duration=1.0),)
    >>> [(note.start, note.end) for note in one_at_a_time([Note(0.0, 60, 80, 2.0), Note(0.5, 60, 80, 0.5)])]
    [(0.0, 0.5), (0.5, 2.0)]
    """
    apart: list[Note] = []
    last: dict[int, int] = {}  # by pitch: the place of its latest note
    for note in sorted(notes):
        place = last.get(note.pitch)
        if place is not None and apart[place].end > note.start:
            before = apart[place]
            if note.start - before.start <= _TOGETHER:
                longest, loudest = max(before.end, note.end), max(before.velocity, note.velocity)
                apart[place] = replace(before, velocity=loudest, duration=longest - before.start)
                continue
            apart[place] = replace(before, duration=note.start - before.start)
            if before.end > note.end:
                note = replace(note, duration=before.end - note.start)
        last[note.pitch] = len(apart)
        apart.append(note)
    return tuple(apart)


def read_parts(path: Path) -> tuple[MidiPart, ...]:
    """Read a MIDI file part by part, in the order of its tracks; those without a note are left out.

    Keys that are let go while the sustain pedal is down sound until it comes up, until they are struck again, or to the
    end of the track. The pedal, like the program, is the channel's in all tracks of one name, the staves of a piano.
    A note that isn't let go isn't one; those of one pitch come ``one_at_a_time``.

    Raises:
        NotesError: the file is missing or isn't MIDI, or its tracks are pieces of their own (format 2), or it has no
            beats.
    """
    import mido

    try:
        file = mido.MidiFile(path)
    except FileNotFoundError as error:
        raise NotesError(f"{path} isn't there; name a MIDI file that exists.") from error
    except EOFError as error:
        raise NotesError(f"{path} is empty or cut short; name a whole MIDI file.") from error
    except Exception as error:  # mido raises OSError, ValueError, KeySignatureError, ...
        raise NotesError(f"{path} can't be read as a MIDI file ({error}).") from error
    if file.type == 2:
        raise NotesError(f"{path} holds pieces that aren't played together (format 2); export it in format 1.")
    if file.ticks_per_beat <= 0:
        raise NotesError(f"{path} counts frames instead of beats (SMPTE); export it with a tempo.")
    return tuple(replace(part, number=number) for number, part in enumerate(_parts(file), 1))


def _in_words(name: str) -> str:
    """A track's name, which mido takes for Latin-1, as MIDI has it; most programs write UTF-8 today."""
    try:
        return name.encode("latin-1").decode("utf-8").strip()
    except UnicodeError:
        return name.strip()


class _Clock:
    """Ticks of a MIDI file as seconds; its tempo may change, in any track."""

    def __init__(self, file: Any) -> None:
        import mido

        changes = []
        for track in file.tracks:
            tick = 0
            for message in track:
                tick += message.time
                if message.type == "set_tempo":
                    changes.append((tick, message.tempo))
        self._ticks: list[int] = [0]
        self._seconds: list[float] = [0.0]
        self._length: list[float] = [mido.tick2second(1, file.ticks_per_beat, 500_000)]  # of a tick, from there on
        for tick, tempo in sorted(changes, key=lambda each: each[0]):
            self._seconds.append(self(tick))
            self._ticks.append(tick)
            self._length.append(mido.tick2second(1, file.ticks_per_beat, tempo))

    def __call__(self, tick: int) -> float:
        place = bisect_right(self._ticks, tick) - 1
        return self._seconds[place] + (tick - self._ticks[place]) * self._length[place]


# A port, a channel from 0, and a track's name: tracks that share all three, such as the staves of a piano, speak of one
# instrument. Of the port and channel alone they don't: many programs put every instrument on the first channel.
_Line = tuple[int, int, str]


@dataclass(frozen=True)
class _Event:
    """A message of a MIDI file, at a tick from its beginning, in a track that is counted from 0."""

    tick: int
    track: int
    line: _Line
    message: Any


def _parts(file: Any) -> Iterator[MidiPart]:
    """The parts of all tracks, by channel; their numbers are still to come."""
    clock = _Clock(file)
    names, ends, events = _events(file)
    programs: dict[_Line, int] = {}
    pedals: dict[_Line, bool] = {}
    pedal_ends: dict[_Line, int] = {}
    own_programs: dict[tuple[int, _Line], int] = {}
    played: dict[tuple[int, _Line], _Channel] = {}
    for event in events:
        message, place = event.message, (event.track, event.line)
        if message.type == "program_change":
            programs.setdefault(event.line, message.program + 1)
            own_programs.setdefault(place, message.program + 1)
        elif message.type == "control_change":
            pedals[event.line] = message.value >= 64
            pedal_ends[event.line] = max(ends[event.track], pedal_ends.get(event.line, 0))
            for (_, line), channel in played.items():
                if line == event.line:
                    channel.press(pedals[line], clock(event.tick))
        else:
            if place not in played:
                played[place] = _Channel(pedals.get(event.line, False))
            played[place].hear(message, clock(event.tick))
    for (track, line), channel in played.items():
        # What another track's pedal holds may sound for longer than its own track lasts.
        channel.lift(clock(max(ends[track], pedal_ends.get(line, 0))))
    playing = {place: channel for place, channel in sorted(played.items()) if channel.notes}
    shared = Counter(track for track, _ in playing)
    for (track, line), channel in playing.items():
        program, notes = own_programs.get((track, line), programs.get(line)), one_at_a_time(channel.notes)
        yield MidiPart(0, names[track], line[1] + 1, program, notes, shared=shared[track] > 1)


def _events(file: Any) -> tuple[list[str], list[int], list[_Event]]:
    """Each track's name and last tick, and what all of them say of keys, pedals and programs, in order; at the same
    tick, one track after the other."""
    names, ends, events = [], [], []
    for number, track in enumerate(file.tracks):
        tick, port = 0, 0
        called = (_in_words(each.name) for each in track if each.type in ("track_name", "instrument_name"))
        name = next(filter(None, called), "")
        for message in track:
            tick += message.time
            if message.type == "midi_port":
                port = message.port
            elif message.type in ("note_on", "note_off", "program_change") or message.is_cc(_SUSTAIN):
                events.append(_Event(tick, number, (port, message.channel, name), message))
        names.append(name)
        ends.append(tick)
    return names, ends, sorted(events, key=lambda event: event.tick)


class _Channel:
    """What one channel of a track plays: keys go down and come up, and so does the sustain pedal."""

    def __init__(self, pedal: bool) -> None:
        self.notes: list[Note] = []
        self._down: dict[int, list[tuple[float, int]]] = {}  # by pitch: when it was struck, and the velocity
        self._held: dict[int, list[tuple[float, int]]] = {}  # let go, but the pedal holds them
        self._pedal = pedal

    def hear(self, message: Any, now: float) -> None:
        """Follow what a key does at a time in seconds."""
        if message.type == "note_on" and message.velocity > 0:
            self._end(message.note, self._held.pop(message.note, []), now)
            self._down.setdefault(message.note, []).append((now, message.velocity))
        elif self._down.get(message.note):
            struck = self._down[message.note].pop(0)
            if self._pedal:
                self._held.setdefault(message.note, []).append(struck)
            else:
                self._end(message.note, [struck], now)

    def press(self, down: bool, now: float) -> None:
        """Put the pedal down, or let it come up."""
        self._pedal = down
        if not down:
            self.lift(now)

    def lift(self, now: float) -> None:
        """End what only the pedal holds."""
        while self._held:
            self._end(*self._held.popitem(), now)

    def _end(self, pitch: int, struck: Iterable[tuple[float, int]], now: float) -> None:
        self.notes += [Note(start, pitch, velocity, now - start) for start, velocity in struck if now > start]


def write_midi(path: Path, performance: Performance, ticks_per_second: int = 960) -> None:
    """Write a performance as a one-track MIDI file at 120 beats a minute (times round to 1/960 s)."""
    import mido

    events: list[tuple[int, int, int, int]] = []  # (tick, 0 off | 1 on, pitch, velocity): offs before ons
    for note in performance.notes:
        start = round(note.start * ticks_per_second)
        end = max(start + 1, round(note.end * ticks_per_second))
        events += [(start, 1, note.pitch, note.velocity), (end, 0, note.pitch, 0)]
    file = mido.MidiFile(ticks_per_beat=ticks_per_second // 2)
    track = mido.MidiTrack()
    file.tracks.append(track)
    track.append(mido.MetaMessage("set_tempo", tempo=500_000, time=0))
    now = 0
    for tick, on, pitch, velocity in sorted(events):
        kind = "note_on" if on else "note_off"
        track.append(mido.Message(kind, note=pitch, velocity=velocity, time=tick - now))
        now = tick
    with atomic_path(path) as temporary:
        file.save(temporary)
