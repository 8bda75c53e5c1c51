"""Phrases that were rendered: kept on disk under names of the server's own, and let go of when there are too many."""

from __future__ import annotations

import shutil
import tempfile
import threading
from collections import OrderedDict
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from synthmatch import audio
from synthmatch.audio import Clip
from synthmatch.closing import Closing
from synthmatch.matching.auditions import Audition, Auditions
from synthmatch.matching.parts import Part
from synthmatch.matching.results import Match, More
from synthmatch.notes import Performance
from synthmatch.sound.levels import sounding_level
from synthmatch.web.limits import Limits, Refusal
from synthmatch.web.presets import Heard

Place = tuple[str, str, int]
"""A match: its id, the family, the rank."""


@dataclass(frozen=True)
class Take:
    """How one preset plays some notes.

    Args:
        path: of the sound, FLAC.
        bytes: its size.
        level: in dB of full scale, where it sounds.
        notes: that are played.
    """

    path: Path
    bytes: int
    level: float
    notes: Performance


class Takes(Closing):
    """The phrases, in a temporary folder that goes with the server; any thread may ask for them."""

    def __init__(self, limits: Limits) -> None:
        self._limit = limits.takes_bytes
        self._folder = Path(tempfile.mkdtemp(prefix="synthmatch-takes-"))
        self._numbers = count()
        self._takes: OrderedDict[Place, Take] = OrderedDict()
        self._lock = threading.Lock()  # held while one is read, so that it isn't deleted meanwhile

    def keep(self, place: Place, clip: Clip, notes: Performance) -> Take:
        """Keep a phrase, instead of the one that the match had."""
        path = self._folder / f"{next(self._numbers)}.flac"
        audio.write(path, clip)
        take = Take(path, path.stat().st_size, sounding_level(clip), notes)
        self.drop(place)
        with self._lock:
            self._takes[place] = take
            while len(self._takes) > 1 and sum(each.bytes for each in self._takes.values()) > self._limit:
                _, old = self._takes.popitem(last=False)
                old.path.unlink(missing_ok=True)
        return take

    def drop(self, place: Place) -> None:
        """Forget what a match played, if it did."""
        with self._lock:
            old = self._takes.pop(place, None)
            if old is not None:
                old.path.unlink(missing_ok=True)

    def take(self, place: Place, notes: Performance) -> Take | None:
        """What a match plays, if it is these notes."""
        with self._lock:
            take = self._takes.get(place)
            if take is None or take.notes != notes:
                return None
            self._takes.move_to_end(place)
            return take

    def sound(self, place: Place) -> Heard:
        """A phrase as it is played on the page.

        Raises:
            Refusal: that match has none.
        """
        with self._lock:
            take = self._takes.get(place)
            if take is None:
                raise Refusal(404, "That phrase isn't rendered, or no longer here; ask for it again.")
            return Heard(take.path.read_bytes(), take.level)

    def writer(self, key: str) -> More:
        """What adds ``phrase.flac`` and ``phrase.mid`` to the exported presets of a match.

        Args:
            key: the match's id.
        """

        def write(family: str, match: Match, folder: Path) -> list[Path]:
            with self._lock:
                take = self._takes.get((key, family, match.rank))
                if take is None:
                    return []
                heard = Audition(audio.read(take.path))
            auditions = Auditions({family: Part(take.notes, "")}, {(family, match.preset.id): heard})
            return auditions.writer("flac")(family, match, folder)

        return write

    def close(self) -> None:
        """Delete them all."""
        shutil.rmtree(self._folder, ignore_errors=True)
