"""``synthmatch synth``: the synths that can be matched, and adding yours."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from synthmatch.commands.framework import Group, Progress, table
from synthmatch.words import counted, printable

if TYPE_CHECKING:
    from synthmatch.adoption import Adoption, Verdict
    from synthmatch.renderers.trial import Trial, Way

_json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")


@click.group("synth", cls=Group)
def synth_group() -> None:
    """Add, list, check and remove synths."""


@synth_group.command()
@click.argument("plugin", type=click.Path(path_type=Path))
@click.option(
    "--presets",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="A preset file, or a folder of them; give it more than once for several.",
)
@click.option("--name", metavar="ID", help="What synthmatch calls it; made from the plugin's name if not given.")
@click.option(
    "--effects-off",
    multiple=True,
    metavar="NAME=VALUE",
    help="A parameter that switches effects off, and its value from 0 to 1; give it more than once for several.",
)
@_json_option
def add(plugin: Path, presets: tuple[Path, ...], name: str | None, effects_off: tuple[str, ...], as_json: bool) -> None:
    """Add the synth PLUGIN, a .so, .dll, .vst, .vst3 or .component.

    Some of its presets are played in several ways, to find the fastest one in which each of them sounds as if it
    were the only one. What is found is written to synths.toml. Without --presets, random patches of the plugin's
    parameters make a bank; a VST3 plugin needs them.
    """
    from synthmatch.adoption import adopt

    with Progress("trying", "step") as progress:
        added = adopt(plugin, presets, name, effects_off, progress)
    click.echo(json.dumps(_added(added), indent=2) if as_json else _report(added))


@synth_group.command("list")
@_json_option
def list_(as_json: bool) -> None:
    """List all synths, and which of them are here."""
    from synthmatch.adoption import list_synths

    rows = [
        {
            "id": each.synth.id,
            "title": each.synth.title,
            "engine": each.synth.engine.value,
            "from": "you" if each.synth.mine else "synthmatch",
            "installed": each.installed,
            "presets": [str(path) for path in each.presets],
        }
        for each in list_synths()
    ]
    if as_json:
        click.echo(json.dumps(rows, indent=2))
    else:
        click.echo(table(list(rows[0]), [[_cell(value) for value in row.values()] for row in rows]))


@synth_group.command()
@click.argument("name", required=False)
@_json_option
@click.pass_context
def check(context: click.Context, name: str | None, as_json: bool) -> None:
    """Try a synth again, or all that you added, and say whether its entry still holds.

    Exits with status 1 if one doesn't, or can't be tried.
    """
    from synthmatch.adoption import check_synth, own_synths
    from synthmatch.errors import SynthmatchError

    names = [name] if name else [row.id for row in own_synths()]
    if not names and not as_json:
        click.echo("You have added no synths; name one, or add yours with `synthmatch synth add`.")
    told: list[dict[str, Any]] = []
    for each in names:
        try:
            with Progress(f"trying {each}", "step") as progress:
                verdict = check_synth(each, progress)
        except SynthmatchError as error:
            if name:  # nothing else was asked for
                raise
            told.append({"id": each, "holds": False, "error": str(error)})
            text = f"{each} can't be tried: {error}"
        else:
            told.append(_verdict(verdict))
            text = _holding(verdict)
        if not as_json:
            click.echo(text)  # at once: the next synth may take minutes
    if as_json:
        click.echo(json.dumps(told, indent=2))
    if not all(each["holds"] for each in told):
        context.exit(1)


@synth_group.command()
@click.argument("name")
def remove(name: str) -> None:
    """Remove a synth that you added."""
    from synthmatch.adoption import dismiss

    bank = dismiss(name)
    click.echo(f"{name} is removed{f', and its random patches {bank}' if bank else ''}.")
    click.echo(f"A library that holds presets of it keeps them until `synthmatch library remove {name}`.")


def _report(added: Adoption) -> str:
    from synthmatch.presets.ownsynths import entry_text

    probe, synth = added.probe, added.synth
    made = f"random patches in {added.bank}" if added.bank else "presets found"
    channels = f"{probe.inputs} channels in, {probe.outputs} out"
    lines = [
        f"{printable(probe.name)} ({probe.plugin_id or synth.plugin_id}), version {probe.plugin_version:#x}: "
        f"{len(probe.parameters)} parameters, {channels}; {added.presets} {made}.",
        _ways(added.trial),
        *_proposal(added),
        "",
        entry_text(synth).rstrip(),
        "",
        f"{synth.title} is added; `synthmatch library add {synth.id}` makes its presets matchable.",
    ]
    return "\n".join(lines)


def _holding(verdict: Verdict) -> str:
    synth = verdict.synth.id
    head = f"{synth} no longer holds:" if verdict.problems else f"{synth} holds."
    return "\n".join([_ways(verdict.trial), head, *(f"  {printable(problem)}" for problem in verdict.problems)])


def _ways(trial: Trial) -> str:
    """The table of ways, and what was chosen."""
    headings = ("isolation", "exact", "difference", "dB apart", "ms per preset", "")
    rows = [_way_cells(way, way.isolation is trial.synth.isolation) for way in trial.ways]
    synth = trial.synth
    again = "the same sound each time" if synth.repeatable else f"never the same twice, {trial.spread:.1f} dB apart"
    needs = ", ".join(
        filter(
            None,
            (
                f"random numbers started over by {synth.random_state}" if synth.random_state else "",
                "a single processor" if synth.one_processor else "",
                f"{synth.settle:g} s of silence in between",
            ),
        )
    )
    lines = [table(headings, rows, "  "), f"{counted(trial.presets, 'preset')} tried; {again}, with {needs}."]
    return "\n".join([*lines, *(f"left out: {reason}" for reason in trial.left_out)])


def _way_cells(way: Way, chosen: bool) -> tuple[str, ...]:
    remark = "chosen" if chosen else way.reason
    if way.reason:
        return way.isolation.value, "-", "-", "-", "-", remark
    yes = "yes" if way.exact else "no"
    return way.isolation.value, yes, f"{way.difference:.2g}", f"{way.spread:.1f}", f"{1000 * way.seconds:.1f}", remark


def _proposal(added: Adoption) -> list[str]:
    if not added.proposal:
        return []
    options = " ".join(f'--effects-off "{name}={value:g}"' for name, value in added.proposal)
    return [f"These may switch its effects off; to use them, remove it and add it again with {options}"]


def _added(added: Adoption) -> dict[str, Any]:
    from synthmatch.presets.ownsynths import entry

    return {
        "id": added.synth.id,
        "name": added.probe.name,
        "plugin_id": added.synth.plugin_id,
        "plugin_version": added.probe.plugin_version,
        "parameters": len(added.probe.parameters),
        "inputs": added.probe.inputs,
        "outputs": added.probe.outputs,
        "presets": added.presets,
        "random_bank": str(added.bank) if added.bank else None,
        "effects_off_proposal": dict(added.proposal),
        **_trial(added.trial),
        "entry": entry(added.synth),
    }


def _verdict(verdict: Verdict) -> dict[str, Any]:
    return {
        "id": verdict.synth.id,
        "holds": not verdict.problems,
        "problems": list(verdict.problems),
        **_trial(verdict.trial),
    }


def _trial(trial: Trial) -> dict[str, Any]:
    return {
        "tried": trial.presets,
        "left_out": list(trial.left_out),
        "isolation": trial.synth.isolation.value,
        "settle": trial.synth.settle,
        "random_state": trial.synth.random_state,
        "one_processor": trial.synth.one_processor,
        "repeatable": trial.synth.repeatable,
        "spread_db": trial.spread,
        "ways": [
            {
                "isolation": way.isolation.value,
                "exact": way.exact,
                "difference": way.difference if math.isfinite(way.difference) else None,
                "spread_db": way.spread if math.isfinite(way.spread) else None,
                "ms_per_preset": 1000 * way.seconds,
                "reason": way.reason,
            }
            for way in trial.ways
        ],
    }


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(value) if isinstance(value, list) else str(value)
