"""One process at a time in a folder: a library, a run of `render`, recordings."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from synthmatch.errors import FolderBusy, FolderError

LOCK = "lock.sqlite"


@contextmanager
def write_lock(folder: Path, kind: str = "folder") -> Iterator[None]:
    """Keep other processes that ask for the same from writing into a folder while the block runs.

    SQLite's own file lock on every system, let go by the system when the process dies.

    Args:
        kind: what the folder is, for sentences.

    Raises:
        FolderBusy: another process holds it.
        FolderError: the folder can't be written, or its file is no lock.
    """
    lock = folder / LOCK
    unwritable = FolderError(f"The {kind} {folder} can't be written; change that, or name another.", remedy="folder")
    if not os.access(folder, os.W_OK):  # SQLite locks what it can't write
        raise unwritable
    with ExitStack() as stack:
        try:
            connection = sqlite3.connect(lock, isolation_level=None, timeout=0)
            stack.callback(connection.close)
            connection.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            if says_unwritable(error):
                raise unwritable from error
            if says_busy(error):
                raise FolderBusy(
                    f"Another synthmatch is writing into the {kind} {folder}; try again when it has ended."
                ) from error
            raise FolderError(f"{lock} can't be locked ({error}); see to its disk and try again.") from error
        except sqlite3.DatabaseError as error:
            raise FolderError(f"{lock} is damaged; delete it, there is nothing in it.") from error
        yield


def says_unwritable(error: sqlite3.Error) -> bool:
    """Whether a file, or its folder, may not be written."""
    return code_of(error) in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN)


def says_busy(error: sqlite3.Error) -> bool:
    """Whether another process has locked a file."""
    return code_of(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def code_of(error: Exception) -> int:
    """The lower eight bits of SQLite's codes; what Python itself has to complain of has none."""
    code: int = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
    return code & 0xFF
