"""One table of vectors, written once: a store is a few of them (``vectors.py``).

A segment is a folder whose files never change; what was removed since is a list of rows beside it. So whoever has it
open goes on reading, whatever another process adds.
"""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from synthmatch.files import atomic_path, fresh_folder

Vectors = npt.NDArray[np.float16]
Floats = npt.NDArray[np.float32]
Marks = npt.NDArray[np.bool_]
Places = npt.NDArray[np.intp]
Kind = TypeVar("Kind", bound=np.generic)

FAN = 4
"""Segments of one tier that are merged into one of the next: each preset is rewritten once a tier."""

SMALLEST = 256
"""Presets in a segment of the lowest tier, at most; the next tiers have ``FAN`` times as many each."""

LARGEST = 1_000_000
"""Presets above which a segment isn't merged any more, so that no step takes longer than one such merge."""

GONE = 0.25
"""Part of a segment that may be gone before it is written again without."""

_BLOCK = 4_096  # rows copied at a time


@dataclass(frozen=True)
class Segment:
    """Vectors of n states.

    Args:
        name: of its folder; "" if it is in memory.
        ids: (n,) ASCII, ascending.
        spaces: S arrays (n, R, D) of unit vectors.
        presence: (n, F) probabilities that the state plays each family.
        found: (n, F), under which families each state is found; None where nobody has decided yet.
        gone: (n,), the rows that don't count any more.
    """

    name: str
    ids: npt.NDArray[np.bytes_]
    spaces: Sequence[Vectors] = field(repr=False)
    presence: Floats = field(repr=False)
    found: Marks | None = field(repr=False)
    gone: Marks = field(repr=False)

    def __len__(self) -> int:
        """States that count."""
        return len(self.ids) - int(self.gone.sum())

    @property
    def alive(self) -> Places:
        """The rows that count."""
        return np.flatnonzero(~self.gone)

    def rows_of(self, states: Sequence[str]) -> Places:
        """The row of each state, -1 for those that aren't here or are gone; by bisection, so that few states cost
        little however many there are."""
        if not len(self.ids) or not states:
            return np.full(len(states), -1, np.intp)
        wanted = np.array([state.encode() for state in states], np.bytes_)
        rows = np.minimum(np.searchsorted(self.ids, wanted), len(self.ids) - 1)
        there = (self.ids[rows] == wanted) & ~self.gone[rows]
        return np.where(there, rows, -1)

    def without(self, rows: Places) -> Segment:
        """The same segment with some rows gone as well."""
        gone = self.gone.copy()
        gone[rows] = True
        return replace(self, gone=gone)

    def taken(self, rows: Places, found: Marks) -> Segment:
        """Some rows as a segment in memory, found elsewhere now."""
        return Segment(
            "",
            self.ids[rows],
            [each[rows] for each in self.spaces],
            self.presence[rows],
            found,
            np.zeros(len(rows), bool),
        )

    def names(self, rows: Places) -> list[str]:
        """The states in some rows."""
        return [str(each, "ascii") for each in self.ids[rows].tolist()]


@dataclass(frozen=True)
class Shape:
    """What all segments of a store have in common: S names of spaces, R vectors per state and space, dimension D."""

    spaces: tuple[str, ...]
    notes: int
    dimension: int

    def check(self, segment: Segment) -> Segment:
        """Pass a segment on.

        Raises:
            ValueError: its arrays have other shapes.
        """
        count, families = len(segment.ids), len(self.spaces) - 1
        shapes: dict[str, tuple[tuple[int, ...], tuple[int, ...]]]
        shapes = {name: (each.shape, (count, self.notes, self.dimension)) for name, each in self._named(segment)}
        shapes["presence"] = segment.presence.shape, (count, families)
        if segment.found is not None:
            shapes["found"] = segment.found.shape, (count, families)
        for name, (shape, wanted) in shapes.items():
            if shape != wanted:
                raise ValueError(f"{name} has the shape {shape} instead of {wanted}")
        return segment

    def _named(self, segment: Segment) -> Iterable[tuple[str, Vectors]]:
        if len(segment.spaces) != len(self.spaces):
            raise ValueError(f"{len(segment.spaces)} spaces instead of {len(self.spaces)}")
        return zip(self.spaces, segment.spaces, strict=True)


def mapped(path: Path, kind: type[Kind]) -> npt.NDArray[Kind]:
    """An array on disk, mapped, not read.

    Args:
        kind: of its numbers.

    Raises:
        ValueError: the file is missing or damaged, or holds another kind of numbers, or more than it says.
    """
    try:
        array: np.memmap[Any, np.dtype[Kind]] = np.load(path, mmap_mode="r")
    except Exception as error:  # a header is Python to NumPy: one wrong bit may raise anything that a parser does
        raise ValueError(f"{path.name}: {error}") from error
    if array.dtype.type is not kind or not array.dtype.isnative:
        raise ValueError(f"{path.name} holds {array.dtype} instead of {kind.__name__}")
    if array.offset + array.nbytes != path.stat().st_size:
        raise ValueError(f"{path.name} is longer than it says")
    return array


def opened(folder: Path, gone: str, shape: Shape) -> Segment:
    """Open a segment; its arrays are mapped, not read.

    Args:
        gone: name of the file that lists the rows that are gone, or "".

    Raises:
        OSError, ValueError, TypeError, IndexError: it is damaged, or of another shape.
    """
    ids = mapped(folder / "ids.npy", np.bytes_)
    vectors = mapped(folder / "vectors.npy", np.float16)
    presence = mapped(folder / "presence.npy", np.float32)
    found = mapped(folder / "found.npy", np.bool_)
    marks = np.zeros(len(ids), bool)
    if gone:
        marks[mapped(folder / gone, np.int32)] = True
    return shape.check(Segment(folder.name, ids, list(vectors), presence, found, marks))


