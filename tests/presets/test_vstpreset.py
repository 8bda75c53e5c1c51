"""VST 3 preset files: byte layout, round trips, what belongs to the state, damaged and hostile files."""

import struct
import tracemalloc
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from xml.sax.saxutils import quoteattr

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthmatch.errors import PresetError
from synthmatch.presets.bank import PresetBank
from synthmatch.presets.catalogue import SYNTHS, Engine, Synth
from synthmatch.presets.formats.vstpreset import Vst3Preset, VstPreset
from synthmatch.presets.preset import Preset, State

CLASS = "D39D5B69D6AF42FA1234567844695661"
ROW = Synth("diva", "Diva", Engine.PLUGIN, (".vstpreset",), "", plugin="/x/Diva.vst3", plugin_id=CLASS.lower())
KNOWN = {**SYNTHS, "diva": ROW}
FORM = VstPreset(KNOWN)


def raw(*chunks: tuple[bytes, bytes], letters: bytes = CLASS.encode(), version: int = 1) -> bytes:
    """A file as a host writes it, made without the code under test."""
    place, body, entries = 48, b"", b""
    for name, content in chunks:
        entries += name + struct.pack("<qq", place + len(body), len(content))
        body += content
    head = b"VST3" + struct.pack("<i", version) + letters + struct.pack("<q", place + len(body))
    return head + body + b"List" + struct.pack("<i", len(chunks)) + entries


def info(**attributes: str) -> bytes:
    rows = "".join(
        f"<Attribute id={quoteattr(key)} value={quoteattr(value)} type='string' flags=''/>"
        for key, value in attributes.items()
    )
    return f'<?xml version="1.0" encoding="utf-8"?>\n<MetaInfo>\n{rows}</MetaInfo>\n'.encode()


def read(folder: Path, data: bytes, name: str = "Fat Bass.vstpreset") -> Preset:
    path = folder / name
    path.write_bytes(data)
    (preset,), faults = FORM.read(path)
    assert list(faults) == []
    return preset


def test_layout() -> None:
    expected = raw((b"Comp", b"component"), (b"Cont", b""), (b"Info", b"<a/>"))
    assert Vst3Preset(CLASS.lower(), b"component", b"", b"<a/>").encode() == expected


FILES = st.builds(
    Vst3Preset,
    st.binary(min_size=16, max_size=16).map(lambda data: data.hex().upper()),
    st.binary(max_size=60),
    st.none() | st.binary(max_size=20),
    st.binary(max_size=20),
)


@given(FILES)
def test_round_trip(file: Vst3Preset) -> None:
    assert Vst3Preset.decode(file.encode(), "it") == file


@given(FILES, st.data())
def test_every_truncation_is_refused(file: Vst3Preset, data: st.DataObject) -> None:
    whole = file.encode()
    length = data.draw(st.integers(0, len(whole) - 1))
    with pytest.raises(PresetError, match=r"^it (isn't a VST 3 preset file|is cut short)"):
        Vst3Preset.decode(whole[:length], "it")


@given(FILES, st.data())
def test_damaged_bytes_raise_nothing_else(file: Vst3Preset, data: st.DataObject) -> None:
    whole = bytearray(file.encode())
    for place in data.draw(st.lists(st.integers(0, len(whole) - 1), max_size=4)):
        whole[place] = data.draw(st.integers(0, 255))
    with suppress(PresetError):
        assert Vst3Preset.decode(bytes(whole), "it").encode()


def test_a_presets_listing_comes_from_its_info(tmp_path: Path) -> None:
    about = info(
        MediaType="VstPreset", PlugInName="Diva", PlugInCategory="Instrument|Synth", Name=" Über & <Low> ",
        MusicalInstrument="Bass|Synth Bass", MusicalStyle="Techno", MusicalCharacter="Analog|Warm|Techno",
        Author="Ana", Comment="two\nlines",
    )  # fmt: skip
    preset = read(tmp_path, raw((b"Comp", b"c"), (b"Info", about + b"\0")))
    assert (preset.name, preset.bank, preset.category) == ("Über & <Low>", tmp_path.name, "Bass|Synth Bass")
    assert (preset.author, preset.tags) == ("Ana", ("Analog", "Techno", "Warm"))


