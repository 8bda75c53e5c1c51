"""Sounds come out, in any order and with any number of workers, whatever a plugin does."""

from __future__ import annotations

import os
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from synthmatch.errors import RenderError
from synthmatch.notes import Performance
from synthmatch.presets import faustsynth
from synthmatch.presets.catalogue import synths
from synthmatch.presets.formats.amsynth import make_state
from synthmatch.presets.formats.fxp import FxFile
from synthmatch.presets.ownsynths import own_synth
from synthmatch.presets.preset import Preset, State
from synthmatch.renderers import host
from synthmatch.renderers.pool import RenderPool, render_one
from synthmatch.renderers.renderer import Failure, RenderJob, RenderResult, RenderSettings
from synthmatch.renderers.slot import Run, Shared, Slot
from synthmatch.renderers.synths import find_plugin

GOOD, BAD = 60, 99
SHORT = RenderSettings(settle=0.0)
ZYN_STATE = State("zynaddsubfx", b"<ZynAddSubFX-data><INSTRUMENT><X /></INSTRUMENT></ZynAddSubFX-data>")
STATES = {"amsynth": make_state({}), "zynaddsubfx": ZYN_STATE}  # hosted by fork, and by a new instance


def job(pitch: int, synth: str = "amsynth") -> RenderJob:
    return RenderJob(STATES[synth], (Performance.single(pitch, 100, 0.1, 0.1),), SHORT)


def sounds(jobs: Iterable[RenderJob], workers: int) -> dict[str, list[np.ndarray]]:
    with RenderPool(workers) as pool:
        results = list(pool.render(jobs))
    assert [result.reason for result in results if not result.ok] == []
    return {result.job.key: [clip.samples for clip in result.clips] for result in results}


def difference(first: dict[str, list[np.ndarray]], second: dict[str, list[np.ndarray]]) -> float:
    """The largest difference of any two samples."""
    assert first.keys() == second.keys()
    pairs = [pair for key in first for pair in zip(first[key], second[key], strict=True)]
    return max(float(np.abs(a - b).max()) for a, b in pairs)


def comes(wanted: Callable[[], bool]) -> bool:
    """Whether something comes true before one would give up."""
    deadline = time.monotonic() + 60
    while not wanted() and time.monotonic() < deadline:
        time.sleep(0.01)
    return wanted()


def gone(pid: int) -> bool:
    """Whether the process and all that it started end; a child of a killed one is the system's to bury."""

    def ended() -> bool:
        try:
            os.killpg(pid, 0)
        except ProcessLookupError:
            return True
        return False

    return comes(ended)


def ends_early(results: Iterator[RenderResult]) -> None:
    """Take results to the end, which comes before the last of them."""
    with pytest.raises(RenderError, match="The pool was closed, or its results were left"):
        list(results)


