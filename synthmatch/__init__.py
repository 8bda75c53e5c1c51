"""synthmatch: a song goes in; for each part in it, the closest presets of your own synths come out.

>>> import synthmatch as sm
>>> library = sm.Library.open()                              # doctest: +SKIP
>>> for match in sm.Matcher(library).match("song.mp3").family("bass"):   # doctest: +SKIP
...     print(match.rank, match.score, match.preset.name, match.files)

Names are imported when they are first used: a plugin host process must never load torch, and
``synthmatch --help`` needn't wait for it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from synthmatch._version import __version__

if TYPE_CHECKING:
    from synthmatch.audio import Clip
    from synthmatch.errors import SynthmatchError
    from synthmatch.library.library import Library
    from synthmatch.matching.listening import Query
    from synthmatch.matching.matcher import Matcher
    from synthmatch.matching.results import Match
    from synthmatch.networks.encoder import Encoder
    from synthmatch.notes import Note, Performance
    from synthmatch.presets.bank import PresetBank
    from synthmatch.presets.preset import Preset, State
    from synthmatch.refining.refinement import Effort, Refinement, refine

_HOMES = {
    "Clip": "synthmatch.audio",
    "Effort": "synthmatch.refining.refinement",
    "Encoder": "synthmatch.networks.encoder",
    "Library": "synthmatch.library.library",
    "Match": "synthmatch.matching.results",
    "Matcher": "synthmatch.matching.matcher",
    "Note": "synthmatch.notes",
    "Performance": "synthmatch.notes",
    "Preset": "synthmatch.presets.preset",
    "PresetBank": "synthmatch.presets.bank",
    "Query": "synthmatch.matching.listening",
    "Refinement": "synthmatch.refining.refinement",
    "State": "synthmatch.presets.preset",
    "SynthmatchError": "synthmatch.errors",
    "refine": "synthmatch.refining.refinement",
}

__all__ = [
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


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'synthmatch' has no attribute {name!r}")
    return getattr(import_module(home), name)


def __dir__() -> list[str]:
    return __all__
