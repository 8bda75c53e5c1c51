"""Notes and what is played: the only module that knows MIDI files."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
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
    Performance.single(pitch, velocity)
    for pitch, velocity in ((36, 100), (48, 100), (60, 100), (72, 100), (60, 50))
)
"""What every preset of a library is rendered on, whatever its family: 1.5 s held, 0.5 s of tail each."""


def read_midi(path: Path, tail: float = 1.0) -> Performance:
    """Read every note of a MIDI file, all tracks and channels but the drum channel merged.

    Raises:
        NotesError: the file is missing, isn't MIDI, or holds no note.
    """
    import mido

    try:
        messages: Iterable[Any] = list(mido.MidiFile(path))
    except FileNotFoundError as error:
        raise NotesError(f"{path} isn't there; name a MIDI file that exists.") from error
    except Exception as error:  # mido raises OSError, EOFError, ValueError, KeySignatureError, ...
        raise NotesError(f"{path} can't be read as a MIDI file ({error}).") from error
    now = 0.0
    sounding: dict[tuple[int, int], list[tuple[float, int]]] = {}
    notes: list[Note] = []
    for message in messages:
        now += message.time
        if message.type not in ("note_on", "note_off") or message.channel == 9:
            continue
        key = (message.channel, message.note)
        if message.type == "note_on" and message.velocity > 0:
            sounding.setdefault(key, []).append((now, message.velocity))
        elif sounding.get(key):
            start, velocity = sounding[key].pop(0)
            if now > start:
                notes.append(Note(start, message.note, velocity, now - start))
    if not notes:
        raise NotesError(f"{path} holds no notes outside the drum channel; name one with the part's notes.")
    return Performance(tuple(notes), tail)


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
