"""One thread of a pool and the host processes that it owns: what is tried again, and what isn't believed."""

from __future__ import annotations

import queue
import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from synthmatch.audio import Clip
from synthmatch.errors import RenderError
from synthmatch.presets.catalogue import Engine, Isolation, Synth, unknown
from synthmatch.presets.preset import State
from synthmatch.renderers.answers import Garbled
from synthmatch.renderers.frames import Answer, Order, crashed, describe_exit, garbled, timed_out
from synthmatch.renderers.host import Host, HostDied, HostRefused, HostSlow, HostUnready
from synthmatch.renderers.hostings import may_be_ignored
from synthmatch.renderers.renderer import Failure, RenderJob, RenderResult
from synthmatch.renderers.soundcheck import same_sound

_HOSTS = 3  # host processes that one thread keeps
_ATTEMPTS = 2  # a job is tried once more whose host dies or won't start, or whose failure may be of the one before
_FIRSTS = 16  # performances of which it is kept how a synth plays them by itself
_STARTS = 4  # a synth whose host dies or hangs this often in a row before it is ready isn't started again

LEFT = "The pool was closed, or its results were left, before the job was done; make another pool."
"""Why a job wasn't done that nobody waits for any more."""

_HostKey = tuple[str, int, int]  # synth, sample rate, block size


def _key(job: RenderJob) -> _HostKey:
    return job.state.synth, job.settings.sample_rate, job.settings.block_size


class _NotReady(Exception):
    """A host couldn't take a job: no preset was loaded, so this is no verdict on one."""


@dataclass(eq=False)
class Run:
    """One call of ``RenderPool.render``: its results, and whether anybody still wants them."""

    results: queue.Queue[RenderResult | BaseException] = field(default_factory=queue.Queue)
    cancelled: bool = False


@dataclass(eq=False)
class Shared:
    """What all threads of a pool use."""

    timeout: float
    log: Path | None
    known: Mapping[str, Synth]
    tasks: queue.Queue[tuple[Run, RenderJob] | None] = field(default_factory=queue.Queue)
    refusals: dict[str, Answer] = field(default_factory=dict)  # by synth: nothing to be tried again
    untouched: dict[str, tuple[Clip, ...]] = field(default_factory=dict)  # by job of one performance: by itself


