"""Bad input: one line on stderr, exit status 1, and nothing half-written."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from synthmatch.files import home
from synthmatch.library.library import Library
from synthmatch.matching.matcher import Matcher
from synthmatch.midi import write_midi
from synthmatch.notes import Note, Performance

RATE = 44_100


def _tone(seconds: float) -> np.ndarray[Any, np.dtype[np.float32]]:
    return (0.3 * np.sin(np.arange(round(seconds * RATE)) * 0.05)).astype(np.float32)


def _wav(samples: np.ndarray[Any, np.dtype[np.float32]]) -> Callable[[Path], None]:
    return lambda path: soundfile.write(path, samples, RATE, subtype="FLOAT")


_HOLED = _tone(2)
_HOLED[RATE] = np.nan

SONGS: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (lambda _: None, "isn't there"),
    "empty": (lambda path: path.write_bytes(b""), "is empty"),
    "text": (lambda path: path.write_text("this is no sound\n" * 50), "can't be read as sound"),
    "cut off": (lambda path: path.write_bytes(b"RIFF\x24\x00"), "can't be read as sound"),
    "folder": (lambda path: path.mkdir(), "is a folder"),
    "short": (_wav(_tone(0.1)), "0.10 s"),
    "no samples": (_wav(_tone(0)), "0.00 s"),
    "silent": (_wav(np.zeros(2 * RATE, np.float32)), "silent"),
    "not a number": (_wav(_HOLED), "not numbers"),
    "infinite": (_wav(np.full(RATE, np.inf, np.float32)), "not numbers"),
}


def tree(folder: Path) -> dict[str, int]:
    """Every file below a folder with its size; what SQLite keeps while it reads doesn't count."""
    files = (path for path in folder.rglob("*") if path.is_file() and not path.name.endswith(("-wal", "-shm")))
    return {str(path.relative_to(folder)): path.stat().st_size for path in files}


def refused(done: Any, words: str) -> None:
    """Assert that a command failed with one line that holds ``words``."""
    assert done.status == 1
    assert done.out == ""
    assert done.err.startswith("error: ")
    assert done.err.endswith("\n")
    assert done.err.count("\n") == 1, done.err
    assert words in done.err


@pytest.mark.parametrize("kind", SONGS)
@pytest.mark.parametrize("json", [(), ("--json",)])
def test_a_song_that_cannot_be_matched(
    place: Any, run: Callable[..., Any], tmp_path: Path, kind: str, json: tuple[str, ...]
) -> None:
    write, words = SONGS[kind]
    song = tmp_path / "song.wav"
    write(song)
    before = tree(tmp_path)
    done = run("match", song, "--model", place.model, "--out", "found", "--report", "page.html", *json)
    refused(done, words)
    assert str(song) in done.err
    assert tree(tmp_path) == before
    assert list(Path().iterdir()) == []


def test_a_passage_outside_the_song(place: Any, run: Callable[..., Any]) -> None:
    refused(run("match", place.song, "--start", 60, "--model", place.model), "before the passage")
    refused(run("match", place.song, "--start", 3, "--end", 2, "--model", place.model), "empty")


def test_a_library_of_another_encoder(place: Any, run: Callable[..., Any]) -> None:
    before = tree(place.home)
    words = "synthmatch library update"
    refused(run("match", place.song, "--model", place.other_model, "--out", "found"), words)
    refused(run("library", "add", place.bank, "--model", place.other_model), words)
    assert tree(place.home) == before
    assert list(Path().iterdir()) == []
    assert run("library", "update", "--model", place.other_model).status == 0
    assert run("match", place.song, "--model", place.other_model, "--out", "found").status == 0


def test_both_ways_out_of_another_encoder_lead_out(place: Any, run: Callable[..., Any], tmp_path: Path) -> None:
    mine = tmp_path / "my own.safetensors"
    shutil.copy(place.other_model, mine)
    done = run("match", place.song, "--model", mine)
    refused(done, f"`synthmatch library update --model '{mine}'`, or use the library's own: name its file")
    advised = done.err.partition("`synthmatch ")[2].partition("`")[0]
    assert run(*shlex.split(advised)).status == 0
    assert run("match", place.song, "--model", mine).status == 0
    refused(run("match", place.song, "--model", place.model), "or none if it is the released one (--model).")
    released = run("match", place.song)
    refused(released, "`synthmatch library update`, or use the library's own: name its file (--model).")


