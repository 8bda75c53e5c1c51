"""``synthmatch render`` as its user sees it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from synthmatch import audio
from synthmatch.batch.manifest import Entry, Manifest
from synthmatch.commands import render as command
from synthmatch.midi import write_midi
from synthmatch.notes import Note, Performance
from synthmatch.phrases import PHRASES
from synthmatch.presets import faustsynth
from synthmatch.presets.bank import PresetBank
from synthmatch.presets.formats import native_format
from synthmatch.presets.preset import Preset

Run = Callable[..., Any]
SHORT = ("--held", 0.3, "--tail", 0.2, "--workers", 1)


@pytest.fixture
def bank(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write_bank: Callable[[Path, int], Path]) -> Path:
    """Three presets, in a home and a current folder of this test's own."""
    monkeypatch.setenv("SYNTHMATCH_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return write_bank(tmp_path / "three.faustpatch", 3)


def entries(folder: str) -> list[Entry]:
    return list(Manifest(Path(folder) / "manifest.jsonl").entries.values())


def test_a_bank_becomes_a_folder_and_a_second_time_nothing(bank: Path, run: Run) -> None:
    done = run("render", bank, "--out", "out", "--format", "wav", *SHORT)
    assert done.status == 0
    assert done.out.startswith("3 files written to out in ")
    assert done.err.splitlines()[0] == "3 presets, 0.5 s each."
    assert done.err.splitlines()[-1] == "rendering: 3 of 3 files"
    assert "2 presets came out the same to the last sample." in done.out
    assert {path.name for path in Path("out").iterdir()} == {"manifest.jsonl", *(each.file for each in entries("out"))}
    assert all(audio.read(Path("out") / each.file).seconds == 0.5 for each in entries("out"))
    again = run("render", bank, "--out", "out", "--format", "wav", *SHORT)
    assert again.status == 0
    assert again.out.startswith("0 files written to out in ")
    assert "; 3 files there already." in again.out


def test_what_would_be_made_is_named_and_nothing_is_written(bank: Path, run: Run) -> None:
    first, second, third = PresetBank.read(bank)
    dry = run("render", bank, "--out", "out", "--dry-run", *SHORT)
    assert (dry.status, dry.out.splitlines()[-1]) == (0, "3 to make in out.")
    assert not Path("out").exists()
    Path("file").write_text("mine")
    assert run("render", bank, "--out", "file", "--dry-run").err.endswith("error: file is a file; name a folder.\n")
    run("render", bank, "--out", "out", "--word", first.name, *SHORT)
    assert [each.name for each in entries("out")] == [first.name]
    rest = json.loads(run("render", bank, "--out", "out", "--dry-run", "--json", *SHORT).out)
    assert (len(rest["kept"]), [each["name"] for each in rest["missing"]]) == (1, [second.name, third.name])
    run("render", bank, "--out", "out", *SHORT)
    assert {*rest["kept"], *(each["file"] for each in rest["missing"])} == {each.file for each in entries("out")}
    none = run("render", bank, "--out", "out", "--bank", "other", *SHORT)
    assert (none.status, "None of the 3 presets is of bank other." in none.err) == (1, True)


def test_the_report_as_json(bank: Path, run: Run) -> None:
    done = run("render", bank, "--out", "out", "--json", *SHORT)
    document = json.loads(done.out)
    assert (document["written"], document["failed"], document["trust"]["presets"]) == (3, 0, 3)
    assert Path(document["manifest"]) == Path("out/manifest.jsonl")


@pytest.mark.parametrize(
    ("arguments", "notes"),
    [
        ([], [(0, 60, 100, 0.3)]),
        (["--note", "Bb2", "--velocity", 80], [(0, 46, 80, 0.3)]),
        (["--note", "36", "--note", "C4"], [(0, 36, 100, 0.3), (0.5, 60, 100, 0.3)]),
        (["--chord", "C3,E3,55"], [(0, 48, 100, 0.3), (0, 52, 100, 0.3), (0, 55, 100, 0.3)]),
        (["--midi", "part.mid"], [(0, 64, 77, 0.25)]),
    ],
)
def test_what_is_played(arguments: list[object], notes: list[tuple[float, ...]], bank: Path, run: Run) -> None:
    write_midi(Path("part.mid"), Performance((Note(0, 64, 77, 0.25),)))
    assert run("render", bank, "--out", "out", *arguments, *SHORT).status == 0
    played = entries("out")[0].performance
    assert [(note.start, note.pitch, note.velocity, note.duration) for note in played.notes] == notes
    assert played.tail == 0.2


def test_the_phrases_of_the_help_are_those_that_there_are(bank: Path, run: Run) -> None:
    assert tuple(PHRASES) == command._PHRASES
    assert run("render", bank, "--out", "out", "--phrase", "hits", *SHORT).status == 0
    assert entries("out")[0].performance == PHRASES["hits"].played(100, 0.2)


def test_one_thing_is_played(bank: Path, run: Run) -> None:
    done = run("render", bank, "--out", "out", "--note", "C4", "--phrase", "bass")
    assert done.status == 2
    assert "give one of them" in done.err
    assert not Path("out").exists()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--note", "H4"], "error: 'H4' is no note; write it like C4 (middle C), F#3, Bb2 or 60."),
        (["--midi", "none.mid"], "error: none.mid isn't there; name a MIDI file that exists."),
    ],
)
def test_what_cannot_be_played(arguments: list[str], sentence: str, bank: Path, run: Run) -> None:
    done = run("render", bank, "--out", "out", *arguments)
    assert (done.status, done.out, done.err.splitlines()) == (1, "", [sentence])


