"""From recorded notes to an encoder's file: what is heard, what is told about it, and when it stops."""

import shutil
import weakref
from dataclasses import replace
from functools import partial

import pytest

from synthmatch.errors import CheckpointError, InputError
from synthmatch.networks import checkpoint
from synthmatch.networks.encoder import Encoder
from synthmatch.presets.catalogue import SYNTHS
from synthmatch.renderers.synths import is_installed
from synthmatch.training import run
from synthmatch.training.config import read_recipe
from synthmatch.training.learning.distributed import ALONE, Processes
from synthmatch.training.learning.trainer import STATE
from synthmatch.training.mixing.strangers import Company
from synthmatch.training.recorded.clusters import PRESETS
from synthmatch.training.recorded.corpus import open_corpus
from synthmatch.training.recorded.recording import Recording
from synthmatch.training.split import Label, write_labels

RECIPE = """
steps = 2
mixtures = 2
seconds = 1.0
extra_notes = 2
core_share = 1.0
presence_steps = 1
everything = true
synths = ["faust"]

[encoder]
channels = [4, 8, 8]
width = 16
layers = 1
heads = 2
dimension = 8
presence = 8
family = 8
"""


@pytest.fixture(autouse=True)
def short(monkeypatch):
    """Few songs, and short ones; and a head that learns for a moment only."""
    monkeypatch.setattr("synthmatch.training.learning.songs.SECONDS", 1.0)
    for module in ("songs", "calibration"):
        monkeypatch.setattr(f"synthmatch.training.learning.{module}.TOGETHER", 6)
    monkeypatch.setattr("synthmatch.training.learning.calibration.SONGS", 12)
    monkeypatch.setattr("synthmatch.training.learning.classifier.STEPS", 20)
    monkeypatch.setattr("synthmatch.training.mixing.batches.Company", partial(Company, count=12))


@pytest.fixture
def recipe(tmp_path):
    path = tmp_path / "small.toml"
    path.write_text(RECIPE)
    return str(path)


def labels_of(notes):
    """Of each family two presets to train on, one of the valid side, and one to train on of another synth."""
    places = (("faust", "train"), ("faust", "train"), ("faust", "valid"), ("kars", "train"))
    return [
        Label(key, synth, family, "field", key, side)
        for family, ids in notes.presets.items()
        for key, (synth, side) in zip(ids, places, strict=True)
    ]


def folder_of(notes, labels, folder):
    """A folder of recordings in which so many presets have a label."""
    shutil.copytree(notes.bank.folder, folder / "notes-2")
    write_labels(folder / "notes-2" / PRESETS, labels)
    return folder


@pytest.fixture
def data(notes, tmp_path):
    return folder_of(notes, labels_of(notes), tmp_path / "data")


def test_an_encoder_says_what_it_heard_and_is_the_same_when_it_is_made_again(notes, data, recipe, tmp_path):
    out = tmp_path / "out.safetensors"
    done = run.train(recipe, data, tmp_path / "run", out)
    assert done == run.Trained(2, 2, written=True, first=True)
    encoder, facts = checkpoint.load(out)
    heard = sorted(each.id for each in labels_of(notes) if (each.synth, each.side) == ("faust", "train"))
    assert facts["trained_on"] == heard
    assert facts["steps"] == 2
    assert facts["settings"]["synths"] == ["faust"]
    assert encoder.family_weight.any()
    assert encoder.presence_weight.any()
    assert run.train(recipe, data, tmp_path / "run", tmp_path / "again.safetensors") == done
    assert checkpoint.load(tmp_path / "again.safetensors")[0].fingerprint == encoder.fingerprint


def test_what_the_heads_alone_have_heard_is_told_too(notes, tmp_path):
    """A family with too few presets for the steps is learnt by the heads of presence and family."""
    asked = tmp_path / "two.toml"
    asked.write_text('core = ["bass", "lead"]\n' + RECIPE)
    rare = notes.presets["percussion"][:1]
    labels = [each for each in labels_of(notes) if each.family != "percussion" or each.id in rare]
    data = folder_of(notes, labels, tmp_path / "data")
    run.train(str(asked), data, tmp_path / "run", tmp_path / "out.safetensors")
    heard = checkpoint.load(tmp_path / "out.safetensors")[1]["trained_on"]
    assert heard == sorted(each.id for each in labels if (each.synth, each.side) == ("faust", "train"))
    assert set(rare) < set(heard)


