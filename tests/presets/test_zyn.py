"""ZynAddSubFX's instruments: what is kept, round trips, names, hostile files."""

import gzip
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthmatch.errors import PresetError
from synthmatch.presets.formats.fxp import FxFile
from synthmatch.presets.formats.vst2 import Vst2File
from synthmatch.presets.formats.zyn import ZynInstrument, host_chunk, uses_padsynth
from synthmatch.presets.preset import Preset, State

INFO = """<INFO>
<string name="name"> Soft &amp; Low </string>
<string name="author">Someone</string>
<string name="comments">Two
lines</string>
<par name="type" value="5"/>
</INFO>
"""

GOLDEN = f"""
<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE ZynAddSubFX-data>
<ZynAddSubFX-data version-major="2" version-minor="4"
version-revision="1" ZynAddSubFX-author="Nasca Octavian Paul">
<INFORMATION>
<par_bool name="PADsynth_used" value="no"/>
</INFORMATION>
<INSTRUMENT>
{INFO}<INSTRUMENT_KIT>
<par name="kit_mode" value="0"/>
<INSTRUMENT_KIT_ITEM id="0">
<string name="name">layer</string>
<par_bool name="pad_enabled" value="no"/>
</INSTRUMENT_KIT_ITEM>
</INSTRUMENT_KIT>
<INSTRUMENT_EFFECTS>
<INSTRUMENT_EFFECT id="0"><par name="type" value="1"/></INSTRUMENT_EFFECT>
</INSTRUMENT_EFFECTS>
</INSTRUMENT>
</ZynAddSubFX-data>
"""

CANONICAL = (
    '<ZynAddSubFX-data version-major="2" version-minor="4" version-revision="1"><INSTRUMENT><INSTRUMENT_KIT>'
    '<par name="kit_mode" value="0" /><INSTRUMENT_KIT_ITEM id="0"><string name="name">layer</string>'
    '<par_bool name="pad_enabled" value="no" /></INSTRUMENT_KIT_ITEM></INSTRUMENT_KIT><INSTRUMENT_EFFECTS>'
    '<INSTRUMENT_EFFECT id="0"><par name="type" value="1" /></INSTRUMENT_EFFECT></INSTRUMENT_EFFECTS>'
    "</INSTRUMENT></ZynAddSubFX-data>"
)


def read(path: Path, text: str | bytes, packed: bool = True) -> Preset:
    data = text if isinstance(text, bytes) else text.encode()
    path.write_bytes(gzip.compress(data) if packed else data)
    (preset,), faults = ZynInstrument().read(path)
    assert list(faults) == []
    return preset


def test_golden_instrument(tmp_path: Path) -> None:
    (tmp_path / "Soft Bank").mkdir()
    preset = read(tmp_path / "Soft Bank" / "x.xiz", GOLDEN)
    assert preset.state == State("zynaddsubfx", CANONICAL.encode())
    assert (preset.name, preset.author, preset.comment) == ("Soft & Low", "Someone", "Two\nlines")
    assert (preset.bank, preset.category, preset.slot) == ("Soft Bank", "5", 0)


def test_plain_and_packed_files_are_the_same(tmp_path: Path) -> None:
    assert read(tmp_path / "a.xiz", GOLDEN).state == read(tmp_path / "b.xiz", GOLDEN, packed=False).state


def test_blanks_attribute_order_and_listing_do_not_change_the_state(tmp_path: Path) -> None:
    other = GOLDEN.replace(INFO, "").replace("\n", "\r\n  ").strip()
    other = other.replace('<par name="kit_mode" value="0"/>', '<par value="0" name="kit_mode"></par>')
    assert other != GOLDEN
    assert read(tmp_path / "a.xiz", GOLDEN).id == read(tmp_path / "b.xiz", other).id


@pytest.mark.parametrize(("old", "new"), [('value="0"', 'value="1"'), ('version-minor="4"', 'version-minor="5"')])
def test_what_changes_the_sound_changes_the_state(tmp_path: Path, old: str, new: str) -> None:
    assert read(tmp_path / "a.xiz", GOLDEN).id != read(tmp_path / "b.xiz", GOLDEN.replace(old, new)).id


