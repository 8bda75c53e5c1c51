"""The VST 2 preset file: byte layout, round trips, damaged files."""

import struct
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthmatch.errors import PresetError
from synthmatch.presets.formats.fxp import FxFile, FxProgram


def test_program_with_a_chunk() -> None:
    data = FxFile("amsy", b"chunk", name="Fat", plugin_version=7).encode()
    assert data == (
        b"CcnK" + struct.pack(">i", len(data) - 8) + b"FPCh" + struct.pack(">i", 1) + b"amsy"
        + struct.pack(">ii", 7, 1) + b"Fat".ljust(28, b"\0") + struct.pack(">i", 5) + b"chunk"
    )  # fmt: skip


def test_bank_with_a_chunk() -> None:
    data = FxFile("ZASF", b"chunk", bank=True, name="a bank has none", plugin_version=0x30006).encode()
    assert data == (
        b"CcnK" + struct.pack(">i", len(data) - 8) + b"FBCh" + struct.pack(">i", 1) + b"ZASF"
        + struct.pack(">ii", 0x30006, 1) + bytes(128) + struct.pack(">i", 5) + b"chunk"
    )  # fmt: skip


def program(name: bytes, *values: float) -> bytes:
    """A program of values of the plugin DKrs, version 3, as bytes."""
    content = name.ljust(28, b"\0") + struct.pack(f">{len(values)}f", *values)
    return b"CcnK" + struct.pack(">i4si4sii", 20 + len(content), b"FxCk", 1, b"DKrs", 3, len(values)) + content


def test_program_with_values() -> None:
    file = FxFile("DKrs", programs=(FxProgram("Fat", (0.25, 1.0)),), plugin_version=3)
    assert file.encode() == program(b"Fat", 0.25, 1.0)


def test_bank_with_values() -> None:
    programs = (FxProgram("Fat", (0.25, 1.0)), FxProgram("Thin", (0.5, 0.0)))
    data = FxFile("DKrs", programs=programs, bank=True, plugin_version=3).encode()
    inner = program(b"Fat", 0.25, 1.0) + program(b"Thin", 0.5, 0.0)
    head = struct.pack(">i4si4sii", 20 + 128 + len(inner), b"FxBk", 1, b"DKrs", 3, 2)
    assert data == b"CcnK" + head + bytes(128) + inner


_IDS = st.text(st.characters(codec="latin-1"), min_size=4, max_size=4)
_NAMES = (
    st.text(st.characters(min_codepoint=32, exclude_characters="\x7f", exclude_categories=["Cs"]), max_size=27)
    .filter(lambda name: len(name.encode()) <= 27)
    .map(str.strip)
)
_VERSIONS = st.integers(-(2**31), 2**31 - 1)
_PROGRAMS = st.builds(
    FxProgram, _NAMES, st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), max_size=6).map(tuple)
)
FILES = st.one_of(
    st.builds(FxFile, _IDS, st.binary(max_size=80), name=_NAMES, plugin_version=_VERSIONS),
    st.builds(FxFile, _IDS, st.binary(max_size=80), bank=st.just(True), plugin_version=_VERSIONS),
    st.builds(FxFile, _IDS, programs=st.tuples(_PROGRAMS), plugin_version=_VERSIONS),
    st.builds(
        FxFile, _IDS, programs=st.lists(_PROGRAMS, max_size=3).map(tuple), bank=st.just(True), plugin_version=_VERSIONS
    ),
)
"""All four kinds."""


@pytest.mark.parametrize(
    ("letters", "name"),
    [
        ("Café".encode(), "Café"),
        ("Café".encode("latin-1"), "Café"),
        ("Flächenklang, sehr breit, ä".encode()[:27], "Flächenklang, sehr breit,"),  # cut within its last letter
    ],
)
def test_names_are_utf8_or_latin1(letters: bytes, name: str) -> None:
    head = b"CcnK" + struct.pack(">i4si4sii", 60, b"FPCh", 1, b"DKrs", 3, 0)
    file = FxFile.decode(head + letters.ljust(28, b"\0") + struct.pack(">i", 2) + b"ab", "it")
    assert file.name == name


