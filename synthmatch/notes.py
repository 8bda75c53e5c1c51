"""Notes and what is played: the only module that knows MIDI files."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from synthmatch.errors import NotesError


@dataclass(frozen=True, slots=True, order=True)
class Note:
    """One note.

    Args:
        start: seconds from the beginning, at least 0.
        pitch: MIDI note number, 0 to 127 (60 is middle C).
        velocity: MIDI velocity, 1 to 127.
        duration: seconds the key is held, more than 0.

    Raises:
        NotesError: a value is out of range or not finite.
    """

    start: float
    pitch: int
    velocity: int
    duration: float

    def __post_init__(self) -> None:
        if not 0 <= self.pitch <= 127:
            raise NotesError(f"A note's pitch is {self.pitch}; MIDI pitches go from 0 to 127.")
        if not 1 <= self.velocity <= 127:
            raise NotesError(f"A note's velocity is {self.velocity}; MIDI velocities go from 1 to 127.")
        if not (math.isfinite(self.start) and self.start >= 0):
            raise NotesError(f"A note starts at {self.start} s; it can't start before 0.")
        if not (math.isfinite(self.duration) and self.duration > 0):
            raise NotesError(f"A note lasts {self.duration} s; it must last longer than 0.")

    @property
    def end(self) -> float:
        """Seconds at which the key is let go."""
        return self.start + self.duration


@dataclass(frozen=True, slots=True)
class Performance:
    """Notes played on one preset, and how long to listen after the last key is let go.

    Args:
        notes: sorted by start on construction; at least one.
        tail: seconds rendered after the last note's end, at least 0.
    """

    notes: tuple[Note, ...]
    tail: float = 0.5

    def __post_init__(self) -> None:
        if not self.notes:
            raise NotesError("A performance needs at least one note.")
        if not (math.isfinite(self.tail) and self.tail >= 0):
            raise NotesError(f"A performance's tail is {self.tail} s; it can't be negative.")
        object.__setattr__(self, "notes", tuple(sorted(self.notes)))

    @property
    def seconds(self) -> float:
        """Length of the rendered sound in seconds."""
        return max(note.end for note in self.notes) + self.tail

    @classmethod
    def single(cls, pitch: int, velocity: int, held: float = 1.5, tail: float = 0.5) -> Performance:
        """One note from time 0."""
        return cls((Note(0.0, pitch, velocity, held),), tail)


REFERENCE_NOTES: tuple[Performance, ...] = tuple(
    Performance.single(pitch, velocity) for pitch, velocity in ((36, 100), (48, 100), (60, 100), (72, 100), (60, 50))
)
"""What every preset of a library is rendered on, whatever its family: 1.5 s held, 0.5 s of tail each."""


_SUSTAIN = 64  # the controller of the sustain pedal, which is down from the value 64 on

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
    """

    number: int
    name: str
    channel: int
    program: int | None
    notes: tuple[Note, ...]

    @property
    def title(self) -> str:
        """What people may call it."""
        return f"part {self.number}" + (f" ({self.name})" if self.name else "")


def read_midi(path: Path, tail: float = 1.0) -> Performance:
    """Read every note of a MIDI file, all tracks and channels but the drum channel merged.

    Raises:
        NotesError: the file is missing, isn't MIDI, or holds no note.
    """
    notes = [note for part in read_parts(path) if part.channel != DRUMS for note in part.notes]
    if not notes:
        raise NotesError(f"{path} holds no notes outside the drum channel; name one with the part's notes.")
    return Performance(tuple(notes), tail)


def read_parts(path: Path) -> tuple[MidiPart, ...]:
    """Read a MIDI file part by part, in the order of its tracks; those without a note are left out.

    Keys that are let go while the sustain pedal is down sound until it comes up, until they are struck again, or to the
    end of the track. A note that isn't let go isn't one.

    Raises:
        NotesError: the file is missing or isn't MIDI, or its tracks are pieces of their own (format 2), or it has no
            beats.
    """
    import mido

    try:
        file = mido.MidiFile(path)
    except FileNotFoundError as error:
        raise NotesError(f"{path} isn't there; name a MIDI file that exists.") from error
    except Exception as error:  # mido raises OSError, EOFError, ValueError, KeySignatureError, ...
        raise NotesError(f"{path} can't be read as a MIDI file ({error}).") from error
    if file.type == 2:
        raise NotesError(f"{path} holds pieces that aren't played together (format 2); export it in format 1.")
    if file.ticks_per_beat <= 0:
        raise NotesError(f"{path} counts frames instead of beats (SMPTE); export it with a tempo.")
    clock = _Clock(file)
    found = [part for track in file.tracks for part in _track_parts(track, clock)]
    return tuple(replace(part, number=number) for number, part in enumerate(found, 1))


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


def _track_parts(track: Iterable[Any], clock: _Clock) -> Iterator[MidiPart]:
    """The parts of one track, by channel; their numbers are still to come."""
    tick, name = 0, ""
    programs: dict[int, int] = {}
    channels: dict[int, _Channel] = {}
    for message in track:
        tick += message.time
        if message.type in ("track_name", "instrument_name"):
            name = name or _in_words(message.name)
        elif message.type == "program_change":
            programs.setdefault(message.channel, message.program + 1)
        elif message.type in ("note_on", "note_off", "control_change"):
            channels.setdefault(message.channel, _Channel()).hear(message, clock(tick))
    for number, channel in sorted(channels.items()):
        channel.lift(clock(tick))
        if channel.notes:
            yield MidiPart(0, name, number + 1, programs.get(number), tuple(sorted(channel.notes)))


class _Channel:
    """What one channel of a track plays: keys go down and come up, and so does the sustain pedal."""

    def __init__(self) -> None:
        self.notes: list[Note] = []
        self._down: dict[int, list[tuple[float, int]]] = {}  # by pitch: when it was struck, and the velocity
        self._held: dict[int, list[tuple[float, int]]] = {}  # let go, but the pedal holds them
        self._pedal = False

    def hear(self, message: Any, now: float) -> None:
        """Follow a message at a time in seconds."""
        if message.type == "control_change":
            if message.control == _SUSTAIN:
                self._pedal = message.value >= 64
                if not self._pedal:
                    self.lift(now)
        elif message.type == "note_on" and message.velocity > 0:
            self._end(message.note, self._held.pop(message.note, []), now)
            self._down.setdefault(message.note, []).append((now, message.velocity))
        elif self._down.get(message.note):
            struck = self._down[message.note].pop(0)
            if self._pedal:
                self._held.setdefault(message.note, []).append(struck)
            else:
                self._end(message.note, [struck], now)

    def lift(self, now: float) -> None:
        """End what only the pedal holds."""
        while self._held:
            self._end(*self._held.popitem(), now)

    def _end(self, pitch: int, struck: Iterable[tuple[float, int]], now: float) -> None:
        self.notes += [Note(start, pitch, velocity, now - start) for start, velocity in struck if now > start]


def write_midi(path: Path, performance: Performance, ticks_per_second: int = 960) -> None:
    """Write a performance as a one-track MIDI file at 120 beats a minute (times round to 1/960 s)."""
    import mido

    from synthmatch.files import atomic_path

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
