"""A million presets, three vectors each: ``python bench/index.py --library FOLDER [--presets N]``.

Presets are drawn so that their neighbours are as near as those of the library's (``manypresets.py``). Prints what
building takes, memory, and for several settings recall@10 against exact search and time per query; and the same for
exact searches. Writes all of it to ``index.md``. Times are the processor's.
"""

from __future__ import annotations

import argparse
import gc
import os
import platform
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
import numpy.typing as npt
from manypresets import Drawing, Floats, matched, read_real

from synthmatch.files import write_text
from synthmatch.library import index
from synthmatch.library.index import PresetIndex

HERE = Path(__file__).parent
NOTES = 3
K = 10
Halves = npt.NDArray[np.float16]
Found = list[list[int]]
BLOCK = 20_000  # presets compared with all queries at a time
AWAY = 0.8
"""Cosine between a query of the kind "song" and the preset that it is of: what mixtures leave of it."""


@dataclass(frozen=True)
class Build:
    """How an index is built: the part of the energy that its directions hold (1: vectors as they are), and trees."""

    energy: float
    trees: int


BUILDS = (Build(0.95, 40), Build(0.98, 40), Build(0.98, 20), Build(1.0, 20))
SEARCHES = (2_500, 10_000, 40_000)
CANDIDATES = (20, 50)


@contextmanager
def settings(**values: float) -> Iterator[None]:
    """Other constants in ``synthmatch.library.index`` for a while."""
    before = {name: getattr(index, name) for name in values}
    for name, value in values.items():
        setattr(index, name, value)
    try:
        yield
    finally:
        for name, value in before.items():
            setattr(index, name, value)


def resident() -> float:
    """Gigabytes of this process that are in memory, mapped files with them; 0 where the system doesn't say."""
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return next((int(line.split()[1]) / 2**20 for line in lines if line.startswith("VmRSS")), 0.0)


def timed(searches: Sequence[Callable[[], list[int]]]) -> tuple[list[list[int]], float, float]:
    """What some searches find, and the median and 95th percentile of their milliseconds."""
    found, taken = [], []
    for search in searches:
        begun = time.process_time()
        found.append(search())
        taken.append(1000 * (time.process_time() - begun))
    return found, float(np.median(taken)), float(np.percentile(taken, 95))


def recall(found: Sequence[Sequence[int]], right: Sequence[Sequence[int]]) -> float:
    """The part of the right ones that is found."""
    return float(
        np.mean([len(set(ours) & set(theirs)) / len(theirs) for ours, theirs in zip(found, right, strict=True)])
    )


def asked(drawing: Drawing, count: int, random: np.random.Generator) -> dict[str, Floats]:
    """Queries: other presets drawn as the indexed ones are, and such presets turned away at random."""
    presets = drawing.draw(count, random)[:, 0]
    noise = random.normal(size=presets.shape).astype(np.float32)
    noise -= (noise * presets).sum(axis=1, keepdims=True) * presets
    noise /= np.linalg.norm(noise, axis=1, keepdims=True)
    return {"preset": presets, "song": AWAY * presets + np.sqrt(1 - AWAY**2, dtype=np.float32) * noise}


def truth(vectors: Halves, queries: Floats) -> Found:
    """The nearest rows of each query, by comparing all queries with everything, block by block."""
    best: list[list[tuple[float, int]]] = [[] for _ in queries]
    for first in range(0, len(vectors), BLOCK):
        block = np.asarray(vectors[first : first + BLOCK], np.float32)
        cosines = block.reshape(-1, block.shape[2]) @ queries.T
        scores = cosines.reshape(len(block), block.shape[1], -1).max(axis=1)
        rows = np.argpartition(-scores, min(K, len(block) - 1), axis=0)[:K]
        for query, chosen in enumerate(rows.T):
            found = [(-float(scores[row, query]), first + int(row)) for row in chosen]
            best[query] = sorted(best[query] + found)[:K]
    return [[row for _, row in some] for some in best]


def annoys(folder: Path, vectors: Halves, queries: dict[str, Floats], right: dict[str, Found]) -> Iterator[str]:
    """One row a setting."""
    for number, build in enumerate(BUILDS):
        with settings(ENERGY=build.energy, TREES=build.trees, EXACT=0):
            made = PresetIndex(vectors, np.arange(len(vectors)))
            begun = time.process_time()
            made.build(folder, str(number), "bench")
            built = time.process_time() - begun
            size = sum(path.stat().st_size for path in folder.glob(f"{number}-*.ann")) / 2**30
            dimensions = np.load(folder / f"{number}.npy").shape[1]
            for search, candidates in product(SEARCHES, CANDIDATES):
                with settings(SEARCH=search, CANDIDATES=candidates):
                    cells = [str(dimensions), str(build.trees), f"{search:,}", str(candidates)]
                    cells += [f"{built:.0f}", f"{size:.2f}", *compared(partial(nearest, made), queries, right)]
                yield f"| {' | '.join(cells)} |"
        del made
        gc.collect()


