"""The pool's end of one host process: start it, have jobs done with a time limit, end it for certain."""

from __future__ import annotations

import contextlib
import os
import platform
import queue
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from synthmatch.files import home
from synthmatch.presets.catalogue import Synth
from synthmatch.renderers.answers import Said, receive_answer
from synthmatch.renderers.frames import Answer, Order, Probe, Question, Ready, Start, Unready, send
from synthmatch.renderers.renderer import RenderSettings

_START_TIMEOUT = 60.0  # seconds to start Python and load the plugin on a busy machine
_GRACE = 5.0  # seconds on top for a host that ends slow jobs itself
LARGE_LOG = 16 * 2**20
"""Bytes that plugins may print before their log is begun anew."""

GROWTH = 2**30
"""Bytes by which a process may grow before another takes its place: some presets need a lot, and keep it."""

_EXIT = 2.0  # seconds between closing its output and being gone

# A host runs one thread; the idle ones of a numeric library would only be in the way of fork.
_ENVIRONMENT = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
_DISPLAYS = ("DISPLAY", "WAYLAND_DISPLAY")  # no plugin has a reason to open a window
_NAMESPACE = Path("/proc/self/ns/pid")


_log_lock = threading.Lock()


def _homes() -> str:
    """How the folders of hosts are called, up to the process that started them. Machines and containers may share a
    folder for temporary files, and each numbers its processes from one; a container is told by its namespace, whose
    number outside of any container is the same on every machine."""
    machine = re.sub("[^A-Za-z0-9]+", "_", platform.node())  # a dash would begin the next part
    try:
        namespace = _NAMESPACE.stat().st_ino
    except OSError:
        namespace = 0
    return f"synthmatch-host-{machine}-{namespace:x}-"


def sweep_homes() -> None:
    """Remove the folders of hosts whose parent was killed before it could."""
    if sys.platform == "win32":
        return  # no way to ask whether a process is there
    for folder in Path(tempfile.gettempdir()).glob(f"{_homes()}*-*"):
        parent = folder.name.removeprefix(_homes()).split("-", 1)[0]
        try:
            os.kill(int(parent), 0)
        except ProcessLookupError:
            shutil.rmtree(folder, ignore_errors=True)
        except (ValueError, OverflowError, PermissionError):
            continue  # not ours


def plugin_log() -> Path:
    """Where what plugins print goes: ``plugins.log`` in synthmatch's home."""
    path = home() / "plugins.log"
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def _keep_small(log: Path) -> None:
    """Begin a log anew that has grown large; what it said until then is kept beside it. Hosts add to its end, wherever
    that is, so it may be emptied under their hands."""
    with _log_lock, contextlib.suppress(OSError):
        if log.stat().st_size > LARGE_LOG:
            shutil.copyfile(log, log.with_name(f"{log.name}.1"))
            os.truncate(log, 0)


class HostDied(Exception):
    """The process ended; ``status`` is its exit status, or minus the signal that killed it."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class HostSlow(Exception):
    """The process did not answer in time."""


class HostUnready(Exception):
    """This machine let the process do nothing; the message says what to do about it."""


class HostRefused(Exception):
    """The synth isn't there; the message says how to get it."""


