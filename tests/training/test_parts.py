import numpy as np
import pytest

from synthmatch.presets.families import FAMILIES, FAMILY_KEYS
from synthmatch.training.parts import compose


@pytest.mark.parametrize("seed", range(20))
def test_parts_stay_in_range_and_in_time(seed):
    parts = compose(np.random.default_rng(seed), FAMILY_KEYS, 6.0)
    assert set(parts) == set(FAMILY_KEYS)
    for key, performance in parts.items():
        family = FAMILIES[key]
        assert all(family.low <= note.pitch <= family.high for note in performance.notes)
        assert performance.seconds <= 6.0 + 1e-9


def test_the_same_seed_gives_the_same_parts_and_another_seed_others():
    first = compose(np.random.default_rng(3), ("bass", "lead"))
    assert compose(np.random.default_rng(3), ("bass", "lead")) == first
    assert compose(np.random.default_rng(4), ("bass", "lead")) != first


def test_all_parts_share_one_scale():
    for seed in range(20):
        parts = compose(np.random.default_rng(seed), ("bass", "lead", "percussion"), 20.0)
        classes = {note.pitch % 12 for part in parts.values() for note in part.notes}
        assert len(classes) <= 7


def test_bass_plays_longer_notes_than_lead():
    """2, 1, 1/2 and 1/4 beats with .45 .40 .10 .05 against .10 .30 .30 .30: means of 1.36 and .725 beats."""
    lengths = {"bass": [], "lead": []}
    for seed in range(200):
        for key, part in compose(np.random.default_rng(seed), ("bass", "lead"), 30.0).items():
            lengths[key] += [note.duration for note in part.notes]
    assert 1.7 < np.mean(lengths["bass"]) / np.mean(lengths["lead"]) < 2.1
