"""Vital's files: round trips, one state however it is written, files that lie about themselves, banks."""

from __future__ import annotations

import base64
import json
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from synthmatch.errors import PresetError
from synthmatch.presets.bank import PresetBank
from synthmatch.presets.formats import format_of, native_format, vital
from synthmatch.presets.formats.vital import VitalBank, VitalPreset
from synthmatch.presets.labels import label
from synthmatch.presets.preset import Preset, State

PAIR = {"source": "lfo_1", "destination": "filter_1_cutoff"}
LINE = {"name": "Triangle", "num_points": 3, "points": [0.0, 1.0, 0.5, 0.0, 1.0, 1.0], "powers": [0, 0, 0]}


def sample(length: int, said: int | None = None) -> dict[str, Any]:
    packed = base64.b64encode(bytes(2 * length)).decode()
    return {"name": "Noise", "length": length if said is None else said, "sample_rate": 44100, "samples": packed}


def document(**changes: Any) -> dict[str, Any]:
    settings = {"osc_1_on": 1.0, "volume": 5473.04, "modulations": [PAIR], "lfos": [LINE], "sample": sample(10)}
    texts = {"preset_name": "Night Bus", "author": "Ana", "comments": "slow", "preset_style": "Pad"}
    macros = {f"macro{number}": f"MACRO {number}" for number in range(1, 5)}
    return {"synth_version": "1.0.7", "settings": settings, **texts, **macros} | changes


def settings(**changes: Any) -> dict[str, Any]:
    return document(settings=document()["settings"] | changes)


def read(folder: Path, text: str | bytes, name: str = "some.vital") -> Preset:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    (preset,), faults = VitalPreset().read(path)
    assert not faults
    return preset


UNHURRIED = hypothesis_settings(max_examples=50, suppress_health_check=[HealthCheck.too_slow])
NUMBERS = st.floats(-1e30, 1e30) | st.integers(-(2**31), 2**31)
TEXT = st.text(st.characters(codec="utf-8"), max_size=30)
LINES = st.integers(1, 20).flatmap(
    lambda count: st.fixed_dictionaries(
        {
            "name": TEXT,
            "num_points": st.just(count),
            "points": st.lists(NUMBERS, min_size=2 * count, max_size=2 * count),
            "powers": st.lists(NUMBERS, min_size=count, max_size=count),
            "smooth": st.booleans(),
        }
    )
)
SETTINGS = st.builds(
    lambda knobs, lists: {**knobs, **lists},
    st.dictionaries(st.from_regex(r"[a-z]{1,8}_[0-9]", fullmatch=True), NUMBERS, max_size=8),
    st.fixed_dictionaries(
        {
            "modulations": st.lists(
                st.fixed_dictionaries({"source": TEXT, "destination": TEXT}, optional={"line_mapping": LINES}),
                max_size=4,
            ),
            "lfos": st.lists(LINES, max_size=8),
        },
        optional={"sample": st.integers(0, 40).map(sample), "wavetables": st.lists(LINES, max_size=3)},
    ),
)


