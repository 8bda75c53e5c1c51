"""The table of known synths: where their plugins and banks lie, and what each needs between two presets."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path

from synthmatch.errors import PluginMissing
from synthmatch.files import content_hash
from synthmatch.presets.faustsynth import factory_bank_path
from synthmatch.renderers.renderer import Isolation, Renderer


@dataclass(frozen=True)
class Synth:
    """One synth.

    Args:
        id: what states, commands and libraries call it.
        title: what its users call it.
        plugin: file name of the VST2 plugin without its suffix; None for a synth that is built in.
        banks: folders, or single files, where the banks that come with it are installed.
        isolation: what must happen between two of its presets.
        package: how to get it, as the end of a sentence.
        revision: raised when the way it is hosted changes its sound, so that stored sound is made again.
    """

    id: str
    title: str
    plugin: str | None
    banks: tuple[Path, ...]
    isolation: Isolation
    package: str
    revision: int = 1


_TABLE = (
    Synth(
        "amsynth",
        "amsynth",
        "amsynth_vst",
        (Path("/usr/share/amsynth/banks"), Path("/usr/local/share/amsynth/banks")),
        Isolation.FORK,  # its oscillators run on from one preset into the next
        "install Debian's package amsynth, or get it from https://amsynth.github.io",
    ),
    Synth(
        "zynaddsubfx",
        "ZynAddSubFX",
        "ZynAddSubFX",
        (Path("/usr/share/zynaddsubfx/banks"), Path("/usr/local/share/zynaddsubfx/banks")),
        Isolation.NEW_INSTANCE,  # parameters that a preset leaves out keep the values of the one before
        "install Debian's packages zynaddsubfx-vst and zynaddsubfx-data, or get it from "
        "https://zynaddsubfx.sourceforge.io",
    ),
    Synth(
        "faust",
        "synthmatch's own synth",
        None,
        (factory_bank_path(),),
        Isolation.NOTHING,
        "install synthmatch again",
    ),
)

SYNTHS: dict[str, Synth] = {row.id: row for row in _TABLE}
"""Every known synth by id, in the order in which they are shown."""

_FOLDERS: dict[str, tuple[str, ...]] = {
    "linux": ("~/.vst", "/usr/lib/vst", "/usr/local/lib/vst", "/usr/lib/{machine}-linux-gnu/vst"),
    "darwin": ("~/Library/Audio/Plug-Ins/VST", "/Library/Audio/Plug-Ins/VST"),
    "win32": (
        r"C:\Program Files\VSTPlugins",
        r"C:\Program Files\Steinberg\VSTPlugins",
        r"C:\Program Files\Common Files\VST2",
    ),
}
_SUFFIXES = {"linux": ".so", "darwin": ".vst", "win32": ".dll"}


def synth(synth_id: str) -> Synth:
    """The row of a synth.

    Raises:
        PluginMissing: no synth has that id.
    """
    row = SYNTHS.get(synth_id)
    if row is None:
        raise PluginMissing(f"No synth called {synth_id} is known; choose one of {', '.join(SYNTHS)}.")
    return row


def plugin_folders() -> Iterator[Path]:
    """Folders that are searched for plugins, first to last: those of ``$VST_PATH``, then the platform's."""
    chosen = os.environ.get("VST_PATH", "").split(os.pathsep)
    machine = os.uname().machine if hasattr(os, "uname") else ""
    usual = [folder.format(machine=machine) for folder in _FOLDERS.get(sys.platform, ())]
    for folder in filter(None, chosen + usual):
        yield Path(folder).expanduser().absolute()


def find_plugin(row: Synth) -> Path | None:
    """The plugin's file, or None if it isn't in any of ``plugin_folders`` or the synth is built in."""
    if row.plugin is None:
        return None
    name = row.plugin + _SUFFIXES.get(sys.platform, ".so")
    return next((folder / name for folder in plugin_folders() if (folder / name).exists()), None)


def is_installed(row: Synth) -> bool:
    """Whether this machine can render it."""
    return row.plugin is None or find_plugin(row) is not None


def installed() -> tuple[Synth, ...]:
    """The synths that this machine can render, in the table's order."""
    return tuple(row for row in _TABLE if is_installed(row))


def bank_folders(row: Synth) -> tuple[Path, ...]:
    """The folders, or single files, of banks that come with the synth and are there."""
    return tuple(path for path in row.banks if path.exists())


def require_plugin(row: Synth) -> Path:
    """The plugin's file.

    Raises:
        PluginMissing: it isn't there; the message says how to get it.
    """
    path = find_plugin(row)
    if path is None:
        raise PluginMissing(f"{row.title} isn't on this machine (looked in {_looked()}); {row.package}.")
    return path


def _looked() -> str:
    return ", ".join(str(folder) for folder in plugin_folders()) or "no folder; set VST_PATH"


def make_renderer(synth_id: str) -> Renderer:
    """A renderer of that synth. Nothing of the plugin is loaded before the renderer is asked to.

    Raises:
        PluginMissing: the synth isn't known or its plugin isn't there.
    """
    row = synth(synth_id)
    if row.plugin is None:
        from synthmatch.renderers.faust import FaustRenderer

        return FaustRenderer()
    from synthmatch.renderers.dawdreamer import PluginRenderer

    return PluginRenderer(row, require_plugin(row))


def fingerprint(synth_id: str) -> str:
    """Hash of the plugin's binary and of the host's version; nothing of the plugin is loaded.

    Raises:
        PluginMissing: the synth isn't known or its plugin isn't there.
    """
    row = synth(synth_id)
    return make_renderer(synth_id).fingerprint if row.plugin is None else plugin_fingerprint(row, require_plugin(row))


def plugin_fingerprint(row: Synth, plugin: Path) -> str:
    """Hash of a plugin's binary, the host's version and the row's revision."""
    stat = plugin.stat()
    host = f"dawdreamer {version('dawdreamer')}, revision {row.revision}"
    return content_hash(row.id.encode(), host.encode(), _binary_hash(plugin, stat.st_mtime_ns).encode())


@lru_cache(maxsize=16)
def _binary_hash(plugin: Path, _changed: int) -> str:
    files = sorted(file for file in plugin.rglob("*") if file.is_file()) if plugin.is_dir() else [plugin]
    return content_hash(*(file.read_bytes() for file in files))
