"""Several processes that train together, as `torchrun` starts them; alone, everything here does nothing."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import torch
from torch import Tensor, distributed

from synthmatch.closing import Closing
from synthmatch.files import content_hash

PATIENCE = timedelta(hours=2)  # for each other within a step: who takes longer has died
LONG_PATIENCE = timedelta(days=30)  # the others wait while the first process records, which a cluster may do for days


@dataclass(frozen=True)
class Processes(Closing):
    """This process among those that train.

    Args:
        rank: its number, from 0.
        world: how many there are.
        device: where it computes.
        patient: by which the processes wait for each other, beside what they compute; None if this is the only one.
    """

    rank: int = 0
    world: int = 1
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    patient: distributed.ProcessGroup | None = None

    @classmethod
    def join(cls) -> Processes:
        """Take the place that `torchrun` gives this process; without it, be the only one."""
        world, rank = started(), int(os.environ.get("RANK", "0"))
        if not torch.cuda.is_available():
            device = torch.device("cpu")
        else:
            device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
            torch.cuda.set_device(device)
        if world == 1:
            return cls(rank, world, device)
        distributed.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=PATIENCE)
        return cls(rank, world, device, distributed.new_group(backend="gloo", timeout=LONG_PATIENCE))

    @property
    def first(self) -> bool:
        """Whether this is the process that records, writes and talks."""
        return self.rank == 0

    def wait(self) -> None:
        """Go on when all are here, however long the first one records."""
        if self.world > 1:
            distributed.barrier(self.patient)

    def gather(self, share: Tensor, counts: Sequence[int]) -> Tensor:
        """Put together what each process has computed of a whole, so that gradients find their way back.

        Every process computes the same loss from the whole; each then has the gradients of its own share alone,
        and :meth:`add_gradients` adds them up.

        Args:
            share: (counts[rank], ...).
            counts: how many rows each process has.

        Returns:
            (sum of counts, ...).
        """
        if self.world == 1:
            return share
        whole: Tensor = _Gather.apply(share, tuple(counts), self.rank)  # type: ignore[no-untyped-call]
        return whole

    def add_gradients(self, parameters: Iterable[Tensor]) -> None:
        """Give every process the sum of all gradients, in one message."""
        filled = list(parameters)
        if self.world == 1 or not filled:
            return
        for each in filled:
            if each.grad is None:  # a loss that had nothing to say here, but may have in another process
                each.grad = torch.zeros_like(each)
        grads = [each.grad for each in filled if each.grad is not None]
        flat = torch.cat([grad.flatten() for grad in grads])
        distributed.all_reduce(flat)
        for grad, part in zip(grads, torch.split(flat, [grad.numel() for grad in grads]), strict=True):
            grad.copy_(part.view_as(grad))

    def agree(self, wish: bool) -> bool:
        """What the first process wishes; the same everywhere, so that all stop at one step.

        It is told beside what is computed: a GPU would have to finish first. On one machine that takes 0.1 ms.
        """
        if self.world == 1:
            return wish
        said = torch.tensor([int(wish)])
        distributed.broadcast(said, 0, group=self.patient)
        return bool(said.item())

    def same(self, told: str) -> bool:
        """Whether all say the same."""
        if self.world == 1:
            return True
        own = torch.tensor([int(content_hash(told.encode())[:15], 16)], device=self.device)
        others = [torch.empty_like(own) for _ in range(self.world)]
        distributed.all_gather(others, own)
        return all(torch.equal(each, own) for each in others)

    def close(self) -> None:
        """Leave."""
        if self.world > 1 and distributed.is_initialized():
            distributed.destroy_process_group()


def started() -> int:
    """How many processes `torchrun` has started; 1 without it."""
    return int(os.environ.get("WORLD_SIZE", "1"))


ALONE = Processes()


class _Gather(torch.autograd.Function):
    """All shares, padded to one length on the way; backward, one's own share of the gradient."""

    @staticmethod
    def forward(ctx: Any, share: Tensor, counts: tuple[int, ...], rank: int) -> Tensor:
        ctx.first, ctx.count = sum(counts[:rank]), counts[rank]
        padded = share.new_zeros(max(counts), *share.shape[1:])
        padded[: len(share)] = share
        shares = [torch.empty_like(padded) for _ in counts]
        distributed.all_gather(shares, padded)
        return torch.cat([each[:count] for each, count in zip(shares, counts, strict=True)])

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        return grads[0][ctx.first : ctx.first + ctx.count].contiguous(), None, None
