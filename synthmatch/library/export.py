"""A preset as files: its synth's own, what plugin hosts load, its parameters, and how it sounds."""

from __future__ import annotations

import json
from pathlib import Path

from synthmatch import audio
from synthmatch.audio import Clip
from synthmatch.errors import PresetError
from synthmatch.files import safe_name, write_text
from synthmatch.presets.formats import formats_for
from synthmatch.presets.preset import Preset

MARK = "parameters.json"
"""The file by which a folder is known to be an exported preset."""


def export_preset(preset: Preset, preview: Clip, folder: Path) -> list[Path]:
    """Write a preset into a folder, which is made if need be.

    ``preview.flac`` is at the level at which the synth plays, unless that passes full scale: then it is
    scaled down, and ``preview_gain`` in ``parameters.json`` undoes it.

    Raises:
        PresetError: its format can't hold it.
        SynthError: its synth isn't known any more.
    """
    folder.mkdir(parents=True, exist_ok=True)
    stem = safe_name(preset.name, 60)
    written: list[Path] = []
    for form in formats_for(preset):
        written.append(folder / f"{stem}{form.suffix}")
        form.write(written[-1], [preset])
    gain = max(1.0, preview.peak * (1 + 2.0**-23))
    sound = folder / "preview.flac"
    audio.write(sound, preview.scaled(1 / gain) if gain > 1 else preview)
    about = folder / MARK
    write_text(about, json.dumps(_about(preset, gain), indent=1, ensure_ascii=False) + "\n")
    return [*written, about, sound]


def _about(preset: Preset, gain: float) -> dict[str, object]:
    try:
        parameters: dict[str, float] | None = preset.state.parameters()
    except PresetError:
        parameters = None  # this synth's states aren't sets of parameters: its own file says it all
    return {
        "id": preset.id,
        "name": preset.name,
        "synth": preset.synth,
        "bank": preset.bank,
        "family": preset.family,
        "label_source": preset.label_source,
        "author": preset.author,
        "comment": preset.comment,
        "tags": list(preset.tags),
        "preview_gain": gain,
        "parameters": parameters,
    }
