import pytest

from synthmatch.errors import TrainingError
from synthmatch.presets import faustsynth
from synthmatch.presets.formats.faustpatch import FaustPatch
from synthmatch.presets.preset import Preset
from synthmatch.training.recorded.clusters import PRESETS, read_presets
from synthmatch.training.recorded.corpus import open_corpus
from synthmatch.training.recorded.dataplan import DataPlan
from synthmatch.training.recorded.recording import gather
from synthmatch.training.split import Label, hash_side, write_labels


@pytest.fixture
def twins(monkeypatch):
    """The states of a test preset whose label is frozen, and of one that sounds nearly like it and whose own hash would
    have it trained on."""
    states = [faustsynth.make_state({"filter_cutoff": 900.0 + each}) for each in range(60)]
    judged = states[0]
    twin = next(each for each in states[1:] if hash_side(each.id) == "train")
    known = {judged.id: Label(judged.id, "faust", "bass", "name", judged.id, "test")}
    for module in ("clusters", "recording", "stock"):
        monkeypatch.setattr(f"synthmatch.training.recorded.{module}.frozen", lambda: known)
    return judged, twin


def test_a_twin_of_a_frozen_preset_is_on_its_side(tmp_path, twins):
    """As in another edition of a bank, where nearly all presets have other ids."""
    judged, twin = twins
    bank = [Preset(f"Bass {each}", state) for each, state in enumerate((judged, twin))]
    FaustPatch().write(tmp_path / "edition.faustpatch", bank)
    plan = DataPlan(0, synths=("faust",), banks=(tmp_path,), own_only=True)
    label = gather(tmp_path / "data", plan, 1, for_benchmark=False).labels[twin.id]
    assert (label.cluster, label.side) == (judged.id, "test")


def test_a_twin_is_found_though_the_frozen_preset_is_recorded_later(tmp_path, twins):
    judged, twin = twins
    plans = []
    for name, state in (("mine", twin), ("debian", judged)):
        FaustPatch().write(tmp_path / f"{name}.faustpatch", [Preset("Bass", state)])
        plans.append(DataPlan(0, synths=("faust",), banks=(tmp_path / f"{name}.faustpatch",), own_only=True))
    labels = [gather(tmp_path / "data", plan, 1, for_benchmark=False).labels for plan in plans]
    assert labels[0][twin.id].side == "train"
    assert judged.id in labels[1]
    label = open_corpus(tmp_path / "data", 0).labels[twin.id]
    assert (label.cluster, label.side) == (judged.id, "test")


def test_damaged_labels_of_a_folder_are_named(tmp_path):
    path = tmp_path / PRESETS
    write_labels(path, [Label("a" * 20, "faust", "bass", "name", "a" * 20, "train")])
    assert read_presets(tmp_path)
    path.write_text(path.read_text()[:-4])
    with pytest.raises(TrainingError, match=r"is on no side.*delete it, and record again"):
        read_presets(tmp_path)
