"""What a host process answers comes out as it went in; nothing else does, be it code, or what nobody asked for."""

from __future__ import annotations

import io
import json
import pickle
import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from synthmatch.audio import Clip
from synthmatch.errors import PluginCrashed
from synthmatch.notes import Performance
from synthmatch.presets.catalogue import SYNTHS, Parameter
from synthmatch.presets.formats.amsynth import make_state
from synthmatch.renderers.answers import Garbled, Said, receive_answer, send_answer
from synthmatch.renderers.frames import Answer, Order, Probe, Question, Ready, Start, Unready
from synthmatch.renderers.pool import RenderPool
from synthmatch.renderers.probe import probe
from synthmatch.renderers.renderer import Failure, RenderJob, RenderSettings
from synthmatch.renderers.synths import find_plugin

GOOD, BAD = 60, 99
RATE = 8000
ROW = replace(SYNTHS["amsynth"], plugin="/somewhere/amsynth.so")
TWO = (Performance.single(60, 100, 0.5, 0.5), Performance.single(62, 100, 0.25, 0.0))  # 8000 and 2000 samples
ORDER = Order(RenderJob(make_state({}), TWO, RenderSettings(RATE)), 1.0)
START, QUESTION = Start(ROW, RenderSettings()), Question(ROW)
PROBE = Probe(Path(ROW.plugin), "Ünsynth", "amsy", 3, True, 0, 2, (Parameter("Cut\x1boff", 0.1), Parameter("", 1.0)))
SOUND = np.arange(16_000, dtype=np.float32).reshape(2, -1)
LONG = 1 << 60


def said(message: Said) -> bytes:
    stream = io.BytesIO()
    send_answer(stream, message)
    return stream.getvalue()


def framed(head: object, sound: bytes = b"") -> bytes:
    text = head if isinstance(head, bytes) else json.dumps(head).encode()
    return struct.pack(">Q", len(text)) + text + sound


def sounds(*shapes: object) -> bytes:
    return framed({"kind": "sounds", "sounds": list(shapes)}, SOUND.tobytes())


@pytest.mark.parametrize(
    ("message", "asked"),
    [
        (Ready(keeps_time=True), START),
        (Unready("No room."), START),
        (Unready("No room."), QUESTION),
        (Answer(failure=Failure.MISSING, reason="It isn't there."), START),
        (Answer(failure=Failure.MISSING, reason="It isn't there."), QUESTION),
        (PROBE, QUESTION),
        *((Answer(failure=failure, reason="Why: “é”."), ORDER) for failure in Failure),
    ],
)
def test_what_is_said_comes_out_as_it_went_in(message: Said, asked: Start | Question | Order) -> None:
    stream = io.BytesIO(said(message) * 2)
    assert [receive_answer(stream, asked) for _ in range(2)] == [message] * 2
    with pytest.raises(EOFError):
        receive_answer(stream, asked)


def test_sounds_come_out_as_they_went_in() -> None:
    parts = (SOUND, SOUND[:1, :2000][:, ::2])  # the second lies scattered in memory, and is shorter than it may be
    answer = Answer(tuple(Clip(part, RATE) for part in parts))
    written = said(answer)
    assert len(written) < 1.02 * sum(part.nbytes for part in parts)
    found = receive_answer(io.BytesIO(written), ORDER)
    assert isinstance(found, Answer)
    assert found.failure is None
    for clip, part in zip(found.clips, parts, strict=True):
        assert clip.sample_rate == RATE
        assert np.array_equal(clip.samples, part)
        assert clip.samples.flags.writeable


def test_an_answer_that_is_cut_anywhere_is_none() -> None:
    order = replace(ORDER, job=replace(ORDER.job, performances=(Performance.single(60, 100, 0.001, 0.0),)))
    whole = said(Answer((Clip(np.ones((1, 8), np.float32), RATE),)))
    for length in range(len(whole)):
        with pytest.raises(EOFError):
            receive_answer(io.BytesIO(whole[:length]), order)


FINE, SHORT = [RATE, 2, 8000], [RATE, 1, 0]


