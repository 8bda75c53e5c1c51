"""The rows of what is known of a library's sounds: what they are compared by, and what they are described by."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import astuple
from typing import Any, TypeVar

from synthmatch.library.schema import Connection, as_print
from synthmatch.sound.descriptors import VERSION, Measures
from synthmatch.sound.soundprint import cell, near_cells
from synthmatch.trust.census import Heard

Made = TypeVar("Made")

_AT_ONCE = 4_096  # prints in memory: 5 MB


class SoundRows:
    """One part of ``Rows``: tables whose rows go when a sound goes."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def heard(self, state: str, heard: Heard) -> None:
        """Keep what a state's sound is compared by."""
        self._forget_heard([state])
        row = state, heard.print.tobytes(), heard.digest
        self._connection.execute("INSERT INTO heard VALUES (?, ?, ?, NULL)", row)
        self._connection.execute("INSERT INTO cells VALUES (?, ?)", (cell(heard.print), state))

    def repeated(self, state: str, spread: float) -> None:
        """Note how far apart two renders of a state are, in dB."""
        self._connection.execute("UPDATE heard SET spread = ? WHERE state = ?", (spread, state))

    def all_heard(self) -> dict[str, Heard]:
        """What each state's sound is compared by."""
        rows = self._connection.execute("SELECT state, print, digest FROM heard ORDER BY state")
        return dict(self._made(_heard, rows))

    def heard_of(self, states: Collection[str]) -> dict[str, Heard]:
        """What the sounds of some states are compared by."""
        return dict(self._made(_heard, self._of("SELECT state, print, digest FROM heard WHERE state", states)))

    def heard_like(self, heard: Collection[Heard]) -> Iterator[dict[str, Heard]]:
        """The sounds that may be the same or nearly the same as one of these: all that are, and some that aren't; each
        once, some thousand at a time."""
        digests = sorted({each.digest for each in heard})
        cells = sorted({name for each in heard for name in near_cells(each.print)})
        rows = self._connection.execute(
            "SELECT state, print, digest FROM heard WHERE digest IN (SELECT value FROM json_each(?)) OR state IN"
            " (SELECT state FROM cells WHERE cell IN (SELECT value FROM json_each(?)))",
            (json.dumps(digests), json.dumps(cells)),
        )
        while some := rows.fetchmany(_AT_ONCE):
            yield dict(self._made(_heard, some))

    def spreads(self) -> dict[str, float]:
        """How far apart two renders of a state are, in dB, for those that were rendered twice."""
        return dict(self._connection.execute("SELECT state, spread FROM heard WHERE spread IS NOT NULL"))

    def spreads_of(self, states: Collection[str]) -> dict[str, float]:
        """The same for some states."""
        return dict(self._of("SELECT state, spread FROM heard WHERE spread IS NOT NULL AND state", states))

    def measured(self, state: str, measures: Measures) -> None:
        """Keep how a state sounds, in numbers."""
        numbers = json.dumps([float(f"{each:.5g}") for each in astuple(measures)])
        self._connection.execute("INSERT OR REPLACE INTO measures VALUES (?, ?, ?)", (state, VERSION, numbers))

    def measures(self) -> dict[str, Measures]:
        """How each state sounds, in numbers; those that an older version measured are missing."""
        rows = self._connection.execute("SELECT state, numbers FROM measures WHERE version = ?", (VERSION,))
        return dict(self._made(_measures, rows))

    def measures_of(self, states: Collection[str]) -> dict[str, Measures]:
        """The same for some states."""
        rows = self._of(f"SELECT state, numbers FROM measures WHERE version = {VERSION} AND state", states)
        return dict(self._made(_measures, rows))

    def _made(self, make: Callable[[Sequence[Any]], Made], rows: Iterable[Sequence[Any]]) -> Iterator[Made]:
        """What rows say.

        Raises:
            LibraryError: nobody wrote that: the file is damaged where SQLite doesn't see it.
        """
        try:
            yield from map(make, rows)
        except (TypeError, ValueError) as error:
            raise self._connection.told(error) from error

    def _forget(self, states: Iterable[str]) -> None:
        states = list(states)
        self._forget_heard(states)
        self._connection.executemany("DELETE FROM measures WHERE state = ?", [(state,) for state in states])

    def _forget_heard(self, states: Collection[str]) -> None:
        gone = [
            (cell(as_print(cells)), state)
            for state, cells in self._of("SELECT state, print FROM heard WHERE state", states)
        ]
        self._connection.executemany("DELETE FROM cells WHERE cell = ? AND state = ?", gone)
        self._connection.executemany("DELETE FROM heard WHERE state = ?", [(state,) for _, state in gone])

    def _of(self, query: str, states: Collection[str]) -> sqlite3.Cursor:
        """A query that ends with a column, for those rows where it is one of some states."""
        return self._connection.execute(f"{query} IN (SELECT value FROM json_each(?))", (json.dumps(list(states)),))


def _heard(row: Sequence[Any]) -> tuple[str, Heard]:
    state, cells, digest = row
    return state, Heard(as_print(cells), digest)


def _measures(row: Sequence[Any]) -> tuple[str, Measures]:
    state, numbers = row
    return state, Measures(*json.loads(numbers))