def test_files_of_others_are_refused_in_a_sentence(bank: Path, run: Run) -> None:
    first = run("render", bank, "--out", "elsewhere", *SHORT)
    assert first.status == 0
    mine = Path("out") / entries("elsewhere")[0].file
    mine.parent.mkdir()
    mine.write_text("mine")
    for dry in ([], ["--dry-run"]):  # which promises nothing that is refused then
        done = run("render", bank, "--out", "out", *dry, *SHORT)
        assert done.status == 1
        assert done.err.splitlines()[-1].startswith(f"error: {mine} is there and isn't named in out/manifest.jsonl")
        assert mine.read_text() == "mine"


def test_no_sound_at_all_is_an_error(bank: Path, run: Run) -> None:
    silent = faustsynth.make_state({"osc1_level": 0, "level": -48})
    native_format("faust").write(bank, [Preset("Mute", silent)])
    done = run("render", bank, "--out", "out", *SHORT)
    assert done.status == 1
    assert done.out.startswith("0 files written to out in ")
    assert "makes no sound" in done.out
    assert done.err.splitlines()[-1] == "error: Not one file came out; what is said above tells why."
    assert entries("out")[0].failure == "silent"
    dry = run("render", bank, "--out", "out", "--dry-run", *SHORT)
    assert dry.out.splitlines() == [
        "0 to make in out; 1 failed in an earlier run, not to be tried again.",
        "--retry tries again what failed in an earlier run.",
    ]
    told = json.loads(run("render", bank, "--out", "out", "--dry-run", "--json", *SHORT).out)
    assert (told["missing"], told["kept"], told["failed_before"]) == ([], [], ["Mute.flac"])
    retried = run("render", bank, "--out", "out", "--dry-run", "--retry", *SHORT)
    assert retried.out == "Mute.flac\n1 to make in out.\n"


@pytest.mark.parametrize("dry", [[], ["--dry-run"]])
def test_a_rate_that_the_format_does_not_take_is_refused_at_once(dry: list[str], bank: Path, run: Run) -> None:
    done = run("render", bank, "--out", "out", "--sample-rate", 96_001, *dry, *SHORT)
    assert (done.status, done.out) == (1, "")
    assert done.err.startswith("error: A .flac file can't have a sample rate of 96001 Hz; choose one that is common")
    assert not Path("out").exists()
    assert run("render", bank, "--out", "out", "--format", "wav", "--sample-rate", 96_001, *dry, *SHORT).status == 0


def test_a_loudness_without_pyloudnorm(bank: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyloudnorm", None)  # as if it weren't there
    done = run("render", bank, "--out", "out", "--normalise", -18, *SHORT)
    assert (done.status, done.out) == (1, "")
    assert done.err == ("error: Loudness can't be measured without pyloudnorm; run `pip install pyloudnorm`.\n")
    plain = run("render", bank, "--out", "out", *SHORT)
    assert plain.status == 0
    assert [each.sound.loudness for each in entries("out") if each.sound] == [None] * 3


def test_the_plugins_noise_goes_where_it_is_told(bank: Path, run: Run) -> None:
    assert run("render", bank, "--out", "out", "--log", "logs/noise.log", *SHORT).status == 0
    assert Path("logs/noise.log").is_file()
    assert not Path("home/plugins.log").exists()


def test_a_log_cannot_be_named_for_a_cluster(bank: Path, run: Run) -> None:
    done = run("render", bank, "--out", "out", "--log", "a.log", "--scheduler", "tcp://127.0.0.1:1")
    assert done.status == 2
    assert "--log is for this machine" in done.err