def opened_table(folder: Path, shape: Shape) -> Segment:
    """Open a table as libraries had them before there were segments: one file per space, and the ids as JSON.

    Raises:
        OSError, ValueError, TypeError, IndexError: as above.
    """
    ids = np.array(json.loads((folder / "ids.json").read_text()), np.bytes_)
    spaces = [mapped(folder / f"{name}.npy", np.float16) for name in shape.spaces]
    presence = mapped(folder / "presence.npy", np.float32)
    return shape.check(Segment("", ids, spaces, presence, None, np.zeros(len(ids), bool)))


def write(folder: Path, number: int, sources: Sequence[Segment], rows: Sequence[Places]) -> Path:
    """Write some rows of segments, whose ``found`` are decided, as a new segment in ``folder``. No two ever have one
    name: an index that was built for a name is of its vectors.

    Args:
        rows: of each source; no state twice.
    """
    ids = np.concatenate([source.ids[some] for source, some in zip(sources, rows, strict=True)])
    order = np.argsort(ids, kind="stable")
    origin = np.repeat(np.arange(len(sources)), [len(some) for some in rows])[order]
    row = np.concatenate(rows)[order]
    building = fresh_folder(folder, ".segment-")
    try:
        np.save(building / "ids.npy", ids[order])
        np.save(building / "presence.npy", _gathered([each.presence for each in sources], origin, row))
        found = [each.found for each in sources if each.found is not None]
        np.save(building / "found.npy", _gathered(found, origin, row))
        _write_vectors(building / "vectors.npy", sources, origin, row)
        return building.replace(folder / f"segment-{number:08d}-{building.name[-8:]}")
    except BaseException:
        shutil.rmtree(building, ignore_errors=True)
        raise


def write_gone(folder: Path, number: int, segment: Segment) -> str:
    """List the rows of a segment that are gone, in a file of its own; returns its name."""
    name = f"gone-{number:08d}.npy"
    with atomic_path(folder / segment.name / name) as temporary:
        np.save(temporary, np.flatnonzero(segment.gone).astype(np.int32))
    return name


def in_memory(parts: Sequence[tuple[Sequence[str], Vectors, Floats]], shape: Shape) -> Segment:
    """Batches of (ids, (n, S, R, D) vectors, presence) as one segment; of a state in two of them the last counts."""
    last = {state: (part, row) for part, (ids, _, _) in enumerate(parts) for row, state in enumerate(ids)}
    states = sorted(last)
    vectors = np.zeros((len(states), len(shape.spaces), shape.notes, shape.dimension), np.float16)
    presence = np.zeros((len(states), len(shape.spaces) - 1), np.float32)
    for place, state in enumerate(states):
        part, row = last[state]
        vectors[place], presence[place] = parts[part][1][row], parts[part][2][row]
    spaces = [np.ascontiguousarray(each) for each in np.moveaxis(vectors, 1, 0)]
    return Segment("", np.array(states, np.bytes_), spaces, presence, None, np.zeros(len(states), bool))


def merges(sizes: Sequence[int]) -> list[list[int]]:
    """Which segments to merge: while a tier has ``FAN`` of them they become one, of a higher tier.

    So there are fewer than ``FAN`` a tier, and tiers grow by ``FAN``: their number is logarithmic in the number of
    states, and so is how often a state is written again.

    Args:
        sizes: states that count, per segment.

    Returns:
        Groups of two or more places in ``sizes``.
    """
    groups = [[place] for place in range(len(sizes))]
    while True:
        tiers: dict[int, list[list[int]]] = {}
        for group in groups:
            tiers.setdefault(_tier(sum(sizes[place] for place in group)), []).append(group)
        full = [tier for tier in sorted(tiers) if len(tiers[tier]) >= FAN and tier < _tier(LARGEST)]
        if not full:
            return [sorted(group) for group in groups if len(group) > 1]
        merged = tiers.pop(full[0])
        groups = [group for some in tiers.values() for group in some] + [[place for group in merged for place in group]]


def _tier(size: int) -> int:
    return max(0, math.ceil(math.log(max(size, 1) / SMALLEST, FAN) - 1e-9))


def _gathered(arrays: Sequence[npt.NDArray[Kind]], origin: Places, row: Places) -> npt.NDArray[Kind]:
    """Rows of several arrays: of ``arrays[origin[i]]`` the row ``row[i]``."""
    made = np.empty((len(row), *arrays[0].shape[1:]), arrays[0].dtype)
    for number, array in enumerate(arrays):
        chosen = origin == number
        made[chosen] = array[row[chosen]]
    return made


def _write_vectors(path: Path, sources: Sequence[Segment], origin: Places, row: Places) -> None:
    """Block by block: a merge needs no more memory for more presets."""
    first = sources[0].spaces
    shape = (len(first), len(row), *first[0].shape[1:])
    made = np.lib.format.open_memmap(path, mode="w+", dtype=np.float16, shape=shape)
    for space in range(len(first)):
        arrays = [source.spaces[space] for source in sources]
        for start in range(0, len(row), _BLOCK):
            block = slice(start, start + _BLOCK)
            made[space, block] = _gathered(arrays, origin[block], row[block])
    made.flush()


def holding(segments: Collection[Segment], states: Sequence[str]) -> dict[str, tuple[Segment, int]]:
    """In which segment, and in which of its rows, each state is; those that aren't anywhere are left out."""
    found: dict[str, tuple[Segment, int]] = {}
    for segment in segments:
        for state, row in zip(states, segment.rows_of(states).tolist(), strict=True):
            if row >= 0:
                found.setdefault(state, (segment, row))
    return found
