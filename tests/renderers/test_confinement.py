"""A host process sees no network, one processor where that matters, a home of its own, and ends with its parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from synthmatch.notes import Performance
from synthmatch.presets.catalogue import SYNTHS
from synthmatch.presets.formats.zyn import ZynInstrument, uses_padsynth
from synthmatch.presets.preset import Preset
from synthmatch.renderers.confinement import what_is_missing
from synthmatch.renderers.pool import RenderPool
from synthmatch.renderers.renderer import RenderJob, RenderSettings
from synthmatch.renderers.synths import bank_folders, is_installed

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="confinement is Linux's; elsewhere there is less of it")


def confined(tmp_path: Path, code: str, one_processor: bool = False) -> str:
    """What a confined process prints."""
    script = (
        "import os, socket, sys; from pathlib import Path;"
        "from synthmatch.renderers.confinement import confine, move_home;"
        f"confine(Path(sys.argv[1]), {one_processor}); {code}"
    )
    command = [sys.executable, "-c", script, str(tmp_path)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def _namespaces(tmp_path: Path) -> None:
    """Skip where the system lets nobody make namespaces."""
    if confined(tmp_path, "print(len(Path('/proc/net/dev').read_text().splitlines()))") != "3":
        pytest.skip("this system lets no process leave its networks: run as root, or allow user namespaces")


def test_there_is_no_network(tmp_path: Path) -> None:
    _namespaces(tmp_path)
    listen = "s = socket.socket(); s.bind(('127.0.0.1', 0)); s.listen(); t = socket.socket(); t.settimeout(5);"
    connect = "print(t.connect_ex(s.getsockname()))"
    assert confined(tmp_path, listen + connect) != "0"  # not even to itself: the one interface is down


def test_one_processor_is_seen_where_asked(tmp_path: Path) -> None:
    _namespaces(tmp_path)
    count = "print(os.sysconf('SC_NPROCESSORS_ONLN'))"
    assert confined(tmp_path, count, one_processor=True) == "1"
    assert confined(tmp_path, count) == str(os.sysconf("SC_NPROCESSORS_ONLN"))


def test_what_the_system_refuses_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _namespaces(tmp_path)
    assert what_is_missing() == ""
    monkeypatch.setattr(sys, "executable", str(_refusing(tmp_path)))
    assert "user namespaces" in what_is_missing()


def _refusing(folder: Path) -> Path:
    """A Python whose C library refuses to make namespaces."""
    path = folder / "python"
    real = sys.executable
    path.write_text(f"#!{real}\nimport os, sys\nos.execv({real!r}, [{real!r}, '-c', {_REFUSE!r}, *sys.argv[-1:]])\n")
    path.chmod(0o755)
    return path


_REFUSE = (
    "import ctypes, sys; from synthmatch.renderers import confinement as c\n"
    "class Refusing(ctypes.CDLL):\n"
    "    def unshare(self, flags): return -1\n"
    "c.ctypes.CDLL = Refusing\n"
    "c.show_confined(sys.argv[1])\n"
)


def test_memory_has_a_limit(tmp_path: Path) -> None:
    ask = "import mmap\ntry: mmap.mmap(-1, 64 * 2**30); print('given')\nexcept OSError: print('refused')"
    assert confined(tmp_path, f"exec({ask!r})") == "refused"
    assert confined(tmp_path, f"exec({ask.replace('64 * 2**30', '2**20')!r})") == "given"


def test_home_is_elsewhere(tmp_path: Path) -> None:
    code = "move_home(Path(sys.argv[1])); import tempfile; print(Path.home(), tempfile.gettempdir())"
    assert confined(tmp_path, code) == f"{tmp_path} {tmp_path}"
    assert str(tmp_path) in (tmp_path / ".zynaddsubfxXML.cfg").read_text()


def test_it_ends_with_its_parent() -> None:
    inner = (
        "import time; from synthmatch.renderers.confinement import die_with_parent; die_with_parent();"
        "print('ready', flush=True); time.sleep(600)"
    )
    outer = (
        "import subprocess, sys, time;"
        f"child = subprocess.Popen([sys.executable, '-c', {inner!r}], stdout=subprocess.PIPE);"
        "child.stdout.readline(); print(child.pid, flush=True); time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", outer], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        parent.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and _alive(child):
        time.sleep(0.02)
    assert not _alive(child)


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.fixture(scope="module")
def padsynth() -> Sequence[Preset]:
    """A few presets whose tables PADsynth fills in threads."""
    row = SYNTHS["zynaddsubfx"]
    if not is_installed(row) or not bank_folders(row):
        pytest.skip(f"{row.title} isn't on this machine: {row.remedy}")
    files = sorted(bank_folders(row)[0].rglob("*.xiz"))
    found: list[Preset] = []
    for file in files[::23]:
        preset = ZynInstrument().read(file)[0][0]
        if uses_padsynth(preset.state):
            found.append(preset)
    return found[:4]


@pytest.mark.plugin
def test_padsynth_sounds_the_same_twice(padsynth: Sequence[Preset], tmp_path: Path) -> None:
    """What no seed alone can do: its threads race one another for the random numbers."""
    _namespaces(tmp_path)
    assert len(padsynth) == 4
    jobs = [RenderJob(preset.state, (Performance.single(60, 100, 0.3, 0.1),), RenderSettings()) for preset in padsynth]
    sounds = []
    for workers in (1, 2):
        with RenderPool(workers) as pool:
            sounds.append({each.job.key: each.clips[0].samples for each in pool.render(jobs[:: 3 - 2 * workers])})
    for key, samples in sounds[0].items():
        np.testing.assert_allclose(sounds[1][key], samples, rtol=0, atol=1e-6)
