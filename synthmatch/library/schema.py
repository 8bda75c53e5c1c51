"""A library's SQLite file: how it is opened, what is said where it fails, its tables, and how an older file gets those
that it lacks."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar, cast

import numpy as np

from synthmatch.errors import LibraryError
from synthmatch.locking import code_of, says_unwritable
from synthmatch.sound.soundprint import Print, cell

PATIENCE = 30.0
"""Seconds to wait for another process that has locked the file: it does so for moments."""

VERSION = 2
"""Of the tables, in SQLite's ``user_version``; files from before they were numbered have 0."""

TABLES = """
CREATE TABLE IF NOT EXISTS states (
    id TEXT PRIMARY KEY,
    synth TEXT NOT NULL,
    status TEXT NOT NULL DEFAULT 'pending',
    failure TEXT NOT NULL DEFAULT '',      -- a value of renderers.renderer.Failure
    reason TEXT NOT NULL DEFAULT '',
    renderer TEXT NOT NULL DEFAULT '',     -- fingerprint of what rendered it, or failed to
    gains TEXT NOT NULL DEFAULT '[]',      -- what each note's stored samples are multiplied by, as JSON
    bounds TEXT NOT NULL DEFAULT '[]',     -- frame at which each note ends, as JSON
    bytes INTEGER NOT NULL DEFAULT 0       -- of the sound file
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS listings (
    number INTEGER PRIMARY KEY,
    state TEXT NOT NULL REFERENCES states(id),
    name TEXT NOT NULL,
    bank TEXT NOT NULL,
    file TEXT NOT NULL,
    slot INTEGER NOT NULL,
    family TEXT NOT NULL,
    label_source TEXT NOT NULL,
    category TEXT NOT NULL,
    author TEXT NOT NULL,
    comment TEXT NOT NULL,
    tags TEXT NOT NULL,                    -- JSON
    UNIQUE (file, slot)
);
CREATE INDEX IF NOT EXISTS listings_by_state ON listings(state);
CREATE TABLE IF NOT EXISTS heard (         -- what a state's sound is compared by (soundprint.py, census.py)
    state TEXT PRIMARY KEY,
    print BLOB NOT NULL,
    digest TEXT NOT NULL,
    spread REAL                            -- dB between two renders; NULL if it was rendered once
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS measures (      -- how a state sounds, in numbers (descriptors.py)
    state TEXT PRIMARY KEY,
    version INTEGER NOT NULL,
    numbers TEXT NOT NULL                  -- JSON
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS rates (
    synth TEXT PRIMARY KEY,
    states INTEGER NOT NULL,
    seconds REAL NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS cells (         -- where prints lie, so that near ones are found without reading all
    cell TEXT NOT NULL,                    -- soundprint.cell
    state TEXT NOT NULL,
    PRIMARY KEY (cell, state)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS unsettled (     -- states whose vectors may be out of line with their rows
    state TEXT PRIMARY KEY
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS listings_by_bank ON listings(bank);
CREATE INDEX IF NOT EXISTS states_by_synth ON states(synth, status);
CREATE INDEX IF NOT EXISTS states_by_status ON states(status);
CREATE INDEX IF NOT EXISTS heard_by_digest ON heard(digest);
CREATE INDEX IF NOT EXISTS heard_twice ON heard(spread) WHERE spread IS NOT NULL;
"""


_Method = TypeVar("_Method", bound=Callable[..., Any])


def _told(method: _Method) -> _Method:
    """A cursor's method that says in our sentences what is wrong with the file. Broken constraints stay what they are,
    and so do mistakes of ours."""

    @wraps(method)
    def telling(cursor: _Cursor, *arguments: Any) -> Any:
        try:
            return method(cursor, *arguments)
        except (sqlite3.IntegrityError, sqlite3.ProgrammingError):
            raise
        except sqlite3.DatabaseError as error:
            assert isinstance(cursor.connection, Connection)
            raise cursor.connection.told(error) from error

    return cast(_Method, telling)


class _Cursor(sqlite3.Cursor):
    execute = _told(sqlite3.Cursor.execute)
    executemany = _told(sqlite3.Cursor.executemany)
    fetchone = _told(sqlite3.Cursor.fetchone)
    fetchmany = _told(sqlite3.Cursor.fetchmany)
    fetchall = _told(sqlite3.Cursor.fetchall)
    __next__ = _told(sqlite3.Cursor.__next__)


class Connection(sqlite3.Connection):
    """A library's SQLite file: whatever is executed or read raises LibraryError where the file is to blame."""

    path: Path
    as_it_lay: tuple[int, ...] | None = None
    """Of a file that is read as it lies there, how it was when it was opened; SQLite doesn't look."""

    @property
    def outdated(self) -> bool:
        """Whether the file isn't any more what it was when it was opened: what is read may be of before, of now, or a
        mixture, in which SQLite sees damage, or nothing at all."""
        return self.as_it_lay not in (None, _looks(self.path))

    def told(self, error: Exception) -> LibraryError:
        """What SQLite says, or whoever reads its rows, as a sentence that says what to do."""
        return _changed(self.path) if self.outdated else _translated(self.path, error)

    def execute(self, *arguments: Any) -> sqlite3.Cursor:
        """As any connection does; its own way wouldn't ask the cursor."""
        if self.outdated:
            raise _changed(self.path)
        return self.cursor(_Cursor).execute(*arguments)

    def executemany(self, *arguments: Any) -> sqlite3.Cursor:
        """As any connection does."""
        return self.cursor(_Cursor).executemany(*arguments)


