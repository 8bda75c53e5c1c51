import shutil
import subprocess
import sys
import time
from dataclasses import asdict, replace

import numpy as np
import pytest

from synthmatch.errors import TrainingError
from synthmatch.presets import faustsynth
from synthmatch.presets.bank import PresetBank
from synthmatch.presets.catalogue import SYNTHS
from synthmatch.presets.formats.faustpatch import FaustPatch
from synthmatch.presets.preset import Preset
from synthmatch.renderers.pool import RenderPool
from synthmatch.renderers.renderer import Failure, RenderResult
from synthmatch.renderers.synths import is_installed
from synthmatch.training import record
from synthmatch.training.recorded.clusters import PRESETS, read_presets
from synthmatch.training.recorded.corpus import VARIANTS, open_corpus
from synthmatch.training.recorded.dataplan import NOTE, DataPlan, estimate
from synthmatch.training.recorded.recording import Recording, Session, gather
from synthmatch.training.recorded.shards import append_journal
from synthmatch.training.recorded.stock import stock
from synthmatch.training.recorded.variants import Counts, read_variants
from synthmatch.training.split import Label, frozen, hash_side, write_labels


@pytest.fixture(scope="module")
def wanted(tmp_path_factory):
    """A plan for a small bank: four basses and leads of the training side, one of the test side."""
    folder = tmp_path_factory.mktemp("bank")
    presets = [each for each in PresetBank.read(faustsynth.factory_bank_path()) if each.family in ("bass", "lead")]
    train = [each for each in presets if hash_side(each.id) == "train"][:4]
    test = [each for each in presets if hash_side(each.id) == "test"][:1]
    FaustPatch().write(folder / "small.faustpatch", train + test)
    return DataPlan(
        notes=1,
        phrases=1,
        variants=Counts(perturbed=1, crossed=1),
        variant_phrases=1,
        synths=("faust",),
        banks=(folder,),
        own_only=True,
        seed=5,
    )


@pytest.fixture(scope="module")
def folder(wanted, tmp_path_factory):
    """What is recorded by that plan in one go."""
    folder = tmp_path_factory.mktemp("data")
    gather(folder, wanted, workers=1, for_benchmark=False)
    return folder


def contents(corpus):
    """All that a corpus has, by id: labels, parents and sound, wherever in its files it lies."""
    notes = {key: np.array(corpus.notes.notes(key)) for key in corpus.labels}
    phrases = {key: np.array(corpus.phrases.stems(key)) for key in corpus.labels if key in corpus.phrases}
    return corpus.labels, dict(corpus.parents), notes, phrases


def same(one, other):
    assert one[:2] == other[:2]
    for first, second in zip(one[2:], other[2:], strict=True):
        assert first.keys() == second.keys()
        assert all((first[key] == second[key]).all() for key in first)


def test_variants_of_a_preset_that_left_the_training_side_are_left_out(folder, tmp_path):
    """As a bank that is recorded later may put it into another cluster."""
    shutil.copytree(folder, tmp_path / "data")
    path = tmp_path / "data" / "notes-1" / PRESETS
    before = open_corpus(tmp_path / "data", 1)
    moved = next(parents[0] for parents in before.parents.values())
    labels = [replace(row, side="test") if row.id == moved else row for row in read_presets(path.parent).values()]
    write_labels(path, labels)
    after = open_corpus(tmp_path / "data", 1)
    assert after.parents == {key: ids for key, ids in before.parents.items() if moved not in ids}
    assert after.labels.keys() == before.labels.keys() - (before.parents.keys() - after.parents.keys())
    assert after.parents.keys() < before.parents.keys()


def test_a_variant_goes_with_the_preset_whose_cluster_it_joined(folder, wanted, tmp_path):
    """Though that be no parent of its: a bank that is recorded later may give that cluster another name, or side."""
    data = shutil.copytree(folder, tmp_path / "data")
    notes = data / "notes-1"
    known, variants = read_presets(notes), read_variants(notes / VARIANTS)
    variant, row = next((key, row) for key, row in variants.items() if row.label.source == "perturbed")
    joined = next(key for key, label in known.items() if label.side == "train" and key not in row.parents)
    append_journal(notes / VARIANTS, [{**asdict(replace(row.label, cluster=joined)), "parents": row.parents}])

    def corpora(side):
        moved = {**known, joined: replace(known[joined], cluster="renamed", side=side)}
        write_labels(notes / PRESETS, list(moved.values()))
        return open_corpus(data, 1), Recording(data, wanted).corpus()

    for corpus in corpora("train"):
        assert corpus.labels[variant].cluster == "renamed"
    for corpus in corpora("test"):
        assert variant not in corpus.labels
        assert set(row.parents) <= corpus.labels.keys()


