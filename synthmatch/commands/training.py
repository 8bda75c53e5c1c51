"""``synthmatch train`` and ``synthmatch evaluate``."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from synthmatch.commands.framework import (
    Command,
    Progress,
    json_option,
    library_option,
    model_option,
    say,
    workers_option,
)

if TYPE_CHECKING:
    from synthmatch.training.finetuning.objective import Losses as LessonLosses
    from synthmatch.training.learning.objective import Losses

_data_option = click.option(
    "--data",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Where recorded notes are kept; `training/notes` in synthmatch's home if not given.",
)


@click.command(cls=Command)
@click.option("--recipe", metavar="NAME", help="A recipe of the package, or a TOML file; `released` if not given.")
@click.option(
    "--from",
    "base",
    metavar="FILE",
    help="Fine-tune this encoder (`released` is the one that comes with synthmatch) on the presets of your library.",
)
@library_option
@_data_option
@click.option(
    "--run",
    "folder",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="The run's checkpoint and log; a folder in `training/runs` in synthmatch's home if not given.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The encoder to write; `encoder.safetensors` in the run's folder if not given.",
)
@click.option("--stop-at", type=click.IntRange(min=1), metavar="N", help="Stop after this step; a later call goes on.")
@click.option(
    "--minutes",
    type=click.FloatRange(0, min_open=True),
    metavar="N",
    help="Record nothing and begin no step after so many minutes; a later call goes on.",
)
@click.option(
    "--memory-gb",
    type=click.FloatRange(0),
    metavar="N",
    help="What recordings may take of memory, or of the GPU's; if there are more, they stay on disk; 14 if not given.",
)
@workers_option
def train(
    recipe: str | None,
    base: str | None,
    library_path: Path | None,
    data: Path | None,
    folder: Path | None,
    out: Path | None,
    stop_at: int | None,
    minutes: float | None,
    memory_gb: float | None,
    workers: int | None,
) -> None:
    """Train an encoder on the installed synths' banks, or fine-tune one on your library.

    What was recorded or trained before goes on where it was.
    """
    from synthmatch.files import home
    from synthmatch.machine import keep_memory
    from synthmatch.training import run

    keep_memory()
    if base is not None:
        if recipe is not None:
            raise click.UsageError("--from fine-tunes and follows no recipe; leave out --recipe.")
        if memory_gb is not None:
            raise click.UsageError("--from reads its notes from disk as it needs them; leave out --memory-gb.")
        _finetune(base, library_path, data, folder, out, stop_at, minutes, workers)
        return
    if library_path is not None:
        raise click.UsageError("--library is what an encoder is fine-tuned on; name the encoder with --from.")
    recipe = recipe or "released"
    folder = folder or home() / "training" / "runs" / Path(recipe).stem
    out = out or folder / "encoder.safetensors"
    with (
        Progress("recording", "preset") as recorded,
        Progress("training", "step") as trained,
        Progress("presence", "step") as listened,
    ):

        def stepped(step: int, steps: int, losses: Losses) -> None:
            trained(step, steps, f"loss {float(losses.total.detach()):.3f}")

        def taught(step: int, steps: int, loss: float) -> None:
            listened(step, steps, f"loss {loss:.3f}")

        done = run.train(
            recipe,
            data or _notes(),
            folder,
            out,
            workers=workers,
            stop_at=stop_at,
            minutes=minutes,
            memory_gb=run.MEMORY_GB if memory_gb is None else memory_gb,
            recorded=recorded,
            stepped=stepped,
            taught=taught,
            said=say,
        )
    if done.written:
        click.echo(f"{out}: an encoder after {done.taken} steps.")
    elif done.first:
        click.echo(f"{folder}: {done}; the same command goes on.")


def _finetune(
    base: str,
    library_path: Path | None,
    data: Path | None,
    folder: Path | None,
    out: Path | None,
    stop_at: int | None,
    minutes: float | None,
    workers: int | None,
) -> None:
    from synthmatch.files import home, require_unread
    from synthmatch.networks.encoder import RELEASED
    from synthmatch.training.finetuning import finetune

    if out is not None:
        require_unread(out, RELEASED if base == "released" else Path(base))
    with Progress("recording", "preset") as recorded, Progress("fine-tuning", "step") as trained:

        def stepped(step: int, steps: int, losses: LessonLosses) -> None:
            trained(step, steps, f"loss {float(losses.total.detach()):.3f}")

        done = finetune.finetune(
            RELEASED if base == "released" else Path(base),
            library_path,
            (data or _notes()) / "own",
            home() / "training" / "runs",
            folder=folder,
            out=out,
            minutes=minutes,
            stop_at=stop_at,
            workers=workers,
            recorded=recorded,
            stepped=stepped,
        )
    if done is None:
        click.echo("The time was over before a step could be taken; the same command goes on.")
        return
    click.echo("\n".join(done.lines()))


@click.command(cls=Command)
@click.option(
    "--suite",
    "suites",
    multiple=True,
    metavar="NAME",
    help="single, mixture, mixture-full, song, degraded, unseen-synth or resynthesis; repeatable. All but the last two "
    "if not given.",
)
@json_option
@click.option(
    "--mixtures", type=click.IntRange(min=1), metavar="N", help="How many mixtures or songs each suite asks about."
)
@click.option("--out", type=click.Path(path_type=Path), metavar="FILE.md", help="Write the table, and JSON beside it.")
@model_option
@click.option(
    "--rival",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="An encoder by the paper's recipe, for a row of its own.",
)
@_data_option
@workers_option
def evaluate(
    suites: tuple[str, ...],
    as_json: bool,
    mixtures: int | None,
    out: Path | None,
    model: Path | None,
    rival: Path | None,
    data: Path | None,
    workers: int | None,
) -> None:
    """Measure how often the right preset is found."""
    from synthmatch.files import require_place, require_unread, write_text
    from synthmatch.networks.encoder import RELEASED
    from synthmatch.training import evaluate as benchmark
    from synthmatch.training.config import read_recipe
    from synthmatch.training.recorded.recording import gather, installed_presets
    from synthmatch.training.split import frozen

    suites = suites or benchmark.USUAL
    unknown = set(suites) - set(benchmark.SUITES)
    if unknown:
        raise click.BadParameter(f"no suite {', '.join(sorted(unknown))}; choose of {', '.join(benchmark.SUITES)}.")
    if out is not None:
        if out.suffix == ".json":
            raise click.BadParameter("--out names the table, FILE.md; the JSON is written beside it.")
        require_place(out)
        for place in (out, out.with_suffix(".json")):
            require_unread(place, model, rival)
    for path in filter(None, (model or RELEASED, rival)):
        benchmark.require_fair(path, suites, frozen())  # said now, not after minutes of recording
    with Progress("recording", "preset") as recorded:
        corpus = gather(data or _notes(), read_recipe("released").extra_notes, workers, recorded)
    began = time.monotonic()
    report = benchmark.evaluate(
        corpus,
        model or RELEASED,
        suites,
        mixtures,
        _typed(suites, mixtures, model, rival),
        say,
        rival,
        benchmark.banks_of(installed_presets()),
    )
    say(f"Measured in {(time.monotonic() - began) / 60:.1f} minutes, without what was recorded.")
    document = json.dumps(report.to_json(), indent=1)
    if out is not None:
        write_text(out, report.to_markdown())
        write_text(out.with_suffix(".json"), document + "\n")
    click.echo(document if as_json else report.to_markdown())


def _typed(suites: tuple[str, ...], mixtures: int | None, model: Path | None, rival: Path | None) -> str:
    """The command line that makes the same table again."""
    words = ["synthmatch evaluate", *(f"--suite {name}" for name in suites)]
    given = (("mixtures", mixtures), ("model", model), ("rival", rival))
    return " ".join([*words, *(f"--{name} {value}" for name, value in given if value is not None)])


def _notes() -> Path:
    from synthmatch.files import home

    return home() / "training" / "notes"
