"""A cluster's sounds are this machine's, each once, whatever becomes of its workers. Real processes on loopback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
from click import UsageError

from synthmatch.commands.framework import open_pool
from synthmatch.errors import RenderError
from synthmatch.notes import Performance
from synthmatch.presets.bank import PresetBank
from synthmatch.presets.catalogue import Engine, Isolation, Synth
from synthmatch.presets.faustsynth import factory_bank_path
from synthmatch.presets.preset import Preset, State
from synthmatch.renderers.cluster import ClusterPool
from synthmatch.renderers.pool import RenderPool
from synthmatch.renderers.renderer import Failure, RenderJob, RenderResult, RenderSettings

distributed = pytest.importorskip("distributed", reason="no Dask: run `pip install distributed`")

GOOD, BAD = 60, 99
SECONDS = 60.0  # until something is there that should have been long before
DEED = Synth("deed", "Deed", Engine.PLUGIN, (".fxp",), "build it", Isolation.NEW_INSTANCE, plugin="deed")


@dataclass
class Cluster:
    """A scheduler and its workers, each a process of its own; what they write lies in ``folder``."""

    folder: Path
    processes: ExitStack
    address: str = ""
    scheduler: subprocess.Popen[bytes] = field(init=False)
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def __post_init__(self) -> None:
        file = self.folder / "scheduler.json"
        options = ("--port", "0", "--scheduler-file", str(file))
        # A single death of a worker makes its jobs suspect.
        strict = {"DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "0"}
        self.scheduler = self._start("scheduler", options, strict)
        deadline = time.monotonic() + SECONDS
        while not self.address:
            assert time.monotonic() < deadline, "no scheduler"
            time.sleep(0.02)
            with suppress(FileNotFoundError, ValueError):  # not there yet, or half written
                self.address = json.loads(file.read_text())["address"]

    def add(self, *plugins: Path | None) -> None:
        """Start a worker of one thread for each folder of plugins, and wait until all are there."""
        options = (self.address, "--nthreads", "1", "--no-nanny", "--local-directory", str(self.folder))
        environments = ({} if folder is None else {"VST_PATH": str(folder)} for folder in plugins)
        self.workers += [self._start("worker", options, each) for each in environments]
        with distributed.Client(self.address, set_as_default=False) as client:
            client.wait_for_workers(sum(each.poll() is None for each in self.workers), SECONDS)

    def _start(self, what: str, options: Sequence[str], extra: Mapping[str, str]) -> subprocess.Popen[bytes]:
        environment = {**os.environ, "SYNTHMATCH_HOME": str(self.folder / "home"), **extra}
        command = [sys.executable, "-m", f"distributed.cli.dask_{what}", "--host", "127.0.0.1", "--no-dashboard"]
        with (self.folder / f"{what}.log").open("ab") as log:
            process = subprocess.Popen([*command, *options], env=environment, stdout=log, stderr=log)
        self.processes.callback(process.wait)
        self.processes.callback(process.kill)
        return process


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """A scheduler without workers."""
    with ExitStack() as processes:
        yield Cluster(tmp_path, processes)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A scheduler and two workers, which outlive each test."""
    with ExitStack() as processes:
        cluster = Cluster(tmp_path_factory.mktemp("pair"), processes)
        cluster.add(None, None)
        yield cluster


def faust_jobs(count: int) -> list[RenderJob]:
    presets = list(PresetBank.read(factory_bank_path()))[:count]
    return [RenderJob(preset.state, (Performance.single(50, 100, 0.4, 0.1),)) for preset in presets]


def deed_jobs(*pitches: int) -> list[RenderJob]:
    settings = RenderSettings(settle=0.0)
    return [RenderJob(State("deed", b""), (Performance.single(each, 100, 0.1, 0.1),), settings) for each in pitches]


def sounds(results: Iterable[RenderResult]) -> dict[str, list[np.ndarray]]:
    """By job; each was done, and done once."""
    found: dict[str, list[np.ndarray]] = {}
    for result in results:
        assert result.ok, result.reason
        assert result.job.key not in found
        found[result.job.key] = [clip.samples for clip in result.clips]
    return found


def difference(first: dict[str, list[np.ndarray]], second: dict[str, list[np.ndarray]]) -> float:
    """The largest difference of any two samples."""
    assert first.keys() == second.keys()
    pairs = [pair for key in first for pair in zip(first[key], second[key], strict=True)]
    return max(float(np.abs(a - b).max()) for a, b in pairs)