def test_a_name_that_is_too_long_loses_whole_letters() -> None:
    file = FxFile("DKrs", b"ab", name="ü" * 20)
    assert FxFile.decode(file.encode(), "it").name == "ü" * 13


@given(FILES)
def test_round_trip(file: FxFile) -> None:
    data = file.encode()
    assert FxFile.decode(data, "it") == file
    assert struct.unpack_from(">i", data, 4) == (len(data) - 8,)


@given(FILES, st.data())
def test_every_truncation_is_refused(file: FxFile, data: st.DataObject) -> None:
    whole = file.encode()
    length = data.draw(st.integers(0, len(whole) - 1))
    with pytest.raises(PresetError, match=r"^it (isn't a VST preset file|is cut short)") as caught:
        FxFile.decode(whole[:length], "it")
    assert "\n" not in str(caught.value)


@given(FILES, st.binary(max_size=40))
def test_what_follows_the_file_changes_nothing(file: FxFile, more: bytes) -> None:
    assert FxFile.decode(file.encode() + more, "it") == file


@given(st.sampled_from([b"FPCh", b"FBCh", b"FxCk", b"FxBk", b"what"]), st.binary(max_size=300))
def test_garbage_behind_the_magic_raises_nothing_else(kind: bytes, data: bytes) -> None:
    whole = b"CcnK\0\0\0\0" + kind + data
    with suppress(PresetError):
        file = FxFile.decode(whole, "it")
        assert (file.chunk or b"") in whole
        assert FxFile.decode(file.encode(), "it") == file


@given(FILES, st.data())
def test_damaged_bytes_raise_nothing_else(file: FxFile, data: st.DataObject) -> None:
    whole = bytearray(file.encode())
    for place in data.draw(st.lists(st.integers(0, len(whole) - 1), max_size=4)):
        whole[place] = data.draw(st.integers(0, 255))
    with suppress(PresetError):
        assert FxFile.decode(bytes(whole), "it").encode()


def bank_of(*programs: bytes, count: int | None = None) -> bytes:
    count = len(programs) if count is None else count
    return b"CcnK" + struct.pack(">i4si4sii", 0, b"FxBk", 1, b"DKrs", 3, count) + bytes(128) + b"".join(programs)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (bank_of(program(b"a", 0.5), count=2), "is cut short"),
        (bank_of(count=-1), "says that it holds -1 programs"),
        (bank_of(count=2**31 - 1), "says that it holds 2147483647 programs"),
        (bank_of(program(b"a", 0.5), b"x" * 100), "at byte 216 no program begins"),
        (bank_of(FxFile("DKrs", b"chunk").encode()), "has a chunk where a program's values belong"),
        (bank_of(bank_of(program(b"a", 0.5))), "no program begins"),
        (program(b"a", float("nan")), "values that aren't numbers"),
        (program(b"a").replace(b"FxCk", b"FxXx"), "unknown kind"),
    ],
)
def test_files_that_contradict_themselves_are_refused(data: bytes, reason: str) -> None:
    with pytest.raises(PresetError, match=reason):
        FxFile.decode(data, "it")


def test_long_names_are_cut() -> None:
    file = FxFile("amsy", b"", name="Ω" + "x" * 60)
    assert FxFile.decode(file.encode(), "it").name == "Ω" + "x" * 25


@pytest.mark.parametrize("plugin", ["abc", "abcde", "Ωbcd", "Ωabcd", ""])
def test_plugin_id_has_four_letters(plugin: str) -> None:
    with pytest.raises(PresetError, match="four characters"):
        FxFile(plugin, b"").encode()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e39])
def test_values_that_no_file_can_hold_are_not_written(value: float) -> None:
    with pytest.raises(PresetError, match="'Loud' holds values that aren't numbers"):
        FxFile("DKrs", programs=(FxProgram("Loud", (value,)),)).encode()


@pytest.mark.parametrize("count", [0, 2])
def test_a_program_file_holds_exactly_one(count: int) -> None:
    with pytest.raises(PresetError, match=f"exactly one program, not {count}"):
        FxFile("DKrs", programs=(FxProgram("a", ()),) * count).encode()
