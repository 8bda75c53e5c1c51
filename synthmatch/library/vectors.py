"""The vectors of a library on disk: one folder per encoder, a few segments in it that never change.

::

    segments.json          which segments count, and which list of what is gone from each
    segment-00000012-.../  ids.npy, vectors.npy, presence.npy, found.npy, gone-00000015.npy   (segments.py)
    part-....npz           batches that aren't in a segment yet

New vectors arrive as parts, one file per batch, so that a killed run loses at most the batch in hand. Every thousand
states :meth:`VectorStore.settle` makes a segment of them and merges small ones; nothing counts before
``segments.json`` says so, and that is replaced in one step. What it costs goes with what has changed, not with what is
there.
"""

from __future__ import annotations

import json
import shutil
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from synthmatch.files import atomic_path, write_text
from synthmatch.library import segments
from synthmatch.library.segments import GONE, SMALLEST, Floats, Kind, Places, Segment, Shape, Vectors

_LIST = "segments.json"
_DAMAGE = (OSError, ValueError, TypeError, IndexError)  # what opening a segment raises
_TRIES = 5  # a reader under which segments or parts are deleted looks again which ones count


@dataclass(frozen=True)
class Embedded:
    """What an encoder says about some states.

    Args:
        ids: n states.
        vectors: (n, S, R, D) unit vectors: per space, and per reference note.
        presence: (n, F) probabilities that the state plays each family, 0 to 1.
    """

    ids: tuple[str, ...]
    vectors: Vectors
    presence: Floats

    def __post_init__(self) -> None:
        if not len(self.ids) == len(self.vectors) == len(self.presence):
            raise ValueError(f"{len(self.ids)} ids, but {len(self.vectors)} rows of vectors")


@dataclass(frozen=True)
class _Listed:
    """What ``segments.json`` says: (folder, its list of what is gone), parts that are in a segment, and the number of
    the last step."""

    entries: tuple[tuple[str, str], ...] = ()
    spent: frozenset[str] = frozenset()
    number: int = 0

    @classmethod
    def read(cls, path: Path) -> _Listed:
        """Raises OSError, ValueError, KeyError or TypeError if it is damaged; without a file, nothing is listed."""
        if not path.exists():
            return cls()
        values = json.loads(path.read_text())
        entries = tuple((str(each["folder"]), str(each["gone"])) for each in values["segments"])
        return cls(entries, frozenset(map(str, values["spent"])), int(values["number"]))

    def write(self, path: Path) -> None:
        entries = [{"folder": folder, "gone": gone} for folder, gone in self.entries]
        write_text(
            path, json.dumps({"number": self.number, "segments": entries, "spent": sorted(self.spent)}, indent=1) + "\n"
        )