def locally(jobs: Iterable[RenderJob], known: Mapping[str, Synth] | None = None) -> dict[str, list[np.ndarray]]:
    with RenderPool(1, known=known) as pool:
        return sounds(pool.render(jobs))


@pytest.fixture
def build(tmp_path: Path, wrong_plugin: Callable[..., None]) -> Callable[[str], Path]:
    """Builds a plugin that does a deed when it plays note 99; the folder that it lies in, for ``$VST_PATH``."""

    def make(deed: str) -> Path:
        wrong_plugin(deed)
        folder = tmp_path / deed
        folder.mkdir()
        (tmp_path / "plugins" / "amsynth_vst.so").rename(folder / "deed.so")
        return folder

    return make


@pytest.mark.parametrize(
    ("presets", "tolerance"),
    # ZynAddSubFX adds noise of 1e-16 against denormal numbers, which an earlier instance can change.
    [
        pytest.param("amsynth_presets", 0.0, marks=pytest.mark.plugin),
        pytest.param("zyn_presets", 1e-6, marks=pytest.mark.plugin),
    ],
)
def test_plugins_sound_the_same_on_a_cluster(
    pair: Cluster, presets: str, tolerance: float, request: pytest.FixtureRequest
) -> None:
    found: Sequence[Preset] = request.getfixturevalue(presets)
    jobs = [RenderJob(preset.state, (Performance.single(48, 100, 0.3, 0.2),)) for preset in found]
    with ClusterPool(pair.address) as pool:
        assert difference(locally(jobs), sounds(pool.render(jobs))) <= tolerance


def test_a_worker_killed_in_the_middle_costs_nothing(cluster: Cluster) -> None:
    cluster.add(None, None)
    jobs = faust_jobs(60)
    results = []
    with ClusterPool(cluster.address) as pool:
        for result in pool.render(iter(jobs)):
            results.append(result)
            if len(results) == 5:
                cluster.workers[0].kill()
    assert cluster.workers[0].poll() is not None
    assert difference(locally(jobs), sounds(results)) == 0.0


def test_jobs_are_drawn_as_they_get_done_and_given_up_when_nobody_wants_them(pair: Cluster) -> None:
    jobs = faust_jobs(60)
    drawn: list[RenderJob] = []

    def source() -> Iterator[RenderJob]:
        for job in jobs:
            drawn.append(job)
            yield job

    with ClusterPool(pair.address) as pool:
        results = pool.render(source())
        for taken in range(1, 11):
            assert next(results).ok
            assert len(drawn) <= taken + 2 * 3
        results.close()
        with distributed.Client(pair.address, set_as_default=False) as client:
            deadline = time.monotonic() + SECONDS
            while client.run_on_scheduler(lambda dask_scheduler: len(dask_scheduler.tasks)):
                assert time.monotonic() < deadline, "jobs are still there that nobody wants"
                time.sleep(0.05)
        assert len(sounds(pool.render(jobs[:4]))) == 4


def test_an_unknown_synth_is_refused_and_the_rest_goes_on(pair: Cluster) -> None:
    jobs = [RenderJob(State("theremin", b"")), *faust_jobs(2)]
    with ClusterPool(pair.address) as pool:
        results = {result.job.state.synth: result for result in pool.render(jobs)}
    assert results["faust"].ok
    assert results["theremin"].failure is Failure.MISSING
    assert "No synth called theremin" in results["theremin"].reason


