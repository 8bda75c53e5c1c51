"""The page of one match: the passage, and each part's closest presets as players and pictures."""

from __future__ import annotations

from pathlib import Path

from synthmatch.library.library import Library
from synthmatch.matching.auditions import Auditions, at_one_loudness
from synthmatch.matching.listening import Query
from synthmatch.matching.parts import LONGEST
from synthmatch.matching.results import FamilyMatches, Match, MatchResult
from synthmatch.pages import report
from synthmatch.pages.cards import NOTHING_CLOSE, FamilySection, MatchCard, Page, Passage, PresetCard, Sound
from synthmatch.presets.families import FAMILIES

PASSAGE = LONGEST
"""Seconds of the passage that the page plays at most, and of the phrases that presets play."""

_INTRO = "The passage, and for each part the closest presets of the library."
_FIVE_NOTES = "Its five reference notes"
_ALL_FIVE = "Each preset plays its five reference notes."


def write_page(
    path: Path, library: Library, query: Query, result: MatchResult, auditions: Auditions | None = None
) -> None:
    """Write a page that needs no network.

    Args:
        result: what ``query`` was answered with, from ``library``.
        auditions: how the matches sound on the song's notes; without them each plays its reference notes.

    Raises:
        LibraryError: a match's sound is missing or damaged.
    """
    report.write(path, match_page(library, query, result, auditions))


def match_page(library: Library, query: Query, result: MatchResult, auditions: Auditions | None = None) -> Page:
    """The page, as values."""
    start, end = result.stretch(PASSAGE)
    heard = query.between(start, end)
    name = Path(result.path).name
    title = f"{name}, {result.start:.1f} to {result.end:.1f} s"
    if (start, end) != (result.start, result.end):
        title += f"; what plays here is {start:.1f} to {end:.1f} s"
    passage = Passage(
        title,
        Sound(at_one_loudness(heard), name, matched=True) if auditions else Sound(heard, name),
        tuple(_section(library, found, auditions, result.best_heard(found)) for found in result),
    )
    return Page(
        f"What sounds like {name}",
        " ".join(filter(None, (_INTRO, _shared_silence(auditions)))),
        (passage,),
        (("model", result.model), ("library", result.library)),
    )


def _shared_silence(auditions: Auditions | None) -> str:
    """Why no part at all plays the song's notes, if that is one reason: said once, not of each part."""
    if auditions is None or any(part.notes is not None for part in auditions.parts.values()):
        return ""
    return f"{auditions.silences[0]} {_ALL_FIVE}" if len(auditions.silences) == 1 else ""


def _section(library: Library, found: FamilyMatches, auditions: Auditions | None, where: str) -> FamilySection:
    family = FAMILIES.get(found.family)
    cards = tuple(_card(library, match, found.family, auditions) for match in found)
    part = auditions.parts.get(found.family) if auditions else None
    note = part.origin if part else ""
    if part is not None and part.notes is None:
        note = "" if _shared_silence(auditions) else f"{note} {_ALL_FIVE}"
    if found.nothing_close:
        note = f"{NOTHING_CLOSE} {note}".strip()
    if family is None:
        return FamilySection("All presets", cards, note=note)
    return FamilySection(family.title, cards, presence=found.presence, note=note, where=where)


def _card(library: Library, match: Match, family: str, auditions: Auditions | None) -> MatchCard:
    preset = match.preset
    file = match.files[0] if match.files else preset.file
    sound, remark = _sound(library, match, family, auditions)
    note = " · ".join(filter(None, (preset.note, remark)))
    card = PresetCard(preset.name, preset.synth, preset.bank, sound, str(file), note)
    return MatchCard(match.rank, match.score, card)


def _sound(library: Library, match: Match, family: str, auditions: Auditions | None) -> tuple[Sound, str]:
    """What a card plays: the phrase, or else the reference notes; and why, if that needs saying."""
    preset = match.preset
    if auditions is None:
        return Sound(library.preview(preset.id), preset.name), ""
    played = auditions.of(family, match)
    if played.clip is not None:
        return Sound(played.clip, preset.name, matched=True), ""
    note = f"{_FIVE_NOTES}, since it couldn't play the song's: {played.reason}" if played.reason else ""
    return Sound(at_one_loudness(library.preview(preset.id)), preset.name, matched=True), note
