"""A process that hosts one synth, so that a plugin may crash or hang without harm.

``python -m synthmatch.renderers.worker HOME`` reads pickled frames from its standard input: first a ``Start``,
which says what to host, then one ``Order`` after the other. It answers each on its standard output (``answers``):
``Ready`` to the first, or ``Unready``, or an ``Answer`` that refuses every job; then ``Answer``. A
``Question`` in the place of the ``Start`` is answered with a ``Probe``, and ends the conversation.

Plugins write to file descriptors 1 and 2 from C; both end up where standard error points. The process never
loads torch and starts no threads of its own: it forks, and a child inherits locks but not the threads that
would open them.
"""

from __future__ import annotations

import argparse
import gc
import os
import select
import shutil
import signal
import sys
import tempfile
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, Protocol, runtime_checkable

from synthmatch.errors import NotFinite, PluginMissing, PresetError, RenderError
from synthmatch.presets.catalogue import Isolation, Synth
from synthmatch.renderers import soundcheck
from synthmatch.renderers.answers import send_answer
from synthmatch.renderers.confinement import confine, die_with_parent, move_home
from synthmatch.renderers.frames import (
    Answer,
    Order,
    Probe,
    Question,
    Ready,
    Start,
    Unready,
    crashed,
    receive,
    timed_out,
)
from synthmatch.renderers.renderer import Failure, Renderer, RenderJob, RenderSettings

_BEGUN = b"!"  # a child's word that it has an answer and sends it now


@runtime_checkable
class Preparable(Protocol):
    """A renderer that can do everything which doesn't depend on the state ahead of time."""

    def prepare(self, settings: RenderSettings) -> None:
        """Get ready for states to be rendered with these settings."""
        ...


def perform(renderer: Renderer, job: RenderJob) -> Answer:
    """Load a job's state and play its performances; what the synth refuses becomes a failure."""
    try:
        try:
            renderer.load(job.state, job.settings)
        except OSError as error:  # most plugins are handed states in files
            remedy = _remedy(Path(tempfile.gettempdir()))
            reason = f"{job.state.synth} can't be handed state {job.state.id} ({_told(error)}); {remedy}."
            return Answer(failure=Failure.MISSING, reason=reason)
        clips = tuple(renderer.render(performance) for performance in job.performances)
    except PluginMissing as error:
        return Answer(failure=Failure.MISSING, reason=str(error))
    except NotFinite as error:
        return Answer(failure=Failure.NOT_FINITE, reason=str(error))
    except (PresetError, RenderError) as error:
        return Answer(failure=Failure.REFUSED, reason=str(error))
    wrong = soundcheck.fault(job.state, clips)
    return Answer(clips) if wrong is None else Answer(failure=wrong[0], reason=wrong[1])


def perform_in_child(renderer: Renderer, order: Order, requests: BinaryIO, answers: BinaryIO) -> None:
    """``perform`` in a forked child, so that the synth here stays untouched.

    The child sends its answer itself: nobody else has to copy the sound. What became of a child that sent none is
    answered here.
    """
    told, tell = os.pipe()
    try:
        child = os.fork()
    except OSError as error:
        os.close(told)
        os.close(tell)
        why = f"No process can be started for state {order.job.state.id} ({_told(error)})"
        reason = f"{why}; end other programs, or raise the limit to their number."
        send_answer(answers, Answer(failure=Failure.MISSING, reason=reason))
        return
    if child == 0:
        status = 1
        try:
            die_with_parent()
            for descriptor in (told, requests.fileno()):
                os.close(descriptor)
            answer = perform(renderer, order.job)
            os.write(tell, _BEGUN)
            send_answer(answers, answer)
            status = 0
        except BaseException:
            traceback.print_exc()
            sys.stderr.flush()
        finally:
            os._exit(status)  # nothing of the parent's may be flushed, closed or removed a second time
    os.close(tell)
    in_time = bool(select.select([told], [], [], order.timeout)[0])
    if not in_time:
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    # Asked first: what a plugin started may outlive the child, and hold the other end.
    begun = bool(select.select([told], [], [], 0)[0]) and os.read(told, 1) == _BEGUN
    os.close(told)
    if begun and status != 0:
        sys.exit("The answer was cut short.")  # whatever is said now would be taken for the rest of it
    if not begun:
        send_answer(answers, crashed(order.job, os.waitstatus_to_exitcode(status)) if in_time else timed_out(order))


def serve(renderer: Renderer, settings: RenderSettings, requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer frames until there are no more."""
    forks = renderer.isolation is Isolation.FORK and hasattr(os, "fork")
    if isinstance(renderer, Preparable):  # one that can't be loaded is found out here, once, not with every job
        renderer.prepare(settings)
    gc.freeze()  # a child that looked for garbage among its parent's things would copy all of them
    send_answer(answers, Ready(keeps_time=forks))
    while True:
        order: Order = receive(requests)
        if forks:
            perform_in_child(renderer, order, requests, answers)
        else:
            send_answer(answers, perform(renderer, order.job))


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

    start: Start | Question = receive(requests)
    try:
        try:
            confine(home, start.synth.one_processor)
            renderer = make_renderer(start.synth)  # finds the plugin, perhaps in the real home
            move_home(home)
        except OSError as error:
            reason = f"No process can be made ready for {start.synth.title} ({_told(error)}); {_remedy(home)}."
            send_answer(answers, Unready(reason))
            return
        with renderer:
            if isinstance(start, Question):
                send_answer(answers, _described(start.synth, renderer))
                receive(requests)  # the other side ends this process; until then the answer can be read
            else:
                serve(renderer, start.settings, requests, answers)
    except PluginMissing as error:
        send_answer(answers, Answer(failure=Failure.MISSING, reason=str(error)))


def _told(error: OSError) -> str:
    return error.strerror or str(error)


def _remedy(home: Path) -> str:
    """What to do where nothing can be written into a process's home, which is gone with it; the end of a sentence."""
    return f"make room in {home.parent}, or name another folder in TMPDIR"


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
    _widen(answers.fileno())
    return requests, answers


def _widen(pipe: int) -> None:
    """Let the pipe hold 1 MiB where the system can: fewer switches between its two ends."""
    try:
        import fcntl

        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, 1 << 20)
    except (ImportError, AttributeError, OSError):
        return


if __name__ == "__main__":
    main()
