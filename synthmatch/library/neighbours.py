"""Which presets of a library are near a vector: segments of vectors on one side, listings on the other."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from heapq import nsmallest
from pathlib import Path

import numpy as np
import numpy.typing as npt

from synthmatch.errors import LibraryError
from synthmatch.files import write_text
from synthmatch.library.choice import EVERYTHING, Choice
from synthmatch.library.embedding import TIMBRE
from synthmatch.library.index import PresetIndex
from synthmatch.library.listing import Listing
from synthmatch.library.listings import Listings
from synthmatch.library.segments import Segment
from synthmatch.library.vectors import VectorStore

_BUILT = "built"  # a file that stands beside a segment's Annoy files when all are there
_WIDER = 4  # times as many are looked for when some of those found turn out to be gone


class Neighbours:
    """The indexes of a library: one per space and segment, each opened when it is first searched.

    Args:
        folder: where the Annoy files of the encoder lie, a folder for each segment.
        spaces: the families, then "timbre"; none for a library without an encoder.
        vectors: of the encoder.
        listings: of the library.
    """

    def __init__(self, folder: Path, spaces: Sequence[str], vectors: VectorStore, listings: Listings) -> None:
        self.folder = folder
        self._spaces = spaces
        self._vectors = vectors
        self._listings = listings
        self._indexes: dict[tuple[int, str], PresetIndex] = {}

    def search(
        self, space: str, vector: npt.NDArray[np.float32], k: int, choice: Choice = EVERYTHING
    ) -> list[tuple[Listing, float]]:
        """The nearest presets in a space, best first: listings and exact cosines.

        Args:
            choice: what it takes is compared exactly.
        """
        if space not in self._spaces:
            return []
        only = self._listings.chosen(choice) if choice else None
        wanted = k
        while True:
            hits = self._nearest(space, vector, wanted, only)
            ready = self._listings.ready([state for _, state in hits], choice)
            # What was removed is gone at once, even if whoever removed it was killed before the vectors went.
            shown = [(self._shown(ready[state], space), -far) for far, state in hits if state in ready]
            if len(shown) >= k or len(hits) < wanted:
                return shown[:k]
            wanted *= _WIDER

    def build(self) -> None:
        """Write the Annoy files of every segment that has none, and delete those of segments that are gone."""
        for segment in self._tables():
            folder = self.folder / segment.name
            if (folder / _BUILT).exists():
                continue
            for space in self._spaces:
                self._index(segment, space).build(folder, space, segment.name)
            write_text(folder / _BUILT, "")
        self._indexes.clear()
        current = {segment.name for segment in self._tables()}
        for entry in self.folder.glob("*"):
            if entry.is_dir() and entry.name not in current:
                shutil.rmtree(entry, ignore_errors=True)
            elif not entry.is_dir():  # of a library from before there were segments
                entry.unlink(missing_ok=True)

    def troubles(self) -> dict[str, str]:
        """What is wrong with the Annoy files, in a sentence per space."""
        found: dict[str, str] = {}
        for segment in self._tables():
            for space in self._spaces:
                try:
                    self._index(segment, space).open(self.folder / segment.name, space, segment.name)
                except LibraryError as error:
                    found[space] = str(error)
        return found

    def _nearest(
        self, space: str, vector: npt.NDArray[np.float32], k: int, only: Collection[str] | None
    ) -> list[tuple[float, str]]:
        """(minus the cosine, state) of the nearest in all segments."""
        hits: list[tuple[float, str]] = []
        for number, segment in enumerate(self._vectors.segments):
            rows = None
            if only is not None:
                places = segment.rows_of(list(only))
                rows = places[places >= 0]
            found = self._opened(number, segment, space).search(vector, k, rows, segment.gone)
            names = segment.names(np.array([row for row, _ in found], np.intp))
            hits += [(-score, name) for name, (_, score) in zip(names, found, strict=True)]
        return nsmallest(k, hits)

    def _opened(self, number: int, segment: Segment, space: str) -> PresetIndex:
        if (number, space) not in self._indexes:
            index = self._index(segment, space)
            if segment.name:
                with suppress(LibraryError):  # then it searches exactly: right, only slower; verify says so
                    index.open(self.folder / segment.name, space, segment.name)
            self._indexes[number, space] = index
        return self._indexes[number, space]

    def _index(self, segment: Segment, space: str) -> PresetIndex:
        """Over all rows, those that are gone too: what is gone changes, the files don't."""
        place = self._spaces.index(space)
        if space == TIMBRE:
            return PresetIndex(segment.spaces[place], np.arange(len(segment.ids)))
        found = self._listings.found_in(segment) if segment.found is None else segment.found
        return PresetIndex(segment.spaces[place], np.flatnonzero(found[:, place]))

    def _tables(self) -> Iterator[Segment]:
        return (each for each in self._vectors.segments if each.name)

    def _shown(self, listings: Sequence[Listing], space: str) -> Listing:
        """Which of a state's listings stands for it: one whose file is there, since banks are moved and renamed, and a
        listing of what is gone may come back with its drive; labelled with the family, if one of those is."""
        ranked = sorted(listings, key=lambda each: each.family != space)
        if len(ranked) == 1:  # nothing to choose, and a file system needn't be asked
            return ranked[0]
        return next((each for each in ranked if _is_there(each.file)), ranked[0])


def _is_there(file: Path) -> bool:
    try:
        return file.exists()
    except OSError:  # in a folder that may not be looked into: its presets can't be read from there either
        return False
