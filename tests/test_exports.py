"""The public surface: what `import synthmatch as sm` gives. A name that goes is a promise that is broken."""

from __future__ import annotations

import inspect
import subprocess
import sys
from collections.abc import Callable

import pytest

import synthmatch

SURFACE = [
    "AddReport",
    "Choice",
    "Clip",
    "Effort",
    "Encoder",
    "FamilyMatches",
    "Library",
    "Listing",
    "Match",
    "MatchResult",
    "Matcher",
    "Move",
    "Note",
    "Performance",
    "Preset",
    "PresetBank",
    "Query",
    "Refinement",
    "RenderPool",
    "State",
    "SynthmatchError",
    "__version__",
    "read",
    "refine",
    "save",
]


def test_the_surface_is_this() -> None:
    assert synthmatch.__all__ == SURFACE
    assert dir(synthmatch) == SURFACE


@pytest.mark.parametrize("name", SURFACE)
def test_every_name_is_there(name: str) -> None:
    thing = getattr(synthmatch, name)
    if isinstance(thing, type):
        assert thing.__name__ == name
        assert thing.__module__.startswith("synthmatch.")


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Kazoo'"):
        _ = synthmatch.Kazoo


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = "import sys, synthmatch; sys.exit(bool({'torch', 'numpy', 'soundfile', 'click'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


@pytest.mark.parametrize(
    ("function", "subject"),
    [
        (synthmatch.Library.add, ["self", "bank"]),
        (synthmatch.Library.repair, ["self"]),
        (synthmatch.Library.update, ["self", "encoder"]),
        (synthmatch.Matcher, ["library", "encoder"]),
        (synthmatch.Matcher.match, ["self", "song"]),
        (synthmatch.Matcher.export, ["self", "result", "out"]),
        (synthmatch.RenderPool, ["workers"]),
        (synthmatch.refine, ["start", "clip", "notes"]),
    ],
)
def test_what_is_not_the_subject_is_named(function: Callable[..., object], subject: list[str]) -> None:
    parameters = inspect.signature(function).parameters.values()
    assert [each.name for each in parameters if each.kind is not each.KEYWORD_ONLY] == subject


@pytest.mark.parametrize(
    "function",
    [
        synthmatch.Library.add,
        synthmatch.Library.repair,
        synthmatch.Library.update,
        synthmatch.Matcher,
        synthmatch.refine,
    ],
)
def test_an_encoder_need_not_be_named(function: Callable[..., object]) -> None:
    assert inspect.signature(function).parameters["encoder"].default is None
