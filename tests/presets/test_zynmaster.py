"""ZynAddSubFX's sessions, as files and as what plugin hosts save: every part that is switched on is a preset."""

import gzip
from pathlib import Path
from xml.sax.saxutils import escape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthmatch.errors import PresetError
from synthmatch.presets.catalogue import SYNTHS
from synthmatch.presets.formats import formats, suffixes
from synthmatch.presets.formats.zyn import ZynInstrument, ZynMaster, host_chunk, read_chunk
from synthmatch.presets.preset import Preset

HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE ZynAddSubFX-data>\n'
ROOT = '<ZynAddSubFX-data version-major="3" version-minor="0" ZynAddSubFX-author="Nasca Octavian Paul">'


def instrument(name: str = "", kit: int = 1, volume: int = 96) -> str:
    """An instrument whose kit has so many items."""
    items = "".join(
        f'<INSTRUMENT_KIT_ITEM id="{number}"><par_bool name="enabled" value="{"yes" if number < kit else "no"}"/>'
        f'<ADD_SYNTH_PARAMETERS><par name="volume" value="{volume + number}"/></ADD_SYNTH_PARAMETERS>'
        "</INSTRUMENT_KIT_ITEM>"
        for number in range(kit + 1)
    )
    info = f'<INFO><string name="name">{escape(name)}</string><string name="author">Ana</string></INFO>'
    return f"<INSTRUMENT>\n{info}\n<INSTRUMENT_KIT>\n{items}\n</INSTRUMENT_KIT>\n</INSTRUMENT>"


def part(number: int, inside: str, enabled: str = "yes") -> str:
    switch = f'<par_bool name="enabled" value="{enabled}"/>' if enabled else ""
    mixer = f'<par_real name="volume" value="-3.0"/><par name="rcv_chn" value="{number}"/>'
    return f'<PART id="{number}">{switch}{mixer}{inside}</PART>'


def session(*parts: str) -> str:
    effects = '<SYSTEM_EFFECTS><SYSTEM_EFFECT id="0"><par name="type" value="1"/></SYSTEM_EFFECT></SYSTEM_EFFECTS>'
    tuning = '<MICROTONAL><string name="name">12tET</string></MICROTONAL>'
    master = f'<MASTER><par_real name="volume" value="-6.7"/>{"".join(parts)}{tuning}{effects}</MASTER>'
    return f"{HEAD}{ROOT}{master}</ZynAddSubFX-data>\n"


def write(path: Path, text: str | bytes, packed: bool = True) -> Path:
    data = text if isinstance(text, bytes) else text.encode()
    path.write_bytes(gzip.compress(data) if packed else data)
    return path


def alone(folder: Path, inside: str) -> Preset:
    """The preset that an instrument is in a file of its own."""
    path = write(folder / "alone.xiz", f"{HEAD}{ROOT}{inside}</ZynAddSubFX-data>\n")
    (preset,), _ = ZynInstrument().read(path)
    return preset


PARTS = (
    part(0, instrument("Fat Bass")),
    part(1, instrument("Not heard"), enabled="no"),
    part(2, instrument("", kit=3)),
    part(3, instrument("Not said"), enabled=""),
    part(4, ""),
    part(5, instrument("Fat Bass", volume=20)),
)


@pytest.mark.parametrize("packed", [True, False])
def test_every_part_that_is_switched_on_is_a_preset(tmp_path: Path, packed: bool) -> None:
    presets, faults = ZynMaster().read(write(tmp_path / "song.xmz", session(*PARTS), packed))
    assert faults == []
    assert [(each.name, each.slot, each.bank, each.author) for each in presets] == [
        ("Fat Bass", 0, "song", "Ana"),
        ("song 3", 2, "song", "Ana"),
        ("Fat Bass", 5, "song", "Ana"),
    ]


def test_a_part_has_the_state_of_its_instrument_alone(tmp_path: Path) -> None:
    presets, _ = ZynMaster().read(write(tmp_path / "song.xmz", session(*PARTS)))
    expected = [alone(tmp_path, each) for each in (
        instrument(), instrument(kit=3), instrument(volume=20),
    )]  # fmt: skip
    assert [each.state for each in presets] == [each.state for each in expected]
    assert len({each.id for each in presets}) == 3


