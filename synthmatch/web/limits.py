"""What the page's server takes on, and what it refuses."""

from __future__ import annotations

import errno
from dataclasses import dataclass

from synthmatch.errors import InputError, LibraryError, PresetError, RenderError, SynthmatchError


@dataclass(frozen=True)
class Limits:
    """How much is too much; with these, a server holds less than 2 GB whatever is asked of it.

    Args:
        upload_bytes: of one request.
        bank_files: files of presets in one request.
        song_seconds: of one song.
        song_samples: of one song, over all channels: 15 minutes of stereo at 48 kHz.
        songs: uploaded songs that are kept; the oldest that isn't being listened to goes first.
        songs_bytes: of all songs on disk.
        waiting: matches, and as many additions, that may wait for their turn.
        remembered: finished jobs and results that can still be asked for.
        matches: presets per family.
        choices: synths, banks, tags and words among whose presets one match is looked for.
        choice_letters: of each of them.
        exports: presets in one zip.
        midi_bytes: of a MIDI file; reading it takes 200 times that.
        phrases: presets that are rendered for one question.
        notes: that a family plays in them.
        takes_bytes: of all rendered phrases on disk.
        connections: at once.
    """

    upload_bytes: int = 300_000_000
    bank_files: int = 200
    song_seconds: float = 900.0
    song_samples: int = 900 * 2 * 48_000
    songs: int = 64
    songs_bytes: int = 2_000_000_000
    waiting: int = 64
    remembered: int = 200
    matches: int = 50
    choices: int = 40
    choice_letters: int = 300
    exports: int = 200
    midi_bytes: int = 1_000_000
    phrases: int = 100
    notes: int = 10_000
    takes_bytes: int = 1_000_000_000
    connections: int = 256


@dataclass(eq=False)
class Refusal(Exception):
    """A request that isn't answered.

    Args:
        status: of HTTP.
        sentence: what is wrong, and what to do.
    """

    status: int
    sentence: str

    def __str__(self) -> str:
        return self.sentence

    def to_json(self) -> dict[str, object]:
        """As the API answers it."""
        return {"error": self.sentence, "status": self.status}

    @classmethod
    def of(cls, error: Exception) -> Refusal:
        """What a client is told of an error; of what isn't raised on purpose, nothing that it could make use of."""
        if isinstance(error, Refusal):
            return error
        if (kept_from := _storing(error)) is not None:
            return cls(*kept_from)
        status = next((status for kind, status in _STATUS if isinstance(error, kind)), 500)
        return cls(status, _UNEXPECTED if status == 500 else " ".join(str(error).split()))


_STATUS: tuple[tuple[type[Exception], int], ...] = (
    (InputError, 422),
    (PresetError, 422),
    (LibraryError, 409),
    (RenderError, 409),
    (SynthmatchError, 400),
)
_UNEXPECTED = "Something went wrong in synthmatch; what it was stands in the terminal where it was started."
# What a client is told of a disk, by the system's number of the error; the error's own words name our files.
_FULL = (507, "That can't be stored on the machine with synthmatch; make room on its disk, and ask again.")
_LOCKED = (409, "A file on the machine with synthmatch may not be read or written by it; change that, and ask again.")
_STORING = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
    errno.EACCES: _LOCKED,
    errno.EPERM: _LOCKED,
    errno.EROFS: _LOCKED,
}


def _storing(error: Exception) -> tuple[int, str] | None:
    if type(error) is OSError and error.errno is None:  # as ``audio.write`` says that it couldn't
        return _FULL
    return _STORING.get(error.errno or 0) if isinstance(error, OSError) else None
