"""A song in, the closest presets per family out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from synthmatch.audio import Clip
from synthmatch.errors import InputError, LibraryError
from synthmatch.library.choice import EVERYTHING, Choice, nothing_fits
from synthmatch.library.embedding import TIMBRE, by_default
from synthmatch.library.library import Library
from synthmatch.library.listing import READY, Listing
from synthmatch.matching.listening import Heard, Query, hear
from synthmatch.matching.results import ANY, FamilyMatches, Match, MatchResult, More, export

if TYPE_CHECKING:
    from synthmatch.networks.encoder import Encoder


class Matcher:
    """Finds the presets of a library that come closest to a sound.

    Args:
        encoder: the one that embedded the library; by default the released one.

    Raises:
        EncoderMismatch: the library was embedded by another encoder.
        LibraryError: nothing in it can be matched.
    """

    def __init__(self, library: Library, encoder: Encoder | None = None) -> None:
        encoder = by_default(encoder)
        library.require_encoder(encoder)
        if library.vectors.damage:
            raise LibraryError(library.vectors.damage)
        if not len(library):
            raise LibraryError(f"The library {library.path} is empty; fill it with `synthmatch library add`.")
        self.library = library
        self.encoder = encoder
        self._model = library.encoder_fingerprint  # the encoder's own: to hash every weight takes as long as to listen

    def match(
        self,
        song: Path | str | Clip | Query,
        *,
        k: int = 5,
        families: Sequence[str] | None = None,
        single: bool = False,
        start: float | None = None,
        end: float | None = None,
        choice: Choice | None = None,
    ) -> MatchResult:
        """Find the closest presets per family.

        Args:
            song: a sound file, a clip or a query; any sample rate, channels and length.
            k: matches per family, at least 1.
            families: the families to show; by default those that are probably there (presence of at
                least ``PRESENT``), and always the most probable one.
            single: the sound is one instrument alone. Without families it is compared with all presets
                by timbre, and the result has one entry, "any".
            start, end: the passage to listen to, in seconds. Of a query that holds no more than a passage
                (:meth:`Query.read`), one within that.
            choice: the presets among which matches are looked for; like ``families``, ``start`` and ``end`` it
                overrides a query's.

        Raises:
            AudioError: the file can't be read, or the passage is too short or silent.
            InputError: an unknown family, ``k`` below 1, or a passage outside the clip or outside what was read of it.
            LibraryError: no preset fits the choice.
        """
        query = _query(song, families, start, end)
        if choice is not None:
            query = replace(query, choice=choice)
        self.check(query, k)
        return self.result(query, tuple(self.find(query, self.hear(query), k, single)))

    def check(self, query: Query, k: int) -> None:
        """Refuse what can't be answered, before anything is heard.

        Raises:
            InputError: an unknown family, or ``k`` below 1.
            LibraryError: no preset fits the choice, or none of those that do has a usable sound.
        """
        if k < 1:
            raise InputError(f"{k} matches can't be shown; ask for at least 1.")
        known = self.encoder.config.families
        unknown = [family for family in query.families if family not in known]
        if unknown:
            raise InputError(f"There is no family {unknown[0]!r}; choose among {', '.join(known)}.")
        if query.choice:
            self._check_choice(query.choice)

    def _check_choice(self, choice: Choice) -> None:
        fitting = self.library.listings.chosen(choice)
        if not fitting:
            raise nothing_fits(self.library, choice)
        if not self.library.vectors.holds(fitting):
            raise LibraryError(
                f"No preset of the library {self.library.path} that fits ({choice}) has a usable sound; "
                "`synthmatch library show` with that choice says why."
            )

    def held(self, choice: Choice = EVERYTHING) -> tuple[str, ...]:
        """The families under which those presets are found that a choice takes, in the encoder's order."""
        ready = (each for each in self.library.presets(choice) if each.status == READY)
        found = {family for each in ready for family in each.families}
        return tuple(family for family in self.encoder.config.families if family in found)

    def find(self, query: Query, heard: Heard, k: int = 5, single: bool = False) -> Iterator[FamilyMatches]:
        """The closest presets that the query's choice takes, a family at a time, the most present one first;
        arguments as for :meth:`match`."""
        if single and not query.families:
            found = self.library.search(TIMBRE, heard.timbre, k, choice=query.choice)
            yield _ranked(ANY, 1.0, found, heard.when(query, -1))
            return
        places = [heard.families.index(family) for family in dict.fromkeys(query.families or heard.present)]
        for place in sorted(places, key=lambda place: -heard.presence[place]):
            family = heard.families[place]
            found = self.library.search(family, heard.vectors[place], k, choice=query.choice)
            yield _ranked(family, float(heard.presence[place]), found, heard.when(query, place))

    def result(self, query: Query, found: tuple[FamilyMatches, ...]) -> MatchResult:
        """What was found for a query, as one value."""
        last = query.seconds if query.end is None else min(query.end, query.seconds)
        return MatchResult(
            path=query.name,
            start=query.start,
            end=last,
            model=self._model,
            library=self.library.fingerprint,
            families=found,
        )

    def export(self, result: MatchResult, out: Path | str, *, more: More | None = None) -> MatchResult:
        """Write every match as ``out/<family>/<rank>-<name>/`` (see :func:`results.export`).

        Args:
            more: writes further files of a match into its folder.

        Returns:
            The result with ``files`` filled in.
        """
        return export(self.library, result, Path(out), more)

    def hear(self, query: Query, progress: Callable[[int, int], None] | None = None) -> Heard:
        """Listen to a query's passage; see :func:`synthmatch.matching.listening.hear`."""
        return hear(self.encoder, query, progress)


def _query(
    song: Path | str | Clip | Query, families: Sequence[str] | None, start: float | None, end: float | None
) -> Query:
    if isinstance(song, Query):
        query = song
    elif isinstance(song, Clip):
        query = Query(song)
    else:
        return Query.read(song, start or 0.0, end, tuple(families or ()))
    if families is not None:
        query = replace(query, families=tuple(families))
    if start is not None:
        query = replace(query, start=start)
    return query if end is None else replace(query, end=end)


def _ranked(
    family: str, presence: float, found: Sequence[tuple[Listing, float]], surest: tuple[float, float]
) -> FamilyMatches:
    matches = tuple(Match(rank, score, listing) for rank, (listing, score) in enumerate(found, 1))
    return FamilyMatches(family, presence, matches, surest)
