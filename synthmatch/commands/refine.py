"""``synthmatch refine``: a preset's knobs moved toward a part."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from synthmatch.commands.framework import (
    Command,
    Progress,
    Seconds,
    json_option,
    library_option,
    model_option,
    open_pool,
    say,
    scheduler_option,
    table,
    tell,
    timeout_option,
    workers_option,
)
from synthmatch.presets.families import FAMILY_KEYS
from synthmatch.words import counted

if TYPE_CHECKING:
    from synthmatch.audio import Clip
    from synthmatch.networks.encoder import Encoder
    from synthmatch.notes import Performance
    from synthmatch.presets.preset import Preset
    from synthmatch.refining.refinement import Refinement


@click.command(cls=Command)
@click.argument("song", type=click.Path(path_type=Path))
@click.option(
    "--preset",
    "name",
    metavar="ID|FILE",
    help="Where to begin: a preset of the library, or a file that holds one. By default the nearest in the library.",
)
@click.option("--family", type=click.Choice(FAMILY_KEYS), help="What the part is; needed where others play as well.")
@click.option("--single", is_flag=True, help="SONG is one instrument alone: a stem, or a sample.")
@click.option(
    "--midi",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The part's notes, in the song's time: all tracks but drums' (channel 10).",
)
@click.option(
    "--note",
    "notes",
    metavar="NOTE[,NOTE...]",
    help="What a sample plays: a name (C4 is middle C), a MIDI number, or a chord. Estimated if not given.",
)
@click.option("--held", type=Seconds(0, min_open=True), metavar="S", help="For how long a sample's keys are held.")
@click.option(
    "--start", type=Seconds(0), metavar="S", help="Listen from this second on; from the first note if not given."
)
@click.option("--end", type=Seconds(0), metavar="S", help="Listen up to this second; for 5 s if not given.")
@click.option(
    "--seconds",
    type=Seconds(0, min_open=True),
    default=60.0,
    show_default=True,
    metavar="S",
    help="How long to search.",
)
@click.option("--renders", type=click.IntRange(min=2), metavar="N", help="End after so many presets were played.")
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), default=0, show_default=True, help="Search elsewhere.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("refined"),
    show_default=True,
    metavar="DIR",
    help="The folder in which the preset gets one of its own.",
)
@workers_option
@scheduler_option
@timeout_option
@json_option
@library_option
@model_option
def refine(
    song: Path,
    name: str | None,
    family: str | None,
    single: bool,
    midi: Path | None,
    notes: str | None,
    held: float | None,
    start: float | None,
    end: float | None,
    seconds: float,
    renders: int | None,
    seed: int,
    out: Path,
    workers: int | None,
    scheduler: str | None,
    timeout: float,
    as_json: bool,
    library_path: Path | None,
    model: Path | None,
) -> None:
    """Move a preset's knobs until it plays a part of SONG more closely.

    The result is a new preset in a folder of its own; nothing is overwritten. It works best with a stem (--single) and
    its notes (--midi). A sample needs --single alone, a part of a song --family alone: what it plays is estimated,
    where the family is heard most surely, which for parts of a dense song is a guess.
    """
    from synthmatch.commands.library import load_encoder
    from synthmatch.files import require_place
    from synthmatch.refining.evolution import require
    from synthmatch.refining.refinement import Effort, refine
    from synthmatch.refining.starts import save

    require_place(out, folder=True)  # first of all: refining takes its time
    require()
    effort = Effort(seconds, renders, seed)
    asked = _Asked(family, single, midi, notes, held, start, end)
    asked.require_sense()
    named = _named(name, library_path)
    encoder = load_encoder(model)
    clip, readings = _passage(song, encoder, asked)
    preset = named or _nearest(library_path, encoder, clip, asked, elsewhere=scheduler is not None)
    with open_pool(workers, scheduler, timeout) as pool, Progress("refining", "second") as progress:
        result = refine(
            preset,
            clip,
            readings,
            pool=pool,
            encoder=encoder,
            family=family or "",
            alone=single,
            effort=effort,
            report=lambda done, total, remark: progress(min(round(done), round(total)), round(total), remark),
        )
    files = save(result, out) if result.moves else ()
    if as_json:
        click.echo(json.dumps(result.to_json() | {"files": list(map(str, files))}, indent=1, ensure_ascii=False))
    else:
        _print(result)
    if files:
        say(f"written: {files[0].parent}")


@dataclass(frozen=True)
class _Asked:
    """What the options say of the part."""

    family: str | None
    single: bool
    midi: Path | None
    notes: str | None
    held: float | None
    start: float | None
    end: float | None

    @property
    def sample(self) -> bool:
        """Whether all notes are struck together, unless a MIDI file says otherwise."""
        return self.single or self.notes is not None

    def require_sense(self) -> None:
        """Refuse options that don't go together."""
        if self.midi is not None and (self.notes is not None or self.held is not None):
            raise click.UsageError("--midi says what is played, and for how long: leave --note and --held out.")
        if self.family is None and not self.single:
            raise click.UsageError(
                "Which part is meant must be known: name its --family, or say --single if nothing else plays."
            )
        if self.held is not None and not self.sample:
            raise click.UsageError(
                "--held is for a sample, and needs --single or --note: a part's notes are estimated."
            )


