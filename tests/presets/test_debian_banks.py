"""All 4,800 presets of Debian's packages: read, labelled, written back."""

from collections import Counter
from pathlib import Path

import pytest

from synthmatch.presets.bank import PresetBank
from synthmatch.presets.families import FAMILIES
from synthmatch.presets.formats import format_of, native_format
from synthmatch.presets.formats.zyn import uses_padsynth

AMSYNTH = Path("/usr/share/amsynth/banks")
ZYN = Path("/usr/share/zynaddsubfx/banks")

pytestmark = [
    pytest.mark.plugin,
    pytest.mark.skipif(
        not (AMSYNTH.is_dir() and ZYN.is_dir()),
        reason="the banks of Debian's packages amsynth and zynaddsubfx-data aren't installed",
    ),
]


@pytest.fixture(scope="module")
def amsynth() -> PresetBank:
    return PresetBank.read(AMSYNTH)


@pytest.fixture(scope="module")
def zyn() -> PresetBank:
    return PresetBank.read(ZYN)


def test_amsynth_is_read_whole(amsynth: PresetBank) -> None:
    assert amsynth.faults == ()
    assert len(amsynth) == 3_482
    assert len({preset.id for preset in amsynth}) == 3_303
    assert {preset.bank for preset in amsynth} >= {"BriansBank01", "PatriksBank05", "amsynth_factory"}


def test_zyn_is_read_whole(zyn: PresetBank) -> None:
    assert zyn.faults == ()
    assert len(zyn) == 1_318
    assert len({preset.id for preset in zyn}) == 1_317
    assert sum(uses_padsynth(preset.state) for preset in zyn) == 343
    assert all(preset.name for preset in zyn)


def test_amsynth_banks_are_written_back(amsynth: PresetBank, tmp_path: Path) -> None:
    format_ = native_format("amsynth")
    for file in sorted({preset.file for preset in amsynth}):
        presets = [preset for preset in amsynth if preset.file == file]
        copy = tmp_path / file.name
        format_.write(copy, presets)
        back, faults = format_.read(copy)
        assert list(faults) == []
        assert [(each.name, each.id, each.slot, each.bank) for each in back] == [
            (each.name, each.id, each.slot, each.bank) for each in presets
        ]


def test_zyn_instruments_are_written_back(zyn: PresetBank, tmp_path: Path) -> None:
    format_ = native_format("zynaddsubfx")
    for preset in zyn:
        copy = tmp_path / "copy.xiz"
        format_.write(copy, [preset])
        (back,), _ = format_.read(copy)
        assert (back.name, back.id, back.author, back.comment, back.category) == (
            preset.name, preset.id, preset.author, preset.comment, preset.category or "0",
        )  # fmt: skip


def test_enough_presets_are_labelled_for_the_benchmark(amsynth: PresetBank, zyn: PresetBank) -> None:
    counts = Counter(preset.family for preset in (*amsynth, *zyn))
    assert min(counts[family] for family in FAMILIES) >= 70
    assert counts["percussion"] >= 190
    assert counts["bass"] >= 155
    assert counts["lead"] >= 175


def test_amsynth_presets_have_the_same_state_in_every_file(amsynth: PresetBank, tmp_path: Path) -> None:
    for number, preset in enumerate(amsynth.presets[::5]):
        path = tmp_path / ("one.fxb" if number % 2 else "one.fxp")
        format_of(path).write(path, [preset])
        (back,), _ = format_of(path).read(path)
        assert back.state == preset.state, preset
        expected = preset.name.encode("latin-1", "replace")[:27].decode("latin-1").strip() or "one"
        assert back.name == ("one" if number % 2 else expected)


def test_zyn_presets_have_the_same_state_in_every_file(zyn: PresetBank, tmp_path: Path) -> None:
    for number, preset in enumerate(zyn.presets[::5]):
        path = tmp_path / ("one.fxp" if number % 2 else "one.fxb")
        format_of(path).write(path, [preset])
        (back,), _ = format_of(path).read(path)
        assert back.state == preset.state, preset
        assert (back.name, back.author, back.comment, back.category) == (
            preset.name, preset.author, preset.comment, preset.category or "0",
        )  # fmt: skip
