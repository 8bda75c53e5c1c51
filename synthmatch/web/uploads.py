"""What clients send: kept under names of the server's own, measured, and let go of when there's too much."""

from __future__ import annotations

import secrets
import shutil
import tempfile
import threading
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from synthmatch import audio
from synthmatch.audio import Clip
from synthmatch.closing import Closing
from synthmatch.errors import AudioError
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
        self._lock = threading.Lock()

    def take(self, sent: IO[bytes], name: str) -> Song:
        """Keep a song.

        Args:
            sent: its bytes.
            name: what the client calls it.

        Raises:
            AudioError: it isn't sound.
            Refusal: it is too long.
        """
        key = secrets.token_urlsafe(12)
        path = self._folder / key
        shown = shown_name(name, "the song")
        try:
            with path.open("xb") as file:
                shutil.copyfileobj(sent, file, _PART)
            song = Song(key, shown, path, self._measured(path, shown), path.stat().st_size)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        with self._lock:
            self._songs[key] = song
            self._make_room()
        return song

    def song(self, key: str) -> Song:
        """A song by its id.

        Raises:
            Refusal: there is none.
        """
        with self._lock:
            if key not in self._songs:
                raise Refusal(404, "That song is no longer here; send it again.")
            self._songs.move_to_end(key)
            return self._songs[key]

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

    def _make_room(self) -> None:
        while len(self._songs) > 1 and (
            len(self._songs) > self._limits.songs
            or sum(song.bytes for song in self._songs.values()) > self._limits.songs_bytes
        ):
            _, old = self._songs.popitem(last=False)
            old.path.unlink(missing_ok=True)


def shown_name(name: str, otherwise: str) -> str:
    """A client's name of a file as it can be shown: one line, without folders, not too long."""
    return plain_name(name)[:_LONGEST] or otherwise


def plain_name(name: str) -> str:
    """A client's name of a file in one line, without folders, however long."""
    last = name.replace("\\", "/").rpartition("/")[2]
    return "".join(each for each in last if each.isprintable()).strip()
