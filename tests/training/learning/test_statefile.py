"""What an optimiser remembers, on disk and back."""

import pytest
import torch

from synthmatch.errors import CheckpointError
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


def test_a_state_that_cannot_be_read_is_not_called_damaged(tmp_path):
    """A run's days are in it: nobody is to delete it for a disk that isn't there at the moment. A folder, and a name
    longer than the system takes, stand for what one may not read: whoever runs the tests may read everything."""
    path = tmp_path / "state.safetensors"
    for place, reason in ((tmp_path, "Is a directory"), (tmp_path / ("d" * 300), "File name too long")):
        for read in (statefile.read, statefile.facts_of):
            with pytest.raises(CheckpointError, match=rf"{place} can't be read \({reason}\); see to it"):
                read(place)
    weight = torch.nn.Parameter(torch.ones(3))
    statefile.write(path, {"weight": weight}, torch.optim.AdamW([weight]), {"step": "3"})
    assert statefile.facts_of(path) == {"step": "3"}
    path.write_bytes(path.read_bytes()[:-1])
    for read in (statefile.read, statefile.facts_of):
        with pytest.raises(CheckpointError, match="is damaged; delete it"):
            read(path)
    assert statefile.facts_of(tmp_path / "nothing.safetensors") is None
