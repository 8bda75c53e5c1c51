"""What synthmatch finds on this machine, and what to do about what it doesn't find."""

from __future__ import annotations

import enum
import platform
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from synthmatch.errors import PluginMissing, SynthmatchError
from synthmatch.presets.catalogue import Synth, synths
from synthmatch.presets.formats import format_of, suffixes
from synthmatch.presets.preset import Preset
from synthmatch.renderers.synths import bank_folders, find_plugin, require

_NAME = "synthmatch"


class Topic(enum.Enum):
    """What a finding is about, as a heading."""

    SYNTHS = "Synths"
    BANKS = "Banks"
    MODEL = "Model"
    LIBRARY = "Library"
    PACKAGES = "Python"


class Mark(enum.Enum):
    """How a finding is."""

    FOUND = "found"
    MISSING = "missing"  # it can be done without
    BROKEN = "broken"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked for.

    Args:
        subject: what.
        sentence: where it was found, or what to do about it.
        works: whether it is a synth that played a preset just now.
    """

    topic: Topic
    mark: Mark
    subject: str
    sentence: str
    works: bool = False


def examine(library: Path | None = None, model: Path | None = None) -> tuple[Finding, ...]:
    """Look for everything. Each synth that is found plays one preset, which takes a second or two.

    Args:
        library: its folder; the default one if None.
        model: an encoder's file; the released one if None.
    """
    return (
        *map(_synth, synths().values()),
        *map(_banks, synths().values()),
        _model(model),
        _library(library, model),
        *_packages(),
    )


def _synth(row: Synth) -> Finding:
    try:
        require(row)
    except PluginMissing as error:
        return Finding(Topic.SYNTHS, Mark.MISSING, row.id, str(error))
    place = str(find_plugin(row) or "built in")
    preset = _first_preset(row)
    if preset is None:
        return Finding(Topic.SYNTHS, Mark.FOUND, row.id, f"{place}; not tried, since none of its presets is here")
    reason = _try(preset)
    if reason:
        return Finding(Topic.SYNTHS, Mark.BROKEN, row.id, f"{place}; {reason}")
    return Finding(Topic.SYNTHS, Mark.FOUND, row.id, f"{place}; plays “{preset.name}”", works=True)


def _try(preset: Preset) -> str:
    """Why a preset doesn't play; "" if it does."""
    from synthmatch.notes import Performance
    from synthmatch.renderers.pool import render_one
    from synthmatch.renderers.renderer import RenderJob

    return render_one(RenderJob(preset.state, (Performance.single(60, 100),))).reason


def _files(row: Synth) -> list[Path]:
    found: list[Path] = []
    for place in bank_folders(row):
        inside = sorted(place.rglob("*")) if place.is_dir() else [place]
        found += [file for file in inside if file.suffix.lower() in suffixes() and file.is_file()]
    return found


def _first_preset(row: Synth) -> Preset | None:
    for file in _files(row):
        try:
            presets, _ = format_of(file).read(file)
        except SynthmatchError:
            continue
        if presets:
            return presets[0]
    return None


def _banks(row: Synth) -> Finding:
    files = _files(row)
    if files:
        places = ", ".join(str(place) for place in bank_folders(row))
        return Finding(Topic.BANKS, Mark.FOUND, row.id, f"{_count(len(files), 'file')} of presets in {places}")
    places = ", ".join(str(place) for place in row.banks)
    return Finding(Topic.BANKS, Mark.MISSING, row.id, f"nothing in {places}; {row.package}.")


def _model(model: Path | None) -> Finding:
    from synthmatch.encoder import RELEASED, Encoder

    path = model or RELEASED
    try:
        encoder = Encoder.load(path)
    except SynthmatchError as error:
        return Finding(Topic.MODEL, Mark.BROKEN, path.name, str(error))
    return Finding(Topic.MODEL, Mark.FOUND, path.name, f"{path}, fingerprint {encoder.fingerprint}")


def _library(path: Path | None, model: Path | None) -> Finding:
    from synthmatch.encoder import Encoder
    from synthmatch.files import home
    from synthmatch.library import Library

    path = path or home() / "library"
    if not (path / "library.json").exists():
        return Finding(Topic.LIBRARY, Mark.MISSING, str(path), "none yet; make one with `synthmatch library add`.")
    try:
        with Library.open(path) as library:
            count = _count(len(library), "sound")
            library.require_encoder(Encoder.load(model) if model else Encoder.released())
    except SynthmatchError as error:
        return Finding(Topic.LIBRARY, Mark.BROKEN, str(path), str(error))
    return Finding(Topic.LIBRARY, Mark.FOUND, str(path), f"{count} that can be matched")


def _packages() -> Iterator[Finding]:
    yield Finding(Topic.PACKAGES, Mark.FOUND, "Python", platform.python_version())
    for requirement in metadata.requires(_NAME) or ():
        if "extra ==" in requirement:
            continue
        name = _distribution(requirement)
        try:
            yield Finding(Topic.PACKAGES, Mark.FOUND, name, metadata.version(name))
        except metadata.PackageNotFoundError:
            yield Finding(Topic.PACKAGES, Mark.BROKEN, name, f"not installed; run `pip install '{requirement}'`.")


def _distribution(requirement: str) -> str:
    """The name that a requirement begins with."""
    end = next((place for place, letter in enumerate(requirement) if not (letter.isalnum() or letter in "-_.")), None)
    return requirement[:end]


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
