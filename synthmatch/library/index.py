"""Nearest presets of one space: the only module that knows annoy.

Annoy finds candidates, among vectors that are turned so that few of their dimensions hold nearly all that tells them
apart: it is as quick, and as small, as those are few. Every candidate is scored again exactly from the vectors
themselves, so that what comes out is a true cosine. Small sets are searched exactly: it is simpler, and below ``EXACT``
vectors as fast.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from synthmatch.errors import LibraryError
from synthmatch.files import atomic_path, content_hash, write_text
from synthmatch.library.segments import mapped

EXACT = 20_000
"""Vectors up to which a search compares with every one of them: a millisecond, and 10 MB of memory."""

SHARD = 5_000_000
"""Vectors in one Annoy file at most."""

ENERGY = 0.95
"""Part of the vectors' energy that the directions hold in which Annoy looks: real presets differ in few."""

TREES = 40
SEED = 1
SEARCH = 10_000
"""Nodes that Annoy inspects; bench/index.md has the table by which these were chosen."""

CANDIDATES = 20
"""States scored again exactly, per state asked for; as for five where fewer are asked for."""

Floats = npt.NDArray[np.float32]
Places = npt.NDArray[np.intp]

_BLOCK = 65_536  # rows converted to float32 at a time
_SAMPLE = 20_000  # vectors by which directions are chosen
_STEP = 8  # directions are chosen by so many


