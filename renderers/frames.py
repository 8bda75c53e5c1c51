"""What a pool and its host processes say to each other: pickled messages in frames of known length.

Only a process and the children that it started itself talk this way, so pickle is safe here.
"""

from __future__ import annotations

import pickle
import signal
import struct
from dataclasses import dataclass
from typing import IO, Any

from synthmatch.audio import Clip
from synthmatch.presets.catalogue import Synth
from synthmatch.renderers.renderer import Failure, RenderJob, RenderSettings

_LENGTH = struct.Struct(">Q")

Frame = list[bytearray]
"""A message as it was read: the pickle, then the arrays in it."""


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
class Unready:
    """This machine let the host do nothing, its disk being full, say; why, in one sentence. It may let the next one."""

    reason: str


@dataclass(frozen=True)
class Answer:
    """What came of a job: clips, or a failure with its reason in one sentence."""

    clips: tuple[Clip, ...] = ()
    failure: Failure | None = None
    reason: str = ""


def send(stream: IO[bytes], message: object) -> None:
    """Write one frame: how many parts, the length of each in 8 bytes, the parts.

    The first part is the pickled message; the others are its arrays, written from where they lie.
    """
    arrays: list[pickle.PickleBuffer] = []
    pickled = pickle.dumps(message, protocol=5, buffer_callback=arrays.append)
    parts = [memoryview(pickled), *(array.raw() for array in arrays)]
    stream.write(b"".join(map(_LENGTH.pack, (len(parts), *(part.nbytes for part in parts)))))
    for part in parts:
        stream.write(part)
    stream.flush()


def receive(stream: IO[bytes]) -> Frame:
    """Read one frame.

    Raises:
        EOFError: the other side is gone, perhaps in the middle of the frame.
    """
    (count,) = _LENGTH.unpack(_exactly(stream, _LENGTH.size))
    lengths = [_LENGTH.unpack(_exactly(stream, _LENGTH.size))[0] for _ in range(count)]
    return [_exactly(stream, length) for length in lengths]


def unpack(frame: Frame) -> Any:
    """The message in a frame. Its arrays lie in the frame's own memory, and can be written to."""
    return pickle.loads(frame[0], buffers=frame[1:])


def _exactly(stream: IO[bytes], length: int) -> bytearray:
    data = bytearray(length)
    if stream.readinto(data) < length:  # type: ignore[attr-defined]
        raise EOFError
    return data


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
