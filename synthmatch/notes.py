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
class Stroke:
    """A key that goes down and comes up again, in whole samples from the beginning.

    Args:
        first: where it goes down.
        last: where it comes up, at least one sample later.
        pitch, velocity: as of a ``Note``.
    """

    first: int
    last: int
    pitch: int
    velocity: int


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

    def strokes(self, sample_rate: int) -> tuple[Stroke, ...]:
        """The notes as a synth plays them, in the order in which they start.

        A moment is rounded once, to the nearest sample, whatever sum of seconds it comes from. So a note that ends
        where the next of its pitch begins ends there, not a sample later, which would let go the next one: an overlap
        of a sample is none. A note whose every sample would be the next one's is left out.

        >>> touching = Performance((Note(0.0, 60, 90, 0.3), Note(0.3, 60, 80, 0.3)))
        >>> [(stroke.first, stroke.last) for stroke in touching.strokes(44_100)]
        [(0, 13230), (13230, 26460)]
        """
        strokes: list[Stroke] = []
        following: dict[int, int] = {}  # by pitch: where it is struck next
        for note in reversed(self.notes):
            first = round(note.start * sample_rate)
            last = max(first + 1, round(note.end * sample_rate))
            again = following.get(note.pitch, last)
            if last - again == 1:
                last = again
            if first < last:
                strokes.append(Stroke(first, last, note.pitch, note.velocity))
                following[note.pitch] = first
        return tuple(reversed(strokes))

    @classmethod
    def single(cls, pitch: int, velocity: int, held: float = 1.5, tail: float = 0.5) -> Performance:
        """One note from time 0."""
        return cls((Note(0.0, pitch, velocity, held),), tail)


REFERENCE_NOTES: tuple[Performance, ...] = tuple(
    Performance.single(pitch, velocity) for pitch, velocity in ((36, 100), (48, 100), (60, 100), (72, 100), (60, 50))
)
"""What every preset of a library is rendered on, whatever its family: 1.5 s held, 0.5 s of tail each."""
