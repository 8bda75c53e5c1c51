"""Presets that sound alike are found by the encoder, and mixed in the same steps."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from synthmatch.networks.encoder import Encoder
from synthmatch.training.config import Recipe
from synthmatch.training.learning.soundalikes import find_soundalikes
from synthmatch.training.learning.trainer import Trainer
from synthmatch.training.mixing.batches import Mixer
from synthmatch.training.mixing.casting import GROUP, NEAREST, Casting

POOL = np.arange(1000, 1400)


def ring(places=400):
    """Each is most like the next ones, in a circle."""
    return (np.arange(places)[:, None] + 1 + np.arange(NEAREST)) % places


def casting(share):
    cast = Casting({"bass": POOL, "lead": POOL + 1000}, Recipe(seed=3, restarts=(1,), soundalikes=share))
    cast.soundalikes = {"bass": ring()}
    return cast


def drawn(cast, step=5):
    return cast.columns(np.random.default_rng(step), ["bass", "lead"], step)


def company(column):
    """How many of the others in a column are among the soundalikes of each of it, in the mean."""
    apart = (column[None] - column[:, None]) % len(POOL)
    return float(((apart > 0) & (apart <= NEAREST)).sum(axis=1).mean())


def test_soundalikes_meet_in_a_step_and_no_preset_stands_there_twice():
    columns = [drawn(casting(1.0), step) for step in range(20)]
    assert all(len(np.unique(column)) == column.size for column in columns)
    assert all(np.isin(column[:, 0], POOL).all() for column in columns)
    grouped = np.mean([company(column[:, 0]) for column in columns])
    anyhow = np.mean([company(drawn(casting(0.0), step)[:, 0]) for step in range(20)])
    assert anyhow == pytest.approx(47 * NEAREST / (len(POOL) - 1), rel=0.15)  # as chance has it
    # In a group, each has on average half of the others among the ones that follow it within the circle's span.
    assert grouped - anyhow > 0.35 * (GROUP - 1)


def test_families_without_soundalikes_and_steps_without_them_are_drawn_as_ever():
    plain = Casting(casting(0.0).pools, Recipe(seed=3))
    assert np.array_equal(drawn(plain), drawn(casting(0.0)))
    assert np.array_equal(drawn(plain)[:, 1], drawn(casting(1.0))[:, 1])
    assert not np.array_equal(drawn(plain)[:, 0], drawn(casting(1.0))[:, 0])


def test_half_of_the_columns_are_grouped_where_half_is_asked_for():
    plain = casting(0.0)
    other = [not np.array_equal(drawn(plain, n)[:, 0], drawn(casting(0.5), n)[:, 0]) for n in range(200)]
    assert 70 < sum(other) < 130


def test_a_group_ends_where_all_soundalikes_are_taken():
    cast = Casting({"bass": POOL[:48]}, Recipe(restarts=(1,), soundalikes=1.0))
    cast.soundalikes = {"bass": ring(48)}
    column = cast.columns(np.random.default_rng(0), ["bass"], 9)[:, 0]
    assert np.array_equal(np.sort(column), POOL[:48])


def test_soundalikes_are_those_that_a_slow_loop_finds(notes, tiny):
    torch.manual_seed(0)
    encoder = Encoder(tiny.encoder).eval()
    mixer = Mixer(notes.bank, notes.presets, {notes.presets["bass"][1]: notes.presets["bass"][0]}, tiny)
    found = find_soundalikes(encoder, mixer)
    for family, keys in notes.presets.items():
        slot = tiny.encoder.families.index(family)
        with torch.inference_mode():
            heard = [encoder.encode_reference(torch.from_numpy(notes.bank.references(key)))[:, slot] for key in keys]
        for place, one in enumerate(heard):
            scores = {n: float((one[1:3] * other[1:3]).sum()) for n, other in enumerate(heard) if n != place}
            if family == "bass" and place < 2:
                scores[1 - place] = -9.0  # a near-duplicate comes last
            assert found[family][place].tolist() == sorted(scores, key=lambda n: -scores[n])


def test_a_run_with_soundalikes_goes_on_as_if_it_had_not_been_stopped(notes, tiny, tmp_path):
    recipe = replace(tiny, restarts=(2, 5), soundalikes=0.7)

    def trainer(name):
        return Trainer(Mixer(notes.bank, notes.presets, {}, recipe), recipe, tmp_path / name)

    whole = trainer("whole")
    whole.run()
    assert set(whole.mixer.planner.casting.soundalikes) == {"percussion", "bass", "lead"}
    for stop in (1, 2, 3, 5):
        trainer("stopped").run(stop_at=stop)
    resumed = trainer("stopped")
    assert set(resumed.mixer.planner.casting.soundalikes) == {"percussion", "bass", "lead"}
    resumed.run()
    after = resumed.encoder.state_dict()
    assert all(torch.equal(value, after[name]) for name, value in whole.encoder.state_dict().items())
