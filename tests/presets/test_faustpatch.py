"""Patches of the built-in synth: the table of parameters, round trips, broken files."""

from __future__ import annotations

import json
import math
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthmatch.errors import PresetError
from synthmatch.presets import faustsynth
from synthmatch.presets.formats.faustpatch import FaustPatch, FaustProgram
from synthmatch.presets.preset import Preset, State, encode_parameters

ROWS = tuple(faustsynth.parameters().values())

VALUES = st.fixed_dictionaries(
    {},
    optional={row.name: st.floats(row.minimum, row.maximum).map(row.fit) for row in ROWS},
)
TEXT = st.text(st.characters(codec="utf-8"), max_size=30)


def patch_file(folder: Path, *rows: object, **changes: object) -> Path:
    path = folder / "bank.faustpatch"
    document = {"format": "synthmatch faust patch", "version": 1, "presets": list(rows)} | changes
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def test_table_holds_sane_ranges() -> None:
    assert 30 <= len(ROWS) <= 50
    for row in ROWS:
        assert row.minimum <= row.default <= row.maximum, row
        assert row.fit(row.default) == row.default


def test_every_slider_of_the_source_is_a_parameter_or_the_keyboard() -> None:
    sliders = faustsynth.source().count("hslider(")
    assert sliders == len(ROWS) + len(faustsynth.KEYBOARD)


@given(
    st.lists(
        st.tuples(st.fixed_dictionaries({"name": TEXT, "author": TEXT, "category": TEXT, "comment": TEXT}), VALUES),
        max_size=4,
    )
)
def test_round_trip(rows: list[tuple[dict[str, str], dict[str, float]]]) -> None:
    presets = [
        Preset(state=faustsynth.make_state(values), **texts | {"name": f"x{texts['name'].strip()}x"})
        for texts, values in rows
    ]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bank.faustpatch"
        FaustPatch().write(path, presets)
        found, broken = FaustPatch().read(path)
    assert not broken
    for slot, (before, after) in enumerate(zip(presets, found, strict=True)):
        assert after.state == before.state
        assert (after.name, after.author, after.category, after.comment) == (
            before.name,
            before.author,
            before.category,
            before.comment,
        )
        assert (after.bank, after.file, after.slot) == ("bank", path, slot)


@given(VALUES)
def test_completing_twice_changes_nothing(values: dict[str, float]) -> None:
    once = faustsynth.complete(values)
    assert faustsynth.complete(once) == once
    assert set(once) == {row.name for row in ROWS}
    assert faustsynth.make_state(values) == faustsynth.make_state(once)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("filter_cutoff", 1e9, 18000.0),
        ("filter_cutoff", -5, 30.0),
        ("filter_mode", 1.4, 1.0),
        ("filter_mode", 7, 3.0),
        ("osc1_octave", -0.9, -1.0),
        ("osc1_shape", 1.4, 1.4),
    ],
)
def test_values_out_of_range_move_to_the_nearest(name: str, value: float, expected: float) -> None:
    assert faustsynth.complete({name: value})[name] == expected


@pytest.mark.parametrize("value", [math.nan, math.inf, "0.5", None, True, [1], 10**400])
def test_values_that_are_no_number_are_refused(value: object) -> None:
    with pytest.raises(PresetError, match="Parameter drive is"):
        faustsynth.complete({"drive": value})


def test_broken_preset_costs_one_sentence_and_the_rest_goes_on(tmp_path: Path) -> None:
    path = patch_file(
        tmp_path,
        {"name": "Good", "parameters": {"drive": 0.5}},
        {"name": "Odd", "parameters": {"dryve": 0.5}},
        {"name": "Bare"},
        {"name": 3, "parameters": {}},
        "text",
        {"name": "  ", "parameters": {}},
    )
    presets, broken = FaustPatch().read(path)
    assert [(preset.name, preset.slot) for preset in presets] == [("Good", 0), ("Preset 6", 5)]
    assert len(broken) == 4
    assert f"{path}, preset 2: The built-in synth has no parameter called dryve" in broken[0]
    assert all(str(path) in sentence and sentence.endswith(".") for sentence in broken)


def test_the_mark_that_some_editors_put_first_is_no_part_of_a_patch(tmp_path: Path) -> None:
    path = patch_file(tmp_path, {"name": "Good", "parameters": {"drive": 0.5}})
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    presets, broken = FaustPatch().read(path)
    assert [preset.name for preset in presets] == ["Good"]
    assert not broken


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "isn't JSON"),
        ("[" * 100_000, "isn't JSON"),
        ("[1, 2]", "isn't a patch file"),
        ('{"presets": []}', "isn't a patch file"),
        ('{"format": "synthmatch faust patch", "version": 2, "presets": []}', "version 2"),
        ('{"format": "synthmatch faust patch", "version": 1}', "no list of"),
        ('{"format": "synthmatch faust patch", "version": 1, "presets": {}}', "no list of"),
    ],
)
def test_files_that_are_no_patches(tmp_path: Path, text: str, sentence: str) -> None:
    path = tmp_path / "bad.faustpatch"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(PresetError, match=sentence) as caught:
        FaustPatch().read(path)
    assert str(path) in str(caught.value)


def test_missing_and_binary_files(tmp_path: Path) -> None:
    with pytest.raises(PresetError, match="check that it is there"):
        FaustPatch().read(tmp_path / "none.faustpatch")
    (tmp_path / "raw.faustpatch").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(PresetError, match="isn't JSON"):
        FaustPatch().read(tmp_path / "raw.faustpatch")


def test_other_synths_states_are_refused(tmp_path: Path) -> None:
    stranger = Preset("Stranger", State("amsynth", encode_parameters({"drive": 1.0})))
    with pytest.raises(PresetError, match="amsynth"):
        FaustPatch().write(tmp_path / "x.faustpatch", [stranger])
    with pytest.raises(PresetError, match="amsynth"):
        FaustProgram().write(tmp_path / "x.dsp", [stranger])
    assert not list(tmp_path.iterdir())


def test_a_program_holds_one_preset_and_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "x.dsp"
    with pytest.raises(PresetError, match="can't hold 2 presets"):
        FaustProgram().write(path, [Preset("a", faustsynth.make_state({}))] * 2)
    assert not path.exists()
    with pytest.raises(PresetError, match=r"x\.dsp is a Faust program, .* name a \.faustpatch"):
        FaustProgram().read(path)


def test_the_program_holds_this_presets_values(tmp_path: Path) -> None:
    values = {"drive": 0.123456789, "filter_mode": 3.0, "level": -7.25}
    preset = Preset('Say "hi" \\ twice\n', faustsynth.make_state(values), author="A. Nobody")
    path = tmp_path / "hello.dsp"
    FaustProgram().write(path, [preset])
    text = path.read_text(encoding="utf-8")
    assert "declare name \"Say 'hi' ' twice\";" in text
    assert 'declare author "A. Nobody";' in text
    assert 'hslider("drive", 0.123456789, 0.0, 1.0, 0.001)' in text
    assert 'hslider("filter_mode", 3.0, 0.0, 3.0, 1.0)' in text
    assert 'hslider("freq", 261.63, 8, 13000, 0.001)' in text


def test_a_text_that_no_file_can_hold_costs_one_preset(tmp_path: Path) -> None:
    rows = [{"name": name, "parameters": {}} for name in ("Half \ud83d", "Whole")]
    path = patch_file(tmp_path, *rows)
    presets, broken = FaustPatch().read(path)
    assert [preset.name for preset in presets] == ["Whole"]
    assert broken == [f"{path}, preset 1: a text of it has half a character in it; write it again."]
