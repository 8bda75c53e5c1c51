"""Jobs in, sounds out: host processes that may crash or hang while the rest goes on.

Each of the pool's threads owns a few host processes, one per synth that its jobs asked for. A host that dies
or hangs is ended and started again for the next job; see ``slot``, and ``worker`` for what runs in it.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from synthmatch.closing import Closing
from synthmatch.errors import RenderError
from synthmatch.machine import processors
from synthmatch.presets.catalogue import Synth, synths
from synthmatch.renderers.host import sweep_homes
from synthmatch.renderers.renderer import RenderJob, RenderResult
from synthmatch.renderers.slot import LEFT, Run, Shared, Slot


class Pool(Protocol):
    """What renders many jobs: processes of this machine (``RenderPool``), or other machines (``ClusterPool``)."""

    def render(self, jobs: Iterable[RenderJob]) -> Iterator[RenderResult]:
        """Render jobs, in the order in which they get done; one result per job.

        Jobs are taken from ``jobs`` only as fast as they get done. Leaving the loop early ends what is still at
        work.

        Raises:
            RenderError: the pool is closed, or lost what it renders with.
        """
        ...

    def close(self) -> None:
        """End what is still at work, and let go of everything; a second call does nothing."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class RenderPool(Closing):
    """Renders jobs in host processes; a context manager.

    Neither the order of the jobs nor the number of workers changes a sound, as far as the synth itself
    gives the same sound twice.

    Args:
        workers: how many jobs run at once; the number of processors that this process may use if None.
        timeout: seconds that one job may take.
        log: a file to which everything that plugins print is appended; thrown away if None.
        known: the synths by id; those of the catalogue if None.
    """

    def __init__(
        self,
        workers: int | None = None,
        *,
        timeout: float = 60.0,
        log: Path | None = None,
        known: Mapping[str, Synth] | None = None,
    ) -> None:
        sweep_homes()
        self._shared = Shared(timeout, log, synths() if known is None else known)
        self._slots = [Slot(self._shared) for _ in range(max(1, workers or processors()))]
        self._runs: set[Run] = set()
        self._closed = False
        self._lock = threading.Lock()  # nothing is put behind the end of the tasks, where nobody would take it
        for slot in self._slots:
            slot.start()

    def render(self, jobs: Iterable[RenderJob]) -> Iterator[RenderResult]:
        """Render jobs, in the order in which they get done.

        Jobs are taken from ``jobs`` only as fast as they get done, so neither jobs nor sounds pile up. A job
        whose host dies or can't be started is tried once more. Leaving the loop early ends what is still at work.

        Returns:
            One result per job; a job that made no sound carries its failure and the reason.

        Raises:
            RenderError: the pool is closed, before or while it renders.
            OSError: a host can't be started, or the log can't be written.
        """
        if self._closed:
            raise RenderError("This pool is closed; make another one.")
        run = Run()
        self._runs.add(run)
        under_way = 0
        source = iter(jobs)
        try:
            while True:
                while under_way < 2 * len(self._slots) and (job := next(source, None)) is not None:
                    self._put(run, job)
                    under_way += 1
                if not under_way:
                    return
                result = run.results.get()
                under_way -= 1
                if isinstance(result, BaseException):
                    raise result
                yield result
        finally:
            if under_way:
                self._cancel(run)
            self._runs.discard(run)

    def pids(self) -> tuple[int, ...]:
        """The process ids of the hosts that are there now."""
        return tuple(pid for slot in self._slots for pid in slot.pids())

    def close(self) -> None:
        """End every host and every thread, and what is still at work; a second call does nothing."""
        if self._closed:
            return
        self._closed = True
        for run in list(self._runs):
            self._cancel(run)
        for _ in self._slots:
            self._shared.tasks.put(None)
        for slot in self._slots:
            slot.join()

    def _put(self, run: Run, job: RenderJob) -> None:
        with self._lock:
            if run.cancelled:
                raise RenderError(LEFT)
            self._shared.tasks.put((run, job))

    def _cancel(self, run: Run) -> None:
        with self._lock:
            run.cancelled = True
        for slot in self._slots:
            slot.cancel(run)


def render_one(job: RenderJob, timeout: float = 60.0) -> RenderResult:
    """Render one job in a host process of its own."""
    with RenderPool(1, timeout=timeout) as pool:
        return next(pool.render([job]))
