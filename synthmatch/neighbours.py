"""Which presets of a library are near a vector: rows of vectors on one side, listings on the other."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
import numpy.typing as npt

from synthmatch.choice import EVERYTHING, Choice
from synthmatch.embedding import TIMBRE
from synthmatch.errors import LibraryError
from synthmatch.files import content_hash
from synthmatch.index import PresetIndex
from synthmatch.listing import READY, Listing
from synthmatch.vectors import VectorStore


class Neighbours:
    """The indexes of a library, one per space; each is opened when it is first searched.

    Args:
        folder: where the Annoy files of the encoder lie.
        spaces: the families, then "timbre"; none for a library without an encoder.
        vectors: of the encoder.
        listings: of the library.
    """

    def __init__(
        self, folder: Path, spaces: Sequence[str], vectors: VectorStore, listings: Sequence[Listing]
    ) -> None:
        self.folder = folder
        self._spaces = spaces
        self._vectors = vectors
        self._indexes: dict[str, PresetIndex] = {}
        self._listings: dict[str, list[Listing]] = {}
        for listing in listings:
            if listing.status == READY:
                self._listings.setdefault(listing.id, []).append(listing)

    def search(
        self, space: str, vector: npt.NDArray[np.float32], k: int, choice: Choice = EVERYTHING
    ) -> list[tuple[Listing, float]]:
        """See :meth:`Library.search`."""
        if space not in self._spaces:
            return []
        if space not in self._indexes:
            index = self._index(space)
            with suppress(LibraryError):  # then it searches exactly: right, only slower; verify says so
                index.open(self.folder, space, self._key())
            self._indexes[space] = index
        ids = self._vectors.ids
        only = None
        if choice:
            only = [row for row, state in enumerate(ids) if any(map(choice.takes, self._of(state)))]
        found = self._indexes[space].search(vector, k, only)
        return [(self._shown(ids[row], space, choice), score) for row, score in found]

    def build(self) -> None:
        """Write the Annoy files of every space in which something has changed."""
        for space in self._spaces:
            index = self._indexes[space] = self._index(space)
            try:
                index.open(self.folder, space, self._key())
            except LibraryError:
                index.build(self.folder, space, self._key())

    def troubles(self) -> dict[str, str]:
        """What is wrong with the Annoy files, in a sentence per space."""
        found: dict[str, str] = {}
        for space in self._spaces if self._listings else ():
            try:
                self._index(space).open(self.folder, space, self._key())
            except LibraryError as error:
                found[space] = str(error)
        return found

    def _index(self, space: str) -> PresetIndex:
        rows = [row for row, state in enumerate(self._vectors.ids) if self._is_in(state, space)]
        return PresetIndex(self._vectors.space(space), np.array(rows, dtype=np.intp))

    def _is_in(self, state: str, space: str) -> bool:
        return any(space == TIMBRE or space in each.families for each in self._of(state))

    def _of(self, state: str) -> Sequence[Listing]:
        return self._listings.get(state, ())

    def _shown(self, state: str, space: str, choice: Choice) -> Listing:
        meant = [each for each in self._of(state) if choice.takes(each)]
        return next((each for each in meant if each.family == space), meant[0])

    def _key(self) -> str:
        """Hash of what the rows of the vectors are."""
        return content_hash(self._vectors.version.encode(), *(state.encode() for state in self._vectors.ids))
