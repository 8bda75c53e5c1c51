"""Errors on the command line: the sentence that a page and Python read, and the options that do what it advises."""

from __future__ import annotations

import pickle
from collections.abc import Iterator

import click
import pytest

from synthmatch import cli
from synthmatch.commands import commandline
from synthmatch.commands.framework import Command
from synthmatch.commands.remedies import OPTIONS
from synthmatch.errors import AudioError, SynthmatchError


def commands(group: click.Group = commandline.cli) -> Iterator[click.Command]:
    for command in group.commands.values():
        if isinstance(command, click.Group):
            yield from commands(command)
        else:
            yield command


def told(error: SynthmatchError, *options: str) -> str:
    """What a command with some options says of an error."""

    def fail() -> None:
        raise error

    command = Command("fail", callback=fail, params=[click.Option([option], expose_value=False) for option in options])
    with pytest.raises(SynthmatchError) as raised:
        command.main([], standalone_mode=False)
    assert raised.value is error
    return cli.describe(raised.value)


def test_an_error_names_the_options_that_the_command_has() -> None:
    sentence = "song.wav is damaged; name a passage of it."
    both = told(AudioError(sentence, remedy="passage"), "--end", "--start", "--out")
    assert both == "song.wav is damaged; name a passage of it (--start, --end)."
    assert told(AudioError(sentence, remedy="passage"), "--end").endswith(" of it (--end).")
    assert told(AudioError(sentence, remedy="passage"), "--out") == sentence
    assert told(AudioError(sentence), "--start") == sentence


@pytest.mark.parametrize("remedy", OPTIONS)
def test_each_remedy_is_had_by_a_command(remedy: str) -> None:
    had = [{name for parameter in command.params for name in parameter.opts} for command in commands()]
    assert any(names.issuperset(OPTIONS[remedy]) for names in had)


def test_a_remedy_comes_along_from_another_process() -> None:
    error = pickle.loads(pickle.dumps(AudioError("It is damaged.", remedy="passage")))
    assert (str(error), error.remedy) == ("It is damaged.", "passage")
