"""``synthmatch doctor``: what is there, and what to do about what isn't."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path

import click

from synthmatch.commands.framework import Command, library_option, model_option, tell
from synthmatch.errors import SynthmatchError


@click.command(cls=Command)
@library_option
@model_option
def doctor(library_path: Path | None, model: Path | None) -> None:
    """Say what is found, what isn't, and what to do about it."""
    from synthmatch.doctor import examine

    findings = examine(library_path, model)
    for topic, group in groupby(findings, key=lambda each: each.topic):
        click.echo(topic.value)
        for each in group:
            tell(f"  {each.mark.value:<8} {each.subject}: {each.sentence}")
    if not any(each.works for each in findings):
        raise SynthmatchError("No synth plays on this machine; the lines above say what to do.")
