"""The page of one match: the passage, and each part's closest presets as players and pictures."""

from __future__ import annotations

from pathlib import Path

from synthmatch import report
from synthmatch.cards import FamilySection, MatchCard, Page, Passage, PresetCard, Sound
from synthmatch.library import Library
from synthmatch.matcher import Query
from synthmatch.presets.families import FAMILIES
from synthmatch.results import FamilyMatches, Match, MatchResult

PASSAGE = 30.0
"""Seconds of the passage that the page plays at most."""


def write_page(path: Path, library: Library, query: Query, result: MatchResult) -> None:
    """Write a page that needs no network.

    Args:
        result: what ``query`` was answered with, from ``library``.

    Raises:
        LibraryError: a match's sound is missing or damaged.
    """
    report.write(path, match_page(library, query, result))


def match_page(library: Library, query: Query, result: MatchResult) -> Page:
    """The page, as values."""
    heard = query.passage().between(0, PASSAGE)
    name = Path(result.path).name
    passage = Passage(
        f"{name}, {result.start:.1f} to {result.end:.1f} s",
        Sound(heard, name),
        tuple(_section(library, found) for found in result),
    )
    return Page(
        f"What sounds like {name}",
        "The passage, and for each part the closest presets of the library.",
        (passage,),
        (("model", result.model), ("library", result.library)),
    )


def _section(library: Library, found: FamilyMatches) -> FamilySection:
    family = FAMILIES.get(found.family)
    cards = tuple(_card(library, match) for match in found)
    if family is None:
        return FamilySection("All presets", cards)
    return FamilySection(family.title, cards, presence=found.presence)


def _card(library: Library, match: Match) -> MatchCard:
    preset = match.preset
    file = match.files[0] if match.files else preset.file
    sound = Sound(library.preview(preset.id), preset.name)
    card = PresetCard(preset.name, preset.synth, preset.bank, sound, str(file), preset.note)
    return MatchCard(match.rank, match.score, card)
