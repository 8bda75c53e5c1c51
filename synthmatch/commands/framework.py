"""What all commands share: ``--debug`` wherever it is typed, common options, progress, tables."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from synthmatch.closing import Closing
from synthmatch.commands.remedies import add_options
from synthmatch.errors import SynthmatchError
from synthmatch.presets.families import FAMILY_KEYS
from synthmatch.words import counted, printable

if TYPE_CHECKING:
    from tqdm import tqdm

    from synthmatch.renderers.pool import Pool

_Function = TypeVar("_Function", bound=Callable[..., Any])

_STEPS = 10  # plain lines that a whole progress takes


def _note_debug(context: click.Context, _parameter: click.Parameter, value: bool) -> None:
    if value:
        context.ensure_object(dict)["debug"] = True


def _debug_option() -> click.Option:
    return click.Option(
        ["--debug"], is_flag=True, expose_value=False, callback=_note_debug, help="Show where an error came from."
    )


class Seconds(click.FloatRange):
    """A time of a range, which ends: neither infinity, of which no clock knows, nor no number at all."""

    name = "seconds"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """As any number of a range."""
        seconds = super().convert(value, param, ctx)
        if not math.isfinite(seconds):
            self.fail(f"{value} is no time; give seconds.", param, ctx)
        return seconds


class Command(click.Command):
    """A command that takes ``--debug``, and whose errors name its options."""

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self.params.append(_debug_option())

    def invoke(self, ctx: click.Context) -> Any:
        """As any command."""
        try:
            return super().invoke(ctx)
        except SynthmatchError as error:
            add_options(error, self)
            raise


class Group(click.Group):
    """A group that takes ``--debug``, as do its commands."""

    command_class = Command
    group_class = type

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self.params.append(_debug_option())


def library_option(command: _Function) -> _Function:
    """``--library PATH``, handed over as ``library_path``."""
    return click.option(
        "--library",
        "library_path",
        type=click.Path(path_type=Path),
        metavar="PATH",
        help="The library's folder, instead of the one in synthmatch's home.",
    )(command)


def model_option(command: _Function) -> _Function:
    """``--model FILE``."""
    return click.option(
        "--model",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="An encoder that `synthmatch train` wrote, instead of the released one.",
    )(command)


def workers_option(command: _Function) -> _Function:
    """``--workers N``."""
    return click.option(
        "--workers",
        type=click.IntRange(min=1),
        metavar="N",
        help="Presets rendered at a time; one per processor if not given.",
    )(command)


def timeout_option(command: _Function) -> _Function:
    """``--timeout SECONDS``."""
    return click.option(
        "--timeout",
        type=Seconds(0, min_open=True),
        default=60.0,
        show_default=True,
        metavar="SECONDS",
        help="How long one preset may take.",
    )(command)


_CHOICES = {
    "synths": ("--synth", "SYNTH", "Only presets of that synth; given again, of either."),
    "banks": ("--bank", "BANK", "Only presets of that bank; given again, of either."),
    "tags": ("--tag", "TAG", "Only presets that sound so (bright, slow-attack, ...) or have that tag; repeatable."),
    "words": ("--word", "WORD", "Only presets with WORD in their name; given again, with both."),
}


def choice_options(*fields: str) -> Callable[[_Function], _Function]:
    """Options by which presets are chosen, handed over under the names of these fields of
    :class:`synthmatch.library.choice.Choice`: ``synths``, ``banks``, ``tags``, ``words``; all of them if none is named.
    """

    def decorate(command: _Function) -> _Function:
        for name in reversed(fields or tuple(_CHOICES)):
            flag, metavar, text = _CHOICES[name]
            command = click.option(flag, name, multiple=True, metavar=metavar, help=text)(command)
        return command

    return decorate


def labelled_option(command: _Function) -> _Function:
    """``--family``, repeatable, handed over as ``families``: the presets' labels."""
    return click.option(
        "--family", "families", type=click.Choice(FAMILY_KEYS), multiple=True, help="Only presets labelled so."
    )(command)