@given(st.lists(st.tuples(st.text("<&>abc ", max_size=6), st.integers(1, 4), st.booleans()), min_size=1, max_size=5))
def test_sessions_of_any_parts(tmp_path_factory: pytest.TempPathFactory, content: list[tuple[str, int, bool]]) -> None:
    folder = tmp_path_factory.getbasetemp()
    parts = [
        part(number, instrument(name, kit), "yes" if on else "no") for number, (name, kit, on) in enumerate(content)
    ]
    path = write(folder / "any.xmz", session(*parts))
    on = [(slot, name.strip(), kit) for slot, (name, kit, on) in enumerate(content) if on]
    if not on:
        with pytest.raises(PresetError, match=r"any\.xmz is a session in which no part is switched on"):
            ZynMaster().read(path)
        return
    presets, _ = ZynMaster().read(path)
    assert [(each.slot, each.name if name else "") for each, (_, name, _) in zip(presets, on, strict=True)] == [
        (slot, name) for slot, name, _ in on
    ]
    assert all(each.name for each in presets)
    assert [each.state for each in presets] == [alone(folder, instrument(kit=kit)).state for _, _, kit in on]


def test_a_broken_part_costs_one_line(tmp_path: Path) -> None:
    deep = "<INSTRUMENT>" + "<a>" * 100 + "</a>" * 100 + "</INSTRUMENT>"
    parts = (part(0, "<INSTRUMENT><INFO/></INSTRUMENT>"), part(1, instrument("Good")), part(2, deep))
    path = write(tmp_path / "song.xmz", session(*parts))
    presets, faults = ZynMaster().read(path)
    assert [each.name for each in presets] == ["Good"]
    assert len(faults) == 2
    assert faults[0].startswith(f"{path}: part 1 is left out: ")
    assert "empty instrument" in faults[0]
    assert faults[1].startswith(f"{path}: part 3 is left out: ")
    assert "nests more than 64" in faults[1]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "is empty"),
        (gzip.compress(b" \n", mtime=0), "is empty"),
        (gzip.compress(session(*PARTS).encode(), mtime=0)[:-40], "is damaged"),
        (gzip.compress(bytes(40 * 2**20), mtime=0), "unpacks to more than 32 MiB"),
        (session(*PARTS)[:-30].encode(), "isn't valid XML"),
        (b'<!DOCTYPE a [<!ENTITY x "y"><!ENTITY z "&x;&x;">]><a>&z;</a>', "defines entities"),
        (f"{ROOT}<MASTER/></ZynAddSubFX-data>".encode(), "isn't a session of ZynAddSubFX"),
        (f"{ROOT}{instrument()}</ZynAddSubFX-data>".encode(), "isn't a session of ZynAddSubFX"),
        (b"<Other><MASTER><PART/></MASTER></Other>", "isn't a session of ZynAddSubFX"),
        (session(part(0, instrument(), "no")).encode(), "no part is switched on"),
        (b"<a>" * 20_000 + b"</a>" * 20_000, "isn't a session of ZynAddSubFX"),
    ],
)
def test_hostile_and_broken_files_give_one_sentence(tmp_path: Path, data: bytes, reason: str) -> None:
    path = write(tmp_path / "bad.xmz", data, packed=False)
    with pytest.raises(PresetError, match=reason) as caught:
        ZynMaster().read(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_sessions_are_read_and_not_written(tmp_path: Path) -> None:
    assert ".xmz" in suffixes()
    assert not any(ZynMaster().serves(row) for row in SYNTHS.values())
    with pytest.raises(PresetError, match=r"x\.xmz can't be written: .* write an \.xiz file for each preset"):
        ZynMaster().write(tmp_path / "x.xmz", [])
    assert [row.suffix for row in formats() if row.suffix == ".xmz"] == [".xmz"]


def chunk(text: str) -> bytes:
    return b"state\0" + text.encode() + b"\0more\0"


def test_a_chunk_is_a_session(tmp_path: Path) -> None:
    presets, faults = read_chunk(chunk(session(*PARTS)), tmp_path / "song.fxb", "Program")
    assert faults == []
    assert [(each.name, each.slot) for each in presets] == [("Fat Bass", 0), ("Program 3", 2), ("Fat Bass", 5)]


@pytest.mark.parametrize(
    ("inside", "program", "name"), [("Own", "Program", "Own"), ("", "Program", "Program"), ("", "", "song")]
)
def test_names_of_chunks(inside: str, program: str, name: str) -> None:
    (preset,), _ = read_chunk(chunk(session(part(0, instrument(inside)))), Path("song.fxp"), program)
    assert preset.name == name


def test_a_chunk_gives_back_the_state(tmp_path: Path) -> None:
    preset = alone(tmp_path, instrument("Fat", kit=2))
    (back,), _ = read_chunk(host_chunk(preset.state), Path("x.fxb"), "")
    assert back.state == preset.state
