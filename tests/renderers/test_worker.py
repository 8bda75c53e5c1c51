"""What a job without sound is, and that the process which forks stays small and alone."""

from __future__ import annotations

import errno
import io
import os
import subprocess
import sys

import numpy as np
import pytest

from synthmatch.audio import Clip
from synthmatch.errors import NotFinite, PluginMissing, PresetError
from synthmatch.notes import REFERENCE_NOTES, Performance
from synthmatch.presets.catalogue import SYNTHS
from synthmatch.presets.preset import State
from synthmatch.renderers.answers import receive_answer
from synthmatch.renderers.frames import Answer, Order, describe_exit
from synthmatch.renderers.renderer import Failure, RenderJob, RenderSettings
from synthmatch.renderers.synths import is_installed, make_renderer
from synthmatch.renderers.worker import perform, perform_in_child


@pytest.mark.parametrize(
    ("status", "words"),
    [(0, "with exit status 0"), (3, "with exit status 3"), (-11, "by SIGSEGV"), (-250, "by signal 250")],
)
def test_how_a_process_ended_is_told(status: int, words: str) -> None:
    assert describe_exit(status) == words


class _Tone:
    """A synth without a plugin, whose state's bytes are its level."""

    def __init__(self) -> None:
        self.level = 0.0

    def load(self, state: State, settings: RenderSettings) -> None:
        assert settings.sample_rate == 8000
        if state.data == b"gone":
            raise PluginMissing("Its engine can't be imported.")
        try:
            self.level = float(state.data)
        except ValueError as error:
            raise PresetError("Its level isn't a number.") from error

    def render(self, performance: Performance) -> Clip:
        if not np.isfinite(self.level):
            raise NotFinite("Its sound isn't finite.")
        return Clip(np.full((1, round(performance.seconds * 8000)), self.level, np.float32), 8000)


@pytest.mark.parametrize(
    ("level", "failure", "words"),
    [
        (b"1e-4", Failure.SILENT, "no sound"),  # -80 dB
        (b"nan", Failure.NOT_FINITE, "isn't finite"),
        (b"loud", Failure.REFUSED, "isn't a number"),
        (b"gone", Failure.MISSING, "can't be imported"),
    ],
)
def test_a_job_without_sound_is_a_failure_with_its_reason(level: bytes, failure: Failure, words: str) -> None:
    answer = perform(_Tone(), RenderJob(State("tone", level), settings=RenderSettings(8000)))  # type: ignore[arg-type]
    assert (answer.clips, answer.failure) == ((), failure)
    assert words in answer.reason


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no forks here")
def test_a_fork_that_the_system_refuses_is_no_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever may do everything has no limit to their processes, so the refusal is made up."""

    def refuse() -> int:
        raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")

    monkeypatch.setattr(os, "fork", refuse)
    answers = io.BytesIO()
    order = Order(RenderJob(State("tone", b"1"), settings=RenderSettings(8000)), 1.0)
    perform_in_child(_Tone(), order, io.BytesIO(), answers)  # type: ignore[arg-type]
    answers.seek(0)
    answer = receive_answer(answers, order)
    assert isinstance(answer, Answer)
    assert answer.failure is Failure.MISSING
    assert "(Resource temporarily unavailable); end other programs" in answer.reason


def test_a_job_with_sound_gives_a_clip_per_performance() -> None:
    job = RenderJob(State("tone", b"1e-3"), settings=RenderSettings(8000))  # -60 dB
    answer = perform(_Tone(), job)  # type: ignore[arg-type]
    assert answer.failure is None
    assert [clip.samples.shape for clip in answer.clips] == [(1, 16_000)] * len(REFERENCE_NOTES)


@pytest.mark.plugin
def test_a_process_that_forks_has_one_thread_and_no_torch() -> None:
    row = SYNTHS["amsynth"]
    if not sys.platform.startswith("linux") or not is_installed(row):
        pytest.skip(f"needs Linux and {row.title}: {row.remedy}")
    script = (
        "import os, sys\n"
        "import synthmatch.renderers.worker\n"
        "from synthmatch.renderers.renderer import RenderSettings\n"
        "from synthmatch.presets.catalogue import SYNTHS\n"
        "from synthmatch.renderers.synths import make_renderer\n"
        "make_renderer(SYNTHS['amsynth']).prepare(RenderSettings())\n"
        "sys.stderr.write(f\"{len(os.listdir('/proc/self/task'))} {'torch' in sys.modules}\")\n"
        "sys.stderr.flush()\n"
        "os._exit(0)\n"
    )
    environment = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert done.stderr.endswith("1 False")


def test_a_state_of_another_synth_is_refused_before_anything_is_loaded() -> None:
    row = SYNTHS["amsynth"]
    if not is_installed(row):
        pytest.skip(f"{row.title} isn't on this machine: {row.remedy}")
    with make_renderer(row) as renderer, pytest.raises(PresetError, match="state of faust can't be loaded"):
        renderer.load(State("faust", b"{}"), RenderSettings())
