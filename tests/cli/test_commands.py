"""The other commands, and what all of them share: parity with the API, progress, Ctrl-C, quick help."""

from __future__ import annotations

import ast
import importlib
import inspect
import os
import shutil
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import click
import pytest

import synthmatch
from synthmatch import cli, doctor
from synthmatch.commands import commandline
from synthmatch.commands.framework import Progress, table
from synthmatch.library.choice import Choice
from synthmatch.library.library import Library
from synthmatch.pages.demo import CORE
from synthmatch.presets import faustsynth
from synthmatch.presets.bank import PresetBank
from synthmatch.presets.catalogue import SYNTHS
from synthmatch.presets.faustsynth import factory_bank_path
from synthmatch.presets.formats import native_format
from synthmatch.presets.formats.amsynth import AmsynthBank, make_state
from synthmatch.presets.preset import Preset
from synthmatch.training.split import side_of

# The function of the package that each command stands for.
API = {
    "doctor": "synthmatch.doctor.examine",
    "library add": "synthmatch.library.library.Library.add",
    "library list": "synthmatch.library.library.Library.banks",
    "library show": "synthmatch.library.library.Library.presets",
    "library remove": "synthmatch.library.library.Library.remove",
    "library update": "synthmatch.library.library.Library.update",
    "library verify": "synthmatch.library.library.Library.verify",
    "library repair": "synthmatch.library.library.Library.repair",
    "synth add": "synthmatch.adoption.adopt",
    "synth list": "synthmatch.adoption.list_synths",
    "synth check": "synthmatch.adoption.check_synth",
    "synth remove": "synthmatch.adoption.dismiss",
    "render": "synthmatch.batch.batch.render_bank",
    "match": "synthmatch.matching.matcher.Matcher.match",
    "refine": "synthmatch.refining.refinement.refine",
    "serve": "synthmatch.web.serve.serve",
    "train": "synthmatch.training.run.train",
    "evaluate": "synthmatch.training.evaluate.evaluate",
    "demo": "synthmatch.pages.demo.run_demo",
    "convert": "synthmatch.convert.convert",
}


def commands(group: click.Group, prefix: str = "") -> Iterator[tuple[str, click.Command]]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, f"{prefix}{name} ")
        else:
            yield f"{prefix}{name}", command


def resolve(path: str) -> object:
    module, found = path.split("."), None
    while found is None:
        try:
            found = importlib.import_module(".".join(module))
        except ModuleNotFoundError:
            module.pop()
    thing: object = found
    for name in path.split(".")[len(module) :]:
        thing = getattr(thing, name)
    return thing


def called(function: Any) -> set[str]:
    """The names of what a function calls, itself or through others of its module."""
    body = ast.parse(textwrap.dedent(inspect.getsource(function)))
    calls = [node.func for node in ast.walk(body) if isinstance(node, ast.Call)]
    names = {func.attr if isinstance(func, ast.Attribute) else ast.unparse(func) for func in calls}
    helpers = [vars(inspect.getmodule(function)).get(name) for name in names]
    return names.union(*(called(each) for each in helpers if inspect.isfunction(each) and each is not function))


def test_every_command_is_a_call_of_the_package() -> None:
    found = dict(commands(commandline.cli))
    assert set(found) == set(API)
    for name, command in found.items():
        assert callable(resolve(API[name]))
        assert API[name].rpartition(".")[2] in called(command.callback), name


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], *([*name.split(), "--help"] for name in API)])
def test_help_waits_for_nothing_heavy(arguments: list[str]) -> None:
    code = (
        "import sys; from synthmatch.cli import run; status = run(sys.argv[1:]);"
        "heavy = {'torch', 'numpy', 'dawdreamer', 'annoy', 'soundfile', 'tqdm'} & set(sys.modules);"
        "sys.exit(status or (f'loaded {heavy}' if heavy else 0))"
    )
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Usage: synthmatch" if arguments[-1] == "--help" else "synthmatch 0")


def test_what_library_add_says(made: Any) -> None:
    lines = made.made_by.stdout.splitlines()
    assert lines[0].startswith("8 presets, 8 sounds to render: about ")  # the estimate, before anything is done
    assert lines[1].startswith("8 sounds rendered in ")
    assert lines[-1].endswith("now holds 8 sounds that can be matched.")
    progress = made.made_by.stderr.splitlines()
    assert progress[-2:] == ["rendering: 1 of 2 presets, a second time", "rendering: 2 of 2 presets, a second time"]
    assert "rendering: 8 of 8 presets" in progress
    assert all(line.startswith("rendering: ") for line in progress)


def test_what_is_known_costs_nothing(place: Any, run: Callable[..., Any]) -> None:
    done = run("library", "add", place.bank, "--model", place.model, "--workers", 1)
    assert done.status == 0
    assert "8 sounds in the library already" in done.out
    assert "0 sounds rendered" in done.out


@pytest.mark.usefixtures("no_plugins")
def test_without_plugins_the_built_in_synth_is_meant(place: Any) -> None:
    from synthmatch.sources import default_synths, read_sources

    assert [row.id for row in default_synths()] == ["faust"]
    assert {preset.synth for preset in read_sources()} == {"faust"}
    assert [preset.name for preset in read_sources([str(place.bank)])] != []


