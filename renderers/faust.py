"""The built-in synth, compiled by the Faust inside DawDreamer: sound without any plugin."""

from __future__ import annotations

from typing import Any

import numpy as np

from synthmatch.audio import Clip
from synthmatch.closing import Closing
from synthmatch.errors import NotFinite, PluginMissing, RenderError
from synthmatch.notes import Performance
from synthmatch.presets import faustsynth
from synthmatch.presets.catalogue import Isolation, Synth
from synthmatch.presets.preset import State
from synthmatch.renderers.dawdreamer import put_notes
from synthmatch.renderers.renderer import RenderSettings

VOICES = 8
"""Another number sounds different: raise the row's revision with it."""


class FaustRenderer(Closing):
    """The built-in synth.

    Every render begins by clearing all voices and effects, and nothing in the synth runs freely, so a
    render's samples depend on the state and the performance alone, whatever was rendered before; no
    silence is needed in between, and ``settings.settle`` isn't spent.

    Args:
        row: the synth.

    Only one thread of a process may use this class: compiling Faust in two at once never ends.
    """

    def __init__(self, row: Synth) -> None:
        self.synth = row.id
        self.isolation: Isolation = row.isolation
        self._settings: RenderSettings | None = None
        self._engine: Any = None
        self._processor: Any = None
        self._indices: dict[str, int] = {}

    def load(self, state: State, settings: RenderSettings) -> None:
        """Set every parameter; values out of range are moved to the nearest.

        The synth is compiled on the first load, and again when the sample or block size changes.

        Raises:
            PresetError: the state isn't one of this synth.
            RenderError: the synth doesn't compile.
        """
        values = faustsynth.values_of(state if state.data else faustsynth.make_state({}))
        if not settings.effects:
            values |= faustsynth.EFFECTS_OFF
        if self._settings is None or _host(self._settings) != _host(settings):
            self._compile(settings)
        self._settings = settings
        for name, value in values.items():
            self._processor.set_parameter(self._indices[name], value)

    def render(self, performance: Performance) -> Clip:
        """Play on what was loaded.

        Returns:
            A stereo clip of ``performance.seconds``, unscaled.

        Raises:
            RenderError: nothing was loaded, or (NotFinite) the sound isn't finite.
        """
        if self._settings is None:
            raise RenderError("The built-in synth was asked to play before a preset was loaded; load one first.")
        rate = self._settings.sample_rate
        put_notes(self._processor, performance, rate)
        frames = round(performance.seconds * rate)
        self._engine.render((frames + 1) / rate)  # DawDreamer rounds down
        samples = np.array(self._engine.get_audio(), dtype=np.float32)[:, :frames]
        if not np.isfinite(samples).all():
            raise NotFinite("The built-in synth made samples that aren't finite; change the preset's values.")
        return Clip(samples, rate)

    def close(self) -> None:
        """Let the engine go; a second call does nothing."""
        self._settings = self._engine = self._processor = None

    def _compile(self, settings: RenderSettings) -> None:
        try:
            import dawdreamer
        except ImportError as error:
            raise PluginMissing(f"DawDreamer can't be loaded ({error}); install libgl1 and libglib2.0-0.") from error
        self._settings = None
        self._engine = dawdreamer.RenderEngine(settings.sample_rate, settings.block_size)
        self._processor = self._engine.make_faust_processor("synth")
        self._processor.num_voices = VOICES
        try:
            self._processor.set_dsp_string(faustsynth.source())
            self._processor.compile()
        except RuntimeError as error:
            self.close()  # a failed compile leaves an engine that never works again
            raise RenderError(f"The built-in synth doesn't compile ({error}); install synthmatch again.") from error
        self._engine.load_graph([(self._processor, [])])
        self._indices = {
            row["name"].rsplit("/", 1)[-1]: row["index"] for row in self._processor.get_parameters_description()
        }


def _host(settings: RenderSettings) -> tuple[int, int]:
    return settings.sample_rate, settings.block_size
