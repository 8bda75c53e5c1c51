"""Drum kits of an installed SoundFont, and a plain beat.

The benchmark's songs are beaten on these kits; so, on others, are those that teach presence. Another beat is another
benchmark, and other training data.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from synthmatch.audio import ENCODER_RATE, Samples
from synthmatch.errors import TrainingError
from synthmatch.notes import Note, Performance
from synthmatch.presets.bank import PresetBank
from synthmatch.presets.catalogue import SYNTHS
from synthmatch.renderers.pool import RenderPool
from synthmatch.renderers.renderer import RenderJob
from synthmatch.renderers.synths import bank_folders, is_installed

SOUNDFONT = "TimGM6mb.sf2"
KICK, SNARE, CLOSED, OPEN = 36, 38, 42, 46
DRUMS = (KICK, SNARE, CLOSED, OPEN)
"""General MIDI's numbers of the drums of a beat."""

_HIT = 0.5  # seconds a key is held, which drums don't mind
_TAIL = 1.0


@dataclass(frozen=True, eq=False)
class Kit:
    """A drum kit: the sound of one hit of each drum, (n,) at 16 kHz, by MIDI pitch."""

    name: str
    hits: Mapping[int, Samples]


def installed_kits() -> tuple[Kit, ...]:
    """The drum kits of Debian's ``timgm6mb-soundfont``.

    Raises:
        TrainingError: SoundFonts can't be rendered, or this one isn't there.
    """
    row = SYNTHS["soundfont"]
    if not is_installed(row):
        raise TrainingError(f"SoundFonts can't be rendered; {row.remedy}.")
    files = _files()
    if not files:
        raise TrainingError(f"{SOUNDFONT} isn't there; install Debian's timgm6mb-soundfont.")
    return kits_of(files[0])


def has_kits() -> bool:
    """Whether :func:`installed_kits` finds any."""
    return is_installed(SYNTHS["soundfont"]) and bool(_files())


def _files() -> list[Path]:
    return [path for path in (folder / SOUNDFONT for folder in bank_folders(SYNTHS["soundfont"])) if path.exists()]


def kits_of(path: Path) -> tuple[Kit, ...]:
    """The drum kits of a SoundFont, by name.

    Raises:
        TrainingError: it has none, or one makes no sound.
    """
    presets = {preset.id: preset for preset in PresetBank.read(path) if preset.category == "kit"}
    played = tuple(Performance((Note(0.0, pitch, 100, _HIT),), _TAIL) for pitch in DRUMS)
    kits = []
    with RenderPool(1) as pool:
        for result in pool.render(RenderJob(preset.state, played) for preset in presets.values()):
            name = presets[result.job.state.id].name
            if not result.ok:
                raise TrainingError(f"The drum kit {name} of {path} makes no sound ({result.reason}).")
            kits.append(Kit(name, dict(zip(DRUMS, (clip.heard() for clip in result.clips), strict=True))))
    if not kits:
        raise TrainingError(f"{path} holds no drum kit; name a SoundFont that has one.")
    return tuple(sorted(kits, key=lambda kit: kit.name))


def beat(rng: np.random.Generator, kit: Kit, tempo: float, seconds: float) -> Samples:
    """A plain beat in 4/4: the kick on one and three and now and then before, the snare on two and four, the
    hi-hat in quarters, eighths or sixteenths, open at some ends of a bar.

    Args:
        tempo: beats a minute.

    Returns:
        Shape (round(seconds * 16,000),), unscaled; drums ring on until they are hit again.
    """
    out = np.zeros(round(seconds * ENCODER_RATE), np.float32)
    step = 60 / tempo / 4  # a sixteenth
    hats = int(rng.choice([4, 2, 1], p=[0.25, 0.6, 0.15]))
    extra = int(rng.choice([7, 10, 14]))
    ending = bool(rng.random() < 0.5)
    for place in range(int(seconds / step) + 1):
        slot = place % 16
        struck = [KICK] if slot in (0, 8, extra) else [SNARE] if slot in (4, 12) else []
        if slot % hats == 0:
            struck.append(OPEN if ending and slot == 16 - hats else CLOSED)
        first = round(place * step * ENCODER_RATE)
        for pitch in struck:
            hit = kit.hits[pitch][: max(0, len(out) - first)]
            out[first : first + len(hit)] += hit
    return out