@pytest.mark.plugin
def test_with_plugins_the_built_in_synth_waits_to_be_named() -> None:
    from synthmatch.sources import default_synths, read_sources

    meant = [row.id for row in default_synths()]
    assert meant[:2] == ["amsynth", "zynaddsubfx"]
    assert not {"faust", "soundfont"} & set(meant)
    assert {preset.synth for preset in read_sources(["amsynth", "faust"])} == {"amsynth", "faust"}


def test_list_show_and_remove(place: Any, run: Callable[..., Any]) -> None:
    with Library.open(place.library) as library:
        bank, listing = library.banks()[0], library.presets()[3]
    listed = run("library", "list")
    assert [faust.split() for faust in listed.out.splitlines()[1:-1]] == [["faust", bank.bank, *"8800"]]
    assert "8 presets, 8 sounds that can be matched" in listed.out
    shown = run("library", "show", bank.bank)
    assert len(shown.out.splitlines()) == 9
    assert run("library", "show", "faust").out == shown.out
    alone = run("library", "show", listing.id).out.splitlines()
    assert len(alone) == 2
    assert listing.name in alone[1]
    assert run("library", "remove", bank.bank).out == f"{bank.bank}: 8 presets removed.\n"
    assert "0 presets" in run("library", "list").out
    assert place.bank.exists()


def test_update_and_verify(place: Any, run: Callable[..., Any]) -> None:
    assert run("library", "verify").out.endswith("is in order: 8 sounds that can be matched.\n")
    done = run("library", "update", "--model", place.other_model)
    assert done.status == 0
    assert done.out.startswith("8 sounds embedded")
    assert done.err.splitlines()[-1] == "updating: 8 of 8 presets"
    with Library.open(place.library) as library:
        library.sounds.audio_path(library.presets()[0].id).write_bytes(b"fLaC and nonsense")
    said = run("library", "update", "--model", place.model).out.splitlines()
    assert said[0].startswith("7 sounds embedded")
    assert said[1:] == ["Damaged, so that they can't be matched: 1; `synthmatch library repair` renders them again."]


def test_doctor_names_what_is_there(place: Any, run: Callable[..., Any]) -> None:
    done = run("doctor", "--model", place.model)
    assert done.status == 0
    lines = done.out.splitlines()
    for topic in ("Synths", "Banks", "Model", "Library", "Python"):
        assert topic in lines
    assert any(line.split()[:2] == ["found", "faust:"] and "plays" in line for line in lines)
    assert any("8 sounds that can be matched" in line for line in lines)
    assert any(line.split()[:2] == ["found", "torch:"] for line in lines)


@pytest.mark.usefixtures("no_plugins")
def test_doctor_says_what_to_do(place: Any, run: Callable[..., Any]) -> None:
    done = run("doctor", "--model", place.other_model, "--library", place.library)
    assert done.status == 0  # the built-in synth plays
    assert "missing  amsynth: " in done.out
    assert "install Debian's package amsynth" in done.out
    (dx7,) = (line for line in done.out.splitlines() if line.split()[:2] == ["missing", "dx7:"] and "none" in line)
    assert dx7.endswith("install Debian's package hexter, or add yours with `synthmatch library add FOLDER`.")
    (library,) = (line for line in done.out.splitlines() if f" {place.library}: " in line)
    assert library.startswith("  found ")  # by its own encoder it is searched as ever
    assert f"`synthmatch library update --model {place.other_model}`, or use the library's own" in library
    assert "synthmatch library add" in run("doctor", "--model", place.model, "--library", "nowhere").out
    assert not Path("nowhere").exists()


@pytest.mark.usefixtures("no_plugins")
def test_a_synth_without_banks_is_told_where_some_are(place: Any, run: Callable[..., Any]) -> None:
    pytest.importorskip("dexed", reason="run pip install dexed-py")
    refused = run("library", "add", "dx7", "--model", place.model)
    assert refused.status == 1
    said = "No banks of DX7 are on this machine; name a folder of them, or install Debian's package hexter."
    assert said in refused.err


