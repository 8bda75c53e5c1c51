"""Reading files and folders together."""

import os
from pathlib import Path

import pytest

from synthmatch.errors import PresetError, SynthError
from synthmatch.presets.bank import PresetBank, holds_presets
from synthmatch.presets.catalogue import SYNTHS, Engine, Synth
from synthmatch.presets.formats import format_of, formats, formats_of, native_format, suffixes
from synthmatch.presets.formats.amsynth import AmsynthBank, make_state
from synthmatch.presets.formats.vst2 import Vst2File, parameter_state
from synthmatch.presets.preset import Preset


def write(path: Path, *names: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    AmsynthBank().write(path, [Preset(name, make_state({"amp_attack": 1.0})) for name in names])
    return path


def test_a_folder_is_read_in_order_and_labelled(tmp_path: Path) -> None:
    write(tmp_path / "b.bank", "Fat Bass", "Odd")
    write(tmp_path / "a" / "z.bank", "Soft Pad")
    (tmp_path / "notes.txt").write_text("not a preset")
    bank = PresetBank.read(tmp_path)
    assert [(each.name, each.family) for each in bank] == [("Soft Pad", "pad"), ("Fat Bass", "bass"), ("Odd", "")]
    assert bank.faults == ()


def test_broken_files_cost_a_line_each_and_the_rest_goes_on(tmp_path: Path) -> None:
    write(tmp_path / "b.bank", "Fat Bass")
    (tmp_path / "a.bank").write_bytes(b"")
    (tmp_path / "c.xiz").write_bytes(b"\x1f\x8b")
    bank = PresetBank.read(tmp_path)
    assert [each.name for each in bank] == ["Fat Bass"]
    assert [fault.file.name for fault in bank.faults] == ["a.bank", "c.xiz"]
    assert all(str(fault.file) in fault.reason for fault in bank.faults)
    assert bank.whole == {tmp_path / "b.bank"}


def test_a_broken_preset_is_a_fault_of_its_file(tmp_path: Path) -> None:
    path = write(tmp_path / "b.bank", "Fat Bass", "Other")
    path.write_text(path.read_text().replace("amp_attack 1.0", "amp_attack nan", 1))
    bank = PresetBank.read(path)
    assert [each.name for each in bank] == ["Other"]
    assert [fault.file for fault in bank.faults] == [path]
    assert bank.whole == frozenset()


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(PresetError, match=r"gone isn't there"):
        PresetBank.read(tmp_path / "gone")
    with pytest.raises(PresetError, match=r"holds no presets; files ending in .*\.bank.*\.xiz"):
        PresetBank.read(tmp_path)


def test_a_bank_is_read_with_the_synths_that_are_known(tmp_path: Path) -> None:
    mine = Synth("mine", "Mine", Engine.PLUGIN, (".fxp",), "", plugin_id="Mine")
    path = tmp_path / "One.fxp"
    Vst2File(".fxp", {"mine": mine}).write(path, [Preset("Fat Bass", parameter_state(mine, [0.5]))])
    (fault,) = PresetBank.read(path, known=SYNTHS).faults
    assert "'Mine'" in fault.reason
    (preset,) = PresetBank.read(path, known={"mine": mine})
    assert (preset.synth, preset.name, preset.family) == ("mine", "Fat Bass", "bass")


def test_formats_are_found_by_suffix_and_by_synth() -> None:
    assert format_of(Path("x.BANK")) == AmsynthBank()
    assert format_of(Path("x.xiz")) == native_format("zynaddsubfx")
    assert [row.suffix for row in formats_of(SYNTHS["zynaddsubfx"])] == [".xiz", ".fxb"]
    with pytest.raises(PresetError, match=r"x\.wav isn't a known preset file"):
        format_of(Path("x.wav"))
    with pytest.raises(SynthError, match="called moog"):
        native_format("moog")


def test_every_suffix_is_one_formats() -> None:
    found = [row.suffix for row in formats()]
    assert len(found) == len(set(found))
    assert all(suffix.startswith(".") and suffix == suffix.lower() for suffix in found)
    assert suffixes() == {row.suffix for row in formats() if row.readable}
    assert ".dsp" in found
    assert ".dsp" not in suffixes()


def test_every_synth_keeps_its_presets_in_formats_that_hold_them() -> None:
    rows = [row for row in SYNTHS.values() if {*row.files} <= {each.suffix for each in formats()}]
    assert {row.id for row in rows} >= {"amsynth", "zynaddsubfx", "kars", "nekobi", "faust"}
    for row in rows:
        served = {each.suffix for each in formats() if each.serves(row)}
        assert {*row.files} - {".sf2"} <= served, row.id


def test_a_link_to_a_file_of_the_same_folder_is_no_second_bank(tmp_path: Path) -> None:
    write(tmp_path / "elsewhere.bank", "Far")
    write(tmp_path / "folder" / "here.bank", "Near")
    folder = tmp_path / "folder"
    (folder / "again.bank").symlink_to("here.bank")
    (folder / "far.bank").symlink_to(tmp_path / "elsewhere.bank")
    assert sorted(preset.name for preset in PresetBank.read(folder)) == ["Far", "Near"]
    assert [preset.name for preset in PresetBank.read(folder / "again.bank")] == ["Near"]


def test_folders_that_are_linked_are_read_once(tmp_path: Path) -> None:
    write(tmp_path / "disk" / "far.bank", "Far")
    write(tmp_path / "mine" / "deep" / "near.bank", "Near")
    (tmp_path / "mine" / "a link").symlink_to(tmp_path / "disk")
    (tmp_path / "mine" / "another").symlink_to(tmp_path / "disk")
    (tmp_path / "mine" / "itself").symlink_to(tmp_path / "mine" / "deep")  # sorts before what it leads to
    (tmp_path / "disk" / "back").symlink_to(tmp_path / "mine")
    (tmp_path / "mine" / "z:").symlink_to("/")
    found = {each.file.relative_to(tmp_path): each.name for each in PresetBank.read(tmp_path / "mine")}
    assert found == {Path("mine/a link/far.bank"): "Far", Path("mine/deep/near.bank"): "Near"}


def test_a_file_that_is_named_beside_its_folder_is_read_once(tmp_path: Path) -> None:
    inside = write(tmp_path / "a" / "one.bank", "Soft Pad")
    write(tmp_path / "a" / "two.bank", "Fat Bass")
    read = PresetBank.read(inside, tmp_path / "a", tmp_path / "a" / ".." / "a" / "one.bank")
    assert [each.name for each in read] == ["Soft Pad", "Fat Bass"]


def test_a_file_whose_name_is_no_text_costs_one_line(tmp_path: Path) -> None:
    """Names in the letters of an old system: neither a database nor a manifest takes them."""
    fine, old = write(tmp_path / "fine.bank", "Near"), os.fsdecode(os.fsencode(tmp_path) + b"/gr\xfc\xdfe.bank")
    try:
        Path(old).write_bytes(fine.read_bytes())
    except OSError:
        pytest.skip("this file system takes no names but Unicode ones, so there is nothing to test")
    bank = PresetBank.read(tmp_path)
    assert [preset.name for preset in bank] == ["Near"]
    (fault,) = bank.faults
    assert fault.reason == f"{tmp_path}/gr??e.bank has letters in its path that aren't Unicode; rename it."


def test_a_link_to_a_folder_whose_name_is_no_text_costs_one_line(tmp_path: Path) -> None:
    """Presets that lie in files of their own are of a bank called like their folder."""
    (tmp_path / "mine").mkdir()
    write(tmp_path / "mine" / "fine.bank", "Near")
    old = Path(os.fsdecode(os.fsencode(tmp_path) + b"/Kl\xe4nge"))
    try:
        old.mkdir()
    except OSError:
        pytest.skip("this file system takes no names but Unicode ones, so there is nothing to test")
    write(old / "far.bank", "Far")
    (tmp_path / "mine" / "link").symlink_to(old)
    bank = PresetBank.read(tmp_path / "mine")
    assert [preset.name for preset in bank] == ["Near"]
    (fault,) = bank.faults
    assert fault.reason == f"{tmp_path}/Kl?nge/far.bank has letters in its path that aren't Unicode; rename it."


def test_what_macos_leaves_beside_a_file_is_no_preset(tmp_path: Path) -> None:
    write(tmp_path / "Fat.bank", "Fat Bass")
    (tmp_path / "._Fat.bank").write_bytes(b"\0\5\x16\7\0\2\0\0Mac OS X        ")
    bank = PresetBank.read(tmp_path)
    assert [preset.name for preset in bank] == ["Fat Bass"]
    assert bank.faults == ()


def test_an_ellipsis_in_a_name_ends_no_line(tmp_path: Path) -> None:
    path = write(tmp_path / "b.bank", "Wait for it", "Other")
    path.write_bytes(path.read_bytes().replace(b"Wait for it", b"Wait\x85for it"))
    bank = PresetBank.read(path)
    assert [preset.name for preset in bank] == ["Wait\x85for it", "Other"]
    assert bank.faults == ()


@pytest.mark.parametrize(("length", "what"), [(-5, "deep.bank"), (5, "")])
def test_what_may_not_be_read_costs_one_line(
    length: int, what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A path longer than the system takes, by its last folder or by the file in that, stands for one that one may not
    read: whoever runs the tests may read everything."""
    write(tmp_path / "fine.bank", "Near")
    monkeypatch.chdir(tmp_path)
    where, whole = str(tmp_path), os.pathconf("/", "PC_PATH_MAX") + length
    while (left := whole - len(where) - 1) > 0:
        name = "d" * (left if left <= 200 else min(200, left - 2))
        Path(name).mkdir()
        os.chdir(name)
        where += f"/{name}"
    Path("deep.bank").write_bytes((tmp_path / "fine.bank").read_bytes())
    bank = PresetBank.read(tmp_path)
    assert [preset.name for preset in bank] == ["Near"]
    (fault,) = bank.faults
    assert fault.file == Path(where, what)
    assert fault.reason.startswith(f"{fault.file} can't be read (File name too long); ")
    with pytest.raises(PresetError, match=r"d can't be read \(File name too long\); name a preset file or a folder"):
        PresetBank.read(Path(where, "d" * 9))
    (tmp_path / "fine.bank").unlink()
    assert holds_presets(tmp_path)  # there is something to be told of
    assert [fault.file for fault in PresetBank.read(tmp_path).faults] == [Path(where, what)]
