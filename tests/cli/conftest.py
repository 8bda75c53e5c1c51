"""A real library of the built-in synth, made by the command line itself and embedded by a small real encoder."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from synthmatch import audio, cli
from synthmatch.audio import Clip
from synthmatch.library.library import Library
from synthmatch.networks.encoder import Encoder, EncoderConfig
from synthmatch.presets import catalogue
from synthmatch.presets.bank import PresetBank
from synthmatch.presets.faustsynth import factory_bank_path
from synthmatch.presets.formats import native_format
from synthmatch.renderers import synths

_SMALL = EncoderConfig(channels=(8, 8, 8), blocks=(1, 1, 1), width=16, layers=1, heads=2, dimension=24)
_PRESETS = 8


@dataclass(frozen=True)
class Place:
    """A home with a library; beside it two encoders' files, the bank, and a song of two of its presets.

    Args:
        made_by: what the command printed that made the library.
    """

    home: Path
    model: Path
    other_model: Path
    bank: Path
    song: Path
    made_by: subprocess.CompletedProcess[str]

    @property
    def library(self) -> Path:
        return self.home / "library"


@dataclass(frozen=True)
class Done:
    """What a command did: its exit status, stdout and stderr."""

    status: int
    out: str
    err: str


Run = Callable[..., Done]
WriteBank = Callable[[Path, int], Path]


def _save_encoder(path: Path, seed: int) -> Path:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        encoder = Encoder(_SMALL)
        for family in ("bass", "pad"):  # whatever a preset is labelled, it is found under these two as well
            encoder.family_bias[_SMALL.families.index(family)] = 5
        encoder.save(path)
    return path


def _write_bank(path: Path, count: int) -> Path:
    presets = PresetBank.read(factory_bank_path()).presets
    native_format("faust").write(path, presets[:: len(presets) // count][:count])
    return path


@pytest.fixture(scope="session")
def write_bank() -> WriteBank:
    """Writes so many factory presets, spread over the families."""
    return _write_bank


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """Made once: to be read, not changed."""
    folder = tmp_path_factory.mktemp("cli")
    model = _save_encoder(folder / "encoder.safetensors", 0)
    bank = _write_bank(folder / "some.faustpatch", _PRESETS)
    home = folder / "home"
    command = [sys.executable, "-m", "synthmatch", "library", "add", bank, "--model", model, "--workers", "1"]
    done = subprocess.run(command, env=os.environ | {"SYNTHMATCH_HOME": str(home)}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    with Library.open(home / "library") as library:
        first, second = (library.preview(each.id).samples for each in library.presets()[:2])
    song = folder / "song.flac"
    audio.write(song, Clip((first + second) * np.float32(0.4), 44_100).between(0, 6))
    return Place(home, model, _save_encoder(folder / "other.safetensors", 1), bank, song, done)


@pytest.fixture
def place(made: Place, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Place:
    """The same in a home of this test's own, and an empty current folder."""
    home = tmp_path / "home"
    shutil.copytree(made.home, home)
    monkeypatch.setenv("SYNTHMATCH_HOME", str(home))
    current = tmp_path / "current"
    current.mkdir()
    monkeypatch.chdir(current)
    return Place(home, made.model, made.other_model, made.bank, made.song, made.made_by)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command line in this process."""

    def run(*arguments: object) -> Done:
        capsys.readouterr()
        status = cli.run([str(each) for each in arguments])
        captured = capsys.readouterr()
        return Done(status, captured.out, captured.err)

    return run


@pytest.fixture
def no_plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine on which no folder holds a plugin, nor voices of the DX7, which a library plays without one."""
    monkeypatch.delenv("VST_PATH", raising=False)
    monkeypatch.setattr(synths, "_FOLDERS", {})
    bare = replace(catalogue.SYNTHS["dx7"], banks=())
    monkeypatch.setattr(catalogue, "SYNTHS", {**catalogue.SYNTHS, bare.id: bare})
