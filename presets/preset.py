"""States and presets: a state is a sound, a preset is a listing of one."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from synthmatch.errors import PresetError
from synthmatch.files import content_hash


@dataclass(frozen=True)
class State:
    """Everything that decides how a synth sounds, and nothing else.

    Two presets that sound the same because they hold the same values have the same state, whatever their
    names, authors and files. The formats see to it that ``data`` is canonical.

    Args:
        synth: the synth's id in the catalogue of synths, such as ``"amsynth"``.
        data: canonical bytes; for synths whose presets are a set of parameters, ``encode_parameters``. Empty:
            the synth as it is before any preset is loaded.
    """

    synth: str
    data: bytes = field(repr=False)

    @cached_property
    def id(self) -> str:
        """Hash of synth and data: the same for one sound wherever it is listed."""
        return content_hash(self.synth.encode(), self.data)

    def parameters(self) -> dict[str, float]:
        """The parameters by name.

        Raises:
            PresetError: this synth's states aren't sets of parameters.
        """
        try:
            return {str(name): float(value) for name, value in json.loads(self.data).items()}
        except (ValueError, TypeError, AttributeError) as error:  # no JSON, or JSON of another shape, as Vital's
            raise PresetError(f"A state of {self.synth} isn't a set of parameters; use its bytes.") from error


def encode_parameters(values: Mapping[str, float]) -> bytes:
    """Canonical bytes of a set of parameters: JSON, sorted by name, shortest exact numbers, no minus zero.

    Raises:
        PresetError: a value isn't finite.
    """
    for name, value in values.items():
        if not math.isfinite(value):
            raise PresetError(f"Parameter {name} is {value}; every parameter must be a finite number.")
    clean = {name: float(value) + 0.0 for name, value in values.items()}
    return json.dumps(clean, sort_keys=True, separators=(",", ":")).encode()


@dataclass(frozen=True)
class Preset:
    """A listing: a state under a name, in a bank, in a file.

    Args:
        name: as the bank gives it, stripped of surrounding blanks.
        state: how it sounds; several presets may share one.
        bank: the bank's name (file stem, or folder for one-preset files).
        file: the file it was read from.
        slot: its place within that file, from 0.
        family: a key of ``families.FAMILIES``, or "" while nobody knows.
        label_source: where ``family`` comes from: "field" (the bank states it), "name", "folder",
            "sound" (the classifier), or "" with no family.
        category: the bank's own field, as it stands there (ZynAddSubFX's type, 0 to 16), or "".
        author, comment: as the file gives them, or "".
        tags: further words, sorted.
    """

    name: str
    state: State
    bank: str = ""
    file: Path = Path()
    slot: int = 0
    family: str = ""
    label_source: str = ""
    category: str = ""
    author: str = ""
    comment: str = ""
    tags: tuple[str, ...] = ()

    @property
    def synth(self) -> str:
        """The synth's id."""
        return self.state.synth

    @property
    def id(self) -> str:
        """The state's id."""
        return self.state.id
