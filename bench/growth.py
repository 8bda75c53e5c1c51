"""What a bank of 500 costs a library that grows: ``python bench/growth.py [--presets N]``.

Banks of made-up presets are added one after the other, each by all that ``library add`` does but for rendering and
embedding, which cost the same whatever is there: rows, vectors, merges, indexes, and the report on what sounds alike.
What counts is the processor's time. Prints a table and writes it to ``growth.md``.
"""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from synthmatch.files import content_hash, write_text
from synthmatch.library import scrutiny
from synthmatch.library.facts import Facts
from synthmatch.library.library import Library
from synthmatch.library.store import StoredSound
from synthmatch.library.vectors import Embedded
from synthmatch.notes import REFERENCE_NOTES
from synthmatch.presets.bank import PresetBank
from synthmatch.presets.preset import Preset, State
from synthmatch.sound.soundprint import STEP_DB
from synthmatch.trust.census import Heard

HERE = Path(__file__).parent
BANK = 500
FAMILIES = ("bass", "lead", "pad")
DIMENSION = 128
CELLS = 1_320  # of a print: five notes of two seconds and their tails
BATCH = 16
_SOUND = StoredSound((1.0,) * 5, tuple(range(88_200, 441_001, 88_200)), 560_000)


@dataclass(frozen=True)
class Cost:
    """Processor's seconds that a bank took, with so many presets there before; and segments afterwards."""

    before: int
    add: float
    report: float
    segments: int


def seconds(call: Callable[[], object]) -> float:
    """What a call takes of the processor."""
    begun = time.process_time()
    call()
    return time.process_time() - begun


def made_up(number: int) -> PresetBank:
    """A bank of presets that nothing plays."""
    file = Path(f"bank{number}.bench")
    return PresetBank(
        tuple(
            Preset(f"Preset {slot}", State("bench", f"{number} {slot}".encode()), bank=f"bank{number}", file=file,
                   slot=slot, family=FAMILIES[slot % 3])
            for slot in range(BANK)
        )
    )  # fmt: skip


def made_up_prints(random: np.random.Generator) -> npt.NDArray[np.uint8]:
    """(BANK, CELLS): sounds that differ in level, brightness, width, decay, and from note to note, by some dB each."""
    place = np.arange(CELLS)
    band, slot, note = place % 24 / 12 - 1, place // 24 % 11 / 5 - 1, place / CELLS * 2 - 1
    shapes = np.stack([np.ones(CELLS), band, band**2 - 1 / 3, slot, note])
    depth = random.normal(size=(BANK, len(shapes))) * (8, 10, 10, 8, 4) / STEP_DB
    steps = 110 + depth @ shapes + random.normal(scale=2 / STEP_DB, size=(BANK, CELLS))
    return np.clip(steps, 0, 240).astype(np.uint8)


def add(library: Library, bank: PresetBank, random: np.random.Generator) -> None:
    """Store what rendering and embedding a bank would give."""
    states = [preset.id for preset in bank]
    prints = made_up_prints(random)
    with library.rows.transaction():
        library.rows.put(bank)
    for state, cells in zip(states, prints, strict=True):
        with library.rows.transaction():
            library.rows.rendered(state, "bench", _SOUND)
            library.rows.heard(state, Heard(cells, content_hash(cells.tobytes())))
    shape = (len(FAMILIES) + 1, len(REFERENCE_NOTES), DIMENSION)
    for first in range(0, BANK, BATCH):
        some = states[first : first + BATCH]
        vectors = random.normal(size=(len(some), *shape)).astype(np.float32)
        vectors /= np.linalg.norm(vectors, axis=-1, keepdims=True)
        presence = random.uniform(0, 0.25, size=(len(some), len(FAMILIES))).astype(np.float32)
        library.vectors.add(Embedded(tuple(some), vectors.astype(np.float16), presence))
    library.finish()


def grow(folder: Path, presets: int, random: np.random.Generator) -> list[Cost]:
    """Add banks until there are so many presets."""
    Library.create(folder).close()
    Facts("bench", (*FAMILIES, "timbre"), DIMENSION).write(folder / "library.json")
    costs = []
    for number in range(presets // BANK):
        bank = made_up(number)
        with Library.open(folder) as library:
            adding = seconds(lambda library=library, bank=bank: add(library, bank, random))
            reporting = seconds(lambda library=library, bank=bank: scrutiny.report(library, bank, {}))
            costs.append(Cost(number * BANK, adding, reporting, len(library.vectors.segments)))
            assert len(library) == (number + 1) * BANK
    return costs


def rest(folder: Path, random: np.random.Generator) -> list[tuple[str, float]]:
    """What opening, matching and removing cost in the end."""
    vector = random.normal(size=DIMENSION).astype(np.float32)
    vector /= np.linalg.norm(vector)
    rows = [("opening it", seconds(lambda: Library.open(folder).close()))]
    with Library.open(folder) as library:
        rows.append(("the first search in a family", seconds(lambda: library.search("bass", vector, 10))))
        rows.append(("the next one", seconds(lambda: library.search("bass", vector, 10))))
        found = library.search("timbre", vector, 10)
        assert [score for _, score in found] == sorted((score for _, score in found), reverse=True)
        gone = found[0][0].bank
        rows.append((f"removing a bank of {BANK}", seconds(lambda: library.remove(bank=gone))))
        assert all(each.bank != gone for each, _ in library.search("timbre", vector, 100))
        rows.append(("all of its listings, and the fingerprint", seconds(lambda: library.fingerprint)))
    return rows


def table(costs: Sequence[Cost]) -> list[str]:
    """One row each time the library has doubled."""
    lines = [
        "| presets there before | banks | median s | mean s | longest s | report, mean s | segments at most |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    low, high = 0, 2 * BANK
    while some := [each for each in costs if low <= each.before < high]:
        times = np.array([each.add for each in some])
        report = np.mean([each.report for each in some])
        most = max(each.segments for each in some)
        figures = f"{np.median(times):.2f} | {times.mean():.2f} | {times.max():.2f} | {report:.2f}"
        lines.append(f"| {low:,} to {high - BANK:,} | {len(some)} | {figures} | {most} |")
        low, high = high, 2 * high
    return lines


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--presets", type=int, default=100_000, help="how far the library grows")
    parser.add_argument("--out", type=Path, default=HERE / "growth.md", help="where the table goes")
    chosen = parser.parse_args()
    random = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        costs = grow(Path(folder), chosen.presets, random)
        others = rest(Path(folder), random)
    lines = [
        "# A library that grows, measured",
        "",
        f"Written by `python bench/growth.py --presets {chosen.presets}`: seconds of a processor for banks of {BANK}"
        f" made-up presets in {len(FAMILIES) + 1} spaces of {DIMENSION} dimensions, {len(REFERENCE_NOTES)} vectors"
        f" each, rendering and embedding apart. {platform.machine()}, Python {platform.python_version()}, numpy"
        f" {np.__version__}; load average {', '.join(f'{each:.1f}' for each in os.getloadavg())} on {os.cpu_count()}"
        " processors.",
        "",
        *table(costs),
        "",
        f"| with {len(costs) * BANK:,} presets | s |",
        "| --- | --- |",
        *(f"| {what} | {took:.3f} |" for what, took in others),
    ]
    document = "\n".join(lines) + "\n"
    print(document, end="")
    write_text(chosen.out, document)


if __name__ == "__main__":
    main()
