"""``.fxp`` and ``.fxb`` as presets: one state whatever file it comes from, banks and programs, strangers' plugins."""

import struct
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthmatch.errors import PresetError
from synthmatch.presets.bank import PresetBank
from synthmatch.presets.catalogue import SYNTHS, Engine, Synth
from synthmatch.presets.formats import format_of, formats_for
from synthmatch.presets.formats.amsynth import make_state
from synthmatch.presets.formats.fxp import FxFile, FxProgram
from synthmatch.presets.formats.vst2 import Vst2File, parameter_state, plugin_file
from synthmatch.presets.preset import Preset, State

MINE = Synth("mine", "My Synth", Engine.PLUGIN, (".fxp",), "", plugin_id="Mine", plugin_version=7)
OTHER = Synth("other", "Other", Engine.PLUGIN, (".fxp",), "", plugin_id="Othr")
THIRD = Synth("third", "Third", Engine.PLUGIN, (".vstpreset",), "", plugin_id="Thrd")
KNOWN = {**SYNTHS, **{row.id: row for row in (MINE, OTHER, THIRD)}}

FXP, FXB = Vst2File(".fxp", KNOWN), Vst2File(".fxb", KNOWN)


def read(path: Path) -> Sequence[Preset]:
    presets, faults = Vst2File(path.suffix, KNOWN).read(path)
    assert list(faults) == []
    return presets


def saved(path: Path, file: FxFile) -> Path:
    path.write_bytes(file.encode())
    return path


_NAMES = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=27)
_VALUES = st.lists(st.floats(0, 1, width=32), min_size=1, max_size=8)


@given(st.lists(st.tuples(_NAMES, _VALUES), min_size=1, max_size=5))
def test_a_bank_and_its_programs_hold_the_same_presets(
    tmp_path_factory: pytest.TempPathFactory, content: list[tuple[str, list[float]]]
) -> None:
    folder = tmp_path_factory.getbasetemp()
    presets = [Preset(name, parameter_state(MINE, values)) for name, values in content]
    bank = folder / "all.fxb"
    FXB.write(bank, presets)
    expected = [(each.name, each.state) for each in presets]
    assert [(each.name, each.state) for each in read(bank)] == expected
    assert [each.slot for each in read(bank)] == list(range(len(presets)))
    singles: list[Preset] = []
    for number, preset in enumerate(read(bank)):
        FXP.write(folder / f"{number}.fxp", [preset])
        singles += read(folder / f"{number}.fxp")
    assert [(each.name, each.state) for each in singles] == expected
    again = folder / "again.fxb"
    FXB.write(again, singles)
    assert again.read_bytes() == bank.read_bytes()


def test_what_a_preset_is_written_as_is_what_its_plugin_takes(tmp_path: Path) -> None:
    """A chunk of a whole bank goes into no .fxp, which is what a plugin's presets are written as otherwise."""
    chunks = [FxFile("Mine", b"chunk", bank=bank, name="" if bank else "N") for bank in (True, False)]
    presets = [read(saved(tmp_path / f"saved{chunk.suffix}", chunk))[0] for chunk in chunks]
    presets.append(Preset("values", parameter_state(MINE, [0.5])))
    suffixes = []
    for preset in presets:
        (form,) = formats_for(preset, KNOWN)
        path = tmp_path / f"again{form.suffix}"
        form.write(path, [preset])
        assert [each.state for each in read(path)] == [preset.state]
        suffixes.append(form.suffix)
    assert suffixes == [".fxb", ".fxp", ".fxp"]
    of_amsynth = formats_for(Preset("A", make_state({"amp_attack": 1.0})), KNOWN)
    assert tuple(form.suffix for form in of_amsynth) == SYNTHS["amsynth"].files


