"""Matches that play the song's own notes: rendered one question after the other, told as they are heard."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from synthmatch.closing import Closing
from synthmatch.errors import NotesError
from synthmatch.matching.auditions import auditioned
from synthmatch.matching.parts import LONGEST, Part, Score, parts_of, released
from synthmatch.matching.results import FamilyMatches, MatchResult
from synthmatch.web.jobs import Job, Room, Told
from synthmatch.web.limits import Limits, Refusal
from synthmatch.web.matching import Answer
from synthmatch.web.shelf import Shelf
from synthmatch.web.takes import Takes
from synthmatch.web.uploads import Songs, shown_name

_PARTS, _TITLE = 100, 60  # of a MIDI file, and letters of their names, that are told


@dataclass(frozen=True)
class Sheet:
    """A MIDI file that was sent.

    Args:
        data: its bytes.
        name: what the client calls it.
        chosen, begins: as for :class:`synthmatch.matching.parts.Score`.
    """

    data: bytes
    name: str
    chosen: Mapping[str, str] = field(default_factory=dict)
    begins: float = 0.0

    def read(self) -> Score:
        """The notes in it.

        Raises:
            NotesError: there are none, or not the part that was chosen.
        """
        shown = shown_name(self.name, "the MIDI file")
        with tempfile.TemporaryDirectory(prefix="synthmatch-midi-") as folder:
            path = Path(folder) / "notes.mid"
            path.write_bytes(self.data)
            try:
                score = Score.read(path, self.chosen, self.begins)
            except NotesError as error:  # its sentence names our file
                raise NotesError(str(error).replace(str(path), shown)) from error
        return replace(score, path=Path(shown))  # from here on it is a name that is told, and no file


class Phrasing(Closing):
    """The room in which phrases are rendered.

    Events of a job: ``stretch`` (from when to when of the song), ``score`` (the parts of the file), ``part`` (what a
    family plays, and where that comes from), ``phrase`` (of one match: it is there, or why it isn't), ``progress``
    (presets rendered), ``done`` (all of it) or ``error``. What was rendered on the same notes before isn't again.

    Each question has hosts of its own, which end with it: between questions no plugin is open.
    """

    def __init__(self, shelf: Shelf, songs: Songs, takes: Takes, limits: Limits) -> None:
        self._shelf, self._songs, self._takes, self._limits = shelf, songs, takes, limits
        self._room = Room("phrases", limits.waiting, limits.remembered, shelf.put_back)
        self._latest: dict[str, Job] = {}  # by match
        self._lock = threading.Lock()

    def begin(self, key: str, answer: Answer, families: Sequence[str], sheet: Sheet | None) -> Job:
        """Render matches in their turn; what was asked for before of the same match is given up.

        Args:
            key: the match's id.
            families: those whose presets are wanted; all if empty.
            sheet: notes that the client gives.

        Raises:
            InputError: a family isn't in the match.
            Refusal: a part is chosen for a family that doesn't play, too many are asked for, the song is gone, or too
                much is waiting.
        """
        result = _of(answer.result, families)
        unplayed = set(sheet.chosen if sheet is not None else ()) - {found.family for found in result}
        if unplayed:
            raise Refusal(
                422, f"A part is chosen for {min(unplayed)}, which isn't to play; ask for it as “family”, too."
            )
        count = sum(map(len, result))
        if count > self._limits.phrases:
            most = self._limits.phrases
            raise Refusal(413, f"{count} phrases are too many at once; ask for fewer families, {most} at most.")
        with self._lock:
            job = self._songs.begin(self._room, answer.song, lambda job: self._play(key, answer, result, sheet, job))
            earlier = self._latest.get(key)
            if earlier is not None:
                earlier.cancel()
            self._latest = {match: each for match, each in self._latest.items() if not each.ended} | {key: job}
        return job

    def give_up(self) -> None:
        """See ``Room.give_up``."""
        self._room.give_up()

    def close(self) -> None:
        """Stop at the next preset."""
        self._room.close()

    def _play(self, key: str, answer: Answer, result: MatchResult, sheet: Sheet | None, job: Job) -> Told:
        score = sheet.read() if sheet is not None else None
        start, end = answer.result.stretch(LONGEST)
        telling = _Telling(job, start, end)
        if score is not None:
            telling.score(score)
        families = [found.family for found in result]
        parts = parts_of(answer.song.sound((start, end)), start, families, score, released)
        for family, part in parts.items():
            if part.notes and len(part.notes.notes) > self._limits.notes:
                raise Refusal(413, f"More than {self._limits.notes} notes of {family} in this passage are too many.")
            telling.part(family, part)
        missing = self._missing(key, result, parts, telling)
        if any(parts[found.family].notes and len(found) for found in missing):
            self._render(key, missing, parts, telling)
        return telling.told

    def _missing(self, key: str, result: MatchResult, parts: Mapping[str, Part], telling: _Telling) -> MatchResult:
        """The matches that haven't played these notes; what they played before is forgotten, the others are told."""
        families = []
        for found in result:
            notes, left = parts[found.family].notes, []
            for match in found:
                place = (key, found.family, match.rank)
                take = self._takes.take(place, notes) if notes is not None else None
                if take is not None:
                    telling.phrase(found.family, match.rank, take.level)
                else:
                    self._takes.drop(place)
                    left.append(match)
            families.append(replace(found, matches=tuple(left)))
        return replace(result, families=tuple(families))

    def _render(self, key: str, result: MatchResult, parts: Mapping[str, Part], telling: _Telling) -> None:
        from synthmatch.renderers.host import plugin_log
        from synthmatch.renderers.pool import RenderPool

        with RenderPool(log=plugin_log()) as pool:
            for family, match, heard in auditioned(self._shelf.library(), result, parts, pool, telling.job.progress):
                notes = parts[family].notes
                if heard.clip is None or notes is None:
                    telling.phrase(family, match.rank, None, heard.reason)
                elif heard.clip.peak == 0:
                    telling.phrase(family, match.rank, None, "It makes no sound on these notes.")
                else:
                    take = self._takes.keep((key, family, match.rank), heard.clip, notes)
                    telling.phrase(family, match.rank, take.level)


class _Telling:
    """What a job tells, and all of it for its end.

    Args:
        start, end: what is played, in seconds of the song.
    """

    def __init__(self, job: Job, start: float, end: float) -> None:
        self.job = job
        stretch = {"start": round(start, 3), "end": round(end, 3)}
        self.told: Told = {"stretch": stretch, "score": [], "families": {}}
        job.tell("stretch", stretch)

    def score(self, score: Score) -> None:
        parts = [{"number": part.number, "title": part.title[:_TITLE]} for part in score.parts[:_PARTS]]
        self.told["score"] = parts
        self.job.tell("score", {"parts": parts})

    def part(self, family: str, part: Part) -> None:
        count = len(part.notes.notes) if part.notes else 0
        what = {"origin": part.origin, "estimated": part.estimated, "notes": count}
        self.job.tell("part", {"family": family, **what})
        self.told["families"][family] = {**what, "phrases": []}

    def phrase(self, family: str, rank: int, level: float | None, reason: str = "") -> None:
        what = {"rank": rank, "level": None if level is None else round(level, 2), "reason": reason}
        self.job.tell("phrase", {"family": family, **what})
        self.told["families"][family]["phrases"].append(what)


def _of(result: MatchResult, families: Sequence[str]) -> MatchResult:
    if not families:
        return result
    chosen: tuple[FamilyMatches, ...] = tuple(result.family(key) for key in dict.fromkeys(families))
    return replace(result, families=chosen)
