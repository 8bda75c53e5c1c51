"""Reading a preset file at once, if it is no larger than such files are."""

from __future__ import annotations

from pathlib import Path

from synthmatch.errors import PresetError


def read_whole(path: Path, limit: int, kind: str) -> bytes:
    """A file's bytes.

    Args:
        limit: bytes; a whole number of MiB.
        kind: what the format's files are, in the singular: "amsynth bank".

    Raises:
        PresetError: the file can't be read, or is larger.
    """
    try:
        if path.stat().st_size > limit:
            raise PresetError(f"{path} is larger than {limit >> 20} MiB; no {kind} is.")
        return path.read_bytes()
    except OSError as error:
        raise PresetError(f"{path} can't be read ({error.strerror}); check that it is there.") from error
