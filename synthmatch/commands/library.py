"""``synthmatch library``: the presets that can be found."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from synthmatch.commands.framework import (
    Group,
    Progress,
    choice_options,
    json_option,
    labelled_option,
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
from synthmatch.words import counted

if TYPE_CHECKING:
    from synthmatch.library.intake import AddReport
    from synthmatch.library.library import Library
    from synthmatch.library.listing import Listing
    from synthmatch.networks.encoder import Encoder
    from synthmatch.presets.bank import PresetBank
    from synthmatch.renderers.pool import Pool


@click.group("library", cls=Group)
def library_group() -> None:
    """Add, list, remove and check the presets that can be found."""


@library_group.command()
@click.argument("sources", nargs=-1, metavar="[SYNTH|PATH]...")
@library_option
@model_option
@workers_option
@scheduler_option
@timeout_option
@json_option
def add(
    sources: tuple[str, ...],
    library_path: Path | None,
    model: Path | None,
    workers: int | None,
    scheduler: str | None,
    timeout: float,
    as_json: bool,
) -> None:
    """Render, embed and index banks.

    SYNTH is a synth that `synthmatch doctor` names: the banks that came with it. PATH is a preset file, or a folder
    of them. Without either, the banks of all installed synths are added, but SoundFonts, which are added when they
    are named; where there are none, the built-in synth's. Presets that are known already cost nothing, and what was
    stopped goes on where it was.
    """
    from synthmatch.library.library import Library
    from synthmatch.sources import read_sources

    bank = read_sources(sources)
    encoder = load_encoder(model)
    with Library.open_or_create(library_path) as opened:
        opened.require_encoder(encoder)
        with open_pool(workers, scheduler, timeout) as pool:
            report = add_banks(opened, bank, encoder, pool, say if as_json else tell)
        if as_json:
            click.echo(json.dumps(report.to_json(opened), indent=1, ensure_ascii=False))
        elif report.trust.shortened:
            click.echo("What these lists leave out, --json names.")


@library_group.command("list")
@library_option
def list_(library_path: Path | None) -> None:
    """List the banks, with counts."""
    from synthmatch.library.library import Library

    with Library.open(library_path) as opened:
        rows = [(each.synth, each.bank, each.presets, each.ready, each.pending, each.failed) for each in opened.banks()]
        if rows:
            click.echo(table(("synth", "bank", "presets", "ready", "pending", "failed"), rows))
        presets, sounds = counted(len(opened.presets()), "preset"), counted(len(opened), "sound")
        click.echo(f"{opened.path}: {presets}, {sounds} that can be matched.")


@library_group.command()
@click.argument("name", required=False)
@choice_options()
@labelled_option
@json_option
@library_option
def show(
    name: str | None,
    synths: tuple[str, ...],
    banks: tuple[str, ...],
    tags: tuple[str, ...],
    words: tuple[str, ...],
    families: tuple[str, ...],
    as_json: bool,
    library_path: Path | None,
) -> None:
    """Show the presets of a bank or a synth, the preset with an id, or those that the options choose.

    Each stands with its family and what says so (the bank's field, its name, its folder, or its sound), the families
    under which it is found, and what it sounds like; those that can't be used, with the reason; those that never sound
    the same twice, with how far apart.
    """
    from synthmatch.library.choice import Choice, nothing_fits
    from synthmatch.library.library import Library

    choice = Choice(synths, banks, families, tags, words)
    if name is None and not choice:
        raise click.UsageError(
            "Name a bank, a synth or a preset's id, or choose with --synth, --bank, --family, --tag or --word."
        )
    with Library.open(library_path) as opened:
        found = opened.presets(choice)
        if name is not None:
            of = opened.presets(Choice(banks=(name,))) or opened.presets(Choice(synths=(name,)))
            found = tuple(filter(choice.takes, of or opened.listings_of(name)))
        if choice and not found:
            raise nothing_fits(opened, choice, name or "")
        remarks = {each.id: each.reason for each in opened.failures()}
        unsteady = {state: apart for state, apart in opened.spreads().items() if apart}
        remarks |= {state: f"{apart:.1f} dB apart when rendered twice" for state, apart in unsteady.items()}
        if as_json:
            rows = [each.to_json() | {"remark": remarks.get(each.id, "")} for each in found]
            click.echo(json.dumps(rows, indent=1, ensure_ascii=False))
            return
        headings = ("id", "name", "synth", "bank", "family", "found under", "sounds", "file", "status")
        click.echo(table(headings, [_row(each, remarks.get(each.id, "")) for each in found]))


@library_group.command()
@click.argument("names", nargs=-1, required=True, metavar="BANK|SYNTH|PATH...")
@click.option("--synth", metavar="SYNTH", help="That synth's banks alone; to be chosen where several have BANK.")
@library_option
def remove(names: tuple[str, ...], synth: str | None, library_path: Path | None) -> None:
    """Remove banks, all presets of a synth, or those of a file or folder from the library.

    A bank that several synths have is removed of the one that --synth chooses. BANK and SYNTH are written just as
    `synthmatch library list` has them, with its capitals and hyphens. PATH is a file or a folder, as the
    library has it; it need not be there any more, so that what was moved, and added from where it is now, can be
    removed from where it was. One that is called like a bank or a synth is meant when it's written as a path:
    ./amsynth. Your own preset files stay where they are.
    """
    from synthmatch.files import expanded
    from synthmatch.library.library import Library

    with Library.open(library_path) as opened:
        for name in names:
            # As for `show`, a bank comes before a synth of that name, which may be one that isn't known any more.
            if synth is not None or opened.rows.synths_with(name):
                count = opened.remove(bank=name, synth=synth)
            elif name in opened.rows.synths():
                count = opened.remove(synth=name)
            else:
                count = opened.remove(place=expanded(name))
            click.echo(f"{name}: {counted(count, 'preset')} removed.")


@library_group.command()
@library_option
@model_option
def update(library_path: Path | None, model: Path | None) -> None:
    """Embed the stored sound again for another encoder, without rendering, and describe what isn't described yet."""
    from synthmatch.library.library import Library
    from synthmatch.library.store import RENDERED

    encoder = load_encoder(model)
    with Library.open(library_path) as opened, Progress("updating", "preset") as progress:
        count = opened.update(encoder, progress=progress)
        damaged = len(opened.rows.ids_with(status=RENDERED)) - len(opened)
    click.echo(f"{counted(count, 'sound')} embedded for the encoder {encoder.fingerprint}.")
    if damaged:
        click.echo(
            f"Damaged, so that they can't be matched: {damaged}; `synthmatch library repair` renders them again."
        )


@library_group.command()
@library_option
def verify(library_path: Path | None) -> None:
    """Look for what is missing or damaged."""
    from synthmatch.errors import LibraryError
    from synthmatch.library.library import Library

    with Library.open(library_path) as opened:
        problems = opened.verify()
        for problem in problems:
            tell(problem.sentence)
        if problems:
            raise LibraryError(
                f"{opened.path} has {counted(len(problems), 'problem')}; run `synthmatch library repair`."
            )
        click.echo(f"{opened.path} is in order: {counted(len(opened), 'sound')} that can be matched.")


@library_group.command()
@library_option
@model_option
@workers_option
@timeout_option
def repair(library_path: Path | None, model: Path | None, workers: int | None, timeout: float) -> None:
    """Mend what `verify` names: render, embed and index again what is missing or damaged.

    What crashed its synth or took too long is tried once more, whether or not anything else is wrong.
    """
    from synthmatch.errors import LibraryError
    from synthmatch.library.library import Library

    with Library.open(library_path) as opened, open_pool(workers, None, timeout) as pool:
        left = opened.repair(encoder=load_encoder(model), pool=pool)
        for problem in left:
            tell(problem.sentence)
        if left:
            raise LibraryError(
                f"{opened.path} still has {counted(len(left), 'problem')}; the lines above say what helps."
            )
        click.echo(f"{opened.path} is in order: {counted(len(opened), 'sound')} that can be matched.")


def add_banks(
    library: Library, bank: PresetBank, encoder: Encoder, pool: Pool, say: Callable[[str], None] = tell
) -> AddReport:
    """Print the estimate, add a bank with progress, print the report."""
    from synthmatch.trust.report import some_of

    say(f"{counted(len(bank), 'preset')}, {library.estimate(bank)}.")
    with Progress("rendering", "preset") as progress:
        report = library.add(bank, encoder=encoder, pool=pool, progress=progress)
    known = f"; {report.known} known already" if report.known else ""
    say(f"{counted(report.rendered, 'sound')} rendered in {report.seconds:.0f} s{known}.")
    if report.vanished:
        say(f"Dropped, since their files hold them no more ({len(report.vanished)}): {some_of(report.vanished)}.")
    for line in report.trust.lines():
        say(line)
    say(f"The library {library.path} now holds {counted(len(library), 'sound')} that can be matched.")
    return report


def load_encoder(model: Path | None) -> Encoder:
    """The encoder in a file, or the released one."""
    from synthmatch.networks.encoder import Encoder

    return Encoder.released() if model is None else Encoder.load(model)


def _row(listing: Listing, remark: str) -> tuple[str, ...]:
    status = f"{listing.status}: {remark}" if remark else listing.status
    found, sounds = ", ".join(listing.families), ", ".join(listing.descriptors)
    file = str(listing.file)
    return listing.id, listing.name, listing.synth, listing.bank, listing.label, found, sounds, file, status
