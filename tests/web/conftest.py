"""A real library of the built-in synth with one preset that makes no sound, and the server on it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from starlette.testclient import TestClient

from synthmatch import audio
from synthmatch.audio import Clip
from synthmatch.encoder import Encoder, EncoderConfig
from synthmatch.library import Library
from synthmatch.presets import faustsynth
from synthmatch.presets.bank import PresetBank
from synthmatch.presets.faustsynth import factory_bank_path
from synthmatch.presets.formats import native_format
from synthmatch.presets.preset import Preset
from synthmatch.renderers.pool import RenderPool
from synthmatch.web.app import create_app
from synthmatch.web.limits import Limits
from synthmatch.web.studio import Studio

_SMALL = EncoderConfig(channels=(8, 8, 8), blocks=(1, 1, 1), width=16, layers=1, heads=2, dimension=24)
_PRESETS = 12
LIMITS = replace(Limits(), upload_bytes=20_000_000, song_seconds=60.0, waiting=30, matches=9)


@dataclass(frozen=True)
class Made:
    """Made once: to be read, not changed.

    Args:
        library: of 12 sounds, and "Mute", which makes none.
        model: the encoder's file.
        bank: of three more presets.
        song: 6 seconds of two presets of the library.
    """

    library: Path
    model: Path
    bank: Path
    song: Path


@pytest.fixture(scope="session")
def encoder() -> Encoder:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        encoder = Encoder(_SMALL).eval()
        for family in ("bass", "pad"):
            encoder.family_bias[_SMALL.families.index(family)] = 5
    return encoder


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory, encoder: Encoder) -> Made:
    folder = tmp_path_factory.mktemp("web")
    made = Made(folder / "library", folder / "encoder.safetensors", folder / "more.faustpatch", folder / "song.flac")
    encoder.save(made.model)
    presets = list(PresetBank.read(factory_bank_path()))
    native_format("faust").write(made.bank, presets[5:8])
    mute = Preset("Mute", faustsynth.make_state({"osc1_level": 0, "level": -48}))
    native_format("faust").write(folder / "some.faustpatch", [*presets[:: len(presets) // _PRESETS][:_PRESETS], mute])
    with Library.create(made.library) as library, RenderPool(1) as pool:
        library.add(PresetBank.read(folder / "some.faustpatch"), encoder, pool)
        first, second = (library.preview(each.id).samples for each in library.presets()[:2])
    audio.write(made.song, Clip((first + second) * np.float32(0.4), 44_100).between(0, 6))
    return made


@pytest.fixture
def studio(made: Made, encoder: Encoder, tmp_path: Path) -> Iterator[Studio]:
    """The rooms, on a library of this test's own."""
    shutil.copytree(made.library, tmp_path / "library")
    with Studio(tmp_path / "library", encoder, LIMITS) as studio:
        yield studio


@pytest.fixture
def client(studio: Studio) -> Iterator[TestClient]:
    """A client on this machine."""
    with TestClient(create_app(studio), base_url="http://127.0.0.1") as client:
        yield client
