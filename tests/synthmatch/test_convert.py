"""Conversion between a synth's formats: what is joined, what is parted, names, faults, and what stays untouched."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthmatch.convert import convert, writable_suffixes
from synthmatch.errors import PresetError
from synthmatch.presets import faustsynth
from synthmatch.presets.bank import Fault, PresetBank
from synthmatch.presets.catalogue import SYNTHS, Engine, Synth
from synthmatch.presets.formats import format_of
from synthmatch.presets.formats.amsynth import make_state
from synthmatch.presets.formats.fxp import FxFile
from synthmatch.presets.formats.vst2 import parameter_state
from synthmatch.presets.formats.vstpreset import Vst3Preset
from synthmatch.presets.preset import Preset, State

MINE = Synth("mine", "My Synth", Engine.PLUGIN, (".fxp",), "", plugin_id="Mine")
DIVA = Synth("diva", "Diva", Engine.PLUGIN, (".vstpreset",), "", plugin="/x/Diva.vst3", plugin_id="d39d5b69" * 4)
KNOWN = {**SYNTHS, "mine": MINE, "diva": DIVA}


def am(name: str, attack: float = 1.0) -> Preset:
    return Preset(name, make_state({"amp_attack": attack}))


def mine(name: str, value: float = 0.5) -> Preset:
    return Preset(name, parameter_state(MINE, [value]))


def bank(folder: Path, file: str, *presets: Preset) -> PresetBank:
    """A bank as it is read from a file of it."""
    path = folder / file
    format_of(path, KNOWN).write(path, presets)
    return PresetBank.read(path, known=KNOWN)


def join(*banks: PresetBank) -> PresetBank:
    return PresetBank(
        tuple(preset for each in banks for preset in each), tuple(fault for each in banks for fault in each.faults)
    )


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*")) if folder.exists() else []


def listed(*paths: Path) -> list[tuple[str, State]]:
    found = PresetBank.read(*paths, known=KNOWN)
    assert found.faults == ()
    return [(preset.name, preset.state) for preset in found]


def test_a_bank_becomes_single_presets_and_a_bank_again(tmp_path: Path) -> None:
    before = bank(tmp_path, "Mine.bank", am("One", 0.5), am("Two", 1.0), am("Three", 1.5))
    report = convert(before, ".fxp", tmp_path / "singles", known=KNOWN)
    assert report.written == tuple(tmp_path / "singles" / f"{name}.fxp" for name in ("One", "Two", "Three"))
    assert (report.presets, report.faults) == (3, ())
    assert listed(*report.written) == [(each.name, each.state) for each in before]
    back = convert(PresetBank.read(*report.written), ".bank", tmp_path / "out")
    assert back.written == (tmp_path / "out" / "singles.bank",)  # named after the folder that was the bank
    assert back.presets == 3
    assert listed(*back.written) == [(each.name, each.state) for each in before]


_NAMES = st.text(st.characters(min_codepoint=32, max_codepoint=126, exclude_characters="<"), max_size=20).map(str.strip)


@given(st.lists(st.tuples(_NAMES.filter(bool), st.floats(0, 2.5)), min_size=1, max_size=6))
def test_there_and_back_gives_the_same_presets(
    tmp_path_factory: pytest.TempPathFactory, content: list[tuple[str, float]]
) -> None:
    folder = tmp_path_factory.mktemp("convert")
    before = bank(folder, "all.bank", *(am(name, attack) for name, attack in content))
    singles = convert(before, ".fxp", folder / "singles")
    assert (len(singles.written), singles.presets, singles.faults) == (len(content), len(content), ())
    back = convert(PresetBank.read(*singles.written), ".bank", folder, name="again")
    assert back.written == (folder / "again.bank",)
    assert listed(*back.written) == [(each.name, each.state) for each in before]


def test_files_are_numbered_only_where_names_are_alike(tmp_path: Path) -> None:
    presets = (am("Bass"), am("bass", 0.5), am("Bass 2"), am("A/B"), am("A:B"), am("Bass"), am("Pad"), am(""), am(""))
    report = convert(bank(tmp_path, "x.bank", *presets), ".fxp", tmp_path / "out")
    assert [path.stem for path in report.written] == [
        "Bass", "bass 3", "Bass 2", "A_B", "A_B 2", "Bass 4", "Pad", "unnamed", "unnamed 2",
    ]  # fmt: skip
    assert [state for _, state in listed(*report.written)] == [each.state for each in presets]


def test_a_long_name_fits_into_a_files(tmp_path: Path) -> None:
    presets = [Preset("🎹" * 200, faustsynth.make_state({})), Preset("🎹" * 200, faustsynth.make_state({}))]
    report = convert(bank(tmp_path, "x.faustpatch", *presets), ".dsp", tmp_path / "out")
    assert [path.exists() for path in report.written] == [True, True]


def test_presets_of_several_banks_are_named_after_their_folder(tmp_path: Path) -> None:
    folder = tmp_path / "Collection"
    both = join(bank(folder, "a/first.bank", am("A"), am("B")), bank(folder, "b/second.bank", am("C")))
    report = convert(both, ".bank", tmp_path)
    assert report.written == (tmp_path / "Collection.bank",)
    assert [name for name, _ in listed(*report.written)] == ["A", "B", "C"]
    named = convert(both, ".bank", tmp_path, name="My best: 1")
    assert named.written == (tmp_path / "My best_ 1.bank",)


def test_values_are_joined_and_chunks_are_not(tmp_path: Path) -> None:
    values = bank(tmp_path, "values.fxb", mine("One", 0.1), mine("Two", 0.2))
    singles = convert(values, ".fxp", tmp_path / "singles", known=KNOWN)
    joined = convert(PresetBank.read(*singles.written, known=KNOWN), ".fxb", tmp_path / "joined", known=KNOWN)
    assert joined.written == (tmp_path / "joined" / "singles.fxb",)
    assert joined.written[0].read_bytes() == (tmp_path / "values.fxb").read_bytes()
    chunks = convert(bank(tmp_path, "x.bank", am("One"), am("Two")), ".fxb", tmp_path / "chunks")
    assert [path.name for path in chunks.written] == ["One.fxb", "Two.fxb"]


def test_more_than_a_bank_can_hold_becomes_several(tmp_path: Path) -> None:
    presets = tuple(am(f"P{number}", number / 200) for number in range(129))
    report = convert(PresetBank(presets), ".bank", tmp_path / "out", known=KNOWN)
    assert report.faults == ()
    assert len(report.written) == 2
    assert listed(*report.written) == [(preset.name, preset.state) for preset in presets]


def test_a_file_with_one_preset_is_named_after_it(tmp_path: Path) -> None:
    one = bank(tmp_path, "x.bank", am("One"))
    assert convert(one, ".bank", tmp_path / "a").written == (tmp_path / "a" / "One.bank",)
    assert convert(one, ".fxp", tmp_path / "a", name="Other").written == (tmp_path / "a" / "Other.fxp",)


def test_zyn_instruments_keep_their_listing(tmp_path: Path) -> None:
    text = "<ZynAddSubFX-data><INSTRUMENT><INSTRUMENT_KIT/></INSTRUMENT></ZynAddSubFX-data>"
    preset = Preset("Büß", State("zynaddsubfx", text.encode()), author="Ana", comment="Two\nlines", category="5")
    report = convert(bank(tmp_path, "x.xiz", preset), ".fxb", tmp_path / "host")
    back = convert(PresetBank.read(*report.written), ".xiz", tmp_path / "back")
    (again,) = PresetBank.read(*back.written)
    assert [path.name for path in back.written] == ["Büß.xiz"]
    assert (again.name, again.author, again.comment, again.category) == ("Büß", "Ana", "Two\nlines", "5")


def test_vst_3_presets_are_copied(tmp_path: Path) -> None:
    state = State("diva", Vst3Preset(DIVA.plugin_id, b"component").encode())
    before = bank(tmp_path, "Some.vstpreset", Preset("Warm", state))
    report = convert(before, ".vstpreset", tmp_path / "out", known=KNOWN)
    assert listed(*report.written) == [("Warm", state)]
    assert report.written == (tmp_path / "out" / "Warm.vstpreset",)


def test_a_preset_that_the_format_cannot_hold_is_a_fault_and_the_rest_goes_on(tmp_path: Path) -> None:
    folder = tmp_path / "singles"
    bad = "bad <parameter> name"
    three = join(*(bank(folder, f"{number}.fxp", am(name)) for number, name in enumerate(("One", bad, "Three"))))
    report = convert(three, ".bank", tmp_path / "out")
    assert report.written == (tmp_path / "out" / "singles.bank",)
    assert (report.presets, [name for name, _ in listed(*report.written)]) == (2, ["One", "Three"])
    (fault,) = report.faults
    assert fault.file == folder / "1.fxp"
    assert fault.reason.startswith(f"'{bad}' of {folder / '1.fxp'} is left out: ")
    assert "rename the preset" in fault.reason
    assert names(tmp_path / "out") == ["singles.bank"]


def test_faults_of_reading_come_along(tmp_path: Path) -> None:
    fault = Fault(Path("broken.bank"), "broken.bank is empty; copy it again.")
    report = convert(replace(bank(tmp_path, "x.bank", am("One")), faults=(fault,)), ".fxp", tmp_path / "out")
    assert (len(report.written), report.faults) == (1, (fault,))


def test_a_single_file_that_cannot_be_written_is_a_fault(tmp_path: Path) -> None:
    chunk = Preset("Chunk", State("mine", FxFile("Mine", b"c", bank=True).encode()))
    mixed = join(bank(tmp_path, "chunk.fxb", chunk), bank(tmp_path, "value.fxp", mine("Value")))
    report = convert(mixed, ".fxp", tmp_path / "out", known=KNOWN)
    assert report.written == (tmp_path / "out" / "Value.fxp",)
    assert "a chunk that My Synth takes from an .fxb file" in report.faults[0].reason
    assert names(tmp_path / "out") == ["Value.fxp"]


@pytest.mark.parametrize(
    ("preset", "suffix", "sentence"),
    [
        (am("One"), ".xiz", "of amsynth, whose presets can't be written as .xiz; its formats are .bank, .fxp, .fxb."),
        (mine("One"), ".bank", "of My Synth, whose presets can't be written as .bank; its formats are .fxp, .fxb."),
        (Preset("One", faustsynth.make_state({})), ".fxb", "its formats are .faustpatch, .dsp."),
    ],
)
def test_a_format_of_another_synth_is_refused_with_those_there_are(
    tmp_path: Path, preset: Preset, suffix: str, sentence: str
) -> None:
    own = {"amsynth": ".bank", "mine": ".fxp", "faust": ".faustpatch"}[preset.synth]
    both = join(*(bank(tmp_path, f"{number}{own}", preset) for number in range(2)))
    report = convert(both, suffix, tmp_path / "out", known=KNOWN)
    assert report.written == ()
    assert report.presets == 0
    (fault,) = report.faults
    assert fault.reason.startswith(f"{tmp_path / f'0{own}'} and 1 more are of ")
    assert fault.reason.endswith(sentence)
    assert names(tmp_path / "out") == []


def test_presets_of_several_synths_go_where_they_can(tmp_path: Path) -> None:
    stranger = bank(tmp_path, "y.faustpatch", Preset("F", faustsynth.make_state({})))
    mixed = join(bank(tmp_path, "x.bank", am("One")), stranger)
    report = convert(mixed, ".fxp", tmp_path / "out")
    assert report.written == (tmp_path / "out" / "One.fxp",)
    assert [fault.file.name for fault in report.faults] == ["y.faustpatch"]
    gone = convert(bank(tmp_path, "z.fxp", mine("Z")), ".fxp", tmp_path / "out", known=SYNTHS)
    assert "mine, which isn't known any more; add it with `synthmatch synth add`" in gone.faults[0].reason


def test_nothing_is_overwritten_unless_asked_for(tmp_path: Path) -> None:
    out = tmp_path / "out"
    first = bank(tmp_path, "x.bank", am("One"), am("Two"))
    convert(first, ".fxp", out)
    before = {path: path.read_bytes() for path in out.iterdir()}
    second = bank(tmp_path, "y.bank", am("Zero", 2.0), am("One", 2.0), am("Two", 2.0))
    with pytest.raises(PresetError, match=r"One\.fxp and 1 more are there already; .* say to overwrite"):
        convert(second, ".fxp", out)
    assert {path: path.read_bytes() for path in out.iterdir()} == before  # Zero isn't written either
    report = convert(second, ".fxp", out, force=True)
    assert [state for _, state in listed(*report.written)] == [each.state for each in second]
    with pytest.raises(PresetError, match=r"x\.bank is there already"):
        convert(first, ".bank", tmp_path)


def test_a_file_that_was_not_read_whole_is_never_overwritten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "Old.bank"
    whole = bank(tmp_path, path.name, am("One"), am("Two"), am("Three"))
    assert convert(whole, ".bank", Path(), force=True).presets == 3
    path.write_text(path.read_text().replace("amp_attack", "warp_drive", 1))
    before, damaged = path.read_bytes(), PresetBank.read(path)
    assert (len(damaged), len(damaged.faults)) == (2, 1)
    for force in (False, True):  # --force isn't offered either
        with pytest.raises(
            PresetError, match=r"Old\.bank would lose presets that can't be read .* name another folder\.$"
        ):
            convert(damaged, ".bank", Path(), force=force)
    with pytest.raises(PresetError, match=r"Old\.bank would lose"):
        convert(join(bank(tmp_path, "Fine.bank", am("Four")), damaged), ".bank", tmp_path, name="Old", force=True)
    assert path.read_bytes() == before
    assert names(tmp_path) == ["Fine.bank", "Old.bank"]
    assert convert(damaged, ".bank", tmp_path / "out").presets == 2


def test_a_name_is_for_one_file(tmp_path: Path) -> None:
    with pytest.raises(PresetError, match="Best can't be the name of 2 files"):
        convert(bank(tmp_path, "x.bank", am("One"), am("Two")), ".fxp", tmp_path / "out", name="Best")
    assert names(tmp_path / "out") == []


@pytest.mark.parametrize("suffix", [".xmz", ".wav", "fxp", ""])
def test_a_format_that_is_not_written_is_named_with_those_that_are(tmp_path: Path, suffix: str) -> None:
    with pytest.raises(PresetError, match=r"choose one of \.bank, \.xiz,"):
        convert(bank(tmp_path, "x.bank", am("One")), suffix, tmp_path / "out")
    assert suffix not in writable_suffixes()


def test_what_can_be_written() -> None:
    assert {".bank", ".xiz", ".faustpatch", ".dsp", ".fxp", ".fxb", ".vstpreset"} <= set(writable_suffixes())


def test_a_report_is_a_value(tmp_path: Path) -> None:
    report = convert(PresetBank(()), ".fxp", tmp_path / "out")
    assert (report.written, report.presets, report.faults) == ((), 0, ())
    with pytest.raises(FrozenInstanceError):
        report.presets = 1  # type: ignore[misc]
    assert not (tmp_path / "out").exists()
