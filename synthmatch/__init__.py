"""synthmatch: a song goes in; for each part in it, the closest presets of your own synths come out.

>>> import synthmatch as sm
>>> matcher = sm.Matcher(sm.Library.open())                  # doctest: +SKIP
>>> result = matcher.match("song.mp3", families=["bass"])    # doctest: +SKIP
>>> for match in matcher.export(result, "found").family("bass"):   # doctest: +SKIP
...     print(match.rank, match.score, match.preset.name, match.files)

Names are imported when they are first used: a plugin host process must never load torch, and
``synthmatch --help`` needn't wait for it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from synthmatch._version import __version__

if TYPE_CHECKING:
    from synthmatch.audio import Clip, read
    from synthmatch.errors import SynthmatchError
    from synthmatch.library.choice import Choice
    from synthmatch.library.intake import AddReport
    from synthmatch.library.library import Library
    from synthmatch.library.listing import Listing
    from synthmatch.matching.listening import Query
    from synthmatch.matching.matcher import Matcher
    from synthmatch.matching.results import FamilyMatches, Match, MatchResult
    from synthmatch.networks.encoder import Encoder
    from synthmatch.notes import Note, Performance
    from synthmatch.presets.bank import PresetBank
    from synthmatch.presets.preset import Preset, State
    from synthmatch.refining.refinement import Effort, Move, Refinement, refine
    from synthmatch.refining.starts import save
    from synthmatch.renderers.pool import RenderPool

_HOMES = {
    "AddReport": "synthmatch.library.intake",
    "Choice": "synthmatch.library.choice",
    "Clip": "synthmatch.audio",
    "Effort": "synthmatch.refining.refinement",
    "Encoder": "synthmatch.networks.encoder",
    "FamilyMatches": "synthmatch.matching.results",
    "Library": "synthmatch.library.library",
    "Listing": "synthmatch.library.listing",
    "Match": "synthmatch.matching.results",
    "MatchResult": "synthmatch.matching.results",
    "Matcher": "synthmatch.matching.matcher",
    "Move": "synthmatch.refining.refinement",
    "Note": "synthmatch.notes",
    "Performance": "synthmatch.notes",
    "Preset": "synthmatch.presets.preset",
    "PresetBank": "synthmatch.presets.bank",
    "Query": "synthmatch.matching.listening",
    "Refinement": "synthmatch.refining.refinement",
    "RenderPool": "synthmatch.renderers.pool",
    "State": "synthmatch.presets.preset",
    "SynthmatchError": "synthmatch.errors",
    "read": "synthmatch.audio",
    "refine": "synthmatch.refining.refinement",
    "save": "synthmatch.refining.starts",
}

__all__ = [
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


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'synthmatch' has no attribute {name!r}")
    return getattr(import_module(home), name)


def __dir__() -> list[str]:
    return __all__
