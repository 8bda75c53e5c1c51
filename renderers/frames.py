"""What a pool and its host processes say to each other, and the pool's side of it: pickles in frames of known length.

A host process believes the one that started it. That one believes nothing of a process in which strangers' presets are
read, and has its answers in another form: see ``answers``.
"""

from __future__ import annotations

import pickle
import signal
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from synthmatch.audio import Clip
from synthmatch.presets.catalogue import Parameter, Synth
from synthmatch.renderers.renderer import Failure, RenderJob, RenderSettings

LENGTH = struct.Struct(">Q")
"""How many bytes follow."""


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
class Probe:
    """What a plugin says of itself.

    Args:
        plugin: its file or bundle.
        name: its own, or its file's.
        plugin_id: four letters (VST2, Audio Unit) or 32 hex digits (VST3); "" if it doesn't say.
        plugin_version: as it counts.
        instrument: whether it plays notes.
        inputs, outputs: channels of sound.
        parameters: in its own order, with their values (0 to 1) in an untouched instance; names are made
            different where the plugin gives several the same one, or none.
    """

    plugin: Path
    name: str
    plugin_id: str
    plugin_version: int
    instrument: bool
    inputs: int
    outputs: int
    parameters: tuple[Parameter, ...]


@dataclass(frozen=True)
class Answer:
    """What came of a job: clips, or a failure with its reason in one sentence."""

    clips: tuple[Clip, ...] = ()
    failure: Failure | None = None
    reason: str = ""


def send(stream: IO[bytes], message: Start | Question | Order) -> None:
    """Write one frame to a host process."""
    pickled = pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL)
    stream.write(LENGTH.pack(len(pickled)))
    stream.write(pickled)
    stream.flush()


def receive(stream: IO[bytes]) -> Any:
    """Read what ``send`` wrote; for host processes alone.

    Raises:
        EOFError: the other side is gone, perhaps in the middle of the frame.
    """
    length = bytearray(LENGTH.size)
    read_into(stream, length)
    pickled = bytearray(LENGTH.unpack(length)[0])
    read_into(stream, pickled)
    return pickle.loads(pickled)


def read_into(stream: IO[bytes], buffer: bytearray | memoryview) -> None:
    """Fill a buffer.

    Raises:
        EOFError: the other side is gone before it is full.
    """
    if stream.readinto(buffer) < memoryview(buffer).nbytes:  # type: ignore[attr-defined]
        raise EOFError


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


def garbled(job: RenderJob, why: object) -> Answer:
    """The answer to a job whose process answered something else, and was ended.

    Args:
        why: what it answered, as the end of a sentence.
    """
    reason = f"{job.state.synth} was ended over state {job.state.id}, since its process answered with {why}."
    return Answer(failure=Failure.CRASH, reason=reason)


def describe_exit(status: int) -> str:
    """How a process died, such as "by SIGSEGV" or "with exit status 0"."""
    if status >= 0:
        return f"with exit status {status}"
    try:
        return f"by {signal.Signals(-status).name}"
    except ValueError:
        return f"by signal {-status}"
