"""A library measures whether its presets sound the same twice, and keeps what it found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from synthmatch.cli import run
from synthmatch.library.library import Library
from synthmatch.networks.encoder import Encoder
from synthmatch.presets import faustsynth
from synthmatch.presets.bank import PresetBank
from synthmatch.presets.catalogue import Engine, Isolation, Parameter, Synth, synths_file
from synthmatch.presets.formats import native_format
from synthmatch.presets.formats.vst2 import Vst2File
from synthmatch.presets.ownsynths import write_synth
from synthmatch.presets.preset import Preset
from synthmatch.presets.randompatches import random_patches
from synthmatch.renderers.pool import RenderPool

PARAMETERS = tuple(Parameter(name, 0.5) for name in ("Shape", "Colour", "Master Tune", "Wet", "Wet 2"))
COUNT = 6


@pytest.fixture
def add_bank(
    running_plugin: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., PresetBank]:
    """Names a compiled synth in synths.toml, and writes a bank of it."""
    monkeypatch.setenv("SYNTHMATCH_HOME", str(tmp_path / "home"))

    def make(*definitions: str) -> PresetBank:
        plugin = running_plugin(*definitions)
        row = Synth("runner", "Runner", Engine.PLUGIN, (".fxp",), "", Isolation.FORK, str(plugin), "RunS")
        row = replace(row, parameters=PARAMETERS, settle=0.1)
        write_synth(synths_file(), row)
        path = tmp_path / "some.fxb"
        Vst2File(".fxb").write(path, random_patches(row, COUNT))
        return PresetBank.read(path)

    return make


def test_a_synth_that_never_sounds_the_same_is_found_out_and_all_of_its_bank_measured(
    add_bank: Callable[..., PresetBank], encoder: Encoder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bank = add_bank("NEVER_AGAIN")
    with Library.create(tmp_path / "library") as library, RenderPool(2) as pool:
        report = library.add(bank, encoder=encoder, pool=pool)
        assert report.rendered == COUNT
        (repeats,) = report.trust.repeats
        assert repeats.tried == COUNT  # one of the sample differed, so all were rendered twice
        assert repeats.exact < COUNT
        assert repeats.spread > 0.1
        assert library.spreads().keys() == {preset.id for preset in bank}
        assert max(library.spreads().values()) == repeats.spread
        assert (
            library.add(bank, encoder=encoder, pool=pool).trust.repeats == report.trust.repeats
        )  # known: nothing again
    assert run(["library", "show", "runner", "--library", str(tmp_path / "library")]) == 0
    shown = capsys.readouterr().out
    assert shown.count("dB apart when rendered twice") == COUNT - repeats.exact


def test_of_one_that_does_a_sample_is_enough(
    add_bank: Callable[..., PresetBank], encoder: Encoder, tmp_path: Path
) -> None:
    bank = add_bank()
    with Library.create(tmp_path / "library") as library, RenderPool(2) as pool:
        (repeats,) = library.add(bank, encoder=encoder, pool=pool).trust.repeats
        assert (repeats.tried, repeats.exact, repeats.spread) == (2, 2, 0.0)
        assert list(library.spreads().values()) == [0.0, 0.0]


def test_a_preset_that_is_the_synth_by_itself_is_named(encoder: Encoder, pool: RenderPool, tmp_path: Path) -> None:
    factory = PresetBank.read(faustsynth.factory_bank_path()).presets
    presets = [Preset("Init", faustsynth.make_state({})), factory[3]]
    path = tmp_path / "two.faustpatch"
    native_format(faustsynth.SYNTH).write(path, presets)
    with Library.create(tmp_path / "library") as library:
        report = library.add(PresetBank.read(path), encoder=encoder, pool=pool)
        assert [each.name for each in report.trust.plain] == ["Init"]
        assert report.rendered == 2  # it plays, so it can be matched like any other
