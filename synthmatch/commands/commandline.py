"""All commands in one group: what ``synthmatch`` stands for."""

from __future__ import annotations

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


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="synthmatch", message="%(prog)s %(version)s")
def cli() -> None:
    """A song goes in; for each part in it, the closest presets of your own synths come out."""


for command in (convert, doctor, library_group, synth_group, render, match, refine, serve, train, evaluate, demo):
    cli.add_command(command)
