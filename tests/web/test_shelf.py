from __future__ import annotations

from pathlib import Path

import pytest

from synthmatch.library import schema, store
from synthmatch.library.library import Library
from synthmatch.presets import faustsynth
from synthmatch.presets.preset import Preset
from synthmatch.web.shelf import Shelf


def test_a_library_that_is_read_as_it_lies_is_opened_anew_in_the_middle_of_a_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As by whoever may not write it, which these rights can't be kept from; its edition tells of the end alone."""
    with Library.create(tmp_path / "library") as owner:
        monkeypatch.setattr(store, "connected", lambda path, _: schema._connected_for_reading(path))
        shelf = Shelf(owner.path)
        assert shelf.library().rows.listings() == []
        assert shelf.library() is shelf.library()
        with owner.rows.transaction():
            owner.rows.put([Preset("Thing", faustsynth.make_state({}), bank="things", file=Path("a"))])
        owner.rows.merge()
        assert [row.name for row in shelf.library().rows.listings()] == ["Thing"]
        shelf.put_back()