def test_no_library(place: Any, run: Callable[..., Any]) -> None:
    for command in (("match", place.song), ("library", "list"), ("library", "verify"), ("library", "show", "some")):
        model = ("--model", place.model) if command[0] == "match" else ()
        refused(run(*command, *model, "--library", "nowhere"), "synthmatch library add")
    assert not Path("nowhere").exists()


def test_an_encoder_that_is_none(place: Any, run: Callable[..., Any]) -> None:
    refused(run("match", place.song, "--model", "none.safetensors"), "none.safetensors isn't there")
    Path("text.safetensors").write_text("no weights")
    refused(run("match", place.song, "--model", "text.safetensors"), "text.safetensors isn't a whole")
    refused(run("library", "add", place.bank, "--library", "new", "--model", "text.safetensors"), "isn't a whole")
    assert not Path("new").exists()


@pytest.mark.usefixtures("no_plugins")
def test_a_plugin_that_is_not_there(place: Any, run: Callable[..., Any]) -> None:
    arguments = ("--library", "new", "--model", place.model)
    refused(run("library", "add", "amsynth", *arguments), "install Debian's package amsynth")
    bank = Path("mine.bank")
    bank.write_text("amSynth\n<preset> <name> One\n<parameter> amp_attack 0\nEOF\n")
    refused(run("library", "add", bank, *arguments), "install Debian's package amsynth")
    assert not Path("new").exists()


def test_banks_that_are_none(place: Any, run: Callable[..., Any]) -> None:
    arguments = ("--library", "new", "--model", place.model)
    Path("empty").mkdir()
    Path("broken.xiz").write_bytes(b"\x1f\x8bnothing")
    refused(run("library", "add", "moog", *arguments), "neither a synth (amsynth, zynaddsubfx, ")
    refused(run("library", "add", "banks/none", *arguments), "isn't there")
    refused(run("library", "add", "empty", *arguments), "holds no presets")
    refused(run("library", "add", "broken.xiz", *arguments), "broken.xiz")
    refused(run("library", "add", place.song, *arguments), "isn't a known preset file")
    assert not Path("new").exists()


@pytest.mark.usefixtures("place")
def test_names_that_the_library_does_not_hold(run: Callable[..., Any]) -> None:
    refused(run("library", "remove", "Elsewhere"), "Elsewhere")
    refused(run("library", "show", "Elsewhere"), "Elsewhere")