def test_no_sound_of_another_build_is_mixed_in(
    cluster: Cluster, build: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, theirs = build("noise"), build("silence")
    monkeypatch.setenv("VST_PATH", str(ours))
    cluster.add(theirs)
    jobs = deed_jobs(*range(BAD - 5, BAD + 5))
    with ClusterPool(cluster.address, patience=1.0, known={"deed": DEED}) as pool:
        with pytest.raises(RenderError, match=rf"{cluster.address} renders Deed.*127.0.0.1.*another build"):
            list(pool.render(jobs))
        cluster.add(ours)
        assert difference(locally(jobs, {"deed": DEED}), sounds(pool.render(jobs))) == 0.0


def test_a_build_that_replaces_another_under_a_worker_plays_at_once(
    cluster: Cluster, build: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though the worker keeps hosts that have loaded the one before: a fork of those plays that for ever."""
    old, new = build("noise") / "deed.so", build("silence") / "deed.so"
    monkeypatch.setenv("VST_PATH", str(old.parent))
    cluster.add(old.parent)
    played = []
    for _ in range(2):
        with ClusterPool(cluster.address, known={"deed": replace(DEED, isolation=Isolation.FORK)}) as pool:
            played += pool.render(deed_jobs(BAD))
        if new.exists():
            new.replace(old)
    assert [each.failure for each in played] == [None, Failure.SILENT]


def test_where_the_plugin_is_not_at_hand_the_first_answer_decides(
    cluster: Cluster, build: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = build("noise"), build("silence")
    monkeypatch.setenv("VST_PATH", str(tmp_path))
    cluster.add(one, other, tmp_path)
    jobs = [RenderJob(State("deed", b""), (Performance.single(BAD, velocity, 0.1, 0.1),)) for velocity in range(1, 11)]
    with ClusterPool(cluster.address, known={"deed": DEED}) as pool:
        results = list(pool.render(jobs))
    assert sorted(result.job.key for result in results) == sorted(job.key for job in jobs)
    assert len({result.failure for result in results}) == 1


def test_a_machine_may_keep_the_plugin_elsewhere(cluster: Cluster, build: Callable[[str], Path]) -> None:
    home = cluster.folder / "home"
    home.mkdir()
    (home / "synths.toml").write_text(f'[deed]\nplugin = "{build("noise") / "deed.so"}"\n')
    cluster.add(None)
    row = Synth("deed", "Deed", Engine.PLUGIN, (".fxp",), "", Isolation.NEW_INSTANCE, "/elsewhere/deed.so", mine=True)
    with ClusterPool(cluster.address, known={"deed": row}) as pool:
        assert len(sounds(pool.render(deed_jobs(GOOD, GOOD + 1)))) == 2


def test_a_job_that_ends_its_workers_is_a_crash_and_its_neighbours_are_not(
    cluster: Cluster, build: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = build("orphan")
    monkeypatch.setenv("VST_PATH", str(folder))
    cluster.add(folder, folder, folder)
    jobs = deed_jobs(BAD, *range(GOOD, GOOD + 12))
    with ClusterPool(cluster.address, known={"deed": DEED}) as pool:
        results = {result.job.key: result for result in pool.render(jobs)}
    assert [results[job.key].ok for job in jobs] == [False, *[True] * 12]
    crashed = results[jobs[0].key]
    assert crashed.failure is Failure.CRASH
    assert "Every Dask worker" in crashed.reason
    assert [each.poll() is None for each in cluster.workers].count(True) == 1


def test_a_scheduler_that_goes_leaves_what_was_done(cluster: Cluster) -> None:
    cluster.add(None)
    done: list[RenderResult] = []
    with ClusterPool(cluster.address) as pool:
        results = pool.render(faust_jobs(200))
        done += [next(results) for _ in range(3)]
        cluster.scheduler.kill()
        with pytest.raises(RenderError, match=f"{cluster.address} is gone"):
            done.extend(results)
    assert len(sounds(done)) >= 3


def test_a_cluster_without_workers_is_not_waited_for_for_ever(cluster: Cluster) -> None:
    with (
        ClusterPool(cluster.address, patience=1.0) as pool,
        pytest.raises(RenderError, match=f"no worker .* `dask worker {cluster.address}`"),
    ):
        list(pool.render(faust_jobs(1)))


@pytest.mark.parametrize(
    ("address", "words"),
    [("tcp://127.0.0.1:1", "No Dask scheduler answers at tcp://127.0.0.1:1"), ("studio", "studio isn't a scheduler's")],
)
def test_an_address_where_nobody_answers_is_named(address: str, words: str) -> None:
    with pytest.raises(RenderError, match=words):
        ClusterPool(address, patience=1.0)


def test_a_closed_pool_says_so(pair: Cluster) -> None:
    pool = ClusterPool(pair.address)
    pool.close()
    pool.close()
    with pytest.raises(RenderError, match="closed"):
        next(pool.render(faust_jobs(1)))


def test_commands_render_here_or_there(pair: Cluster) -> None:
    jobs = faust_jobs(3)
    with open_pool(1, None) as here, open_pool(None, pair.address) as there:
        assert difference(sounds(here.render(jobs)), sounds(there.render(jobs))) == 0.0
    with pytest.raises(UsageError, match="--workers is for this machine"):
        open_pool(2, pair.address)


def test_a_pool_that_is_closed_in_the_middle_says_so(pair: Cluster) -> None:
    pool = ClusterPool(pair.address)
    results = pool.render(faust_jobs(50))
    next(results)
    pool.close()
    with pytest.raises(RenderError, match="was closed before all jobs were done"):
        list(results)
