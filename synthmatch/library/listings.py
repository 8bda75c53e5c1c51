"""What a library lists, read from its rows and vectors: of a few states as soon as it is asked, of all once."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import cached_property

import numpy as np

from synthmatch.files import content_hash
from synthmatch.library.choice import EVERYTHING, Choice
from synthmatch.library.listing import READY, Listing, found_under, listed
from synthmatch.library.segments import Floats, Marks, Segment
from synthmatch.library.store import RENDERED, ListingRow, Rows, StateRow
from synthmatch.library.vectors import VectorStore
from synthmatch.sound.descriptors import Measures, describe

_CHOICES = 8  # whose states are remembered: a server is asked for ever other ones


class Listings:
    """The listings of a library.

    Args:
        rows: its rows, as they are whenever something is asked.
        vectors: its vectors, as they were when it was opened.
        families: the encoder's.
    """

    def __init__(self, rows: Rows, vectors: VectorStore, families: Sequence[str]) -> None:
        self._rows, self._vectors, self._families = rows, vectors, families
        self._chosen: dict[Choice, frozenset[str]] = {}

    @cached_property
    def all(self) -> tuple[Listing, ...]:
        """Every listing, in the order in which they were added. Takes as long as the library is large, once."""
        return self._listed(self._rows.listings(), self._rows.states(), self._rows.measures())

    def among(self, states: Collection[str]) -> tuple[Listing, ...]:
        """Every listing of some states, in the order in which they were added."""
        measures = self._rows.measures_of(states)
        return self._listed(self._rows.listings_of(states), self._rows.states_of(states), measures)

    def chosen(self, choice: Choice) -> frozenset[str]:
        """The states of which a choice takes a listing. A synth is its states', and read as such; else all listings
        are read, once. Of the last choices the states are remembered."""
        if choice not in self._chosen:
            if choice == Choice(synths=choice.synths):
                synths = filter(choice.takes_synth, self._rows.synths())
                found = frozenset(state for synth in synths for state in self._rows.ids_with(synth=synth))
            else:
                found = frozenset(each.id for each in self.all if choice.takes(each))
            while len(self._chosen) >= _CHOICES:
                del self._chosen[next(iter(self._chosen))]
            self._chosen[choice] = found
        return self._chosen[choice]

    def ready(self, states: Collection[str], choice: Choice = EVERYTHING) -> dict[str, list[Listing]]:
        """The listings of those states that can be matched, by state; of a choice, if one is made."""
        found: dict[str, list[Listing]] = {}
        for listing in self.among(states):
            if listing.status == READY and choice.takes(listing):
                found.setdefault(listing.id, []).append(listing)
        return found

    def count(self) -> int:
        """Different sounds that can be matched. Vectors are in line with rows, but for what is marked."""
        doubtful = self._vectors.holds({*self._rows.unsettled(), *self._vectors.unsettled})
        return len(self._vectors) - len(doubtful) + len(self.ready(doubtful))

    def found(self, states: Sequence[str], presence: Sequence[Floats] | Floats) -> list[tuple[bool, ...] | None]:
        """Under which families each state is found; None for those that can't be matched.

        Args:
            presence: (F,) probabilities of each.
        """
        rows = self._rows.states_of(states)
        labels: dict[str, set[str]] = {}
        for listing in self._rows.listings_of(states):
            labels.setdefault(listing.state, set()).add(listing.family)
        marks: list[tuple[bool, ...] | None] = []
        for state, chances in zip(states, presence, strict=True):
            if state not in labels or rows[state].status != RENDERED:
                marks.append(None)
                continue
            under = found_under(labels[state], chances.tolist(), self._families)
            marks.append(tuple(family in under for family in self._families))
        return marks

    def found_in(self, segment: Segment) -> Marks:
        """The same for a segment, (n, F); nowhere if they can't be matched."""
        marks = np.zeros(segment.presence.shape, bool)
        names = segment.names(np.arange(len(segment.ids)))
        for row, families in enumerate(self.found(names, segment.presence)):
            marks[row] = False if families is None else families
        return marks

    @cached_property
    def fingerprint(self) -> str:
        """Hash of what can be matched; order and place don't matter. Reads all names, once."""
        rows = self._rows.names()
        embedded = self._vectors.holds({state for state, *_ in rows})
        return content_hash(*(repr(row).encode() for row in rows if row[0] in embedded))

    def _listed(
        self, listings: Sequence[ListingRow], states: dict[str, StateRow], measures: Mapping[str, Measures]
    ) -> tuple[Listing, ...]:
        presence = self._vectors.presence_of([state for state, row in states.items() if row.status == RENDERED])
        words = {state: describe(each) for state, each in measures.items()}
        return listed(listings, states, presence, self._families, words)
