"""Jobs on other machines: the workers of a Dask cluster do them (``errands``), and the client keeps what comes out.

Dask moves the jobs of a worker that dies to another one, and counts how often that happens to a job. The only
module that knows distributed.
"""

from __future__ import annotations

import logging
import queue
import re
import time
import warnings
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import CancelledError
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from synthmatch.closing import Closing
from synthmatch.errors import PluginMissing, RenderError
from synthmatch.extras import remedy
from synthmatch.presets.catalogue import Synth, synths, unknown
from synthmatch.renderers.errands import Errand, Reply, another_build, do
from synthmatch.renderers.renderer import Failure, RenderJob, RenderResult
from synthmatch.renderers.synths import fingerprint

_AHEAD = 3  # jobs under way for each thread of a worker: one that is rendered, the others to follow
_GLANCE = 1.0  # seconds between two looks at which workers are there
_RECALLS = 4  # a job whose workers vanish this often is suspected of ending them, as by Dask itself
_ADDRESS = r"(tcp|tls|ucx|wss?)://[^/\s]+:\d+"
_SHOWN = 3  # workers whose excuses are shown


@dataclass(eq=False)
class _Flight:
    """A job that was sent to the cluster, and the workers that may do it; any if None."""

    job: RenderJob
    future: Any
    workers: frozenset[str] | None


def _do(errand: Errand) -> Reply:
    """Do an errand; called by Dask, in a thread of a worker."""
    from distributed import get_worker

    worker = get_worker()
    return do(errand, worker.address, worker.state.nthreads)


class _Cluster(Closing):
    """The workers, which of them may render which synth, and the way to them."""

    def __init__(self, address: str, timeout: float, patience: float, known: Mapping[str, Synth]) -> None:
        self.address = address
        self.patience = patience
        self.known = known
        self._timeout = timeout
        self._closed = False
        self._client = _connect(address, patience)
        self._threads: dict[str, int] = {}
        self._looked = -float("inf")
        self._fingerprints: dict[str, str] = {}
        self._unfit: defaultdict[str, dict[str, str]] = defaultdict(dict)  # by synth: addresses and excuses

    def workers(self) -> dict[str, int]:
        """The threads of each worker by its address, as of a moment ago."""
        try:
            if self._client.status != "running":
                raise OSError(self._client.status)
            if time.monotonic() - self._looked > _GLANCE:
                self._threads = dict(self._client.nthreads())
                self._looked = time.monotonic()
        except (OSError, TimeoutError) as error:
            raise self.lost() from error
        return self._threads

    def fit(self, synth: str) -> frozenset[str]:
        """The addresses of the workers that may render a synth, as far as is known."""
        return frozenset(self.workers()) - self._unfit[synth].keys()

    def send(self, job: RenderJob, done: queue.SimpleQueue[_Flight]) -> _Flight:
        """Have a worker do a job; the flight is put into ``done`` when it is, or can't be."""
        synth = job.state.synth
        fit = self.fit(synth)
        chosen = None if len(fit) == len(self.workers()) else fit
        errand = Errand(job, self.known[synth], self._fingerprint(synth), self._timeout)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Sending large graph")  # a SoundFont's state holds its samples
            future = self._client.submit(_do, errand, pure=False, workers=chosen and sorted(chosen))
        flight = _Flight(job, future, chosen)
        future.add_done_callback(lambda _: done.put(flight))
        return flight

    def reply(self, flight: _Flight) -> Reply | None:
        """What came of a flight; None if the workers that did it died, each time that it was tried.

        Raises:
            TimeoutError: not yet; it was done, and its worker died before it could be fetched.
            RenderError: the scheduler is gone, or a worker doesn't understand errands.
        """
        from distributed import KilledWorker

        try:
            reply: Reply = flight.future.result(self.patience)
        except KilledWorker:
            return None
        except Exception as error:
            if flight.future.status == "error":
                raise RenderError(
                    f"A worker of the cluster at {self.address} failed at a job ({type(error).__name__}: {error}); "
                    "look into its log, and install the same synthmatch on every machine."
                ) from error
            if isinstance(error, TimeoutError):
                raise
            raise self.lost() from error
        return reply

    def accept(self, synth: str, reply: Reply) -> RenderResult | None:
        """The result in a reply if it may stand beside the others; if not, that worker gets no more such jobs."""
        expected = self._fingerprint(synth) or reply.fingerprint
        excuse = reply.excuse
        if not excuse and reply.fingerprint != expected:
            excuse = another_build(self.known[synth])
        if excuse:
            self._unfit[synth][reply.worker] = f"{reply.machine} ({reply.worker}): {excuse}"
            return None
        self._fingerprints[synth] = expected
        return reply.result

    def forget(self, flights: Iterable[_Flight]) -> None:
        """Have nothing more to do with flights."""
        futures = [flight.future for flight in flights]
        with suppress(CancelledError, OSError, TimeoutError):
            if futures and self._client.status == "running":
                self._client.cancel(futures, force=True)

    def close(self) -> None:
        """Leave the cluster, which stays."""
        self._closed = True
        with suppress(OSError, TimeoutError):
            self._client.close()

    def lost(self) -> RenderError:
        """The error that says that the scheduler is gone, or the pool was closed."""
        if self._closed:
            return RenderError("The pool was closed before all jobs were done; make another one.")
        return RenderError(
            f"The scheduler at {self.address} is gone; start the cluster again and repeat the command, "
            "which goes on from what is stored."
        )

    def nobody(self, synth: str) -> RenderError:
        """The error that says that no worker renders a synth, and why."""
        excuses = [excuse for worker, excuse in self._unfit[synth].items() if worker in self.workers()]
        if not excuses:
            return RenderError(
                f"The cluster at {self.address} has had no worker for {self.patience:g} s; "
                f"start some with `dask worker {self.address}`."
            )
        return RenderError(
            f"No worker of the cluster at {self.address} renders {self.known[synth].title} "
            f"as is asked for: {'; '.join(excuses[:_SHOWN])}."
        )

    def _fingerprint(self, synth: str) -> str:
        """The one that all sounds of a synth must come from; "" while nobody knows it."""
        if synth not in self._fingerprints:
            try:
                self._fingerprints[synth] = fingerprint(self.known[synth])
            except PluginMissing:  # the first answer decides
                return ""
        return self._fingerprints[synth]


