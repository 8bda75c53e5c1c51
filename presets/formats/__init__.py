"""The table of preset formats: one file each, one row each.

A format reads a file into presets and writes presets back. What a file's presets share (size limits, text
encodings, errors) is handled in the format's own module.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Protocol

from synthmatch.errors import PresetError
from synthmatch.presets import catalogue
from synthmatch.presets.catalogue import Synth
from synthmatch.presets.formats.amsynth import AmsynthBank
from synthmatch.presets.formats.faustpatch import FaustPatch, FaustProgram
from synthmatch.presets.formats.soundfont import SoundFontFile
from synthmatch.presets.formats.syx import DX7Sysex, DX7Voices
from synthmatch.presets.formats.vital import VitalBank, VitalPreset
from synthmatch.presets.formats.vst2 import CHUNKS, Vst2File, plugin_file
from synthmatch.presets.formats.vstpreset import VstPreset
from synthmatch.presets.formats.zyn import ZynInstrument, ZynMaster
from synthmatch.presets.preset import Preset


class PresetFormat(Protocol):
    """One file format."""

    @property
    def suffix(self) -> str:
        """How its files end, in lower case, with the dot."""
        ...

    @property
    def many(self) -> bool:
        """Whether a file may hold several presets."""
        ...

    @property
    def readable(self) -> bool:
        """Whether it can be read; what can't is written for others to open."""
        ...

    def serves(self, synth: Synth) -> bool:
        """Whether presets of that synth can be written."""
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
        """Write presets as this format; reading them back gives the same states, names and comments, as far as
        the format has room for those.

        Raises:
            PresetError: this format can't hold them (another synth, too many, ...).
        """
        ...


def formats(known: Mapping[str, Synth] | None = None) -> tuple[PresetFormat, ...]:
    """Every format.

    Args:
        known: the synths among which a file's plugin is looked up; those of the catalogue if None.
    """
    return (
        AmsynthBank(),
        ZynInstrument(),
        ZynMaster(),
        VitalPreset(),
        VitalBank(),
        FaustPatch(),
        FaustProgram(),
        DX7Sysex(),
        DX7Voices(),
        Vst2File(".fxp", known),
        Vst2File(".fxb", known),
        VstPreset(known),
        SoundFontFile(".sf2"),
        SoundFontFile(".sf3"),
    )


@cache
def suffixes() -> frozenset[str]:
    """How files end that can be read."""
    return frozenset(row.suffix for row in formats() if row.readable)


def format_of(path: Path, known: Mapping[str, Synth] | None = None) -> PresetFormat:
    """The format of a file, by its suffix.

    Args:
        known: as for :func:`formats`.

    Raises:
        PresetError: no format has that suffix.
    """
    for row in formats(known):
        if path.suffix.lower() == row.suffix:
            return row
    raise PresetError(f"{path} isn't a known preset file; these are read: {', '.join(sorted(suffixes()))}.")


def formats_of(synth: Synth, known: Mapping[str, Synth] | None = None) -> tuple[PresetFormat, ...]:
    """The formats in which a match of a synth is written: its own first, then what plugin hosts load."""
    rows = {row.suffix: row for row in formats(known)}
    return tuple(rows[suffix] for suffix in synth.files)


def formats_for(preset: Preset, known: Mapping[str, Synth] | None = None) -> tuple[PresetFormat, ...]:
    """The formats in which one preset is written: those of its synth, but ``.fxb`` for a plugin's chunk that is a whole
    bank, which the plugin takes from no ``.fxp``.

    Raises:
        SynthError: its synth isn't known.
        PresetError: its state is damaged.
    """
    synth = catalogue.known_synth(preset.synth) if known is None else known[preset.synth]
    rows = formats_of(synth, known)
    if preset.synth in CHUNKS or all(row.suffix != ".fxp" for row in rows):
        return rows
    own = Vst2File(plugin_file(preset.state).suffix, known)
    return tuple(own if row.suffix == ".fxp" else row for row in rows)


def native_format(synth_id: str) -> PresetFormat:
    """The format in which a synth keeps its own presets.

    Raises:
        SynthError: no synth of that name is known.
    """
    return formats_of(catalogue.known_synth(synth_id))[0]
