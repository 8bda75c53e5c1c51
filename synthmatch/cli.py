"""The command line: one subcommand per stage. Parses, calls the package, prints; nothing else happens here.

Exit status: 0 done; 1 an error, in one line on stderr (``--debug`` shows where it came from); 2 wrong usage;
130 after Ctrl-C.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import NoReturn, TextIO

from synthmatch.errors import SynthmatchError
from synthmatch.words import printable

STOPPED = 130
"""Exit status after Ctrl-C, as shells have it."""


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit with its status.

    Args:
        arguments: those of the process if None.
    """
    sys.exit(run(arguments))


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    try:
        return _run(arguments)
    except KeyboardInterrupt:
        sys.stderr.write("stopped\n")
        return STOPPED


def _run(arguments: Sequence[str] | None) -> int:
    """As ``run``, but Ctrl-C leaves it: also while all commands are imported, which takes a while."""
    _open_closed_streams()
    for stream in (sys.stdout, sys.stderr):
        _print_any_name(stream)
    import click

    shared: dict[str, bool] = {}  # what --debug leaves here outlives click's context
    try:
        from synthmatch.commands.commandline import cli

        status = cli.main(arguments, prog_name="synthmatch", standalone_mode=False, obj=shared)
        sys.stdout.flush()
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.Abort:  # what click makes of it
        raise KeyboardInterrupt from None
    except BrokenPipeError:  # whoever read our output, `head` say, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:
        if shared.get("debug"):
            import traceback

            traceback.print_exc()
        click.echo(f"error: {describe(error)}", err=True)
        return 1
    return status if isinstance(status, int) else 0


def describe(error: Exception) -> str:
    """An error in one line."""
    text = printable(" ".join(str(error).split()))
    if isinstance(error, SynthmatchError) and (options := getattr(error, "__notes__", ())):
        return f"{text.removesuffix('.')} ({', '.join(options)})."
    if isinstance(error, SynthmatchError | OSError):  # a full disk, a folder that can't be written: not our mistake
        return text
    return f"unexpected {type(error).__name__} ({text}); run again with --debug and report what it shows."


def _open_closed_streams() -> None:
    """What is printed goes nowhere where the shell closed a stream (``>&-``): Python then has none at all, and the next
    file that is opened, a library's say, would be what libraries print into."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", encoding="utf-8"))


def _print_any_name(stream: TextIO) -> None:
    """Let a preset's name pass whose letters the terminal doesn't know."""
    reconfigure = getattr(stream, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="replace")
