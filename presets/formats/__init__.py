"""The table of preset formats: one file each, one row each.

A format reads a file into presets and writes a preset back. What a file's presets share (size limits,
text encodings, errors) is handled in the format's own module.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from synthmatch.errors import PresetError
from synthmatch.presets.formats.amsynth import AmsynthBank
from synthmatch.presets.formats.faustpatch import FaustPatch
from synthmatch.presets.formats.zyn import ZynInstrument
from synthmatch.presets.preset import Preset


class PresetFormat(Protocol):
    """One file format of one synth."""

    @property
    def synth(self) -> str:
        """The synth's id."""
        ...

    @property
    def suffix(self) -> str:
        """How its files end, in lower case, with the dot."""
        ...

    def read(self, path: Path) -> tuple[Sequence[Preset], Sequence[str]]:
        """Read every preset of a file.

        Returns:
            The presets, unlabelled, and one sentence (naming the file and the preset) per broken preset.

        Raises:
            PresetError: the file as a whole can't be read.
        """
        ...

    def write(self, path: Path, presets: Sequence[Preset]) -> None:
        """Write presets as this format; reading them back gives the same states, names and comments.

        Raises:
            PresetError: this format can't hold them (another synth, too many, ...).
        """
        ...

    def write_host(self, folder: Path, preset: Preset, stem: str) -> Path | None:
        """Write what a plugin host loads (.fxp or .fxb) as ``folder/stem.suffix``; None if no host can."""
        ...


FORMATS: tuple[PresetFormat, ...] = (AmsynthBank(), ZynInstrument(), FaustPatch())
SUFFIXES: frozenset[str] = frozenset(row.suffix for row in FORMATS)


def format_of(path: Path) -> PresetFormat:
    """The format of a file, by its suffix.

    Raises:
        PresetError: no format has that suffix.
    """
    for row in FORMATS:
        if path.suffix.lower() == row.suffix:
            return row
    raise PresetError(f"{path} isn't a known preset file; these are read: {', '.join(sorted(SUFFIXES))}.")


def native_format(synth: str) -> PresetFormat:
    """The format in which a synth keeps its own presets.

    Raises:
        PresetError: no format belongs to that synth.
    """
    for row in FORMATS:
        if row.synth == synth:
            return row
    raise PresetError(f"No preset format of a synth called {synth} is known.")