def test_names_are_no_part_of_a_state(tmp_path: Path) -> None:
    for chunk in (None, b"chunk"):
        programs = () if chunk else (FxProgram("", (0.5,)),)
        file = FxFile("Mine", chunk, programs)
        named = FxFile("Mine", chunk, tuple(replace(each, name="N") for each in programs), name="N" if chunk else "")
        (first,), (second,) = (
            read(saved(tmp_path / name, each)) for name, each in (("first.fxp", file), ("second.fxp", named))
        )
        assert first.state == second.state
        assert (first.name, second.name) == ("first", "N")


def test_a_preset_alone_in_its_file_belongs_to_the_folder(tmp_path: Path) -> None:
    FXP.write(tmp_path / "one.fxp", [Preset("One", parameter_state(MINE, [0.5]))])
    FXB.write(tmp_path / "two.fxb", [Preset(name, parameter_state(MINE, [0.5])) for name in "ab"])
    assert [each.bank for each in read(tmp_path / "one.fxp")] == [tmp_path.name]
    assert [each.bank for each in read(tmp_path / "two.fxb")] == ["two", "two"]


def test_programs_without_names_are_numbered(tmp_path: Path) -> None:
    file = FxFile("Mine", programs=(FxProgram("", (0.5,)), FxProgram("Named", (0.25,))), bank=True)
    assert [each.name for each in read(saved(tmp_path / "bank.fxb", file))] == ["bank 1", "Named"]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_program_that_holds_no_numbers_costs_the_bank_nothing_else(tmp_path: Path, value: float) -> None:
    whole = FxFile("Mine", programs=tuple(FxProgram(name, (0.5, 0.25)) for name in ("A", "Bad")), bank=True).encode()
    path = tmp_path / "bank.fxb"
    path.write_bytes(whole[:-8] + struct.pack(">2f", 0.5, value))
    presets, faults = FXB.read(path)
    assert [(each.name, each.slot, each.bank) for each in presets] == [("A", 0, "bank")]
    assert faults == [f"Program 2 of {path}, 'Bad', holds values that aren't numbers; save it again."]
    (single,) = FxFile.decode(path.read_bytes(), "it").programs[1:]
    with pytest.raises(PresetError, match="'Bad' holds values that aren't numbers"):
        FxFile("Mine", programs=(single,)).encode()


@pytest.mark.parametrize("bank", [False, True])
@pytest.mark.parametrize("chunk", [b"", b"\0\xffanything"])
def test_a_chunk_that_only_the_plugin_understands_is_the_state(tmp_path: Path, bank: bool, chunk: bytes) -> None:
    file = FxFile("Mine", chunk, bank=bank, name="" if bank else "Fat", plugin_version=7)
    path = saved(tmp_path / f"song{file.suffix}", file)
    (preset,) = read(path)
    assert preset.name == ("song" if bank else "Fat")
    assert preset.state == State("mine", replace(file, name="").encode())
    assert plugin_file(preset.state).chunk == chunk
    copy = tmp_path / f"copy{file.suffix}"
    Vst2File(file.suffix, KNOWN).write(copy, [preset])
    assert copy.read_bytes() == path.read_bytes()
    wrong = FXP if bank else FXB
    with pytest.raises(PresetError, match=f"a chunk that My Synth takes from an {file.suffix} file"):
        wrong.write(tmp_path / f"wrong{wrong.suffix}", [preset])


def test_a_plugin_that_is_not_known_is_named_with_what_to_do(tmp_path: Path) -> None:
    for plugin in ("Strg", "Thrd"):  # the second is known, but as a VST 3 plugin
        path = saved(tmp_path / "x.fxp", FxFile(plugin, b"chunk"))
        with pytest.raises(PresetError, match=rf"x\.fxp .* '{plugin}', .* `synthmatch synth add`\.$"):
            FXP.read(path)


def test_a_synth_of_the_users_file_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYNTHMATCH_HOME", str(tmp_path / "home"))
    path = saved(tmp_path / "x.fxp", FxFile("Mine", b"chunk", name="Fat"))
    (fault,) = PresetBank.read(path).faults
    assert "synthmatch synth add" in fault.reason
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "synths.toml").write_text('[mine]\nplugin = "/plugins/mine.so"\nplugin_id = "Mine"\n')
    (preset,) = PresetBank.read(path)
    assert (preset.synth, preset.name) == ("mine", "Fat")
    format_of(Path("y.fxp")).write(tmp_path / "y.fxp", [preset])
    assert (tmp_path / "y.fxp").read_bytes() == path.read_bytes()


