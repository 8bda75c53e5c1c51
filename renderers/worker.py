"""A process that hosts one synth, so that a plugin may crash or hang without harm.

``python -m synthmatch.renderers.worker HOME`` reads pickled frames from its standard input: first a ``Start``,
which says what to host, then one ``Order`` after the other. It answers each with a frame on its standard
output: ``Ready`` to the first, or an ``Answer`` that refuses every job, then ``Answer``. A ``Question`` in the
place of the ``Start`` is answered with a ``Probe``, and ends the conversation.

Plugins write to file descriptors 1 and 2 from C; both end up where standard error points. The process never
loads torch and starts no threads of its own: it forks, and a child inherits locks but not the threads that
would open them.
"""

from __future__ import annotations

import argparse
import os
import pickle
import select
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol, runtime_checkable

from synthmatch.errors import NotFinite, PluginMissing, PresetError, RenderError
from synthmatch.presets.catalogue import Isolation, Synth
from synthmatch.renderers import soundcheck
from synthmatch.renderers.confinement import confine, die_with_parent, move_home
from synthmatch.renderers.frames import (
    Answer,
    Order,
    Question,
    Ready,
    Start,
    crashed,
    pack,
    read_frame,
    timed_out,
    whole_frame,
    write_frame,
)
from synthmatch.renderers.renderer import Failure, Renderer, RenderJob, RenderSettings

if TYPE_CHECKING:
    from synthmatch.renderers.probe import Probe


@runtime_checkable
class Preparable(Protocol):
    """A renderer that can do everything which doesn't depend on the state ahead of time."""

    def prepare(self, settings: RenderSettings) -> None:
        """Get ready for states to be rendered with these settings."""
        ...


def perform(renderer: Renderer, job: RenderJob) -> Answer:
    """Load a job's state and play its performances; what the synth refuses becomes a failure."""
    try:
        renderer.load(job.state, job.settings)
        clips = tuple(renderer.render(performance) for performance in job.performances)
    except NotFinite as error:
        return Answer(failure=Failure.NOT_FINITE, reason=str(error))
    except (PresetError, RenderError) as error:
        return Answer(failure=Failure.REFUSED, reason=str(error))
    wrong = soundcheck.fault(job.state, clips)
    return Answer(clips) if wrong is None else Answer(failure=wrong[0], reason=wrong[1])


def perform_in_child(renderer: Renderer, order: Order, inherited: Sequence[int]) -> bytes:
    """``perform`` in a forked child, so that the synth here stays untouched.

    Args:
        inherited: file descriptors that the child must not keep open.

    Returns:
        A packed ``Answer``: the child's own, or what became of it.
    """
    receive, send = os.pipe()
    _widen(send)
    child = os.fork()
    if child == 0:
        status = 1
        try:
            die_with_parent()
            for descriptor in (receive, *inherited):
                os.close(descriptor)
            with os.fdopen(send, "wb") as stream:
                write_frame(stream, pack(perform(renderer, order.job)))
            status = 0
        except BaseException:
            traceback.print_exc()
            sys.stderr.flush()
        finally:
            os._exit(status)  # nothing of the parent's may be flushed, closed or removed a second time
    os.close(send)
    data = _read_until(receive, time.monotonic() + order.timeout)
    if data is None:
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    if data is None:
        return pack(timed_out(order))
    return whole_frame(data) or pack(crashed(order.job, os.waitstatus_to_exitcode(status)))


def serve(renderer: Renderer, settings: RenderSettings, requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer frames until there are no more."""
    forks = renderer.isolation is Isolation.FORK and hasattr(os, "fork")
    if forks and isinstance(renderer, Preparable):
        renderer.prepare(settings)
    write_frame(answers, pack(Ready(keeps_time=forks)))
    inherited = (requests.fileno(), answers.fileno())
    while True:
        order: Order = pickle.loads(read_frame(requests))
        work = perform_in_child(renderer, order, inherited) if forks else pack(perform(renderer, order.job))
        write_frame(answers, work)


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until standard input ends."""
    parser = argparse.ArgumentParser(prog="python -m synthmatch.renderers.worker", description=__doc__)
    parser.add_argument("home", type=Path, help="an empty folder that the plugin takes for the user's home")
    chosen = parser.parse_args(arguments)
    requests, answers = _take_streams()
    die_with_parent()
    try:
        _answer_all(chosen.home, requests, answers)
    except (EOFError, BrokenPipeError):
        pass  # whoever started this process is done, or gone
    finally:
        shutil.rmtree(chosen.home, ignore_errors=True)


def _answer_all(home: Path, requests: BinaryIO, answers: BinaryIO) -> None:
    from synthmatch.renderers.synths import make_renderer

    start: Start | Question = pickle.loads(read_frame(requests))
    confine(home, start.synth.one_processor)
    try:
        renderer = make_renderer(start.synth)  # finds the plugin, perhaps in the real home
        move_home(home)
        with renderer:
            if isinstance(start, Question):
                write_frame(answers, pack(_described(start.synth, renderer)))
                read_frame(requests)  # the other side ends this process; until then the answer can be read
            else:
                serve(renderer, start.settings, requests, answers)
    except PluginMissing as error:
        write_frame(answers, pack(Answer(failure=Failure.REFUSED, reason=str(error))))


def _described(row: Synth, renderer: Renderer) -> Probe:
    from synthmatch.renderers.dawdreamer import PluginRenderer
    from synthmatch.renderers.probe import examine

    assert isinstance(renderer, PluginRenderer)  # nothing else is asked about
    return examine(row, renderer)


def _take_streams() -> tuple[BinaryIO, BinaryIO]:
    """Private copies of standard input and output; what a plugin reads or writes goes elsewhere."""
    requests = os.fdopen(os.dup(0), "rb")
    answers = os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return requests, answers


def _read_until(descriptor: int, deadline: float) -> bytes | None:
    """Everything up to the end of the pipe, which is closed then; None if the deadline comes first."""
    parts: list[bytes] = []
    try:
        while True:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([descriptor], [], [], left)[0]:
                return None
            part = os.read(descriptor, 1 << 20)
            if not part:
                return b"".join(parts)
            parts.append(part)
    finally:
        os.close(descriptor)


def _widen(pipe: int) -> None:
    """Let the pipe hold 1 MiB where the system can: fewer switches between its two ends."""
    try:
        import fcntl

        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, 1 << 20)
    except (ImportError, AttributeError, OSError):
        return


if __name__ == "__main__":
    main()
