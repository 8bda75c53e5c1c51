"""Plugins are found where users keep them, and what is missing says how to get it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from synthmatch.errors import PluginMissing
from synthmatch.presets.bank import PresetBank
from synthmatch.renderers import synths
from synthmatch.renderers.synths import SYNTHS, bank_folders, find_plugin, fingerprint, make_renderer, require_plugin

AMSYNTH = SYNTHS["amsynth"]
FILE = "amsynth_vst" + {"darwin": ".vst", "win32": ".dll"}.get(sys.platform, ".so")


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """No folder of the system is searched."""
    monkeypatch.setattr(synths, "_FOLDERS", {})
    monkeypatch.delenv("VST_PATH", raising=False)


def test_vst_path_is_searched_first_and_in_its_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folders = [tmp_path / name for name in ("empty", "first", "second")]
    for folder in folders:
        folder.mkdir()
    for folder in folders[1:]:
        (folder / FILE).write_bytes(b"")
    monkeypatch.setenv("VST_PATH", os.pathsep.join(map(str, folders)))
    assert find_plugin(AMSYNTH) == folders[1] / FILE


@pytest.mark.usefixtures("nowhere")
def test_a_missing_plugin_names_its_package() -> None:
    assert find_plugin(AMSYNTH) is None
    assert [row.id for row in synths.installed()] == ["faust"]
    for attempt in (lambda: require_plugin(AMSYNTH), lambda: make_renderer("amsynth"), lambda: fingerprint("amsynth")):
        with pytest.raises(PluginMissing, match="install Debian's package amsynth"):
            attempt()


def test_an_unknown_synth_names_the_known_ones() -> None:
    with pytest.raises(PluginMissing, match=r"theremin.*amsynth, zynaddsubfx, faust"):
        make_renderer("theremin")


def test_a_fingerprint_is_of_the_binary_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prints = []
    for folder, content in (("a", b"one build"), ("b", b"one build"), ("c", b"another")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / FILE).write_bytes(content)
        monkeypatch.setenv("VST_PATH", str(tmp_path / folder))
        prints.append(fingerprint("amsynth"))
    assert prints[0] == prints[1] != prints[2]


def test_a_build_that_replaces_another_has_another_fingerprint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VST_PATH", str(tmp_path))
    (tmp_path / FILE).write_bytes(b"old")
    os.utime(tmp_path / FILE, (1, 1))
    old = fingerprint("amsynth")
    (tmp_path / FILE).write_bytes(b"new")
    assert fingerprint("amsynth") != old


def test_fingerprints_and_look_ups_load_neither_host_nor_plugin() -> None:
    script = (
        "import sys\n"
        "from synthmatch.renderers import synths\n"
        "for row in synths.installed(): synths.fingerprint(row.id), synths.bank_folders(row)\n"
        "assert len(synths.installed()) >= 1\n"
        "sys.exit('dawdreamer' in sys.modules or 'torch' in sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


@pytest.mark.parametrize("row", SYNTHS.values(), ids=SYNTHS)
def test_an_installed_synth_has_its_banks(row: synths.Synth) -> None:
    if not synths.is_installed(row):
        pytest.skip(f"{row.title} isn't on this machine: {row.package}")
    bank = PresetBank.read(*bank_folders(row))
    assert bank.faults == ()
    assert {preset.synth for preset in bank} == {row.id}
