import os
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthmatch.files import (
    atomic_path,
    content_hash,
    file_hash,
    home,
    plain_path,
    safe_name,
    write_bytes,
    write_text,
)


def test_hashes_know_where_one_part_ends():
    assert content_hash(b"ab", b"c") != content_hash(b"a", b"bc") != content_hash(b"abc")
    assert content_hash(b"abc") == content_hash(b"abc")
    assert len(content_hash()) == 20


def test_a_files_hash_is_that_of_its_bytes(tmp_path):
    write_bytes(tmp_path / "a", b"one")
    write_bytes(tmp_path / "b", b"one")
    assert file_hash(tmp_path / "a") == file_hash(tmp_path / "b") == content_hash(b"one")


def test_a_large_file_is_hashed_without_being_kept_in_memory(tmp_path):
    size = 32 * 2**20
    with (tmp_path / "large").open("wb") as file:
        file.truncate(size)
    tracemalloc.start()
    try:
        found = file_hash(tmp_path / "large")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert found == content_hash(bytes(size))
    assert peak < size / 4


@given(st.text())
def test_safe_names_name_one_file_in_the_folder(tmp_path_factory, name):
    safe = safe_name(name)
    assert 0 < len(safe) <= 80
    assert not set(safe) & set('<>:"/\\|?*\0')
    assert safe not in (".", "..")
    assert safe == safe.strip(" .")
    assert safe_name(safe) == safe
    folder = tmp_path_factory.mktemp("names")
    if len(os.fsencode(safe)) < 200:
        (folder / safe).touch()
        assert [path.name for path in folder.iterdir()] == [safe]


@pytest.mark.parametrize("name", ["CON", "nul.txt", "COM1", "lpt9.bank"])
def test_names_that_windows_keeps_for_itself_are_changed(name):
    assert safe_name(name) == f"_{name}"


def test_a_failed_write_leaves_what_was_there_and_nothing_else(tmp_path):
    path = tmp_path / "file.txt"
    write_text(path, "before")

    def fail():
        with atomic_path(path) as temporary:
            temporary.write_text("half")
            raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        fail()
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_a_plain_path_leads_to_the_same_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for folder in ("here", "there/inside"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "there" / "inside", target_is_directory=True)
    (tmp_path / "there" / "file").write_text("this one")
    monkeypatch.chdir(tmp_path / "here")
    for path in ("../there/file", "../there/inside/../file", "../link/../file", tmp_path / "here/../there/./file"):
        assert plain_path(Path(path)).samefile(path)
        assert plain_path(Path(path)) == tmp_path.resolve() / "there" / "file"
    assert plain_path(Path("..")) == tmp_path.resolve()
    assert plain_path(tmp_path / "link" / "file") == tmp_path / "link" / "file"
    assert plain_path(Path("/../..")) == Path("/").absolute()


def test_home_is_where_the_variable_says(monkeypatch, tmp_path):
    monkeypatch.setenv("SYNTHMATCH_HOME", str(tmp_path / "here"))
    assert home() == tmp_path / "here"
    monkeypatch.delenv("SYNTHMATCH_HOME")
    assert home().name == "synthmatch"


def test_a_name_of_wide_letters_fits_into_a_file_name(tmp_path: Path) -> None:
    name = safe_name("\N{GRINNING FACE}" * 80)
    assert len(name) == 50
    (tmp_path / f"{name}.faustpatch").write_text("")
    assert safe_name("é" * 80) == "é" * 80
