"""Which options do what an error advises: sentences speak of things, and only who types a command has options."""

from __future__ import annotations

from collections.abc import Mapping

import click

from synthmatch.errors import SynthmatchError

OPTIONS: Mapping[str, tuple[str, ...]] = {
    "encoder": ("--model",),
    "folder": ("--out",),
    "library": ("--library",),
    "midi": ("--midi",),
    "name": ("--name",),
    "notes": ("--note", "--midi"),
    "overwrite": ("--out", "--force"),
    "passage": ("--start", "--end"),
    "port": ("--port",),
    "presets": ("--presets",),
    "shared": ("--data", "--run"),
    "synth": ("--synth",),
}
"""By an error's ``remedy``."""


def add_options(error: SynthmatchError, command: click.Command) -> None:
    """Note on an error those options of the command that do what it advises."""
    own = {name for parameter in command.params for name in parameter.opts}
    options = [option for option in OPTIONS.get(error.remedy, ()) if option in own]
    if options:
        error.add_note(", ".join(options))