class _Run:
    """One call of ``ClusterPool.render``."""

    def __init__(self, cluster: _Cluster, jobs: Iterable[RenderJob]) -> None:
        self._cluster = cluster
        self._source = iter(jobs)
        self._flights: set[_Flight] = set()
        self._done: queue.SimpleQueue[_Flight] = queue.SimpleQueue()
        self._waiting: deque[RenderJob] = deque()  # for a worker that may do them
        self._recalls: Counter[str] = Counter()
        self._suspects: deque[RenderJob] = deque()  # their workers died, perhaps for another job's sake
        self._alone = False  # whether what is under way is a single suspect
        self._hopeful = time.monotonic()  # when a worker was last there for what is to be done

    def results(self) -> Iterator[RenderResult]:
        """One per job, as they come."""
        while True:
            yield from self._recall()
            yield from self._draw()
            if not (self._flights or self._waiting):
                return
            self._hope()
            try:
                flight = self._done.get(timeout=_GLANCE)
            except queue.Empty:
                continue
            if flight in self._flights:
                yield from self._land(flight)

    def cancel(self) -> None:
        """Give up what is under way."""
        self._cluster.forget(self._flights)
        self._flights.clear()

    def _recall(self) -> Iterator[RenderResult]:
        """Take back what may be done by workers only that are gone: Dask would wait for them for ever."""
        there = self._cluster.workers().keys()
        stranded = {flight for flight in self._flights if not there & (flight.workers or there)}
        self._cluster.forget(stranded)
        self._flights -= stranded
        for job in (flight.job for flight in stranded):
            self._recalls[job.key] += 1
            if self._recalls[job.key] % _RECALLS:
                self._waiting.append(job)
            else:
                yield from self._suspect(job)

    def _draw(self) -> Iterator[RenderResult]:
        """Send off as much as the workers can take; yields what can't be sent to anybody."""
        for _ in range(len(self._waiting)):
            self._send(self._waiting.popleft())
        room = max(1, _AHEAD * sum(self._cluster.workers().values()))
        while len(self._flights) + len(self._waiting) < room and (job := next(self._source, None)) is not None:
            synth = job.state.synth
            if synth in self._cluster.known:
                self._send(job)
            else:
                yield RenderResult(job, (), Failure.MISSING, unknown(synth, self._cluster.known))
        if self._suspects and not (self._flights or self._waiting):
            self._alone = True
            self._send(self._suspects.popleft())

    def _send(self, job: RenderJob) -> None:
        if self._cluster.fit(job.state.synth):
            self._flights.add(self._cluster.send(job, self._done))
        else:
            self._waiting.append(job)

    def _hope(self) -> None:
        """Give up when nobody has been there for long who could do what waits."""
        if self._flights:
            self._hopeful = time.monotonic()
        elif time.monotonic() - self._hopeful > self._cluster.patience:
            raise self._cluster.nobody(self._waiting[0].state.synth)

    def _land(self, flight: _Flight) -> Iterator[RenderResult]:
        """What came of a flight that ended, if it is its job's result."""
        try:
            reply = self._cluster.reply(flight)
        except TimeoutError:
            self._done.put(flight)  # its worker died with it; it is done once more
            return
        self._flights.remove(flight)
        if reply is None:
            yield from self._suspect(flight.job)
        elif (result := self._cluster.accept(flight.job.state.synth, reply)) is not None:
            yield result
        else:
            self._waiting.append(flight.job)

    def _suspect(self, job: RenderJob) -> Iterator[RenderResult]:
        """A job whose workers died again and again is tried by itself at the end, and then no more."""
        if not self._alone:
            self._suspects.append(job)
            return
        state = job.state
        reason = f"Every Dask worker that rendered state {state.id} of {state.synth} died, though it did nothing else."
        yield RenderResult(job, (), Failure.CRASH, reason)


