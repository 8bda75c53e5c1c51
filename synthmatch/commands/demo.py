"""``synthmatch demo``: seven mixtures with a known truth, as one page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from synthmatch.commands.framework import (
    Command,
    Progress,
    library_option,
    model_option,
    open_pool,
    say,
    workers_option,
)

if TYPE_CHECKING:
    from synthmatch.matching.results import MatchResult
    from synthmatch.pages.demo import Mixture


@click.command(cls=Command)
@click.option(
    "--out", type=click.Path(path_type=Path), default="demo.html", show_default=True, metavar="FILE", help="The page."
)
@click.option("--seed", type=click.IntRange(min=0), metavar="N", help="Draw other presets and notes.")
@click.option("--mixtures", type=click.IntRange(min=1), metavar="N", help="How many mixtures; seven if not given.")
@library_option
@model_option
@workers_option
def demo(
    out: Path,
    seed: int | None,
    mixtures: int | None,
    library_path: Path | None,
    model: Path | None,
    workers: int | None,
) -> None:
    """Match seven mixtures and write a page to listen to.

    The mixtures are played by presets that the encoder never heard while it learned. Where the library is empty, it
    is filled first, as `synthmatch library add` does.
    """
    from synthmatch.commands.library import add_banks
    from synthmatch.files import require_place, require_unread
    from synthmatch.library.library import Library
    from synthmatch.matching.matcher import Matcher
    from synthmatch.networks import checkpoint
    from synthmatch.networks.encoder import RELEASED
    from synthmatch.pages.demo import MIXTURES, SEED, run_demo
    from synthmatch.sources import read_sources

    require_place(out)  # first of all: filling a library and rendering take their time
    require_unread(out, model)
    encoder, facts = checkpoint.load(model or RELEASED)
    with Library.open_or_create(library_path) as library, open_pool(workers, None) as pool:
        if not len(library):
            add_banks(library, read_sources(), encoder, pool)
        seed = SEED if seed is None else seed
        with Progress("playing", "preset") as progress:
            summary = run_demo(
                library,
                Matcher(library, encoder),
                out,
                seed,
                mixtures or MIXTURES,
                pool=pool,
                progress=progress,
                matched=_say_first,
                heard=frozenset(facts.get("trained_on", ())),
            )
    click.echo(str(summary))
    click.echo(f"Written: {out}")


def _say_first(mixture: Mixture, result: MatchResult) -> None:
    for family, truth in mixture.players.items():
        first = result.family(family)[0].preset
        say(f"Mixture {mixture.number}, {family}: {truth.name} plays, {first.name} ({first.synth}) comes closest")
