"""Everything behind the page: the rooms in which things are done, and what they share."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from synthmatch.closing import Closing
from synthmatch.library.editions import edition
from synthmatch.library.library import Library
from synthmatch.presets.formats import suffixes
from synthmatch.sources import addable
from synthmatch.web.adding import Adding
from synthmatch.web.atlas import Atlas
from synthmatch.web.choosing import choosable
from synthmatch.web.limits import Limits
from synthmatch.web.matching import Matching
from synthmatch.web.phrasing import Phrasing
from synthmatch.web.presets import Presets
from synthmatch.web.shelf import Shelf
from synthmatch.web.takes import Takes
from synthmatch.web.uploads import Songs

if TYPE_CHECKING:
    from synthmatch.networks.encoder import Encoder


class Studio(Closing):
    """A library and an encoder at work.

    Args:
        library: the library's folder; an empty one is made if there is none.
        encoder: the one that embedded the library, or will.
        limits: how much is taken on.

    Raises:
        EncoderMismatch, LibraryError: the library was embedded by another encoder, or can't be opened.

    Attributes: ``songs``, ``matching``, ``presets``, ``adding``, ``atlas``, ``phrasing``, ``takes``: the rooms;
    ``families``: those that the encoder tells apart.
    """

    def __init__(self, library: Path | None, encoder: Encoder, limits: Limits | None = None) -> None:
        with Library.open_or_create(library) as opened:
            opened.require_encoder(encoder)
            path = opened.path
        self.limits = limits or Limits()
        self.families = encoder.config.families
        shelf = Shelf(path)
        self.songs = Songs(self.limits)
        self.presets = Presets(shelf, self.limits)
        self.atlas = Atlas(self.limits)
        self.matching = Matching(shelf, encoder, self.atlas, self.songs, self.limits)
        self.adding = Adding(shelf, encoder, self.limits)
        self.takes = Takes(self.limits)
        self.phrasing = Phrasing(shelf, self.songs, self.takes, self.limits)
        self.matching.warm()

    def give_up(self) -> None:
        """Let every stream end, since the server is about to."""
        for room in (self.adding, self.matching, self.phrasing, self.atlas):
            room.give_up()

    def close(self) -> None:
        """Stop what is being done, and delete what was sent."""
        rooms = (self.adding, self.matching, self.phrasing, self.atlas, self.presets, self.songs, self.takes)
        for room in rooms:
            room.close()

    async def overview(self) -> dict[str, object]:
        """What is in the library and what can be chosen of it, what failed and why, and what can be added."""
        told = await self.presets.ask(_overview)
        return told | {
            "adding": [job.id for job in self.adding.busy()],
            "addable": [{"synth": row.id, "title": row.title} for row in addable()],
            "suffixes": sorted(suffixes()),
        }


def _overview(library: Library) -> dict[str, object]:
    banks = library.banks()
    return {
        "library": library.fingerprint,
        "edition": edition(library.path).strip(),
        "presets": sum(each.presets for each in banks),
        "matchable": len(library),
        "banks": [asdict(each) for each in banks],
        **choosable(library.presets()),
        "failures": [asdict(each) for each in library.failures()],
    }
