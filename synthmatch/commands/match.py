"""``synthmatch match``: a song in, the closest presets out."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING

import click

from synthmatch.commands.framework import (
    Command,
    Progress,
    choice_options,
    json_option,
    library_option,
    model_option,
    say,
    table,
)
from synthmatch.presets.families import FAMILIES, FAMILY_KEYS

if TYPE_CHECKING:
    from synthmatch.library.choice import Choice
    from synthmatch.matching.auditions import Auditions
    from synthmatch.matching.matcher import Matcher
    from synthmatch.matching.parts import Score
    from synthmatch.matching.results import FamilyMatches, MatchResult

_WORDS = 3  # for a preset's sound, at most, so that a table fits a terminal


@click.command(cls=Command)
@click.argument("song", type=click.Path(path_type=Path))
@click.option("-k", "count", type=click.IntRange(min=1), default=5, show_default=True, help="Presets per family.")
@click.option("--start", type=float, default=0.0, metavar="S", help="Listen from this second on.")
@click.option("--end", type=float, metavar="S", help="Listen up to this second.")
@click.option(
    "--family",
    "families",
    type=click.Choice(FAMILY_KEYS),
    multiple=True,
    help="A part to look for, whether it's heard or not; repeatable. By default those that are heard.",
)
@choice_options()
@click.option("--single", is_flag=True, help="SONG is one instrument alone.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Write each preset's files into a folder of its own, in place of those of an earlier match.",
)
@json_option
@click.option("--report", type=click.Path(path_type=Path), metavar="FILE.html", help="Write a page to listen to.")
@click.option(
    "--midi", type=click.Path(path_type=Path), metavar="FILE.mid", help="The parts' notes; estimated if not given."
)
@click.option(
    "--part",
    "chosen",
    multiple=True,
    metavar="FAMILY=PART",
    help="Which part of the MIDI file a family plays: its number, or its track's name; repeatable.",
)
@click.option(
    "--midi-start", type=float, metavar="S", help="The second of SONG at which the MIDI file begins; 0 if not given."
)
@click.option(
    "--previews",
    type=click.Choice(("flac", "wav")),
    help="With --out: each preset on the song's notes, as a sound file, and those notes as a MIDI file.",
)
@click.option(
    "--rerank",
    "first",
    type=click.IntRange(min=2),
    metavar="N",
    help="Play the first N presets of each family on its notes and put them in the order in which they fit the song.",
)
@library_option
@model_option
def match(
    song: Path,
    count: int,
    start: float,
    end: float | None,
    families: tuple[str, ...],
    synths: tuple[str, ...],
    banks: tuple[str, ...],
    tags: tuple[str, ...],
    words: tuple[str, ...],
    single: bool,
    out: Path | None,
    as_json: bool,
    report: Path | None,
    midi: Path | None,
    chosen: tuple[str, ...],
    midi_start: float | None,
    previews: str | None,
    first: int | None,
    library_path: Path | None,
    model: Path | None,
) -> None:
    """Find the closest presets for each part of SONG.

    SONG is a WAV, FLAC, MP3 or OGG file of any length.
    """
    from synthmatch.commands.library import load_encoder
    from synthmatch.files import require_place
    from synthmatch.library.choice import Choice
    from synthmatch.library.library import Library
    from synthmatch.matching.listening import Query
    from synthmatch.matching.matcher import Matcher
    from synthmatch.matching.results import require_apart

    if previews and out is None:
        raise click.UsageError("--previews are written beside the presets' files; name their folder with --out.")
    playing = report is not None or previews is not None or first is not None
    if midi is not None and not playing:
        raise click.UsageError("--midi is what presets play with --report, --previews or --rerank; add one of them.")
    for path, folder in ((out, True), (report, False)):
        if path is not None:
            require_place(path, folder)
    require_apart(out, report, song, midi, model)
    choice = Choice(synths, banks, (), tags, words)
    query = Query.read(song, start, end, families, choice)  # first of all: a library takes its time
    score = _score(midi, chosen, midi_start)
    with Library.open(library_path) as library:
        matcher = Matcher(library, load_encoder(model))
        auditions = None
        if playing:
            from synthmatch.matching.auditions import match_and_play

            with Progress("rendering phrases", "preset") as progress:
                result, auditions = match_and_play(matcher, query, count, single, score, first or 0, progress=progress)
        else:
            result = matcher.match(query, k=count, single=single)
        if out is not None:
            result = matcher.export(result, out, more=auditions.writer(previews) if auditions and previews else None)
        if as_json:
            click.echo(json.dumps(result.to_json(), indent=1))
        else:
            _print_tables(result)
        for reason in (*auditions.silences, *auditions.failures) if auditions else ():
            say(reason)
        for reason in (*_unplayed(score, result), *_unfound(score, auditions), *_unmatched(matcher, choice, result)):
            say(reason)
        if out is not None and any(match.files for found in result for match in found):
            say(f"written: {out}")
        if report is not None:  # last of all: whatever becomes of the page, what was found has been said
            from synthmatch.pages.matchpage import write_page

            write_page(report, library, query, result, auditions)
            say(f"written: {report}")


def _score(midi: Path | None, chosen: tuple[str, ...], begins: float | None) -> Score | None:
    """The notes that were given; the choice of their parts, as (family, part)."""
    if midi is None:
        if chosen:
            raise click.UsageError("--part chooses a part of a MIDI file; name the file with --midi.")
        if begins is not None:
            raise click.UsageError("--midi-start says where a MIDI file begins; name the file with --midi.")
        return None
    from synthmatch.matching.parts import Score

    begins = begins or 0.0
    if not math.isfinite(begins):
        raise click.BadParameter(f"{begins} is no second of a song.", param_hint="--midi-start")
    pairs: dict[str, str] = {}
    for family, _, part in (each.partition("=") for each in chosen):
        if family not in (*FAMILY_KEYS, "any") or not part:
            raise click.BadParameter(f"{family}={part} isn't FAMILY=PART, such as bass=2.", param_hint="--part")
        if pairs.setdefault(family, part) != part:
            raise click.BadParameter(f"{family} plays one part, not {pairs[family]} and {part}.", param_hint="--part")
    return Score.read(midi, pairs, begins)


def _unplayed(score: Score | None, result: MatchResult) -> list[str]:
    """Which parts were chosen for families that aren't shown, a sentence each."""
    shown = {found.family for found in result}
    missing = {family: part for family, part in (score.chosen if score else {}).items() if family not in shown}
    return [
        f"Nothing plays part {part}, chosen for {family}, since no {family} is shown; ask with --family {family}."
        if family in FAMILY_KEYS
        else f"Nothing plays part {part}, chosen for a sound of any family; match it with --single."
        for family, part in missing.items()
    ]


