"""Real presets of the real synths, and plugins that do wrong on purpose."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from synthmatch.presets.catalogue import SYNTHS
from synthmatch.presets.formats import native_format
from synthmatch.presets.formats.zyn import uses_padsynth
from synthmatch.presets.preset import Preset
from synthmatch.renderers.synths import bank_folders, is_installed

DEEDS = ("crash", "leave", "hang", "not a number", "silence", "noise", "clip", "ignore", "orphan", "abort", "forge")


def _every(synth: str, step: int, suffix: str) -> list[Preset]:
    """Every ``step``-th file's first preset of the banks that come with a synth, or skip the test."""
    row = SYNTHS[synth]
    if not is_installed(row) or not bank_folders(row):
        pytest.skip(f"{row.title} isn't on this machine: {row.remedy}")
    files = sorted(file for folder in bank_folders(row) for file in folder.rglob(f"*{suffix}"))
    return [native_format(synth).read(file)[0][0] for file in files[::step]]


@pytest.fixture(scope="session")
def amsynth_presets() -> Sequence[Preset]:
    """A preset from every fourth of amsynth's banks."""
    return _every("amsynth", 4, ".bank")


@pytest.fixture(scope="session")
def zyn_presets() -> Sequence[Preset]:
    """Some of ZynAddSubFX's presets, none of which uses PADsynth: that takes seconds to load."""
    return [preset for preset in _every("zynaddsubfx", 131, ".xiz") if not uses_padsynth(preset.state)]


MakeDeed = Callable[..., None]


@pytest.fixture
def wrong_plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MakeDeed:
    """Puts a plugin that does one of ``DEEDS`` when it plays note 99 in the place of a synth."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler: install gcc to test plugins that do wrong")

    def make(deed: str, synth: str = "amsynth", at_entry: bool = False) -> None:
        folder = tmp_path / "plugins"
        folder.mkdir(exist_ok=True)
        target = folder / f"{SYNTHS[synth].plugin}.so"
        source = Path(__file__).with_name("plugin.c")
        flags = [f"-DDEED={DEEDS.index(deed) + 1}", *(["-DENTRY_DEED"] if at_entry else [])]
        subprocess.run([compiler, "-shared", "-fPIC", "-O1", *flags, "-o", target, source], check=True)
        monkeypatch.setenv("VST_PATH", str(folder))

    return make
