"""The SQLite file when something is in its way: nothing half-written, and a sentence that says what to do."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from synthmatch.errors import FolderError, LibraryError
from synthmatch.library import schema, store
from synthmatch.library.schema import connected
from synthmatch.library.store import PENDING, Rows
from synthmatch.locking import write_lock
from synthmatch.presets import faustsynth
from synthmatch.presets.preset import Preset


@pytest.fixture
def rows(tmp_path: Path) -> Iterator[Rows]:
    rows = Rows(tmp_path / "library.sqlite")
    yield rows
    rows.close()


def presets(count: int) -> list[Preset]:
    """Presets of a kilobyte each."""
    state = faustsynth.make_state({})
    return [Preset("Thing", state, bank="things", file=Path("a"), slot=n, comment="x" * 1000) for n in range(count)]


def test_a_full_disk_is_named_and_nothing_is_written(rows: Rows, tmp_path: Path) -> None:
    (pages,) = rows._connection.execute("PRAGMA page_count").fetchone()
    rows._connection.execute(f"PRAGMA max_page_count = {pages + 8}")  # to SQLite the same as a full disk
    said = rf"{tmp_path / 'library.sqlite'} can't be written \(database or disk is full\); make room"
    with pytest.raises(LibraryError, match=said), rows.transaction():
        rows.put(presets(100))
    assert rows.listings() == []
    with rows.transaction():
        rows.put(presets(2))
    assert len(rows.listings()) == 2


def test_a_full_disk_is_named_outside_of_transactions_too(rows: Rows) -> None:
    rows.put(presets(1))
    (pages,) = rows._connection.execute("PRAGMA page_count").fetchone()
    rows._connection.execute(f"PRAGMA max_page_count = {pages}")
    state = presets(1)[0].id
    with pytest.raises(LibraryError, match=r"library\.sqlite can't be written .*; make room"):
        rows.failed(state, "renderer", "crash", "x" * 9000)
    assert rows.state(state).status == PENDING


def test_damage_in_the_middle_of_the_file_is_named_wherever_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "library.sqlite"
    with closing(Rows(path)) as rows, rows.transaction():
        rows.put(presets(200))
    data = path.read_bytes()
    first, last = len(data) // 4, len(data) // 2
    for nonsense in (b"\0", b"\xff"):
        path.write_bytes(data[:first] + nonsense * (last - first) + data[last:])
        with closing(Rows(path)) as rows:
            with pytest.raises(LibraryError, match=f"{path} can't be read .* move its folder away"):
                rows.listings()
            with pytest.raises(LibraryError, match=f"{path} can't be read .* move its folder away"):
                rows.listings_of([presets(1)[0].id])
            with pytest.raises(LibraryError, match="database disk image is malformed"), rows.transaction():
                rows.put(presets(200))


def test_a_file_that_is_changed_while_it_is_read_as_it_lies_is_not_called_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As by whoever may not write it, which these rights can't be kept from: SQLite then mixes old pages and new."""
    path = tmp_path / "library.sqlite"
    with closing(Rows(path)) as owner:
        with owner.transaction():
            owner.put(presets(300))
        owner.merge()
        monkeypatch.setattr(store, "connected", lambda path, _: schema._connected_for_reading(path))
        with closing(Rows(path)) as reader:
            with owner.transaction():
                owner.put([Preset("Other", faustsynth.make_state({"drive": 1}), bank="others", file=Path("b"))])
            assert len(reader.states()) == 1  # as long as what is new lies beside the file
            assert not reader.outdated
            with owner.transaction():
                owner.drop(bank="things")
                owner.put([replace(each, bank="others", comment="y" * 3000) for each in presets(3000)])
            owner.merge()
            assert reader.outdated
            for asked in (reader.listings, reader.states, reader.synths):
                with pytest.raises(LibraryError, match=f"The library {tmp_path} has been changed meanwhile; try again"):
                    asked()
        with closing(Rows(path)) as again:
            assert len(again.listings()) == 3001


def test_a_commit_that_fails_leaves_no_transaction_open(rows: Rows) -> None:
    rows._connection.execute("PRAGMA foreign_keys = ON")

    def orphan() -> None:
        with rows.transaction():
            rows._connection.execute("PRAGMA defer_foreign_keys = ON")  # looked at when all is committed
            rows.put(presets(1))
            rows._connection.execute("DELETE FROM states")

    with pytest.raises(sqlite3.IntegrityError):
        orphan()
    with rows.transaction():
        rows.put(presets(1))
    assert len(rows.listings()) == 1


def test_what_sqlite_cannot_open_is_named(tmp_path: Path) -> None:
    """Folders stand for files that may not be read: whoever may do everything can't open them either."""
    for name in ("library.sqlite", "lock.sqlite"):
        (tmp_path / name).mkdir()
    with pytest.raises(LibraryError, match=r"library\.sqlite can't be read \(unable to open"):
        connected(tmp_path / "library.sqlite")
    with pytest.raises(FolderError, match="can't be written; change that"), write_lock(tmp_path):
        pass
