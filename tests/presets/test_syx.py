"""DX7 voices: byte layout, round trips, checksums, empty places, damaged files; ``.syx`` and ``.dx7``."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from synthmatch.errors import PresetError
from synthmatch.presets.bank import PresetBank
from synthmatch.presets.catalogue import SYNTHS
from synthmatch.presets.formats import native_format
from synthmatch.presets.formats.dx7voice import INITIAL, PARAMETERS, SYNTH, pack, sound_of
from synthmatch.presets.formats.syx import SIZE_LIMIT, DX7Sysex, DX7Voices
from synthmatch.presets.preset import Preset, State

FORMAT = DX7Sysex()
_LETTERS = st.characters(min_codepoint=0x20, max_codepoint=0x7E)
SOUNDS = st.tuples(*(st.integers(0, row.maximum) for row in PARAMETERS)).map(bytes)
NAMES = st.text(_LETTERS, min_size=1, max_size=10).map(str.strip).filter(bool)
PRESETS = st.builds(Preset, NAMES, st.one_of(SOUNDS.map(lambda sound: State(SYNTH, sound)), st.just(INITIAL)))
SAME_FOLDER = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)


def sound(algorithm: int = 0, level: int = 99) -> bytes:
    """The initial voice with another algorithm and another level of its first operator."""
    voice = bytearray(INITIAL.data)
    voice[134], voice[121] = algorithm, level
    return bytes(voice)


def presets(count: int) -> list[Preset]:
    return [Preset(f"Voice {i + 1}", State(SYNTH, sound(i % 32, 99 - i // 32))) for i in range(count)]


def listing(found: list[Preset]) -> list[tuple[str, State]]:
    return [(preset.name, preset.state) for preset in found]


def sealed(head: str, data: bytes) -> bytes:
    """A message, made without any of the format's own code."""
    return bytes.fromhex(head) + data + bytes([(128 - sum(data) % 128) % 128, 0xF7])


def read_back(path: Path, data: bytes) -> tuple[list[Preset], list[str]]:
    path.write_bytes(data)
    return FORMAT.read(path)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "voices.syx"


def test_it_is_the_synths_own_format() -> None:
    assert native_format(SYNTH) == FORMAT
    assert FORMAT.serves(SYNTHS[SYNTH])
    assert not FORMAT.serves(SYNTHS["amsynth"])


def test_a_single_voice_is_163_bytes(file: Path) -> None:
    FORMAT.write(file, presets(1))
    assert file.read_bytes() == sealed("f0 43 00 00 01 1b", sound() + b"Voice 1   ")
    assert listing(FORMAT.read(file)[0]) == listing(presets(1))


def test_a_cartridge_is_4104_bytes(file: Path) -> None:
    FORMAT.write(file, presets(32))
    body = b"".join(pack(each.state.data + each.name.encode().ljust(10)) for each in presets(32))
    assert file.read_bytes() == sealed("f0 43 00 09 20 00", body)
    found, faults = FORMAT.read(file)
    assert listing(found) == listing(presets(32))
    assert [preset.slot for preset in found] == list(range(32))
    assert {preset.bank for preset in found} == {"voices"}
    assert not faults


@pytest.mark.parametrize(("count", "size"), [(2, 4104), (31, 4104), (33, 4104 + 163), (40, 2 * 4104), (64, 2 * 4104)])
def test_any_number_of_presets_comes_back(file: Path, count: int, size: int) -> None:
    FORMAT.write(file, presets(count))
    assert file.stat().st_size == size
    found, faults = FORMAT.read(file)
    assert (listing(found), faults) == (listing(presets(count)), [])


@given(st.lists(PRESETS, min_size=1, max_size=36))
@SAME_FOLDER
def test_round_trip(file: Path, some: list[Preset]) -> None:
    FORMAT.write(file, some)
    found, faults = FORMAT.read(file)
    assert (listing(found), faults) == (listing(some), [])
    FORMAT.write(file, found)
    assert listing(FORMAT.read(file)[0]) == listing(found)


