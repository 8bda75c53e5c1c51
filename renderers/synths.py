"""Synths on this machine: where their plugins lie, and the renderers that play them."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from synthmatch.errors import PluginMissing
from synthmatch.files import content_hash, expanded
from synthmatch.presets.bank import holds_presets
from synthmatch.presets.catalogue import SYNTHS, Engine, Isolation, Synth, synths
from synthmatch.renderers.renderer import Renderer

_FOLDERS: dict[str, tuple[str, ...]] = {
    "linux": (
        *("~/.vst", "/usr/lib/vst", "/usr/local/lib/vst", "/usr/lib/{machine}-linux-gnu/vst"),
        *("~/.vst3", "/usr/lib/vst3", "/usr/local/lib/vst3"),
    ),
    "darwin": (
        *("~/Library/Audio/Plug-Ins/VST", "/Library/Audio/Plug-Ins/VST"),
        *("~/Library/Audio/Plug-Ins/VST3", "/Library/Audio/Plug-Ins/VST3"),
        *("~/Library/Audio/Plug-Ins/Components", "/Library/Audio/Plug-Ins/Components"),
    ),
    "win32": (
        r"C:\Program Files\VSTPlugins",
        r"C:\Program Files\Steinberg\VSTPlugins",
        r"C:\Program Files\Common Files\VST2",
        r"C:\Program Files\Common Files\VST3",
    ),
}
_SUFFIXES: dict[str, tuple[str, ...]] = {
    "linux": (".so", ".vst3"),
    "darwin": (".vst", ".vst3", ".component"),
    "win32": (".dll", ".vst3"),
}


@dataclass(frozen=True)
class _Player:
    """What plays an engine's synths: the class that does, and the Python package that it needs."""

    module: str
    name: str
    package: str
    distribution: str

    def make(self, row: Synth) -> Renderer:
        make: Callable[[Synth], Renderer] = getattr(import_module(self.module), self.name)
        return make(row)


_PLAYERS = {
    Engine.FAUST: _Player("synthmatch.renderers.faust", "FaustRenderer", "dawdreamer", "dawdreamer"),
    Engine.PLUGIN: _Player("synthmatch.renderers.dawdreamer", "PluginRenderer", "dawdreamer", "dawdreamer"),
    Engine.VITAL: _Player("synthmatch.renderers.vital", "VitalRenderer", "vita", "vita"),
    Engine.DX7: _Player("synthmatch.renderers.dx7", "DX7Renderer", "dexed", "dexed-py"),
    Engine.SOUNDFONT: _Player("synthmatch.renderers.soundfont", "SoundFontRenderer", "tinysoundfont", "tinysoundfont"),
}

_SWITCHABLE = frozenset({Engine.FAUST, Engine.VITAL})
"""Engines, besides plugins, whose effects can be switched off."""


def plugin_suffixes(row: Synth) -> tuple[str, ...]:
    """How a synth's plugin may end on this system: a VST3 plugin refuses what a VST2 plugin of the same name takes, and
    the other way round."""
    every = _SUFFIXES.get(sys.platform, (".so", ".vst3"))
    return tuple(suffix for suffix in every if (suffix == ".vst3") == row.is_vst3)


def plugin_folders() -> Iterator[Path]:
    """Folders that are searched for plugins, first to last: those of ``$VST_PATH``, then the platform's."""
    chosen = os.environ.get("VST_PATH", "").split(os.pathsep)
    machine = os.uname().machine if hasattr(os, "uname") else ""
    usual = [folder.format(machine=machine) for folder in _FOLDERS.get(sys.platform, ())]
    for folder in filter(None, chosen + usual):
        yield expanded(folder).absolute()


def find_plugin(row: Synth) -> Path | None:
    """The plugin's file, or None if it isn't in any of ``plugin_folders`` or the synth isn't a plugin."""
    if row.engine is not Engine.PLUGIN:
        return None
    named = expanded(row.plugin)
    if named.is_absolute():
        return named if _is_there(named) else None
    names = [row.plugin + suffix for suffix in plugin_suffixes(row)]
    places = (folder / name for folder in plugin_folders() for name in names)
    return next(filter(_is_there, places), None)


def _is_there(path: Path) -> bool:
    """Whether something is there, as far as one may look: another user's folder, or a disk whose server is gone, must
    not keep the synths elsewhere from being found."""
    try:
        return path.exists()
    except OSError:
        return False


def is_installed(row: Synth) -> bool:
    """Whether this machine can render it."""
    if row.engine is Engine.PLUGIN:
        return find_plugin(row) is not None
    return find_spec(_PLAYERS[row.engine].package) is not None


