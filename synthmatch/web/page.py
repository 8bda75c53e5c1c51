"""The page itself: its template, and the files that it asks for.

The front end is bundled by ``make web``. Where that wasn't done, the page takes its own modules as they are: without
the waveform, but with the browser's own player.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable

from synthmatch._version import __version__
from synthmatch.matching.listening import PRESENT
from synthmatch.pages.cards import NOTHING_CLOSE, WORDS_FOR_PRESENCE, WORDS_FOR_SCORE
from synthmatch.presets.families import FAMILIES
from synthmatch.trust.report import WORDS_FOR_FAILURE
from synthmatch.web.limits import Limits

_TYPES = {
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}
_MAIN = "main.js"


@dataclass(frozen=True)
class Asset:
    """A file of the page: its bytes and their type."""

    data: bytes
    kind: str


@cache
def assets() -> dict[str, Asset]:
    """Every file that may be asked for, by the name in its address: read once, so that no address reaches the disk."""
    front = resources.files("synthmatch.web")
    return {
        f"{folder}/{name}": asset
        for folder in ("frontend", "bundle")
        for name, asset in _read(front.joinpath(folder)).items()
    }


def is_bundled() -> bool:
    """Whether the waveform is there: ``make web`` was run."""
    return f"bundle/{_MAIN}" in assets()


def page(limits: Limits, heard: Sequence[str], nonce: str) -> str:
    """The page, as HTML.

    Args:
        heard: the families that the encoder tells apart: those that a match can be asked for. Presets of the others
            may stand on the map all the same, by their labels.
        nonce: of the policy under which it is sent.
    """
    import jinja2

    loader = jinja2.FunctionLoader(_template)
    environment = jinja2.Environment(autoescape=True, loader=loader, undefined=jinja2.StrictUndefined)
    return environment.get_template("page.html").render(
        version=__version__,
        source="bundle" if is_bundled() else "frontend",
        families=FAMILIES.values(),
        heard=heard,
        words={
            "score": WORDS_FOR_SCORE,
            "presence": WORDS_FOR_PRESENCE,
            "present": PRESENT,
            "nothing_close": NOTHING_CLOSE,
            "failure": {failure.value: words for failure, words in WORDS_FOR_FAILURE.items()},
        },
        limits=limits,
        nonce=nonce,
    )


def _template(name: str) -> str:
    return resources.files("synthmatch.web").joinpath("frontend", name).read_text(encoding="utf-8")


def _read(folder: Traversable) -> dict[str, Asset]:
    if not folder.is_dir():
        return {}
    found = {}
    for file in folder.iterdir():
        kind = _TYPES.get("." + file.name.rpartition(".")[2])
        if kind is not None:
            found[file.name] = Asset(file.read_bytes(), kind)
    return found
