"""What synthmatch finds on this machine, and what to do about what it doesn't find."""

from __future__ import annotations

import enum
import platform
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from synthmatch.errors import EncoderMismatch, PluginMissing, SynthmatchError
from synthmatch.extras import installing, requirements
from synthmatch.presets.bank import preset_files
from synthmatch.presets.catalogue import Engine, Synth, synths
from synthmatch.presets.formats import format_of
from synthmatch.presets.preset import Preset, State
from synthmatch.renderers.confinement import what_is_missing
from synthmatch.renderers.renderer import Failure, RenderResult
from synthmatch.renderers.synths import bank_folders, find_plugin, played_by, require
from synthmatch.words import counted

_TRIED = 4
"""Presets that a synth plays at most, until one sounds: the first may be meant to be silent, or an empty one."""
_BROKEN = frozenset({Failure.CRASH, Failure.TIMEOUT, Failure.MISSING, Failure.REFUSED})
"""What says of the synth that it doesn't work, not of a preset."""

_DEVELOPERS = "dev"  # the extra that nobody needs to run synthmatch


class Topic(enum.Enum):
    """What a finding is about, as a heading."""

    SYNTHS = "Synths"
    BANKS = "Banks"
    HOSTS = "Plugin hosts"
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
    """Look for everything. Each synth that is found plays a preset, which takes a second or two, or a few
    until one sounds.

    Args:
        library: its folder; the default one if None.
        model: an encoder's file; the released one if None.
    """
    return (
        *map(_synth, synths().values()),
        *map(_banks, synths().values()),
        _confinement(),
        _model(model),
        _library(library, model),
        *_packages(),
    )


def _synth(row: Synth) -> Finding:
    try:
        require(row)
    except PluginMissing as error:
        return Finding(Topic.SYNTHS, Mark.MISSING, row.id, str(error))
    place = str(find_plugin(row) or played_by(row))
    presets = list(islice(_some_presets(row), _TRIED))
    tried = [(each.state, f"“{each.name}”") for each in presets] or [(State(row.id, b""), "by itself")]
    if not presets and row.engine is Engine.SOUNDFONT:
        return Finding(Topic.SYNTHS, Mark.FOUND, row.id, f"{place}; not tried, since no SoundFont is here")
    reasons: list[str] = []
    for state, what in tried:
        result = _try(state)
        if result.ok:
            return Finding(Topic.SYNTHS, Mark.FOUND, row.id, f"{place}; plays {what}", works=True)
        reasons.append(result.reason)
        if result.failure in _BROKEN:
            break
    tries = f"{len(reasons)} presets tried, the last: " if len(reasons) > 1 else ""
    return Finding(Topic.SYNTHS, Mark.BROKEN, row.id, f"{place}; {tries}{reasons[-1]}")


def _try(state: State) -> RenderResult:
    """What comes of a note that a state plays."""
    from synthmatch.notes import Performance
    from synthmatch.renderers.pool import render_one
    from synthmatch.renderers.renderer import RenderJob

    return render_one(RenderJob(state, (Performance.single(60, 100),)))


def _files(row: Synth) -> list[Path]:
    return [file for place in bank_folders(row) for file in preset_files(place)[0]]


def _some_presets(row: Synth) -> Iterator[Preset]:
    """The first that is the synth's own, since its folder may hold other synths' presets too, as plugins' often do; and
    others from all over its files, since banks often begin with what was saved as it was. Each sound once."""
    seen: set[str] = set()
    for file in _files(row):
        try:
            presets, _ = format_of(file).read(file)
        except SynthmatchError:
            continue
        own = [preset for preset in presets if preset.synth == row.id]
        for preset in own[:: -(-len(own) // _TRIED) or 1]:
            if preset.id not in seen:
                seen.add(preset.id)
                yield preset


def _banks(row: Synth) -> Finding:
    files = _files(row)
    if files:
        places = ", ".join(str(place) for place in bank_folders(row))
        return Finding(Topic.BANKS, Mark.FOUND, row.id, f"{counted(len(files), 'file')} of presets in {places}")
    unread = next((fault for place in bank_folders(row) for fault in preset_files(place)[1]), None)
    if unread is not None:
        return Finding(Topic.BANKS, Mark.BROKEN, row.id, unread.reason)
    if row.parameters:
        advice = f"`synthmatch library add {row.id}` makes a bank of random patches"
    else:
        advice = "add yours with `synthmatch library add FOLDER`"
    places = ", ".join(str(place) for place in row.banks)
    remedy = f"{row.banks_from}, or {advice}" if row.banks_from else advice
    return Finding(Topic.BANKS, Mark.MISSING, row.id, f"{f'nothing in {places}' if places else 'none'}; {remedy}.")


def _confinement() -> Finding:
    missing = what_is_missing()
    if missing:
        return Finding(Topic.HOSTS, Mark.MISSING, "confinement", f"{missing}.")
    return Finding(Topic.HOSTS, Mark.FOUND, "confinement", "no network, a home of their own, a limit to their memory")


def _model(model: Path | None) -> Finding:
    from synthmatch.networks.encoder import RELEASED, Encoder

    path = model or RELEASED
    try:
        encoder = Encoder.load(path)
    except SynthmatchError as error:
        return Finding(Topic.MODEL, Mark.BROKEN, path.name, str(error))
    return Finding(Topic.MODEL, Mark.FOUND, path.name, f"{path}, fingerprint {encoder.fingerprint}")


def _library(path: Path | None, model: Path | None) -> Finding:
    from synthmatch.files import home
    from synthmatch.library.library import Library
    from synthmatch.networks.encoder import Encoder

    path = path or home() / "library"
    try:
        if not (path / "library.json").exists():
            return Finding(Topic.LIBRARY, Mark.MISSING, str(path), "none yet; make one with `synthmatch library add`.")
        with Library.open(path) as library:
            count = counted(len(library), "sound")
            library.require_encoder(Encoder.load(model) if model else Encoder.released())
    except EncoderMismatch as error:  # nothing is wrong with it
        return Finding(Topic.LIBRARY, Mark.FOUND, str(path), str(error))
    except SynthmatchError as error:
        return Finding(Topic.LIBRARY, Mark.BROKEN, str(path), str(error))
    except OSError as error:
        reason = f"can't be read ({error.strerror}); see to it that you may read it."
        return Finding(Topic.LIBRARY, Mark.BROKEN, str(path), reason)
    return Finding(Topic.LIBRARY, Mark.FOUND, str(path), f"{count} that can be matched")


def _packages() -> Iterator[Finding]:
    yield Finding(Topic.PACKAGES, Mark.FOUND, "Python", platform.python_version())
    for each in requirements():
        if each.extra == _DEVELOPERS:
            continue
        if each.version:
            yield Finding(Topic.PACKAGES, Mark.FOUND, each.name, each.version)
        else:
            mark = Mark.MISSING if each.extra else Mark.BROKEN
            yield Finding(Topic.PACKAGES, mark, each.name, f"not installed; {installing(each.name)}.")