@pytest.mark.parametrize(
    "about",
    [b"", b"no XML", b"\xff\xfe", b"<MetaInfo><Attribute/></MetaInfo>", b"<a>" * 9000, b" " * 2**21 + info(Name="x"),
     b"<!DOCTYPE a [<!ENTITY x 'y'>]><MetaInfo><Attribute id='Name' value='&x;'/></MetaInfo>"],
)  # fmt: skip
def test_a_listing_that_cannot_be_read_costs_the_name_alone(tmp_path: Path, about: bytes) -> None:
    data = raw((b"Comp", b"c"), (b"Info", about.replace(b" " * 2**21, b"<!--" + b" " * 2**21 + b"-->")))
    preset = read(tmp_path, data)
    assert preset.name == "Fat Bass"
    assert preset.state == State("diva", raw((b"Comp", b"c")))


def test_what_tells_of_the_preset_is_no_part_of_its_state(tmp_path: Path) -> None:
    plain = read(tmp_path, raw((b"Comp", b"c"), (b"Cont", b"p")))
    dressed = raw((b"Info", info(Name="Other")), (b"Cont", b"p"), (b"Prog", b"x"), (b"Comp", b"c"), (b"Comp", b"later"))
    lower = dressed.replace(CLASS.encode(), CLASS.lower().encode())
    assert plain.state.data == raw((b"Comp", b"c"), (b"Cont", b"p"))
    assert read(tmp_path, dressed).state == read(tmp_path, lower).state == plain.state
    for other in (raw((b"Comp", b"d"), (b"Cont", b"p")), raw((b"Comp", b"c"), (b"Cont", b"q")), raw((b"Comp", b"c"))):
        assert read(tmp_path, other).state != plain.state


_TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"], exclude_characters="|\ufffe\uffff"))


@given(
    FILES, _TEXT.filter(bool), _TEXT, st.tuples(_TEXT, _TEXT).map(" \t\n".join).map(str.strip), _TEXT,
    st.sets(_TEXT.filter(bool)),
)  # fmt: skip
def test_reading_what_was_written_gives_the_same(
    tmp_path_factory: pytest.TempPathFactory,
    file: Vst3Preset,
    name: str,
    author: str,
    comment: str,
    category: str,
    tags: set[str],
) -> None:
    row = replace(ROW, plugin_id=file.plugin)
    form = VstPreset({row.id: row})
    path = tmp_path_factory.getbasetemp() / "round.vstpreset"
    state = State(row.id, replace(file, info=b"").encode())
    preset = Preset(
        name, state, path.parent.name, path, author=author, comment=comment, category=category, tags=tuple(sorted(tags))
    )
    form.write(path, [preset])
    (back,), _ = form.read(path)
    assert back == preset


BAD = raw((b"Comp", b"component"))


def changed(place: int, form: str, value: int) -> bytes:
    data = bytearray(BAD)
    struct.pack_into(form, data, place, value)
    return bytes(data)


