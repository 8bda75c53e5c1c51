"""A library that can only be read, such as one that a studio shares.

Whoever may do everything can write into any folder, so these tests give their rights away, in a process of its own: the
modules that it needs are imported before, since others may not read where they lie.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from synthmatch.networks.encoder import Encoder

SHARED, WRITABLE, ENCODER = 1, 2, 3

CODE = f"""
import os, sys
import numpy as np
from synthmatch import Clip, Encoder, Library, Matcher, SynthmatchError
rng = np.random.default_rng(0)
song, encoder = Clip(rng.normal(0, 0.1, (1, 160_000)).astype(np.float32), 16_000), Encoder.load(sys.argv[{ENCODER}])
def matched(folder):
    library = Library.open(folder)
    result = Matcher(library, encoder).match(song, k=len(library))
    return library, sorted({{match.preset.name for family in result.families for match in family.matches}})
library, expected = matched(sys.argv[{WRITABLE}])  # and all that is imported on the way
library.close()
if os.getuid() == 0:
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
try:
    library, names = matched(sys.argv[{SHARED}])
    print(names == expected and len(names) > 1)
    library.remove(bank=library.presets()[0].bank)
except SynthmatchError as error:
    print(error)
"""


@pytest.fixture
def shared(filled: Path, tmp_path: Path) -> Iterator[Path]:
    """A copy of a library, which nobody may write."""
    folder = Path(shutil.copytree(filled, tmp_path / "shared"))
    for path in (*folder.rglob("*"), folder):
        path.chmod(0o555 if path.is_dir() else 0o444)
    for above in folder.parents:  # pytest's own folders are for one user
        if os.getuid() or above == Path(tempfile.gettempdir()):
            break
        above.chmod(0o711)
    yield folder
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)


@pytest.fixture
def said(shared: Path, filled: Path, encoder: Encoder, tmp_path: Path) -> Callable[[], list[str]]:
    """What comes of matching in the shared library, and of changing it."""
    encoder.save(tmp_path / "encoder.safetensors")

    def run() -> list[str]:
        command = [sys.executable, "-c", CODE, shared, filled, tmp_path / "encoder.safetensors"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()

    return run


def test_it_is_matched_and_says_that_it_cannot_be_changed(shared: Path, said: Callable[[], list[str]]) -> None:
    found, refusal = said()
    assert found == "True"
    assert refusal == f"The library {shared} can't be written; change that, or name another."


def test_in_the_middle_of_a_change_it_is_not_read(shared: Path, said: Callable[[], list[str]]) -> None:
    shared.chmod(0o755)
    (shared / "library.sqlite-wal").write_bytes(b"begun")
    (shared / "library.sqlite-wal").chmod(0o444)
    shared.chmod(0o555)
    (refusal,) = said()
    assert "was left in the middle of a change" in refusal


def test_one_of_before_is_not_read(shared: Path, said: Callable[[], list[str]]) -> None:
    shared.chmod(0o755)
    (shared / "library.sqlite").chmod(0o644)
    with sqlite3.connect(shared / "library.sqlite") as connection:
        connection.execute("PRAGMA user_version = 1")
    connection.close()
    (shared / "library.sqlite").chmod(0o444)
    shared.chmod(0o555)
    (refusal,) = said()
    assert "older synthmatch's" in refusal


def test_a_file_that_may_not_be_read_is_named(shared: Path, said: Callable[[], list[str]]) -> None:
    (shared / "library.sqlite").chmod(0)
    (refusal,) = said()
    assert "library.sqlite can't be read (unable to open database file); see to it" in refusal