@dataclass
class PresetIndex:
    """Nearest neighbours among some rows of a space.

    Args:
        vectors: (n, R, D), float16 or float32, unit length: R vectors (one per reference note) a state.
        rows: the rows that take part, ascending, (m,); every result is one of them.
    """

    vectors: npt.NDArray[np.floating[Any]]
    rows: npt.NDArray[np.intp]
    _shards: list[Any] = field(init=False, default_factory=list, repr=False)
    _directions: Floats = field(init=False, repr=False)
    _warm: Floats | None = field(init=False, default=None, repr=False)

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def exact(self) -> bool:
        """Whether every row is compared, since there are few, or no Annoy file was opened."""
        return not self._shards

    def build(self, folder: Path, name: str, key: str) -> None:
        """Write ``name-<shard>.ann`` files and ``name.json``, and use them from now on.

        The same vectors give the same bytes. Up to ``EXACT`` vectors no Annoy file is needed, and none
        is written.

        Args:
            key: a name for these vectors and rows; :meth:`open` with another key calls the files stale.
        """
        for old in [*folder.glob(f"{name}-*.ann"), folder / f"{name}.json"]:
            old.unlink(missing_ok=True)
        notes = self.vectors.shape[1]
        if len(self) * notes <= EXACT:
            self._shards = []
            return
        directions = self._chosen()
        items_of: list[int] = []
        sizes: list[int] = []
        per_shard = max(1, SHARD // notes)
        for first in range(0, len(self), per_shard):
            rows = self.rows[first : first + per_shard]
            path = folder / f"{name}-{len(sizes)}.ann"
            with atomic_path(path) as temporary:
                _build(self._turned(rows, directions), directions.shape[1], temporary)
            items_of.append(len(rows) * notes)
            sizes.append(path.stat().st_size)
        with atomic_path(folder / f"{name}.npy") as temporary:
            np.save(temporary, directions)
        facts = {"signature": self._signature(key), "items": items_of, "bytes": sizes}
        write_text(folder / f"{name}.json", json.dumps(facts))
        self.open(folder, name, key)

    def open(self, folder: Path, name: str, key: str) -> None:
        """Use the files that :meth:`build` wrote.

        Raises:
            LibraryError: they are missing, damaged, or were built from other vectors; searches are then
                exact, slower and no less right. Up to ``EXACT`` vectors none are needed.
        """
        import annoy

        if len(self) * self.vectors.shape[1] <= EXACT:
            return
        remedy = "run `synthmatch library repair`"
        self._shards = []
        try:
            facts = json.loads((folder / f"{name}.json").read_text())
            counts, sizes, signature = list(facts["items"]), list(facts["bytes"]), facts["signature"]
            directions = np.array(mapped(folder / f"{name}.npy", np.float32))
            if directions.ndim != 2 or len(directions) != self.vectors.shape[2]:
                raise ValueError(f"directions of shape {directions.shape}")
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise LibraryError(f"The index {folder / name} is missing or damaged; {remedy}.") from error
        if signature != self._signature(key):
            raise LibraryError(f"The index {folder / name} is older than its vectors; {remedy}.")
        shards = []
        for shard, (count, size) in enumerate(zip(counts, sizes, strict=True)):
            tree = annoy.AnnoyIndex(directions.shape[1], "angular")
            path = folder / f"{name}-{shard}.ann"
            try:
                if path.stat().st_size != size:  # Annoy checks no bounds: a cut file would crash a search
                    raise OSError(f"{size} bytes expected")
                tree.load(str(path))
            except OSError as error:
                raise LibraryError(f"{path} is missing or damaged; {remedy}.") from error
            if tree.get_n_items() != count:
                raise LibraryError(f"{path} is damaged; {remedy}.")
            shards.append(tree)
        self._shards, self._directions = shards, directions

    def search(
        self,
        vector: npt.NDArray[np.floating[Any]],
        k: int,
        only: Sequence[int] | Places | None = None,
        gone: npt.NDArray[np.bool_] | None = None,
    ) -> list[tuple[int, float]]:
        """The nearest states.

        Args:
            vector: (D,), unit length.
            k: how many at most, at least 1.
            only: rows to which the search is limited (a filter by synth or tag): compared exactly.
            gone: (n,), rows that don't count any more, though the files hold them.

        Returns:
            (row, score) from best to worst, one per state; the score is the largest cosine over the
            state's R vectors, -1 to 1. Equal scores come in the order of rows.

        Raises:
            ValueError: ``vector`` has another dimension, or isn't finite.
        """
        vector = np.asarray(vector, np.float32)
        if vector.shape != self.vectors.shape[2:] or not np.isfinite(vector).all():
            raise ValueError(f"a query of shape {vector.shape} can't be searched among {self.vectors.shape}")
        if only is None and self.exact and len(self) * self.vectors.shape[1] <= EXACT:
            rows, scores = self.rows, self._few(vector)
        else:
            rows = self._compared(vector, k, only, gone)
            scores = self._scores(vector, rows)
        if gone is not None:
            here = ~gone[rows]
            rows, scores = rows[here], scores[here]
        best = np.argsort(-scores, kind="stable")[:k]
        return [(int(rows[place]), float(scores[place])) for place in best]

    def _signature(self, key: str) -> str:
        return content_hash(key.encode(), repr((self.vectors.shape, len(self), SHARD, ENERGY, TREES, SEED)).encode())

    def _chosen(self) -> Floats:
        """(D, d): the directions that hold ``ENERGY`` of the vectors' energy, by a sample of them."""
        step = max(1, len(self) * self.vectors.shape[1] // _SAMPLE)
        sample = np.asarray(self.vectors[self.rows[::step]], np.float64).reshape(-1, self.vectors.shape[2])
        energy, directions = np.linalg.eigh(sample.T @ sample)  # ascending
        share = np.cumsum(energy[::-1]) / energy.sum()
        count = (int(np.searchsorted(share, ENERGY)) // _STEP + 1) * _STEP
        chosen: Floats = np.ascontiguousarray(directions[:, ::-1][:, :count], np.float32)
        return chosen

    def _turned(self, rows: Places, directions: Floats) -> Iterator[Floats]:
        """The vectors of some rows along the directions, one after the other."""
        for first in range(0, len(rows), _BLOCK):
            block = np.asarray(self.vectors[rows[first : first + _BLOCK]], np.float32)
            yield from block.reshape(-1, len(directions)) @ directions

    def _candidates(self, vector: Floats, count: int) -> npt.NDArray[np.intp]:
        notes = self.vectors.shape[1]
        per_shard = max(1, SHARD // notes)
        found: list[int] = []
        turned = vector @ self._directions
        for shard, tree in enumerate(self._shards):
            items = tree.get_nns_by_vector(turned, count * notes, search_k=SEARCH)
            found += [shard * per_shard + item // notes for item in items]
        return self.rows[np.unique(np.array(found, dtype=np.intp))]

    def _compared(
        self, vector: Floats, k: int, only: Sequence[int] | Places | None, gone: npt.NDArray[np.bool_] | None
    ) -> Places:
        """The rows whose exact scores count."""
        if only is not None:
            return np.intersect1d(self.rows, np.asarray(only, np.intp))
        if self.exact:
            return self.rows
        rows = self._candidates(vector, max(k, 5) * CANDIDATES)
        # All around may be gone, as when a bank of a hundred versions of one sound was removed: then nobody is skipped.
        return rows if gone is None or np.count_nonzero(~gone[rows]) >= k else self.rows

    def _few(self, vector: Floats) -> Floats:
        """Scores of all rows, which are few: their vectors stay in memory as float32."""
        if self._warm is None:
            self._warm = np.asarray(self.vectors[self.rows], np.float32)
        return _largest(self._warm, vector)

    def _scores(self, vector: Floats, rows: Places) -> Floats:
        scores = np.empty(len(rows), np.float32)
        for first in range(0, len(rows), _BLOCK):
            block = np.asarray(self.vectors[rows[first : first + _BLOCK]], np.float32)
            scores[first : first + _BLOCK] = _largest(block, vector)
        return scores


def _largest(vectors: Floats, vector: Floats) -> Floats:
    """(n, R, D) and (D,) -> (n,): the largest of each state's R cosines."""
    states, notes, dimension = vectors.shape
    cosines: Floats = (vectors.reshape(-1, dimension) @ vector).reshape(states, notes).max(axis=1)
    return cosines


def _build(items: Iterable[Floats], dimension: int, path: Path) -> None:
    import annoy

    tree = annoy.AnnoyIndex(dimension, "angular")
    tree.set_seed(SEED)
    for number, item in enumerate(items):
        tree.add_item(number, item)
    tree.build(TREES, n_jobs=1)  # two jobs would give other bytes each time
    tree.save(str(path))