def _passage(song: Path, encoder: Encoder, asked: _Asked) -> tuple[Clip, tuple[Performance, ...]]:
    """What is listened to, and what plays there, in several readings where the sound leaves that open."""
    from synthmatch import audio
    from synthmatch.midi import read_midi
    from synthmatch.phrases import pitches_of
    from synthmatch.refining.partnotes import passage, struck_together, written_down

    clip = audio.read(song)
    if asked.midi is not None:
        heard, performance = passage(clip, read_midi(asked.midi), asked.start, asked.end)
    elif asked.family is not None and not asked.sample:
        start, heard, performance = written_down(clip, encoder, asked.family, asked.start, asked.end)
        say(f"heard from {start:.1f} s on: {counted(len(performance.notes), 'note')}, estimated from the sound")
    else:
        return struck_together(clip, pitches_of(asked.notes) if asked.notes else (), asked.held, asked.start, asked.end)
    return heard, (performance,)


def _named(name: str | None, library_path: Path | None) -> Preset | None:
    """The preset that is named; None for the nearest one, for which there must be a library, too: that it isn't there
    is said before anything is listened to."""
    from synthmatch.library.library import Library
    from synthmatch.refining.starts import is_file_name, named_start

    if name is not None and is_file_name(name):
        return named_start(None, name)
    with Library.open(library_path) as library:
        return None if name is None else named_start(library, name)


def _nearest(library_path: Path | None, encoder: Encoder, clip: Clip, asked: _Asked, *, elsewhere: bool) -> Preset:
    from synthmatch.library.library import Library
    from synthmatch.matching.matcher import Matcher
    from synthmatch.refining.starts import nearest_start

    with Library.open(library_path) as library:
        matcher = Matcher(library, encoder)
        return nearest_start(matcher, clip, asked.family or "", alone=asked.single, elsewhere=elsewhere)


def _print(result: Refinement) -> None:
    before, after = result.before, result.after
    start = result.start
    tell(f"From {start.name} ({start.synth}): {counted(result.renders, 'preset')} played in {result.seconds:.0f} s.")
    if not result.moves:
        click.echo(f"Nothing closer was found: {before.total:.1f} dB apart; {result.stop.value}.")
        return
    rows = [
        ("before", f"{before.total:.1f} dB", f"{before.spectral:.1f} dB", f"{before.timbre:.2f}"),
        ("after", f"{after.total:.1f} dB", f"{after.spectral:.1f} dB", f"{after.timbre:.2f}"),
    ]
    click.echo(table(("", "distance", "spectrum", "timbre"), rows, indent="  "))
    click.echo(f"The distance fell by {result.fall:.0%}, until {result.stop.value}.")
    click.echo(f"{counted(len(result.moves), 'knob')} moved:")
    moves = [(move.knob, f"{move.before:.4g}", f"{move.after:.4g}") for move in result.moves]
    click.echo(table(("knob", "before", "after"), moves, indent="  "))
    click.echo(f"Not reached: {_rest(result)}.")


def _rest(result: Refinement) -> str:
    from synthmatch.refining.likeness import regions_in_words

    words = regions_in_words(result.remaining)
    return ", ".join([f"{result.after.total:.1f} dB are left", *words])