@pytest.mark.parametrize(
    ("file", "inside", "name"),
    [
        ("x.xiz", "Own Name", "Own Name"),
        ("0012-Slow Pad.xiz", "", "Slow Pad"),
        ("0012-Slow Pad.xiz", "ggggg", "Slow Pad"),  # a copy that kept its model's name inside
        ("0012-e_p_ 2.xiz", "E.P. 2", "E.P. 2"),  # a file name can't hold every character
        ("0012-.xiz", "Own Name", "Own Name"),
        ("80s Lead.xiz", "", "80s Lead"),
    ],
)
def test_names(tmp_path: Path, file: str, inside: str, name: str) -> None:
    assert read(tmp_path / file, GOLDEN.replace(" Soft &amp; Low ", inside)).name == name


_XML_TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["C"], exclude_characters="\ufffe\uffff"))
_TEXTS = _XML_TEXT.map(str.strip)


@given(_TEXTS.filter(bool), _TEXTS, _TEXTS, st.integers(0, 16), st.text("<>&\"' ab"), st.floats())
def test_reading_what_was_written_gives_the_same(
    tmp_path_factory: pytest.TempPathFactory,
    name: str,
    author: str,
    comment: str,
    category: int,
    layer: str,
    value: float,
) -> None:
    folder = tmp_path_factory.getbasetemp()
    layer = layer.replace("&", "&amp;").replace("<", "&lt;")
    text = GOLDEN.replace("layer", layer).replace('"kit_mode" value="0"', f'"kit_mode" value="{value}"')
    first = read(folder / "first.xiz", text)
    preset = Preset(name, first.state, category=str(category), author=author, comment=comment, bank=folder.name)
    path = folder / "second.xiz"
    ZynInstrument().write(path, [preset])
    (back,), _ = ZynInstrument().read(path)
    assert back.state == preset.state
    assert (back.name, back.author, back.comment) == (name, author, comment)
    assert (back.category, back.bank) == (str(category), folder.name)


def test_writing_is_repeatable_to_the_byte(tmp_path: Path) -> None:
    preset = read(tmp_path / "x.xiz", GOLDEN)
    for name in ("a.xiz", "b.xiz"):
        ZynInstrument().write(tmp_path / name, [preset])
    assert (tmp_path / "a.xiz").read_bytes() == (tmp_path / "b.xiz").read_bytes()


