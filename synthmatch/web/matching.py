"""Matches on the server: one after the other, by a warm encoder on a warm library, told as they are found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from synthmatch.audio import ENCODER_RATE, Clip
from synthmatch.closing import Closing
from synthmatch.errors import EncoderMismatch
from synthmatch.library.choice import EVERYTHING, Choice
from synthmatch.matching.listening import WINDOW, Floats, Heard, Query
from synthmatch.matching.matcher import Matcher
from synthmatch.matching.results import FamilyMatches, MatchResult
from synthmatch.presets.families import FAMILIES
from synthmatch.sound.levels import sounding_level
from synthmatch.web.jobs import Job, Room, Told
from synthmatch.web.limits import Limits, Refusal
from synthmatch.web.shelf import Shelf
from synthmatch.web.uploads import Song, Songs

if TYPE_CHECKING:
    from synthmatch.networks.encoder import Encoder
    from synthmatch.web.atlas import Atlas


@dataclass(frozen=True)
class Asked:
    """What a client wants to have matched; arguments as for ``Matcher.match``."""

    song: Song
    start: float = 0.0
    end: float | None = None
    families: tuple[str, ...] = ()
    k: int = 5
    single: bool = False
    choice: Choice = EVERYTHING


@dataclass(frozen=True)
class Answer:
    """What was found in a song, and the passage's timbre: (D,), of unit length."""

    song: Song
    result: MatchResult
    timbre: Floats


class Matching(Closing):
    """The room in which songs are matched.

    Events of a job: ``progress`` (windows heard), ``level`` (of the passage, in dB, where it sounds), ``presence``
    (of every family), ``family`` (one with its matches), ``place`` (on the map, if there is one), ``done`` (all of it,
    as ``match --json`` has it) or ``error``.
    """

    def __init__(self, shelf: Shelf, encoder: Encoder, atlas: Atlas, songs: Songs, limits: Limits) -> None:
        self._shelf, self._encoder, self._atlas, self._songs, self._limits = shelf, encoder, atlas, songs, limits
        self._room = Room("matching", limits.waiting, limits.remembered, shelf.put_back)
        self._decoded: tuple[str, Clip] | None = None  # the last song: other passages of it come next
        self._ready: Matcher | None = None  # of the library that the room's thread has open

    def warm(self) -> Job:
        """Let the first client wait no longer than the others."""
        return self._room.begin(self._rehearse)

    def begin(self, asked: Asked) -> Job:
        """Match a song in its turn.

        Raises:
            Refusal: too many are asked for, the song is gone, or too much is waiting.
        """
        if asked.k > self._limits.matches:
            raise Refusal(422, f"{asked.k} matches are too many; ask for at most {self._limits.matches} per family.")
        return self._songs.begin(self._room, asked.song, lambda job: self._match(asked, job))

    def job(self, key: str) -> Job:
        """A match by its id; see ``Room.job``."""
        return self._room.job(key)

    def answer(self, key: str) -> Answer:
        """What was found.

        Raises:
            Refusal: nothing of that id, or not yet.
        """
        answer = self.job(key).result
        if not isinstance(answer, Answer):
            raise Refusal(404, "That match has found nothing; ask for it again.")
        return answer

    def give_up(self) -> None:
        """See ``Room.give_up``."""
        self._room.give_up()

    def close(self) -> None:
        """Stop."""
        self._room.close()

    def _match(self, asked: Asked, job: Job) -> Told:
        clip = self._clip(asked.song)
        query = Query(clip, asked.start, asked.end, asked.families, asked.song.name, asked.choice)
        matcher = self._matcher()
        matcher.check(query, asked.k)
        job.tell("level", {"decibels": round(sounding_level(query.passage()), 2)})
        heard = matcher.hear(query, job.progress)
        job.tell("presence", {"families": presences(heard)})
        found: list[FamilyMatches] = []
        for family in matcher.find(query, heard, asked.k, asked.single):
            found.append(family)
            job.tell("family", {"family": family.family, **family.to_json()})
        place = self._atlas.place(matcher.library, heard.timbre)
        if place is not None:
            job.tell("place", place)
        result = matcher.result(query, tuple(found))
        job.result = Answer(asked.song, result, heard.timbre)
        told: Told = result.to_json()
        return told

    def _matcher(self) -> Matcher:
        """One for each library that is opened, since to compare encoders takes as long as to listen: whatever changes a
        library has it opened anew, and nothing trains the encoder here."""
        library = self._shelf.library()
        if self._ready is None or self._ready.library is not library:
            self._ready = None  # before the next one is made: it holds on to the library of before
            try:
                self._ready = Matcher(library, self._encoder)
            except EncoderMismatch as error:  # it fitted when the server began
                raise Refusal(
                    409, "The library was embedded anew by another encoder; start `synthmatch serve` again."
                ) from error
        return self._ready

    def _clip(self, song: Song) -> Clip:
        if self._decoded is None or self._decoded[0] != song.id:
            self._decoded = None  # before the next one is read: two at once may be more than there's room for
            self._decoded = (song.id, song.sound())
        return self._decoded[1]

    def _rehearse(self, _job: Job) -> Told:
        import torch

        noise = np.random.default_rng(0).standard_normal(round(WINDOW * ENCODER_RATE)).astype(np.float32)
        with torch.inference_mode():
            self._encoder.embed(torch.from_numpy(noise[None] * np.float32(0.1)))
        self._matcher()
        return {}


def presences(heard: Heard) -> list[dict[str, object]]:
    """How probable each family is, in the table's order, as the page shows it."""
    return [
        {"family": family, "title": FAMILIES[family].title, "presence": round(float(chance), 4)}
        for family, chance in zip(heard.families, heard.presence, strict=True)
    ]
