import re
from dataclasses import replace

import numpy as np
import pytest

from synthmatch.notes import REFERENCE_NOTES
from synthmatch.presets import faustsynth
from synthmatch.presets.bank import PresetBank
from synthmatch.presets.catalogue import SYNTHS
from synthmatch.presets.formats import amsynth, dx7voice
from synthmatch.presets.knobs import panel_of
from synthmatch.presets.preset import State
from synthmatch.presets.randompatches import random_patches
from synthmatch.renderers.pool import RenderPool
from synthmatch.renderers.synths import bank_folders, is_installed
from synthmatch.training.recorded import instruments
from synthmatch.training.recorded.notebank import NoteBank, note_job
from synthmatch.training.recorded.variants import Counts, Parent, VariantGate, make_variants, read_variants
from synthmatch.training.split import Label

ALL = Counts(dry=1, perturbed=2, crossed=2, random=1)


def parent(state, family="bass", side="train"):
    return Parent(state, Label(state.id, state.synth, family, "field", state.id, side))


def voices():
    rng = np.random.default_rng(0)
    return [State("dx7", bytes(int(rng.integers(row.maximum + 1)) for row in dx7voice.PARAMETERS)) for _ in range(6)]


KNOBS = amsynth.parameter_table()
STATES = {
    "faust": [preset.state for preset in PresetBank.read(faustsynth.factory_bank_path())][:8],
    "amsynth": [
        amsynth.make_state({row.name: row.minimum + share * (row.maximum - row.minimum) for row in KNOBS})
        for share in np.linspace(0, 1, 8)
    ],
    "dx7": voices(),
    "nekobi": [preset.state for preset in random_patches(SYNTHS["nekobi"], 8)],
}
every_synth = pytest.mark.parametrize("synth", STATES)


@every_synth
def test_a_panel_gives_back_the_state_that_it_read(synth):
    for state in STATES[synth]:
        panel = panel_of(state)
        assert panel.write(panel.read(state)) == state
        assert len(panel.knobs) == len(panel.read(state))


@every_synth
def test_perturbed_presets_keep_tuning_and_volume_and_their_ranges(synth):
    panel = panel_of(STATES[synth][0])
    held = [place for place, knob in enumerate(panel.knobs) if knob.held]
    assert held
    moved = 0
    for turn in range(50):
        state = STATES[synth][turn % len(STATES[synth])]
        before, after = panel.read(state), panel.read(panel.perturbed(state, np.random.default_rng(turn)))
        assert [before[place] for place in held] == [after[place] for place in held]
        assert all(knob.minimum <= value <= knob.maximum for knob, value in zip(panel.knobs, after, strict=True))
        moved = max(moved, sum(one != other for one, other in zip(before, after, strict=True)))
    assert 2 <= moved < 7


@every_synth
def test_each_knob_of_a_crossed_preset_is_a_parents(synth):
    panel = panel_of(STATES[synth][0])
    first, second = STATES[synth][1], STATES[synth][4]
    taken = set()
    for turn in range(20):
        child = panel.read(panel.crossed(first, second, np.random.default_rng(turn)))
        rows = list(zip(child, panel.read(first), panel.read(second), panel.knobs, strict=True))
        assert all(value in (one, other) for value, one, other, _ in rows)
        taken |= {knob.section for value, one, other, knob in rows if value == other != one}
    assert taken  # something of the second parent is there


def test_sections_are_inherited_whole():
    panel = panel_of(STATES["amsynth"][0])
    first, second = STATES["amsynth"][0], STATES["amsynth"][-1]
    whole = 0
    for turn in range(20):
        child = panel.read(panel.crossed(first, second, np.random.default_rng(turn)))
        rows = list(zip(child, panel.read(first), panel.knobs, strict=True))
        from_first = {section: set() for section in {knob.section for knob in panel.knobs}}
        for value, one, knob in rows:
            from_first[knob.section].add(value == one)
        whole += all(len(each) == 1 for each in from_first.values())
    assert 8 <= whole <= 19


