"""``synthmatch serve``: the page."""

from __future__ import annotations

from pathlib import Path

import click

from synthmatch.commands.framework import Command, library_option, model_option, say


@click.command(cls=Command)
@click.option(
    "--port", type=click.IntRange(0, 65535), metavar="N", help="Where the page is; 8765 if not given, 0 for any free."
)
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    metavar="ADDRESS",
    help="Listen to other machines as well; only who has the token that is printed gets in.",
)
@click.option("--no-browser", is_flag=True, help="Don't open the page in a browser.")
@library_option
@model_option
def serve(port: int | None, host: str, no_browser: bool, library_path: Path | None, model: Path | None) -> None:
    """Open a page on which presets are found by ear.

    Drop a song, mark a passage, listen. Everything stays on this machine. Ctrl-C ends it.
    """
    from synthmatch.commands.library import load_encoder
    from synthmatch.web import serve as server

    server.require()
    address = server.Address(host, server.PORT if port is None else port)
    server.serve(library_path, load_encoder(model), address, _announce, not no_browser)


def _announce(place: str) -> None:
    click.echo(f"The page: {place}")
    say("Ctrl-C ends it.")
