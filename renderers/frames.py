"""What a pool and its host processes say to each other: pickled messages in frames of known length.

Only a process and the children that it started itself talk this way, so pickle is safe here.
"""

from __future__ import annotations

import pickle
import signal
import struct
from dataclasses import dataclass
from typing import IO

from synthmatch.audio import Clip
from synthmatch.presets.catalogue import Synth
from synthmatch.renderers.renderer import Failure, RenderJob, RenderSettings

_LENGTH = struct.Struct(">Q")


@dataclass(frozen=True)
class Order:
    """A job and the seconds it may take."""

    job: RenderJob
    timeout: float


@dataclass(frozen=True)
class Start:
    """What a host process is for: the synth, and the settings that it should be ready for."""

    synth: Synth
    settings: RenderSettings


@dataclass(frozen=True)
class Question:
    """In the place of ``Start``: load the plugin and say what it is, in a ``Probe``."""

    synth: Synth


@dataclass(frozen=True)
class Ready:
    """The synth is there. ``keeps_time``: the worker itself ends jobs that take too long."""

    keeps_time: bool


@dataclass(frozen=True)
class Answer:
    """What came of a job: clips, or a failure with its reason in one sentence."""

    clips: tuple[Clip, ...] = ()
    failure: Failure | None = None
    reason: str = ""


def write_frame(stream: IO[bytes], data: bytes) -> None:
    """Write one frame: its length in 8 bytes, then ``data``."""
    stream.write(_LENGTH.pack(len(data)))
    stream.write(data)
    stream.flush()


def read_frame(stream: IO[bytes]) -> bytes:
    """Read one frame.

    Raises:
        EOFError: the other side is gone, perhaps in the middle of the frame.
    """
    head = stream.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        raise EOFError
    (length,) = _LENGTH.unpack(head)
    data = stream.read(length)
    if len(data) < length:
        raise EOFError
    return data


def whole_frame(data: bytes) -> bytes | None:
    """The data of a frame that was read as one piece; None if it is cut short."""
    if len(data) < _LENGTH.size or len(data) != _LENGTH.size + _LENGTH.unpack_from(data)[0]:
        return None
    return data[_LENGTH.size :]


def pack(message: object) -> bytes:
    """A message as the data of a frame."""
    return pickle.dumps(message, protocol=5)


def timed_out(order: Order) -> Answer:
    """The answer to a job that took too long."""
    job = order.job
    reason = f"{job.state.synth} took longer than {order.timeout:g} s over state {job.state.id} and was ended."
    return Answer(failure=Failure.TIMEOUT, reason=reason)


def crashed(job: RenderJob, status: int) -> Answer:
    """The answer to a job whose process died.

    Args:
        status: its exit status, or minus the signal that killed it.
    """
    reason = f"{job.state.synth} died {describe_exit(status)} while it rendered state {job.state.id}."
    return Answer(failure=Failure.CRASH, reason=reason)


def describe_exit(status: int) -> str:
    """How a process died, such as "by SIGSEGV" or "with exit status 0"."""
    if status >= 0:
        return f"with exit status {status}"
    try:
        return f"by {signal.Signals(-status).name}"
    except ValueError:
        return f"by signal {-status}"
