"""What a run writes, when it stops, and what it takes up again."""

import json
import math
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from synthmatch.errors import TrainingError
from synthmatch.networks import checkpoint
from synthmatch.networks.encoder import Encoder
from synthmatch.training.config import RECIPES, read_recipe
from synthmatch.training.learning.journal import Journal, without
from synthmatch.training.learning.trainer import CHECKPOINT_SECONDS, Trainer
from synthmatch.training.mixing.ahead import plans
from synthmatch.training.mixing.batches import Mixer
from synthmatch.training.recorded.corpus import Corpus
from synthmatch.training.run import mixer_of
from synthmatch.training.split import Label, frozen


def trainer(notes, recipe, folder):
    return Trainer(Mixer(notes.bank, notes.presets, {}, recipe), recipe, folder)


def test_a_run_that_is_out_of_time_leaves_a_checkpoint_and_goes_on_exactly(notes, tiny, tmp_path):
    recipe = replace(tiny, ema=0.9, note_note_weight=0.2)
    whole = trainer(notes, recipe, tmp_path / "whole").run()
    steps = []
    first = trainer(notes, recipe, tmp_path / "stopped")

    def stop_soon(step, _, losses):
        assert math.isfinite(float(losses.total.detach()))
        steps.append(step)

    first.run(stop_soon, until=time.monotonic())  # no time at all
    assert first.step == 0
    assert (tmp_path / "stopped" / "state.safetensors").exists()
    trainer(notes, recipe, tmp_path / "stopped").run(stop_soon, stop_at=2)
    again = trainer(notes, recipe, tmp_path / "stopped")
    assert again.step == 2
    resumed = again.run(stop_soon)
    assert steps[-1] == recipe.steps
    assert whole.fingerprint == resumed.fingerprint


def test_a_killed_run_goes_on_from_its_last_checkpoint(notes, tiny, tmp_path, monkeypatch):
    """Checkpoints are written while it runs, and a step that came after one is taken again."""
    monkeypatch.setattr("synthmatch.training.learning.trainer.CHECKPOINT_SECONDS", 0.0)
    monkeypatch.setattr("synthmatch.training.learning.trainer.PROGRESS_SECONDS", 0.0)
    killed = trainer(notes, tiny, tmp_path / "killed")

    def die(step, _, __):
        if step == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        killed.run(die)
    again = trainer(notes, tiny, tmp_path / "killed")
    assert again.step == 3
    assert again.run().fingerprint == trainer(notes, tiny, tmp_path / "whole").run().fingerprint
    assert CHECKPOINT_SECONDS < 120


def test_the_average_of_weights_is_what_is_returned(notes, tiny, tmp_path):
    recipe = replace(tiny, ema=0.99)
    made = trainer(notes, recipe, tmp_path)
    expected = {name: value.detach().clone() for name, value in made.encoder.named_parameters()}
    for step in range(4):
        made.take_step(made.mixer.batch(step))
        kept = min(0.99, (2 + step) / (11 + step))
        for name, value in made.encoder.named_parameters():
            expected[name] = kept * expected[name] + (1 - kept) * value.detach()
    result = made.result()
    for name, value in result.named_parameters():
        assert torch.allclose(value, expected[name], atol=1e-6)
    assert result.fingerprint != made.encoder.fingerprint
    assert not result.training


def test_the_log_has_each_step_once_after_a_stop(tmp_path):
    log = tmp_path / "log.jsonl"
    rows = [{"step": step, "total": 1.0} for step in (20, 40, 60)]
    whole = [json.dumps(row) + "\n" for row in rows]
    log.write_text("".join([whole[0], "\0\0\0\n", *whole[1:], '{"step": 80, "to']))  # as a power cut leaves it
    with Journal(tmp_path, 40) as journal:
        journal.write(60, {"total": 0.5}, {"mixtures a second": 9.0})
        assert journal.notice in ("", without())
    read = [json.loads(line) for line in log.read_text().splitlines()]
    assert read == [*rows[:2], {"step": 60, "total": 0.5}]


