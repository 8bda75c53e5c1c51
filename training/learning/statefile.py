"""The state of a run on disk: tensors by name, what an optimiser remembers, and a few facts. Never pickle."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from synthmatch.files import atomic_path
from synthmatch.networks.checkpoint import reading

_OPTIMIZER = "optimizer."


@dataclass(frozen=True, eq=False)
class State:
    """What the next step of a run depends on.

    Args:
        tensors: by name, all that :func:`write` was given and what its optimiser remembered.
        facts: the few words beside them.
    """

    tensors: dict[str, Tensor]
    facts: dict[str, str]

    def part(self, prefix: str) -> dict[str, Tensor]:
        """The tensors whose names begin so, by the rest of their names."""
        return {name.removeprefix(prefix): value for name, value in self.tensors.items() if name.startswith(prefix)}

    def restore(self, optimizer: torch.optim.Optimizer) -> None:
        """Have an optimiser of the same parameters remember what the written one did."""
        kept: dict[int, dict[str, Tensor]] = {}
        for name, value in self.part(_OPTIMIZER).items():
            number, _, what = name.partition(".")
            kept.setdefault(int(number), {})[what] = value
        optimizer.load_state_dict({"state": kept, "param_groups": optimizer.state_dict()["param_groups"]})
        for weight, values in optimizer.state.items():
            for what, value in values.items():
                # A file holds rows alone, and where moments lie otherwise than their weight a step takes longer.
                if value.shape == weight.shape and value.stride() != weight.stride():
                    laid = torch.empty_strided(value.shape, weight.stride(), dtype=value.dtype, device=value.device)
                    values[what] = laid.copy_(value)


def write(
    path: Path, tensors: Mapping[str, Tensor], optimizer: torch.optim.Optimizer, facts: Mapping[str, str]
) -> None:
    """Write a run's state, wholly or not at all.

    Args:
        tensors: by name; none begins with "optimizer.".
    """
    every = dict(tensors)
    for number, values in optimizer.state_dict()["state"].items():
        every |= {f"{_OPTIMIZER}{number}.{what}": value for what, value in values.items()}
    with atomic_path(path) as temporary:
        save_file({name: v.detach().cpu().contiguous() for name, v in every.items()}, temporary, metadata=dict(facts))


def facts_of(path: Path) -> dict[str, str] | None:
    """The facts of a state, without its tensors; None where there is no such file.

    Raises:
        CheckpointError: the file is damaged, or can't be read.
    """
    with reading(path, _damaged(path)):
        if not path.exists():
            return None
        with safe_open(path, framework="pt") as file:
            return dict(file.metadata() or {})


def read(path: Path) -> State:
    """Read a state that :func:`write` wrote; its tensors are on the CPU, whatever device they are for. An optimiser
    keeps its counts of steps there: on a GPU each step would wait for every one of them.

    Raises:
        CheckpointError: the file is damaged, or can't be read.
    """
    with reading(path, _damaged(path)):
        return State(load_file(path), facts_of(path) or {})


def _damaged(path: Path) -> str:
    return f"{path} is damaged; delete it, and the run begins anew."
