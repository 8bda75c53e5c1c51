"""The rows of a library: its states, their listings in banks, and how fast each synth rendered.

SQLite in WAL mode: a process that is killed loses nothing that was committed, and others may read
meanwhile. This is the truth of a library; sounds, vectors and indexes without a row here don't count.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from synthmatch.census import Heard
from synthmatch.descriptors import VERSION, Measures
from synthmatch.errors import LibraryError
from synthmatch.presets.preset import Preset

PENDING = "pending"
"""Status of a state that is listed but not rendered yet."""
RENDERED = "rendered"
"""Status of a state whose sound is stored."""
FAILED = "failed"
"""Status of a state that made no usable sound."""

_SCHEMA = """
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
CREATE TABLE IF NOT EXISTS heard (         -- what a state's sound is compared by (soundprint.py, trust.py)
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
"""

_OF_SOUND = ("heard", "measures")  # tables of what is known of a sound, and goes with it

_STATE = "id, synth, status, failure, reason, renderer, gains, bounds, bytes"
_LISTING = "number, state, name, bank, file, slot, family, label_source, category, author, comment, tags"
_UPSERT = f"""
INSERT INTO listings ({_LISTING}) VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (file, slot) DO UPDATE SET state = excluded.state, name = excluded.name, bank = excluded.bank,
    family = excluded.family, label_source = excluded.label_source, category = excluded.category,
    author = excluded.author, comment = excluded.comment, tags = excluded.tags
"""


@dataclass(frozen=True)
class StoredSound:
    """How a state's sound lies in its file: per note, the gain it was divided by and the frame where it ends."""

    gains: tuple[float, ...]
    bounds: tuple[int, ...]
    bytes: int


@dataclass(frozen=True)
class StateRow:
    """A state of the library, without its data."""

    id: str
    synth: str
    status: str
    failure: str
    reason: str
    renderer: str
    sound: StoredSound


@dataclass(frozen=True)
class ListingRow:
    """A preset as its bank gives it; ``state`` is the id of how it sounds."""

    number: int
    state: str
    name: str
    bank: str
    file: str
    slot: int
    family: str
    label_source: str
    category: str
    author: str
    comment: str
    tags: tuple[str, ...]


class Rows:
    """The SQLite file of a library. Belongs to the thread that opened it.

    Raises:
        LibraryError: the file isn't a database, or is damaged.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection = sqlite3.connect(path, isolation_level=None, timeout=30)
        try:
            # NORMAL: a commit waits for no disk; a power cut may lose the last ones, never the file.
            self._connection.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;" + _SCHEMA)
        except sqlite3.DatabaseError as error:
            self._connection.close()
            raise LibraryError(
                f"{path} can't be read ({error}); move its folder away and run `synthmatch library add` again."
            ) from error

    def close(self) -> None:
        """Let the file go; a second call does nothing."""
        self._connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit everything in the block, or nothing of it."""
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    def put(self, presets: Iterable[Preset]) -> None:
        """List presets; what stood in the same slot of the same file before is replaced."""
        for preset in presets:
            self._connection.execute(
                "INSERT OR IGNORE INTO states (id, synth) VALUES (?, ?)", (preset.id, preset.synth)
            )
            self._connection.execute(
                _UPSERT,
                (
                    # Absolute: bass.xiz in one folder isn't bass.xiz in another.
                    *(preset.id, preset.name, preset.bank, str(preset.file.absolute()), preset.slot, preset.family),
                    *(preset.label_source, preset.category, preset.author, preset.comment),
                    json.dumps(preset.tags),
                ),
            )

    def rendered(self, state: str, renderer: str, sound: StoredSound) -> None:
        """Note that a state's sound is stored."""
        self._connection.execute(
            "UPDATE states SET status = ?, failure = '', reason = '', renderer = ?, gains = ?, bounds = ?,"
            " bytes = ? WHERE id = ?",
            (RENDERED, renderer, json.dumps(sound.gains), json.dumps(sound.bounds), sound.bytes, state),
        )

    def heard(self, state: str, heard: Heard) -> None:
        """Keep what a state's sound is compared by."""
        self._connection.execute(
            "INSERT OR REPLACE INTO heard VALUES (?, ?, ?, NULL)", (state, heard.print.tobytes(), heard.digest)
        )

    def repeated(self, state: str, spread: float) -> None:
        """Note how far apart two renders of a state are, in dB."""
        self._connection.execute("UPDATE heard SET spread = ? WHERE state = ?", (spread, state))

    def all_heard(self) -> dict[str, Heard]:
        """What each state's sound is compared by."""
        rows = self._connection.execute("SELECT state, print, digest FROM heard ORDER BY state")
        return {state: Heard(np.frombuffer(cells, np.uint8), digest) for state, cells, digest in rows}

    def spreads(self) -> dict[str, float]:
        """How far apart two renders of a state are, in dB, for those that were rendered twice."""
        return dict(self._connection.execute("SELECT state, spread FROM heard WHERE spread IS NOT NULL"))

    def measured(self, state: str, measures: Measures) -> None:
        """Keep how a state sounds, in numbers."""
        numbers = json.dumps([float(f"{each:.5g}") for each in astuple(measures)])
        self._connection.execute("INSERT OR REPLACE INTO measures VALUES (?, ?, ?)", (state, VERSION, numbers))

    def measures(self) -> dict[str, Measures]:
        """How each state sounds, in numbers; those that an older version measured are missing."""
        rows = self._connection.execute("SELECT state, numbers FROM measures WHERE version = ?", (VERSION,))
        return {state: Measures(*json.loads(numbers)) for state, numbers in rows}

    def failed(self, state: str, renderer: str, failure: str, reason: str) -> None:
        """Note why a state made no usable sound."""
        self._connection.execute(
            "UPDATE states SET status = ?, failure = ?, reason = ?, renderer = ? WHERE id = ?",
            (FAILED, failure, reason, renderer, state),
        )

    def forget_sound(self, states: Iterable[str]) -> None:
        """Make states pending again, since their sound is lost or damaged."""
        states = list(states)
        for table in _OF_SOUND:
            self._connection.executemany(f"DELETE FROM {table} WHERE state = ?", [(state,) for state in states])
        self._connection.executemany(
            "UPDATE states SET status = ?, failure = '', reason = '', gains = '[]', bounds = '[]', bytes = 0"
            " WHERE id = ?",
            [(PENDING, state) for state in states],
        )

    def drop(self, *, bank: str | None = None, synth: str | None = None) -> int:
        """Drop the listings of a bank, of a synth, or of a synth's bank; returns how many there were."""
        count = self._connection.execute(
            "DELETE FROM listings WHERE (? IS NULL OR bank = ?)"
            " AND (? IS NULL OR state IN (SELECT id FROM states WHERE synth = ?))",
            (bank, bank, synth, synth),
        ).rowcount
        return int(count)

    def drop_unlisted(self) -> list[str]:
        """Drop the states that nobody lists; returns their ids."""
        unlisted = "FROM states WHERE id NOT IN (SELECT state FROM listings)"
        ids = [str(row[0]) for row in self._connection.execute(f"SELECT id {unlisted} ORDER BY id")]
        self._connection.execute(f"DELETE {unlisted}")
        for table in _OF_SOUND:
            self._connection.execute(f"DELETE FROM {table} WHERE state NOT IN (SELECT id FROM states)")
        return ids

    def states(self) -> dict[str, StateRow]:
        """Every state by id, sorted by id."""
        query = f"SELECT {_STATE} FROM states ORDER BY id"
        return {row[0]: _state(row) for row in self._connection.execute(query)}

    def state(self, state: str) -> StateRow:
        """One state.

        Raises:
            LibraryError: it isn't in the library.
        """
        row = self._connection.execute(f"SELECT {_STATE} FROM states WHERE id = ?", (state,)).fetchone()
        if row is None:
            raise LibraryError(f"The library holds no preset {state}; `synthmatch library list` names them all.")
        return _state(row)

    def listings(self) -> list[ListingRow]:
        """Every listing, in the order in which they came."""
        query = f"SELECT {_LISTING} FROM listings ORDER BY number"
        return [ListingRow(*(*row[:-1], tuple(json.loads(row[-1])))) for row in self._connection.execute(query)]

    def add_time(self, synth: str, states: int, seconds: float) -> None:
        """Add to what estimates are refined by: ``states`` took ``seconds`` of wall time."""
        self._connection.execute(
            "INSERT INTO rates VALUES (?, ?, ?) ON CONFLICT (synth) DO UPDATE"
            " SET states = states + excluded.states, seconds = seconds + excluded.seconds",
            (synth, states, seconds),
        )

    def rates(self) -> dict[str, tuple[int, float]]:
        """States rendered and seconds taken, per synth."""
        return {row[0]: (row[1], row[2]) for row in self._connection.execute("SELECT * FROM rates")}


def _state(row: Sequence[Any]) -> StateRow:
    *head, gains, bounds, size = row
    sound = StoredSound(tuple(json.loads(gains)), tuple(json.loads(bounds)), size)
    return StateRow(*(*head, sound))


@contextmanager
def write_lock(folder: Path) -> Iterator[None]:
    """Keep other processes from writing into a library while the block runs.

    SQLite's own file lock on every system, let go by the system when the process dies.

    Raises:
        LibraryError: another process holds it.
    """
    connection = sqlite3.connect(folder / "lock.sqlite", isolation_level=None, timeout=0)
    try:
        try:
            connection.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            raise LibraryError(
                f"Another synthmatch is writing into the library {folder}; try again when it has ended."
            ) from error
        yield
    finally:
        connection.close()
