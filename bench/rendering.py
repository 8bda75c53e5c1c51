"""How fast banks are rendered, and what a host process keeps: ``python bench/rendering.py``.

Prints a table a part and writes all of them to ``rendering.md``. Ratios are of runs that took turns, chunk by
chunk, so a machine that is busy with something else changes them less than it does the speeds.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from synthmatch.files import write_text
from synthmatch.notes import REFERENCE_NOTES
from synthmatch.presets.bank import PresetBank
from synthmatch.presets.catalogue import SYNTHS, Isolation, Synth
from synthmatch.presets.formats import amsynth, zyn
from synthmatch.presets.formats.fxp import FxFile
from synthmatch.presets.preset import State
from synthmatch.renderers.cluster import ClusterPool
from synthmatch.renderers.dawdreamer import ALL_SOUND_OFF
from synthmatch.renderers.pool import Pool, RenderPool
from synthmatch.renderers.renderer import RenderJob, RenderResult, RenderSettings
from synthmatch.renderers.synths import bank_folders, require_plugin

SETTINGS = RenderSettings()
HERE = Path(__file__).parent
ROUNDS = 3  # of a comparison that isn't cut into chunks
FEW = 500  # presets after which a process has all that it will need

Render = Callable[[int, int], tuple[float, float]]
"""Renders the presets from one number up to another; seconds of audio, and seconds taken."""


@dataclass(frozen=True)
class Options:
    """How much of it."""

    synths: tuple[str, ...]
    presets: int
    chunk: int
    memory: int


@dataclass(frozen=True)
class Table:
    """A part's result."""

    title: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def __str__(self) -> str:
        lines = [self.headings, ("---",) * len(self.headings), *self.rows]
        return f"## {self.title}\n\n" + "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def states(synth: str, count: int) -> list[State]:
    """``count`` presets, evenly from all banks of the synth."""
    bank = PresetBank.read(*bank_folders(SYNTHS[synth]))
    different = list({preset.id: preset.state for preset in bank}.values())
    return [different[place * len(different) // count] for place in range(min(count, len(different)))]


def pool_render(pool: Pool, of: Sequence[State]) -> Render:
    """A ``Render`` through a pool."""

    def render(first: int, last: int) -> tuple[float, float]:
        begun = time.perf_counter()
        audio = sum(map(seconds, pool.render(RenderJob(state, settings=SETTINGS) for state in of[first:last])))
        return audio, time.perf_counter() - begun

    return render


def seconds(result: RenderResult) -> float:
    """Seconds of audio rendered; a silent preset's, too, took time."""
    return sum(performance.seconds for performance in result.job.performances)


@contextmanager
def bare_loop(row: Synth, of: Sequence[State]) -> Iterator[Render]:
    """A ``Render`` by the script next to this one."""
    with tempfile.TemporaryDirectory(prefix="synthmatch-bench-") as folder:
        plan = Path(folder) / "plan"
        plan.write_text(json.dumps(make_plan(row, of, Path(folder))))
        command = [sys.executable, str(HERE / "bareloop.py"), str(plan)]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        with subprocess.Popen(command, text=True, **pipes) as process:  # type: ignore[call-overload]

            def render(first: int, last: int) -> tuple[float, float]:
                process.stdin.write(f"{first} {last}\n")
                process.stdin.flush()
                audio, taken = map(float, process.stdout.readline().split())
                return audio, taken

            yield render


def make_plan(row: Synth, of: Sequence[State], folder: Path) -> dict[str, Any]:
    """What ``bareloop.Plan`` is made of; the presets' files are written into ``folder``."""
    home = folder / "home"
    home.mkdir()
    return {
        "plugin": str(require_plugin(row)),
        "presets": [AHEAD[row.id](row, state, folder) for state in of],
        "notes": [
            (note.pitch, note.velocity, note.duration, performance.seconds)
            for performance in REFERENCE_NOTES
            for note in performance.notes
        ],
        "settle": row.settle,
        "forks": row.isolation is Isolation.FORK,
        "one_processor": row.one_processor,
        "random_state": row.random_state,
        "home": str(home),
        "rate": SETTINGS.sample_rate,
        "block": SETTINGS.block_size,
        "all_sound_off": str(ALL_SOUND_OFF),
    }


def values_ahead(_row: Synth, state: State, _folder: Path) -> list[float]:
    """An amsynth preset as all its values."""
    return amsynth.vst_values(state.parameters())


def file_ahead(row: Synth, state: State, folder: Path) -> str:
    """A ZynAddSubFX preset as a file."""
    file = FxFile(row.plugin_id, zyn.host_chunk(state), bank=True, plugin_version=row.plugin_version)
    path = folder / f"{state.id}{file.suffix}"
    path.write_bytes(file.encode())
    return str(path)


AHEAD: Mapping[str, Callable[[Synth, State, Path], list[float] | str]] = {
    "amsynth": values_ahead,
    "zynaddsubfx": file_ahead,
}


@dataclass
class Race:
    """Two ways to render the same, chunk by chunk in turns.

    Args:
        ratios: of a chunk's speeds, second way to first.
        speeds: seconds of audio a second, of each way, all chunks together.
    """

    ratios: list[float]
    speeds: tuple[float, float]

    @classmethod
    def run(cls, first: Render, second: Render, count: int, chunk: int, rounds: int = 1) -> Race:
        """Render presets 0 to ``count``, ``rounds`` times; each way begins every other chunk."""
        first(0, 1), second(0, 1)  # plugins are loaded, folders read
        ratios = []
        totals = [[0.0, 0.0], [0.0, 0.0]]
        for number, start in enumerate(rounds * list(range(0, count, chunk))):
            speeds = [0.0, 0.0]
            for way in (0, 1) if number % 2 == 0 else (1, 0):
                audio, taken = (first, second)[way](start, min(start + chunk, count))
                totals[way][0] += audio
                totals[way][1] += taken
                speeds[way] = audio / taken
            ratios.append(speeds[1] / speeds[0])
            print(f"  {start + chunk}: {speeds[0]:.1f}, {speeds[1]:.1f}, ratio {ratios[-1]:.3f}", file=sys.stderr)
        return cls(ratios, (totals[0][0] / totals[0][1], totals[1][0] / totals[1][1]))

    def row(self, title: str, goal: str) -> tuple[str, ...]:
        """For a table: the title, both speeds, the median ratio with its range, the goal."""
        spread = f"{min(self.ratios):.2f} to {max(self.ratios):.2f}"
        speeds = (f"{speed:.0f}" for speed in self.speeds)
        return (title, *speeds, f"{median(self.ratios):.2f}", spread, goal)


def against_bare_loop(options: Options) -> Table:
    """One worker of the pool against the loop."""
    rows = []
    for synth in options.synths:
        of = states(synth, options.presets)
        with bare_loop(SYNTHS[synth], of) as bare, RenderPool(1) as pool:
            race = Race.run(bare, pool_render(pool, of), len(of), options.chunk)
        rows.append(race.row(f"{SYNTHS[synth].title}, {len(of)} presets", "0.9"))
    headings = ("", "bare loop", "pool", "ratio (median)", "ratios of chunks", "goal")
    return Table("One worker against a bare loop (seconds of audio a second)", headings, tuple(rows))


def two_workers(options: Options) -> Table:
    """Two workers against one."""
    rows = []
    for synth in options.synths:
        of = states(synth, options.presets)
        with RenderPool(1) as one, RenderPool(2) as two:
            # All presets at once: at the end of a short chunk one slow preset keeps one worker waiting.
            race = Race.run(pool_render(one, of), pool_render(two, of), len(of), len(of), ROUNDS)
        rows.append(race.row(f"{SYNTHS[synth].title}, {len(of)} presets", "1.8"))
    headings = ("", "one", "two", "ratio (median)", "ratios of chunks", "goal")
    return Table("Two workers against one (seconds of audio a second)", headings, tuple(rows))


def memory(options: Options) -> Table:
    """What a host process holds after ``FEW`` presets, and after many."""
    rows = []
    for synth in options.synths:
        of = states(synth, options.memory)
        jobs = (RenderJob(of[place % len(of)], settings=SETTINGS) for place in range(options.memory))
        with RenderPool(1) as pool:
            held = [resident(pool) for done, _ in enumerate(pool.render(jobs), 1) if done in (FEW, options.memory)]
        growth = f"{100 * (held[-1] / held[0] - 1):+.1f} %"
        rows.append((SYNTHS[synth].title, f"{held[0]:.0f}", f"{held[-1]:.0f}", growth, "10 %"))
    headings = ("", f"after {FEW} presets", f"after {options.memory}", "growth", "goal")
    return Table("Memory of a host process (MB, resident)", headings, tuple(rows))


def resident(pool: RenderPool) -> float:
    """Megabytes that the pool's hosts hold in memory."""
    pages = sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in pool.pids())
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def on_a_cluster(options: Options) -> Table:
    """A Dask worker on this machine against one worker of the pool."""
    rows = []
    for synth in ("faust", *options.synths):
        of = states(synth, options.presets)
        with local_cluster() as address, RenderPool(1) as pool, ClusterPool(address) as cluster:
            race = Race.run(pool_render(pool, of), pool_render(cluster, of), len(of), options.chunk)
        rows.append(race.row(f"{SYNTHS[synth].title}, {len(of)} presets", "none"))
    headings = ("", "pool", "cluster", "ratio (median)", "ratios of chunks", "goal")
    return Table("A Dask worker against a pool's, on one machine (seconds of audio a second)", headings, tuple(rows))


@contextmanager
def local_cluster() -> Iterator[str]:
    """The address of a scheduler with one worker of one thread."""
    from distributed import LocalCluster

    with LocalCluster(n_workers=1, threads_per_worker=1, processes=True, dashboard_address="127.0.0.1:0") as cluster:
        yield cluster.scheduler_address


PARTS: Mapping[str, Callable[[Options], Table]] = {
    "bare": against_bare_loop,
    "workers": two_workers,
    "cluster": on_a_cluster,
    "memory": memory,
}


def machine() -> str:
    """Where and how this was measured."""
    load = ", ".join(f"{each:.1f}" for each in os.getloadavg())
    return (
        f"{os.cpu_count()} processors ({platform.machine()}, {platform.system()}), Python {platform.python_version()}; "
        f"load average {load} before the first part. The five reference notes, 2 s each, "
        f"{SETTINGS.sample_rate} samples a second."
    )


def main() -> None:
    """Measure what is asked for, print it and write it down."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--synths", nargs="+", choices=AHEAD, default=list(AHEAD))
    parser.add_argument("--presets", type=int, default=300, help="presets of each synth (300)")
    parser.add_argument("--chunk", type=int, default=50, help="presets rendered before it is the other's turn (50)")
    parser.add_argument("--memory", type=int, default=5000, help="presets after which memory is looked at (5000)")
    parser.add_argument("--out", type=Path, default=HERE / "rendering.md", help="where the tables are written")
    chosen = parser.parse_args()
    options = Options(tuple(chosen.synths), chosen.presets, chosen.chunk, chosen.memory)
    text = f"# Rendering, measured\n\nWritten by `python bench/rendering.py`. {machine()}\n"
    for part in chosen.parts:
        table = PARTS[part](options)
        print(table)
        text += f"\n{table}"
        write_text(chosen.out, text)


if __name__ == "__main__":
    main()
