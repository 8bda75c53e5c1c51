"""Bringing a library's vectors in line with its rows: what is new becomes segments, what is gone goes."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from synthmatch.library.listings import Listings

if TYPE_CHECKING:
    from synthmatch.library.library import Library
    from synthmatch.library.vectors import VectorStore


def settle(library: Library, lost: Collection[str] = (), mend: bool = False) -> None:
    """Bring vectors in line with the states whose rows or vectors have changed since they were last.

    Args:
        lost: states whose vectors are to go, whatever the rows say.
        mend: forget damaged segments too.
    """
    marked = library.rows.unsettled()
    _in_line(library.vectors, library.listings, marked, lost, mend)
    if not library.vectors.damage:  # what can't be read may hold them still, and be read the next time
        library.rows.settled(marked)


def gather(library: Library) -> None:
    """The same in the middle of adding: it mustn't embed meanwhile. A state that is rendered and not embedded loses its
    mark; its vectors count as unsettled all the same, since they come as a part."""
    library.vectors.reload()
    settle(library)
    library.neighbours.build()


def gather_into(store: VectorStore, library: Library) -> None:
    """The same in the middle of embedding a library anew, into a store that isn't its own yet. What has changed in the
    rows stays marked."""
    store.reload()
    _in_line(store, Listings(library.rows, store, store.spaces[:-1]))


def _in_line(
    store: VectorStore,
    listings: Listings,
    marked: Collection[str] = (),
    lost: Collection[str] = (),
    mend: bool = False,
) -> None:
    changed = sorted({*marked, *store.unsettled, *lost})
    presence = store.presence_of(changed)
    embedded = list(presence)
    families = dict(zip(embedded, listings.found(embedded, list(presence.values())), strict=True))
    gone = dict.fromkeys({*changed} - families.keys()) | dict.fromkeys(lost)
    store.settle(families | gone, mend)