@dataclass
class VectorStore:
    """The vectors that one encoder gave.

    Args:
        folder: made when the first vectors come.
        spaces: names of the S spaces: the families, then "timbre".
        notes: R, vectors per state and space.
        dimension: D.

    Besides: ``segments``, those of disk and, last, what is only in parts; and ``damage``, what is wrong with a segment
    in a sentence, or "".
    """

    folder: Path
    spaces: tuple[str, ...]
    notes: int
    dimension: int
    segments: tuple[Segment, ...] = field(init=False, default=())
    damage: str = field(init=False, default="")
    _listed: _Listed = field(init=False, default_factory=_Listed)
    _unlisted: bool = field(init=False, default=False)  # the list is there, and can't be read: any segment may count
    _parts: tuple[Path, ...] = field(init=False, default=())

    def __post_init__(self) -> None:
        self._shape = Shape(self.spaces, self.notes, self.dimension)
        self.reload()

    # What is in it
    def __len__(self) -> int:
        """States that have vectors."""
        return sum(map(len, self.segments))

    def holds(self, states: Collection[str]) -> set[str]:
        """Those of some states that have vectors."""
        return set(segments.holding(self.segments, list(states)))

    def presence_of(self, states: Collection[str]) -> dict[str, Floats]:
        """(F,) probabilities of each of some states, but for those without vectors."""
        places = segments.holding(self.segments, list(states))
        return {state: np.asarray(segment.presence[row]) for state, (segment, row) in places.items()}

    @property
    def unsettled(self) -> list[str]:
        """The states that are in no segment yet, or in a table from before there were segments."""
        return [state for each in self.segments if each.found is None for state in each.names(each.alive)]

    # All of it: as long as the library is large
    @property
    def ids(self) -> tuple[str, ...]:
        """Every state that has vectors, ascending."""
        return tuple(self.rows)

    @property
    def rows(self) -> dict[str, int]:
        """The place of each state in what :meth:`space` and ``presence`` give."""
        names = [name for each in self.segments for name in each.names(each.alive)]
        return {name: row for row, name in enumerate(sorted(names))}

    @property
    def presence(self) -> Floats:
        """(n, F) probabilities, in the order of ``ids``."""
        return self._all([each.presence for each in self.segments], np.zeros((0, len(self.spaces) - 1), np.float32))

    def space(self, name: str) -> Vectors:
        """Every state's vectors in one space, (n, R, D), in the order of ``ids``; a copy."""
        place = self.spaces.index(name)
        empty = np.zeros((0, self.notes, self.dimension), np.float16)
        return self._all([each.spaces[place] for each in self.segments], empty)

    def _all(self, arrays: Sequence[npt.NDArray[Kind]], empty: npt.NDArray[Kind]) -> npt.NDArray[Kind]:
        order = np.argsort([name for each in self.segments for name in each.names(each.alive)], kind="stable")
        pieces = [array[each.alive] for array, each in zip(arrays, self.segments, strict=True)]
        return np.concatenate([empty, *pieces])[order.astype(np.intp)]

    def unfit(self) -> list[str]:
        """The states with a vector that isn't finite or hasn't unit length."""
        found: list[str] = []
        for segment in self.segments:
            bad = np.zeros(len(segment.ids), bool)
            for vectors in segment.spaces:
                length = np.linalg.norm(np.asarray(vectors, np.float32), axis=-1)
                bad |= ~(np.abs(length - 1) < 0.01).all(axis=1)  # NaN compares false, so it counts as bad
            found += segment.names(np.flatnonzero(bad & ~segment.gone))
        return sorted(found)

    # What changes it; one process at a time
    def add(self, batch: Embedded) -> None:
        """Store a batch as a part; seen by :meth:`reload`, wherever the run ends."""
        if batch.vectors.shape[1:] != (len(self.spaces), self.notes, self.dimension):
            raise ValueError(f"vectors of shape {batch.vectors.shape} don't fit this store")
        with atomic_path(self.folder / f"part-{uuid.uuid4().hex}.npz") as temporary:
            np.savez(temporary, ids=np.array(batch.ids), vectors=batch.vectors, presence=batch.presence)

    def reload(self) -> None:
        """Look again at what is on disk: segments are mapped, parts are read. Damaged segments count as empty, and
        ``damage`` says so: their sounds can be embedded again."""
        for _ in range(_TRIES):
            self.damage, self._unlisted = "", False
            try:
                self._listed = _Listed.read(self.folder / _LIST)
            except (OSError, ValueError, KeyError, TypeError) as error:
                self._listed, self._unlisted = _Listed(), True
                self._damaged(self.folder / _LIST, error)
            tables = [table for entry in self._listed.entries if (table := self._opened(*entry)) is not None]
            parts = sorted(self.folder.glob("part-*.npz"))
            self._parts = tuple(part for part in parts if part.name not in self._listed.spent)
            tables += self._old_table()
            self.segments = (*tables, *self._in_parts(tables))
            if self._is_newest():  # else another process has settled or merged what this one was about to open
                break

    def settle(self, changes: Mapping[str, Sequence[bool] | None], mend: bool = False) -> None:
        """Bring segments in line with what has changed.

        Args:
            changes: for each state under which families it is found, (F,), or None if it is to go. States without
                vectors are passed over; those in parts that aren't named are dropped.
            mend: forget damaged segments too, all of them if nobody can say which count. Else a list that can't be
                read stays as it is, and nothing is settled: a disk may fail once and read it the next time.
        """
        self.reload()
        if self._unlisted and not mend:
            return
        self._sweep()  # a run that was killed may have left a segment of the next number
        kept, fresh = self._changed(changes)
        entries = self._merged(kept, fresh, self._listed.number + 1)
        if not mend:
            readable = {segment.name for segment in kept}
            entries += [entry for entry in self._listed.entries if entry[0] not in readable]
        if tuple(entries) == self._listed.entries and not (self.unsettled or self._parts or self.damage):
            return
        used = max([self._listed.number, *(_number(name) for entry in entries for name in entry if name)])
        _Listed(tuple(entries), frozenset(part.name for part in self._parts), used).write(self.folder / _LIST)
        self.reload()
        self._sweep()

    def _changed(
        self, changes: Mapping[str, Sequence[bool] | None]
    ) -> tuple[list[Segment], list[tuple[Segment, Places]]]:
        """The segments of disk without what has gone from them, and what is to be written anew, as rows of segments."""
        rows: dict[int, dict[int, Sequence[bool] | None]] = {}
        places = segments.holding(self.segments, list(changes))
        number = {id(segment): place for place, segment in enumerate(self.segments)}
        for state, (segment, row) in places.items():
            rows.setdefault(number[id(segment)], {})[row] = changes[state]
        kept: list[Segment] = []
        fresh: list[tuple[Segment, Places]] = []
        for place, segment in enumerate(self.segments):
            change = rows.get(place, {})
            if segment.found is None:
                fresh.append(_decided(segment, change))
                continue
            stale = {
                row: found for row, found in change.items() if found is None or list(segment.found[row]) != list(found)
            }
            moved = {row: found for row, found in stale.items() if found is not None}
            if moved:
                taken = segment.taken(np.array(list(moved), np.intp), np.array(list(moved.values()), bool))
                fresh.append((taken, np.arange(len(moved))))
            kept.append(segment.without(np.array(list(stale), np.intp)) if stale else segment)
        return kept, [(segment, some) for segment, some in fresh if len(some)]

    def _merged(
        self, kept: Sequence[Segment], fresh: Sequence[tuple[Segment, Places]], number: int
    ) -> list[tuple[str, str]]:
        """Write what is to be written; returns what ``segments.json`` shall list."""
        groups: list[list[tuple[Segment, Places]]] = [[(segment, segment.alive)] for segment in kept if len(segment)]
        old = len(groups)
        groups += [list(fresh)] if fresh else []
        joined = segments.merges([sum(len(rows) for _, rows in group) for group in groups])
        merged = {place for places in joined for place in places}
        for place, group in enumerate(groups):
            ((segment, rows), *_) = group
            worn = len(segment.ids) > SMALLEST and len(rows) < (1 - GONE) * len(segment.ids)
            if place not in merged and (place >= old or worn):
                joined.append([place])
                merged.add(place)
        entries = [self._entry(group[0][0], number) for place, group in enumerate(groups) if place not in merged]
        for step, places in enumerate(joined):
            sources = [each for place in places for each in groups[place]]
            tables, rows_of = [table for table, _ in sources], [rows for _, rows in sources]
            entries.append((segments.write(self.folder, number + step, tables, rows_of).name, ""))
        return entries

    def _entry(self, segment: Segment, number: int) -> tuple[str, str]:
        """How a segment that stays is listed; what is gone from it is written if it has changed."""
        gone = dict(self._listed.entries)[segment.name]
        before = next(each for each in self.segments if each.name == segment.name)
        if np.array_equal(before.gone, segment.gone):
            return segment.name, gone
        return segment.name, segments.write_gone(self.folder, number, segment)

    # What is on disk
    def _opened(self, folder: str, gone: str) -> Segment | None:
        try:
            return segments.opened(self.folder / folder, gone, self._shape)
        except _DAMAGE as error:
            self._damaged(self.folder / folder, error)
            return None

    def _damaged(self, path: Path, error: Exception) -> None:
        self.damage = f"{path} is damaged ({error}); run `synthmatch library repair`."

    def _is_newest(self) -> bool:
        """Whether what was read of ``segments.json`` is what it says now."""
        try:
            return self._listed == _Listed.read(self.folder / _LIST)
        except (OSError, ValueError, KeyError, TypeError):
            return True

    def _old_table(self) -> list[Segment]:
        """The table of a library that was made before there were segments."""
        tables = [] if (self.folder / _LIST).exists() else sorted(self.folder.glob("table-*"))
        try:
            return [segments.opened_table(tables[-1], self._shape)] if tables else []
        except _DAMAGE as error:
            self._damaged(tables[-1], error)
            return []

    def _in_parts(self, tables: Sequence[Segment]) -> list[Segment]:
        """What is in parts alone, as one segment; a state that is in a segment as well (killed between the two) counts
        there."""
        read = [part for part in map(_read_part, self._parts) if part is not None]
        if not read:
            return []
        segment = segments.in_memory([(part.ids, part.vectors, part.presence) for part in read], self._shape)
        doubled = segments.holding(tables, segment.names(segment.alive))
        return [segment.without(segment.rows_of(list(doubled)))]

    def _sweep(self) -> None:
        """Delete what the newest list has replaced, and what killed runs left."""
        wanted = dict(self._listed.entries)
        replaced = ["table-*", ".table-*"] if (self.folder / _LIST).exists() else []
        for folder in (
            each for pattern in ("segment-*", ".segment-*", *replaced) for each in self.folder.glob(pattern)
        ):
            if folder.name not in wanted:
                shutil.rmtree(folder, ignore_errors=True)
        for name, gone in wanted.items():
            for path in (self.folder / name).glob("gone-*"):
                if path.name != gone:
                    path.unlink(missing_ok=True)
        for part in [*self.folder.glob("part-*.npz"), *self.folder.glob(".part-*")]:
            if part not in self._parts:
                part.unlink(missing_ok=True)


def _decided(segment: Segment, found: Mapping[int, Sequence[bool] | None]) -> tuple[Segment, Places]:
    """A segment whose families nobody had decided, with those, and the rows that are to stay."""
    marks = np.zeros(segment.presence.shape, bool)
    chosen = sorted(row for row, families in found.items() if families is not None)
    for row in chosen:
        marks[row] = found[row]
    return replace(segment, found=marks), np.array(chosen, np.intp)


def _number(name: str) -> int:
    """The number in the name of a segment or of a list of what is gone."""
    return int(name.removesuffix(".npy").split("-")[1])


def _read_part(path: Path) -> Embedded | None:
    """A part, or None if it is damaged: its states then count as not embedded."""
    try:
        # Opened here: numpy leaves a file open whose archive turns out to be broken.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as part:
            return Embedded(tuple(map(str, part["ids"])), part["vectors"], part["presence"])
    except Exception:  # of a wrong bit NumPy and zipfile make nearly anything
        return None
