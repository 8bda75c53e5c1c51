"""One writes at a time; whoever reads is told of every change, and goes on with what it has open until then."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from synthmatch.errors import LibraryError
from synthmatch.library import schema
from synthmatch.library.editions import changing, edition
from synthmatch.library.library import Library
from synthmatch.networks.encoder import Encoder
from synthmatch.presets.bank import PresetBank
from synthmatch.renderers.pool import RenderPool


def test_every_kind_of_change_is_told(library: Library, bank: PresetBank, encoder: Encoder, pool: RenderPool) -> None:
    changes: list[Callable[[], object]] = [
        lambda: library.add(bank, encoder=encoder, pool=pool),
        lambda: library.update(encoder),
        lambda: library.repair(encoder=encoder, pool=pool),
        lambda: library.remove(bank=bank.presets[0].bank),
    ]
    told = [edition(library.path)]
    for change in changes:
        with Library.open(library.path) as reader:
            held = len(reader.vectors)
            change()
            assert len(reader.vectors) == held
        told.append(edition(library.path))
    assert len(set(told)) == len(told)
    assert len(library) < held


def test_a_change_that_failed_is_told_too(library: Library) -> None:
    before = edition(library.path)
    with pytest.raises(LibraryError, match="holds no presets of nothing"):
        library.remove(bank="nothing")
    assert edition(library.path) != before


def test_removing_keeps_what_another_process_embedded_meanwhile(
    library: Library,
    tmp_path: Path,
    bank: PresetBank,
    bank_writer: Callable[..., PresetBank],
    encoder: Encoder,
    other_encoder: Encoder,
    pool: RenderPool,
) -> None:
    library.add(bank_writer(tmp_path / "more.faustpatch", 2, first=20), encoder=encoder, pool=pool)
    with Library.open(library.path) as another:
        another.update(other_encoder)
    library.remove(bank="more")
    with Library.open(library.path) as opened:
        assert opened.encoder_fingerprint == other_encoder.fingerprint
        assert set(opened.vectors.ids) == {preset.id for preset in bank}
        assert opened.verify() == []


def test_two_adds_at_once_are_refused(library: Library, bank: PresetBank, encoder: Encoder, pool: RenderPool) -> None:
    with changing(library.path), pytest.raises(LibraryError, match="Another synthmatch is writing"):
        library.add(bank, encoder=encoder, pool=pool)
    library.add(bank, encoder=encoder, pool=pool)


@pytest.mark.parametrize("reading", [False, True])
def test_after_a_change_all_rows_are_in_one_file(library: Library, tmp_path: Path, reading: bool) -> None:
    """Also while somebody has it open, as `serve` has; whoever copies it misses nothing. Who is just reading isn't
    disturbed, and keeps nobody from changing it."""
    with Library.open(library.path) as other:
        rows = other.rows._connection.execute("SELECT id FROM states")
        left = [rows.fetchone()] if reading else rows.fetchall()
        library.remove(bank="nine")
        assert len(left + rows.fetchall()) == 9
        if reading:
            with pytest.raises(LibraryError, match="holds no presets of nine"):  # a change that fails does it, too
                library.remove(bank="nine")
        beside = library.path / "library.sqlite-wal"
        assert beside.stat().st_size == 0
        shutil.copytree(library.path, tmp_path / "copy", ignore=shutil.ignore_patterns("*-wal", "*-shm"))
    with Library.open(tmp_path / "copy") as copy:
        assert copy.presets() == ()
        assert copy.verify() == []


def test_a_lock_that_something_else_was_written_over_is_named(tmp_path: Path) -> None:
    lock = tmp_path / "lock.sqlite"
    lock.write_bytes(b"something else" * 100)
    with pytest.raises(LibraryError, match=rf"{lock} is damaged; delete it"), changing(tmp_path):
        pass
    lock.unlink()
    with changing(tmp_path):
        assert lock.exists()


def test_whoever_meets_a_locked_file_is_told_to_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As when two make a library at once; to move its folder away would be the wrong thing to do."""
    monkeypatch.setattr(schema, "PATIENCE", 0.05)
    file = tmp_path / "library.sqlite"
    with closing(sqlite3.connect(file, isolation_level=None)) as first:
        first.execute("BEGIN EXCLUSIVE")
        with pytest.raises(LibraryError, match=r"keeps .*library\.sqlite locked; try again when it has ended"):
            schema.connected(file)
    schema.connected(file).close()
