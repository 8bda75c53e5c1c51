"""Adds a bank to a library again and again, and kills itself in the middle: run by ``test_killed.py``.

``python adding.py LIBRARY BANK MODEL TAKEN SEED KILLS`` forks a child that adds the bank and kills it with signal 9
after a random time, KILLS times, and then lets one child finish. What heavy imports cost is paid once, since every
child is forked after them. Each job that a child takes is one line in TAKEN.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import torch  # before the fork, with everything below

from synthmatch.library import embedding
from synthmatch.library.library import Library
from synthmatch.networks.encoder import Encoder
from synthmatch.presets.bank import PresetBank
from synthmatch.renderers.pool import RenderPool
from synthmatch.renderers.renderer import RenderJob, RenderResult

WORKERS = 2


class CountingPool(RenderPool):
    """A real pool that writes down which jobs it takes."""

    def __init__(self, taken: Path) -> None:
        super().__init__(WORKERS)
        self._taken = taken

    def render(self, jobs: Iterable[RenderJob]) -> Iterator[RenderResult]:
        return super().render(self._counted(jobs))

    def _counted(self, jobs: Iterable[RenderJob]) -> Iterator[RenderJob]:
        for job in jobs:
            with self._taken.open("a") as file:
                file.write(f"{job.state.id}\n")
            yield job


def add(library: Path, bank: Path, model: Path, taken: Path) -> None:
    torch.set_num_threads(1)
    embedding.BATCH, embedding.GATHERED = 4, 8  # so that some are killed while vectors are gathered
    encoder = Encoder.load(model)
    with Library.open_or_create(library) as opened, CountingPool(taken) as pool:
        opened.add(PresetBank.read(bank), encoder=encoder, pool=pool)


def main(library: Path, bank: Path, model: Path, taken: Path, seed: int, kills: int) -> int:
    chance = random.Random(seed)
    for turn in range(kills + 1):
        child = os.fork()
        if child == 0:
            status = 1
            try:
                add(library, bank, model, taken)
                status = 0
            finally:
                os._exit(status)
        if turn < kills:
            time.sleep(chance.uniform(0.3, 1.2))
            os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        if turn < kills and os.waitstatus_to_exitcode(status) not in (0, -signal.SIGKILL):
            return 1
    return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    sys.exit(main(*map(Path, sys.argv[1:5]), int(sys.argv[5]), int(sys.argv[6])))