def nearest(made: PresetIndex, query: Floats) -> list[int]:
    """The rows that an index finds."""
    return [row for row, _ in made.search(query, K)]


def compared(
    search: Callable[[Floats], list[int]], queries: dict[str, Floats], right: dict[str, Found]
) -> Iterator[str]:
    """Recall and times of a search, for each kind of query."""
    for kind, some in queries.items():
        found, middle, late = timed([partial(search, query) for query in some])
        yield from (f"{recall(found, right[kind]):.3f}", f"{middle:.1f}", f"{late:.1f}")


def exacts(vectors: Halves, queries: dict[str, Floats], right: dict[str, Found]) -> Iterator[str]:
    """One row for each way to compare with everything."""
    sample = np.asarray(vectors[:: max(1, len(vectors) // 5_000)], np.float32).reshape(-1, vectors.shape[2])
    directions = np.ascontiguousarray(np.linalg.eigh(sample.T @ sample)[1][:, ::-1][:, :32])
    table = np.asarray(vectors, np.float32).reshape(-1, vectors.shape[2])
    turned = table @ directions
    steps = np.abs(turned).max(axis=0) / 127
    small = np.rint(turned / steps).astype(np.int8)

    def best(scores: Floats, count: int) -> npt.NDArray[np.intp]:
        largest = scores.reshape(-1, vectors.shape[1]).max(axis=1)
        return np.argpartition(-largest, count)[:count]

    def again(rows: npt.NDArray[np.intp], query: Floats) -> list[int]:
        scores = (table.reshape(vectors.shape)[rows] @ query).max(axis=1)
        return [int(row) for row in rows[np.argsort(-scores)[:K]]]

    def bytewise(query: Floats) -> Floats:
        scaled = (query @ directions) * steps
        blocks = [small[first : first + 65_536].astype(np.float32) @ scaled for first in range(0, len(small), 65_536)]
        return np.concatenate(blocks)

    ways: dict[str, tuple[float, Callable[[Floats], list[int]]]] = {
        "float32, 128 dimensions": (table.nbytes, lambda query: again(best(table @ query, K), query)),
        "float32, 32 directions, 200 scored again": (
            turned.nbytes,
            lambda query: again(best(turned @ (query @ directions), 200), query),
        ),
        "int8, 32 directions, 200 scored again": (small.nbytes, lambda query: again(best(bytewise(query), 200), query)),
    }
    for name, (size, search) in ways.items():
        cells = [name, f"{size / 2**30:.3f}", *compared(search, queries, right)]
        yield f"| {' | '.join(cells)} |"


def measure(drawing: Drawing, presets: int, count: int) -> Iterator[str]:
    """All tables."""
    random = np.random.default_rng(2)
    vectors = np.empty((presets, *drawing.real.shape[1:]), np.float16)
    for first in range(0, presets, 50_000):
        some = vectors[first : first + 50_000]
        some[:] = drawing.draw(len(some), random)
    queries = asked(drawing, count, random)
    right = {kind: truth(vectors, some) for kind, some in queries.items()}
    heads = "recall, preset | ms | 95 % ms | recall, song | ms | 95 % ms"
    yield from (
        "",
        f"| dimensions | trees | nodes | candidates | build s | file GB | {heads} |",
        "| --- |" + " --- |" * 11,
    )
    with tempfile.TemporaryDirectory() as folder:
        yield from annoys(Path(folder), vectors, queries, right)
        yield from ("", f"In memory at the end, mapped files and the vectors with it: {resident():.2f} GB.")
    yield from ("", f"| compared with everything | GB | {heads} |", "| --- |" + " --- |" * 7)
    yield from exacts(vectors, queries, right)


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--library", type=Path, required=True, help="whose presets are drawn from")
    parser.add_argument("--space", default="timbre", help="a family, or timbre")
    parser.add_argument("--presets", type=int, default=1_000_000)
    parser.add_argument("--queries", type=int, default=200, help="of each kind")
    parser.add_argument("--out", type=Path, default=HERE / "index.md", help="where the tables go")
    chosen = parser.parse_args()
    drawing = Drawing.fit(read_real(chosen.library, chosen.space, NOTES))
    lines = [
        "# Many presets, measured",
        "",
        f"Written by `python bench/index.py --library FOLDER --presets {chosen.presets} --queries {chosen.queries}`:"
        f" {chosen.presets:,} presets of {NOTES} vectors,"
        f" drawn from {len(drawing.real):,} real ones in the space {chosen.space} (reach {drawing.reach:.2f});"
        f" {chosen.queries} queries of each kind; one thread, processor's time. {platform.machine()}, Python"
        f" {platform.python_version()}, numpy {np.__version__}; load average"
        f" {', '.join(f'{each:.1f}' for each in os.getloadavg())} on {os.cpu_count()} processors.",
        "",
        *matched(drawing),
    ]
    print("\n".join(lines))
    for line in measure(drawing, chosen.presets, chosen.queries):
        lines.append(line)
        print(line, flush=True)
    write_text(chosen.out, "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
