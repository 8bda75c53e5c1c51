"""The vectors of a library on disk: one folder per encoder, one float16 file per space.

New vectors arrive as parts, one file per batch, so that a killed run loses at most the batch in hand.
:meth:`VectorStore.compact` turns table and parts into a new table, in a folder of its own that counts from
the moment it has its final name.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import zipfile
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from synthmatch.files import atomic_path, content_hash, write_text

Vectors = npt.NDArray[np.float16]
Floats = npt.NDArray[np.float32]


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


@dataclass
class VectorStore:
    """The vectors that one encoder gave.

    Args:
        folder: made when the first vectors come.
        spaces: names of the S spaces: the families, then "timbre".
        notes: R, vectors per state and space.
        dimension: D.

    Besides: ``ids``, the n states in the order of their rows; ``presence``, (n, F) probabilities; and
    ``damage``, what is wrong with the table in a sentence, or "".
    """

    folder: Path
    spaces: tuple[str, ...]
    notes: int
    dimension: int
    ids: tuple[str, ...] = field(init=False, default=())
    presence: Floats = field(init=False)
    damage: str = field(init=False, default="")
    _space: dict[str, Vectors] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self.reload()

    @property
    def rows(self) -> dict[str, int]:
        """The row of each state."""
        return {state: row for row, state in enumerate(self.ids)}

    @property
    def version(self) -> str:
        """Changes whenever :meth:`compact` changed anything; "" while there is no table."""
        table = self._table()
        return table.name if table is not None else ""

    def space(self, name: str) -> Vectors:
        """Every state's vectors in one space, (n, R, D), in the order of ``ids``."""
        return self._space[name]

    def add(self, batch: Embedded) -> None:
        """Store a batch as a part; seen by :meth:`reload` and :meth:`compact`, wherever the run ends."""
        if batch.vectors.shape[1:] != (len(self.spaces), self.notes, self.dimension):
            raise ValueError(f"vectors of shape {batch.vectors.shape} don't fit this store")
        name = content_hash(*(state.encode() for state in batch.ids))
        with atomic_path(self.folder / f"part-{name}.npz") as temporary:
            np.savez(temporary, ids=np.array(batch.ids), vectors=batch.vectors, presence=batch.presence)

    def reload(self) -> None:
        """Read what is on disk: the table is mapped, parts are read. A damaged table counts as empty, and
        ``damage`` says so: its sounds can be embedded again."""
        self.damage = ""
        ids: list[str] = []
        spaces: dict[str, Vectors] = {
            name: np.zeros((0, self.notes, self.dimension), np.float16) for name in self.spaces
        }
        presence = np.zeros((0, len(self.spaces) - 1), np.float32)
        table = self._table()
        if table is not None:
            try:
                ids, spaces, presence = self._read_table(table)
            except (OSError, ValueError) as error:
                self.damage = f"{table} is damaged ({error}); run `synthmatch library repair`."
        parts = [part for part in map(_read_part, self._parts()) if part is not None]
        if parts:
            ids, spaces, presence = _joined(self.spaces, ids, spaces, presence, parts)
        self.ids, self._space, self.presence = tuple(ids), spaces, presence

    def _read_table(self, table: Path) -> tuple[list[str], dict[str, Vectors], Floats]:
        ids = json.loads((table / "ids.json").read_text())
        spaces = {name: np.load(table / f"{name}.npy", mmap_mode="r") for name in self.spaces}
        presence = np.load(table / "presence.npy")
        shape = (len(ids), self.notes, self.dimension)
        wanted = dict.fromkeys(spaces, shape) | {"presence": (len(ids), len(self.spaces) - 1)}
        for name, array in (spaces | {"presence": presence}).items():
            if array.shape != wanted[name]:
                raise ValueError(f"{name} has the shape {array.shape} instead of {wanted[name]}")
        return ids, spaces, presence

    def compact(self, keep: Collection[str]) -> None:
        """Rewrite everything as one table of the states in ``keep``, sorted by id; drops the rest."""
        self.reload()
        rows = self.rows
        kept = sorted(set(keep) & rows.keys())
        old = self._table()
        parts = self._parts()
        if old is not None and not parts and not self.damage and tuple(kept) == self.ids:
            return
        order = np.array([rows[state] for state in kept], dtype=np.intp)
        self.folder.mkdir(parents=True, exist_ok=True)
        building = Path(tempfile.mkdtemp(prefix=".table-", dir=self.folder))
        try:
            for name in self.spaces:
                np.save(building / f"{name}.npy", self._space[name][order])
            np.save(building / "presence.npy", self.presence[order])
            write_text(building / "ids.json", json.dumps(kept))
            number = int(old.name.removeprefix("table-")) + 1 if old is not None else 1
            building.replace(self.folder / f"table-{number:06d}")
        except BaseException:
            shutil.rmtree(building, ignore_errors=True)
            raise
        self.reload()
        self._sweep(parts)

    def unfit(self) -> list[str]:
        """The states with a vector that isn't finite or hasn't unit length."""
        bad = np.zeros(len(self.ids), bool)
        for vectors in self._space.values():
            length = np.linalg.norm(vectors.astype(np.float32), axis=-1)
            bad |= ~(np.abs(length - 1) < 0.01).all(axis=1)  # NaN compares false, so it counts as bad
        return [state for state, is_bad in zip(self.ids, bad, strict=True) if is_bad]

    def _table(self) -> Path | None:
        tables = sorted(self.folder.glob("table-*"))
        return tables[-1] if tables else None

    def _parts(self) -> list[Path]:
        return sorted(self.folder.glob("part-*.npz"))

    def _sweep(self, parts: Iterable[Path]) -> None:
        """Delete what the newest table has replaced, and what killed runs left."""
        for part in parts:
            part.unlink(missing_ok=True)
        current = self._table()
        for folder in [*self.folder.glob("table-*"), *self.folder.glob(".table-*")]:
            if folder != current:
                shutil.rmtree(folder, ignore_errors=True)
        for stray in self.folder.glob(".part-*"):
            stray.unlink(missing_ok=True)


def _read_part(path: Path) -> Embedded | None:
    """A part, or None if it is damaged: its states then count as not embedded."""
    try:
        # Opened here: numpy leaves a file open whose archive turns out to be broken.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as part:
            return Embedded(tuple(map(str, part["ids"])), part["vectors"], part["presence"])
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None


def _joined(
    names: Sequence[str], ids: list[str], spaces: dict[str, Any], presence: Floats, parts: Sequence[Embedded]
) -> tuple[list[str], dict[str, Vectors], Floats]:
    """A table and parts as one; a state that stands in both (killed between the two) counts once."""
    seen = dict.fromkeys(ids)
    ids, presences = list(ids), [presence]
    stacks: dict[str, list[Vectors]] = {name: [spaces[name]] for name in names}
    for part in parts:
        fresh = [row for row, state in enumerate(part.ids) if state not in seen]
        seen |= dict.fromkeys(part.ids)
        ids += [part.ids[row] for row in fresh]
        presences.append(part.presence[fresh])
        for place, name in enumerate(names):
            stacks[name].append(part.vectors[fresh, place])
    return ids, {name: np.concatenate(stack) for name, stack in stacks.items()}, np.concatenate(presences)
