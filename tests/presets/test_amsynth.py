"""amsynth's banks: values, defaults, round trips, what would crash the synth."""

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthmatch.errors import PresetError
from synthmatch.presets.formats.amsynth import (
    AmsynthBank,
    effects_off,
    host_chunk,
    make_state,
    parameter_table,
    read_chunk,
    vst_values,
)
from synthmatch.presets.formats.fxp import FxFile
from synthmatch.presets.formats.vst2 import Vst2File
from synthmatch.presets.preset import Preset, State

GOLDEN = """amSynth
<preset> <name> Fat Bass
<parameter> amp_attack 0.15
<parameter> osc1_waveform 2.6
<parameter> filter_cutoff 9
<parameter> osc2_range -7
<preset> <name> Über  Pad
<parameter> amp_release 2.5
<property> tuning_scl_file nothing
EOF
<preset> <name> after the end
<parameter> amp_attack 1
"""

NAMES = [parameter.name for parameter in parameter_table()]


def bank(folder: Path, text: str | bytes, name: str = "My.amSynth.bank") -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_golden_bank(tmp_path: Path) -> None:
    presets, faults = AmsynthBank().read(bank(tmp_path, GOLDEN))
    assert faults == []
    assert [(each.name, each.bank, each.slot) for each in presets] == [
        ("Fat Bass", "My", 0),
        ("Über  Pad", "My", 1),
    ]
    values = presets[0].state.parameters()
    assert sorted(values) == sorted(NAMES)
    given_values = {"amp_attack": 0.15, "osc1_waveform": 3.0, "filter_cutoff": 1.5, "osc2_range": -3.0}
    defaults = {row.name: row.default for row in parameter_table()}
    assert values == {**defaults, **given_values}


@pytest.mark.parametrize(("file", "name"), [("Ab.amSynth.bank", "Ab"), ("x_y.bank", "x_y"), ("a.b.BANK", "a.b")])
def test_bank_is_named_after_its_file(tmp_path: Path, file: str, name: str) -> None:
    assert AmsynthBank().read(bank(tmp_path, GOLDEN, file))[0][0].bank == name


def test_names_of_other_encodings_are_read(tmp_path: Path) -> None:
    presets, faults = AmsynthBank().read(bank(tmp_path, GOLDEN.encode("latin-1")))
    assert faults == []
    assert presets[1].name == "Über  Pad"


def test_windows_line_ends_change_nothing(tmp_path: Path) -> None:
    plain, _ = AmsynthBank().read(bank(tmp_path, GOLDEN))
    windows, faults = AmsynthBank().read(bank(tmp_path, GOLDEN.replace("\n", "\r\n")))
    assert faults == []
    assert [(each.name, each.id) for each in windows] == [(each.name, each.id) for each in plain]


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        ("<preset> <name> Bad\n<parameter> amp_attack nan\n", "amp_attack is nan"),
        ("<preset> <name> Bad\n<parameter> amp_attack inf\n", "amp_attack is inf"),
        ("<preset> <name> Bad\n<parameter> amp_attack loud\n", "'loud', not a number"),
        ("<preset> <name> Bad\n<parameter> warp_drive 1\n", "no parameter called warp_drive"),
        ("<preset> <name> Bad\n<parameter> amp_attack\n", "means nothing in a bank"),
        ("<preset> <name> Bad\nhello\n", "means nothing in a bank"),
        ("<preset> <name> Bad\n", "no parameters"),
        ("<preset> <name> Bad <parameter> x\n<parameter> amp_attack 1\n", "makes amsynth crash"),
    ],
)
def test_a_broken_preset_costs_one_line(tmp_path: Path, broken: str, reason: str) -> None:
    good = "<preset> <name> Good\n<parameter> amp_attack 1\n"
    presets, faults = AmsynthBank().read(bank(tmp_path, f"amSynth\n{good}{broken}{good}EOF\n"))
    assert [(each.name, each.slot) for each in presets] == [("Good", 0), ("Good", 2)]
    assert len(faults) == 1
    assert reason in faults[0]
    assert "preset 2 ('Bad" in faults[0]
    assert "My.amSynth.bank" in faults[0]
    assert "\n" not in faults[0]


@pytest.mark.parametrize(
    ("data", "reason"),
    [(b"", "isn't an amsynth bank"), (b"RIFF\0\0", "isn't an amsynth bank"), (b"amSynth\nEOF\n", "without presets")],
)
def test_a_file_that_is_no_bank_is_refused(tmp_path: Path, data: bytes, reason: str) -> None:
    with pytest.raises(PresetError, match=reason):
        AmsynthBank().read(bank(tmp_path, data))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(PresetError, match=r"nowhere\.bank can't be read"):
        AmsynthBank().read(tmp_path / "nowhere.bank")


_VALUES = st.floats(allow_nan=False, allow_infinity=False)
_SETS = st.dictionaries(st.sampled_from(NAMES), _VALUES, max_size=41)
_PRESET_NAMES = st.text(st.characters(codec="utf-8"), max_size=30).filter(
    lambda name: name == name.strip() and len(name.splitlines()) < 2 and "\0" not in name and "<" not in name
)