@pytest.mark.plugin
@pytest.mark.parametrize(
    ("presets", "tolerance"),
    # ZynAddSubFX adds noise of 1e-16 against denormal numbers, which an earlier instance can change.
    [("amsynth_presets", 0.0), ("zyn_presets", 1e-6)],
)
def test_no_sound_depends_on_order_or_workers(presets: str, tolerance: float, request: pytest.FixtureRequest) -> None:
    found: Sequence[Preset] = request.getfixturevalue(presets)
    jobs = [RenderJob(preset.state, (Performance.single(48, 100, 0.5, 0.2),) * 2) for preset in found]
    assert len(jobs) >= 5
    first = sounds(jobs, 1)
    assert difference(first, sounds(jobs[::-1], 2)) <= tolerance
    alone = jobs[len(jobs) // 2]
    clips = [clip.samples for clip in render_one(alone).clips]
    assert difference({alone.key: first[alone.key]}, {alone.key: clips}) <= tolerance


@pytest.mark.plugin
def test_both_synths_take_turns_in_one_pool(amsynth_presets: Sequence[Preset], zyn_presets: Sequence[Preset]) -> None:
    mixed = [preset for pair in zip(amsynth_presets, zyn_presets, strict=False) for preset in pair]
    assert len(sounds((RenderJob(preset.state, settings=SHORT) for preset in mixed), 2)) == len(mixed)


@pytest.mark.plugin
def test_a_killed_worker_costs_no_result(zyn_presets: Sequence[Preset]) -> None:
    jobs = [RenderJob(preset.state) for preset in zyn_presets]
    expected = sounds(jobs, 1)
    found: list[RenderResult] = []
    with RenderPool(2) as pool:
        for result in pool.render(jobs):
            found.append(result)
            if len(found) == 1:
                for pid in pool.pids():
                    os.kill(pid, signal.SIGKILL)
    assert [result.reason for result in found if not result.ok] == []
    rendered = {result.job.key: [clip.samples for clip in result.clips] for result in found}
    assert difference(expected, rendered) <= 1e-6


@pytest.mark.parametrize("synth", STATES)
@pytest.mark.parametrize(
    ("deed", "failure", "words"),
    [
        ("crash", Failure.CRASH, "died by SIGSEGV"),
        ("leave", Failure.CRASH, "died with exit status 0"),
        ("hang", Failure.TIMEOUT, "longer than 8 s"),
        ("not a number", Failure.NOT_FINITE, "isn't finite"),
        ("silence", Failure.SILENT, "makes no sound"),
        ("clip", Failure.CLIPPED, "100% of it is at full scale"),
    ],
)
def test_what_a_plugin_does_wrong_costs_that_job_alone(
    deed: str, failure: Failure, words: str, synth: str, wrong_plugin: Callable[..., None]
) -> None:
    wrong_plugin(deed, synth)
    jobs = [job(GOOD, synth), job(BAD, synth), job(GOOD + 1, synth), job(GOOD + 2, synth)]
    with RenderPool(2, timeout=8.0) as pool:
        results = {result.job.key: result for result in pool.render(jobs)}
    assert [results[each.key].ok for each in jobs] == [True, False, True, True], results[jobs[0].key].reason
    broken = results[jobs[1].key]
    assert broken.failure is failure
    assert words in broken.reason
    assert broken.clips == ()


def test_a_chunk_that_the_plugin_ignores_is_no_sound_of_that_preset(wrong_plugin: Callable[..., None]) -> None:
    wrong_plugin("ignore", "zynaddsubfx")
    result = render_one(job(GOOD, "zynaddsubfx"))
    assert result.failure is Failure.NOT_LOADED
    assert "plays as it plays without any preset" in result.reason.replace(f"state {ZYN_STATE.id} ", "")
    assert render_one(RenderJob(State("zynaddsubfx", b""), job(GOOD).performances, SHORT)).ok


def test_a_chunk_that_is_ignored_is_found_by_every_performance_of_a_job(wrong_plugin: Callable[..., None]) -> None:
    wrong_plugin("ignore", "zynaddsubfx")
    notes = tuple(Performance.single(pitch, 100, 0.1, 0.1) for pitch in (GOOD, GOOD + 1))
    assert render_one(RenderJob(ZYN_STATE, notes, SHORT)).failure is Failure.NOT_LOADED


def test_a_chunk_that_is_ignored_is_found_without_effects_as_well(wrong_plugin: Callable[..., None]) -> None:
    wrong_plugin("ignore", "zynaddsubfx")
    plugin = find_plugin(synths()["zynaddsubfx"])
    fields = {"plugin": str(plugin), "plugin_id": "deed", "effects_off": (("parameter 42", 1.0),)}
    row = own_synth("deed", "Deed", fields)
    ignored = RenderJob(
        State("deed", FxFile("deed", b"chunk").encode()), job(GOOD).performances, RenderSettings(effects=False)
    )
    with RenderPool(1, known={row.id: row}) as pool:
        plain = replace(ignored, state=State("deed", b""))
        with_effects = replace(plain, settings=RenderSettings())
        found = {result.job.key: result for result in pool.render([ignored, plain, with_effects])}
    assert found[ignored.key].failure is Failure.NOT_LOADED
    assert found[plain.key].clips[0].peak == pytest.approx(0.1)
    assert found[with_effects.key].clips[0].peak == pytest.approx(0.25)


def test_of_what_a_synth_plays_by_itself_little_is_kept(wrong_plugin: Callable[..., None]) -> None:
    """Presets begin alike, and each goes on in its own way; some begin in their own way, too."""
    wrong_plugin("noise", "zynaddsubfx")
    alike = [
        RenderJob(ZYN_STATE, (*job(GOOD).performances, *job(pitch).performances), SHORT) for pitch in range(30, 50)
    ]
    with RenderPool(2) as pool:
        for result in pool.render(alike):
            assert len(result.clips) == 2
        assert [len(clips) for clips in pool._shared.untouched.values()] == [1]
        for result in pool.render(job(pitch, "zynaddsubfx") for pitch in range(30, 60)):
            assert result.job.performances
        assert len(pool._shared.untouched) <= 17


def test_values_that_are_set_one_by_one_are_believed(wrong_plugin: Callable[..., None]) -> None:
    wrong_plugin("ignore", "amsynth")
    assert render_one(job(GOOD)).ok


@pytest.mark.parametrize("synth", STATES)
def test_a_plugin_that_dies_when_loaded_is_not_started_for_ever(synth: str, wrong_plugin: Callable[..., None]) -> None:
    wrong_plugin("crash", synth, at_entry=True)
    with RenderPool(1) as pool:
        results = list(pool.render(job(pitch, synth) for pitch in range(40, 60)))
    assert {result.failure for result in results} == {Failure.MISSING}  # none of them was loaded
    assert "4 times in a row" in results[-1].reason
    assert "SIGSEGV" in results[-1].reason


def test_a_file_that_is_no_plugin_is_refused_with_the_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "amsynth_vst.so").write_bytes(b"not a plugin")
    monkeypatch.setenv("VST_PATH", str(tmp_path))
    with RenderPool(2) as pool:
        results = list(pool.render(job(pitch) for pitch in range(40, 50)))
    assert len(results) == 10
    assert {result.failure for result in results} == {Failure.MISSING}
    assert all("install Debian's package amsynth" in result.reason for result in results)


