"""The rows of a library: its states, their listings in banks, and how fast each synth rendered.

SQLite in WAL mode: a process that is killed loses nothing that was committed, and others may read
meanwhile. This is the truth of a library; sounds, vectors and indexes without a row here don't count.

Whatever changes a state or its listings marks the state as unsettled, in the same transaction or before: vectors are
brought in line with those alone, and a run that was killed in between is caught up by the next one.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synthmatch.errors import LibraryError
from synthmatch.files import plain_path
from synthmatch.library.schema import PATIENCE, connected
from synthmatch.library.soundrows import SoundRows
from synthmatch.presets.preset import Preset
from synthmatch.sound.descriptors import VERSION

PENDING = "pending"
"""Status of a state that is listed but not rendered yet; or, if its sound is known, that was rendered again, by another
build than its vectors are of: they are to go first."""
RENDERED = "rendered"
"""Status of a state whose sound is stored."""
FAILED = "failed"
"""Status of a state that made no usable sound."""

_MOMENT = 1000  # milliseconds for which whoever reads is waited for

NAMED_BY = "`synthmatch library list` names its banks, and `synthmatch library show BANK` a bank's presets."
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


class Rows(SoundRows):
    """The SQLite file of a library. Belongs to the thread that opened it.

    Args:
        filled: whether there must be something in it; else it is made if it isn't there.

    Raises:
        LibraryError: the file isn't a database, is damaged, or, here as in each method, can't be read or changed, since
            its disk is full, say.
    """

    def __init__(self, path: Path, filled: bool = False) -> None:
        super().__init__(connected(path, filled))

    def close(self) -> None:
        """Let the file go; a second call does nothing."""
        self._connection.close()

    @property
    def outdated(self) -> bool:
        """Whether they can be read no more, since the file can't be written, and another has changed it."""
        return self._connection.outdated

    def merge(self) -> None:
        """Write what is committed into the file itself, unless somebody is just reading: whoever can't write beside it,
        or copies it alone, has all of it then."""
        with suppress(LibraryError):  # where it is now it's as safe, and the next change tries again
            self._connection.execute(f"PRAGMA busy_timeout = {_MOMENT}")
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._connection.execute(f"PRAGMA busy_timeout = {round(1000 * PATIENCE)}")

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit everything in the block, or nothing of it."""
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            yield
            self._connection.execute("COMMIT")
        except BaseException:
            with suppress(LibraryError):  # SQLite may have rolled back by itself, as on a full disk
                self._connection.execute("ROLLBACK")
            raise

    def put(self, presets: Iterable[Preset]) -> set[str]:
        """List presets; what stood in the same slot of the same file before is replaced.

        Returns:
            The states that a replaced listing was of.
        """
        replaced: set[str] = set()
        for preset in presets:
            file = str(plain_path(preset.file))  # bass.xiz in one folder isn't bass.xiz in another
            before = self._connection.execute(
                "SELECT state FROM listings WHERE file = ? AND slot = ? AND state != ?", (file, preset.slot, preset.id)
            )
            replaced |= {str(state) for (state,) in before}
            self._connection.execute("INSERT OR IGNORE INTO states (id, synth) VALUES (?,?)", (preset.id, preset.synth))
            self._connection.execute(
                _UPSERT,
                (
                    *(preset.id, preset.name, preset.bank, file, preset.slot, preset.family),
                    *(preset.label_source, preset.category, preset.author, preset.comment),
                    json.dumps(preset.tags),
                ),
            )
            self.unsettle([preset.id])
        self.unsettle(replaced)
        return replaced

    def held(self, file: Path) -> list[tuple[str, str]]:
        """The state and the name of each listing of a file, in the order of their slots."""
        query = "SELECT state, name FROM listings WHERE file = ? ORDER BY slot"
        return [(str(state), str(name)) for state, name in self._connection.execute(query, (str(plain_path(file)),))]

    def keep_slots(self, file: Path, slots: Collection[int]) -> set[str]:
        """Drop the listings of a file's other slots: it holds them no more.

        Returns:
            The states that they were of.
        """
        query = "SELECT number, slot, state FROM listings WHERE file = ?"
        listed = self._connection.execute(query, (str(plain_path(file)),)).fetchall()
        gone = [(number, str(state)) for number, slot, state in listed if slot not in slots]
        self.unsettle(state for _, state in gone)
        self._connection.executemany("DELETE FROM listings WHERE number = ?", [(number,) for number, _ in gone])
        return {state for _, state in gone}

    def rendered(self, state: str, renderer: str, sound: StoredSound, status: str = RENDERED) -> None:
        """Note that a state's sound is stored; ``PENDING`` if its vectors are of another build's."""
        self.unsettle([state])
        self._connection.execute(
            "UPDATE states SET status = ?, failure = '', reason = '', renderer = ?, gains = ?, bounds = ?,"
            " bytes = ? WHERE id = ?",
            (status, renderer, json.dumps(sound.gains), json.dumps(sound.bounds), sound.bytes, state),
        )

    def ready(self, states: Iterable[str]) -> None:
        """Note that states whose sound is stored have no vectors of another build any more."""
        states = list(states)
        with self.transaction():
            self.unsettle(states)
            query = "UPDATE states SET status = ? WHERE id = ?"
            self._connection.executemany(query, [(RENDERED, state) for state in states])

    def failed(self, state: str, renderer: str, failure: str, reason: str) -> None:
        """Note why a state made no usable sound; what is known of an earlier one is forgotten."""
        self.unsettle([state])
        self._forget([state])
        self._connection.execute(
            "UPDATE states SET status = ?, failure = ?, reason = ?, renderer = ?, gains = '[]', bounds = '[]',"
            " bytes = 0 WHERE id = ?",
            (FAILED, failure, reason, renderer, state),
        )

    def forget_sound(self, states: Iterable[str]) -> None:
        """Make states pending again, since their sound is lost or damaged."""
        states = list(states)
        self.unsettle(states)
        self._forget(states)
        self._connection.executemany(
            "UPDATE states SET status = ?, failure = '', reason = '', gains = '[]', bounds = '[]', bytes = 0"
            " WHERE id = ?",
            [(PENDING, state) for state in states],
        )

    def drop(
        self, *, bank: str | None = None, synth: str | None = None, place: Path | None = None
    ) -> tuple[int, set[str]]:
        """Drop the listings of a bank, a synth, a synth's bank, or of what lies at a place, which may be gone by now.

        Returns:
            How many there were, and of which states.
        """
        clauses = {"bank = ?": bank, "state IN (SELECT id FROM states WHERE synth = ?)": synth}
        if place is not None:
            clauses[f"instr(file || '{os.sep}', ?) = 1"] = str(plain_path(place)).rstrip(os.sep) + os.sep
        asked = {clause: value for clause, value in clauses.items() if value is not None}
        where, values = f"FROM listings WHERE {' AND '.join(asked)}", tuple(asked.values())
        states = [str(state) for (state,) in self._connection.execute(f"SELECT state {where}", values)]
        self.unsettle(states)
        self._connection.execute(f"DELETE {where}", values)
        return len(states), set(states)

    def drop_unlisted(self, states: Collection[str]) -> list[str]:
        """Drop those of some states that nobody lists; returns their ids."""
        query = "SELECT id FROM states WHERE NOT EXISTS (SELECT 1 FROM listings WHERE state = id) AND id"
        ids = sorted(str(state) for (state,) in self._of(query, states))
        self.unsettle(ids)
        self._forget(ids)
        self._connection.executemany("DELETE FROM states WHERE id = ?", [(state,) for state in ids])
        return ids

    def unsettle(self, states: Iterable[str]) -> None:
        """Mark states whose vectors may be out of line with their rows."""
        self._connection.executemany("INSERT OR IGNORE INTO unsettled VALUES (?)", [(state,) for state in states])

    def unsettled(self) -> list[str]:
        """The states that are marked, some of which may not be there any more."""
        return [str(state) for (state,) in self._connection.execute("SELECT state FROM unsettled ORDER BY state")]

    def settled(self, states: Iterable[str]) -> None:
        """Take marks away."""
        with self.transaction():
            self._connection.executemany("DELETE FROM unsettled WHERE state = ?", [(state,) for state in states])

    def states(self) -> dict[str, StateRow]:
        """Every state by id, sorted by id."""
        query = f"SELECT {_STATE} FROM states ORDER BY id"
        return {row.id: row for row in self._made(_state, self._connection.execute(query))}

    def states_of(self, states: Collection[str]) -> dict[str, StateRow]:
        """Some states by id; those that aren't there are left out."""
        rows = self._of(f"SELECT {_STATE} FROM states WHERE id", states)
        return {row.id: row for row in self._made(_state, rows)}

    def ids_with(self, *, status: str | None = None, synth: str | None = None) -> set[str]:
        """The states with a status, and of a synth, if one is asked for."""
        query = "SELECT id FROM states WHERE (?1 IS NULL OR status = ?1) AND (?2 IS NULL OR synth = ?2)"
        return {str(state) for (state,) in self._connection.execute(query, (status, synth))}

    def unmeasured(self) -> list[str]:
        """The states whose sound is stored and wasn't measured yet, or by an older version."""
        measured = f"SELECT 1 FROM measures WHERE state = id AND version = {VERSION}"
        query = f"SELECT id FROM states WHERE status = ? AND NOT EXISTS ({measured}) ORDER BY id"
        return [str(state) for (state,) in self._connection.execute(query, (RENDERED,))]

    def synths(self) -> list[str]:
        """The synths that states are of."""
        return [str(synth) for (synth,) in self._connection.execute("SELECT DISTINCT synth FROM states ORDER BY synth")]

    def synths_with(self, bank: str) -> list[str]:
        """The synths that have a bank of this name."""
        query = "SELECT DISTINCT synth FROM listings JOIN states ON id = state WHERE bank = ? ORDER BY synth"
        return [str(synth) for (synth,) in self._connection.execute(query, (bank,))]

    def sizes(self, synth: str, at_most: int) -> list[int]:
        """Bytes of some sounds of a synth."""
        query = "SELECT bytes FROM states WHERE synth = ? AND status = ? LIMIT ?"
        return [int(size) for (size,) in self._connection.execute(query, (synth, RENDERED, at_most))]

    def state(self, state: str) -> StateRow:
        """One state.

        Raises:
            LibraryError: it isn't in the library.
        """
        rows = self.states_of([state])
        if not rows:
            raise LibraryError(f"The library holds no preset {state}; {NAMED_BY}")
        return rows[state]

    def listings(self) -> list[ListingRow]:
        """Every listing, in the order in which they came."""
        query = f"SELECT {_LISTING} FROM listings ORDER BY number"
        return list(self._made(_listing, self._connection.execute(query)))

    def names(self) -> list[tuple[str, str, str, str]]:
        """State, name, bank and label of every listing whose sound is stored, sorted."""
        query = "SELECT state, name, bank, family FROM listings JOIN states ON id = state WHERE status = ?"
        return sorted(self._connection.execute(query, (RENDERED,)))

    def listings_of(self, states: Collection[str]) -> list[ListingRow]:
        """The listings of some states, in the order in which they came."""
        rows = self._made(_listing, self._of(f"SELECT {_LISTING} FROM listings WHERE state", states))
        return sorted(rows, key=lambda row: row.number)

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


def _listing(row: Sequence[Any]) -> ListingRow:
    return ListingRow(*(*row[:-1], tuple(json.loads(row[-1]))))


def _state(row: Sequence[Any]) -> StateRow:
    *head, gains, bounds, size = row
    sound = StoredSound(tuple(json.loads(gains)), tuple(json.loads(bounds)), size)
    return StateRow(*(*head, sound))
