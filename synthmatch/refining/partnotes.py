"""What a part plays, cut to a passage that is short enough to be played again and again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from synthmatch.audio import Clip, require_audible
from synthmatch.errors import AudioError, InputError, NotesError
from synthmatch.matching.listening import Query, hear
from synthmatch.matching.parts import LONGEST, Estimate, parts_of, within
from synthmatch.notes import Note, Performance
from synthmatch.refining import refinement
from synthmatch.sound.pitch import estimate_pitch

if TYPE_CHECKING:
    from synthmatch.networks.encoder import Encoder

PASSAGE = 5.0
"""Seconds of a part that are heard unless another end is named: two bars or so, in which a preset has shown most of
what it does."""

_VELOCITY = 100
_MOMENT = 0.02  # seconds over which levels are measured, and a note's shortest
_SOUNDING_DB = 40.0  # below the loudest moment, by this much, nothing sounds
_LET_GO_DB = 20.0  # below the loudest moment, by this much, the keys count as let go


def passage(
    clip: Clip,
    performance: Performance,
    start: float | None = None,
    end: float | None = None,
    begins: float = 0.0,
) -> tuple[Clip, Performance]:
    """A passage of a part: its sound, and the notes that sound in it.

    Args:
        clip: the part.
        performance: all of its notes, in the clip's time.
        start, end: of the passage in seconds; by default from the first note on, for ``PASSAGE`` seconds.
        begins: the second of the song at which the clip begins; what is said is said in the song's time.

    Returns:
        The clip from ``start`` on, and the notes in its time; a note that is held across either end is cut there.

    Raises:
        NotesError: no note sounds there.
    """
    start = performance.notes[0].start if start is None else start
    end = min(clip.seconds, start + PASSAGE if end is None else end)
    notes = within(performance.notes, start, end - start)
    if notes is None:
        between = f"{begins + start:g} s and {begins + end:g} s"
        raise NotesError(f"No note sounds between {between}; choose another passage.")
    return clip.between(start, end), notes


def written_down(
    clip: Clip,
    encoder: Encoder,
    family: str,
    start: float | None = None,
    end: float | None = None,
    estimate: Estimate | None = None,
) -> tuple[float, Clip, Performance]:
    """A passage of a song, and what a part of it is heard to play there.

    Args:
        clip: the song.
        encoder: hears where the part is.
        family: of the part.
        start, end: of the passage, in seconds; by default from the first note on that is made out where the family is
            heard most surely, for ``PASSAGE`` seconds. An end alone says up to where that is looked for, and as much
            before it is taken as can be played.
        estimate: writes notes down; the released transcriber if None.

    Returns:
        The second of the song at which the passage begins, the passage, and the notes in its time.

    Raises:
        InputError: the encoder doesn't know the family, or the passage doesn't lie in the song.
        NotesError: no note of the family is made out there.
        AudioError: the song is too short, or silent.
    """
    if family not in encoder.config.families:
        raise InputError(f"This encoder knows no {family}; choose among {', '.join(encoder.config.families)}.")
    begins = start
    if begins is None:
        heard = hear(encoder, Query(clip, end=end))
        begins = float(heard.surest[heard.families.index(family)][0])
    last = clip.seconds if end is None else end
    if start is None or end is None:
        last = min(last, begins + LONGEST)
    stretch = Query(clip, begins, last).passage()
    part = parts_of(stretch, begins, (family,), None, estimate)[family]
    if part.notes is None:
        raise NotesError(part.origin, remedy="midi")
    offset = part.notes.notes[0].start if start is None else 0.0
    stop = None if end is None else stretch.seconds
    if stop is not None and start is None:  # who names an end alone can't know where the passage begins
        stop = min(stop, offset + refinement.LONGEST)
    heard_there, notes = passage(stretch, part.notes, offset, stop, begins)
    return begins + offset, heard_there, notes


def struck_together(
    clip: Clip,
    pitches: Sequence[int] = (),
    held: float | None = None,
    start: float | None = None,
    end: float | None = None,
) -> tuple[Clip, tuple[Performance, ...]]:
    """A sample as one note, or as one chord.

    A sound doesn't tell everything about the keys: whether one is let go when a note has died away, and on which
    octave a preset plays what is heard. So there are several readings of it.

    Args:
        clip: the sample; silence before it is cut off.
        pitches: the MIDI notes that it plays; if there are none, one that is estimated, and its octaves.
        held: seconds for which the keys are held, at most to the passage's end: what comes after it isn't heard. If
            None, until the sound is last within 20 dB of its loudest, or to its end.
        start, end: of the passage in which it lies, in seconds; by default ``PASSAGE`` seconds from its beginning.

    Returns:
        The clip from where the sound begins, and the readings, the likeliest first, whose tails last to its end.

    Raises:
        AudioError: the passage is too short, or silent.
        NotesError: no pitch is given and none is heard, or a value is out of range.
    """
    heard = clip.between(start or 0.0, end)
    require_audible(heard, "The passage")
    begins, let_go = _span(heard)
    heard = heard.between(begins, None if end is not None else begins + PASSAGE)
    whole = heard.seconds
    lengths = dict.fromkeys([min(max(_MOMENT, let_go - begins), whole), whole] if held is None else [min(held, whole)])
    chords = [tuple(pitches)] if pitches else [(pitch,) for pitch in _octaves(_estimated(heard))]
    return heard, tuple(
        Performance(tuple(Note(0.0, pitch, _VELOCITY, length) for pitch in chord), max(0.0, whole - length))
        for chord in chords
        for length in lengths
    )


def _octaves(pitch: int) -> list[int]:
    return [pitch + shift for shift in (0, 12, -12, 24, -24) if 0 <= pitch + shift <= 127]


def _estimated(clip: Clip) -> int:
    pitch = estimate_pitch(clip)
    if pitch is None:
        raise NotesError("Which note sounds can't be told; name it, C3 say, or give a MIDI file.", remedy="notes")
    return pitch


def _span(clip: Clip) -> tuple[float, float]:
    """When the sound begins, and when its keys seem to be let go, in seconds."""
    mono, moment = clip.mono(), max(1, round(_MOMENT * clip.sample_rate))
    blocks = np.pad(mono, (0, -len(mono) % moment)).reshape(-1, moment)
    level = np.sqrt((blocks.astype(np.float64) ** 2).mean(axis=1))
    if not level.any():
        raise AudioError("The passage's channels cancel each other out in mono; give a file with one of them alone.")
    sounding, held = (np.flatnonzero(level > level.max() * 10 ** (-depth / 20)) for depth in (_SOUNDING_DB, _LET_GO_DB))
    seconds = moment / clip.sample_rate
    return int(sounding[0]) * seconds, (int(held[-1]) + 1) * seconds
