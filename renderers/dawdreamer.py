"""VST2 plugins through DawDreamer: how each is loaded with a state, and how it is played.

``load_preset`` and ``set_parameter`` need no display. ``load_state`` isn't used: it opens the plugin's
editor window, which ends or kills a process without one.
"""

from __future__ import annotations

import ctypes
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from synthmatch.audio import Clip, Samples
from synthmatch.closing import Closing
from synthmatch.errors import NotFinite, PluginMissing, PresetError, RenderError
from synthmatch.notes import Performance
from synthmatch.presets.preset import State
from synthmatch.renderers.renderer import Isolation, RenderSettings
from synthmatch.renderers.synths import Synth, plugin_fingerprint

_SEED = 0x1234  # what ZynAddSubFX itself starts with

# A MIDI file with one message, all sound off (controller 120) on channel 1: notes with a long release would
# ring on through any pause.
_ALL_SOUND_OFF = bytes.fromhex("4d546864 00000006 0000 0001 0060  4d54726b 00000008 00 b07800 00 ff2f00")


@dataclass(frozen=True)
class Hosting:
    """What is particular about hosting one synth.

    Args:
        load: puts a state into a plugin: (processor, state, effects on).
        random_state: the exported 32-bit symbol of the plugin's random numbers, set before each step that
            may draw some; "" if it has none.
    """

    load: Callable[[Any, State, bool], None]
    random_state: str = ""


def _load_amsynth(processor: Any, state: State, effects: bool) -> None:
    from synthmatch.presets.formats.amsynth import effects_off, vst_values

    parameters = state.parameters()
    values = vst_values(parameters if effects else effects_off(parameters))
    if not all(0 <= value <= 1 for value in values):  # the plugin aborts on NaN
        raise PresetError(f"amsynth's state {state.id} holds values that aren't numbers; read its bank again.")
    for index, value in enumerate(values):
        processor.set_parameter(index, value)


def _load_zynaddsubfx(processor: Any, state: State, effects: bool) -> None:
    from synthmatch.presets.formats.fxp import FxFile
    from synthmatch.presets.formats.zyn import PLUGIN_ID, PLUGIN_VERSION, host_chunk

    chunk = host_chunk(state, effects)
    bank = FxFile(PLUGIN_ID, chunk, bank=True, plugin_version=PLUGIN_VERSION)
    with tempfile.TemporaryDirectory(prefix="synthmatch-") as folder:
        file = Path(folder) / f"state{bank.suffix}"
        file.write_bytes(bank.encode())
        if not processor.load_preset(str(file)):
            raise RenderError(f"ZynAddSubFX refused the state {state.id}; read its file again.")


HOSTINGS: dict[str, Hosting] = {
    "amsynth": Hosting(_load_amsynth),
    "zynaddsubfx": Hosting(_load_zynaddsubfx, "_ZN3zyn10prng_stateE"),
}
"""The plugins that can be hosted, by synth id."""


class PluginRenderer(Closing):
    """One VST2 plugin; see ``Renderer``.

    Args:
        row: the synth.
        plugin: its file.
    """

    def __init__(self, row: Synth, plugin: Path) -> None:
        self.synth = row.id
        self.isolation: Isolation = row.isolation
        self._row = row
        self._plugin = plugin
        self._hosting = HOSTINGS[row.id]
        self._settings = RenderSettings()
        self._engine: Any = None
        self._processor: Any = None
        self._untouched = False
        self._library: ctypes.CDLL | None = None

    @property
    def fingerprint(self) -> str:
        """Hash of the plugin's binary and of the host's version."""
        return plugin_fingerprint(self._row, self._plugin)

    def prepare(self, settings: RenderSettings) -> None:
        """Make an instance that no state has been loaded into; the next ``load`` uses it.

        Raises:
            PluginMissing: dawdreamer can't load the plugin, or can't be imported itself.
        """
        try:
            import dawdreamer
        except ImportError as error:
            raise PluginMissing(
                f"{self._row.title} can't be hosted, since dawdreamer can't be imported ({error}); "
                "on Debian it needs the packages libgl1 and libglib2.0-0."
            ) from error
        self.close()
        self._seed()
        engine = dawdreamer.RenderEngine(settings.sample_rate, settings.block_size)
        try:
            processor = engine.make_plugin_processor(self.synth, str(self._plugin))
        except RuntimeError as error:
            raise PluginMissing(
                f"{self._plugin} can't be loaded as a plugin; to have {self._row.title}, {self._row.package}."
            ) from error
        engine.load_graph([(processor, [])])
        self._engine, self._processor = engine, processor
        self._settings, self._untouched = settings, True

    def load(self, state: State, settings: RenderSettings) -> None:
        """Put ``state`` into an instance that holds nothing else; see ``Renderer.load``."""
        if state.synth != self.synth:
            raise PresetError(f"A state of {state.synth} can't be loaded into {self._row.title}.")
        if not (self._untouched and _same_engine(settings, self._settings)):
            self.prepare(settings)
        self._settings, self._untouched = settings, False
        self._seed()
        self._hosting.load(self._processor, state, settings.effects)

    def render(self, performance: Performance) -> Clip:
        """Play ``performance`` after ``settings.settle`` seconds of silence; see ``Renderer.render``."""
        if self._processor is None or self._untouched:
            raise RenderError(f"Load a state into {self._row.title} before you render.")
        self._seed()
        if self._settings.settle > 0:
            self._fall_silent()
        self._processor.clear_midi()
        for note in performance.notes:
            self._processor.add_midi_note(note.pitch, note.velocity, note.start, note.duration)
        samples = self._run(performance.seconds)
        if not np.isfinite(samples).all():
            raise NotFinite(f"{self._row.title} made sound that isn't finite; its preset is broken.")
        return Clip(samples, self._settings.sample_rate)

    def close(self) -> None:
        """Let the plugin go; a second call does nothing."""
        self._engine = self._processor = None
        self._untouched = False

    def _fall_silent(self) -> None:
        """End what the performance before left sounding."""
        with tempfile.TemporaryDirectory(prefix="synthmatch-") as folder:
            file = Path(folder) / "off.mid"
            file.write_bytes(_ALL_SOUND_OFF)
            self._processor.load_midi(str(file))
        self._engine.render(self._settings.settle)

    def _run(self, seconds: float) -> Samples:
        """Render exactly round(seconds * rate) samples; shape (channels, n)."""
        rate, block = self._settings.sample_rate, self._settings.block_size
        count = round(seconds * rate)
        # One block more: a key that is let go at the very end would otherwise stay down for ever.
        self._engine.render((count + block) / rate)
        # The engine's buffer is used again by its next render: a copy is a must.
        return np.array(self._engine.get_audio()[:, :count], dtype=np.float32, order="C")

    def _seed(self) -> None:
        """Start the plugin's random numbers over."""
        if not self._hosting.random_state:
            return
        if self._library is None:
            self._library = ctypes.CDLL(str(self._plugin))
        try:
            ctypes.c_uint32.in_dll(self._library, self._hosting.random_state).value = _SEED
        except ValueError:  # a build without the symbol still plays, only not twice the same
            return


def _same_engine(first: RenderSettings, second: RenderSettings) -> bool:
    return (first.sample_rate, first.block_size) == (second.sample_rate, second.block_size)
