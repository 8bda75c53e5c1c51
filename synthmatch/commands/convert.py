"""``synthmatch convert``: presets in another format of their synth."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from synthmatch.commands.framework import Command, tell
from synthmatch.words import counted

if TYPE_CHECKING:
    from synthmatch.convert import ConvertReport

    _ParamType = click.ParamType[str]
else:
    _ParamType = click.ParamType  # which older versions of click don't let be parameterised


class _Format(_ParamType):
    """A suffix that can be written, with or without its dot; the formats are asked when it's needed."""

    name = "format"

    def choices(self) -> list[str]:
        from synthmatch.convert import writable_suffixes

        return [suffix.removeprefix(".") for suffix in writable_suffixes()]

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:  # noqa: ARG002
        return f"[{'|'.join(self.choices())}]"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        found = str(value).lower().removeprefix(".")
        if found not in self.choices():
            self.fail(f"{value!r} can't be written; choose one of {', '.join(self.choices())}.", param, ctx)
        return f".{found}"


@click.command(cls=Command)
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="PATH...")
@click.option("--to", "suffix", required=True, type=_Format(), help="The format to write.")
@click.option(
    "--out",
    "folder",
    type=click.Path(path_type=Path),
    default=Path(),
    metavar="DIR",
    help="Where to, instead of the current folder.",
)
@click.option("--name", default="", metavar="NAME", help="What the file is called, if there is one.")
@click.option("--force", is_flag=True, help="Overwrite files that are there already.")
def convert(paths: tuple[Path, ...], suffix: str, folder: Path, name: str, force: bool) -> None:
    """Write presets in another format of their synth.

    PATH is a preset file, or a folder of them. A format whose files hold one preset gets a file for each, named after
    the preset; one whose files hold many gets a single file, named after the bank.
    """
    from synthmatch.convert import convert
    from synthmatch.errors import PresetError
    from synthmatch.presets.bank import PresetBank

    report = convert(PresetBank.read(*paths), suffix, folder, name=name, force=force)
    if not report.written and len(report.faults) == 1:
        raise PresetError(report.faults[0].reason)
    _print_report(report, folder)
    if not report.written:
        raise PresetError(f"Nothing could be converted to {suffix}; the lines above say why.")


def _print_report(report: ConvertReport, folder: Path) -> None:
    if len(report.written) == 1:
        tell(f"{counted(report.presets, 'preset')} written: {report.written[0]}")
    elif report.written:
        tell(f"{counted(report.presets, 'preset')} written to {len(report.written)} files: {folder}")
    if report.faults:
        click.echo(f"{len(report.faults)} could not be converted:")
        for fault in report.faults:
            tell(f"  {fault.reason}")
