"""What a host process answers: a head of JSON in a frame of known length, then its sounds as they lie in memory.

That process reads strangers' presets with native code, and one that took it over could answer anything. So an answer is
nothing but values, each is looked at, and no more is read, or room made for, than what was asked for may take.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import IO, Any

import numpy as np

from synthmatch.audio import Clip
from synthmatch.presets.catalogue import Parameter
from synthmatch.renderers.frames import LENGTH, Answer, Order, Probe, Question, Ready, Start, Unready, read_into
from synthmatch.renderers.renderer import Failure, RenderJob

Said = Ready | Unready | Answer | Probe
"""What a host process says."""

_LONGEST_HEAD = 16 * 2**20  # bytes: some plugins have ten thousands of parameters
_LONGEST_TEXT = 4000  # letters that are kept of a reason or a name
_LARGEST = 2**63
_CHANNELS = 2  # of a sound, at most


class Garbled(Exception):
    """A host process answered what no host does; the message says what, as the end of a sentence."""


def send_answer(stream: IO[bytes], said: Said) -> None:
    """Write one answer. Its sounds are written from where they lie."""
    head = json.dumps(_head(said)).encode("ascii")
    stream.write(LENGTH.pack(len(head)) + head)
    for clip in said.clips if isinstance(said, Answer) else ():
        stream.write(np.ascontiguousarray(clip.samples).data)
    stream.flush()


def receive_answer(stream: IO[bytes], asked: Start | Question | Order) -> Said:
    """Read the answer to what was asked. Its sounds can be written to.

    Raises:
        Garbled: it is none, or none to that.
        EOFError: the other side is gone, perhaps in the middle of it.
    """
    head = _read_head(stream)
    match head.get("kind"), asked:
        case "ready", Start():
            return Ready(_value(head, "keeps_time", bool))
        case "unready", Start() | Question():
            return Unready(_text(head.get("reason")))
        case "probe", Question():
            return _probe(head, asked)
        case "failure", _:
            return Answer(failure=_failure(head.get("failure")), reason=_text(head.get("reason")))
        case "sounds", Order():
            return Answer(_sounds(stream, head, asked.job))
    raise Garbled("something else than was asked for")


def _head(said: Said) -> dict[str, Any]:
    match said:
        case Ready():
            return {"kind": "ready", "keeps_time": said.keeps_time}
        case Unready():
            return {"kind": "unready", "reason": said.reason}
        case Probe():
            parameters = [[each.name, each.default] for each in said.parameters]
            return {"kind": "probe", **{key: getattr(said, key) for key in _PROBE}, "parameters": parameters}
        case Answer(failure=None):
            return {"kind": "sounds", "sounds": [[clip.sample_rate, *clip.samples.shape] for clip in said.clips]}
        case Answer():
            return {"kind": "failure", "failure": said.failure and said.failure.value, "reason": said.reason}


def _read_head(stream: IO[bytes]) -> dict[str, Any]:
    length = bytearray(LENGTH.size)
    read_into(stream, length)
    (size,) = LENGTH.unpack(length)
    if size > _LONGEST_HEAD:
        raise Garbled(f"{size} bytes where at most {_LONGEST_HEAD} can be")
    text = bytearray(size)
    read_into(stream, text)
    try:
        head = json.loads(text.decode("ascii"))
    except (ValueError, RecursionError) as error:
        raise Garbled("something that isn't JSON") from error
    if not isinstance(head, dict):
        raise Garbled("JSON that isn't an answer")
    return head


def _sounds(stream: IO[bytes], head: dict[str, Any], job: RenderJob) -> tuple[Clip, ...]:
    rate, shapes = job.settings.sample_rate, head.get("sounds")
    if not isinstance(shapes, list) or len(shapes) != len(job.performances):
        raise Garbled("another number of sounds than was asked for")
    longest = [round(performance.seconds * rate) for performance in job.performances]
    if not all(_is_sound(shape, rate, length) for shape, length in zip(shapes, longest, strict=True)):
        raise Garbled("sounds of another rate or shape than was asked for")
    return tuple(_sound(stream, rate, channels, length) for _, channels, length in shapes)


def _is_sound(shape: Any, rate: int, longest: int) -> bool:
    """Whether a shape, (rate, channels, samples), is one of a sound that was asked for."""
    if not isinstance(shape, list) or [type(each) for each in shape] != [int] * 3:
        return False
    its_rate, channels, length = (int(each) for each in shape)
    return its_rate == rate and 1 <= channels <= _CHANNELS and 0 <= length <= longest


def _sound(stream: IO[bytes], rate: int, channels: int, length: int) -> Clip:
    samples = np.empty((channels, length), np.float32)
    read_into(stream, samples.data)
    if not np.isfinite(samples).all():  # a host says so itself, and sends none
        raise Garbled("sound that isn't finite")
    return Clip(samples, rate)


def _failure(value: Any) -> Failure:
    try:
        return Failure(value)
    except ValueError as error:
        raise Garbled("a failure that there isn't") from error


_PROBE = {
    "name": str,
    "plugin_id": str,
    "plugin_version": int,
    "instrument": bool,
    "inputs": int,
    "outputs": int,
}
"""What a plugin says of itself besides its parameters. Which plugin it is, who asked knows."""


def _probe(head: dict[str, Any], asked: Question) -> Probe:
    parameters = head.get("parameters")
    if not isinstance(parameters, list) or not all(map(_is_parameter, parameters)):
        raise Garbled("parameters that can't be")
    own = tuple(Parameter(_text(name), default) for name, default in parameters)
    return Probe(Path(asked.synth.plugin), **{key: _value(head, key, of) for key, of in _PROBE.items()}, parameters=own)


def _is_parameter(value: Any) -> bool:
    if not isinstance(value, list) or len(value) != 2:
        return False
    return isinstance(value[0], str) and type(value[1]) in (int, float) and 0 <= value[1] <= 1


def _value(head: dict[str, Any], key: str, of: type) -> Any:
    value = head.get(key)
    if type(value) is not of or (isinstance(value, int) and abs(value) >= _LARGEST):
        raise Garbled(f"a {key} that can't be")
    return _text(value) if of is str else value


def _text(value: Any) -> str:
    """A text that can be written down anywhere: half a letter, as of a file's name that isn't Unicode, can't."""
    if not isinstance(value, str):
        raise Garbled("something else where text should be")
    return value[:_LONGEST_TEXT].encode(errors="replace").decode()
