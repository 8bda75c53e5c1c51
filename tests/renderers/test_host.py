"""A host's folder and log: nothing is left of the one, and the other stays small."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from synthmatch.notes import Performance
from synthmatch.presets import faustsynth
from synthmatch.presets.catalogue import SYNTHS
from synthmatch.presets.formats.amsynth import make_state
from synthmatch.presets.preset import State
from synthmatch.renderers import host
from synthmatch.renderers.pool import RenderPool
from synthmatch.renderers.renderer import RenderJob, RenderSettings

GOOD, BAD = 60, 99


def job(pitch: int) -> RenderJob:
    return RenderJob(make_state({}), (Performance.single(pitch, 100, 0.1, 0.1),), RenderSettings(settle=0.0))


def test_a_plugins_noise_goes_to_the_log(
    wrong_plugin: Callable[..., None], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    wrong_plugin("noise")
    log = tmp_path / "log"
    with RenderPool(1, log=log) as pool:
        assert next(pool.render([job(BAD)])).ok
    assert capfd.readouterr() == ("", "")
    assert "a plugin's noise" in log.read_text()
    assert "and more of it" in log.read_text()


def test_a_log_that_grew_is_begun_anew_under_the_hands_of_its_hosts(
    wrong_plugin: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong_plugin("noise")
    monkeypatch.setattr(host, "LARGE_LOG", 100)
    log = tmp_path / "log"
    log.write_text("a long night\n" * 10)
    with RenderPool(1, log=log) as pool:
        for performance in (BAD, GOOD, BAD):
            assert next(pool.render([job(performance)])).ok
    assert (tmp_path / "log.1").read_text().startswith("a long night\n")
    assert "a long night" not in log.read_text()
    assert "a plugin's noise" in log.read_text()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no way to ask whether a process is there")
def test_folders_of_hosts_that_nobody_started_are_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    with RenderPool(1) as pool:
        assert next(pool.render([replace(job(GOOD), state=faustsynth.make_state({}))])).ok
        (mine,) = tmp_path.iterdir()
        stale = tmp_path / mine.name.replace(f"-{os.getpid()}-", f"-{ended.pid}-")
        machine, _, _ = mine.name.removeprefix("synthmatch-host-").partition("-")
        elsewhere = tmp_path / f"synthmatch-host-{machine}-beef-{ended.pid}-x"  # of a container that shares the folder
        for folder in (stale, elsewhere):
            folder.mkdir()
        host.sweep_homes()
        assert set(tmp_path.iterdir()) == {mine, elsewhere}


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no way to ask whether a process is there")
@pytest.mark.parametrize("namespace", ["/proc/self/ns/pid", "/nowhere"])
@pytest.mark.parametrize(("here", "there"), [("studio", "mixer"), ("studio", "studio-5"), ("studio.lan", "studio")])
def test_folders_of_hosts_on_other_machines_are_left_alone(
    here: str, there: str, namespace: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Machines may share the folder for temporary files over a network; nobody can ask for a process of another."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(host, "_NAMESPACE", Path(namespace))
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    folders = []
    for name in (here, there):
        monkeypatch.setattr(platform, "node", lambda name=name: name)
        started = host.Host(SYNTHS["faust"], None)
        (folder,) = set(tmp_path.iterdir()) - set(folders)
        started.close()
        folders.append(folder.with_name(folder.name.replace(f"-{os.getpid()}-", f"-{ended.pid}-")))
        folders[-1].mkdir()
    monkeypatch.setattr(platform, "node", lambda: here)
    host.sweep_homes()
    assert list(tmp_path.iterdir()) == folders[1:]


def test_a_host_that_cannot_be_started_leaves_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    with RenderPool(1, log=tmp_path) as pool, pytest.raises(IsADirectoryError):  # a log that is a folder
        list(pool.render([RenderJob(State("faust", b""))]))
    assert list(folder.iterdir()) == []
