"""``synthmatch render``: banks into folders of sound files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from synthmatch.commands.framework import (
    Command,
    Progress,
    choice_options,
    json_option,
    labelled_option,
    open_pool,
    say,
    scheduler_option,
    tell,
    timeout_option,
    workers_option,
)
from synthmatch.words import counted

if TYPE_CHECKING:
    from synthmatch.batch.batch import BatchReport
    from synthmatch.batch.batchplan import Survey
    from synthmatch.notes import Performance

_PHRASES = ("bass", "lead", "arpeggio", "chords", "hits")  # of synthmatch.phrases, which --help doesn't wait for


@click.command(cls=Command)
@click.argument("sources", nargs=-1, required=True, metavar="BANK|SYNTH...")
@click.option("--out", required=True, type=click.Path(path_type=Path), metavar="DIR", help="The folder of the files.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["wav", "flac", "ogg"]),
    default="flac",
    show_default=True,
    help="32-bit float WAV, 24-bit FLAC, or Ogg Vorbis.",
)
@click.option(
    "--note",
    "notes",
    multiple=True,
    metavar="NOTE",
    help="What is played: a name (C4 is middle C) or a MIDI number (60). Given several times, one after the other. "
    "C4 if nothing else is chosen.",
)
@click.option("--chord", metavar="NOTE,NOTE,...", help="Notes played together.")
@click.option("--phrase", type=click.Choice(_PHRASES), help="A short phrase.")
@click.option(
    "--midi",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The notes of a MIDI file: all tracks but drums' (channel 10).",
)
@click.option("--velocity", type=click.IntRange(1, 127), default=100, show_default=True, help="Not for --midi.")
@click.option(
    "--held",
    type=click.FloatRange(0, 600, min_open=True),
    default=2.0,
    show_default=True,
    metavar="SECONDS",
    help="How long --note and --chord hold their keys.",
)
@click.option(
    "--tail",
    type=click.FloatRange(0, 600),
    default=1.0,
    show_default=True,
    metavar="SECONDS",
    help="How long to go on after the last key is let go.",
)
@click.option(
    "--normalise",
    type=click.FloatRange(-60, 0),
    metavar="LUFS",
    help="Bring every file to this loudness (-18, say), as far as a peak of -1 dB lets it.",
)
@click.option(
    "--effects",
    type=click.Choice(["on", "off", "both"]),
    default="on",
    show_default=True,
    help="With the synth's own effects, without them, or a file of each.",
)
@click.option("--sample-rate", type=click.IntRange(8_000, 192_000), default=44_100, show_default=True, metavar="HZ")
@workers_option
@scheduler_option
@timeout_option
@choice_options("banks", "words")
@labelled_option
@click.option("--dry-run", is_flag=True, help="Name the files that would be made, and render nothing.")
@click.option("--retry", is_flag=True, help="Try again what failed in an earlier run.")
@click.option(
    "--log",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Where what plugins print is kept, instead of plugins.log in synthmatch's home.",
)
@json_option
def render(
    sources: tuple[str, ...],
    out: Path,
    form: str,
    notes: tuple[str, ...],
    chord: str | None,
    phrase: str | None,
    midi: Path | None,
    velocity: int,
    held: float,
    tail: float,
    normalise: float | None,
    effects: str,
    sample_rate: int,
    workers: int | None,
    scheduler: str | None,
    timeout: float,
    banks: tuple[str, ...],
    words: tuple[str, ...],
    families: tuple[str, ...],
    dry_run: bool,
    retry: bool,
    log: Path | None,
    as_json: bool,
) -> None:
    """Render whole banks: a sound file per preset.

    BANK is a preset file, or a folder of them; SYNTH, a synth that `synthmatch doctor` names, stands for the banks
    that came with it. Each file is named after its preset; those of several banks go into a folder per bank, but a
    bank that was rendered into DIR before stays where it is.
    DIR/manifest.jsonl says of each file where it comes from and how it was made. Run again with the same arguments,
    only what is missing is rendered. Ends with what can be trusted of the sounds, and what can't.
    """
    from synthmatch.batch.batch import render_bank
    from synthmatch.batch.batchplan import Effects, RenderPlan, survey
    from synthmatch.batch.mastering import Format
    from synthmatch.errors import RenderError
    from synthmatch.files import require_unread
    from synthmatch.library.choice import Choice
    from synthmatch.sources import read_sources

    performance = _performance(notes, chord, phrase, midi, velocity, held, tail)
    choice = Choice(banks=banks, families=families, words=words)
    plan = RenderPlan(performance, Format(form), normalise, Effects(effects), sample_rate, retry, choice)
    plan.check()
    bank = read_sources(sources)
    if log is not None:
        require_unread(log, midi, *{preset.file for preset in bank}, *(fault.file for fault in bank.faults))
    say(f"{counted(len(plan.chosen(bank)), 'preset')}, {performance.seconds:g} s each.")
    if dry_run:
        found = survey(bank, plan, out)
        _print(found, as_json)
        return
    with open_pool(workers, scheduler, timeout, log) as pool, Progress("rendering", "file") as progress:
        report = render_bank(bank, plan, out, pool, progress)
    _print(report, as_json)
    if report.trust.shortened and not as_json:
        click.echo("What these lists leave out, --json names.")
    if not report.sounds:
        raise RenderError("Not one file came out; what is said above tells why.")


def _print(report: BatchReport | Survey, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(report.to_json(), indent=1, ensure_ascii=False))
        return
    for line in report.lines():
        tell(line)
    if report.failed_before:
        click.echo("--retry tries again what failed in an earlier run.")


def _performance(
    notes: tuple[str, ...],
    chord: str | None,
    phrase: str | None,
    midi: Path | None,
    velocity: int,
    held: float,
    tail: float,
) -> Performance:
    from synthmatch import phrases
    from synthmatch.midi import read_midi

    if sum(map(bool, (notes, chord, phrase, midi))) > 1:
        raise click.UsageError("--note, --chord, --phrase and --midi stand for what is played; give one of them.")
    if midi is not None:
        return read_midi(midi, tail)
    if phrase is not None:
        return phrases.phrase(phrase, velocity, tail)
    if chord is not None:
        return phrases.chord(phrases.pitches_of(chord), velocity, held, tail)
    return phrases.one_by_one([phrases.pitch_of(note) for note in notes or ("C4",)], velocity, held, tail)