@pytest.mark.usefixtures("no_plugins")
def test_doctor_tries_a_synth_by_a_preset_of_its_own(
    place: Any, run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though another synth's lies before it in the same folder, and can't be played here at all."""
    banks = Path("banks", "faust")
    banks.mkdir(parents=True)
    AmsynthBank().write(banks / "a.bank", [Preset("Foreign", make_state({"amp_attack": 1.0}))])
    shutil.copy(place.bank, banks / "b.faustpatch")
    monkeypatch.setenv("SYNTHMATCH_BANKS", "banks")
    (line,) = (each for each in run("doctor", "--model", place.model).out.splitlines() if "faust: built in" in each)
    assert line == f"  found    faust: built in; plays “{PresetBank.read(place.bank).presets[0].name}”"


@pytest.mark.usefixtures("no_plugins")
def test_doctor_tries_more_presets_than_a_silent_first_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SYNTHMATCH_BANKS", str(tmp_path))
    mute, muter = (Preset("Init", faustsynth.make_state({"osc1_level": 0, "level": level})) for level in (-47, -48))
    bank = tmp_path / "faust" / "a.faustpatch"
    native_format("faust").write(bank, [mute, mute, Preset("Sound", faustsynth.make_state({}))])
    found = doctor._synth(SYNTHS["faust"])
    assert (found.sentence, found.works) == ("built in; plays “Sound”", True)
    native_format("faust").write(bank, [mute, mute, muter])
    found = doctor._synth(SYNTHS["faust"])
    said = f"built in; 2 presets tried, the last: faust makes no sound with state {muter.id} (peak below -70 dB)."
    assert (found.mark, found.sentence) == (doctor.Mark.BROKEN, said)


@pytest.mark.usefixtures("no_plugins")
def test_doctor_finds_the_files_that_would_be_added(
    place: Any, run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In folders that are linked too, and without what macOS leaves beside them."""
    banks, disk = Path("banks", "amsynth").absolute(), Path("disk").absolute()
    for folder in (banks, disk):
        folder.mkdir(parents=True)
    AmsynthBank().write(disk / "far.bank", [Preset("Far", make_state({}))])
    (disk / "._far.bank").write_bytes(b"\0\5\x16\7")
    (banks / "link").symlink_to(disk)
    monkeypatch.setenv("SYNTHMATCH_BANKS", "banks")
    assert f"  found    amsynth: 1 file of presets in {banks}" in run("doctor", "--model", place.model).out.splitlines()


def test_the_demonstration_prints_matches_and_writes_its_page(
    place: Any, run: Callable[..., Any], tmp_path: Path
) -> None:
    presets = [each for each in PresetBank.read(factory_bank_path()) if side_of(each.id) == "test"]
    few = [each for family in CORE for each in [each for each in presets if each.family == family][:2]]
    native_format("faust").write(Path("few.faustpatch"), few)
    arguments = ("--library", "demo", "--model", place.model, "--workers", 1)
    assert run("library", "add", "few.faustpatch", *arguments).status == 0
    done = run("demo", "--mixtures", 2, "--out", tmp_path / "page.html", *arguments)
    assert done.status == 0, done.err
    assert done.out.splitlines()[-1] == f"Written: {tmp_path / 'page.html'}"
    for number in (1, 2):
        assert done.out.count(f"Mixture {number}, ") == len(CORE)
    assert done.err.splitlines()[-1].startswith("playing: ")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert all(f"Mixture {number}" in page for number in (1, 2))
    assert len(page) < 15_000_000


def test_ctrl_c_leaves_a_library_that_opens(place: Any, write_bank: Callable[[Path, int], Path]) -> None:
    bank = write_bank(Path("many.faustpatch"), 100)  # enough that it is under way when the signal comes
    command = [sys.executable, "-m", "synthmatch", "library", "add", bank, "--model", place.model, "--workers", "1"]
    # A shell's background jobs ignore Ctrl-C, and so would this one, were the tests such a job.
    heed = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = subprocess.Popen(command, text=True, preexec_fn=heed, **pipes)
    assert process.stderr is not None
    first = process.stderr.readline()
    assert first.startswith("rendering: ")
    process.send_signal(signal.SIGINT)
    _, rest = process.communicate(timeout=60)
    assert process.returncode == cli.STOPPED
    assert rest.splitlines()[-1] == "stopped"
    assert "Traceback" not in rest
    with Library.open(place.library) as library:
        assert 8 <= len(library) < 108
    assert subprocess.run(command, capture_output=True).returncode == 0
    with Library.open(place.library) as library:
        assert library.verify() == []
        assert len(library.presets(Choice(banks=("many",)))) == 100


def test_progress_is_a_line_every_tenth(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress("counting", "sheep") as progress:
        for done in range(1, 251):
            progress(done, 250, f"loss {done}")
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 11
    assert lines[-1] == "counting: 250 of 250 sheeps, loss 250"


def test_progress_is_a_bar_on_a_terminal(place: Any) -> None:
    import pty
    import termios

    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 80))
    command = [sys.executable, "-m", "synthmatch", "library", "update", "--model", place.other_model]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=theirs)
    os.close(theirs)
    shown = b""
    while True:
        try:
            shown += os.read(ours, 4096)
        except OSError:  # how Linux says that the other end is closed
            break
    os.close(ours)
    assert done.returncode == 0
    assert b"updating: 100%|" in shown
    assert b"8/8" in shown


@pytest.mark.usefixtures("place")
def test_a_reader_that_has_seen_enough_is_no_error() -> None:
    command = f"{sys.executable} -m synthmatch library show faust | true"
    done = subprocess.run(["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True)
    assert done.stderr == ""


def test_tables_align_numbers_to_the_right() -> None:
    assert table(("bank", "presets"), [("one", 5), ("another", 1200)]) == (
        "bank     presets\none            5\nanother     1200"
    )


def test_the_module_runs_as_the_command_does() -> None:
    done = subprocess.run([sys.executable, "-m", "synthmatch", "--version"], capture_output=True, text=True)
    assert done.stdout == f"synthmatch {synthmatch.__version__}\n"
