"""The VST 2 preset file: byte layout, round trips, damaged files."""

import struct
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthmatch.errors import PresetError
from synthmatch.presets.formats.fxp import FxFile


def test_program_layout() -> None:
    data = FxFile("amsy", b"chunk", name="Fat", plugin_version=7).encode()
    assert data == (
        b"CcnK" + struct.pack(">i", len(data) - 8) + b"FPCh" + struct.pack(">i", 1) + b"amsy"
        + struct.pack(">ii", 7, 1) + b"Fat".ljust(28, b"\0") + struct.pack(">i", 5) + b"chunk"
    )  # fmt: skip


def test_bank_layout() -> None:
    data = FxFile("ZASF", b"chunk", bank=True, name="a bank has none", plugin_version=0x30006).encode()
    assert data == (
        b"CcnK" + struct.pack(">i", len(data) - 8) + b"FBCh" + struct.pack(">i", 1) + b"ZASF"
        + struct.pack(">ii", 0x30006, 1) + bytes(128) + struct.pack(">i", 5) + b"chunk"
    )  # fmt: skip


_IDS = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=4, max_size=4)
_NAMES = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=27)


@given(_IDS, st.binary(max_size=200), st.booleans(), _NAMES, st.integers(0, 2**31 - 1))
def test_round_trip(plugin: str, chunk: bytes, bank: bool, name: str, version: int) -> None:
    file = FxFile(plugin, chunk, bank, "" if bank else name, version)
    assert FxFile.decode(file.encode(), "it") == file


@given(st.integers(0, 200))
def test_every_truncation_is_refused(length: int) -> None:
    whole = FxFile("amsy", bytes(range(64)), name="Fat").encode()
    short = whole[: min(length, len(whole) - 1)]
    with pytest.raises(PresetError, match=r"^it (isn't a VST preset file|is cut short)"):
        FxFile.decode(short, "it")


@given(st.sampled_from([b"FPCh", b"FBCh", b"FxCk", b"what"]), st.binary(max_size=300))
def test_garbage_behind_the_magic_raises_nothing_else(kind: bytes, data: bytes) -> None:
    whole = b"CcnK\0\0\0\0" + kind + data
    with suppress(PresetError):
        assert FxFile.decode(whole, "it").chunk in whole


def test_plain_parameter_lists_are_named() -> None:
    data = FxFile("amsy", b"chunk").encode().replace(b"FPCh", b"FxCk")
    with pytest.raises(PresetError, match="list of parameter values"):
        FxFile.decode(data, "it")


def test_long_and_foreign_names_are_cut() -> None:
    file = FxFile("amsy", b"", name="Ü" + "x" * 60)
    assert FxFile.decode(file.encode(), "it").name == "?" + "x" * 26


@pytest.mark.parametrize("plugin", ["abc", "abcde", "äbcd", ""])
def test_plugin_id_has_four_letters(plugin: str) -> None:
    with pytest.raises(PresetError, match="four ASCII characters"):
        FxFile(plugin, b"").encode()
