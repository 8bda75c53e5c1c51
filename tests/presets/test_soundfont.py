"""SoundFonts as files: names and numbers, compressed samples, hostile files, a real bank."""

from __future__ import annotations

import io
import struct
import tracemalloc
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from synthmatch.errors import PresetError
from synthmatch.presets.bank import PresetBank
from synthmatch.presets.catalogue import SYNTHS
from synthmatch.presets.formats import formats_of, soundfont
from synthmatch.presets.formats.sfbk import INSTRUMENT, SAMPLE, Patch, Sample, Zone, encode
from synthmatch.presets.formats.soundfont import SoundFontFile, patch_of, state_of
from synthmatch.presets.labels import label
from synthmatch.presets.preset import Preset, State

TIM = Path("/usr/share/sounds/sf2/TimGM6mb.sf2")
SAME_FOLDER = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
MODES, END_COARSE, KEYS = 54, 12, 43


def points(*values: int) -> bytes:
    return struct.pack(f"<{len(values)}h", *values)


def sample(data: bytes, kind: int = 1, link: int = 0) -> Sample:
    end = len(data) // (1 if kind & 16 else 2)
    return Sample(data, 0, end, 1, max(1, len(data) // 2), 22_050, 60, -3, link, kind)


def simple(data: bytes = points(1, 2, 3, 4), *generators: tuple[int, int]) -> Patch:
    """One zone, one instrument, one sample."""
    return Patch((Zone(((INSTRUMENT, 0),)),), ((Zone((*generators, (SAMPLE, 0))),),), (sample(data),))


def stereo() -> Patch:
    """Two zones after a global one, two instruments, three samples of which two are linked."""
    keys = (KEYS, 0x3C00), (KEYS, 0x7F3D)
    zones = Zone(((48, 30),), (b"modulator1",)), *(Zone((span, (INSTRUMENT, each))) for each, span in enumerate(keys))
    first = Zone(((MODES, 1),)), Zone(((17, 0xFE0C), (SAMPLE, 0)), (b"modulator2",)), Zone(((17, 500), (SAMPLE, 1)))
    samples = sample(points(5, 6, 7), 4, 1), sample(points(-5, -6, -7), 2, 0), sample(points(9))
    return Patch(tuple(zones), (first, (Zone(((SAMPLE, 2),)),)), samples)


def listed(path: Path) -> list[Preset]:
    presets, faults = SoundFontFile().read(path)
    assert list(faults) == []
    return list(presets)


def read(path: Path, *patches: Patch) -> list[Preset]:
    path.write_bytes(encode([(f"Preset {slot}", patch) for slot, patch in enumerate(patches)], "A bank"))
    return listed(path)


def chunk(kind: bytes, content: bytes) -> bytes:
    return kind + struct.pack("<I", len(content)) + content


def test_a_file_lists_its_presets(tmp_path: Path) -> None:
    presets = read(tmp_path / "x.sf2", simple(), stereo())
    assert [(each.name, each.bank, each.slot, each.category) for each in presets] == [
        ("Preset 0", "A bank", 0, ""),
        ("Preset 1", "A bank", 1, ""),
    ]
    assert [patch_of(each.state) for each in presets] == [simple(), stereo()]


def test_a_file_without_names_goes_by_its_own(tmp_path: Path) -> None:
    (tmp_path / "Old Box.sf2").write_bytes(encode([("", simple())]))
    (preset,) = listed(tmp_path / "Old Box.sf2")
    assert (preset.name, preset.bank) == ("Old Box 1", "Old Box")


def test_both_suffixes_are_read_and_matches_are_sf2(tmp_path: Path) -> None:
    for name in ("a.sf2", "b.SF3"):
        (tmp_path / name).write_bytes(encode([("Tone", simple())]))
    bank = PresetBank.read(tmp_path)
    assert [preset.file.name for preset in bank] == ["a.sf2", "b.SF3"]
    assert len({preset.id for preset in bank}) == 1
    assert [each.suffix for each in formats_of(SYNTHS["soundfont"])] == [".sf2"]


# Names and numbers.


@pytest.mark.parametrize(
    ("name", "read_back"),
    [
        ("Twenty letters fit..", "Twenty letters fit.."),
        ("Twenty-one are cut.....", "Twenty-one are cut.."),
        ("→ Zoë", "? Zoë"),
    ],
)
def test_names(name: str, read_back: str, tmp_path: Path) -> None:
    state = state_of(simple())
    SoundFontFile().write(tmp_path / "x.sf2", [Preset(name, state)])
    (preset,) = listed(tmp_path / "x.sf2")
    assert (preset.name, preset.bank) == (read_back, "x")


def in_places(names: Sequence[tuple[str, int, int]]) -> bytes:
    """A SoundFont whose presets are called and numbered as (name, bank, program) say."""
    data = bytearray(encode([(name, simple()) for name, _, _ in names], "Box"))
    table = data.index(b"phdr") + 8
    for slot, (_, bank, program) in enumerate(names):
        struct.pack_into("<HH", data, table + 38 * slot + 20, program, bank)
    return bytes(data)


def test_a_file_in_the_order_of_general_midi_tells_families(tmp_path: Path) -> None:
    names = [(f"Piano {n}", 0, n) for n in range(8)] + [(f"Bass {n}", 0, 32 + n) for n in range(8)]
    rest = [("Nameless", 0, 89), ("Room", 128, 8), ("Strange", 8, 16), ("Outside", 0, 200)]
    path = tmp_path / "x.sf2"
    path.write_bytes(in_places([*names, *rest]))
    found = [label(each) for each in listed(path)][-4:]
    assert [each.category for each in found] == ["program 90", "kit", "program 17", "program 201"]
    assert [each.family for each in found] == ["pad", "percussion", "organ", ""]
    assert [each.label_source for each in found] == ["field", "field", "field", ""]


def test_numbers_mean_nothing_where_names_contradict_them(tmp_path: Path) -> None:
    path = tmp_path / "x.sf2"
    path.write_bytes(in_places([(f"Bass {n}", 0, n) for n in range(20)] + [("Nameless", 0, 50), ("Snares", 128, 0)]))
    *_, nameless, kit = (label(each) for each in listed(path))
    assert (nameless.category, nameless.family) == ("", "")
    assert (kit.category, kit.family) == ("kit", "percussion")


# Compressed samples.


def vorbis(values: np.ndarray) -> bytes:
    soundfile = pytest.importorskip("soundfile")
    file = io.BytesIO()
    soundfile.write(file, values, 22_050, format="OGG", subtype="VORBIS")
    return file.getvalue()


def test_compressed_samples_stay_as_they_are(tmp_path: Path) -> None:
    stream = vorbis(np.sin(np.arange(3000) / 9))
    packed = replace(simple(), samples=(replace(sample(stream, 17), loop_start=100, loop_end=2000),))
    plain, compressed = read(tmp_path / "x.sf3", simple(), packed)
    assert plain.state == state_of(simple())
    assert patch_of(compressed.state) == packed
    assert compressed.state.data[24:36] == chunk(b"ifil", struct.pack("<HH", 3, 0))
    SoundFontFile(".sf2").write(tmp_path / "y.sf2", [compressed])
    (again,) = listed(tmp_path / "y.sf2")
    assert again.state == compressed.state


def test_a_stream_that_is_none_is_a_fault(tmp_path: Path) -> None:
    broken = replace(simple(), samples=(sample(b"Oggy streams", 17),))
    path = tmp_path / "x.sf3"
    path.write_bytes(encode([("Broken", broken), ("Whole", simple())]))
    presets, faults = SoundFontFile(".sf3").read(path)
    assert [each.name for each in presets] == ["Whole"]
    assert "x.sf3: preset 1 ('Broken') is left out: one of its samples is compressed" in faults[0]


# Hostile files.


@pytest.mark.parametrize(
    ("patch", "reason"),
    [
        (replace(simple(), zones=(Zone(((INSTRUMENT, 7),)),)), "it plays instrument 7 of 2"),
        (replace(simple(), instruments=((Zone(((SAMPLE, 9),)),),)), "it plays sample 9 of 2"),
        (replace(simple(), zones=()), "no zone of it plays a sample"),
        (replace(simple(), instruments=((Zone(()),),)), "no zone of it plays a sample"),
        (replace(simple(), samples=(sample(points(1), 0x8001),)), "sample 0 is in the memory of a sound card"),
        (replace(simple(), samples=(replace(sample(points(1)), end=999),)), "sample 0 lies outside the file"),
        (replace(simple(), samples=(replace(sample(points(1, 2)), start=2, end=1),)), "sample 0 lies outside"),
        (simple(points(1), (END_COARSE, 0x7FFF)), "its samples have more than 64 MiB"),
        (
            Patch((Zone(((INSTRUMENT, 0),)),) * 300, ((Zone(((SAMPLE, 0),)),) * 300,), (sample(points(1)),)),
            "it has more than 65,536 zones",
        ),
    ],
)
def test_a_broken_preset_costs_one_line(patch: Patch, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "x.sf2"
    path.write_bytes(encode([("Broken", patch), ("Whole", simple(points(8, 9)))]))
    presets, faults = SoundFontFile().read(path)
    assert [(each.name, each.slot, each.state) for each in presets] == [("Whole", 1, state_of(simple(points(8, 9))))]
    assert len(faults) == 1
    assert faults[0].startswith(f"{path}: preset 1 ('Broken') is left out: {reason}")


def test_presets_that_fill_the_memory_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(soundfont, "TOTAL_LIMIT", 1_000)
    path = tmp_path / "x.sf2"
    path.write_bytes(encode([(str(n), simple(bytes(900))) for n in range(3)]))
    presets, faults = SoundFontFile().read(path)
    assert len(presets) == 1
    assert ["preset 2" in faults[0], "preset 3" in faults[1]] == [True, True]


@pytest.mark.parametrize("name", ["missing.sf2", "."])
def test_what_cannot_be_opened_is_named(name: str, tmp_path: Path) -> None:
    with pytest.raises(PresetError, match="can't be read"):
        SoundFontFile().read(tmp_path / name)


@pytest.mark.parametrize(
    "data", [b"", b"RIFF", b"not a SoundFont at all, but text", chunk(b"RIFF", b"WAVE" + bytes(99))]
)
def test_what_is_no_soundfont_is_refused(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "x.sf2").write_bytes(data)
    with pytest.raises(PresetError, match=r"x\.sf2 isn't a SoundFont"):
        SoundFontFile().read(tmp_path / "x.sf2")


def test_every_cut_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "x.sf2"
    whole = encode([("One", stereo())], "Bank")
    for length in range(12, len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(PresetError, match="cut short"):
            SoundFontFile().read(path)


WHOLE = encode([("One", stereo()), ("Two", simple())], "Bank")


@settings(SAME_FOLDER, max_examples=400)
@given(st.lists(st.tuples(st.integers(0, len(WHOLE) - 1), st.binary(min_size=1, max_size=4)), min_size=1, max_size=4))
def test_damage_is_refused_or_survived(tmp_path: Path, damage: list[tuple[int, bytes]]) -> None:
    """Whatever a file says, it is read as presets that are sound themselves, or refused."""
    data = bytearray(WHOLE)
    for place, wrong in damage:
        data[place : place + len(wrong)] = wrong
    path = tmp_path / "x.sf2"
    path.write_bytes(data)
    try:
        presets, faults = SoundFontFile().read(path)
    except PresetError as error:
        assert str(path) in str(error)  # noqa: PT017
        return
    assert len(presets) + len(faults) >= 1
    for preset in presets:
        assert state_of(patch_of(preset.state)) == preset.state


def test_only_what_a_preset_plays_is_read(tmp_path: Path) -> None:
    """A quarter of a gigabyte of other samples takes no memory."""
    hole = 2**28
    whole = bytearray(encode([("Tone", simple(points(1, 2, 3, 4)))]))
    at = whole.index(b"smpl")
    (size,) = struct.unpack_from("<I", whole, at + 4)
    struct.pack_into("<I", whole, at + 4, size + hole)
    for place in (4, whole.index(b"sdta") - 4):  # the sizes of the lists around it
        struct.pack_into("<I", whole, place, struct.unpack_from("<I", whole, place)[0] + hole)
    header = whole.index(b"shdr") + 8 + 20
    for place in range(header, header + 16, 4):
        struct.pack_into("<I", whole, place, struct.unpack_from("<I", whole, place)[0] + hole // 2)
    path = tmp_path / "x.sf2"
    with path.open("wb") as file:
        file.write(whole[: at + 8])
        file.seek(hole, 1)
        file.write(whole[at + 8 :])
    tracemalloc.start()
    try:
        (preset,) = listed(path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert preset.state == state_of(simple(points(1, 2, 3, 4)))
    assert peak < 2**23


def test_states_of_others_are_refused(tmp_path: Path) -> None:
    format_ = SoundFontFile()
    with pytest.raises(PresetError, match="Lead is a preset of amsynth"):
        format_.write(tmp_path / "x.sf2", [Preset("Lead", State("amsynth", b"{}"))])
    with pytest.raises(PresetError, match="at least one preset"):
        format_.write(tmp_path / "x.sf2", [])
    with pytest.raises(PresetError, match="isn't a SoundFont"):
        patch_of(State("soundfont", b"{}"))
    with pytest.raises(PresetError, match="holds 2 presets instead of one"):
        patch_of(State("soundfont", WHOLE))
    assert list(tmp_path.iterdir()) == []


# A real one.


@pytest.fixture(scope="module")
def tim() -> list[Preset]:
    if not TIM.exists():
        pytest.skip(f"{TIM} isn't there: install Debian's timgm6mb-soundfont")
    return listed(TIM)


def test_a_general_midi_bank_is_read_and_labelled(tim: list[Preset]) -> None:
    assert len(tim) == 136
    by_category = {each.category: label(each) for each in tim}
    assert by_category["program 33"].name == "Acoustic Bass"
    assert (by_category["program 33"].family, by_category["program 33"].label_source) == ("bass", "field")
    assert by_category["program 92"].family == "pad"
    assert [each.name for each in tim if each.category == "kit"][-1] == "Standard"
    assert len({each.id for each in tim}) == 135  # two of its kits are the same
    assert not [each.name for each in tim if not label(each).family]


def test_a_real_bank_written_is_the_same_bank(tim: list[Preset], tmp_path: Path) -> None:
    path = tmp_path / "x.sf2"
    SoundFontFile().write(path, tim)
    assert [(each.name, each.state, each.bank) for each in listed(path)] == [
        (each.name, each.state, each.bank) for each in tim
    ]
    assert path.stat().st_size < 1.3 * TIM.stat().st_size  # samples that presets share are there once


def test_real_presets_written_alone_are_the_same(tim: list[Preset], tmp_path: Path) -> None:
    for preset in tim[::5]:
        path = tmp_path / "x.sf2"
        SoundFontFile().write(path, [preset])
        (again,) = listed(path)
        assert (again.name, again.state) == (preset.name, preset.state)
