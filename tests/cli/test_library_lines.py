"""What the commands that look after a library say: numbers that fit their words, and sentences that fit each other."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from synthmatch.library.library import Library


def test_one_preset_is_one(place: Any, run: Callable[..., Any], write_bank: Callable[[Path, int], Path]) -> None:
    bank, arguments = write_bank(Path("one.faustpatch"), 1), ("--library", "new", "--model", place.model)
    said = run("library", "add", bank, *arguments).out.splitlines()
    assert said[0].startswith("1 preset, 1 sound to render: about ")
    assert said[1].startswith("1 sound rendered in ")
    assert said[-1].endswith("now holds 1 sound that can be matched.")
    assert run("library", "add", bank, *arguments).out.startswith("1 preset, 1 sound in the library already.\n")
    assert run("library", "list", "--library", "new").out.endswith(": 1 preset, 1 sound that can be matched.\n")
    with Library.open("new") as library:
        library.sounds.delete_sound(library.presets()[0].id)
    assert "new has 1 problem; run" in run("library", "verify", "--library", "new").err
    assert run("library", "remove", "one", "--library", "new").out == "one: 1 preset removed.\n"


def test_all_commands_count_presets_and_sounds_alike(place: Any, run: Callable[..., Any]) -> None:
    copy = Path("copy.faustpatch")
    copy.write_bytes(place.bank.read_bytes())
    run("library", "add", copy, "--model", place.model)
    assert run("library", "list").out.endswith(": 16 presets, 8 sounds that can be matched.\n")
    assert run("library", "verify").out.endswith(" is in order: 8 sounds that can be matched.\n")


def test_a_preset_that_is_not_there_is_looked_for_where_presets_are_named(place: Any, run: Callable[..., Any]) -> None:
    with Library.open(place.library) as library:
        bank, preset = library.banks()[0].bank, library.presets()[0].id
    refine = ("refine", place.song, "--single", "--preset", "none", "--out", "out", "--model", place.model)
    for command in (("library", "show", "none"), refine):
        done = run(*command)
        assert done.err.endswith("list` names its banks, and `synthmatch library show BANK` a bank's presets.\n")
    assert bank in run("library", "list").out
    assert preset in run("library", "show", bank).out


def test_what_was_moved_is_removed_from_where_it_was(place: Any, run: Callable[..., Any]) -> None:
    Path("old").mkdir()
    Path("old", "mine.faustpatch").write_bytes(place.bank.read_bytes())
    run("library", "add", "old", "--model", place.model)
    Path("old").rename("new")
    run("library", "add", "new", "--model", place.model)
    assert run("library", "remove", "./old/").out == "./old/: 8 presets removed.\n"
    assert run("library", "list").out.endswith(": 16 presets, 8 sounds that can be matched.\n")
    assert run("library", "remove", "old").status == 1
    assert run("library", "remove", "faust").out == "faust: 16 presets removed.\n"
