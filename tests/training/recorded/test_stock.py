"""Which presets training may know, and their labels."""

import pytest

from synthmatch.errors import TrainingError
from synthmatch.presets import faustsynth
from synthmatch.presets.formats import native_format
from synthmatch.presets.formats.dx7voice import INITIAL
from synthmatch.presets.formats.faustpatch import FaustPatch
from synthmatch.presets.preset import Preset
from synthmatch.training.recorded.dataplan import DataPlan
from synthmatch.training.recorded.stock import stock
from synthmatch.training.split import hash_side


def test_stock_leaves_out_presets_without_a_family_and_outside_checks(tmp_path):
    states = [faustsynth.make_state({"filter_cutoff": 500.0 + each}) for each in range(3)]
    mine, outside = tmp_path / "mine", tmp_path / "Yoshimi banks"
    FaustPatch().write(mine / "a.faustpatch", [Preset("Bass", states[0]), Preset("Untold", states[1])])
    FaustPatch().write(outside / "b.faustpatch", [Preset("Bass", states[2])])
    plan = DataPlan(synths=("faust",), banks=(tmp_path,), own_only=True)
    found = stock(plan)
    assert list(found.states) == [states[0].id]
    assert found.labels[states[0].id].family == "bass"
    assert found.labels[states[0].id].side == hash_side(states[0].id)


def test_a_bank_of_which_nothing_would_be_recorded_is_named(tmp_path):
    FaustPatch().write(tmp_path / "mine.faustpatch", [Preset("Bass", faustsynth.make_state({}))])
    other = tmp_path / "other.syx"
    native_format("dx7").write(other, [Preset("BASS 1", INITIAL)])
    for banks in ((tmp_path / "mine.faustpatch",), (tmp_path,)):
        assert stock(DataPlan(synths=("amsynth", "faust"), banks=banks, own_only=True)).states
    with pytest.raises(TrainingError, match=r"other\.syx holds no presets of faust, .* name the bank's own synths"):
        stock(DataPlan(synths=("faust",), banks=(tmp_path, other), own_only=True))


def test_a_plan_without_presets_says_what_to_install():
    with pytest.raises(TrainingError, match="no presets of dx7 here"):
        stock(DataPlan(synths=("dx7",), own_only=True))


def test_a_synth_that_nobody_knows_is_named_and_not_passed_over():
    with pytest.raises(TrainingError, match=r"no synth called  soundfont, amsynt;"):
        stock(DataPlan(synths=("faust", "amsynt", " soundfont")))
