"""Random patches of a plugin's parameters: a bank for a synth that came without any.

The same synth, count and seed give the same patches, on every machine. Only VST2 plugins and Audio Units can be
served: what a VST3 preset holds is known to the plugin alone.
"""

from __future__ import annotations

import random
import re
from pathlib import Path

import numpy as np

from synthmatch.errors import PresetError
from synthmatch.files import home, safe_name
from synthmatch.presets.catalogue import Parameter, Synth
from synthmatch.presets.formats.vst2 import Vst2File, parameter_state
from synthmatch.presets.preset import Preset

COUNT = 200
"""Patches in a bank."""

HELD = frozenset(
    {
        # An octave of detuning, or silence, is no sound design.
        *("tune", "tuning", "pitch", "transpose", "transposition", "octave", "oct", "semitone", "semitones", "semi"),
        *("coarse", "bend", "range", "volume", "vol", "gain", "level", "master", "output", "mute", "solo", "pan"),
        *("panning", "balance"),
        # Plumbing.
        *("bypass", "midi", "cc", "channel", "polyphony", "voices", "program", "bank", "preset", "tempo", "bpm"),
        *("oversampling", "quality", "velocity", "panic"),
    }
)
"""Words of parameters' names: what is called so keeps the value that it has in an untouched instance."""

_NEAR = 0.15
"""How far from its untouched value a cautious draw may go: a patch of wild draws alone is noise more often than not."""

_NAME = 27  # bytes of UTF-8 that an .fxb file has for a program's name


def is_held(name: str) -> bool:
    """Whether a parameter of that name keeps its untouched value.

    >>> is_held("Osc 1 Pitch"), is_held("masterVolume"), is_held("Cutoff"), is_held("Compander")
    (True, True, False, False)
    """
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])|[^A-Za-z]+", " ", name)
    return not HELD.isdisjoint(spaced.lower().split())


def random_patches(synth: Synth, count: int = COUNT, seed: int = 0) -> tuple[Preset, ...]:
    """Patches whose values are drawn at random.

    Each patch is as bold as chance has it: of its values, that share is drawn evenly from 0 to 1, and the rest
    from within ``_NEAR`` of where the parameter stands untouched.

    Args:
        synth: with its ``parameters`` and its VST2 id.
        count: how many, at least 1.
        seed: other seeds give other patches.

    Raises:
        PresetError: the synth is a VST3 plugin, or has no parameter that may be drawn.
    """
    if synth.is_vst3:
        raise PresetError(
            f"Presets of {synth.title} can't be made up, since it is a VST3 plugin; give some.", remedy="presets"
        )
    if all(is_held(each.name) for each in synth.parameters):
        raise PresetError(
            f"{synth.title} has no parameters of which presets could be made up; give some.", remedy="presets"
        )
    # Python promises the same numbers from random() for ever.
    source = random.Random(f"{synth.id} {synth.plugin_id} {seed}")
    title = synth.title.encode()[: _NAME - len(" random 0001")].decode(errors="ignore").strip()
    bank = f"{synth.title} random"
    digits = max(3, len(str(count)))
    return tuple(
        Preset(f"{title} random {place + 1:0{digits}}", parameter_state(synth, _draw(synth, source)), bank, slot=place)
        for place in range(count)
    )


def _draw(synth: Synth, source: random.Random) -> list[float]:
    boldness = source.random()
    return [_value(each, boldness, source) for each in synth.parameters]


def _value(parameter: Parameter, boldness: float, source: random.Random) -> float:
    """A value from 0 to 1 that a 32-bit number holds exactly."""
    value = parameter.default
    if not is_held(parameter.name):
        bold, drawn = source.random() < boldness, source.random()
        value = drawn if bold else min(max(value + _NEAR * (2 * drawn - 1), 0.0), 1.0)
    return float(np.float32(value))


def random_bank_path(synth: Synth) -> Path:
    """Where the bank of a synth's random patches lies, whether it is there or not."""
    return home() / "banks" / synth.id / f"{safe_name(synth.title)} random.fxb"


def write_random_bank(synth: Synth, count: int = COUNT, seed: int = 0) -> Path:
    """Write ``random_patches`` as an ``.fxb`` bank, which any plugin host opens.

    Returns:
        Its path, ``random_bank_path``.

    Raises:
        PresetError: as for ``random_patches``.
    """
    path = random_bank_path(synth)
    Vst2File(".fxb", {synth.id: synth}).write(path, random_patches(synth, count, seed))
    return path