@UNHURRIED
@given(SETTINGS, st.fixed_dictionaries({"name": TEXT, "author": TEXT, "category": TEXT, "comment": TEXT}))
def test_round_trip(values: dict[str, Any], texts: dict[str, str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        first = read(Path(folder), json.dumps(document(settings=values)))
        preset = Preset(state=first.state, **texts | {"name": f"x{texts['name'].strip()}x"})
        path = Path(folder) / "again.vital"
        VitalPreset().write(path, [preset])
        (found,), faults = VitalPreset().read(path)
        written = json.loads(path.read_bytes())
    assert not faults
    assert found.state == preset.state
    for field in ("name", "author", "category", "comment"):
        assert getattr(found, field) == getattr(preset, field)
    assert written["settings"] == values  # nothing rounded, nothing lost
    assert written["synth_version"] == "1.0.7"


@UNHURRIED
@given(SETTINGS, st.randoms(use_true_random=False))
def test_layout_order_and_number_style_do_not_change_the_state(values: dict[str, Any], dice: Any) -> None:
    def shuffled(value: Any) -> Any:
        if isinstance(value, dict):
            keys = list(value)
            dice.shuffle(keys)
            return {key: shuffled(value[key]) for key in keys}
        if isinstance(value, list):
            return [shuffled(item) for item in value]
        return float(value) if isinstance(value, int) and not isinstance(value, bool) else value

    with tempfile.TemporaryDirectory() as folder:
        plain = read(Path(folder), json.dumps(document(settings=values)))
        other = json.dumps(shuffled(document(settings=values)), indent=3, ensure_ascii=False)
        assert read(Path(folder), "\ufeff" + other.replace("\n", "\r\n")).state == plain.state


def test_state_is_what_decides_the_sound(tmp_path: Path) -> None:
    preset = read(tmp_path, json.dumps({"settings": {"b": 1.0, "a": -0.0, "c": 0.1}, "synth_version": "1.5.5"}))
    assert preset.state == State("vital", b'{"settings":{"a":0,"b":1,"c":0.1},"synth_version":"1.5.5"}')
    same = read(tmp_path, json.dumps(document()))
    for key in ("preset_name", "author", "comments", "preset_style", "macro1", "macro4", "license"):
        assert read(tmp_path, json.dumps(document(**{key: "else"}))).state == same.state, key
    assert read(tmp_path, json.dumps(document(synth_version="1.0.6"))).state != same.state  # upgraded otherwise
    assert read(tmp_path, json.dumps(settings(volume=5473.05))).state != same.state


def test_what_a_listing_says(tmp_path: Path) -> None:
    folder = tmp_path / "Night Sounds" / "Presets"
    folder.mkdir(parents=True)
    preset = read(folder, json.dumps(document()), "bus.vital")
    assert (preset.name, preset.author, preset.comment, preset.category) == ("Night Bus", "Ana", "slow", "Pad")
    assert (preset.bank, preset.file, preset.slot) == ("Night Sounds", folder / "bus.vital", 0)
    bare = read(tmp_path, '{"settings": {}, "synth_version": "0.9"}', "Lone Wolf.VITAL")
    assert (bare.name, bare.author, bare.comment, bare.category, bare.bank) == (
        "Lone Wolf", "", "", "", tmp_path.name,
    )  # fmt: skip
    assert [each.family for each in PresetBank.read(tmp_path)] == ["", "pad"]


@pytest.mark.parametrize(
    ("name", "style", "family", "source"),
    [
        ("Night Bus", "Bass", "bass", "field"),
        ("Organ Grinder", "Bass", "bass", "field"),
        ("Night Bus", "Lead", "lead", "field"),
        ("Nylon Pluck", "Lead", "pluck", "name"),
        ("Cathedral Organ", "Keys", "organ", "name"),
        ("Glass Bell", "Keys", "percussion", "name"),
        ("Sub Bass", "Keys", "keys", "field"),
        ("Dark Choir", "Pad", "vocal", "name"),
        ("Night Bus", "Percussion", "percussion", "field"),
        ("Night Bus", "SFX", "effects", "field"),
        ("Night Bus", "Sequence", "", ""),
        ("Acid Bass", "Sequence", "bass", "name"),
        ("Night Bus", "Experiment", "", ""),
        ("Night Bus", "Template", "", ""),
    ],
)
def test_styles_are_families(name: str, style: str, family: str, source: str) -> None:
    found = label(Preset(name, State("vital", b"{}"), category=style))
    assert (found.family, found.label_source) == (family, source)


DAMAGED = {
    "empty": ("", "isn't JSON"),
    "cut short": (json.dumps(document())[:-9], "isn't JSON"),
    "not text": (b"\xff\xfe\x00", "isn't JSON"),
    "deep beyond reading": ("[" * 100_000, "isn't JSON"),
    "a list": ("[1, 2]", "isn't a JSON object"),
    "no settings": ('{"synth_version": "1.0"}', "no settings or no version"),
    "settings of no kind": ('{"settings": [], "synth_version": "1.0"}', "no settings or no version"),
    "no version": ('{"settings": {}}', "no settings or no version"),
    "a version that is a number": ('{"settings": {}, "synth_version": 1}', "no settings or no version"),
    "NaN": (json.dumps(settings(volume=float("nan"))), "holds NaN"),
    "infinity": (json.dumps(settings(volume=-float("inf"))), "holds -Infinity"),
    "a large number": ('{"settings": {"volume": 1e39}, "synth_version": "1"}', "1e39, which is too large"),
    "an endless number": (f'{{"settings": {{"volume": {"9" * 5000}}}, "synth_version": "1"}}', "too large"),
    "two values": ('{"settings": {"volume": 1, "volume": 2}, "synth_version": "1"}', "gives 'volume' twice"),
    "an author who isn't text": (json.dumps(document(author=3)), "its author isn't text"),
    "half a character": ('{"settings": {}, "synth_version": "1", "author": "\\ud800"}', "half a character"),
    "half a character inside": ('{"settings": {"a": "\\ud800"}, "synth_version": "1"}', "half a character"),
    "deep": (json.dumps(settings(wavetables=[{"groups": json.loads("[" * 40 + "]" * 40)}])), "nests more than 32"),
    "modulations that are text": (json.dumps(settings(modulations="x")), "modulations aren't a list"),
    "a modulation that is text": (json.dumps(settings(modulations=["x"])), "modulations aren't a list"),
    "a modulation without source": (json.dumps(settings(modulations=[{"destination": ""}])), "lacks its source"),
    "65 modulations": (json.dumps(settings(modulations=[PAIR] * 65)), "65 modulations, and Vital has room for 64"),
    "9 LFOs": (json.dumps(settings(lfos=[LINE] * 9)), "9 lfos"),
    "4 wavetables": (json.dumps(settings(wavetables=[{}] * 4)), "4 wavetables"),
    "a line too long": (json.dumps(settings(lfos=[LINE | {"num_points": 101}])), "has 101 points"),
    "a line of no length": (json.dumps(settings(lfos=[LINE | {"num_points": -1}])), "has -1 points"),
    "a sample too short": (json.dumps(settings(sample=sample(10, said=11))), "shorter than it says"),
    "a sample below nothing": (json.dumps(settings(sample=sample(10, said=-1))), "shorter than it says"),
    "a million values": (json.dumps(settings(volume=[0] * 1_000_001)), "more than 1,000,000 values"),
}


@pytest.mark.parametrize("what", DAMAGED)
def test_damaged_files_are_refused(tmp_path: Path, what: str) -> None:
    text, sentence = DAMAGED[what]
    with pytest.raises(PresetError, match=sentence) as caught:
        read(tmp_path, text)
    assert str(tmp_path / "some.vital") in str(caught.value)
    assert str(caught.value).endswith(".")


def test_a_value_given_twice_alike_is_no_matter(tmp_path: Path) -> None:
    twice = read(tmp_path, '{"settings": {"volume": 1, "volume": 1.0}, "synth_version": "1"}')
    assert twice.state.data == b'{"settings":{"volume":1},"synth_version":"1"}'


def test_missing_and_giant_files(tmp_path: Path) -> None:
    with pytest.raises(PresetError, match="can't be read"):
        VitalPreset().read(tmp_path / "none.vital")
    giant = tmp_path / "giant.vital"
    with giant.open("wb") as file:
        file.truncate(2**33)  # takes no room on the disk
    with pytest.raises(PresetError, match="larger than 32 MiB"):
        VitalPreset().read(giant)
    giant.rename(tmp_path / "giant.vitalbank")
    with pytest.raises(PresetError, match="larger than 256 MiB"):
        VitalBank().read(tmp_path / "giant.vitalbank")


def test_what_cannot_be_written(tmp_path: Path) -> None:
    preset = read(tmp_path, json.dumps(document()))
    path = tmp_path / "out.vital"
    with pytest.raises(PresetError, match="exactly one"):
        VitalPreset().write(path, [preset, preset])
    with pytest.raises(PresetError, match="preset of amsynth"):
        VitalPreset().write(path, [Preset("Stranger", State("amsynth", b"{}"))])
    with pytest.raises(PresetError, match="save one from the synth"):
        VitalPreset().write(path, [Preset("Init", State("vital", b""))])
    with pytest.raises(PresetError, match="half a character"):
        VitalPreset().write(path, [Preset("\ud800", preset.state)])
    with pytest.raises(PresetError, match=r"write \.vital files"):
        VitalBank().write(path.with_suffix(".vitalbank"), [preset])
    assert not path.exists()
    assert not path.with_suffix(".vitalbank").exists()


def test_the_formats_are_in_the_table() -> None:
    assert isinstance(native_format("vital"), VitalPreset)
    assert isinstance(format_of(Path("X.VITALBANK")), VitalBank)


def bank(path: Path, members: dict[str, str | bytes], packing: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", packing) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def test_a_bank_is_read_like_its_files(tmp_path: Path) -> None:
    one, two = json.dumps(document(preset_name="")), json.dumps(settings(volume=1))
    path = bank(
        tmp_path / "Trip.vitalbank",
        {
            "Night/Presets/Zug.vital": two,
            "Night/Presets/Bus.vital": one,
            "Night/Presets/Deep/Bus.vital": one,
            "Night/Wavetables/x.vitaltable": "no preset",
            "Presets/Car.vital": one,
            "Bare.VITAL": one,
        },
    )
    presets, faults = VitalBank().read(path)
    assert not faults
    assert [(each.name, each.bank, each.slot) for each in presets] == [
        ("Bare", "Trip", 0),
        ("Bus", "Night", 1),
        ("Bus", "Deep", 2),
        ("Night Bus", "Night", 3),
        ("Car", "Trip", 4),
    ]
    assert {each.file for each in presets} == {path}
    assert presets[1].state == read(tmp_path, one).state
    assert presets[3].state == read(tmp_path, two).state
    assert [each.family for each in PresetBank.read(path)] == ["pad"] * 5


def test_what_macos_leaves_in_a_bank_is_no_preset(tmp_path: Path) -> None:
    """Its Finder packs the attributes of each file beside it."""
    left = {f"__MACOSX/Night/Presets/._{name}.vital": b"\0\5\x16\7\0\2\0\0Mac OS X        " for name in "ab"}
    members = {f"Night/Presets/{name}.vital": json.dumps(document(preset_name=name)) for name in "ab"}
    path = bank(tmp_path / "Night.vitalbank", {**members, **left})
    found = PresetBank.read(path)
    assert [(each.name, each.slot) for each in found] == [("a", 0), ("b", 1)]
    assert (found.faults, found.whole) == ((), {path})


def test_a_broken_preset_of_a_bank_costs_one_sentence(tmp_path: Path) -> None:
    good = json.dumps(document())
    path = bank(tmp_path / "b.vitalbank", {"a.vital": "{", "b.vital": good, "../../c.vital": good, "d.vital": ""})
    presets, faults = VitalBank().read(path)
    assert len(presets) == 2
    assert [sentence.startswith(f"{path}: {name}.vital ") for sentence, name in zip(faults, "ad", strict=True)]
    assert all("isn't JSON" in sentence for sentence in faults)
    assert [each.name for each in tmp_path.iterdir()] == ["b.vitalbank"]  # nothing was unpacked anywhere


def test_a_zip_bomb_does_not_go_off(tmp_path: Path) -> None:
    bomb = bytes(40 * 2**20)
    path = bank(tmp_path / "bomb.vitalbank", {"bomb.vital": bomb, "good.vital": json.dumps(document())})
    presets, (sentence,) = VitalBank().read(path)
    assert [each.name for each in presets] == ["Night Bus"]
    assert "unpacks to more than 32 MiB" in sentence


def test_many_small_bombs_do_not_go_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vital, "_BANK_LIMIT", 2**20)
    path = bank(tmp_path / "bombs.vitalbank", {f"{number:02}.vital": bytes(2**18) for number in range(9)})
    presets, faults = VitalBank().read(path)
    assert not presets
    assert len(faults) == 5  # four that hold nothing, and the end
    assert faults[-1].endswith("unpacks to more than 1 MiB; what comes after that is left out.")


def test_a_bank_that_hides_its_size_is_found_out(tmp_path: Path) -> None:
    path = bank(tmp_path / "liar.vitalbank", {"a.vital": json.dumps(document()) + " " * 10_000})
    data = path.read_bytes()
    size = (len(json.dumps(document())) + 10_000).to_bytes(4, "little")
    assert data.count(size) == 2
    path.write_bytes(data.replace(size, (100).to_bytes(4, "little")))
    presets, (sentence,) = VitalBank().read(path)
    assert not presets
    assert "damaged or locked" in sentence


def test_other_packings_and_other_files(tmp_path: Path) -> None:
    path = bank(tmp_path / "lzma.vitalbank", {"a.vital": json.dumps(document())}, zipfile.ZIP_LZMA)
    presets, (sentence,) = VitalBank().read(path)
    assert not presets
    assert "packed in a way that Vital can't read" in sentence
    with pytest.raises(PresetError, match="holds no presets"):
        VitalBank().read(bank(path, {"a.txt": "hello"}))
    path.write_text("not a zip archive")
    with pytest.raises(PresetError, match="isn't a bank of Vital"):
        VitalBank().read(path)
    with pytest.raises(PresetError, match="can't be read"):
        VitalBank().read(tmp_path / "none.vitalbank")
