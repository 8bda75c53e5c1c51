"""Which notes each part of a song plays: a MIDI file says it, or they are estimated from the sound."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from synthmatch.audio import Clip
from synthmatch.errors import CheckpointError, NotesError
from synthmatch.matching.results import ANY
from synthmatch.midi import DRUMS, MidiPart, read_parts
from synthmatch.notes import Note, Performance
from synthmatch.presets.families import BY_PROGRAM, FAMILIES
from synthmatch.presets.labels import family_of_name
from synthmatch.words import counted

LONGEST = 30.0
"""Seconds of a passage whose notes are played at most."""

_UNCHOSEN = 1  # the General MIDI program that is written where nobody chose
_SHORTEST = 0.02  # seconds that are left of a note at a passage's edge, or it isn't played

Estimate = Callable[[Clip], Mapping[str, Sequence[Note]]]
"""Writes down what each family plays in a clip."""


@dataclass(frozen=True)
class Part:
    """What one family plays.

    Args:
        notes: with a tail up to the passage's end; None where nobody knows any.
        origin: where they come from, or why there are none: one sentence.
        estimated: whether they were heard rather than given.
    """

    notes: Performance | None
    origin: str
    estimated: bool = False


@dataclass(frozen=True)
class Score:
    """Notes that a user gives.

    Args:
        path: of the MIDI file.
        parts: of it, from :func:`synthmatch.midi.read_parts`.
        chosen: the part of a family, by the family's key: a number, or a track's name.
        begins: the second of the song at which the file begins.
    """

    path: Path
    parts: tuple[MidiPart, ...]
    chosen: Mapping[str, str] = field(default_factory=dict)
    begins: float = 0.0

    @classmethod
    def read(cls, path: Path, chosen: Mapping[str, str] | None = None, begins: float = 0.0) -> Score:
        """Read a MIDI file.

        Raises:
            NotesError: it can't be read, holds no notes, or lacks a part that was chosen.
        """
        parts = read_parts(path)
        if not parts:
            raise NotesError(f"{path} holds no notes; name a file with the parts' notes.")
        score = cls(path, parts, dict(chosen or {}), begins)
        for wanted in score.chosen.values():
            score.named(wanted)
        return score

    def named(self, wanted: str) -> MidiPart:
        """The part of that number, or else the one whose track has that name.

        Raises:
            NotesError: there is none, or more than one.
        """
        word = wanted.strip().casefold()
        # The number first: where tracks are called "1", "2", ... it may be another part's name.
        found = [part for part in self.parts if word == str(part.number)]
        found = found or [part for part in self.parts if word and word == part.name.casefold()]
        if len(found) != 1:
            how = "more than one part" if found else "no part"
            raise NotesError(f"{self.path} has {how} called {wanted!r}; choose one by its number: {self.listed}.")
        return found[0]

    @property
    def listed(self) -> str:
        """The numbers of its parts, each with its track's name."""
        return ", ".join(f"{part.number} ({part.name or 'no name'})" for part in self.parts)

    def assigned(self, families: Sequence[str]) -> dict[str, MidiPart]:
        """Which part each family plays, of those that one is found for.

        What was chosen comes first. A file with one part has that of every family. Else a part belongs to the family
        that its name tells, if it is alone on its track, or else its program, unless that is the first one, which
        programs write where nobody chose; drums belong to percussion when nothing else does. Of several parts the one
        with most notes counts.
        """
        free = [family for family in families if family not in self.chosen]
        found = {family: self.named(wanted) for family, wanted in self.chosen.items() if family in families}
        if len(self.parts) == 1:
            return found | dict.fromkeys(free, self.parts[0])
        for family in free:
            for telling in (_named, _programmed, _drummed):
                fitting = [part for part in self.parts if telling(part) == family]
                if fitting:
                    found[family] = max(fitting, key=lambda part: len(part.notes))
                    break
        return found


def _named(part: MidiPart) -> str:
    """The family of a part's name, if it is its own: in a file with a single track, that is the song's title."""
    return "" if part.channel == DRUMS or part.shared else family_of_name(part.name)


def _programmed(part: MidiPart) -> str:
    """The family of a part's program, unless its name tells another one."""
    told = part.channel != DRUMS and part.program not in (None, _UNCHOSEN) and not _named(part)
    return BY_PROGRAM.get(part.program or 0, "") if told else ""


def _drummed(part: MidiPart) -> str:
    return "percussion" if part.channel == DRUMS else ""


def parts_of(
    passage: Clip, start: float, families: Sequence[str], score: Score | None, estimate: Estimate | None
) -> dict[str, Part]:
    """What some families play in the first ``LONGEST`` seconds of a passage.

    Args:
        passage: what is listened to.
        start: the second of the song at which it starts.
        families: their keys; :data:`synthmatch.matching.results.ANY` for a sound of no particular family.
        score: what the user gave, if anything.
        estimate: writes down what the score doesn't have; the released transcriber if None.

    Returns:
        A part of each family, in their order.
    """
    seconds = min(passage.seconds, LONGEST)
    given = score.assigned(families) if score is not None else {}
    found = {family: _given(score, part, start, seconds) for family, part in given.items() if score is not None}
    missing = [family for family in families if family not in found]
    if missing:
        found |= _estimated(passage.between(0, seconds), missing, estimate or released)
    return {family: found[family] for family in families}


def released(clip: Clip) -> Mapping[str, Sequence[Note]]:
    """What the released transcriber writes down.

    Raises:
        CheckpointError: this copy of synthmatch has none.
    """
    from synthmatch.networks.transcriber import Transcriber

    return Transcriber.released().transcribe(clip)


def within(notes: Sequence[Note], start: float, seconds: float) -> Performance | None:
    """The notes of a stretch, counted from its beginning; those that ring across its edges are cut there.

    Args:
        start: of the stretch, in the time of the notes.
        seconds: its length.

    Returns:
        With a tail up to the end of the stretch; None where nothing plays.
    """
    cut = []
    for note in notes:
        first, last = max(0.0, note.start - start), min(seconds, note.end - start)
        if last - first >= _SHORTEST:
            cut.append(replace(note, start=first, duration=last - first))
    if not cut:
        return None
    return Performance(tuple(cut), tail=max(0.0, seconds - max(note.end for note in cut)))


def _given(score: Score, part: MidiPart, start: float, seconds: float) -> Part:
    notes = within(part.notes, start - score.begins, seconds)
    where = f"{score.path.name}, {part.title}"
    if notes is None:
        return Part(None, f"{where} is silent in this passage.")
    return Part(notes, f"Your notes: {where}.")


def _estimated(clip: Clip, families: Sequence[str], estimate: Estimate) -> dict[str, Part]:
    try:
        heard = estimate(clip)
    except CheckpointError as error:
        return dict.fromkeys(families, Part(None, str(error), estimated=True))
    return {family: _heard(heard.get(family, ()), family, clip.seconds) for family in families}


def _heard(notes: Sequence[Note], family: str, seconds: float) -> Part:
    played = within(notes, 0.0, seconds)
    what = "it" if family == ANY else FAMILIES[family].title.lower()
    if played is None:
        return Part(None, f"No notes of {what} could be made out; give them as a MIDI file.", estimated=True)
    return Part(played, f"{counted(len(played.notes), 'note')}, estimated from the sound.", estimated=True)
