"""Random patches: the same for a seed, in range, in tune and audible; a bank that any host opens."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthmatch.errors import PresetError
from synthmatch.presets.bank import PresetBank
from synthmatch.presets.catalogue import SYNTHS, Parameter, Synth
from synthmatch.presets.formats.vst2 import plugin_file
from synthmatch.presets.preset import Preset
from synthmatch.presets.randompatches import is_held, random_bank_path, random_patches, write_random_bank
from synthmatch.sources import read_sources

NEKOBI = SYNTHS["nekobi"]


def values(preset: Preset) -> tuple[float, ...]:
    return plugin_file(preset.state).programs[0].values


@given(
    st.lists(st.builds(Parameter, st.sampled_from(["Cutoff", "Tune", "Q"]), st.floats(0, 1)), min_size=1),
    st.integers(0, 5),
)
def test_values_are_in_range_and_what_is_held_stays(parameters: list[Parameter], seed: int) -> None:
    row = replace(NEKOBI, parameters=(*parameters, Parameter("Decay", 0.5)))
    for preset in random_patches(row, 3, seed):
        drawn = values(preset)
        assert len(drawn) == len(row.parameters)
        for value, each in zip(drawn, row.parameters, strict=True):
            assert 0 <= value <= 1
            if each.name == "Tune":
                assert value == float(np.float32(each.default))


def test_a_seed_is_a_bank() -> None:
    first = random_patches(NEKOBI, 30)
    assert first == random_patches(NEKOBI, 30) == random_patches(NEKOBI, 50)[:30]
    assert not {preset.id for preset in first} & {preset.id for preset in random_patches(NEKOBI, 30, seed=1)}
    assert len({preset.id for preset in first}) == 30
    assert [preset.name for preset in first[:2]] == ["Nekobi random 001", "Nekobi random 002"]
    # Golden: a bank that libraries already hold must not change. The cutoffs of the first three.
    assert [round(values(preset)[2], 4) for preset in first[:3]] == [0.6342, 0.3, 0.6245]


def test_wild_and_careful_patches_are_both_there() -> None:
    drawn = np.array([values(preset) for preset in random_patches(NEKOBI)])
    free = [place for place, each in enumerate(NEKOBI.parameters) if not is_held(each.name)]
    assert len(free) == 6
    assert drawn[:, free].min(0).max() < 0.1
    assert drawn[:, free].max(0).min() > 0.9
    away = np.abs(drawn[:, free] - [NEKOBI.parameters[place].default for place in free])
    assert 0.3 < (away < 0.16).mean() < 0.9


@pytest.mark.parametrize("name", ["Volume", "OSC 2 Octave", "master_tune", "oscPitch", "MIDI CC 0|12", "Bypass", "Pan"])
def test_pitch_level_and_plumbing_are_held(name: str) -> None:
    assert is_held(name)


@pytest.mark.parametrize("name", ["Cutoff", "Attack", "Companding", "Detune", "Pulse Width", "Expander", "Gains"])
def test_sound_design_is_not(name: str) -> None:
    assert not is_held(name)


def test_what_can_not_be_made_up() -> None:
    with pytest.raises(PresetError, match="Nekobi can't be made up, since it is a VST3 plugin; give some"):
        random_patches(replace(NEKOBI, files=(".vstpreset",)))
    for parameters in ((), (Parameter("Volume", 1.0),)):
        with pytest.raises(PresetError, match="no parameters of which presets could be made up"):
            random_patches(replace(NEKOBI, parameters=parameters))


@pytest.mark.parametrize(
    "title", ["A title that is far too long for a program", "Größe Übersynth, noch größer", "Синтезатор Про"]
)
def test_the_bank_reads_back(title: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every patch under a name of its own, of as many bytes as a program's may have."""
    monkeypatch.setenv("SYNTHMATCH_HOME", str(tmp_path))
    row: Synth = replace(NEKOBI, id="mine", title=title)
    path = write_random_bank(row, 12)
    assert path == random_bank_path(row) == tmp_path / "banks" / "mine" / f"{row.title} random.fxb"
    bank = PresetBank.read(path, known={"mine": row})
    made = random_patches(row, 12)
    for read, each in zip(bank, made, strict=True):
        assert (read.name, read.state, read.slot) == (each.name, each.state, each.slot)
    assert len({each.name for each in made}) == 12


@pytest.mark.plugin
def test_a_known_synth_without_banks_gets_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYNTHMATCH_HOME", str(tmp_path))
    bank = read_sources(["nekobi"])
    assert len(bank) == 200
    assert {preset.synth for preset in bank} == {"nekobi"}
    before = random_bank_path(NEKOBI).stat().st_mtime_ns
    assert read_sources(["nekobi"]).presets == bank.presets
    assert random_bank_path(NEKOBI).stat().st_mtime_ns == before  # it isn't written again