@pytest.mark.parametrize("count", [1, 2, 5, 32, 33, 70])
def test_initial_voices_that_are_presets_come_back(file: Path, count: int) -> None:
    """Even where they stand at the end, like those that fill a cartridge up."""
    blank = [Preset("INIT VOICE", INITIAL)] * count
    for some in (blank, presets(1) + blank, presets(20) + blank, blank + presets(2)):
        FORMAT.write(file, some)
        assert listing(FORMAT.read(file)[0]) == listing(some)


def test_the_initial_state_is_written_as_the_initial_voice(file: Path) -> None:
    FORMAT.write(file, [Preset("As it is", State(SYNTH, b""))])
    assert listing(FORMAT.read(file)[0]) == [("As it is", INITIAL)]


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("Électrique", "Electrique"),
        ("A very long name", "A very lon"),
        ("日本", "??"),
        ("a\tb", "a b"),
        ("", "VOICE 1"),
    ],
)
def test_names_are_made_to_fit(file: Path, name: str, kept: str) -> None:
    FORMAT.write(file, [Preset(name, INITIAL)])
    assert FORMAT.read(file)[0][0].name == kept


def test_yen_signs_and_arrows_of_the_synths_alphabet_are_read(file: Path) -> None:
    found, _ = read_back(file, sealed("f0 43 00 00 01 1b", sound() + b"\x00A\x7fB\x1f C \\~"))
    assert found[0].name == "A B  C \\~"


def test_other_messages_are_passed_over(file: Path) -> None:
    identity = bytes.fromhex("f0 7e 7f 06 01 f7")
    roland = bytes.fromhex("f0 41 10 16 12 20 00 00 43 00 09 20 00 7f f7")
    change = bytes.fromhex("f0 43 10 01 00 63 f7")  # a DX7's parameter change
    four_operators = sealed("f0 43 00 03 00 5d", bytes(93))
    one = sealed("f0 43 0f 00 01 1b", sound(3) + b"ONE       ")  # MIDI channel 16
    two = sealed("f0 43 00 00 01 1b", sound(4) + b"TWO       ")
    found, faults = read_back(file, identity + roland + one + b"stray\xfe" + change + four_operators + two + b"\xf0")
    assert [(each.name, each.slot) for each in found] == [("ONE", 0), ("TWO", 1)]
    assert not faults


def test_a_wrong_checksum_costs_its_message_alone(file: Path) -> None:
    FORMAT.write(file, presets(64))
    data = bytearray(file.read_bytes())
    data[4102] ^= 1
    found, faults = read_back(file, bytes(data))
    assert listing(found) == listing(presets(64)[32:])
    assert [each.slot for each in found] == [*range(32, 64)]  # as before the damage: a library tells voices by them
    assert len(faults) == 1
    assert str(file) in faults[0]
    assert "the cartridge at byte 0 is left out: its checksum is" in faults[0]


@given(st.integers(0, 4095), st.integers(0, 7))
@SAME_FOLDER
def test_every_flipped_bit_of_a_cartridge_is_found(file: Path, place: int, bit: int) -> None:
    FORMAT.write(file, presets(32))
    data = bytearray(file.read_bytes())
    data[6 + place] ^= 1 << bit
    found, faults = read_back(file, bytes(data))
    assert not found
    assert len(faults) == 1
    assert ("checksum" if bit < 7 else "cut short") in faults[0]


def test_every_flipped_bit_of_a_voice_is_found(file: Path) -> None:
    FORMAT.write(file, presets(1))
    right = file.read_bytes()
    for place in range(6, 162):
        for bit in range(8):
            data = bytearray(right)
            data[place] ^= 1 << bit
            found, faults = read_back(file, bytes(data))
            assert (len(found), len(faults)) == (0, 1), (place, bit)