class Slot(threading.Thread):
    """One thread of the pool, and its hosts."""

    def __init__(self, shared: Shared) -> None:
        super().__init__(name="synthmatch-render", daemon=True)
        self._shared = shared
        self._lock = threading.Lock()
        self._hosts: dict[_HostKey, Host] = {}
        self._before: dict[_HostKey, tuple[str, tuple[Clip, ...]]] = {}  # what a reused instance played last
        self._failed_starts: Counter[str] = Counter()  # by synth, in a row; other threads' say nothing about a row
        self._run: Run | None = None

    def run(self) -> None:
        """Do tasks until there are no more."""
        while (task := self._shared.tasks.get()) is not None:
            run, job = task
            if run.cancelled:  # before it counts as at work for it, and its hosts would be ended
                run.results.put(RenderError(LEFT))
                continue
            self._work_for(run)
            try:
                result: RenderResult | BaseException = self._result(job, run)
            except BaseException as error:  # whoever waits for the result must hear of it
                result = error
            self._work_for(None)
            run.results.put(result)
        for key in list(self._hosts):
            self._drop(key)

    def cancel(self, run: Run) -> None:
        """End this thread's hosts if they work for a run that nobody wants any more."""
        with self._lock:
            if self._run is run:
                for host in self._hosts.values():
                    host.kill()

    def pids(self) -> tuple[int, ...]:
        """The process ids of its hosts."""
        with self._lock:
            return tuple(host.pid for host in self._hosts.values())

    def _work_for(self, run: Run | None) -> None:
        with self._lock:
            self._run = run

    def _result(self, job: RenderJob, run: Run) -> RenderResult:
        row = self._shared.known.get(job.state.synth)
        if row is None:
            return RenderResult(job, (), Failure.MISSING, unknown(job.state.synth, self._shared.known))
        answer = self._tried(row, job, run)
        if answer.failure is None and may_be_ignored(row, job.state):
            answer = self._taken(row, job, run, answer)
        return RenderResult(job, answer.clips, answer.failure, answer.reason)

    def _tried(self, row: Synth, job: RenderJob, run: Run) -> Answer:
        """What came of a job. A failure is believed of a process that played nothing before: what one preset leaves
        in a reused instance, NaN in a filter say, may be heard in all that come after it."""
        key, reused = _key(job), row.engine is Engine.PLUGIN and row.isolation is Isolation.NOTHING
        answer = Answer()
        for _ in range(_ATTEMPTS):
            doubtful = reused and key in self._hosts
            answer = self._attempt(row, job, run)
            if answer.failure is None:
                break
            if reused:
                self._drop(key)
            may_pass = answer.failure in (Failure.CRASH, Failure.MISSING)
            if not may_pass and (not doubtful or answer.failure is Failure.TIMEOUT):
                break
        return answer

    def _taken(self, row: Synth, job: RenderJob, run: Run, answer: Answer) -> Answer:
        """The answer, after a look whether the plugin took the state at all: it may play on what it played before,
        or what it plays without any preset, and call that success."""
        key = _key(job)
        before = self._before.get(key)
        if row.isolation is Isolation.NOTHING:
            if before is not None and before[0] != job.state.id and same_sound(before[1], answer.clips):
                self._drop(key)
                answer = self._tried(row, job, run)
            self._before[key] = (job.state.id, answer.clips)
        if answer.failure is None and self._plays_by_itself(row, job, run, answer):
            title, state = row.title, job.state.id
            reason = f"{title} plays state {state} as it plays without any preset: it is that, or it wasn't taken."
            return Answer(failure=Failure.NOT_LOADED, reason=reason)
        return answer

    def _plays_by_itself(self, row: Synth, job: RenderJob, run: Run, answer: Answer) -> bool:
        """Whether the synth plays all of a job like this before any preset is loaded; never if it can't without one.

        Every preset has performances of its own, but the first one is mostly the same for all: what is played there
        tells nearly all states from none, and is kept. So few jobs are played twice, and hardly any sound is held.
        """
        plain = replace(job, state=State(row.id, b""))
        first = replace(plain, performances=job.performances[:1])
        known = self._shared.untouched
        if first.key not in known:
            if len(known) >= _FIRSTS:
                known.pop(next(iter(known)), None)  # another thread may have been faster
            known[first.key] = self._tried(row, first, run).clips
        if not same_sound(known.get(first.key, ()), answer.clips[:1]):
            return False
        return plain.key == first.key or same_sound(self._tried(row, plain, run).clips, answer.clips)

    def _attempt(self, row: Synth, job: RenderJob, run: Run) -> Answer:
        if row.id in self._shared.refusals:
            return self._shared.refusals[row.id]
        key = _key(job)
        order = Order(job, self._shared.timeout)
        try:
            host = self._host(key, row, job, run)
            answer = host.render(order)
            if row.isolation is Isolation.NEW_PROCESS or host.has_grown():
                self._drop(key)
            return answer
        except HostRefused as error:
            answer = Answer(failure=Failure.MISSING, reason=str(error))
            self._shared.refusals[row.id] = answer
        except _NotReady as error:
            answer = Answer(failure=Failure.MISSING, reason=str(error))
        except HostDied as error:
            answer = crashed(job, error.status)
        except HostSlow:
            answer = timed_out(order)
        except Garbled as error:
            answer = garbled(job, error)
        self._drop(key)
        return answer

    def _host(self, key: _HostKey, row: Synth, job: RenderJob, run: Run) -> Host:
        """A host that is ready for the job, whose start is given up after several failures in a row."""
        host = self._hosts.get(key)
        if host is None and not run.cancelled:
            if len(self._hosts) >= _HOSTS:
                self._drop(next(iter(self._hosts)))
            host = Host(row, self._shared.log)
            with self._lock:
                self._hosts[key] = host  # from here on, cancel finds it
            if not run.cancelled:
                self._start(host, job, run)
        if host is None or run.cancelled:
            self._drop(key)  # it may never have been started
            raise RenderError(LEFT)
        return host

    def _start(self, host: Host, job: RenderJob, run: Run) -> None:
        failed, synth = self._failed_starts, job.state.synth
        try:
            host.start(job.settings, self._shared.timeout)
        except (HostDied, HostSlow, HostUnready, Garbled) as error:
            if run.cancelled:  # ended by us, which says nothing about the plugin
                return
            failed[synth] += 1
            reason, given_up = _unready(job, error)
            if failed[synth] >= _STARTS:
                self._shared.refusals[synth] = Answer(failure=Failure.MISSING, reason=given_up)
            raise _NotReady(reason) from error
        failed[synth] = 0

    def _drop(self, key: _HostKey) -> None:
        self._before.pop(key, None)
        with self._lock:
            host = self._hosts.pop(key, None)
        if host is not None:
            host.close()


def _unready(job: RenderJob, error: HostDied | HostSlow | HostUnready | Garbled) -> tuple[str, str]:
    """Why a host wasn't ready for a job, in a sentence; and in one that says that the synth is given up."""
    synth = job.state.synth
    if isinstance(error, HostUnready):
        return str(error), str(error)
    if isinstance(error, HostDied):
        how, remedy = f"died {describe_exit(error.status)}", "install it again"
    elif isinstance(error, Garbled):
        how, remedy = f"answered with {error}", "install it again"
    else:
        how, remedy = "hung", "allow it more time, or install it again"
    return (
        f"{synth} {how} before it was ready for state {job.state.id}.",
        f"{synth} {how} {_STARTS} times in a row before it was ready; {remedy}.",
    )
