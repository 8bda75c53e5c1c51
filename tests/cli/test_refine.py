"""`synthmatch refine`: what it prints and writes."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from synthmatch import audio
from synthmatch.library.library import Library
from synthmatch.midi import write_midi
from synthmatch.notes import REFERENCE_NOTES
from synthmatch.presets.bank import PresetBank

pytest.importorskip("cma", reason="needs cma: pip install cma")

FEW = ("--renders", 40, "--seconds", 3000, "--workers", 1)
PART = "Which part is meant must be known: name its --family, or say --single if nothing else plays."


@pytest.fixture
def stem(place: Any) -> Path:
    """The third preset of the library playing a note, and its notes beside it."""
    with Library.open(place.library) as library:
        audio.write(Path("stem.flac"), library.sound(library.presets()[2].id)[1])
    write_midi(Path("stem.mid"), REFERENCE_NOTES[1])
    return Path("stem.flac")


def test_a_preset_comes_closer_and_is_written(place: Any, stem: Path, run: Callable[..., Any]) -> None:
    with Library.open(place.library) as library:
        other = library.presets()[5]
    begun = ("--preset", other.id, "--midi", "stem.mid", "--single", "--model", place.model, *FEW)
    done = run("refine", stem, *begun, "--json", "--out", "nearer")
    assert done.status == 0, done.err
    document = json.loads(done.out)
    assert document["start"] == {"id": other.id, "name": other.name, "synth": "faust"}
    assert document["after"]["total"] < document["before"]["total"]
    assert document["fall"] == pytest.approx(1 - document["after"]["total"] / document["before"]["total"], abs=1e-3)
    assert document["stop"] == "budget"
    assert done.err.splitlines()[-1] == f"written: nearer/{other.name} refined"
    (native,) = (Path(file) for file in document["files"] if file.endswith(".faustpatch"))
    assert [preset.id for preset in PresetBank.read(native)] == [document["preset"]["id"]]
    text = run("refine", stem, *begun, "--out", "nearer")
    assert text.status == 0
    assert "The distance fell by" in text.out
    assert "Not reached: " in text.out
    assert text.err.splitlines()[-1] == f"written: nearer/{other.name} refined 2"
    for move in document["moves"]:
        assert any(line.split()[:1] == [move["knob"]] for line in text.out.splitlines())


def test_it_begins_with_the_nearest_preset(place: Any, stem: Path, run: Callable[..., Any]) -> None:
    with Library.open(place.library) as library:
        true = library.presets()[2]
    done = run("refine", stem, "--single", "--midi", "stem.mid", "--model", place.model, *FEW, "--json")
    assert done.status == 0, done.err
    document = json.loads(done.out)
    assert document["start"]["id"] == true.id


@pytest.mark.parametrize(
    ("arguments", "status", "sentence"),
    [
        ((), 2, PART),
        (("--midi", "stem.mid"), 2, PART),
        (("--note", "C3"), 2, PART),
        (("--midi", "stem.mid", "--note", "C3"), 2, "leave --note and --held out"),
        (("--family", "bass", "--held", 1), 2, "--held is for a sample, and needs --single or --note"),
        (("--midi", "missing.mid", "--single"), 1, "missing.mid isn't there; name a MIDI file that exists"),
        (("--note", "H3", "--single"), 1, "'H3' is no note"),
        (("--note", "C3", "--family", "bass", "--preset", "missing.bank"), 1, "missing.bank isn't there"),
        (("--note", "C3", "--preset", "0" * 20, "--single"), 1, "holds no preset"),
        (("--note", "C3", "--start", 1, "--end", 11.5, "--single", "--seconds", 0), 2, "--seconds"),
        (("--note", "C3", "--single", "--seconds", "inf"), 2, "inf is no time; give seconds."),
        (("--note", "C3", "--single", "--start", "nan"), 2, "nan is no time; give seconds."),
        (("--note", "C3", "--single", "--timeout", "inf"), 2, "inf is no time; give seconds."),
    ],
)
def test_what_it_can_not_use_it_says(
    place: Any, stem: Path, run: Callable[..., Any], arguments: tuple[object, ...], status: int, sentence: str
) -> None:
    done = run("refine", stem, *arguments, "--model", place.model)
    assert done.status == status
    assert sentence in done.err
    assert not Path("refined").exists()


def test_what_is_missing_is_said_before_the_song_is_read(
    place: Any, run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The song isn't there either."""
    monkeypatch.setenv("HOME", str(Path.cwd()))
    shutil.rmtree(place.library)
    asked = ("refine", "missing.flac", "--single", "--model", place.model)
    for name in ("missing.bank", "~/some/preset", "~/missing.fxp"):  # no library is needed for these
        assert f"{name} isn't there; name a preset file" in run(*asked, "--preset", name).err
    for name in (("--preset", "0" * 20), ()):
        assert f"There is no library at {place.library}" in run(*asked, *name).err
    shutil.copy(place.bank, "home.faustpatch")
    assert (
        f"{Path.cwd() / 'home.faustpatch'} doesn't name one preset" in run(*asked, "--preset", "~/home.faustpatch").err
    )
    monkeypatch.setattr("synthmatch.refining.evolution.find_spec", lambda _: None)
    assert "without cma" in run(*asked).err


def test_what_a_part_of_a_song_plays_is_estimated(place: Any, run: Callable[..., Any]) -> None:
    with Library.open(place.library) as library:
        first = library.presets()[0].id
    few = ("--renders", 4, "--seconds", 3000, "--workers", 1, "--model", place.model)
    done = run("refine", place.song, "--family", "bass", "--preset", first, *few)
    assert done.status == 0, done.err
    assert re.search(r"heard from \d+\.\d s on: \d+ notes, estimated from the sound", done.err)
