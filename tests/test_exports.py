"""The public surface: what `import synthmatch as sm` gives. A name that goes is a promise that is broken."""

from __future__ import annotations

import subprocess
import sys

import pytest

import synthmatch

SURFACE = [
    "Clip",
    "Effort",
    "Encoder",
    "Library",
    "Match",
    "Matcher",
    "Note",
    "Performance",
    "Preset",
    "PresetBank",
    "Query",
    "Refinement",
    "State",
    "SynthmatchError",
    "__version__",
    "refine",
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
