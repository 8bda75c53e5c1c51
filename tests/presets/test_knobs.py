"""Knobs: where they stand, and which of them may move. Panels themselves are tested with the variants made by them."""

from __future__ import annotations

import numpy as np
import pytest

from synthmatch.presets import faustsynth
from synthmatch.presets.bank import PresetBank
from synthmatch.presets.catalogue import SYNTHS
from synthmatch.presets.formats import amsynth
from synthmatch.presets.knobs import KEPT, Knob, Panel, movable, panel_of
from synthmatch.presets.preset import State
from synthmatch.presets.randompatches import random_patches

STATES = {
    "amsynth": amsynth.make_state({}),
    "faust": faustsynth.make_state({}),
    "nekobi": random_patches(SYNTHS["nekobi"], 1)[0].state,
}


def panel(synth: str) -> Panel:
    found = panel_of(STATES[synth])
    assert found is not None
    return found


@pytest.mark.parametrize("synth", STATES)
def test_a_place_leads_back_to_its_value(synth: str) -> None:
    for knob in panel(synth).knobs:
        for place in np.linspace(0, 1, 7):
            value = knob.value(float(place))
            assert knob.minimum <= value <= knob.maximum
            assert knob.value(knob.place(value)) == pytest.approx(value)
        assert (knob.place(knob.minimum), knob.place(knob.maximum)) == (0, 1)
        assert knob.value(-1) == pytest.approx(knob.minimum)
        assert knob.value(2) == pytest.approx(knob.maximum)


def test_a_wide_knob_turns_in_equal_ratios() -> None:
    cutoff = Knob("cutoff", 20, 20_000)
    assert cutoff.value(1 / 3) == pytest.approx(200)
    assert cutoff.place(2_000) == pytest.approx(2 / 3)


def test_a_switch_has_few_positions() -> None:
    by_name = {knob.name: knob for knob in panel("amsynth").knobs}
    assert by_name["osc1_waveform"].is_switch
    assert not by_name["filter_cutoff"].is_switch
    assert not Knob("level", 0, 99, 1).is_switch  # a DX7's: turned, in steps
    assert by_name["osc1_waveform"].value(0.6) == 2
    assert Knob("level", 0, 99, 1).value(0.501) == 50


@pytest.mark.parametrize("synth", STATES)
def test_every_preset_can_be_put_together_again_from_its_places(synth: str) -> None:
    faust = [each.state for each in PresetBank.read(faustsynth.factory_bank_path()).presets[::20]]
    for state in faust if synth == "faust" else [STATES[synth]]:
        values = panel(synth).read(state)
        places = [knob.place(value) for knob, value in zip(panel(synth).knobs, values, strict=True)]
        again = [knob.value(place) for knob, place in zip(panel(synth).knobs, places, strict=True)]
        assert again == pytest.approx(values)


@pytest.mark.parametrize("synth", KEPT)
def test_what_is_kept_is_there_and_does_not_move(synth: str) -> None:
    knobs = panel(synth).knobs
    moving = {knobs[place].name for place in movable(STATES[synth], panel(synth))}
    assert KEPT[synth] == {knob.name for knob in knobs} - moving


def test_of_other_plugins_volume_and_tuning_stay() -> None:
    knobs = panel("nekobi").knobs
    moving = {knobs[place].name for place in movable(STATES["nekobi"], panel("nekobi"))}
    assert moving == {"Waveform", "Cutoff", "VCF Resonance", "Env Mod", "Decay", "Accent"}


def test_a_bank_of_xml_has_no_knobs() -> None:
    assert panel_of(State("zynaddsubfx", b"<ZynAddSubFX-data/>")) is None