def test_what_was_heard_as_nobodys_part_is_told_and_was_not_learnt(notes, tmp_path):
    path = tmp_path / "beside.toml"
    path.write_text("distractors = 0.5\n" + RECIPE)
    nameless = notes.presets["bass"][2]
    labels = {each.id: each for each in labels_of(notes)}
    labels[nameless] = replace(labels[nameless], family="", source="", side="train")
    data = folder_of(notes, list(labels.values()), tmp_path / "data")
    run.train(str(path), data, tmp_path / "run", tmp_path / "out.safetensors")
    facts = checkpoint.load(tmp_path / "out.safetensors")[1]
    heard = {key for key, each in labels.items() if (each.synth, each.side) == ("faust", "train")}
    assert facts["trained_on"] == sorted(heard)
    assert facts["learnt"] == sorted(heard - {nameless})


def test_nothing_is_learnt_from_other_synths_than_the_recipes(notes, data, recipe, tmp_path):
    """Neither by the steps nor by the heads that are fitted after them."""
    own = [each for each in labels_of(notes) if each.synth == "faust"]
    alone = folder_of(notes, own, tmp_path / "alone")
    for name, folder in (("beside", data), ("alone", alone)):
        run.train(recipe, folder, tmp_path / name, tmp_path / f"{name}.safetensors")
    first, second = (checkpoint.load(tmp_path / f"{name}.safetensors")[0] for name in ("beside", "alone"))
    assert first.fingerprint == second.fingerprint


def test_further_synths_play_in_songs_and_nothing_is_found_by_them(notes, data, tmp_path):
    path = tmp_path / "wider.toml"
    path.write_text(RECIPE.replace('synths = ["faust"]', 'synths = ["faust"]\npresence_synths = ["kars"]'))
    recipe = read_recipe(str(path))
    assert run.found_among(recipe) == ("faust",)
    assert run.data_plan(recipe).synths == ("faust", "kars")
    labels = labels_of(notes)
    of = {each.id: each.synth for each in labels}
    assert set(of.values()) == {"faust", "kars"}
    heard = []
    songs = run.song_mixer

    def spied(encoder, corpus, *rest):
        heard.append({of[key] for key in corpus.labels})
        return songs(encoder, corpus, *rest)

    steps = run.mixer_of(open_corpus(data, recipe.extra_notes), recipe)
    assert {of[key] for ids in steps.presets.values() for key in ids} == {"faust"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run, "song_mixer", spied)
        run.train(str(path), data, tmp_path / "run", tmp_path / "out.safetensors")
    assert heard == [{"faust", "kars"}]


@pytest.mark.parametrize(("further", "missing"), [('"kars"', ""), ('"kars", "nekobi", "dx7"', "dx7, nekobi")])
def test_synths_that_a_recipe_names_and_nothing_is_recorded_of_are_named(data, tmp_path, further, missing):
    path, said = tmp_path / "wider.toml", []
    path.write_text(RECIPE.replace('synths = ["faust"]', f'synths = ["faust"]\npresence_synths = [{further}]'))
    run.train(str(path), data, tmp_path / "run", tmp_path / "out.safetensors", stop_at=1, said=said.append)
    assert [each for each in said if each.startswith("Nothing is recorded of")] == (
        [f"Nothing is recorded of {missing}, which the recipe learns from; it goes without. See `synthmatch doctor`."]
        if missing
        else []
    )


def test_a_recipe_with_phrases_says_so_where_none_were_recorded(data, recipe, tmp_path):
    said = []
    run.train(recipe, data, tmp_path / "plain", tmp_path / "plain.safetensors", said=said.append, stop_at=1)
    assert not any("phrases" in each for each in said)
    phrased = tmp_path / "phrased.toml"
    phrased.write_text("phrases = 3\n" + RECIPE)
    run.train(str(phrased), data, tmp_path / "run", tmp_path / "out.safetensors", said=said.append, stop_at=1)
    assert any(each.startswith(f"{data / 'phrases-3'} holds no phrases") for each in said)


