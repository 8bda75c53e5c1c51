"""Banks that were moved or renamed, and added again from where they are now."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from synthmatch.errors import LibraryError
from synthmatch.library.choice import Choice
from synthmatch.library.library import Library
from synthmatch.networks.encoder import Encoder
from synthmatch.presets.bank import PresetBank
from synthmatch.renderers.pool import RenderPool


@pytest.fixture
def moved(
    library: Library, tmp_path: Path, bank_writer: Callable[..., PresetBank], encoder: Encoder, pool: RenderPool
) -> Library:
    """A library of a bank in the folder "old", which is called "new" now and was added from there too."""
    (tmp_path / "old").mkdir()
    library.add(bank_writer(tmp_path / "old" / "mine.faustpatch", 2, first=20), encoder=encoder, pool=pool)
    (tmp_path / "old").rename(tmp_path / "new")
    report = library.add(PresetBank.read(tmp_path / "new"), encoder=encoder, pool=pool)
    assert (report.rendered, report.known) == (0, 2)
    return library


def shown(library: Library, space: str) -> set[Path]:
    """The files of the bank's presets that a search finds."""
    vector = np.eye(24, dtype=np.float32)[0]
    return {listing.file.parent for listing, _ in library.search(space, vector, 99, choice=Choice(banks=("mine",)))}


def test_a_match_names_a_file_that_is_there(moved: Library, tmp_path: Path) -> None:
    assert shown(moved, "timbre") == {tmp_path / "new"}
    assert all(shown(moved, family) <= {tmp_path / "new"} for family in moved.families)
    (tmp_path / "new").rename(tmp_path / "away")  # a drive, say
    assert shown(moved, "timbre") == {tmp_path / "old"}  # nothing is lost, and the oldest stands for all, as ever
    (tmp_path / "away").rename(tmp_path / "new")
    assert shown(moved, "timbre") == {tmp_path / "new"}


def test_what_is_gone_is_removed_by_its_path(moved: Library, tmp_path: Path) -> None:
    sounds = len(moved)
    for place in (tmp_path / "ol", tmp_path / "old" / "other", tmp_path / "new" / "mine"):
        with pytest.raises(LibraryError, match=r"holds no presets of .*; .* names its banks"):
            moved.remove(place=place)
    assert moved.remove(place=tmp_path / "new" / ".." / "old") == 2
    assert {each.file.parent for each in moved.presets(Choice(banks=("mine",)))} == {tmp_path / "new"}
    assert len(moved) == sounds
    assert moved.remove(place=tmp_path / "new" / "mine.faustpatch") == 2
    assert len(moved) == sounds - 2
    assert moved.verify() == []