class Host:
    """One worker process, which hosts one synth.

    Args:
        synth: what it hosts.
        log: a file to which everything that the plugin prints is appended; thrown away if None.
    """

    def __init__(self, synth: Synth, log: Path | None) -> None:
        self._synth = synth
        self._log = log
        self._home = tempfile.mkdtemp(prefix=f"{_homes()}{os.getpid()}-")
        environment = {key: value for key, value in os.environ.items() if key not in _DISPLAYS} | _ENVIRONMENT
        try:
            with (log or Path(os.devnull)).open("ab") as noise:
                self._process = subprocess.Popen(
                    # -P: a file in the current folder must not stand in for a module.
                    [sys.executable, "-P", "-m", "synthmatch.renderers.worker", self._home],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=noise,
                    env=environment,
                    start_new_session=True,  # Ctrl-C is the pool's to handle, and one signal ends its children too
                )
        except BaseException:
            shutil.rmtree(self._home, ignore_errors=True)
            raise
        self._keeps_time, self._at_first = False, 0
        self._asked: queue.Queue[Start | Question | Order | None] = queue.Queue()
        self._answers: queue.Queue[Said | Exception | None] = queue.Queue()
        self._talk = threading.Thread(target=self._converse, name="synthmatch-host", daemon=True)
        self._talk.start()

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    def memory(self) -> int:
        """Bytes of memory that the process holds; 0 where the system doesn't say."""
        try:
            return int(Path(f"/proc/{self.pid}/statm").read_text("ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
        except (OSError, ValueError, AttributeError):
            return 0

    def start(self, settings: RenderSettings, timeout: float = 0.0) -> None:
        """Wait until the synth is ready for jobs with these settings.

        Args:
            timeout: seconds that it may take, where that is more than any plugin has: samplers read long.

        Raises:
            HostRefused: the synth isn't there.
            HostDied, HostSlow, HostUnready, Garbled: it did not start.
        """
        greeting = self._answer(Start(self._synth, settings), max(_START_TIMEOUT, timeout))
        if isinstance(greeting, Unready):
            raise HostUnready(greeting.reason)
        if isinstance(greeting, Answer):
            raise HostRefused(greeting.reason)
        assert isinstance(greeting, Ready)
        self._keeps_time = greeting.keeps_time
        self._at_first = self.memory()

    def has_grown(self) -> bool:
        """Whether the process holds far more memory than when it was ready: plugins leak."""
        return self.memory() > self._at_first + GROWTH

    def ask(self, timeout: float) -> Probe:
        """What the plugin says about itself; asked instead of ``start``.

        Raises:
            HostRefused: the plugin isn't there, isn't one, or nothing can be hosted here.
            HostDied, HostSlow, Garbled: it did not answer.
        """
        answer = self._answer(Question(self._synth), timeout)
        if isinstance(answer, Answer | Unready):
            raise HostRefused(answer.reason)
        assert isinstance(answer, Probe)
        return answer

    def render(self, order: Order) -> Answer:
        """Have a job done.

        Raises:
            HostDied, HostSlow, Garbled: close this host and start another.
        """
        answer = self._answer(order, order.timeout + (_GRACE if self._keeps_time else 0.0))
        assert isinstance(answer, Answer)
        if self._log is not None:
            _keep_small(self._log)
        return answer

    def kill(self) -> None:
        """End the process and whatever it started, at once; may be called from any thread."""
        if self._process.returncode is not None:
            return  # its number may be another process's by now
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if hasattr(os, "killpg"):
                os.killpg(self._process.pid, signal.SIGKILL)
            else:
                self._process.kill()

    def close(self) -> None:
        """Kill the process, wait for its end and remove its folder; a second call does nothing."""
        self.kill()
        self._process.wait()
        self._asked.put(None)
        self._talk.join(_EXIT)
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):  # what was still to be sent has nobody to go to
                    stream.close()
        shutil.rmtree(self._home, ignore_errors=True)

    def _answer(self, message: Start | Question | Order, timeout: float) -> Said:
        """What the process says to a message."""
        self._asked.put(message)
        try:
            answer = self._answers.get(timeout=timeout)
        except queue.Empty:
            raise HostSlow from None
        if answer is None:
            raise HostDied(self._exit_status())
        if isinstance(answer, Exception):
            raise answer
        return answer

    def _exit_status(self) -> int:
        """The status of a process that closed its output; its children are ended first."""
        deadline = time.monotonic() + _EXIT
        if hasattr(os, "waitid"):
            # Not reaped yet, its number still names the group that its children are in.
            gone = os.WEXITED | os.WNOWAIT | os.WNOHANG
            while os.waitid(os.P_PID, self.pid, gone) is None and time.monotonic() < deadline:
                time.sleep(0.005)
        self.kill()
        return self._process.wait()

    def _converse(self) -> None:
        """Send each message, then read its answer and no more, so that a process which says anything at any time fills
        nobody's memory. In a thread of its own, since either may take for ever."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            while (message := self._asked.get()) is not None:
                with contextlib.suppress(BrokenPipeError):  # its end is found out when its answer is read
                    send(self._process.stdin, message)
                self._answers.put(receive_answer(self._process.stdout, message))
        except (EOFError, OSError, ValueError):
            self._answers.put(None)
        except Exception as error:  # Garbled, or no memory for the answer: whoever waits for it must hear of it
            self._answers.put(error)