def json_option(command: _Function) -> _Function:
    """``--json``, handed over as ``as_json``."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON alone on stdout.")(command)


def scheduler_option(command: _Function) -> _Function:
    """``--scheduler tcp://HOST:PORT``; goes with ``workers_option``, and both with ``open_pool``."""
    return click.option(
        "--scheduler",
        metavar="tcp://HOST:PORT",
        help="Render on the Dask cluster whose scheduler is there, instead of on this machine.",
    )(command)


def open_pool(workers: int | None, scheduler: str | None, timeout: float = 60.0, log: Path | None = None) -> Pool:
    """What renders: this machine's processes, or a cluster; a context manager.

    Args:
        workers: how many jobs run at once here; the number of processors if None.
        scheduler: the address of a cluster's scheduler, or None.
        timeout: seconds that one job may take.
        log: a file to which what plugins print is appended, ``plugins.log`` in synthmatch's home if None; on a
            cluster, each machine keeps its own, and none can be named.

    Raises:
        UsageError: a cluster's workers can't be counted from here, nor its logs be named.
        RenderError: the cluster can't be reached.
    """
    if scheduler is None:
        from synthmatch.renderers.host import plugin_log
        from synthmatch.renderers.pool import RenderPool

        if log is not None:
            log.parent.mkdir(parents=True, exist_ok=True)
        return RenderPool(workers, timeout=timeout, log=log or plugin_log())
    if workers is not None:
        raise click.UsageError("--workers is for this machine; with --scheduler the cluster's workers all take part.")
    if log is not None:
        raise click.UsageError("--log is for this machine; with --scheduler each machine has its own plugins.log.")
    from synthmatch.renderers.cluster import ClusterPool

    return ClusterPool(scheduler, timeout)


class Progress(Closing):
    """How far something is, on stderr: a bar on a terminal, elsewhere a line every 10 % or so.

    Call it with (done, total) as often as you like; another total begins anew.

    Args:
        title: what is being done.
        unit: what is counted, in the singular.
    """

    def __init__(self, title: str, unit: str) -> None:
        self._title, self._unit = title, unit
        self._total = -1
        self._shown = -1
        self._bar: tqdm[Any] | None = None

    def __call__(self, done: int, total: int, remark: str = "") -> None:
        """Show ``done`` of ``total``; ``remark`` is added."""
        if total != self._total:
            self._begin(done, total)
        if self._bar is not None:
            self._bar.set_postfix_str(remark, refresh=False)
            self._bar.update(done - self._bar.n)
            return
        step = done * _STEPS // total if total else _STEPS
        if step != self._shown:
            self._shown = step
            words = (f"{self._title}: {done} of {counted(total, self._unit)}", remark)
            click.echo(", ".join(filter(None, words)), err=True)

    def _begin(self, done: int, total: int) -> None:
        self.close()
        self._total, self._shown = total, -1
        if sys.stderr.isatty():
            from tqdm import tqdm

            # What a run before this one did doesn't count for the speed.
            self._bar = tqdm(total=total, initial=max(0, done - 1), desc=self._title, unit=self._unit, leave=True)

    def close(self) -> None:
        """Leave the bar as it stands."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None


def say(text: str) -> None:
    """Print on stderr a line that isn't the result."""
    click.echo(printable(text), err=True)


def tell(text: str) -> None:
    """Print a line of the result, whatever the names in it hold."""
    click.echo(printable(text))


def table(headings: Sequence[str], rows: Sequence[Sequence[object]], indent: str = "") -> str:
    """Text in columns, a line for each row, whatever its cells hold; columns of numbers are aligned to the right."""
    cells = [[printable(str(cell)) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(headings, *cells, strict=True)]
    numbers = [all(isinstance(row[place], int | float) for row in rows) for place in range(len(headings))]
    lines = []
    for row in ([*headings], *cells):
        padded = [
            cell.rjust(width) if number else cell.ljust(width)
            for cell, width, number in zip(row, widths, numbers, strict=True)
        ]
        lines.append((indent + "  ".join(padded)).rstrip())
    return "\n".join(lines)