def connected(path: Path, filled: bool = False) -> Connection:
    """A library's SQLite file, with all of its tables.

    Args:
        filled: whether there must be tables in it already; if not, they are made, and so is the file.

    Raises:
        LibraryError: the file isn't a database, is damaged, is locked by another program, can neither be written nor
            be read as it is, or is lost.
    """
    try:
        if filled and not (path.exists() and path.stat().st_size):  # SQLite would make one
            raise _lost(path)
        return _connected_for_writing(path, filled)
    except sqlite3.DatabaseError as error:
        if path.is_file() and says_unwritable(error):
            return _connected_for_reading(path)
        raise _translated(path, error) from error


def _connected_for_writing(path: Path, filled: bool) -> Connection:
    with ExitStack() as stack:
        connection = sqlite3.connect(path, isolation_level=None, timeout=PATIENCE, factory=Connection)
        connection.path = path
        stack.enter_context(closing(connection))
        plain = connection.cursor()  # whoever asked looks at the errors
        # NORMAL: a commit waits for no disk; a power cut may lose the last ones, never the file.
        plain.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;")
        # Copied without the file beside it, in which its tables may be, it is empty.
        if filled and not plain.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            raise _lost(path)
        _prepare(plain)
        stack.pop_all()
    return connection


def _connected_for_reading(path: Path) -> Connection:
    """A file that can't be written, such as that of a library which a studio shares: it's read as it lies there."""
    if (unmerged := path.with_name(f"{path.name}-wal")).exists() and unmerged.stat().st_size:
        raise LibraryError(
            f"The library {path.parent} can't be written here, and is being changed, is open elsewhere, or was left in"
            " the middle of a change; try again when it is closed, or run `synthmatch library verify` where it can be"
            " written."
        )
    looks = _looks(path)
    uri = f"{path.absolute().as_uri()}?mode=ro&immutable=1"
    with ExitStack() as stack:
        try:
            connection = sqlite3.connect(uri, isolation_level=None, uri=True, factory=Connection)
            connection.path, connection.as_it_lay = path, looks
            stack.enter_context(closing(connection))
            current = _is_current(connection.cursor())
        except sqlite3.DatabaseError as error:
            raise LibraryError(f"{path} can't be read ({error}); see to it that you may read it.") from error
        if not current:
            raise LibraryError(
                f"The library {path.parent} is an older synthmatch's and can't be written here; run"
                " `synthmatch library update` where it can."
            )
        stack.pop_all()
    return connection


def _lost(path: Path) -> LibraryError:
    return LibraryError(
        f"What the library {path.parent} holds stands in {path}, which is missing or empty; copy it again from where"
        " the folder came from, or move the folder away and add its banks again with `synthmatch library add`."
    )


def _looks(path: Path) -> tuple[int, ...]:
    """Something else after each time that a file was written."""
    try:
        status = path.stat()
    except OSError:
        return ()
    return status.st_ino, status.st_size, status.st_mtime_ns


def _changed(path: Path) -> LibraryError:
    return LibraryError(f"The library {path.parent} has been changed meanwhile; try again.")


def _translated(path: Path, error: Exception) -> LibraryError:
    kind = code_of(error)
    remedy = "library" if kind == sqlite3.SQLITE_READONLY else ""
    return LibraryError(_SENTENCES.get(kind, _DAMAGED).format(path=path, error=error), remedy=remedy)


_LOCKED = "Another program keeps {path} locked; try again when it has ended."
_DAMAGED = "{path} can't be read ({error}); move its folder away and run `synthmatch library add` again."
_SENTENCES: Mapping[int, str] = {
    sqlite3.SQLITE_BUSY: _LOCKED,
    sqlite3.SQLITE_LOCKED: _LOCKED,
    sqlite3.SQLITE_FULL: "{path} can't be written ({error}); make room there and try again.",
    sqlite3.SQLITE_IOERR: "{path} can't be read or written ({error}); see to its disk and try again.",
    sqlite3.SQLITE_READONLY: "{path} can't be written ({error}); change that, or name another library.",
}


def _is_current(cursor: sqlite3.Cursor) -> bool:
    """Whether a file has these very tables."""
    return bool(cursor.execute("PRAGMA user_version").fetchone()[0] == VERSION)


def _prepare(cursor: sqlite3.Cursor) -> None:
    """Make the tables that aren't there; once for a file from before they were numbered, fill those that follow from
    others.

    Raises:
        sqlite3.DatabaseError: the file isn't a database, or is damaged.
    """
    before = cursor.execute("PRAGMA user_version").fetchone()[0]
    if before == VERSION:
        return
    cursor.executescript(TABLES)
    cursor.execute("BEGIN IMMEDIATE")
    if before == 0:
        prints = cursor.execute("SELECT state, print FROM heard")
        rows = [(cell(as_print(cells)), state) for state, cells in prints]
        cursor.executemany("INSERT OR IGNORE INTO cells VALUES (?, ?)", rows)
        cursor.execute("INSERT OR IGNORE INTO unsettled SELECT id FROM states")
    cursor.execute(f"PRAGMA user_version = {VERSION}")
    cursor.execute("COMMIT")


def as_print(stored: bytes) -> Print:
    """A print as it lies in the file."""
    return np.frombuffer(stored, np.uint8)