def test_tensorboard_shows_the_curve_of_a_run_that_was_stopped_and_went_on(tmp_path):
    events = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator",
        reason="TensorBoard isn't installed; pip install tensorboard",
    )
    with Journal(tmp_path, 0) as journal:
        assert not journal.notice
        for step, loss in ((20, 0.5), (40, 0.25), (60, 4.0)):
            journal.write(step, {"total": loss}, {"mixtures a second": 9.0})
    with Journal(tmp_path, 40) as journal:  # stopped after a checkpoint at 40: 60 is taken again
        journal.write(60, {"total": 0.125}, {"mixtures a second": 9.0})
    board = events.EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    curve = [(point.step, point.value) for point in board.Scalars("total")]
    assert curve == [(20, 0.5), (40, 0.25), (60, 0.125)]
    assert [point.step for point in board.Scalars("mixtures a second")] == [20, 40, 60]


def test_without_tensorboard_one_line_says_so(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with Journal(tmp_path, 0) as journal:
        assert "pip install tensorboard mir-eval`" in journal.notice
        journal.write(20, {"total": 0.5}, {})
    assert (tmp_path / "log.jsonl").exists()


SPAWNED = """
import json, sys
import numpy as np
from pathlib import Path
from synthmatch.training.mixing.ahead import plans
from synthmatch.training.mixing.batches import Mixer
from synthmatch.training.config import read_recipe
from synthmatch.training.recorded.notebank import NoteBank
if __name__ == "__main__":
    told = json.loads(Path(sys.argv[1]).read_text())
    recipe = read_recipe(told["recipe"])
    mixer = Mixer(NoteBank(Path(told["bank"])), told["presets"], {}, recipe)
    for step, plan in enumerate(plans(mixer.planner, 3, 9, 2), 3):
        own = mixer.planner.plan(step)
        for name in ("stem", "source", "onset", "length"):
            assert np.array_equal(getattr(plan.events, name), getattr(own.events, name)), (step, name)
        assert np.array_equal(plan.references, own.references)
    print("steps", step)
"""


def test_other_processes_write_the_same_plans(notes, tmp_path):
    recipe, told, script = tmp_path / "mine.toml", tmp_path / "told.json", tmp_path / "spawned.py"
    recipe.write_text("mixtures = 3\nseconds = 1.0\nextra_notes = 2\ncore_share = 1.0\n")
    told.write_text(json.dumps({"recipe": str(recipe), "bank": str(notes.bank.folder), "presets": notes.presets}))
    script.write_text(SPAWNED)
    done = subprocess.run([sys.executable, script, told], capture_output=True, text=True, timeout=300, check=False)
    assert done.stdout == "steps 8\n", done.stderr


def test_a_thread_writes_plans_in_order(notes, tiny):
    mixer = Mixer(notes.bank, notes.presets, {}, tiny)
    for step, plan in enumerate(plans(mixer.planner, 2, 7), 2):
        assert np.array_equal(plan.events.source, mixer.planner.plan(step).events.source)
    assert step == 6


def corpus_of(notes, synth_of):
    labels = {
        key: Label(key, synth_of(key), family, "name", key, "train")
        for family, ids in notes.presets.items()
        for key in ids
    }
    return Corpus(labels, notes.bank, notes.bank)


def test_a_recipe_can_keep_to_some_synths(notes, tiny):
    kept = {key for ids in notes.presets.values() for key in ids[:3]}
    corpus = corpus_of(notes, lambda key: "zynaddsubfx" if key in kept else "amsynth")
    mixer = mixer_of(corpus, replace(tiny, synths=("zynaddsubfx",)))
    assert {key for ids in mixer.presets.values() for key in ids} == kept
    assert set(mixer.planner.layout.ids) == kept
    with pytest.raises(TrainingError, match="family percussion"):
        mixer_of(corpus, replace(tiny, synths=("dx7",)))


@pytest.mark.parametrize("path", sorted(RECIPES.glob("*.toml")), ids=lambda path: path.stem)
def test_every_recipe_makes_an_encoder_small_enough(path):
    recipe = read_recipe(path.stem)
    size = 2 if recipe.half else 4
    assert size * sum(value.numel() for value in Encoder(recipe.encoder).state_dict().values()) < 16e6


def test_an_encoder_in_half_the_space_is_the_same_when_read(tiny, tmp_path):
    encoder = Encoder(tiny.encoder).half().float()
    checkpoint.save(tmp_path / "half.safetensors", encoder, {}, half=True)
    assert all(value.dtype is torch.float16 for value in load_file(tmp_path / "half.safetensors").values())
    assert Encoder.load(tmp_path / "half.safetensors").fingerprint == encoder.fingerprint


def test_a_shared_head_gives_one_vector(tiny):
    encoder = Encoder(replace(tiny.encoder, shared=True)).eval()
    with torch.inference_mode():
        vectors, presence = encoder.encode_query(torch.randn(2, 16_000))
        timbre = encoder.encode_timbre(torch.randn(2, 16_000))
    assert vectors.shape == (2, 12, tiny.encoder.dimension)
    assert torch.equal(vectors[:, 0], vectors[:, 11])
    assert presence.shape == (2, 12)
    assert timbre.shape == (2, tiny.encoder.dimension)
    assert encoder.fingerprint != Encoder(tiny.encoder).fingerprint


@pytest.mark.parametrize(
    ("line", "match"),
    [
        ('loss = "hinge"', "loss is hinge"),
        ("references = [7]", "references are numbers up to 4"),
        ("references = []", "at least one"),
        ("ema = 1.0", "ema is 1.0"),
        ("steps = 10\nrestarts = [10]", "restarts are steps before its last"),
        ("restarts = [20, 10]", "each later than the one before"),
        ("[degradations]\nechoes = 1", "sets echoes"),
        ("[alterations]\nechoes = 1", "sets echoes"),
        ('steps = "many"', "sets steps to many; it is a whole number"),
        ("steps = 2.5", "it is a whole number"),
        ("half = 1", "it is true or false"),
        ("core = []\ncore_share = 0.0", "core names no family"),
        ("core = 3", "sets core to 3; it is a list of words in quotes"),
        ("references = [1, true]", "it is a list of whole numbers"),
        ('synths = "amsynth"', "sets synths to amsynth; it is a list of words"),
        ("seed = -1", "sets seed to -1; it must be at least 0"),
        ("live = 1.5", "live to 1.5; it must be from 0 to 1"),
        ("temperature = 0", "temperature to 0; it must be at least 0.001"),
        ("encoder = 3", "encoder, which is a table"),
        ('[encoder]\nfamilies = ["bass", "lead", "percussion", "harp"]', "families are of percussion"),
        ("[encoder]\nbands = 60", "multiple of 8"),
        ("[encoder]\nchannels = [8, 8]", "three numbers each"),
        ("[encoder]\nwidth = 30", "heads divide width"),
        ("[encoder]\nwidth = 0", "width to 0; it must be at least 1"),
        ("[encoder]\nlistener = true\npresence = 8", "listener, which nothing teaches"),
        ("presence_steps = 9\npresence_shares = [1.0, 0.5]\n[encoder]\npresence = 8", "as many as its"),
        ("presence_steps = 9\npresence_restarts = [9]\n[encoder]\npresence = 8", "are of its presence_steps"),
        ("[encoder]\ncloser = 64", "no listener that would"),
        ("[encoder]\ndeeper = 2", "goes deeper, but has no listener"),
        ("[encoder]\nfiner = 1", "hears finer, but has no listener"),
        ("[encoder]\ncloser = 72", "closer is a multiple of half"),
        ("memory = 64\n[encoder]\nshared = true", "memory is kept by family"),
        ("note_note_weight = 0.5\nreferences = [2, 2]", "compares two notes"),
        ("[degradations]\nshare = 2", "share to 2; it must be from 0 to 1"),
    ],
)
def test_settings_that_make_no_sense_are_named(tmp_path, line, match):
    path = tmp_path / "mine.toml"
    path.write_text(line + "\n")
    with pytest.raises(TrainingError, match=match):
        read_recipe(str(path))


def test_a_small_family_repeats_its_presets_evenly(notes, tiny):
    recipe = replace(tiny, mixtures=9, repeats=3, drop=0.0, solo=0.0, solo_start=0.0)
    mixer = Mixer(notes.bank, notes.presets, {}, recipe)
    labels = mixer.planner.plan(0).labels
    for family in np.unique(labels.family):
        counts = np.bincount(labels.state[labels.family == family])
        assert counts.sum() == 9
        assert set(counts[counts > 0]) <= {2, 3}
    with pytest.raises(TrainingError, match="at least 5"):
        Mixer(notes.bank, notes.presets, {}, replace(recipe, repeats=2))


@pytest.mark.parametrize("name", ["unseen", "paper", "released"])
def test_the_banks_are_enough_for_a_recipe(name):
    recipe = read_recipe(name)
    for family in recipe.core:
        count = sum(
            label.side == "train" and label.family == family and label.synth in (recipe.synths or (label.synth,))
            for label in frozen().values()
        )
        # A few presets make no sound, or none that can be used.
        assert 0.9 * count * recipe.repeats >= recipe.mixtures