@every_synth
def test_variants_are_made_of_kin_and_always_the_same(synth):
    parents = [parent(state, family) for family, state in zip("abababab", STATES[synth], strict=False)]
    made = make_variants(parents, ALL, seed=3)
    assert made == make_variants(parents[::-1], ALL, seed=3)
    assert made.keys() != make_variants(parents, ALL, seed=4).keys()
    families = {each.state.id: each.label.family for each in parents}
    assert {variant.kind for variant in made.values()} >= {"perturbed", "crossed"}
    for key, variant in made.items():
        assert variant.id == key
        assert {families[each] for each in variant.parents} == {variant.family}
        assert key not in families
        assert variant.state.synth == synth


def test_presets_without_effects_have_no_dry_variant():
    wet = faustsynth.make_state({"reverb_mix": 0.4})
    dry = faustsynth.make_state({"reverb_mix": 0.0})
    (made,) = make_variants([parent(wet), parent(dry)], Counts(dry=1)).values()
    assert made.state == wet
    assert made.parents == (wet.id,)
    assert not made.effects
    assert made.id != wet.id


def test_a_dry_variant_sounds_like_the_preset_whose_effects_are_turned_down():
    wet = faustsynth.make_state({"reverb_mix": 0.6, "delay_mix": 0.3})
    dry = faustsynth.make_state({})
    (made,) = make_variants([parent(wet)], Counts(dry=1)).values()
    with RenderPool(1) as pool:
        jobs = [note_job(made.state, REFERENCE_NOTES[:1], made.effects), note_job(dry, REFERENCE_NOTES[:1])]
        one, other = pool.render(jobs)
    assert np.allclose(one.clips[0].samples, other.clips[0].samples, atol=1e-6)


@pytest.fixture
def heard(tmp_path):
    """Three presets of the built-in synth, really recorded: one of each side."""
    sides = {
        "train": faustsynth.make_state({"filter_cutoff": 900.0}),
        "test": faustsynth.make_state({"osc1_shape": 0.0, "noise_level": 0.7}),
        "valid": faustsynth.make_state({"osc1_level": 0.0, "string_level": 1.0}),
    }
    bank = NoteBank(tmp_path)
    states = {state.id: state for state in sides.values()}
    with RenderPool(1) as pool:
        bank.record(states, dict.fromkeys(states, REFERENCE_NOTES), pool.render)
    labels = {state.id: parent(state, side=side).label for side, state in sides.items()}
    return bank, sides, labels


def judge(heard, state, folder):
    """What the gate says of a variant of the preset on the training side."""
    bank, sides, labels = heard
    base = next(iter(make_variants([parent(sides["train"])], Counts(perturbed=1)).values()))
    variant = replace(base, state=state)
    gate = VariantGate({variant.id: variant}, labels, bank, folder / "variants.jsonl")
    with RenderPool(1) as pool:
        (result,) = pool.render([note_job(state, REFERENCE_NOTES)])
    refusal = gate.refusal(variant.id, result)
    gate.commit()
    return refusal, read_variants(folder / "variants.jsonl").get(variant.id)


@pytest.mark.parametrize("side", ["test", "valid"])
def test_a_variant_near_a_preset_that_is_asked_for_is_dropped(heard, side, tmp_path):
    values = faustsynth.values_of(heard[1][side])
    near = faustsynth.make_state({**values, "amp_release": values["amp_release"] * 1.05})
    refusal, label = judge(heard, near, tmp_path)
    assert heard[1][side].id in refusal
    assert label is None


def test_a_variant_that_sounds_like_its_parent_is_dropped(heard, tmp_path):
    louder = faustsynth.make_state({"filter_cutoff": 900.0, "level": -9.0})
    refusal, label = judge(heard, louder, tmp_path)
    assert "like its parent" in refusal
    assert label is None


def test_a_variant_near_its_parent_joins_its_cluster_and_another_has_its_own(heard, tmp_path):
    apart = {}
    for cutoff in (1000.0, 3000.0):
        refusal, kept = judge(heard, faustsynth.make_state({"filter_cutoff": cutoff}), tmp_path / str(cutoff))
        assert refusal == ""
        assert (kept.label.side, kept.label.family, kept.label.source) == ("train", "bass", "perturbed")
        assert kept.parents == (heard[1]["train"].id,)
        apart[cutoff] = kept.label.cluster
    assert apart[1000.0] == heard[1]["train"].id
    assert apart[3000.0] == faustsynth.make_state({"filter_cutoff": 3000.0}).id


