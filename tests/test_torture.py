"""A bank of everything that can go wrong: the run ends, what is good is rendered, and each bad one has its true reason.

The plugins are real ones, compiled for the test, which crash, hang, leave, abort or play NaN; the files are real
ones that were damaged, or made to do damage.
"""

from __future__ import annotations

import gzip
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from synthmatch import audio
from synthmatch.library.library import Library
from synthmatch.networks.encoder import Encoder, EncoderConfig
from synthmatch.presets.bank import PresetBank
from synthmatch.presets.catalogue import Engine, Isolation, Synth
from synthmatch.presets.faustsynth import factory_bank_path
from synthmatch.presets.formats import native_format
from synthmatch.presets.formats.fxp import FxFile
from synthmatch.presets.formats.syx import DX7Sysex
from synthmatch.presets.ownsynths import write_synth
from synthmatch.presets.preset import Preset, State

SOURCE = Path(__file__).parent / "renderers" / "plugin.c"
BAD_NOTE = 60  # among the reference notes, and what `render` plays
LIMIT = 12  # seconds that a preset may take; a test run on busy cores needs most of them for a good one


@dataclass(frozen=True)
class Wrong:
    """A plugin that does wrong: what it does, where, and what must be said of its presets."""

    deed: int  # as in plugin.c
    at_entry: bool
    failure: str
    words: str


WRONG = {
    "segfaults": Wrong(1, True, "missing", "SIGSEGV"),
    "leaves": Wrong(2, False, "crash", "exit status 0"),
    "loops": Wrong(3, False, "timeout", f"longer than {LIMIT} s"),
    "nan": Wrong(4, False, "not finite", "isn't finite"),
    "mute": Wrong(5, False, "silent", "no sound"),
    "clips": Wrong(7, False, "clipped", "at full scale"),
    "deaf": Wrong(8, False, "not loaded", "wasn't taken"),
    "aborts": Wrong(10, False, "crash", "SIGABRT"),
}
UNREADABLE = {
    "corrupt.fxb": "cut short",
    "truncated.xiz": "is damaged",
    "bomb.xiz": "unpacks to more than",
    "entities.xiz": "defines entities",
    "checksum.syx": "checksum",
}
GOOD = 6


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with a synths.toml that names every wrong plugin."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler: install gcc to test plugins that do wrong")
    folder = tmp_path_factory.mktemp("torture")
    for number, (name, wrong) in enumerate(WRONG.items()):
        plugin = folder / f"{name}.so"
        identity = f"bad{number}"
        flags = [f"-DDEED={wrong.deed}", f"-DBAD_PITCH={BAD_NOTE}", f'-DPLUGIN_ID="{identity}"']
        flags += ["-DENTRY_DEED"] if wrong.at_entry else []
        subprocess.run([compiler, "-shared", "-fPIC", "-O1", *flags, "-o", plugin, SOURCE], check=True)
        way = Isolation.FORK if number % 2 else Isolation.NEW_INSTANCE
        row = Synth(name, name, Engine.PLUGIN, (".fxp",), "", way, str(plugin), identity, settle=0.0)
        write_synth(folder / "synths.toml", row)
    return folder


@pytest.fixture(scope="module")
def bank(home: Path) -> Path:
    """A folder of presets: one of each wrong plugin, every unreadable file, and some good ones among them."""
    folder = home / "bank"
    folder.mkdir()
    good = PresetBank.read(factory_bank_path()).presets[::37][:GOOD]
    native_format("faust").write(folder / "good.faustpatch", good)
    for number, name in enumerate(WRONG):
        # A chunk may be ignored; single values can't be.
        file = FxFile(f"bad{number}", b"chunk", name=f"Preset of {name}")
        (folder / f"{name}.fxp").write_bytes(file.encode())
    (folder / "corrupt.fxb").write_bytes(FxFile("bad1", b"x" * 400, bank=True).encode()[:300])
    whole = gzip.compress(b"<?xml version='1.0'?><ZynAddSubFX-data><INSTRUMENT>" + os.urandom(2000).hex().encode())
    (folder / "truncated.xiz").write_bytes(whole[: len(whole) // 2])
    (folder / "bomb.xiz").write_bytes(gzip.compress(bytes(64 * 2**20)))
    entities = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 20))
    text = f'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY e0 "lol">{entities}]><ZynAddSubFX-data>&e19;</ZynAddSubFX-data>'
    (folder / "entities.xiz").write_text(text)
    cartridge = folder / "checksum.syx"
    DX7Sysex().write(cartridge, [Preset("Bell", State("dx7", bytes(145)))])
    data = bytearray(cartridge.read_bytes())
    data[20] ^= 1
    cartridge.write_bytes(data)
    return folder


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small untrained encoder."""
    path = tmp_path_factory.mktemp("model") / "encoder.safetensors"
    Encoder(EncoderConfig(channels=(8, 8, 8), blocks=(1, 1, 1), width=16, layers=1, heads=2, dimension=24)).save(path)
    return path


def run(home: Path, *arguments: object) -> dict[str, Any]:
    environment = os.environ | {"SYNTHMATCH_HOME": str(home)}
    command = [sys.executable, "-m", "synthmatch", *map(str, arguments), "--workers", "2", "--timeout", str(LIMIT)]
    done = subprocess.run([*command, "--json"], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def check(trust: dict[str, Any], wrong_ones: set[str]) -> None:
    """Every bad preset and every bad file is listed, with its own reason."""
    failures = {each["synth"]: each for each in trust["failures"]}
    assert failures.keys() == wrong_ones
    for name in wrong_ones:
        wrong = WRONG[name]
        assert failures[name]["failure"] == wrong.failure, failures[name]
        assert wrong.words in failures[name]["reason"], failures[name]
        assert failures[name]["name"] == f"Preset of {name}"
    unreadable = {Path(each["file"]).name: each["reason"] for each in trust["unreadable"]}
    assert unreadable.keys() == UNREADABLE.keys()
    for file, words in UNREADABLE.items():
        assert words in unreadable[file], unreadable[file]


def test_a_library_of_them(bank: Path, model: Path, home: Path) -> None:
    report = run(home, "library", "add", bank, "--model", model, "--library", home / "library")
    wrong_ones = WRONG.keys() - {"mute"}  # which plays the reference notes before the one that mutes it
    check(report["trust"], wrong_ones)
    assert report["matchable"] == report["rendered"] == GOOD + 1
    with Library.open(home / "library") as library:
        assert library.verify() == []
        assert {each.synth for each in library.failures()} == wrong_ones
    again = run(home, "library", "add", bank, "--model", model, "--library", home / "library")
    assert again["rendered"] == 0  # what failed for its own fault isn't tried again
    check(again["trust"], wrong_ones)


def test_a_folder_of_them(bank: Path, home: Path, tmp_path: Path) -> None:
    report = run(home, "render", bank, "--out", tmp_path / "out", "--note", BAD_NOTE, "--held", 0.5)
    check(report["trust"], set(WRONG))
    files = sorted((tmp_path / "out").rglob("*.flac"))
    assert len(files) == GOOD
    assert all(audio.read(file).peak > 1e-3 for file in files)


def test_the_rest_of_such_a_bank_is_all_right(home: Path, bank: Path) -> None:
    """A plugin that does wrong on one note plays others: the fault is the note's, as it was said."""
    report = run(home, "render", bank / "aborts.fxp", "--out", home / "other", "--note", BAD_NOTE + 1, "--held", 0.5)
    assert report["trust"]["failures"] == []
