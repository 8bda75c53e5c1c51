"""What clients send: kept under names of the server's own, measured, and let go of when there's too much."""

from __future__ import annotations

import secrets
import shutil
import tempfile
import threading
from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from synthmatch import audio
from synthmatch.audio import Clip
from synthmatch.closing import Closing
from synthmatch.errors import AudioError
from synthmatch.web.jobs import Job, Room, Told
from synthmatch.web.limits import Limits, Refusal

_PART = 2**20  # bytes copied at a time
_LONGEST = 120  # letters of a name that are shown


@dataclass(frozen=True)
class Song:
    """A song that was sent.

    Args:
        id: by which it's asked for; nobody can guess it.
        name: what the client calls it: shown, never a path.
        path: where it lies, under a name of the server's own.
        seconds: its length.
        bytes: its size.
    """

    id: str
    name: str
    path: Path
    seconds: float
    bytes: int

    def sound(self, stretch: tuple[float, float] | None = None) -> Clip:
        """What is in it, or from one second of it to another.

        Raises:
            AudioError: it can't be read.
        """
        try:
            return audio.read(self.path) if stretch is None else audio.read_between(self.path, *stretch)
        except AudioError as error:  # its sentence names our file
            raise AudioError(str(error).replace(str(self.path), self.name)) from error

    def to_json(self) -> dict[str, object]:
        """As the API answers it."""
        return {"id": self.id, "name": self.name, "seconds": round(self.seconds, 3)}


class Songs(Closing):
    """The songs that were sent, in a temporary folder that goes with the server."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._folder = Path(tempfile.mkdtemp(prefix="synthmatch-songs-"))
        self._songs: OrderedDict[str, Song] = OrderedDict()
        self._users: Counter[str] = Counter()  # jobs to come, by the song that they need
        self._lock = threading.Lock()

    def take(self, sent: IO[bytes], name: str) -> Song:
        """Keep a song.

        Args:
            sent: its bytes.
            name: what the client calls it.

        Raises:
            AudioError: it isn't sound.
            Refusal: it is too long, or those that are needed leave no room for it.
        """
        key = secrets.token_urlsafe(12)
        path = self._folder / key
        shown = shown_name(name, "the song")
        try:
            with path.open("xb") as file:
                shutil.copyfileobj(sent, file, _PART)
            song = Song(key, shown, path, self._measured(path, shown), path.stat().st_size)
            with self._lock:
                self._make_room(song)
                self._songs[key] = song
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        return song

    def song(self, key: str) -> Song:
        """A song by its id.

        Raises:
            Refusal: there is none.
        """
        with self._lock:
            return self._known(key)

    def begin(self, room: Room, song: Song, work: Callable[[Job], Told]) -> Job:
        """Do something with a song in its turn; until that has ended, the song stays.

        Args:
            room, work: see ``Room.begin``.

        Raises:
            Refusal: the song is gone, or too much is waiting.
        """
        with self._lock:
            self._users[self._known(song.id).id] += 1

        def use(job: Job) -> Told:
            try:
                return work(job)
            finally:
                self._let_go(song)

        try:
            return room.begin(use, lambda: self._let_go(song))
        except BaseException:
            self._let_go(song)
            raise

    def close(self) -> None:
        """Delete them all."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _measured(self, path: Path, name: str) -> float:
        try:
            size = audio.measure(path)
        except AudioError as error:  # its sentence names our file
            raise AudioError(str(error).replace(str(path), name)) from error
        if size.seconds > self._limits.song_seconds:
            minutes = self._limits.song_seconds / 60
            raise Refusal(413, f"{name} lasts {size.seconds / 60:.0f} minutes; at most {minutes:g} are taken.")
        if size.frames * size.channels > self._limits.song_samples:
            raise Refusal(
                413,
                f"{name} has {size.channels} channels at {size.sample_rate} Hz, which is more than can be held;"
                " export it in stereo at 44.1 kHz.",
            )
        return size.seconds

    def _known(self, key: str) -> Song:
        if key not in self._songs:
            raise Refusal(404, "That song is no longer here; send it again.")
        self._songs.move_to_end(key)
        return self._songs[key]

    def _let_go(self, song: Song) -> None:
        with self._lock:
            self._users[song.id] -= 1
            if not self._users[song.id]:
                del self._users[song.id]

    def _make_room(self, coming: Song) -> None:
        """Delete the oldest songs that no job needs, if there are too many with the one that is coming.

        Raises:
            Refusal: that wouldn't do; then none is deleted.
        """
        left, leaving = OrderedDict(self._songs), list[Song]()
        idle = (song for key, song in self._songs.items() if not self._users[key])
        while left and self._too_many(*left.values(), coming):
            old = next(idle, None)
            if old is None:
                raise Refusal(
                    503, "The songs that are being listened to leave no room for another; send it again in a while."
                )
            leaving.append(left.pop(old.id))
        for old in leaving:
            del self._songs[old.id]
            old.path.unlink(missing_ok=True)

    def _too_many(self, *songs: Song) -> bool:
        return len(songs) > self._limits.songs or sum(song.bytes for song in songs) > self._limits.songs_bytes


def shown_name(name: str, otherwise: str) -> str:
    """A client's name of a file as it can be shown: one line, without folders, not too long."""
    return plain_name(name)[:_LONGEST] or otherwise


def plain_name(name: str) -> str:
    """A client's name of a file in one line, without folders, however long."""
    last = name.replace("\\", "/").rpartition("/")[2]
    return "".join(each for each in last if each.isprintable()).strip()