def instrument(engine, cutoff, version="2", effect="0"):
    """A ZynAddSubFX instrument with one engine that has a filter."""
    switch = {"ADD_SYNTH_PARAMETERS": "add", "SUB_SYNTH_PARAMETERS": "sub"}[engine]
    text = (
        f'<ZynAddSubFX-data version-major="{version}"><INSTRUMENT><INSTRUMENT_KIT><INSTRUMENT_KIT_ITEM id="0">'
        f'<par_bool name="enabled" value="yes" /><par_bool name="{switch}_enabled" value="yes" /><{engine}>'
        f'<FILTER_PARAMETERS><FILTER><par name="freq" value="{cutoff}" /><par name="q" value="{cutoff}" /></FILTER>'
        f"</FILTER_PARAMETERS></{engine}></INSTRUMENT_KIT_ITEM></INSTRUMENT_KIT><INSTRUMENT_EFFECTS>"
        f'<INSTRUMENT_EFFECT id="0"><EFFECT><par name="type" value="{effect}" /></EFFECT></INSTRUMENT_EFFECT>'
        f"</INSTRUMENT_EFFECTS></INSTRUMENT></ZynAddSubFX-data>"
    )
    return State("zynaddsubfx", text.encode())


def test_instruments_exchange_blocks_that_both_have():
    first, second = instrument("ADD_SYNTH_PARAMETERS", 10), instrument("ADD_SYNTH_PARAMETERS", 90)
    found = {instruments.crossed(first, second, np.random.default_rng(turn)) for turn in range(30)}
    assert found == {first, second}
    other = instrument("SUB_SYNTH_PARAMETERS", 90, effect="3")
    mixed = {instruments.crossed(first, other, np.random.default_rng(turn)) for turn in range(30)}
    assert mixed == {first, instrument("ADD_SYNTH_PARAMETERS", 10, effect="3")}


def test_instruments_of_two_versions_are_not_crossed():
    parents = [parent(instrument("ADD_SYNTH_PARAMETERS", 10 * each, str(each))) for each in range(1, 5)]
    assert make_variants(parents, Counts(crossed=3)) == {}


def test_a_perturbed_instrument_differs_in_values_within_midis_range():
    for turn in range(30):
        state = instruments.perturbed(instrument("ADD_SYNTH_PARAMETERS", 120), np.random.default_rng(turn))
        numbers = [int(each) for each in re.findall(r'name="(?:freq|q)" value="(-?\d+)"', state.data.decode())]
        assert len(numbers) == 2
        assert all(0 <= each <= 127 for each in numbers)


def test_only_effects_that_do_something_count():
    assert not instruments.has_effects(instrument("ADD_SYNTH_PARAMETERS", 10))
    assert instruments.has_effects(instrument("ADD_SYNTH_PARAMETERS", 10, effect="8"))


@pytest.mark.plugin
@pytest.mark.parametrize("synth", ["amsynth", "zynaddsubfx"])
def test_variants_of_real_presets_sound(synth):
    row = SYNTHS[synth]
    if not is_installed(row) or not bank_folders(row):
        pytest.skip(f"{row.title} or its banks aren't here: {row.remedy}")
    file = sorted(path for path in bank_folders(row)[0].rglob(f"*{row.files[0]}"))[0]
    presets = PresetBank.read(file if synth == "amsynth" else file.parent).presets[:8]
    made = make_variants([parent(preset.state) for preset in presets], ALL)
    chosen = {variant.kind: variant for variant in made.values()}
    assert set(chosen) >= {"dry", "perturbed", "crossed"}
    with RenderPool(1) as pool:
        jobs = [note_job(each.state, REFERENCE_NOTES[2:3], each.effects) for each in chosen.values()]
        results = list(pool.render(jobs))
    assert sum(result.ok for result in results) >= len(results) - 1, [result.reason for result in results]