@given(SOUNDS, st.lists(st.tuples(st.integers(0, 143), st.integers(0, 127)), max_size=20))
@SAME_FOLDER
def test_values_out_of_range_are_moved_into_it(file: Path, voice: bytes, wrong: list[tuple[int, int]]) -> None:
    data = bytearray(voice)
    for place, value in wrong:
        data[place] = value
    found, _ = read_back(file, sealed("f0 43 00 00 01 1b", bytes(data) + b"Too much  "))
    pairs = zip(data, PARAMETERS, strict=True)
    assert found[0].state.data == bytes(min(value, row.maximum) for value, row in pairs)
    assert sound_of(found[0].state) == found[0].state.data


def test_bits_that_no_parameter_owns_change_no_state(file: Path) -> None:
    packed = bytearray(pack(sound(5) + b"Same sound"))
    owned = {row.place: 0 for row in PARAMETERS}
    for row in PARAMETERS:
        owned[row.place] |= (1 << row.bits) - 1 << row.shift
    noisy = bytes(byte | ~owned[place] & 0x7F if place < 118 else byte for place, byte in enumerate(packed))
    assert noisy != packed
    found, _ = read_back(file, sealed("f0 43 00 09 20 00", bytes(packed) + noisy + bytes(30 * 128)))
    assert [each.state.data for each in found] == [sound(5), sound(5)]


def test_a_cartridge_without_its_message_is_read(file: Path) -> None:
    FORMAT.write(file, presets(30))
    found, faults = read_back(file, file.read_bytes()[6:4102])
    assert (listing(found), faults) == (listing(presets(30)), [])


def test_bare_data_out_of_range_is_refused_voice_by_voice(file: Path) -> None:
    FORMAT.write(file, presets(32))
    data = bytearray(file.read_bytes()[6:4102])
    data[7 * 128] = 100
    found, faults = read_back(file, bytes(data))
    assert [each.slot for each in found] == [slot for slot in range(32) if slot != 7]
    assert faults == [f"{file}: voice 8 is left out: it holds values that no DX7 has."]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (bytes(4096), "it is blank"),
        (sealed("f0 43 00 09 20 00", bytes(4096)), "it is blank"),
        (sealed("f0 43 00 00 01 1b", bytes(155)), "it is blank"),
        (sealed("f0 43 00 09 20 00", pack(INITIAL.data + b"INIT VOICE") * 32), "it is blank"),
        (b"All work and no play makes Jack a dull boy.\n".ljust(4096, b"~"), "it may be something else"),
        (bytes.fromhex("f0 43 00 09 20 00"), "cut short, with 0 of 4096 bytes"),
        (bytes.fromhex("f0 43 00 00 01 1b 01 02 f7"), "cut short, with 1 of 155 bytes"),
        (bytes.fromhex("f0 43 00 00 01 1b") + bytes(200) + b"\xf7", "199 bytes instead of 155"),
    ],
)
def test_blank_and_broken_dumps_are_no_presets(file: Path, data: bytes, reason: str) -> None:
    found, faults = read_back(file, data)
    assert not found
    assert len(faults) == 1
    assert reason in faults[0]


@pytest.mark.parametrize(
    "data", [b"", b"\xf0", bytes(4104), b"MThd" * 40, bytes.fromhex("f07e7f0601f7"), b"\xff" * 4096]
)
def test_files_without_a_voice_are_refused(file: Path, data: bytes) -> None:
    file.write_bytes(data)
    with pytest.raises(PresetError, match="holds no voice of a DX7"):
        FORMAT.read(file)


@given(st.integers(1, 4101))
@SAME_FOLDER
def test_a_truncated_cartridge_gives_nothing(file: Path, length: int) -> None:
    FORMAT.write(file, presets(32))
    file.write_bytes(file.read_bytes()[:length])
    bank = PresetBank.read(file)
    assert not bank.presets
    assert [fault.file for fault in bank.faults] == [file]


def test_only_the_last_byte_may_be_missing(file: Path) -> None:
    """The checksum still vouches for every voice."""
    FORMAT.write(file, presets(32))
    found, faults = read_back(file, file.read_bytes()[:-1])
    assert (listing(found), faults) == (listing(presets(32)), [])


