"""Notes, and what is played: the reference notes above all."""

from __future__ import annotations

import math
from dataclasses import dataclass

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