def test_a_plan_is_recorded_as_it_says(folder, wanted):
    corpus = open_corpus(folder, wanted.notes, wanted.phrases)
    made = [key for key in corpus.labels if key in corpus.parents]
    presets = [key for key in corpus.labels if key not in corpus.parents]
    assert len(presets) == 5
    assert 4 <= len(made) <= 8
    assert {corpus.labels[key].source for key in made} <= {"perturbed", "crossed"}
    for key in corpus.labels:
        assert corpus.notes.notes(key).shape[0] == 6
    players = [key for key in corpus.labels if key in corpus.phrases]
    assert sorted(players) == sorted(corpus.ids("train"))


def test_variants_have_parents_of_the_training_side_and_their_family(folder, wanted):
    corpus = open_corpus(folder, wanted.notes)
    for key, parents in corpus.parents.items():
        assert corpus.labels[key].side == "train"
        for parent in parents:
            assert corpus.labels[parent].side == "train"
            assert corpus.labels[parent].family == corpus.labels[key].family


def test_what_was_gathered_is_opened_without_the_banks(folder, wanted):
    gathered = gather(folder, wanted, workers=1, for_benchmark=False)
    same(contents(gathered), contents(open_corpus(folder, wanted.notes, wanted.phrases)))


def test_a_recording_that_is_stopped_again_and_again_is_the_same(folder, wanted, tmp_path):
    corpus = None
    for _ in range(40):
        budget = iter([False] * 5)
        corpus = gather(tmp_path, wanted, 1, for_benchmark=False, stop=lambda left=budget: next(left, True))
        if not Recording(tmp_path, wanted).estimate(1):
            break
    assert corpus is not None
    same(contents(corpus), contents(gather(folder, wanted, 1, for_benchmark=False)))


def words(wanted, folder):
    """The command line of the plan."""
    counts = ["--notes", "1", "--phrases", "1", "--variant-phrases", "1", "--variants", "1", "--seed", "5"]
    where = ["--data", str(folder), "--bank", str(wanted.banks[0]), "--own-only", "--synths", "faust"]
    return [*where, *counts, "--workers", "1"]


def test_the_command_records_the_plan_within_its_time(wanted, tmp_path):
    said = []
    assert record.main([*words(wanted, tmp_path), "--estimate"], said.append) == 0
    assert "notes of presets: 5, about" in said[0]
    assert not list(tmp_path.iterdir())
    assert record.main([*words(wanted, tmp_path), "--minutes", "0.000001"], said.append) == record.UNFINISHED
    assert any(line.startswith("left: notes of presets: 5") for line in said)


def test_what_nobody_wants_is_not_left_to_do(folder, wanted):
    assert not Recording(folder, replace(wanted, variant_phrases=0)).estimate(1)


def test_a_recording_that_was_killed_goes_on(folder, wanted, tmp_path):
    """The process is killed, hosts and all, while phrases are recorded; notes are there by then."""
    command = [sys.executable, "-m", "synthmatch.training.record", *words(wanted, tmp_path)]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        while not any(tmp_path.rglob("presets.tsv")):
            assert running.poll() is None
            time.sleep(0.05)
    finally:
        running.kill()
        running.communicate()
    cut = tmp_path / "notes-1" / "notes.jsonl"
    cut.write_bytes(cut.read_bytes()[:-10])  # as if the kill had come a moment earlier
    assert record.main(words(wanted, tmp_path), lambda _: None) == 0
    dry = [key for key, label in open_corpus(tmp_path, 1).labels.items() if label.source == "dry"]
    corpus = gather(tmp_path, wanted, 1, for_benchmark=False)
    assert set(dry).isdisjoint(corpus.labels)  # the plan at hand doesn't ask for them
    same(contents(corpus), contents(gather(folder, wanted, 1, for_benchmark=False)))


def test_nothing_is_left_to_do_after_a_whole_recording(folder, wanted):
    assert Recording(folder, wanted).estimate(1) == ()


def test_another_plan_sees_what_it_asks_for_alone(folder, wanted):
    plain = gather(folder, replace(wanted, variants=Counts(), variant_phrases=0), 1, for_benchmark=False)
    assert len(plain.labels) == 5
    assert plain.parents == {}


