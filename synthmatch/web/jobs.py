"""Work that takes its time: at most so much at once, and told as it goes on."""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
import threading
from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable
from functools import partial
from queue import SimpleQueue
from typing import Any

from synthmatch.closing import Closing
from synthmatch.web.limits import Refusal

Told = dict[str, Any]

DONE, ERROR = "done", "error"
"""The events after which a job has no more to say."""

_HEARTBEAT = 15.0  # seconds after which a silent stream says that it is alive
_GIVEN_UP = Refusal(503, "Stopped before it was done.")
_log = logging.getLogger(__name__)


class Cancelled(Exception):
    """Nobody waits for the job's result any more."""


class Job:
    """Something that is being done. Events are told by the thread that does it and heard by any number of streams.

    Attributes: ``id``, which nobody can guess; ``result``, whatever the work gave.
    """

    def __init__(self) -> None:
        self.id = secrets.token_urlsafe(12)
        self.result: Any = None
        self._events: list[tuple[str, Told]] = []
        self._changed = threading.Condition()
        self._listeners: set[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = set()
        self._cancelled = threading.Event()

    def tell(self, name: str, what: Told) -> None:
        """Add an event."""
        with self._changed:
            self._events.append((name, what))
            for loop, event in self._listeners:
                if not loop.is_closed():
                    loop.call_soon_threadsafe(event.set)

    def progress(self, done: int, total: int, remark: str = "") -> None:
        """Tell how far it is.

        Raises:
            Cancelled: nobody wants to know.
        """
        if self._cancelled.is_set():
            raise Cancelled
        self.tell("progress", {"done": done, "total": total, "remark": remark})

    def cancel(self) -> None:
        """Ask it to stop; it does at its next step."""
        self._cancelled.set()

    @property
    def cancelled(self) -> bool:
        """Whether it was asked to stop."""
        return self._cancelled.is_set()

    @property
    def ended(self) -> bool:
        """Whether there is no more to be told."""
        with self._changed:
            return bool(self._events) and self._events[-1][0] in (DONE, ERROR)

    def is_over(self, first: int) -> bool:
        """Whether there never will be an event of number ``first``."""
        with self._changed:
            return self.ended and first >= len(self._events)

    async def events(self, first: int = 0) -> AsyncGenerator[tuple[int, str, Told], None]:
        """Every event from number ``first`` on, as it comes, up to the last one; ``("", {})`` for every
        ``_HEARTBEAT`` seconds in which there was none."""
        listener = (asyncio.get_running_loop(), asyncio.Event())
        with self._changed:
            self._listeners.add(listener)
        try:
            while True:
                listener[1].clear()
                with self._changed:
                    fresh = self._events[first:]
                for name, what in fresh:
                    yield first, name, what
                    first += 1
                    if name in (DONE, ERROR):
                        return
                if self.is_over(first):  # whoever asks has heard the last one before
                    return
                try:
                    await asyncio.wait_for(listener[1].wait(), _HEARTBEAT)
                except TimeoutError:
                    yield first, "", {}
        finally:
            with self._changed:
                self._listeners.discard(listener)

    async def outcome(self) -> tuple[str, Told]:
        """Its last event."""
        events = [(name, what) async for _, name, what in self.events() if name]
        return events[-1]


class Room(Closing):
    """Where jobs are done one after the other, by one thread.

    Args:
        name: of the thread.
        waiting: jobs that may wait.
        remembered: jobs that can be asked for, the newest ones.
        at_end: what the thread does last.
        lasting: whether closing it waits for what is being done. If not, as where that can't be stopped, it is left to
            itself until the program ends.
    """

    def __init__(
        self, name: str, waiting: int, remembered: int, at_end: Callable[[], None], lasting: bool = True
    ) -> None:
        self._at_end, self._lasting, self._closed = at_end, lasting, False
        self._name, self._waiting, self._remembered = name, waiting, remembered
        self._jobs: OrderedDict[str, Job] = OrderedDict()
        self._open: set[str] = set()
        self._lock = threading.Lock()
        self._turns: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        # Of its own rather than an executor's: the interpreter waits for those at its end, whatever they do.
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    def begin(self, work: Callable[[Job], Told], dropped: Callable[[], None] = lambda: None) -> Job:
        """Do something in its turn.

        Args:
            work: is given its job and returns what the last event tells.
            dropped: called instead if the job is cancelled before its turn.

        Raises:
            Refusal: too much is waiting, or the room is closed.
        """
        job = Job()
        with self._lock:
            if self._closed:
                raise Refusal(503, "The server is ending; start `synthmatch serve` again, and ask anew.")
            if len(self._open) > self._waiting:
                raise Refusal(503, "The server has more to do than it can take on; try again in a few seconds.")
            self._open.add(job.id)
            self._jobs[job.id] = job
            while len(self._jobs) > self._remembered and (old := next(iter(self._jobs))) not in self._open:
                del self._jobs[old]
            self._turns.put(partial(self._do, job, work, dropped))
        return job

    def job(self, key: str) -> Job:
        """A job by its id.

        Raises:
            Refusal: there is none, or it's long past.
        """
        with self._lock:
            if key not in self._jobs:
                raise Refusal(404, "That is no longer known here; ask for it again.")
            return self._jobs[key]

    def busy(self) -> tuple[Job, ...]:
        """The jobs that are being done, or wait."""
        with self._lock:
            return tuple(self._jobs[key] for key in self._open if key in self._jobs)

    def give_up(self) -> None:
        """Ask what is being done to stop at its next step, and tell whoever listens that it will."""
        for job in self.busy():
            job.cancel()
            job.tell(ERROR, _GIVEN_UP.to_json())

    def close(self) -> None:
        """Stop at the next step of what is being done; the rest isn't begun."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self._turns.put(None)
        for job in self.busy():
            job.cancel()
        if self._lasting:
            self._thread.join()

    def _work(self) -> None:
        while (turn := self._turns.get()) is not None:
            turn()
            del turn  # until the next one comes, what it was about may be large
        self._at_end()

    def _do(self, job: Job, work: Callable[[Job], Told], dropped: Callable[[], None]) -> None:
        try:
            if job.cancelled:
                dropped()
                raise Cancelled
            last = (DONE, work(job))
        except Cancelled:
            last = (ERROR, _GIVEN_UP.to_json())
        except Exception as error:
            refusal = Refusal.of(error)
            if refusal.status == 500:
                _log.exception("in the room for %s", self._name)
            last = (ERROR, refusal.to_json())
        with self._lock:
            self._open.discard(job.id)
        job.tell(*last)


async def as_stream(job: Job, first: int, given_up: Callable[[], None]) -> AsyncGenerator[str, None]:
    """A job's events as server-sent events, with a comment now and then so that nobody hangs up.

    Args:
        first: number of the first one wanted.
        given_up: called when the client leaves before the last one.
    """
    try:
        yield f"event: job\ndata: {json.dumps({'id': job.id})}\n\n"
        async for number, name, what in job.events(first):
            if name:
                yield f"id: {number}\nevent: {name}\ndata: {json.dumps(what, ensure_ascii=False)}\n\n"
            else:
                yield ": still here\n\n"
    finally:
        if not job.ended:
            given_up()
