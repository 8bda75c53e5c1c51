"""What a library lists: presets with the families under which they are found."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from synthmatch.library.segments import Floats
from synthmatch.library.store import FAILED, PENDING, ListingRow, StateRow
from synthmatch.presets.preset import Preset, State

LISTED_ABOVE = 0.2
"""Presence probability above which a preset is found under a family that isn't its label: a doubtful
label doesn't lose it."""

READY = "ready"
"""Status of a listing that can be matched."""


@dataclass(frozen=True)
class Listing:
    """A preset as it stands in a library.

    Args:
        number: of the listing within its library.
        id: the state's id.
        name, bank, file, slot, category, author, comment, tags: as in ``Preset``.
        synth: the synth's id.
        family: its label, or the family that it sounds most like, or "" before it is embedded.
        label_source: "field", "name", "folder", "sound", or "" with no family.
        families: every family under which it is found, in the encoder's order.
        status: "ready", "pending" (not rendered or embedded yet) or "failed".
        descriptors: words for its sound, as in ``descriptors.WORDS``.
    """

    number: int
    id: str
    name: str
    synth: str
    bank: str
    file: Path
    slot: int
    family: str = ""
    label_source: str = ""
    families: tuple[str, ...] = ()
    status: str = PENDING
    category: str = ""
    author: str = ""
    comment: str = ""
    tags: tuple[str, ...] = ()
    descriptors: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """Its family with where that comes from, such as ``"bass (name)"``; "" before anything says one."""
        return f"{self.family} ({self.label_source})" if self.family else ""

    @property
    def note(self) -> str:
        """Its family with where that comes from, and what it sounds like, in a line."""
        return " · ".join(filter(None, (self.label, ", ".join(self.descriptors))))

    def to_json(self) -> dict[str, Any]:
        """As ``library show --json`` prints it."""
        return {
            "id": self.id,
            "name": self.name,
            "synth": self.synth,
            "bank": self.bank,
            "file": str(self.file),
            "slot": self.slot,
            "family": self.family,
            "label_source": self.label_source,
            "families": list(self.families),
            "tags": list(self.tags),
            "descriptors": list(self.descriptors),
            "author": self.author,
            "comment": self.comment,
            "status": self.status,
        }

    def preset(self, state: State) -> Preset:
        """The preset, with its state."""
        return Preset(
            self.name,
            state,
            bank=self.bank,
            file=self.file,
            slot=self.slot,
            family=self.family,
            label_source=self.label_source,
            category=self.category,
            author=self.author,
            comment=self.comment,
            tags=self.tags,
        )


@dataclass(frozen=True)
class BankCount:
    """How many presets of a bank are in a library, and how far they are."""

    synth: str
    bank: str
    presets: int
    ready: int
    pending: int
    failed: int


def found_under(labels: Iterable[str], presence: Sequence[float], families: Sequence[str]) -> tuple[str, ...]:
    """The families under which a state is found: each of its labels, each family whose probability is above
    ``LISTED_ABOVE``, and with neither the most probable one.

    Args:
        labels: of its listings; "" and families that the encoder doesn't know are passed over.
        presence: one probability per family, 0 to 1.
        families: the encoder's, in order.
    """
    labelled = set(labels)
    likely = {family for family, chance in zip(families, presence, strict=True) if chance > LISTED_ABOVE}
    found = (labelled | likely) & set(families) or {most_like(presence, families)}
    return tuple(family for family in families if family in found)


def most_like(presence: Sequence[float], families: Sequence[str]) -> str:
    """The most probable family."""
    return max(zip(presence, families, strict=True), key=lambda pair: pair[0])[1]


def listed(
    rows: Sequence[ListingRow],
    states: dict[str, StateRow],
    presence: dict[str, Floats],
    families: Sequence[str],
    descriptors: Mapping[str, tuple[str, ...]] = MappingProxyType({}),
) -> tuple[Listing, ...]:
    """Put together what the rows and the encoder say.

    Args:
        presence: (F,) probabilities of each embedded state.
        descriptors: words for the sound of each state that has some.
    """
    labels: dict[str, set[str]] = {}
    for row in rows:
        labels.setdefault(row.state, set()).add(row.family)
    found = {
        state: found_under(labels[state], chances.tolist(), families)
        for state, chances in presence.items()
        if state in labels
    }
    sounds_like = {state: most_like(presence[state].tolist(), families) for state in found}
    return tuple(
        _listing(row, states[row.state], found.get(row.state, ()), sounds_like, descriptors.get(row.state, ()))
        for row in rows
    )


def _listing(
    row: ListingRow,
    state: StateRow,
    families: tuple[str, ...],
    sounds_like: dict[str, str],
    descriptors: tuple[str, ...],
) -> Listing:
    guess = sounds_like.get(row.state, "")
    return Listing(
        row.number,
        row.state,
        row.name,
        state.synth,
        row.bank,
        Path(row.file),
        row.slot,
        row.family or guess,
        row.label_source if row.family else ("sound" if guess else ""),
        families,
        READY if guess else (FAILED if state.status == FAILED else PENDING),
        row.category,
        row.author,
        row.comment,
        row.tags,
        descriptors,
    )


def count_banks(listings: Iterable[Listing]) -> tuple[BankCount, ...]:
    """One row per bank, sorted by synth and bank."""
    counts: dict[tuple[str, str], list[str]] = {}
    for listing in listings:
        counts.setdefault((listing.synth, listing.bank), []).append(listing.status)
    return tuple(
        BankCount(*key, len(status), *(status.count(kind) for kind in (READY, PENDING, FAILED)))
        for key, status in sorted(counts.items())
    )