@given(st.binary(max_size=155), st.sampled_from(["", "f0", "f043", "f04300", "f0430000011b", "f04300092000"]))
@SAME_FOLDER
def test_garbage_is_no_preset(file: Path, garbage: bytes, head: str) -> None:
    file.write_bytes(bytes.fromhex(head) + garbage)
    assert not PresetBank.read(file).presets


def test_a_file_that_is_too_large_is_refused(file: Path) -> None:
    file.write_bytes(bytes(SIZE_LIMIT + 1))
    with pytest.raises(PresetError, match="larger than 1 MiB"):
        FORMAT.read(file)
    with pytest.raises(PresetError, match="can't hold 8192 presets; write several files"):
        FORMAT.write(file, presets(1) * 8192)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(PresetError, match=r"nowhere\.syx can't be read"):
        FORMAT.read(tmp_path / "nowhere.syx")


def test_what_a_file_cannot_hold_is_refused_and_leaves_it_alone(file: Path) -> None:
    FORMAT.write(file, presets(1))
    before = file.read_bytes()
    with pytest.raises(PresetError, match="at least one preset"):
        FORMAT.write(file, [])
    with pytest.raises(PresetError, match="state of amsynth isn't a voice"):
        FORMAT.write(file, [*presets(1), Preset("Wrong", State("amsynth", INITIAL.data))])
    assert file.read_bytes() == before


PACKED = DX7Voices()


@pytest.mark.parametrize("count", [1, 2, 33, 48])
def test_packed_voices_come_back_in_any_number(tmp_path: Path, count: int) -> None:
    file = tmp_path / "bank.dx7"
    PACKED.write(file, presets(count))
    assert file.read_bytes() == b"".join(
        pack(each.state.data + each.name.encode().ljust(10)) for each in presets(count)
    )
    found, faults = PACKED.read(file)
    assert (listing(found), faults) == (listing(presets(count)), [])


@pytest.mark.parametrize("count", [1, 2, 40])
def test_packed_initial_voices_that_are_presets_come_back(tmp_path: Path, count: int) -> None:
    some = [*presets(1), *[Preset("INIT VOICE", INITIAL)] * count]
    PACKED.write(tmp_path / "bank.dx7", some)
    assert listing(PACKED.read(tmp_path / "bank.dx7")[0]) == listing(some)


def test_packed_voices_are_those_of_the_same_cartridge(tmp_path: Path) -> None:
    PACKED.write(tmp_path / "bank.dx7", presets(32))
    (tmp_path / "bank.syx").write_bytes(sealed("f0 43 00 09 20 00", (tmp_path / "bank.dx7").read_bytes()))
    read = [PresetBank.read(tmp_path / name) for name in ("bank.dx7", "bank.syx")]
    assert [each.id for each in read[0]] == [each.id for each in read[1]]


@pytest.mark.parametrize("size", [0, 1, 127, 129, 4104])
def test_what_is_no_row_of_packed_voices_is_refused(tmp_path: Path, size: int) -> None:
    file = tmp_path / "bank.dx7"
    file.write_bytes(bytes(size))
    with pytest.raises(PresetError, match=rf"bank\.dx7 has {size} bytes, which isn't a whole number"):
        PACKED.read(file)


def test_a_packed_voice_out_of_range_costs_itself_alone(tmp_path: Path) -> None:
    file = tmp_path / "bank.dx7"
    PACKED.write(file, presets(3))
    data = bytearray(file.read_bytes())
    data[128] = 100  # the first rate of the second voice
    file.write_bytes(bytes(data))
    found, faults = PACKED.read(file)
    assert [each.name for each in found] == ["Voice 1", "Voice 3"]
    assert faults == [f"{file}: voice 2 is left out: it holds values that no DX7 has."]


HEXTER = Path("/usr/share/hexter")


@pytest.mark.skipif(not HEXTER.exists(), reason="Debian's hexter isn't installed, whose banks these are")
def test_the_banks_of_hexter_are_read_whole() -> None:
    bank = PresetBank.read(HEXTER)
    assert not bank.faults
    assert {"BRASS   1", "E.PIANO 1", "HARPSICH 1"} <= {preset.name for preset in bank}
    assert len(bank) > 400
