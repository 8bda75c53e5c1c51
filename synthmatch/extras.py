"""What synthmatch wants of other packages, by what it says of itself where it is installed: how to get what is missing.

Advice names the missing distributions themselves, never ``synthmatch[...]``: synthmatch is installed from a clone, and
whatever a package index has under its name needn't be synthmatch.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_SYNTHMATCH = "synthmatch"
_EXTRA = re.compile(r"extra\s*==\s*['\"]([^'\"]+)")
_DISTRIBUTION = re.compile(r"[\w.-]+")


@dataclass(frozen=True)
class Requirement:
    """A distribution that is wanted.

    Args:
        name: by which pip knows it.
        extra: of synthmatch, to which it belongs; "" if nothing works without it.
        version: that is installed; "" if it is missing.
    """

    name: str
    extra: str
    version: str


def requirements() -> Iterator[Requirement]:
    """Whatever synthmatch wants, extra by extra; nothing where it runs without being installed."""
    from importlib import metadata  # by the way to an error alone: it takes long to load

    try:
        wanted = metadata.requires(_SYNTHMATCH) or ()
    except metadata.PackageNotFoundError:
        return
    for line in wanted:
        named, extra = _DISTRIBUTION.match(line), _EXTRA.search(line)
        if named is None:
            continue
        try:
            version = metadata.version(named[0])
        except metadata.PackageNotFoundError:
            version = ""
        yield Requirement(named[0], extra[1] if extra else "", version)


def remedy(extra: str) -> str:
    """How to get what an extra of synthmatch brings, as the end of a sentence.

    Returns:
        A command that installs what is missing of it; or all of it, if something is there and doesn't work.
    """
    wanted = [each for each in requirements() if each.extra == extra]
    missing = [each for each in wanted if not each.version]
    if not wanted:
        return f"install synthmatch's extra `{extra}` from where you have synthmatch itself, as its README says"
    return installing(*(each.name for each in missing or wanted))


def installing(*distributions: str) -> str:
    """The command that installs distributions, as the end of a sentence.

    >>> installing("starlette", "uvicorn")
    'run `pip install starlette uvicorn`'
    """
    return f"run `pip install {' '.join(distributions)}`"