def test_only_the_recipes_synths_are_recorded(tmp_path):
    """Who trains on one synth needs no other, and no time for it."""
    (tmp_path / "notes.toml").write_text('synths = ["faust"]')
    recipe = read_recipe(str(tmp_path / "notes.toml"))
    recording = Recording(tmp_path / "data", run.data_plan(recipe))
    assert {state.synth for state in recording.states.values()} == {"faust"}


def test_songs_are_loaded_when_the_sound_of_the_steps_is_let_go(data, recipe, tmp_path, monkeypatch):
    kept = []
    mixer_of, song_mixer = run.mixer_of, run.song_mixer

    def steps(*given):
        mixer = mixer_of(*given)
        kept.append(weakref.ref(mixer))
        return mixer

    def songs(*given):
        assert [each() for each in kept] == [None]
        return song_mixer(*given)

    monkeypatch.setattr(run, "mixer_of", steps)
    monkeypatch.setattr(run, "song_mixer", songs)
    assert run.train(recipe, data, tmp_path / "run", tmp_path / "out.safetensors").written


def test_ears_and_restarts_of_presence_are_the_recipes(data, tmp_path, monkeypatch):
    teacher, given = run.PresenceTrainer, []

    def spied(*arguments):
        given.append(arguments[2:])
        return teacher(*arguments)

    monkeypatch.setattr(run, "PresenceTrainer", spied)
    path = tmp_path / "ears.toml"
    turns = "presence_steps = 3\npresence_restarts = [2]\npresence_shares = [1.0, 0.5]"
    learnt = RECIPE.replace("presence_steps = 1", turns)
    path.write_text(learnt + "listener = true\ncloser = 64\n")
    run.train(str(path), data, tmp_path / "run", tmp_path / "out.safetensors")
    assert given == [(run.Schedule(3, (2,), (1.0, 0.5)), tmp_path / "run", ALONE)]
    assert Encoder.load(tmp_path / "out.safetensors").config == read_recipe(str(path)).encoder


def test_a_run_that_stopped_within_presence_says_so(data, recipe, tmp_path, monkeypatch):
    """Where presence takes most of the time, "2 of 2 steps" would sound as if all were done."""
    out = tmp_path / "out.safetensors"
    with monkeypatch.context() as patched:
        patched.setattr(run.PresenceTrainer, "run", lambda *_: False)  # as when the time is over
        done = run.train(recipe, data, tmp_path / "run", out)
    assert str(done) == "2 of 2 steps, but not all that teach presence"
    assert not out.exists()
    assert str(run.train(recipe, data, tmp_path / "run", out)) == "2 of 2 steps"
    assert str(run.Trained(1, 2, written=False, first=True)) == "1 of 2 steps"


def test_a_place_that_cannot_be_written_is_refused_first(data, recipe, tmp_path):
    with pytest.raises(InputError, match="name a file"):
        run.train(recipe, data, tmp_path / "run", tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="name a folder"):
        run.train(recipe, data, tmp_path / "file", tmp_path / "out.safetensors")
    assert not (tmp_path / "run").exists()


def test_a_damaged_checkpoint_is_named(data, recipe, tmp_path):
    run.train(recipe, data, tmp_path / "run", tmp_path / "out.safetensors")
    state = tmp_path / "run" / STATE
    state.write_bytes(state.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match=r"state\.safetensors is damaged; delete it"):
        run.train(recipe, data, tmp_path / "run", tmp_path / "out.safetensors")


@pytest.fixture(scope="module")
def needs_banks():
    for name in ("amsynth", "zynaddsubfx"):
        if not is_installed(SYNTHS[name]):
            pytest.skip(f"{name} isn't here: {SYNTHS[name].remedy}")


@pytest.mark.plugin
@pytest.mark.usefixtures("needs_banks")
def test_recording_stops_when_the_time_is_over(tmp_path):
    done = run.train("released", tmp_path / "data", tmp_path / "run", tmp_path / "out.safetensors", 1, minutes=1e-9)
    assert done == run.Trained(0, read_recipe("released").steps, written=False, first=True)
    assert not list(tmp_path.iterdir())


@pytest.mark.plugin
@pytest.mark.usefixtures("needs_banks")
def test_only_the_first_of_several_processes_records(tmp_path):
    """The others read what it wrote: here nothing."""
    corpus = run._corpus(read_recipe("unseen"), tmp_path / "data", 1, None, float("inf"), Processes(rank=1))
    assert not corpus.labels
    assert not list(tmp_path.iterdir())
