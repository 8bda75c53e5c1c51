"""Which presets are meant: banks of synths, and paths."""

from __future__ import annotations

from pathlib import Path

import pytest

from synthmatch.errors import PresetError
from synthmatch.presets.catalogue import SYNTHS
from synthmatch.presets.formats.amsynth import AmsynthBank, make_state
from synthmatch.presets.preset import Preset
from synthmatch.renderers.synths import plugin_suffixes
from synthmatch.sources import addable, default_synths, read_sources


@pytest.fixture
def banks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of banks for every synth, all empty but amsynth's; and plugins that only have to be found."""
    folders = {"SYNTHMATCH_BANKS": tmp_path / "banks", "VST_PATH": tmp_path / "plugins"}
    for name, folder in folders.items():
        folder.mkdir()
        monkeypatch.setenv(name, str(folder))
    monkeypatch.setenv("SYNTHMATCH_HOME", str(tmp_path / "home"))
    for row in SYNTHS.values():
        (folders["SYNTHMATCH_BANKS"] / row.id).mkdir()
    for row in (SYNTHS["amsynth"], SYNTHS["zynaddsubfx"]):
        (folders["VST_PATH"] / f"{row.plugin}{plugin_suffixes(row)[0]}").write_bytes(b"")
    AmsynthBank().write(folders["SYNTHMATCH_BANKS"] / "amsynth" / "mine.bank", [Preset("One", make_state({}))])
    return folders["SYNTHMATCH_BANKS"]


@pytest.mark.usefixtures("banks")
def test_an_empty_folder_of_one_synth_stops_no_other() -> None:
    assert [row.id for row in default_synths()] == ["amsynth"]
    assert [preset.name for preset in read_sources()] == ["One"]
    can_be_added = {row.id for row in addable()}
    assert "amsynth" in can_be_added
    assert "zynaddsubfx" not in can_be_added


def test_an_empty_folder_that_is_named_is_an_error(banks: Path) -> None:
    with pytest.raises(PresetError, match="No banks of ZynAddSubFX are on this machine; name a folder of them, or"):
        read_sources(["amsynth", "zynaddsubfx"])
    with pytest.raises(PresetError, match="zynaddsubfx holds no presets"):
        read_sources(["amsynth", str(banks / "zynaddsubfx")])
