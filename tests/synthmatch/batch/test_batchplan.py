"""What files are called: by their presets, each another one on every file system, always the same."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthmatch.batch.batchplan import Effects, RenderPlan, outline
from synthmatch.batch.mastering import Format
from synthmatch.errors import PresetError, SynthError
from synthmatch.library.choice import Choice
from synthmatch.presets import faustsynth
from synthmatch.presets.bank import PresetBank
from synthmatch.presets.catalogue import SYNTHS
from synthmatch.presets.preset import Preset, State
from synthmatch.renderers.synths import can_switch_effects_off, is_installed

STATE = faustsynth.make_state({})
WET = RenderPlan(form=Format.WAV)
BOTH = RenderPlan(form=Format.WAV, effects=Effects.BOTH)


def files(*presets: tuple[str, str], plan: RenderPlan = WET) -> list[str]:
    """The files of presets given as (bank, name)."""
    bank = PresetBank(tuple(Preset(name, STATE, bank) for bank, name in presets))
    return [target.entry.file for target in outline(bank, plan, SYNTHS).targets]


def test_collisions_are_numbered_in_the_order_of_the_bank() -> None:
    names = ("Lead", "lead", "Lead (2)", "LEAD", "a/b", "a:b", "", "..", "con")
    assert files(*(("bank", name) for name in names)) == [
        *("Lead.wav", "lead (2).wav", "Lead (2) (2).wav", "LEAD (3).wav", "a_b.wav", "a_b (2).wav"),
        *("unnamed.wav", "unnamed (2).wav", "_con.wav"),
    ]


def test_a_name_that_ends_like_a_twin_without_effects() -> None:
    assert files(("", "Lead"), ("", "Lead (effects off)"), plan=BOTH) == [
        *("Lead.wav", "Lead (effects off).wav"),
        *("Lead (effects off) (2).wav", "Lead (effects off) (2) (effects off).wav"),
    ]


def test_several_banks_get_a_folder_each() -> None:
    assert files(("Soft", "Pad"), ("soft", "Pad"), ("Soft", "pad"), ("../up", "x")) == [
        *("Soft/Pad.wav", "soft (2)/Pad.wav", "Soft/pad (2).wav", "_up/x.wav"),
    ]
    assert files(("Soft", "Pad"), ("Soft", "Lead")) == ["Pad.wav", "Lead.wav"]


def test_a_bank_stays_where_it_is_and_no_other_takes_its_folder() -> None:
    bank = PresetBank(tuple(Preset("Pad", STATE, name) for name in ("Soft", "Hard", "New")))
    places = {("faust", "Soft"): "", ("faust", "Hard"): "Hard (2)/", ("dx7", "new"): "new/"}
    found = [target.entry.file for target in outline(bank, WET, SYNTHS, places).targets]
    assert found == ["Pad.wav", "Hard (2)/Pad.wav", "New (2)/Pad.wav"]


names = st.text("aA(2)é /.ß", max_size=6) | st.text()


@given(st.lists(st.tuples(st.sampled_from(("A", "a", "B")), names), max_size=12))
def test_no_two_files_share_a_name_anywhere(presets: list[tuple[str, str]]) -> None:
    found = files(*presets, plan=BOTH)
    assert len({file.casefold() for file in found}) == 2 * len(presets)
    assert all(len(part.encode()) <= 255 for file in found for part in file.split("/"))
    wet = files(*presets)
    assert found[::2] == wet  # what else is rendered changes no name
    assert files(*presets, plan=replace(BOTH, effects=Effects.OFF)) == found[1::2]


def test_a_name_of_many_bytes_is_cut() -> None:
    (file,) = files(("", "𝄞" * 80))
    assert len(file.encode()) == 200 + len(".wav")


def test_a_file_is_called_the_same_whichever_presets_are_chosen() -> None:
    presets = (("Soft", "Pad"), ("Hard", "Bass"), ("Soft", "pad"), ("Soft", "Lead"))
    assert files(*presets) == ["Soft/Pad.wav", "Hard/Bass.wav", "Soft/pad (2).wav", "Soft/Lead.wav"]
    last = replace(WET, choice=Choice(banks=("soft",), words=("A",)))
    assert files(*presets[1:3], plan=last) == ["Soft/pad.wav"]
    assert files(*presets, plan=last) == ["Soft/Pad.wav", "Soft/pad (2).wav", "Soft/Lead.wav"]
    with pytest.raises(PresetError, match=r"^None of the 4 presets is of word organ\.$"):
        files(*presets, plan=replace(WET, choice=Choice(words=("organ",))))


def test_which_effects_can_be_switched_off() -> None:
    able = {row.id for row in SYNTHS.values() if can_switch_effects_off(row)}
    assert able == {"amsynth", "zynaddsubfx", "vital", "faust"}
    assert can_switch_effects_off(replace(SYNTHS["kars"], effects_off=(("Reverb", 0.0),)))


@pytest.mark.skipif(not is_installed(SYNTHS["dx7"]), reason=f"DX7 isn't there: {SYNTHS['dx7'].remedy}")
def test_synths_without_a_switch_are_named_once_and_rendered_as_they_are() -> None:
    bank = PresetBank(tuple(Preset(name, State("dx7", name.encode())) for name in ("one", "two")))
    both = outline(bank, BOTH, SYNTHS)
    assert [target.entry.file for target in both.targets] == ["one.wav", "two.wav"]
    assert both.without_switch == (SYNTHS["dx7"],)
    off = outline(bank, replace(BOTH, effects=Effects.OFF), SYNTHS)
    assert (off.targets, off.without_switch) == ((), (SYNTHS["dx7"],))
    assert outline(bank, RenderPlan(), SYNTHS).without_switch == ()


def test_a_synth_that_nobody_knows() -> None:
    bank = PresetBank((Preset("Lead", State("moog", b""), file=Path("moog.bank")),))
    with pytest.raises(SynthError, match="No synth called moog is known"):
        outline(bank, RenderPlan(), SYNTHS)