def installed(known: Mapping[str, Synth] | None = None) -> tuple[Synth, ...]:
    """The synths that this machine can render, in the catalogue's order."""
    return tuple(row for row in (known or synths()).values() if is_installed(row))


def bank_folders(row: Synth) -> tuple[Path, ...]:
    """The folders, or single files, of banks that come with the synth and are there. Folders without presets are
    passed over: many a synth makes one before anybody has saved anything.

    A folder called like the synth in one of those of ``$SYNTHMATCH_BANKS`` stands for them, for whoever can't put
    banks where the system has them.
    """
    chosen = filter(None, os.environ.get("SYNTHMATCH_BANKS", "").split(os.pathsep))
    named = (expanded(folder).absolute() / row.id for folder in chosen)
    places = tuple(filter(_is_there, named)) or tuple(filter(_is_there, row.banks))
    return tuple(filter(holds_presets, places))


def played_by(row: Synth) -> str:
    """What plays a synth that isn't a plugin, as users know it."""
    if row.engine is Engine.FAUST:
        return "built in"
    player = _PLAYERS[row.engine]
    return f"{player.distribution} {version(player.distribution)}"


def require(row: Synth) -> None:
    """Make sure that this machine can render a synth.

    Raises:
        PluginMissing: it can't; the message says how to get it.
    """
    if row.engine is Engine.PLUGIN:
        require_plugin(row)
    elif not is_installed(row):
        raise PluginMissing(f"{row.title} isn't on this machine; {row.remedy}.")


def require_plugin(row: Synth) -> Path:
    """The plugin's file.

    Raises:
        PluginMissing: it isn't there; the message says how to get it.
    """
    path = find_plugin(row)
    if path is None:
        raise PluginMissing(f"{row.title} isn't on this machine (looked in {_looked(row)}); {row.remedy}.")
    return path


def _looked(row: Synth) -> str:
    if expanded(row.plugin).is_absolute():
        return row.plugin
    return ", ".join(str(folder) for folder in plugin_folders()) or "no folder; set VST_PATH"


def can_switch_effects_off(row: Synth) -> bool:
    """Whether a synth's presets can be rendered without its own effects (``RenderSettings.effects`` False)."""
    if row.engine is Engine.PLUGIN:
        from synthmatch.renderers.hostings import switches_effects_off

        return switches_effects_off(row)
    return row.engine in _SWITCHABLE


def make_renderer(row: Synth) -> Renderer:
    """A renderer of that synth. Nothing of the plugin is loaded before the renderer is asked to.

    Raises:
        PluginMissing: its plugin, or the package that plays it, isn't there.
    """
    require(row)
    return _PLAYERS[row.engine].make(row)


def fingerprint(row: Synth) -> str:
    """Hash of what decides how a synth's presets sound here: the plugin's binary, the version of what hosts it,
    and how it is hosted. Nothing of the plugin is loaded.

    Raises:
        PluginMissing: its plugin, or the package that plays it, isn't there.
    """
    require(row)
    player = _PLAYERS[row.engine]
    try:
        host = f"{player.distribution} {version(player.distribution)}"
    except PackageNotFoundError:
        host = player.distribution
    way = (row.revision, row.settle, row.random_state, row.one_processor, row.effects_off, *_isolated(row))
    return content_hash(row.id.encode(), host.encode(), repr(way).encode(), _source(row).encode())


def _isolated(row: Synth) -> tuple[str, ...]:
    """How a synth is isolated, where its user chose that.

    Fingerprints once told nothing of it. What the catalogue says of a synth is left out to this day, so that sounds
    made before stay; who changes it there raises ``revision``, as with ``fixed_rate``, which no user can choose. Of any
    other synth the least that can be said is left out: sounds made before are then never taken for those of a stronger
    isolation.
    """
    usual = SYNTHS[row.id].isolation if row.id in SYNTHS else Isolation.NOTHING
    return () if row.isolation is usual else (row.isolation.value,)


def _source(row: Synth) -> str:
    """What a synth is made of, besides the package that plays it."""
    if row.engine is Engine.PLUGIN:
        plugin = require_plugin(row)
        # A bundle is a folder, which doesn't change when a file deep within it does.
        files = sorted(file for file in plugin.rglob("*") if file.is_file()) if plugin.is_dir() else [plugin]
        return _binary_hash(tuple((file, file.stat().st_mtime_ns, file.stat().st_size) for file in files))
    if row.engine is Engine.FAUST:
        from synthmatch.presets import faustsynth

        return faustsynth.source()
    return ""


@lru_cache(maxsize=16)
def _binary_hash(files: tuple[tuple[Path, int, int], ...]) -> str:
    """Hash of files, each with when it was changed and how large it is."""
    return content_hash(*(file.read_bytes() for file, _, _ in files))