_LIST = 48 + len(b"component")
_ENTRY = _LIST + 8


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "isn't a VST 3 preset file"),
        (b"CcnK" + BAD[4:], "isn't a VST 3 preset file"),
        (raw((b"Comp", b"c"), version=2), "unknown version \\(2\\)"),
        (raw((b"Comp", b"c"), letters=b"x" * 32), "unknown version"),
        (raw((b"Comp", b"c"), letters=b"\xff" * 32), "unknown version"),
        (raw(), "no state of the plugin, only nothing"),
        (raw((b"Prog", b"c"), (b"\xff\n\0x", b"")), r"no state of the plugin, only 'Prog', '\\xff\\n\\x00x'"),
        (changed(40, "<q", 0), "its list of chunks isn't there"),
        (changed(40, "<q", -1), "its list of chunks isn't there"),
        (changed(40, "<q", 2**62), "its list of chunks isn't there"),
        (changed(40, "<q", 48), "its list of chunks isn't there"),
        (changed(_LIST + 4, "<i", -1), "holds -1 chunks"),
        (changed(_LIST + 4, "<i", 129), "holds 129 chunks"),
        (changed(_LIST + 4, "<i", 2), "its list of chunks isn't whole"),
        (changed(_ENTRY + 4, "<q", 0), "'Comp' lies outside"),
        (changed(_ENTRY + 4, "<q", -9), "'Comp' lies outside"),
        (changed(_ENTRY + 4, "<q", 2**63 - 1), "'Comp' lies outside"),
        (changed(_ENTRY + 12, "<q", -1), "'Comp' lies outside"),
        (changed(_ENTRY + 12, "<q", 2**40), "'Comp' lies outside"),
        (raw((b"Comp", b"c"), letters=b"0" * 32), "class 0{32}, which isn't known; .* `synthmatch synth add`"),
    ],
)
def test_damaged_and_strange_files_give_one_sentence(tmp_path: Path, data: bytes, reason: str) -> None:
    path = tmp_path / "bad.vstpreset"
    path.write_bytes(data)
    with pytest.raises(PresetError, match=reason) as caught:
        FORM.read(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_list_that_names_the_same_bytes_again_and_again_takes_them_once(tmp_path: Path) -> None:
    """Otherwise a file of a megabyte takes 128."""
    body, count = bytes(2**20), 128
    entries = b"".join(struct.pack("<Iqq", number, 48, len(body)) for number in range(1, count))
    entries += b"Comp" + struct.pack("<qq", 48, 4)
    head = b"VST3" + struct.pack("<i", 1) + CLASS.encode() + struct.pack("<q", 48 + len(body))
    data = head + body + b"List" + struct.pack("<i", count) + entries
    tracemalloc.start()
    try:
        preset = read(tmp_path, data)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert preset.synth == "diva"
    assert peak < 8 * len(body)


def test_files_that_are_not_there_or_too_large_are_refused(tmp_path: Path) -> None:
    with pytest.raises(PresetError, match=r"nowhere\.vstpreset can't be read"):
        FORM.read(tmp_path / "nowhere.vstpreset")
    with (tmp_path / "huge.vstpreset").open("wb") as file:
        file.truncate(2**28 + 1)
    with pytest.raises(PresetError, match="is larger than 256 MiB"):
        FORM.read(tmp_path / "huge.vstpreset")


GOOD = Preset("Good", State("diva", BAD))


@pytest.mark.parametrize(
    ("presets", "reason"),
    [
        ([], "can't hold 0 presets"),
        ([GOOD, GOOD], "can't hold 2 presets"),
        ([Preset("P", State("amsynth", b"{}"))], r"a preset of amsynth, which a \.vstpreset file can't hold"),
        ([Preset("P", State("gone", BAD))], "a preset of gone"),
        ([Preset("P", State("diva", b"CcnK"))], r"^The state \w+ of diva isn't a VST 3 preset file"),
        ([replace(GOOD, name="a\x01")], r"The Name of 'a\\x01' holds '\\x01', which XML can't"),
    ],
)
def test_what_a_file_cannot_hold_is_not_written(tmp_path: Path, presets: list[Preset], reason: str) -> None:
    with pytest.raises(PresetError, match=reason):
        FORM.write(tmp_path / "x.vstpreset", presets)
    assert list(tmp_path.iterdir()) == []


def test_a_plugins_class_is_checked() -> None:
    with pytest.raises(PresetError, match="32 hex digits; 'Diva' isn't one"):
        Vst3Preset("Diva", b"").encode()


def test_a_synth_of_the_users_file_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYNTHMATCH_HOME", str(tmp_path))
    path = tmp_path / "Warm Pad.vstpreset"
    path.write_bytes(raw((b"Comp", b"c")))
    (fault,) = PresetBank.read(path).faults
    assert "synthmatch synth add" in fault.reason
    (tmp_path / "synths.toml").write_text(f'[diva]\nplugin = "/x/Diva.vst3"\nplugin_id = "{CLASS.lower()}"\n')
    (preset,) = PresetBank.read(path)
    assert (preset.synth, preset.name, preset.family) == ("diva", "Warm Pad", "pad")
