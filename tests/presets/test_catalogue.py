"""The catalogue: what every row must say, and the user's own synths beside it."""

import re
from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest

from synthmatch.errors import SynthError
from synthmatch.presets.catalogue import SYNTHS, Engine, Synth, known_synth, synths, synths_file
from synthmatch.presets.formats import formats
from synthmatch.presets.ownsynths import own_synth, remove_synth, write_synth


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SYNTHMATCH_HOME", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("row", SYNTHS.values(), ids=lambda row: row.id)
def test_every_row_says_what_its_engine_needs(row: Synth) -> None:
    assert re.fullmatch(r"[a-z0-9][a-z0-9_-]*", row.id)
    assert row.title
    assert row.remedy
    assert not row.remedy.endswith(".")  # it ends a sentence
    assert row.files
    assert not row.mine
    assert row.settle >= 0
    assert all(0 <= each.default <= 1 for each in row.parameters)
    assert (row.engine is Engine.PLUGIN) == bool(row.plugin)
    if row.engine is Engine.PLUGIN:
        assert len(row.plugin_id) == 4
        assert row.banks or row.parameters  # presets, or what random patches are made of


def test_a_plugins_files_are_among_the_formats() -> None:
    suffixes = {form.suffix for form in formats()}
    assert {suffix for row in SYNTHS.values() if row.engine is Engine.PLUGIN for suffix in row.files} <= suffixes


def test_no_two_rows_share_a_plugin() -> None:
    ids = [row.plugin_id for row in SYNTHS.values() if row.plugin_id]
    assert len(ids) == len(set(ids))


def test_the_table_is_not_changed_by_anyone() -> None:
    with pytest.raises(TypeError):
        SYNTHS["amsynth"] = SYNTHS["kars"]  # type: ignore[index]
    with pytest.raises(FrozenInstanceError):
        SYNTHS["amsynth"].title = "x"  # type: ignore[misc]


def test_without_a_file_the_known_synths_are_all(home: Path) -> None:
    assert synths_file() == home / "synths.toml"
    assert synths() == SYNTHS
    assert list(synths()) == list(SYNTHS)
    assert not synths_file().exists()


def test_the_users_synths_come_after_the_known_ones() -> None:
    row = own_synth("diva", "Diva", {"plugin": "/x/Diva.vst3", "plugin_id": "d39d5b69" * 4})
    write_synth(synths_file(), row)
    assert list(synths()) == [*SYNTHS, "diva"]
    assert known_synth("diva") == row
    remove_synth(synths_file(), "diva")
    assert synths() == SYNTHS
    with pytest.raises(SynthError, match=r"No synth called diva is known; choose one of amsynth, .* `synthmatch synth"):
        known_synth("diva")


def test_a_table_that_has_a_known_synths_id_replaces_it() -> None:
    synths_file().write_text('[amsynth]\nplugin = "/opt/amsynth.so"\ntitle = "My amsynth"\n')
    row = known_synth("amsynth")
    assert (row.title, row.plugin, row.mine) == ("My amsynth", "/opt/amsynth.so", True)
    assert row.files == SYNTHS["amsynth"].files  # what the table doesn't say is as it was
    assert list(synths()) == list(SYNTHS)
    assert SYNTHS["amsynth"].title == "amsynth"


def test_a_file_that_cannot_be_understood_is_named() -> None:
    synths_file().write_text("[diva]\n")
    with pytest.raises(SynthError, match=r"synths\.toml, \[diva\] names no plugin"):
        synths()
    with pytest.raises(SynthError, match=r"synths\.toml, \[diva\] names no plugin"):
        known_synth("amsynth")


def test_a_row_is_of_vst_3_if_its_files_are() -> None:
    assert own_synth("a", "A", {"plugin": "/x/A.vst3"}).is_vst3
    assert not any(row.is_vst3 for row in SYNTHS.values())