class ClusterPool(Closing):
    """Renders jobs on a Dask cluster; see ``Pool``.

    Sounds of different builds of a plugin don't mix: a worker whose plugin has another fingerprint than this
    machine's gets no jobs for it. Where this machine doesn't have the plugin, the first answer decides; commands don't
    come that far, since they compare with what was stored.

    Args:
        address: of the scheduler, such as ``tcp://studio:8786``.
        timeout: seconds that one job may take.
        patience: seconds to wait for the scheduler, and for a worker that can do what is to be done.
        known: the synths by id; those of the catalogue if None.

    Raises:
        RenderError: nothing answers there, or the package distributed is missing.
    """

    def __init__(
        self,
        address: str,
        timeout: float = 60.0,
        patience: float = 30.0,
        known: Mapping[str, Synth] | None = None,
    ) -> None:
        self._cluster = _Cluster(address, timeout, patience, synths() if known is None else known)
        self._closed = False

    def render(self, jobs: Iterable[RenderJob]) -> Iterator[RenderResult]:
        """Render jobs, in the order in which they get done; see ``Pool.render``.

        A job whose workers died as often as Dask allows is tried again by itself, when the others are done. What a
        worker is at when the loop is left early, it finishes, and nobody hears of it.

        Returns:
            One result per job; a job that made no sound carries its failure and the reason.

        Raises:
            RenderError: the pool is closed, the scheduler is gone, or no worker can do what is left.
        """
        if self._closed:
            raise RenderError("This pool is closed; make another one.")
        run = _Run(self._cluster, jobs)
        try:
            yield from run.results()
        finally:
            run.cancel()

    def close(self) -> None:
        """Leave the cluster, which stays; a second call does nothing."""
        if not self._closed:
            self._closed = True
            self._cluster.close()


def _connect(address: str, patience: float) -> Any:
    try:
        from distributed import Client
    except ImportError as error:
        raise RenderError(
            f"Rendering on a cluster needs the package distributed ({error}); {remedy('cluster')}."
        ) from error
    if not re.fullmatch(_ADDRESS, address):
        raise RenderError(f"{address} isn't a scheduler's address; write it like tcp://studio:8786.")
    for name in ("distributed", "distributed.client"):  # what it has to say is said in our errors
        logging.getLogger(name).setLevel(logging.CRITICAL)
    connect: Callable[..., Any] = Client
    try:
        return connect(address, timeout=patience, set_as_default=False, name="synthmatch")
    except (OSError, TimeoutError, ValueError) as error:
        raise RenderError(
            f"No Dask scheduler answers at {address}; start one with `dask scheduler`, "
            "and give the address that it prints."
        ) from error