@pytest.mark.parametrize(
    ("file", "reason"),
    [
        (FxFile("Mine", bank=True), "a bank without programs"),
        (FxFile("amsy", programs=(FxProgram("", (0.5,)),)), "bare values, which amsynth never saves"),
        (FxFile("amsy", b"\xff\xfe"), "isn't an amsynth bank"),
        (FxFile("ZASF", b"no session"), "holds no session of ZynAddSubFX"),
        (FxFile("ZASF", b"state\0<?xml version='1.0'?><a>\0"), "isn't valid XML"),
        (FxFile("ZASF", b"<?xml version='1.0'?><!DOCTYPE a [<!ENTITY x 'y'>]><a>&x;</a>"), "defines entities"),
        (FxFile("ZASF", b"<?xml version='1.0'?>" + b" " * 2**25), "session of more than 32 MiB"),
    ],
)
def test_files_that_hold_no_preset_are_refused(tmp_path: Path, file: FxFile, reason: str) -> None:
    path = saved(tmp_path / f"bad{file.suffix}", file)
    with pytest.raises(PresetError, match=reason) as caught:
        Vst2File(file.suffix, KNOWN).read(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_files_that_are_not_there_or_too_large_are_refused(tmp_path: Path) -> None:
    with pytest.raises(PresetError, match=r"nowhere\.fxp can't be read"):
        FXP.read(tmp_path / "nowhere.fxp")
    with (tmp_path / "huge.fxp").open("wb") as file:
        file.truncate(2**28 + 1)
    with pytest.raises(PresetError, match=r"huge\.fxp is larger than 256 MiB"):
        FXP.read(tmp_path / "huge.fxp")


def value(row: Synth, number: float = 0.5) -> Preset:
    return Preset(f"{row.title} {number}", parameter_state(row, [number]))


CHUNK = Preset("Chunk", State("mine", FxFile("Mine", b"chunk", bank=True).encode()))
AMSYNTH = Preset("Am", make_state({}))


@pytest.mark.parametrize(
    ("form", "presets", "reason"),
    [
        (FXB, [], "needs at least one preset"),
        (FXP, [value(MINE), value(MINE)], r"x\.fxp can't hold 2 presets"),
        (FXB, [value(MINE), value(OTHER)], "can't hold presets of mine and other"),
        (FXB, [CHUNK, CHUNK], "can hold one preset of mine, not 2"),
        (FXB, [value(MINE), CHUNK], "can't hold values and chunks of My Synth together"),
        (FXB, [value(MINE), value(replace(MINE, plugin_version=8))], "several versions of My Synth"),
        (FXB, [AMSYNTH, AMSYNTH], "can hold one preset of amsynth, not 2"),
        (FXP, [Preset("P", State("faust", b"{}"))], r"a preset of faust, which an \.fxp file can't hold"),
        (FXP, [Preset("P", State("gone", b"{}"))], r"a preset of gone, which an \.fxp file can't hold"),
        (FXP, [Preset("P", State("third", b"VST3"))], r"a preset of third, which an \.fxp file can't hold"),
        (FXP, [Preset("P", State("mine", b"{}"))], r"^The state \w+ of mine isn't a VST preset file"),
        (FXB, [Preset("P", State("zynaddsubfx", b"{}"))], "isn't a ZynAddSubFX instrument"),
    ],
)
def test_what_a_file_cannot_hold_is_not_written(
    tmp_path: Path, form: Vst2File, presets: list[Preset], reason: str
) -> None:
    with pytest.raises(PresetError, match=reason):
        form.write(tmp_path / f"x{form.suffix}", presets)
    assert list(tmp_path.iterdir()) == []
