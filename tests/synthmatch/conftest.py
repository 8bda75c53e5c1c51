"""What the tests of libraries share: a small real encoder, banks of the built-in synth, a filled library."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from synthmatch.library.library import Library
from synthmatch.networks.encoder import Encoder, EncoderConfig
from synthmatch.presets import faustsynth
from synthmatch.presets.bank import PresetBank
from synthmatch.presets.formats import native_format
from synthmatch.presets.preset import Preset
from synthmatch.renderers.pool import RenderPool

_SMALL = EncoderConfig(channels=(8, 8, 8), blocks=(1, 1, 1), width=16, layers=1, heads=2, dimension=24)
_NAMES = ("Deep Bass", "Solo Lead", "Thing")  # labelled bass, labelled lead, and not labelled


def small_encoder(seed: int) -> Encoder:
    """An untrained encoder; another seed gives another one."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        encoder = Encoder(_SMALL).eval()
        with torch.no_grad():  # untrained, every family is as probable as the others: tell them apart
            encoder.presence_weight.normal_(std=0.5)
            encoder.family_hidden_weight.normal_()
            encoder.family_weight.normal_(std=0.2)
            encoder.attention.weight.normal_(std=0.5)
    return encoder


def write_bank(path: Path, count: int, first: int = 0) -> PresetBank:
    """Write ``count`` different sounds of the built-in synth, numbered from ``first``, and read them."""
    presets = []
    for number in range(first, first + count):
        values = {
            "osc1_shape": number % 4,
            "fm_index": number // 4 % 5 * 2,
            "noise_level": number % 3 * 0.2,
            "filter_cutoff": 4000 / (1 + number // 20),
        }
        presets.append(Preset(f"{_NAMES[number % 3]} {number}", faustsynth.make_state(values)))
    native_format(faustsynth.SYNTH).write(path, presets)
    return PresetBank.read(path)


@pytest.fixture(scope="session")
def encoder() -> Encoder:
    return small_encoder(0)


@pytest.fixture(scope="session")
def other_encoder() -> Encoder:
    return small_encoder(1)


@pytest.fixture(scope="session")
def pool() -> Iterator[RenderPool]:
    with RenderPool(1) as pool:
        yield pool


@pytest.fixture(scope="session")
def bank(tmp_path_factory: pytest.TempPathFactory) -> PresetBank:
    """Nine sounds in a bank called "nine"."""
    return write_bank(tmp_path_factory.mktemp("banks") / "nine.faustpatch", 9)


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory, bank: PresetBank, encoder: Encoder, pool: RenderPool) -> Path:
    """A library of the bank: to be read, not changed."""
    path = tmp_path_factory.mktemp("filled") / "library"
    with Library.create(path) as library:
        library.add(bank, encoder=encoder, pool=pool)
    return path


@pytest.fixture
def library(filled: Path, tmp_path: Path) -> Iterator[Library]:
    """A library of the bank, for this test alone."""
    shutil.copytree(filled, tmp_path / "library")
    with Library.open(tmp_path / "library") as library:
        yield library


@pytest.fixture(scope="session")
def bank_writer() -> Callable[..., PresetBank]:
    """``write_bank(path, count, first=0)``."""
    return write_bank


@pytest.fixture(scope="session")
def flipped() -> Callable[[bytes, int], bytes]:
    """``flipped(data, bit)``: with one wrong bit."""

    def flip(data: bytes, bit: int) -> bytes:
        wrong = bytearray(data)
        wrong[bit // 8] ^= 1 << bit % 8
        return bytes(wrong)

    return flip
