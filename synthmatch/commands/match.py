"""``synthmatch match``: a song in, the closest presets out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from synthmatch.commands.framework import Command, choice_options, json_option, library_option, model_option, say, table
from synthmatch.presets.families import FAMILIES, FAMILY_KEYS

if TYPE_CHECKING:
    from synthmatch.results import FamilyMatches, MatchResult

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
@choice_options
@click.option("--single", is_flag=True, help="SONG is one instrument alone.")
@click.option(
    "--out", type=click.Path(path_type=Path), metavar="DIR", help="Write each preset's files into a folder of its own."
)
@json_option
@click.option("--report", type=click.Path(path_type=Path), metavar="FILE.html", help="Write a page to listen to.")
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
    library_path: Path | None,
    model: Path | None,
) -> None:
    """Find the closest presets for each part of SONG.

    SONG is a WAV, FLAC, MP3 or OGG file of any length.
    """
    from synthmatch import audio
    from synthmatch.choice import Choice
    from synthmatch.commands.library import load_encoder
    from synthmatch.library import Library
    from synthmatch.matcher import Matcher, Query

    choice = Choice(synths, banks, (), tags, words)
    query = Query(audio.read(song), start, end, families, str(song), choice)  # first of all: a library takes its time
    with Library.open(library_path) as library:
        matcher = Matcher(library, load_encoder(model))
        result = matcher.match(query, count, single=single)
        if out is not None:
            result = matcher.export(result, out)
        if report is not None:
            from synthmatch.matchpage import write_page

            write_page(report, library, query, result)
    if as_json:
        click.echo(json.dumps(result.to_json(), indent=1))
    else:
        _print_tables(result)
    for path in (out, report):
        if path is not None:
            say(f"written: {path}")


def _print_tables(result: MatchResult) -> None:
    click.echo(f"{result.path}, {result.start:.1f} to {result.end:.1f} s")
    for found in result:
        click.echo(f"\n{_heading(found)}")
        click.echo(matches_table(found) if found.matches else "  The library holds no such preset of this family.")


def _heading(found: FamilyMatches) -> str:
    from synthmatch.cards import WORDS_FOR_PRESENCE, describe

    if found.family not in FAMILIES:
        return "Closest of all presets"
    return f"{FAMILIES[found.family].title}: {describe(found.presence, WORDS_FOR_PRESENCE)} ({found.presence:.2f})"


def matches_table(found: FamilyMatches) -> str:
    """One family's matches, in columns that a terminal has room for; JSON and the page tell more. The last one is the
    folder that was exported, or else the bank's file."""
    from synthmatch.cards import describe

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