def test_no_variant_has_a_parent_whose_twin_is_on_the_test_side(tmp_path):
    """Which side a preset stands on is known when its near-duplicates are; an estimate is made before that."""
    cutoffs = {each: faustsynth.make_state({"filter_cutoff": 900.0 + each}) for each in range(60)}
    sides = {each: hash_side(state.id) for each, state in cutoffs.items()}
    small = min((each for each in cutoffs if sides[each] == "test"), key=lambda each: cutoffs[each].id)
    twin = next(each for each in cutoffs if sides[each] == "train")
    bank = [Preset(f"Bass {each}", cutoffs[each]) for each in (small, twin)]
    FaustPatch().write(tmp_path / "twins.faustpatch", bank)
    plan = DataPlan(1, variants=Counts(perturbed=2), synths=("faust",), banks=(tmp_path,), own_only=True)
    recording = Recording(tmp_path / "data", plan)
    assert {each.parents for each in recording.variants.values()} == {(cutoffs[twin].id,)}
    with RenderPool(1) as pool:
        corpus = recording.record(Session(pool))
    assert {label.side for label in corpus.labels.values()} == {"test"}
    assert recording.variants == {}
    assert corpus.parents == {}


def test_a_variant_near_a_preset_of_an_earlier_plan_is_dropped(tmp_path, monkeypatch):
    """Banks of one's own are recorded beside Debian's, whose test presets aren't in the later plan."""
    base = faustsynth.make_state({"filter_cutoff": 900.0})
    monkeypatch.setattr("synthmatch.training.recorded.stock.side_of", lambda _: "train")
    monkeypatch.setattr("synthmatch.training.recorded.clusters.hash_side", lambda _: "train")
    FaustPatch().write(tmp_path / "mine.faustpatch", [Preset("Bass", base)])
    mine = DataPlan(
        0, variants=Counts(perturbed=3), synths=("faust",), banks=(tmp_path / "mine.faustpatch",), own_only=True
    )
    alone = gather(tmp_path / "alone", mine, 1, for_benchmark=False)
    new = next(key for key in alone.parents if alone.labels[key].cluster == key)  # no twin of its parent

    values = faustsynth.values_of(Recording(tmp_path / "alone", mine).variants[new].state)
    judged = faustsynth.make_state({**values, "amp_release": values["amp_release"] * 1.05})
    known = {judged.id: Label(judged.id, "faust", "bass", "name", judged.id, "test")}
    for module in ("clusters", "recording", "stock"):
        monkeypatch.setattr(f"synthmatch.training.recorded.{module}.frozen", lambda: known)
    FaustPatch().write(tmp_path / "debian.faustpatch", [Preset("Bass", judged)])
    debian = replace(mine, banks=(tmp_path / "debian.faustpatch",), variants=Counts())
    gather(tmp_path / "both", debian, 1, for_benchmark=False)
    corpus = gather(tmp_path / "both", mine, 1, for_benchmark=False)
    assert base.id in corpus.labels
    assert new not in corpus.parents
    assert judged.id in corpus.notes.recorded[new].failure


class Crashing:
    """A pool in which every synth crashes."""

    def __init__(self, workers):
        assert workers == 1

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def render(self, jobs):
        return (RenderResult(job, failure=Failure.CRASH, reason="It crashed.") for job in jobs)


def test_what_crashes_every_time_is_named_and_does_not_keep_the_command_going(wanted, tmp_path, monkeypatch):
    monkeypatch.setattr(record, "RenderPool", Crashing)
    said = []
    assert record.main(words(wanted, tmp_path), said.append) == 0
    assert any(line.startswith("left: notes of presets: 5") for line in said)
    assert said[-1].startswith("These crashed their synth")


def test_estimates_add_up():
    one = estimate("notes", [("amsynth", 11)] * 10, NOTE, 1)
    assert one.count == 10
    assert one.bytes == 10 * 11 * 80_000
    assert estimate("notes", [("amsynth", 11)] * 10, NOTE, 2).seconds == pytest.approx(one.seconds / 2)
    assert "notes: 10" in str(one)


def test_the_benchmark_knows_presets_with_frozen_labels_alone(wanted):
    with pytest.raises(TrainingError, match="no presets of faust"):
        stock(replace(wanted, frozen_only=True))


@pytest.mark.parametrize("options", [["--variant-phrases", "1"], ["--phrases", "1", "--variant-phrases", "2"]])
def test_phrases_that_would_not_be_kept_are_refused(tmp_path, options):
    said = []
    assert record.main(["--data", str(tmp_path), "--variants", "1", *options], said.append) == 1
    assert "ask for as many of these" in said[0]


def test_phrases_of_the_other_sides_want_a_number(tmp_path):
    said = []
    assert record.main(["--data", str(tmp_path), "--evaluated"], said.append) == 1
    assert "say how many." in said[0]


@pytest.mark.plugin
def test_presets_with_frozen_labels_keep_them():
    if not is_installed(SYNTHS["amsynth"]):
        pytest.skip(f"amsynth isn't here: {SYNTHS['amsynth'].remedy}")
    found = stock(DataPlan(synths=("amsynth",)))
    states, labels = found.states, found.labels
    assert all(labels[key] == frozen()[key] for key in states)
    assert {label.synth for label in labels.values()} == {"amsynth"}
