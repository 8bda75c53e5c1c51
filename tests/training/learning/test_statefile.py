"""What an optimiser remembers, on disk and back."""

import pytest
import torch

from synthmatch.training.learning import statefile


def test_moments_lie_in_memory_as_their_weights_do(tmp_path):
    """On disk all lies in rows; the weights of a trunk lie by channels, and the steps after a stop cost no more."""
    layer = torch.nn.Conv2d(4, 6, 3).to(memory_format=torch.channels_last)
    optimizers = [torch.optim.AdamW(layer.parameters()) for _ in range(2)]
    layer(torch.randn(2, 4, 8, 8)).square().sum().backward()
    optimizers[0].step()
    statefile.write(tmp_path / "state.safetensors", {}, optimizers[0], {})
    statefile.read(tmp_path / "state.safetensors").restore(optimizers[1])
    assert not layer.weight.is_contiguous()
    for weight in layer.parameters():
        written, restored = (each.state[weight] for each in optimizers)
        assert restored.keys() == written.keys()
        assert all(torch.equal(restored[what], value) for what, value in written.items())
        for moment in ("exp_avg", "exp_avg_sq"):
            assert restored[moment].stride() == weight.stride()


def test_an_optimiser_goes_on_with_its_counts_of_steps_on_the_cpu(tmp_path):
    """On a GPU it would wait for each of them in every step."""
    if not torch.cuda.is_available():
        pytest.skip("no GPU is here; run this where torch finds one")
    weight = torch.nn.Parameter(torch.ones(3, device="cuda"))
    optimizers = [torch.optim.AdamW([weight]) for _ in range(2)]
    weight.sum().backward()
    optimizers[0].step()
    statefile.write(tmp_path / "state.safetensors", {}, optimizers[0], {})
    statefile.read(tmp_path / "state.safetensors").restore(optimizers[1])
    state = optimizers[1].state[weight]
    assert state["step"].device.type == "cpu"
    assert state["exp_avg"].device.type == "cuda"
