"""The command line: one subcommand per stage. Parses, calls the package, prints; nothing else happens here.

Exit status: 0 done; 1 an error, in one line on stderr (``--debug`` shows where it came from); 2 wrong usage;
130 after Ctrl-C.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence
from typing import NoReturn, TextIO

import click

from synthmatch._version import __version__
from synthmatch.commands.convert import convert
from synthmatch.commands.demo import demo
from synthmatch.commands.doctor import doctor
from synthmatch.commands.framework import Group
from synthmatch.commands.library import library_group
from synthmatch.commands.match import match
from synthmatch.commands.refine import refine
from synthmatch.commands.render import render
from synthmatch.commands.serve import serve
from synthmatch.commands.synth import synth_group
from synthmatch.commands.training import evaluate, train
from synthmatch.errors import SynthmatchError

STOPPED = 130
"""Exit status after Ctrl-C, as shells have it."""


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="synthmatch", message="%(prog)s %(version)s")
def cli() -> None:
    """A song goes in; for each part in it, the closest presets of your own synths come out."""


for command in (convert, doctor, library_group, synth_group, render, match, refine, serve, train, evaluate, demo):
    cli.add_command(command)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit with its status.

    Args:
        arguments: those of the process if None.
    """
    sys.exit(run(arguments))


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    for stream in (sys.stdout, sys.stderr):
        _print_any_name(stream)
    shared: dict[str, bool] = {}  # what --debug leaves here outlives click's context
    try:
        status = cli.main(arguments, prog_name="synthmatch", standalone_mode=False, obj=shared)
        sys.stdout.flush()
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):  # click turns one into the other
        click.echo("stopped", err=True)
        return STOPPED
    except BrokenPipeError:  # whoever read our output, `head` say, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:
        if shared.get("debug"):
            traceback.print_exc()
        click.echo(f"error: {describe(error)}", err=True)
        return 1
    return status if isinstance(status, int) else 0


def describe(error: Exception) -> str:
    """An error in one line."""
    text = " ".join(str(error).split())
    if isinstance(error, SynthmatchError | OSError):  # a full disk, a folder that can't be written: not our mistake
        return text
    return f"unexpected {type(error).__name__} ({text}); run again with --debug and report what it shows."


def _print_any_name(stream: TextIO) -> None:
    """Let a preset's name pass whose letters the terminal doesn't know."""
    reconfigure = getattr(stream, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="replace")
