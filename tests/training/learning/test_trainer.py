import json
from dataclasses import asdict, replace

import pytest
import torch

from synthmatch.errors import TrainingError
from synthmatch.files import content_hash
from synthmatch.training.config import Alterations, Recipe, read_recipe
from synthmatch.training.learning.objective import Memory, objective
from synthmatch.training.learning.trainer import Trainer, _recipe_hash, fast_bfloat16, learning_rate
from synthmatch.training.mixing.batches import Mixer


def mixer(notes, recipe):
    return Mixer(notes.bank, notes.presets, {}, recipe)


def weights(trainer):
    return {name: value.clone() for name, value in trainer.encoder.state_dict().items()}


def test_a_stopped_run_goes_on_as_if_it_had_not_been_stopped(notes, tiny, tmp_path):
    whole = Trainer(mixer(notes, tiny), tiny, tmp_path / "whole")
    whole.run()
    Trainer(mixer(notes, tiny), tiny, tmp_path / "stopped").run(stop_at=3)
    resumed = Trainer(mixer(notes, tiny), tiny, tmp_path / "stopped")
    assert resumed.step == 3
    resumed.run()
    assert resumed.step == tiny.steps
    first, second = weights(whole), weights(resumed)
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_training_changes_every_weight(notes, tiny, tmp_path):
    trainer = Trainer(mixer(notes, tiny), tiny, tmp_path)
    before = weights(trainer)
    trainer.run()
    after = weights(trainer)
    unchanged = {name for name in before if torch.equal(before[name], after[name])}
    fitted = {"family_hidden_weight", "family_hidden_bias", "family_weight", "family_bias"}
    assert unchanged == fitted  # when everything else is trained


def test_context_learns_from_its_step_on_and_changes_nothing_before(notes, tiny, tmp_path):
    plain = Trainer(mixer(notes, tiny), tiny, tmp_path / "plain")
    recipe = replace(tiny, encoder=replace(tiny.encoder, context=1), context_from=3)
    grown = Trainer(mixer(notes, recipe), recipe, tmp_path / "grown")
    before = weights(grown)
    for trainer in (plain, grown):
        trainer.run(stop_at=3)
    assert all(torch.equal(value, weights(grown)[name]) for name, value in weights(plain).items())
    assert all(torch.equal(before[name], value) for name, value in weights(grown).items() if "context" in name)
    resumed = Trainer(mixer(notes, recipe), recipe, tmp_path / "grown")
    resumed.run()
    learnt = {name for name, value in weights(resumed).items() if not torch.equal(before[name], value)}
    assert {name for name in before if "context" in name} <= learnt


def test_a_batch_is_learnt_by_heart(notes, tiny, tmp_path):
    recipe = replace(tiny, steps=1000, learning_rate=5e-3, memory=0)
    trainer = Trainer(mixer(notes, recipe), recipe, tmp_path)
    batch = trainer.mixer.batch(0)
    losses = [float(trainer.take_step(batch).total.detach()) for _ in range(60)]
    assert losses[-1] < 0.5 * losses[0]


def test_a_folder_with_another_recipe_is_refused(notes, tiny, tmp_path):
    Trainer(mixer(notes, tiny), tiny, tmp_path).checkpoint()
    other = replace(tiny, seed=7)
    with pytest.raises(TrainingError, match="another recipe"):
        Trainer(mixer(notes, other), other, tmp_path)


def test_a_setting_that_came_later_ends_no_run_unless_it_is_used(tiny):
    recipe = replace(tiny, encoder=replace(tiny.encoder, presence=8), presence_steps=9)
    known = asdict(recipe)
    later = ("soundalikes", "presence_restarts", "presence_shares", "presence_synths", "scattered", "alterations")
    for name in later:
        del known[name]
    for name in ("closer", "deeper", "finer"):
        del known["encoder"][name]
    assert _recipe_hash(recipe) == content_hash(json.dumps(known, sort_keys=True).encode())
    others = (
        {"presence_restarts": (4,)},
        {"restarts": (2,), "soundalikes": 0.5},
        {"scattered": True},
        {"alterations": Alterations(semitones=2)},
        {"gain_db": recipe.gain_db + 1},
    )
    assert all(_recipe_hash(replace(recipe, **other)) != _recipe_hash(recipe) for other in others)


def test_a_run_says_when_it_goes_on_with_other_notes(notes, tiny, tmp_path):
    Trainer(mixer(notes, tiny), tiny, tmp_path).run(stop_at=2)
    said = []
    Trainer(mixer(notes, tiny), tiny, tmp_path).run(stop_at=3, said=said.append)
    assert not any("recorded presets" in each for each in said)
    fewer = {family: ids[:-1] for family, ids in notes.presets.items()}
    Trainer(Mixer(notes.bank, fewer, {}, tiny), tiny, tmp_path).run(stop_at=4, said=said.append)
    assert f"The recorded presets aren't those that the run in {tmp_path} began with" in said[-1]


