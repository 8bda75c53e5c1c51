"""Plans written in the background while steps are taken."""

from __future__ import annotations

import multiprocessing
from collections import deque
from collections.abc import Generator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor

from synthmatch.training.mixing.plans import Plan, Planner

AHEAD = 3  # plans that wait, for each that writes them

_planner: Planner | None = None


def plans(planner: Planner, first: int, last: int, processes: int = 0) -> Generator[Plan, None, None]:
    """The plans of steps first to last (left out), in order.

    Args:
        processes: how many write them; with 0 a thread of this one does, which is enough where a step takes long.
    """
    with _executor(planner, processes) as executor:
        waiting: deque[Future[Plan]] = deque()
        coming = iter(range(first, last))
        try:
            for _ in range(first, last):
                while len(waiting) < AHEAD * max(1, processes) and (step := next(coming, None)) is not None:
                    waiting.append(executor.submit(_plan, step) if processes else executor.submit(planner.plan, step))
                yield waiting.popleft().result()
        finally:
            for each in waiting:
                each.cancel()


def _executor(planner: Planner, processes: int) -> Executor:
    if not processes:
        return ThreadPoolExecutor(1)
    # Spawned, since a fork of a process with threads, as torch has them, may hang.
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(processes, context, _take, (planner,))


def _take(planner: Planner) -> None:
    global _planner
    _planner = planner


def _plan(step: int) -> Plan:
    if _planner is None:
        raise RuntimeError("A process that writes plans was given no planner.")
    return _planner.plan(step)