@pytest.mark.parametrize(
    ("frame", "asked", "words"),
    [
        (framed(pickle.dumps({"kind": "sounds"})), ORDER, "isn't JSON"),
        (framed(b"[" * 100_000), ORDER, "isn't JSON"),
        (framed(["sounds"]), ORDER, "isn't an answer"),
        (struct.pack(">Q", LONG), ORDER, f"{LONG} bytes where at most"),
        (said(Ready(keeps_time=True)), ORDER, "something else"),
        (said(PROBE), START, "something else"),
        (said(Answer((Clip(SOUND, RATE),))), START, "something else"),
        (framed({"kind": []}), ORDER, "something else"),
        (framed({"kind": "ready", "keeps_time": 1}), START, "a keeps_time that can't be"),
        (framed({"kind": "failure", "failure": "bad luck", "reason": ""}), ORDER, "a failure that there isn't"),
        (framed({"kind": "failure", "failure": [], "reason": ""}), ORDER, "a failure that there isn't"),
        (framed({"kind": "failure", "failure": "crash", "reason": {}}), ORDER, "where text should be"),
        (framed({"kind": "probe", "parameters": [["Cutoff", float("nan")]]}), QUESTION, "parameters that can't be"),
        (framed({"kind": "probe", "parameters": [], "name": 5}), QUESTION, "a name that can't be"),
        (sounds(), ORDER, "another number of sounds"),
        (sounds(FINE, SHORT, SHORT), ORDER, "another number of sounds"),
        (sounds(FINE, [RATE, 2, 2001]), ORDER, "another rate or shape"),
        (sounds(FINE, [RATE, 1, -1]), ORDER, "another rate or shape"),
        (sounds(FINE, [RATE, 1, LONG]), ORDER, "another rate or shape"),
        (sounds(FINE, [RATE, 3, 0]), ORDER, "another rate or shape"),
        (sounds(FINE, [RATE, LONG, 0]), ORDER, "another rate or shape"),
        (sounds(FINE, [RATE, True, 0]), ORDER, "another rate or shape"),
        (sounds(FINE, [2 * RATE, 1, 0]), ORDER, "another rate or shape"),
        (sounds(FINE, [RATE, 1.0, 0]), ORDER, "another rate or shape"),
        (sounds(FINE, [RATE, 1]), ORDER, "another rate or shape"),
        (sounds(FINE, 7), ORDER, "another rate or shape"),
        (framed({"kind": "sounds", "sounds": [FINE, SHORT]}, b"\xff" * SOUND.nbytes), ORDER, "isn't finite"),
    ],
)
def test_what_no_host_says_is_refused(frame: bytes, asked: Start | Question | Order, words: str) -> None:
    with pytest.raises(Garbled, match=words):
        receive_answer(io.BytesIO(frame), asked)


def test_a_reason_can_be_written_down_and_is_no_book() -> None:
    frame = framed({"kind": "failure", "failure": "refused", "reason": "\udcff" + "x" * 100_000})
    found = receive_answer(io.BytesIO(frame), ORDER)
    assert isinstance(found, Answer)
    assert found.reason.encode().startswith(b"?xxx")
    assert len(found.reason) == 4000


class _Deed:
    """Whoever unpickles it makes a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Callable[..., object], tuple[Path]]:
        return Path.mkdir, (self.folder,)


def forgeries(folder: Path) -> dict[str, tuple[bytes, str]]:
    """What a preset that took over a host could answer, and what is said of it."""
    deed = pickle.dumps(_Deed(folder))
    return {
        "a pickle": (framed(deed), "something that isn't JSON"),
        "a pickle in parts": (struct.pack(">QQ", 1, len(deed)) + deed, "something that isn't JSON"),
        "no end": (struct.pack(">Q", LONG), f"{LONG} bytes where at most 16777216 can be"),
        "wrong shapes": (sounds([44_100, 2, LONG]), "sounds of another rate or shape than was asked for"),
    }


@pytest.fixture
def forging(wrong_plugin: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    def make(which: str, synth: str = "amsynth", at_entry: bool = False) -> str:
        answer, words = forgeries(tmp_path / "made")[which]
        (tmp_path / "answer").write_bytes(answer)
        monkeypatch.setenv("FORGED_ANSWER", str(tmp_path / "answer"))
        wrong_plugin("forge", synth, at_entry)
        return words

    return make


def job(pitch: int) -> RenderJob:
    return RenderJob(make_state({}), (Performance.single(pitch, 100, 0.1, 0.1),), RenderSettings(settle=0.0))


@pytest.mark.parametrize("which", forgeries(Path()))
def test_a_forged_answer_is_that_presets_failure_and_the_host_is_another(
    which: str, forging: Callable[..., str], tmp_path: Path
) -> None:
    words = forging(which)
    with RenderPool(1) as pool:
        assert next(pool.render([job(GOOD)])).ok
        before = pool.pids()
        forged = next(pool.render([job(BAD)]))
        assert (forged.failure, forged.clips) == (Failure.CRASH, ())
        state = forged.job.state.id
        assert forged.reason == f"amsynth was ended over state {state}, since its process answered with {words}."
        assert next(pool.render([job(GOOD)])).ok
        assert set(pool.pids()).isdisjoint(before)
    assert not (tmp_path / "made").exists()


def test_a_forged_greeting_is_no_verdict_on_a_preset(forging: Callable[..., str]) -> None:
    words = forging("a pickle", at_entry=True)
    with RenderPool(1) as pool:
        result = next(pool.render([job(GOOD)]))
    assert result.failure is Failure.MISSING
    assert result.reason == f"amsynth answered with {words} before it was ready for state {result.job.state.id}."


def test_a_plugin_that_forges_what_it_says_of_itself_is_one_sentence(forging: Callable[..., str]) -> None:
    words = forging("a pickle", at_entry=True)
    plugin = find_plugin(SYNTHS["amsynth"])
    assert plugin is not None
    with pytest.raises(PluginCrashed, match=f"answered with {words} when it was loaded"):
        probe(plugin)