def test_an_unknown_synth_is_refused() -> None:
    result = render_one(RenderJob(State("theremin", b"")))
    assert result.failure is Failure.MISSING
    assert "No synth called theremin" in result.reason


@pytest.mark.parametrize("synth", STATES)
@pytest.mark.parametrize("way", ["generator", "pool"])
def test_leaving_early_leaves_nothing_behind(
    way: str, synth: str, wrong_plugin: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong_plugin("hang", synth)
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    pool = RenderPool(2, timeout=3600.0)
    results = pool.render([job(GOOD, synth), *(job(BAD, synth) for _ in range(9))])
    assert next(results).ok
    pids = pool.pids()

    def leave() -> None:
        if way == "generator":
            results.close()  # type: ignore[attr-defined]
        pool.close()

    leaving = threading.Thread(target=leave, daemon=True)
    leaving.start()
    leaving.join(60)
    assert not leaving.is_alive()
    assert pids
    assert all(gone(pid) for pid in pids)
    assert list(folder.iterdir()) == []
    if way == "pool":
        with pytest.raises(RenderError, match="closed"):
            list(results)


def test_a_pool_goes_on_after_a_loop_was_left(wrong_plugin: Callable[..., None]) -> None:
    wrong_plugin("hang")
    with RenderPool(1, timeout=3600.0) as pool:
        for result in pool.render([job(GOOD), job(BAD), job(BAD)]):
            assert result.ok
            break
        assert next(pool.render([job(GOOD + 1)])).ok
    with pytest.raises(RenderError, match="closed"):
        next(pool.render([job(GOOD)]))


def test_jobs_are_taken_only_as_fast_as_they_get_done(wrong_plugin: Callable[..., None]) -> None:
    wrong_plugin("noise")
    taken = 0

    def jobs() -> Iterator[RenderJob]:
        nonlocal taken
        for pitch in range(30, 60):
            taken += 1
            yield job(pitch)

    with RenderPool(2) as pool:
        for done, result in enumerate(pool.render(jobs()), 1):
            assert result.ok
            assert taken <= done - 1 + 4


def test_an_error_of_whoever_makes_the_jobs_comes_through(wrong_plugin: Callable[..., None]) -> None:
    wrong_plugin("noise")

    def jobs() -> Iterator[RenderJob]:
        yield job(GOOD)
        raise ValueError("no more presets")

    with RenderPool(1) as pool, pytest.raises(ValueError, match="no more presets"):
        list(pool.render(jobs()))


@pytest.mark.parametrize("synth", STATES)
def test_a_plugin_that_hangs_when_loaded_is_not_waited_for_each_time(
    synth: str, wrong_plugin: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong_plugin("hang", synth, at_entry=True)
    monkeypatch.setattr(host, "_START_TIMEOUT", 2.0)
    with RenderPool(1, timeout=2.0) as pool:
        results = list(pool.render(job(pitch, synth) for pitch in range(40, 60)))
    assert {result.failure for result in results} == {Failure.MISSING}
    assert f"{synth} hung before it was ready" in results[0].reason
    assert "hung 4 times in a row before it was ready; allow it more time" in results[-1].reason


def test_a_synth_may_take_as_long_to_load_as_a_preset_may_take(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "_START_TIMEOUT", 0.001)
    assert render_one(replace(job(GOOD), state=faustsynth.make_state({}))).ok


def test_only_one_threads_own_failures_are_failures_in_a_row(wrong_plugin: Callable[..., None]) -> None:
    """A machine that is short of something for a moment costs each thread a start or two; none is in a row."""
    wrong_plugin("crash", at_entry=True)
    shared = Shared(60.0, None, synths())
    one, other = Slot(shared), Slot(shared)
    twice_each = [slot._result(job(GOOD), Run()) for slot in (one, other)]
    assert not any("in a row" in result.reason for result in twice_each)
    assert not shared.refusals
    one._result(job(GOOD), Run())
    assert "4 times in a row" in other._result(job(GOOD), Run()).reason


def test_hosts_that_were_ended_while_they_started_say_nothing_about_the_plugin(
    wrong_plugin: Callable[..., None],
) -> None:
    wrong_plugin("hang", at_entry=True)
    with RenderPool(5) as pool:
        ended = threading.Thread(target=ends_early, args=(pool.render(job(pitch) for pitch in range(40, 60)),))
        ended.start()
        assert comes(lambda: len(pool.pids()) == 5)
        (run,) = pool._runs
        pool._cancel(run)
        ended.join(60)
        assert not ended.is_alive()
        wrong_plugin("noise")
        assert next(pool.render([job(GOOD)])).reason == ""


def test_a_loop_that_outlives_its_pool_ends(wrong_plugin: Callable[..., None]) -> None:
    wrong_plugin("noise")
    pool = RenderPool(1)
    results = pool.render(job(pitch) for pitch in range(40, 60))
    assert next(results).ok
    (run,) = pool._runs
    assert comes(lambda: not run.results.empty())  # what is done when the pool is closed
    pool.close()
    ended = threading.Thread(target=ends_early, args=(results,), daemon=True)
    ended.start()
    ended.join(60)
    assert not ended.is_alive()
