"""Banks that are added again after somebody edited their files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from synthmatch.commands.library import add_banks
from synthmatch.errors import LibraryError
from synthmatch.library.choice import Choice
from synthmatch.library.library import Library
from synthmatch.networks.encoder import Encoder
from synthmatch.presets.bank import Fault, PresetBank
from synthmatch.presets.formats import native_format
from synthmatch.presets.formats.dx7voice import INITIAL
from synthmatch.presets.preset import Preset, State
from synthmatch.renderers.pool import RenderPool
from synthmatch.sources import read_sources

Writer = Callable[..., PresetBank]


def test_what_a_shorter_file_lost_is_dropped_by_name(
    library: Library, tmp_path: Path, bank_writer: Writer, encoder: Encoder, pool: RenderPool
) -> None:
    file = tmp_path / "edited.faustpatch"
    longer = bank_writer(file, 3, first=20)
    assert library.add(longer, encoder=encoder, pool=pool).vanished == ()
    said: list[str] = []
    report = add_banks(library, bank_writer(file, 1, first=20), encoder, pool, said.append)
    lost = [preset.name for preset in longer][1:]
    assert list(report.vanished) == lost
    assert report.to_json(library)["vanished"] == lost
    assert f"Dropped, since their files hold them no more (2): {lost[0]}, {lost[1]}." in said
    assert [each.name for each in library.presets(Choice(banks=("edited",)))] == [longer.presets[0].name]
    for preset in longer.presets[1:]:
        with pytest.raises(LibraryError, match="holds no preset"):
            library.sound(preset.id)
    assert len(library) == 10
    assert library.verify() == []


def test_what_was_deleted_is_named_though_the_others_move_up(
    library: Library, tmp_path: Path, bank_writer: Writer, encoder: Encoder, pool: RenderPool
) -> None:
    file = tmp_path / "edited.faustpatch"
    first, second, third = bank_writer(file, 3, first=20).presets
    library.add(PresetBank.read(file), encoder=encoder, pool=pool)

    def saved(*presets: Preset) -> tuple[str, ...]:
        native_format("faust").write(file, presets)
        return library.add(PresetBank.read(file), encoder=encoder, pool=pool).vanished

    assert saved(first, third) == (second.name,)
    assert saved(third) == (first.name,)
    renamed = replace(third, name="Another Name")
    assert saved(renamed) == ()
    assert saved(replace(renamed, state=first.state)) == ()
    assert saved(replace(third, state=first.state), second) == ()
    assert saved(second) == (third.name,)
    assert [each.name for each in library.presets(Choice(banks=("edited",)))] == [second.name]
    assert library.verify() == []


def test_of_presets_of_one_name_each_that_was_deleted_counts(
    library: Library, tmp_path: Path, bank_writer: Writer, encoder: Encoder, pool: RenderPool
) -> None:
    file = tmp_path / "edited.faustpatch"
    presets = [replace(preset, name="Init") for preset in bank_writer(file, 3, first=20).presets]
    for some, vanished in ((presets, ()), (presets[1:], ("Init",)), (presets[2:], ("Init",))):
        native_format("faust").write(file, some)
        assert library.add(PresetBank.read(file), encoder=encoder, pool=pool).vanished == vanished


def test_a_file_is_the_same_from_wherever_it_is_named(
    library: Library,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    bank_writer: Writer,
    encoder: Encoder,
    pool: RenderPool,
) -> None:
    for folder in ("banks", "songs"):
        (tmp_path / folder).mkdir()
    file = tmp_path / "banks" / "edited.faustpatch"
    library.add(bank_writer(file, 2, first=20), encoder=encoder, pool=pool)
    monkeypatch.chdir(tmp_path / "songs")
    shorter = bank_writer(file, 1, first=20)
    for again in (read_sources(["../banks"]), PresetBank.read("../banks/edited.faustpatch")):
        library.add(again, encoder=encoder, pool=pool)
        assert [(each.name, each.file) for each in library.presets(Choice(banks=("edited",)))] == [
            (shorter.presets[0].name, file)
        ]


def test_nothing_is_dropped_of_a_file_that_was_not_read_whole(
    library: Library, bank: PresetBank, encoder: Encoder, pool: RenderPool
) -> None:
    """Of some presets of a file, and of a file with a damaged one, nobody knows what else is in it."""
    some = bank.presets[:2]
    damaged = PresetBank(some, (Fault(some[0].file, "its third preset is damaged."),))
    for part in (PresetBank(some), damaged):
        assert library.add(part, encoder=encoder, pool=pool).vanished == ()
    assert len(library) == 9


def test_a_damaged_cartridge_costs_no_voice_of_a_library(
    library: Library, tmp_path: Path, encoder: Encoder, pool: RenderPool
) -> None:
    """What the library lists of it stays, and so do the voices of the cartridge behind it."""
    pytest.importorskip("dexed", reason="run pip install dexed-py")
    file, sound = tmp_path / "two.syx", bytearray(INITIAL.data)
    voices = []
    for number in range(64):
        sound[121] = 99 - number // 32  # the first operator's level: one sound a cartridge is soon rendered
        voices.append(Preset(f"Voice {number + 1}", State("dx7", bytes(sound))))
    native_format("dx7").write(file, voices)
    library.add(PresetBank.read(file), encoder=encoder, pool=pool)
    data = bytearray(file.read_bytes())
    data[6 + 4096] ^= 1  # the first cartridge's checksum
    file.write_bytes(data)
    damaged = PresetBank.read(file)
    assert (len(damaged), len(damaged.faults)) == (32, 1)
    assert library.add(damaged, encoder=encoder, pool=pool).vanished == ()
    assert sorted(each.name for each in library.presets(Choice(banks=("two",)))) == sorted(each.name for each in voices)
    assert all(library.sounds.state_path(each.id).exists() for each in voices)
    assert library.verify() == []


def test_a_sound_that_another_bank_lists_stays(
    library: Library, bank: PresetBank, tmp_path: Path, bank_writer: Writer, encoder: Encoder, pool: RenderPool
) -> None:
    """The longer file's presets are those of the library's first bank."""
    file = tmp_path / "edited.faustpatch"
    library.add(bank_writer(file, 3), encoder=encoder, pool=pool)
    assert len(library.add(bank_writer(file, 2), encoder=encoder, pool=pool).vanished) == 1
    assert [each.bank for each in library.listings_of(bank.presets[2].id)] == ["nine"]
    assert len(library) == 9
