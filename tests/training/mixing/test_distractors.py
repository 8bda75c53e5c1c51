import numpy as np
import pytest

from synthmatch.training.mixing.distractors import DISTRACTORS, distractor


@pytest.mark.parametrize("kind", DISTRACTORS)
def test_a_distractor_sounds_from_beginning_to_end(kind):
    for seed in range(5):
        sound = distractor(np.random.default_rng(seed), kind, 10.0)
        assert np.abs(sound).max() == pytest.approx(1)
        loud = np.sqrt((sound.reshape(40, -1) ** 2).mean(axis=1))
        assert loud.min() > 0.1 * loud.max()