def _unfound(score: Score | None, auditions: Auditions | None) -> list[str]:
    """For which families no part was found in the notes that were given, in one sentence: what presets play there, and
    what a new order goes by, isn't what the file says."""
    families = [key for key, part in auditions.parts.items() if part.estimated] if auditions else []
    if score is None or not families:
        return []
    return [
        f"{score.path} doesn't tell which of its parts plays {', '.join(families)}, so none does;"
        f" choose with --part {families[0]}=NUMBER: {score.listed}."
    ]


def _unmatched(matcher: Matcher, choice: Choice, result: MatchResult) -> list[str]:
    """Where no part has a match, which families could be asked for, in one sentence."""
    families = () if any(map(len, result)) else matcher.held(choice)
    if not families:
        return []
    what = f"what fits ({choice}) in the library" if choice else "the library"
    return [
        f"None of these parts has a match, since {what} {matcher.library.path} is found under {', '.join(families)}"
        f" alone; ask for one of these with --family {families[0]}."
    ]


def _print_tables(result: MatchResult) -> None:
    click.echo(f"{result.path}, {result.start:.1f} to {result.end:.1f} s")
    for found in result:
        click.echo(f"\n{_heading(found, result.best_heard(found))}")
        click.echo(matches_table(found) if found.matches else "  The library holds no such preset of this family.")


def _heading(found: FamilyMatches, where: str) -> str:
    from synthmatch.pages.cards import WORDS_FOR_PRESENCE, describe

    if found.family not in FAMILIES:
        return f"Closest of all presets{', none of them close' if found.nothing_close else ''}"
    heard = f"{describe(found.presence, WORDS_FOR_PRESENCE)} ({found.presence:.2f})"
    said = ", ".join(filter(None, (heard, where, "but nothing close to it" if found.nothing_close else "")))
    return f"{FAMILIES[found.family].title}: {said}"


def matches_table(found: FamilyMatches) -> str:
    """One family's matches, in columns that a terminal has room for; JSON and the page tell more. The last one is the
    folder that was exported, or else the bank's file."""
    from synthmatch.pages.cards import describe

    rows = [
        (
            each.rank,
            f"{each.score:.2f} {describe(each.score)}",
            each.preset.name,
            each.preset.synth,
            each.preset.bank,
            ", ".join(each.preset.descriptors[:_WORDS]),
            each.files[0].parent if each.files else each.preset.file,
        )
        for each in found
    ]
    place = "folder" if any(each.files for each in found) else "file"
    return table(("#", "score", "preset", "synth", "bank", "sounds", place), rows, indent="  ")