@given(st.lists(st.tuples(_PRESET_NAMES, _SETS), min_size=1, max_size=4))
def test_reading_what_was_written_gives_the_same(
    tmp_path_factory: pytest.TempPathFactory, content: list[tuple[str, dict[str, float]]]
) -> None:
    path = tmp_path_factory.getbasetemp() / "round-trip.bank"
    presets = [Preset(name, make_state(values)) for name, values in content]
    AmsynthBank().write(path, presets)
    back, faults = AmsynthBank().read(path)
    assert faults == []
    assert [(each.name, each.state) for each in back] == [(each.name, each.state) for each in presets]


@given(_SETS)
def test_vst_values_lie_between_0_and_1_and_survive_the_way_back(values: dict[str, float]) -> None:
    state = make_state(values)
    found = vst_values(state.parameters())
    assert len(found) == 41
    assert all(0 <= value <= 1 for value in found)
    for row, value in zip(parameter_table(), found, strict=True):
        back = row.minimum + value * (row.maximum - row.minimum)
        assert math.isclose(back, state.parameters()[row.name], abs_tol=1e-12)


@given(_SETS)
def test_cleaning_twice_changes_nothing(values: dict[str, float]) -> None:
    state = make_state(values)
    assert make_state(state.parameters()) == state


def test_halves_round_up_as_in_the_synth() -> None:
    ranges = [make_state({"osc2_range": value}).parameters()["osc2_range"] for value in (-2.5, -0.5, 0.5, 1.5)]
    assert ranges == [-2.0, 0.0, 1.0, 2.0]


def test_effects_off_leaves_everything_else() -> None:
    values = make_state({"reverb_wet": 0.5, "distortion_crunch": 0.3, "amp_attack": 1.0}).parameters()
    changed = {name for name, value in effects_off(values).items() if value != values[name]}
    assert changed == {"reverb_wet", "distortion_crunch"}
    assert values["reverb_wet"] == 0.5


@pytest.mark.parametrize("name", ["<parameter>", "a <parameter> b", "<preset> <name> x", " a", "a\nb", "a\0"])
def test_a_name_that_would_break_the_bank_is_not_written(tmp_path: Path, name: str) -> None:
    path = tmp_path / "x.bank"
    with pytest.raises(PresetError, match="rename the preset"):
        AmsynthBank().write(path, [Preset(name, make_state({}))])
    assert not path.exists()


def test_another_synths_preset_is_not_written(tmp_path: Path) -> None:
    stranger = Preset("Stranger", State("faust", b"{}"))
    with pytest.raises(PresetError, match="Stranger is a preset of faust"):
        AmsynthBank().write(tmp_path / "x.bank", [stranger])
    with pytest.raises(PresetError, match=r"x\.bank needs at least one preset"):
        AmsynthBank().write(tmp_path / "x.bank", [])
    assert list(tmp_path.iterdir()) == []


def test_a_program_never_carries_the_presets_name_in_its_chunk(tmp_path: Path) -> None:
    preset = Preset("evil <parameter> name", make_state({"amp_attack": 1.25}))
    path = tmp_path / "one.fxp"
    Vst2File(".fxp").write(path, [preset])
    file = FxFile.decode(path.read_bytes(), "it")
    assert (file.plugin, file.bank, file.name) == ("amsy", False, preset.name)
    assert file.chunk is not None
    assert file.chunk == host_chunk(preset.state)
    assert file.chunk.endswith(b"\n\0")
    lines = file.chunk[:-1].decode().splitlines()
    assert lines[:2] == ["amSynth1.0preset", "<preset> <name> x"]
    assert "<parameter> amp_attack 1.25" in lines
    assert len(lines) == 2 + 41


SAVED = b"""amSynth1.0preset
<preset> <name> Own Name
<parameter> amp_attack 0.15
<property> tuning_scl_file\x20
"""


@pytest.mark.parametrize(
    ("inside", "program", "name"),
    [
        (b"Own Name", "From The Host", "From The Host"),
        (b"Own Name", "", "Own Name"),
        (b"x", "", "song"),
        (b"", "", "song"),
    ],
)
def test_what_the_plugin_saved_is_read(inside: bytes, program: str, name: str) -> None:
    chunk = SAVED.replace(b"Own Name", inside) + b"\0left over from a longer chunk"
    (preset,), faults = read_chunk(chunk, Path("song.fxp"), program)
    assert faults == []
    assert (preset.name, preset.state) == (name, make_state({"amp_attack": 0.15}))


@given(_SETS)
def test_a_chunk_gives_back_the_state(values: dict[str, float]) -> None:
    state = make_state(values)
    (preset,), _ = read_chunk(host_chunk(state), Path("x.fxp"), "")
    assert preset.state == state


def test_a_chunk_that_would_crash_the_synth_is_a_fault() -> None:
    presets, faults = read_chunk(SAVED.replace(b"amp_attack", b"warp_drive"), Path("x.fxp"), "")
    assert presets == []
    assert len(faults) == 1
    assert "no parameter called warp_drive" in faults[0]
    with pytest.raises(PresetError, match=r"x\.fxp isn't an amsynth bank"):
        read_chunk(b"\0" * 30, Path("x.fxp"), "")