_BOMB = """<?xml version="1.0"?><!DOCTYPE ZynAddSubFX-data [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>
<ZynAddSubFX-data><INSTRUMENT><INFO><string name="name">&b;</string></INFO></INSTRUMENT></ZynAddSubFX-data>"""


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "is empty"),
        (b"  \n", "is empty"),
        (gzip.compress(b"", mtime=0), "is empty"),
        (gzip.compress(GOLDEN.encode(), mtime=0)[:-40], "is damaged"),
        (gzip.compress(GOLDEN.encode(), mtime=0)[:12], "is damaged"),
        (b"\x1f\x8bnot gzip at all", "is damaged"),
        (gzip.compress(bytes(40 * 2**20), mtime=0), "unpacks to more than 32 MiB"),
        (GOLDEN[:-30].encode(), "isn't valid XML"),
        (b"hello", "isn't valid XML"),
        (_BOMB.encode(), "defines entities"),
        (b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/hostname">]><a>&x;</a>', "defines entities"),
        (b"<Other><INSTRUMENT><a/></INSTRUMENT></Other>", "isn't a ZynAddSubFX instrument"),
        (b"<ZynAddSubFX-data><MASTER/></ZynAddSubFX-data>", "isn't a ZynAddSubFX instrument"),
        (b"<ZynAddSubFX-data><INSTRUMENT><INFO/></INSTRUMENT></ZynAddSubFX-data>", "empty instrument"),
        (
            b"<ZynAddSubFX-data><INSTRUMENT>" + b"<a>" * 9000 + b"</a>" * 9000 + b"</INSTRUMENT></ZynAddSubFX-data>",
            "nests more than",
        ),
        (  # 4 kB on the disk; 32, which unpack to the size that is allowed, would take gigabytes of memory
            gzip.compress(
                b"<ZynAddSubFX-data><INSTRUMENT>" + b"<a/>" * 10**6 + b"</INSTRUMENT></ZynAddSubFX-data>", mtime=0
            ),
            "has more than 1,000,000 XML tags",
        ),
    ],
)
def test_hostile_and_broken_files_give_one_sentence(tmp_path: Path, data: bytes, reason: str) -> None:
    path = tmp_path / "bad.xiz"
    path.write_bytes(data)
    with pytest.raises(PresetError, match=reason) as caught:
        ZynInstrument().read(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(PresetError, match=r"nowhere\.xiz can't be read"):
        ZynInstrument().read(tmp_path / "nowhere.xiz")


@pytest.mark.parametrize(
    ("presets", "reason"),
    [
        ([], "can't hold 0 presets"),
        ([Preset("a", State("zynaddsubfx", CANONICAL.encode()))] * 2, "can't hold 2 presets"),
        ([Preset("a", State("amsynth", b"{}"))], "a preset of amsynth"),
        ([Preset("a\x01", State("zynaddsubfx", CANONICAL.encode()))], "name of .* holds"),
    ],
)
def test_what_a_file_cannot_hold_is_not_written(tmp_path: Path, presets: list[Preset], reason: str) -> None:
    with pytest.raises(PresetError, match=reason):
        ZynInstrument().write(tmp_path / "x.xiz", presets)
    assert list(tmp_path.iterdir()) == []


def test_padsynth_is_noticed(tmp_path: Path) -> None:
    pad = GOLDEN.replace('"pad_enabled" value="no"', '"pad_enabled" value="yes"')
    assert not uses_padsynth(read(tmp_path / "a.xiz", GOLDEN).state)
    assert uses_padsynth(read(tmp_path / "b.xiz", pad).state)


def test_the_chunk_wraps_the_instrument_into_a_session(tmp_path: Path) -> None:
    preset = read(tmp_path / "x.xiz", GOLDEN)
    head, tail = CANONICAL.split("<INSTRUMENT>")
    before, after = host_chunk(preset.state).decode().split("<INSTRUMENT>")
    assert before.startswith(f'state\0<?xml version="1.0" encoding="UTF-8"?>{head}<MASTER>')
    assert after == tail.replace("</ZynAddSubFX-data>", "</PART></MASTER></ZynAddSubFX-data>\0")


def test_a_bank_for_plugin_hosts_holds_the_chunk_and_the_names(tmp_path: Path) -> None:
    preset = read(tmp_path / "x.xiz", GOLDEN)
    path = tmp_path / "one.fxb"
    Vst2File(".fxb").write(path, [preset])
    file = FxFile.decode(path.read_bytes(), "it")
    assert (file.plugin, file.bank, file.plugin_version) == ("ZASF", True, 0x00030006)
    assert file.chunk is not None
    chunk = file.chunk.decode()
    info = chunk[chunk.index("<INFO>") : chunk.index("</INFO>") + len("</INFO>")]
    assert "Soft &amp; Low" in info
    assert chunk.replace(info, "").encode() == host_chunk(preset.state)
    (back,), _ = Vst2File(".fxb").read(path)
    assert back == replace(preset, file=path)


def test_effects_off_drops_the_instruments_effects_and_nothing_else(tmp_path: Path) -> None:
    state = read(tmp_path / "x.xiz", GOLDEN).state
    start, end = CANONICAL.index("<INSTRUMENT_EFFECTS>"), CANONICAL.index("</INSTRUMENT></ZynAddSubFX-data>")
    effects = CANONICAL[start:end].encode()
    assert host_chunk(state, effects=False) == host_chunk(state).replace(effects, b"")
    assert effects in host_chunk(state)


def test_a_strangers_state_has_no_chunk() -> None:
    with pytest.raises(PresetError, match="isn't a ZynAddSubFX instrument"):
        host_chunk(State("amsynth", b"{}"))
