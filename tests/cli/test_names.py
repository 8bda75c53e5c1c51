"""Presets' names are strangers' text: whatever stands in one, a table keeps its rows and a terminal obeys nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from synthmatch.commands.framework import table
from synthmatch.library.choice import Choice
from synthmatch.library.library import Library
from synthmatch.presets import faustsynth
from synthmatch.presets.bank import PresetBank
from synthmatch.presets.formats import native_format
from synthmatch.presets.preset import Preset

_WILD = "Bass\n\x1b]0;mine\x07\x9b2J\u2028\u202egnp.exe"
_OBEYED = set("\r\x1b\x07\x9b\u2028\u202e")


@pytest.fixture
def wild(tmp_path: Path) -> Path:
    """A bank of two: one sounds as the synth does by itself, which `library add` says of it by name."""
    bank = tmp_path / "wild.faustpatch"
    states = [faustsynth.make_state({}), faustsynth.make_state({"fm_index": 4.0})]
    native_format("faust").write(bank, [Preset(f"{_WILD} {number}", state) for number, state in enumerate(states)])
    assert [each.name for each in PresetBank.read(bank)] == [f"{_WILD} 0", f"{_WILD} 1"]
    return bank


def test_no_name_reaches_the_terminal_or_a_folder_as_it_is(place: Any, run: Callable[..., Any], wild: Path) -> None:
    model = ("--model", place.model)
    added = run("library", "add", wild, *model)
    assert "  faust, Bass\ufffd\ufffd]0;mine\ufffd\ufffd2J\ufffd\ufffdgnp.exe 0 (wild)" in added.out.splitlines()
    shown = run("library", "show", "wild")
    assert len(shown.out.splitlines()) == 3
    matched = run("match", place.song, "--family", "bass", "--bank", "wild", "--out", "found", *model)
    assert len(matched.out.splitlines()) == 6  # the song, an empty line, the family, headings, two presets
    planned = run("render", wild, "--out", "sounds", "--dry-run")
    refused = run("refine", place.song, "--single", "--preset", _WILD, *model)
    assert refused.status == 1
    assert refused.err.count("\n") == 1
    for done in (added, shown, matched, planned, refused):
        assert not _OBEYED & set(done.out + done.err)
    made = [path.name for path in Path("found").rglob("*")]
    assert any("gnp.exe" in name for name in made)
    assert not _OBEYED & set("".join(made))
    with Library.open(place.library) as library:
        kept = {each.name: each.id for each in library.presets(Choice(banks=("wild",)))}
    assert kept == {each.name: each.id for each in PresetBank.read(wild)}


def test_a_row_is_a_line() -> None:
    assert table(("name", "n"), [("a\nb", 1), ("\N{FAMILY}\u200d\N{GIRL}", 22)]).splitlines() == [
        "name   n",
        "a\ufffdb    1",
        "\N{FAMILY}\u200d\N{GIRL}   22",
    ]