def test_batches_depend_on_seed_and_step_alone(notes, tiny):
    first, again, other = mixer(notes, tiny).batch(5), mixer(notes, tiny).batch(5), mixer(notes, tiny).batch(6)
    assert torch.equal(first.mixtures, again.mixtures)
    assert torch.equal(first.references, again.references)
    assert not torch.equal(first.mixtures, other.mixtures)


def test_batches_say_what_is_in_them(notes, tiny):
    batch = mixer(notes, replace(tiny, drop=0.5, solo=0.3)).batch(1)
    counted = torch.zeros_like(batch.presence)
    counted[batch.mixture, batch.family] = True
    assert torch.equal(counted, batch.presence)
    assert (batch.presence.sum(1) >= 1).all()
    assert len(batch.references) == len(batch.family)
    assert batch.mixtures.shape == (tiny.mixtures, round(16_000 * tiny.seconds))


def test_no_preset_stands_twice_in_a_family_of_a_batch(notes, tiny):
    batch = mixer(notes, tiny).batch(2)
    for family in batch.family.unique():
        states = batch.state[batch.family == family].tolist()
        assert len(states) == len(set(states))


def test_a_family_with_too_few_presets_is_named(notes, tiny):
    few = {**notes.presets, "bass": notes.presets["bass"][:1]}
    with pytest.raises(TrainingError, match="family bass"):
        Mixer(notes.bank, few, {}, tiny)


def test_memory_keeps_the_newest():
    memory = Memory(2, 4, 3, torch.device("cpu"))
    for number in range(6):
        memory.add(1, torch.full((1, 3), float(number)), torch.tensor([number]))
    vectors, clusters = memory.keys(1)
    assert sorted(clusters.tolist()) == [2, 3, 4, 5]
    assert sorted(vectors[:, 0].tolist()) == [2, 3, 4, 5]
    assert len(memory.keys(0)[0]) == 0


def test_near_duplicates_never_count_against_each_other(notes, tiny):
    """With every preset in one cluster there is no negative left, so nothing to learn."""
    together = {key: "one" for ids in notes.presets.values() for key in ids}
    batch = Mixer(notes.bank, notes.presets, together, tiny).batch(0)
    trainer_memory = Memory(12, 8, tiny.encoder.dimension, torch.device("cpu"))
    from synthmatch.networks.encoder import Encoder

    losses = objective(Encoder(tiny.encoder), batch, trainer_memory, tiny, use_memory=True)
    assert float(losses.mixture) == 0
    assert float(losses.timbre) == 0


def test_the_learning_rate_rises_and_falls_to_zero():
    recipe = Recipe(steps=100, warmup=10)
    rates = [learning_rate(recipe, step) for step in range(101)]
    assert max(rates) == rates[10] == recipe.learning_rate
    assert rates[:11] == sorted(rates[:11])
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[100] == pytest.approx(0)


def test_after_a_restart_the_learning_rate_is_that_of_a_run_of_what_is_left():
    recipe = Recipe(steps=300, warmup=10, restarts=(100,))
    first, second = replace(recipe, steps=100, restarts=()), replace(recipe, steps=200, restarts=())
    rates = [learning_rate(recipe, step) for step in range(301)]
    assert rates[:100] == [learning_rate(first, step) for step in range(100)]
    assert rates[100:] == [learning_rate(second, step) for step in range(201)]


@pytest.mark.parametrize("emulated", [True, False])
def test_a_gpu_that_only_emulates_bfloat16_is_not_asked_for_it(monkeypatch, emulated):
    monkeypatch.setattr(
        torch.cuda, "is_bf16_supported", lambda including_emulation=True: including_emulation or not emulated
    )
    assert fast_bfloat16(torch.device("cuda")) == (not emulated)


def test_the_log_says_what_was_lost(notes, tiny, tmp_path):
    recipe = replace(tiny, steps=20)
    Trainer(mixer(notes, recipe), recipe, tmp_path).run()
    row = json.loads((tmp_path / "log.jsonl").read_text().splitlines()[-1])
    assert row["step"] == 20
    assert row["total"] == pytest.approx(
        row["mixture"] + recipe.presence_weight * row["presence"] + recipe.timbre_weight * row["timbre"], abs=1e-3
    )


def test_recipes_that_do_not_fit_are_named(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text("stepz = 3\n")
    with pytest.raises(TrainingError, match="sets stepz"):
        read_recipe(str(path))
    path.write_text("steps = ")
    with pytest.raises(TrainingError, match="isn't TOML"):
        read_recipe(str(path))
    with pytest.raises(TrainingError, match="no recipe called nothing"):
        read_recipe("nothing")


def test_the_released_recipe_is_read():
    assert read_recipe("released").core == ("percussion", "bass", "lead")
