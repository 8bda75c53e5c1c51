"""`synthmatch synth` with a synth that is compiled for the test: added, played, checked, removed."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from synthmatch import adoption
from synthmatch.errors import InputError, SynthError
from synthmatch.presets.catalogue import SYNTHS, Isolation, Parameter, known_synth, synths_file
from synthmatch.presets.formats import formats_of
from synthmatch.presets.ownsynths import own_synth, write_synth
from synthmatch.presets.randompatches import random_patches
from synthmatch.renderers.frames import Probe
from synthmatch.renderers.pool import render_one
from synthmatch.renderers.probe import probe
from synthmatch.renderers.renderer import RenderJob
from synthmatch.renderers.synths import find_plugin
from synthmatch.renderers.trial import choose_states
from synthmatch.sources import read_sources

Compile = Callable[..., Path]
Run = Callable[..., Any]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home, and trials of two presets."""
    monkeypatch.setenv("SYNTHMATCH_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(adoption, "choose_states", lambda states: choose_states(states, 2))
    return tmp_path / "home"


def test_a_synth_without_presets_from_add_to_remove(running_plugin: Compile, home: Path, run: Run) -> None:
    plugin = running_plugin()
    added = run("synth", "add", plugin, "--effects-off", "Reverb Wet=0")
    assert added.status == 0
    assert "Running Synth (RunS), version 0x102: 5 parameters, 0 channels in, 1 out; 200 random patches" in added.out
    assert "new process   yes" in added.out
    assert synths_file().read_text().strip() in added.out  # what is shown is what was written

    row = known_synth("running-synth")
    bank = home / "banks" / "running-synth" / "Running Synth random.fxb"
    assert (row.title, row.plugin, row.plugin_id, row.banks) == ("Running Synth", str(plugin), "RunS", (bank,))
    assert row.isolation is Isolation.NOTHING
    assert row.effects_off == (("Reverb Wet", 0.0),)
    presets = read_sources(["running-synth"]).presets
    assert len(presets) == 200
    result = render_one(RenderJob(presets[0].state))
    assert result.ok

    listed = {each["id"]: each for each in json.loads(run("synth", "list", "--json").out)}
    assert listed["running-synth"]["from"] == "you"
    assert listed["running-synth"]["presets"] == [str(bank)]
    assert listed["faust"]["from"] == "synthmatch"
    assert "running-synth" in run("synth", "list").out

    again = run("synth", "add", plugin)
    assert again.status == 1
    assert "is yours already, as running-synth; run `synthmatch synth remove running-synth` first" in again.err

    checked = run("synth", "check")
    assert checked.status == 0
    assert "running-synth holds." in checked.out

    removed = run("synth", "remove", "running-synth")
    assert "keeps them until `synthmatch library remove running-synth`" in removed.out
    assert not bank.parent.exists()
    assert synths_file().read_text().strip() == ""
    assert run("synth", "remove", "running-synth").status == 1
    assert "You have added no synths" in run("synth", "check").out


def test_a_plugin_that_says_more_of_its_parameters_than_can_be(running_plugin: Compile, run: Run) -> None:
    """A host takes values from 0 to 1; some plugins tell theirs in units of their own, or none at all."""
    added = run("synth", "add", running_plugin("BEYOND"))
    assert added.status == 0, added.err
    assert [each.default for each in known_synth("running-synth").parameters] == [1.0, 0.0, 0.0, 1.0, 0.25]


def test_a_row_that_no_longer_holds(running_plugin: Compile, run: Run) -> None:
    plugin, changed = running_plugin(), running_plugin("RUNS_ON")
    assert run("synth", "add", plugin, "--name", "mine").status == 0
    # Whichever way was the fastest on a busy machine; this one was among those that do.
    written = re.sub(r'(?m)^isolation = "[^"]+"', 'isolation = "nothing"', synths_file().read_text(encoding="utf-8"))
    synths_file().write_text(written, encoding="utf-8")
    assert known_synth("mine").isolation is Isolation.NOTHING
    plugin.write_bytes(changed.read_bytes())  # an update of the plugin that brings free-running oscillators
    checked = run("synth", "check", "mine", "--json")
    assert checked.status == 1
    (verdict,) = json.loads(checked.out)
    assert not verdict["holds"]
    assert "isolation 'nothing' isn't enough" in verdict["problems"][0]
    assert "mine no longer holds:" in run("synth", "check", "mine").out


def test_a_synth_that_is_gone_keeps_no_other_from_being_checked(
    running_plugin: Compile, tmp_path: Path, run: Run
) -> None:
    plugin = tmp_path / "gone.so"
    write_synth(synths_file(), own_synth("gone", "Gone", {"plugin": str(plugin), "plugin_id": "Gone"}))
    assert run("synth", "add", running_plugin(), "--name", "here").status == 0
    checked = run("synth", "check")
    assert checked.status == 1
    gone, *rest = checked.out.splitlines()
    assert gone.startswith(f"gone can't be tried: Gone isn't on this machine (looked in {plugin}); ")
    assert rest[-1] == "here holds."
    told = json.loads(run("synth", "check", "--json").out)
    assert [(each["id"], each["holds"]) for each in told] == [("gone", False), ("here", True)]
    assert gone == f"gone can't be tried: {told[0]['error']}"
    named = run("synth", "check", "gone")
    assert (named.status, named.err.splitlines()[-1]) == (1, f"error: {told[0]['error']}")


def test_presets_of_its_own(running_plugin: Compile, tmp_path: Path, run: Run) -> None:
    plugin = running_plugin()
    found = probe(plugin)
    row = own_synth("theirs", "Theirs", {"plugin": str(plugin), "plugin_id": "RunS"})
    folder = tmp_path / "presets"
    made = random_patches(replace(row, parameters=found.parameters), 3)
    (program,) = [each for each in formats_of(row, {"theirs": row}) if each.suffix == ".fxp"]
    for number, preset in enumerate(made):
        program.write(folder / f"{number}.fxp", [preset])
    (tmp_path / "empty").mkdir()
    refused = run("synth", "add", plugin, "--presets", folder, "--presets", tmp_path / "empty", "--name", "theirs")
    assert "empty holds no presets" in refused.err  # whoever names a folder means something by it
    done = run("synth", "add", plugin, "--presets", folder, "--name", "theirs", "--json")
    told = json.loads(done.out)
    assert (told["id"], told["presets"], told["random_bank"]) == ("theirs", 3, None)
    assert told["entry"]["presets"] == [str(folder)]
    assert told["effects_off_proposal"] == {"Reverb Wet": 0.0, "Reverb Wet (5)": 0.0}
    assert {way["isolation"] for way in told["ways"]} >= {"nothing", "new instance", "new process"}
    assert {preset.id for preset in read_sources(["theirs"])} == {preset.id for preset in made}
    assert run("synth", "remove", "theirs").status == 0
    assert len(list(folder.iterdir())) == 3  # the user's own files stay


@pytest.mark.parametrize(
    ("definitions", "options", "sentence"),
    [
        (("ENTRY_CRASH",), (), "died by SIGSEGV when it was loaded"),
        (("EFFECT",), (), "is an effect, which plays no notes"),
        ((), ("--name", "Mine!"), "can't be called 'Mine!'"),
        ((), ("--name", "amsynth"), "amsynth is another synth already"),
        ((), ("--effects-off", "Reverb Wett=0"), "no parameter called 'Reverb Wett'; those most like it: Reverb Wet"),
        ((), ("--effects-off", "Reverb Wet=2"), "can't be switched off with '2'; give a number from 0 to 1"),
        ((), ("--presets", "nowhere"), "isn't there"),
    ],
)
def test_what_goes_wrong_is_one_sentence_and_writes_nothing(
    definitions: tuple[str, ...], options: tuple[str, ...], sentence: str, running_plugin: Compile, home: Path, run: Run
) -> None:
    done = run("synth", "add", running_plugin(*definitions), *options)
    assert done.status == 1
    assert sentence in done.err
    assert not home.exists()


@pytest.mark.parametrize("name", ["synths.toml", "banks"])
def test_what_can_not_be_written_is_found_out_before_the_trial(
    name: str, running_plugin: Compile, home: Path, tmp_path: Path
) -> None:
    """It takes minutes, and nobody wants to wait for that sentence."""
    home.mkdir()
    file = tmp_path / "file"
    file.touch()
    (home / name).symlink_to(file / "below" if name == "synths.toml" else file)
    told: list[str] = []
    with pytest.raises(InputError, match=rf"can't be written, since .*({name}|file) is a file; name another place"):
        adoption.adopt(running_plugin(), tell=lambda _done, _total, what: told.append(what))
    assert told == ["asking the plugin"]
    assert list(home.iterdir()) == [home / name]


@pytest.mark.parametrize("there", [True, False])
def test_a_bank_whose_synth_can_not_be_written_is_gone(there: bool, running_plugin: Compile, home: Path) -> None:
    """One that was there before the trial stays."""
    bank = home / "banks" / "running-synth" / "Running Synth random.fxb"
    if there:
        bank.parent.mkdir(parents=True)
        bank.write_text("of before")

    def spoil(_done: int, _total: int, what: str) -> None:
        if what != "asking the plugin":
            home.mkdir(exist_ok=True)
            synths_file().write_text("[diva\n")

    with pytest.raises(SynthError, match="can't be read"):
        adoption.adopt(running_plugin(), tell=spoil)
    assert bank.exists() == bank.parent.exists() == there
    assert synths_file().read_text() == "[diva\n"


def test_presets_of_another_plugin_are_refused(running_plugin: Compile, tmp_path: Path, run: Run) -> None:
    row = SYNTHS["nekobi"]
    (program,) = formats_of(row)
    program.write(tmp_path / "other.fxp", random_patches(row, 1))
    done = run("synth", "add", running_plugin(), "--presets", tmp_path / "other.fxp")
    assert done.status == 1
    assert "other.fxp is of Running Synth (RunS)" in done.err


def test_a_vst3_plugin_needs_presets(tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    # No VST3 plugin can be compiled in a few lines; what the probe would say of one is given.
    parameters = (Parameter("Cutoff", 0.5),)
    said = Probe(tmp_path / "Diva.vst3", "Diva", "", 1, True, 0, 2, parameters)
    monkeypatch.setattr(adoption, "probe", lambda _plugin: said)
    assert (
        "doesn't say its class id; give presets, one of them a .vstpreset that it saved (--presets)."
        in run("synth", "add", "Diva.vst3").err
    )
    with_id = replace(said, plugin_id="d39d5b69d6af42fa1234567844695661")
    monkeypatch.setattr(adoption, "probe", lambda _plugin: with_id)
    assert "can't be made up, since it is a VST3 plugin; give some (--presets)." in run("synth", "add", "Diva.vst3").err


def test_a_vst3_plugins_id_is_looked_for_in_linked_folders_too(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = Probe(tmp_path / "Diva.vst3", "Diva", "", 1, True, 0, 2, (Parameter("Cutoff", 0.5),))
    monkeypatch.setattr(adoption, "probe", lambda _plugin: said)
    here, disk = tmp_path / "presets", tmp_path / "disk"
    for folder, plugin_id in ((here, "a" * 32), (disk, "b" * 32)):
        folder.mkdir()
        (folder / "one.vstpreset").write_bytes(b"VST3\1\0\0\0" + plugin_id.encode())
    (here / "link").symlink_to(disk)
    done = run("synth", "add", "Diva.vst3", "--presets", here)
    assert f"The presets are of 2 plugins ({'a' * 32}, {'b' * 32})" in done.err
    assert "nowhere isn't there; name a preset file" in run("synth", "add", "Diva.vst3", "--presets", "nowhere").err


@pytest.mark.plugin
def test_a_known_synth_stays_known(run: Run) -> None:
    plugin = find_plugin(SYNTHS["amsynth"])
    if plugin is None:
        pytest.skip(f"amsynth isn't on this machine: {SYNTHS['amsynth'].remedy}")
    done = run("synth", "add", plugin)
    assert done.status == 1
    assert "amsynth is known to synthmatch already" in done.err
    assert run("synth", "remove", "amsynth").err.startswith("error: amsynth is known to synthmatch by itself")
