"""Damage is found, named and mended."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from synthmatch.errors import EncoderMismatch, LibraryError
from synthmatch.library import index
from synthmatch.library.checkup import Trouble
from synthmatch.library.library import Library
from synthmatch.library.store import Rows
from synthmatch.matching.matcher import Matcher
from synthmatch.networks.encoder import Encoder
from synthmatch.presets.bank import PresetBank
from synthmatch.presets.preset import Preset, State
from synthmatch.renderers.pool import RenderPool
from synthmatch.renderers.renderer import Failure


def troubles(library: Library) -> set[tuple[Trouble, str]]:
    return {(each.trouble, each.subject) for each in library.verify()}


def test_damaged_sounds_are_rendered_again(library: Library, encoder: Encoder, pool: RenderPool) -> None:
    states = [each.id for each in library.presets()]
    before = library.sound(states[1])
    library.sounds.delete_sound(states[0])
    library.sounds.audio_path(states[1]).write_bytes(b"fLaC and nonsense")
    library.sounds.audio_path(states[2]).write_bytes(library.sounds.audio_path(states[3]).read_bytes()[:-20_000])
    assert troubles(library) == {(Trouble.SOUND, state) for state in states[:3]}
    assert all("library repair" in each.sentence for each in library.verify())

    left = library.repair(embed=False)
    assert {(each.trouble, each.subject) for each in left} == {(Trouble.UNRENDERED, state) for state in states[:3]}
    assert all("library add" in each.sentence for each in left)
    assert len(library) == 6
    assert library.repair(encoder=encoder, pool=pool) == []
    assert len(library) == 9
    for ours, theirs in zip(library.sound(states[1]), before, strict=True):
        np.testing.assert_array_equal(ours.samples, theirs.samples)


def test_adding_again_renders_what_is_damaged(
    library: Library, bank: PresetBank, other_encoder: Encoder, pool: RenderPool
) -> None:
    victim = library.presets()[0].id
    library.sounds.audio_path(victim).write_bytes(b"fLaC and nonsense")
    assert library.update(other_encoder) == 8
    told: list[tuple[int, int]] = []
    report = library.add(
        bank, encoder=other_encoder, pool=pool, progress=lambda done, total, *_: told.append((done, total))
    )
    assert told[-1] == (1, 1)
    assert (report.rendered, report.known) == (1, 8)
    assert len(library) == 9
    assert library.verify() == []


def test_a_sound_that_cannot_be_rendered_again_leaves_no_file(
    library: Library, bank: PresetBank, other_encoder: Encoder, pool: RenderPool
) -> None:
    victim = library.presets()[0].id
    library.sounds.audio_path(victim).write_bytes(b"fLaC and nonsense")
    library.update(other_encoder)
    with RenderPool(1, timeout=0.001) as hasty:
        (failed,) = library.add(bank, encoder=other_encoder, pool=hasty).trust.failures
    assert (failed.id, failed.failure) == (victim, Failure.TIMEOUT.value)
    assert not library.sounds.audio_path(victim).exists()
    assert library.repair(encoder=other_encoder, pool=pool) == []
    assert library.sound(victim)
    assert len(library) == 9


def test_damaged_vectors_are_embedded_again(library: Library, encoder: Encoder) -> None:
    fingerprint = library.fingerprint
    (table,) = (library.path / "vectors" / encoder.fingerprint).glob("segment-*")
    vectors, bass = np.load(table / "vectors.npy"), library.spaces.index("bass")
    vectors[bass, library.vectors.rows[library.presets()[2].id], 1] *= 3
    vectors[bass, library.vectors.rows[library.presets()[4].id], 0, 0] = np.nan
    np.save(table / "vectors.npy", vectors)
    library.reload()
    bad = {library.presets()[2].id, library.presets()[4].id}
    assert troubles(library) == {(Trouble.VECTORS, state) for state in bad}
    assert library.repair(encoder=encoder) == []
    assert library.fingerprint == fingerprint


@pytest.mark.parametrize("name", ["vectors.npy", "ids.npy", "presence.npy", "found.npy", "../segments.json"])
def test_a_table_that_cannot_be_read_is_made_again(filled: Path, tmp_path: Path, encoder: Encoder, name: str) -> None:
    shutil.copytree(filled, tmp_path / "library")
    with Library.open(filled) as whole:
        expected = np.array(whole.vectors.space("bass"))
    (table,) = (tmp_path / "library" / "vectors" / encoder.fingerprint).glob("segment-*")
    (table / name).write_bytes(b"nonsense")
    with Library.open(tmp_path / "library") as library:
        assert (Trouble.VECTORS, str(table.parent)) in troubles(library)
        with pytest.raises(LibraryError, match="library repair"):
            Matcher(library, encoder)
        assert library.repair(encoder=encoder) == []
        np.testing.assert_allclose(np.array(library.vectors.space("bass")), expected, atol=2e-3)


def test_a_wrong_bit_in_a_header_is_mended(
    library: Library, encoder: Encoder, flipped: Callable[[bytes, int], bytes]
) -> None:
    for byte in (10, 40, 60):  # each is another error of the parser
        (path,) = (library.path / "vectors").glob("*/segment-*/vectors.npy")
        path.write_bytes(flipped(path.read_bytes(), 8 * byte))
        with Library.open(library.path) as damaged:
            assert [each.trouble for each in damaged.verify()] == [Trouble.VECTORS]
            assert damaged.repair(encoder=encoder) == []
            assert len(damaged) == 9


def test_what_changes_while_a_list_cannot_be_read_counts_when_it_can(
    library: Library, encoder: Encoder, pool: RenderPool, bank_writer: Callable[..., PresetBank], tmp_path: Path
) -> None:
    (path,) = (library.path / "vectors").glob("*/segments.json")
    whole = path.read_text()
    path.write_text("")
    more = bank_writer(tmp_path / "more.faustpatch", 2, first=20)
    library.add(more, encoder=encoder, pool=pool)
    library.remove(bank="nine")
    with pytest.raises(LibraryError, match=r"segments\.json is damaged .*library repair"):
        Matcher(library, encoder)
    assert [each.trouble for each in library.verify()] == [Trouble.VECTORS]
    path.write_text(whole)  # a shared disk failed for a while
    library.reload()
    assert len(library) == 2
    assert library.repair(encoder=encoder, pool=pool) == []
    assert len(library) == len(library.vectors) == 2


def test_a_stale_index_is_built_again(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index, "EXACT", 1)  # so that a library of nine sounds has Annoy files
    assert library.repair(embed=False) == []
    (folder,) = library.neighbours.folder.iterdir()
    (folder / "lead.json").unlink()
    (folder / "timbre.json").write_text('{"signature": "other", "items": [], "bytes": []}')
    assert troubles(library) == {(Trouble.INDEX, "lead"), (Trouble.INDEX, "timbre")}
    assert library.repair(embed=False) == []


def test_files_that_belong_to_nothing_are_deleted(library: Library) -> None:
    stray = library.path / "audio" / "ab" / "abcdef.flac"
    stray.parent.mkdir(exist_ok=True)
    stray.write_bytes(b"left behind")
    assert troubles(library) == {(Trouble.STRAY, str(stray))}
    assert library.repair(embed=False) == []
    assert not stray.exists()


@pytest.mark.parametrize("left", [None, b"", "without what lies beside it"])
def test_without_its_rows_nothing_is_deleted(filled: Path, tmp_path: Path, left: bytes | str | None) -> None:
    """As where a library was copied without them, or while it was open elsewhere."""
    folder = Path(shutil.copytree(filled, tmp_path / "library"))
    rows = folder / "library.sqlite"
    rows.unlink()
    if isinstance(left, str):
        with closing(Rows(tmp_path / "open.sqlite")):
            shutil.copy(tmp_path / "open.sqlite", rows)
    elif left is not None:
        rows.write_bytes(left)
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    with pytest.raises(LibraryError, match=rf"{rows}, which is missing or empty; copy it again"):
        Library.open(folder)
    assert sorted(path for path in folder.rglob("*") if path.is_file()) == files
    shutil.copy(filled / "library.sqlite", rows)
    with Library.open(folder) as library:
        assert library.verify() == []


def test_vectors_that_no_row_knows_are_dropped(library: Library) -> None:
    """As where rows were put back from a copy that is older than the rest."""
    gone = library.presets()[0]
    with library.rows.transaction():
        library.rows._connection.execute("DELETE FROM listings WHERE state = ?", (gone.id,))
        library.rows._connection.execute("DELETE FROM states WHERE id = ?", (gone.id,))
    assert (Trouble.VECTORS, gone.id) in troubles(library)
    assert library.repair(embed=False) == []
    assert len(library) == len(library.vectors) == 8


def test_what_cannot_be_deleted_keeps_nothing_from_being_mended(
    library: Library, encoder: Encoder, pool: RenderPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = [library.path / "audio" / "ab" / "@eaDir", library.path / "audio" / "@eaDir"]  # as a NAS makes them
    for folder in folders:
        folder.mkdir(parents=True)
        (folder / "x").write_bytes(b"")
    damaged = library.presets()[0].id
    library.sounds.delete_sound(damaged)
    assert library.repair(encoder=encoder, pool=pool) == []
    assert library.sound(damaged)
    assert all((folder / "x").exists() for folder in folders)
    stray = library.path / "audio" / "ab" / "abcdef.flac"
    stray.write_bytes(b"left behind")
    library.sounds.delete_sound(damaged)
    unlink = Path.unlink

    def refuse(path: Path, missing_ok: bool = False) -> None:  # no file is safe from whoever may do everything
        if path == stray:
            raise PermissionError(path)
        unlink(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", refuse)
    assert [each.subject for each in library.repair(encoder=encoder, pool=pool)] == [str(stray)]
    assert library.sound(damaged)


def test_lost_parameter_files_come_back_with_their_bank(
    library: Library, bank: PresetBank, encoder: Encoder, pool: RenderPool
) -> None:
    lost, damaged = bank.presets[5].id, bank.presets[6].id
    library.sounds.state_path(lost).unlink()
    library.sounds.state_path(damaged).write_bytes(b"nonsense")
    assert troubles(library) == {(Trouble.STATE, lost), (Trouble.STATE, damaged)}
    assert [each.trouble for each in library.repair(encoder=encoder, pool=pool)] == [Trouble.STATE] * 2
    library.add(bank, encoder=encoder, pool=pool)
    assert library.verify() == []


def test_another_encoder_may_not_mend(library: Library, other_encoder: Encoder) -> None:
    with pytest.raises(EncoderMismatch, match="library update"):
        library.repair(encoder=other_encoder)


def test_a_synth_that_is_gone_keeps_nothing_else_from_being_mended(
    library: Library, encoder: Encoder, pool: RenderPool
) -> None:
    lost = Preset("Lost", State("sold long ago", b"its data"), bank="old", file=Path("old.bank"))
    library.sounds.write_state(lost.state)
    with library.rows.transaction():
        library.rows.put([lost])
    damaged = library.presets()[0].id
    library.sounds.delete_sound(damaged)
    left = library.repair(encoder=encoder, pool=pool)
    assert [(each.trouble, each.subject) for each in left] == [(Trouble.UNRENDERED, lost.id)]
    assert library.sound(damaged)
    assert len(library) == 9
