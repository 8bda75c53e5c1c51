"""How far fine-tuning goes: its learning rate, and how much of what was learnt is kept."""

from __future__ import annotations

import pytest
import torch

from synthmatch.networks.encoder import Encoder, EncoderConfig
from synthmatch.training.finetuning.finetune import between, learning_rate
from synthmatch.training.finetuning.lessons import FineTuning

SMALL = EncoderConfig(channels=(8, 8, 8), blocks=(1, 1, 1), width=16, layers=1, heads=2, dimension=16)


def test_the_learning_rate_rises_and_falls_to_zero() -> None:
    settings = FineTuning(steps=100, warmup=10)
    rates = [learning_rate(settings, step) for step in range(101)]
    assert max(rates) == rates[10] == settings.learning_rate
    assert rates[:11] == sorted(rates[:11])
    assert rates[100] == pytest.approx(0)


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_the_weights_that_come_of_it_lie_between_those_before_and_those_learnt(share: float) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        before, learnt = Encoder(SMALL), Encoder(SMALL)
    known, new = ({name: value.clone() for name, value in each.state_dict().items()} for each in (before, learnt))
    mean = between(before, learnt, share).state_dict()
    assert any(not torch.equal(known[name], new[name]) for name in known)
    for name, value in mean.items():
        assert torch.allclose(value, (1 - share) * known[name] + share * new[name], atol=1e-6), name
    assert all(torch.equal(value, known[name]) for name, value in before.state_dict().items())  # neither is changed
    assert all(torch.equal(value, new[name]) for name, value in learnt.state_dict().items())
