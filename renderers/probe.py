"""What a plugin says about itself, asked in a host process of its own: it may crash or hang when it is loaded."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from synthmatch.errors import PluginCrashed, PluginMissing, RenderTimeout, SynthError
from synthmatch.files import expanded
from synthmatch.presets.catalogue import Engine, Isolation, Parameter, Synth
from synthmatch.renderers.answers import Garbled
from synthmatch.renderers.frames import Probe, describe_exit
from synthmatch.renderers.host import Host, HostDied, HostRefused, HostSlow
from synthmatch.renderers.hostings import told_apart
from synthmatch.renderers.identity import PLUGIN_SUFFIXES, identity
from synthmatch.renderers.renderer import RenderSettings

if TYPE_CHECKING:
    from synthmatch.renderers.dawdreamer import PluginRenderer

TIMEOUT = 60.0
"""Seconds that a plugin may take to be loaded and described: samplers read through whole disks."""


def probe(plugin: Path, timeout: float = TIMEOUT, log: Path | None = None) -> Probe:
    """Ask a plugin.

    Args:
        plugin: a ``.so`` or ``.dll`` (VST2), ``.vst3``, ``.vst`` or ``.component``.
        timeout: seconds that it may take.
        log: a file to which what it prints is appended; thrown away if None.

    Raises:
        SynthError: the path isn't there, or nothing that ends like a plugin.
        PluginMissing: it can't be loaded as a plugin.
        PluginCrashed: the process died of it, or answered nonsense.
        RenderTimeout: it took longer.
    """
    plugin = expanded(plugin).absolute()
    if not plugin.exists():
        raise SynthError(f"{plugin} isn't there; name the file or bundle of a plugin.")
    if plugin.suffix.lower() not in PLUGIN_SUFFIXES:
        raise SynthError(f"{plugin} isn't a plugin; those end in {', '.join(PLUGIN_SUFFIXES)}.")
    package = "try it in another host, or install it again"
    row = Synth(plugin.stem, plugin.stem, Engine.PLUGIN, (), package, Isolation.NOTHING, str(plugin))
    host = Host(row, log)
    try:
        return host.ask(timeout)
    except HostRefused as error:
        raise PluginMissing(str(error)) from error
    except HostDied as error:
        how = describe_exit(error.status)
        raise PluginCrashed(f"{plugin} died {how} when it was loaded; {package}.") from error
    except Garbled as error:
        raise PluginCrashed(f"{plugin} answered with {error} when it was loaded; {package}.") from error
    except HostSlow as error:
        raise RenderTimeout(f"{plugin} wasn't loaded after {timeout:g} s and was ended; {package}.") from error
    finally:
        host.close()


def examine(row: Synth, renderer: PluginRenderer) -> Probe:
    """What ``probe`` reports; runs in the host process, and leaves the plugin loaded.

    Raises:
        PluginMissing: it can't be loaded as a plugin.
    """
    renderer.prepare(RenderSettings())
    plugin = Path(row.plugin)
    inputs, outputs = renderer.channels
    own = renderer.parameters()
    names = told_apart(each.name for each in own)
    parameters = tuple(Parameter(name, each.default) for name, each in zip(names, own, strict=True))
    who = identity(plugin)
    # A plugin that doesn't say what it is: what takes no sound in can only make some.
    instrument = inputs == 0 if who.instrument is None else who.instrument
    name = who.name or _file_name(plugin)
    return Probe(plugin, name, who.plugin_id, who.version, instrument, inputs, outputs, parameters)


def _file_name(plugin: Path) -> str:
    stem = plugin.stem
    for ending in ("-vst", "_vst", ".vst"):
        stem = stem.removesuffix(ending)
    return stem
