"""What presets are auditioned with: notes by name, chords, and a few short phrases."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from synthmatch.errors import NotesError
from synthmatch.notes import Note, Performance

_STEPS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_SHIFTS = {"#": 1, "♯": 1, "b": -1, "♭": -1}
_NAME = re.compile(r"(?P<step>[A-Ga-g])(?P<shifts>[#♯b♭]{0,2})(?P<octave>-?\d)")

_BEAT = 0.5  # seconds: 120 beats a minute


@dataclass(frozen=True)
class Phrase:
    """A few notes to audition a preset with.

    Args:
        title: what it is good for, in a few words.
        notes: (beat on which it starts, MIDI pitch, beats held, part of the velocity asked for), 120 beats a minute.
    """

    title: str
    notes: tuple[tuple[float, int, float, float], ...]

    def played(self, velocity: int, tail: float) -> Performance:
        """The phrase as notes.

        Args:
            velocity: MIDI velocity of its loudest notes, 1 to 127.
            tail: seconds to listen after the last one.

        Raises:
            NotesError: the velocity or the tail is out of range.
        """
        notes = (
            Note(start * _BEAT, pitch, round(velocity * part) or velocity, held * _BEAT)
            for start, pitch, held, part in self.notes
        )
        return Performance(tuple(notes), tail)


def _chords(*rows: tuple[float, float, tuple[int, ...]]) -> tuple[tuple[float, int, float, float], ...]:
    return tuple((start, pitch, held, 1.0) for start, held, pitches in rows for pitch in pitches)


PHRASES: Mapping[str, Phrase] = MappingProxyType(
    {
        "bass": Phrase(
            "a bass line in C minor, two bars",
            (
                *((0.0, 36, 0.9, 1.0), (1.0, 36, 0.4, 0.8), (1.5, 48, 0.4, 0.9), (2.5, 43, 0.4, 0.8)),
                *((3.0, 46, 0.9, 1.0), (4.0, 32, 0.9, 1.0), (5.5, 44, 0.4, 0.9), (6.0, 34, 1.9, 1.0)),
            ),
        ),
        "lead": Phrase(
            "a lead line in C minor that ends on a long note, two bars",
            (
                *((0.0, 72, 0.5, 1.0), (0.5, 75, 0.5, 0.8), (1.0, 79, 1.4, 1.0), (2.5, 77, 0.5, 0.8)),
                *((3.0, 75, 0.5, 0.9), (3.5, 74, 0.5, 0.8), (4.0, 72, 3.0, 1.0)),
            ),
        ),
        "arpeggio": Phrase(
            "sixteenths up and down a C minor chord, one bar",
            tuple(
                (place * 0.25, pitch, 0.2, 0.7 if place % 4 else 1.0)
                for place, pitch in enumerate((48, 51, 55, 60, 63, 67, 72, 75, 79, 75, 72, 67, 63, 60, 55, 51))
            ),
        ),
        "chords": Phrase(
            "four chords in C major, two beats each",
            _chords(
                (0.0, 1.9, (48, 60, 64, 67)),
                (2.0, 1.9, (45, 60, 64, 69)),
                (4.0, 1.9, (41, 60, 65, 69)),
                (6.0, 1.9, (43, 59, 62, 67)),
            ),
        ),
        "hits": Phrase(
            "short hits as of a drum, from low to high, each hard and soft",
            tuple(
                (place * 1.0, pitch, 0.2, part)
                for place, (pitch, part) in enumerate((pitch, part) for pitch in (36, 48, 60) for part in (1.0, 0.5))
            ),
        ),
    }
)
"""The phrases by name."""


def pitch_of(text: str) -> int:
    """The MIDI note number that a musician means: ``"60"``, ``"C4"`` (middle C, 60 as well), ``"F#3"``, ``"Bb2"``.

    Raises:
        NotesError: it is no note, or none between 0 (C-1) and 127 (G9).
    """
    text = text.strip()
    named = _NAME.fullmatch(text)
    if named:
        shift = sum(_SHIFTS[sign] for sign in named["shifts"])
        pitch = 12 * (int(named["octave"]) + 1) + _STEPS[named["step"].upper()] + shift
    elif re.fullmatch(r"\d{1,3}", text, re.ASCII):
        pitch = int(text)
    else:
        raise NotesError(f"{text!r} is no note; write it like C4 (middle C), F#3, Bb2 or 60.")
    if not 0 <= pitch <= 127:
        raise NotesError(f"The note {text} lies outside MIDI's range; choose one from C-1 (0) to G9 (127).")
    return pitch


def pitches_of(text: str) -> tuple[int, ...]:
    """The notes of a chord, written with commas between them: ``"C3,E3,G3"``.

    Raises:
        NotesError: one of them is no note.
    """
    return tuple(dict.fromkeys(pitch_of(part) for part in text.split(",")))


def chord(pitches: Sequence[int], velocity: int = 100, held: float = 2.0, tail: float = 1.0) -> Performance:
    """Notes struck together.

    Raises:
        NotesError: no note, or a value out of range.
    """
    return Performance(tuple(Note(0.0, pitch, velocity, held) for pitch in pitches), tail)


def one_by_one(pitches: Sequence[int], velocity: int = 100, held: float = 2.0, tail: float = 1.0) -> Performance:
    """Notes struck one after the other, each held for ``held`` seconds and left to ring for ``tail`` seconds.

    Raises:
        NotesError: no note, or a value out of range.
    """
    notes = (Note(place * (held + tail), pitch, velocity, held) for place, pitch in enumerate(pitches))
    return Performance(tuple(notes), tail)


def phrase(name: str, velocity: int = 100, tail: float = 1.0) -> Performance:
    """One of ``PHRASES``.

    Raises:
        NotesError: no phrase has that name, or a value is out of range.
    """
    if name not in PHRASES:
        raise NotesError(f"No phrase is called {name}; choose one of {', '.join(PHRASES)}.")
    return PHRASES[name].played(velocity, tail)