def test_a_home_that_is_no_folder(run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    monkeypatch.setenv("SYNTHMATCH_HOME", str(tmp_path / "file"))
    for command in (("library", "add", "faust"), ("library", "list"), ("synth", "list"), ("doctor",)):
        refused(run(*command), f"{tmp_path / 'file'}, where synthmatch keeps everything, isn't a folder; name another")
    assert (tmp_path / "file").read_text() == "mine"


def test_places_that_cannot_be_written(place: Any, run: Callable[..., Any]) -> None:
    Path("file").write_text("mine")
    refused(run("match", place.song, "--model", place.model, "--out", "file"), "is a file")
    refused(run("match", place.song, "--model", place.model, "--report", "file/page.html"), "file is a file")
    refused(run("match", place.song, "--model", place.model, "--report", "."), "is a folder; name a file")
    refused(run("demo", "--model", place.model, "--out", "file/demo.html"), "file is a file")
    refused(run("demo", "--model", place.model, "--out", "."), "is a folder; name a file")
    refused(run("train", "--out", "."), "is a folder; name a file")
    refused(run("train", "--from", place.model, "--run", "file"), "file is a file; name a folder")
    refused(run("evaluate", "--model", place.model, "--out", "file/table.md"), "file is a file")
    assert run("evaluate", "--model", place.model, "--out", "table.json").status == 2  # where the JSON would be
    assert Path("file").read_text() == "mine"


def test_what_is_read_is_not_written_over(place: Any, run: Callable[..., Any]) -> None:
    song, model, midi, bank = Path("song.flac"), Path("my.safetensors"), Path("song.mid"), Path("my.faustpatch")
    for source, copy in ((place.song, song), (place.model, model), (place.bank, bank)):
        shutil.copy(source, copy)
    write_midi(midi, Performance((Note(0.0, 45, 100, 0.5),), 0.0))
    Path("link.html").symlink_to(song)
    before = tree(Path())
    words, match = "mustn't be written over; name another file.", ("match", song, "--model", model, "--midi", midi)
    for report in (song, Path("..", Path.cwd().name, song), "link.html", midi, model):
        refused(run(*match, "--report", report), words)
    refused(run("demo", "--model", model, "--out", model), words)
    refused(run("evaluate", "--model", model, "--out", model), words)
    refused(run("train", "--from", model, "--out", model), words)
    Path("table.json").symlink_to(model)
    refused(run("evaluate", "--model", place.model, "--rival", model, "--out", "table.md"), words)
    Path("table.json").unlink()
    for log, more in ((bank, ()), (midi, ("--midi", midi))):
        refused(run("render", bank, "--out", "sounds", "--log", log, *more), words)
    assert tree(Path()) == before


def test_a_page_is_not_written_where_a_folder_goes(place: Any, run: Callable[..., Any]) -> None:
    for out, report in (("X", "X"), ("X", "X/../X"), ("X/Y", "X"), ("X", "X/bass"), ("X", "X/any")):
        done = run("match", place.song, "--model", place.model, "--out", out, "--report", report)
        refused(done, f"{report} is where a folder of the export into {out} goes; name another file for the page.")
        assert list(Path().iterdir()) == []


def test_a_song_out_of_the_export_that_it_would_replace(place: Any, run: Callable[..., Any]) -> None:
    asked = ("--model", place.model, "--family", "bass", "-k", 1, "--out", "found")
    assert run("match", place.song, *asked).status == 0
    (preview,) = Path("found").rglob("preview.flac")
    before = tree(Path())
    refused(run("match", preview, *asked), "preview.flac is of an earlier export into found and might be lost with it")
    assert tree(Path()) == before


def test_recipes_and_suites_that_are_not_there(place: Any, run: Callable[..., Any]) -> None:
    refused(run("train", "--recipe", "magic"), "no recipe called magic")
    assert run("evaluate", "--suite", "magic", "--model", place.model).status == 2
    refused(run("evaluate", "--model", "none.safetensors"), "none.safetensors isn't there")
    assert not (place.home / "training").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ("march",),
        ("match",),
        ("match", "song.wav", "-k", "0"),
        ("match", "song.wav", "--family", "kazoo"),
        ("match", "song.wav", "--start", "soon"),
        ("match", "song.wav", "another.wav"),
        ("library", "remove"),
        ("library", "polish"),
        ("library", "add", "--workers", "none"),
        ("train", "--from", "released", "--memory-gb", "4"),  # it would have no say there
    ],
)
def test_wrong_usage(run: Callable[..., Any], arguments: tuple[str, ...]) -> None:
    done = run(*arguments)
    assert done.status == 2
    assert done.out == ""
    assert "Usage: synthmatch" in done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize("before", [True, False])
def test_debug_shows_where_an_error_came_from(place: Any, run: Callable[..., Any], before: bool) -> None:
    arguments = ["match", "missing.wav", "--model", place.model]
    done = run(*["--debug", *arguments] if before else [*arguments, "--debug"])
    assert done.status == 1
    assert "Traceback" in done.err
    assert "AudioError" in done.err
    assert done.err.splitlines()[-1].startswith("error: missing.wav isn't there")


def test_a_mistake_of_ours_is_named_in_one_line(
    place: Any, run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise KeyError("a\nb")

    monkeypatch.setattr(Matcher, "match", broken)
    refused(run("match", place.song, "--model", place.model), "unexpected KeyError")
    refused(run("match", place.song, "--model", place.model), "--debug")
    assert "in broken" in run("match", place.song, "--model", place.model, "--debug").err


@pytest.mark.parametrize("module", ["click", "synthmatch.commands.match"])
def test_ctrl_c_is_heeded_while_commands_are_imported(module: str) -> None:
    code = f"""
import os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
class Impatient:
    def find_spec(self, name, *_):
        if name == {module!r}:
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Impatient())
from synthmatch.cli import main
main(["--version"])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "stopped\n")


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-"])
def test_output_that_nobody_wants_is_no_error(closed: str) -> None:
    command = f"{sys.executable} -m synthmatch --version {closed}"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_damaged_library_is_named_and_mended(place: Any, run: Callable[..., Any]) -> None:
    with Library.open(place.library) as library:
        damaged = next(iter(library.presets())).id
        library.sounds.delete_sound(damaged)
    done = run("library", "verify")
    assert done.status == 1
    assert damaged in done.out
    assert done.err.count("\n") == 1
    assert "synthmatch library repair" in done.err
    log = home() / "plugins.log"
    log.unlink(missing_ok=True)
    assert run("library", "repair", "--model", place.model, "--workers", 1).status == 0
    assert log.is_file()  # where all commands keep what plugins print
    assert run("library", "verify").status == 0
