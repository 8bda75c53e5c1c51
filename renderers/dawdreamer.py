"""VST2 and VST3 plugins through DawDreamer; ``hostings`` puts states into them."""

from __future__ import annotations

import ctypes
import sys
from pathlib import Path
from typing import Any

import numpy as np

from synthmatch.audio import Clip, Samples
from synthmatch.closing import Closing
from synthmatch.errors import NotFinite, PluginMissing, PresetError, RenderError
from synthmatch.notes import Performance
from synthmatch.presets.catalogue import Isolation, Parameter, Synth
from synthmatch.presets.preset import State
from synthmatch.renderers.hostings import loader, says_everything, switch_effects_off
from synthmatch.renderers.renderer import RenderSettings
from synthmatch.renderers.synths import require_plugin

_SEED = 0x1234  # what ZynAddSubFX itself starts with
_MAIN = 2  # channels of a main output, at most

ALL_SOUND_OFF = Path(__file__).with_name("all-sound-off.mid")
"""One message, all sound off (controller 120) on channel 1: notes with a long release would ring on through any
pause."""


class PluginRenderer(Closing):
    """One plugin; see ``Renderer``.

    Args:
        row: the synth.

    Raises:
        PluginMissing: its plugin isn't there.
    """

    def __init__(self, row: Synth) -> None:
        self.synth = row.id
        self.isolation: Isolation = row.isolation
        self._row = row
        self._plugin = require_plugin(row)
        self._put = loader(row)
        self._settings = RenderSettings()
        self._engine: Any = None
        self._processor: Any = None
        self._untouched = False
        self._library: ctypes.CDLL | None = None

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
        engine = dawdreamer.RenderEngine(*self._host(settings))
        try:
            processor = engine.make_plugin_processor(self.synth, str(self._plugin))
        except RuntimeError as error:
            raise PluginMissing(
                f"{self._plugin} can't be loaded as a plugin; to have {self._row.title}, {self._row.remedy}."
            ) from error
        engine.load_graph([(processor, [])])
        self._engine, self._processor = engine, processor
        self._settings, self._untouched = settings, True

    def load(self, state: State, settings: RenderSettings) -> None:
        """Put ``state`` into an instance that holds nothing else; see ``Renderer.load``."""
        if state.synth != self.synth:
            raise PresetError(f"A state of {state.synth} can't be loaded into {self._row.title}.")
        same_host = self._host(settings) == self._host(self._settings)
        if not (same_host and (self._untouched or self._is_overwritten_by(state))):
            self.prepare(settings)
        self._settings, self._untouched = settings, False
        self._seed()
        if state.data:  # without any, the synth plays what it plays untouched
            self._put(self._processor, self._row, state, settings.effects)
        elif not settings.effects:  # or a preset that wasn't taken, without effects, would sound unlike none
            switch_effects_off(self._processor, self._row)

    def render(self, performance: Performance) -> Clip:
        """Play ``performance`` after silence; see ``Renderer.render``."""
        if self._processor is None or self._untouched:
            raise RenderError(f"Load a state into {self._row.title} before you render.")
        self._seed()
        settle = self._row.settle if self._settings.settle is None else self._settings.settle
        if settle > 0:
            self._fall_silent(settle)
        rate, _ = self._host(self._settings)
        put_notes(self._processor, performance, rate)
        samples = self._run(performance.seconds)
        if not np.isfinite(samples).all():
            raise NotFinite(f"{self._row.title} made sound that isn't finite; its preset is broken.")
        return _at_rate(Clip(samples, rate), self._settings.sample_rate, performance.seconds)

    @property
    def channels(self) -> tuple[int, int]:
        """How many channels of sound go into the prepared plugin, and come out of it."""
        return self._processor.get_num_input_channels(), self._processor.get_num_output_channels()

    def parameters(self) -> tuple[Parameter, ...]:
        """Every parameter of the prepared plugin, in its order, with its value now: the nearest that a host can set,
        where it says one below 0, above 1, or none."""
        listed = self._processor.get_parameters_description()
        values = (_settable(float(self._processor.get_parameter(each["index"]))) for each in listed)
        return tuple(Parameter(str(each["name"]), value) for each, value in zip(listed, values, strict=True))

    def close(self) -> None:
        """Let the plugin go; a second call does nothing."""
        self._engine = self._processor = None
        self._untouched = False

    def _host(self, settings: RenderSettings) -> tuple[int, int]:
        """The sample rate and the block size that the plugin is played at."""
        return self._row.fixed_rate or settings.sample_rate, settings.block_size

    def _is_overwritten_by(self, state: State) -> bool:
        """Whether there is an instance in which nothing is left of what it holds once ``state`` is put into it."""
        if self._processor is None or self.isolation is not Isolation.NOTHING or not state.data:
            return False
        return says_everything(self._processor, self._row, state)

    def _fall_silent(self, seconds: float) -> None:
        """End what the performance before left sounding."""
        self._processor.load_midi(str(ALL_SOUND_OFF))
        self._engine.render(seconds)

    def _run(self, seconds: float) -> Samples:
        """Render exactly round(seconds * rate) samples; shape (channels, n), of the plugin's main output alone: the
        further ones of a plugin that has several are for sounds that somebody routes there."""
        rate, block = self._host(self._settings)
        count = round(seconds * rate)
        # One block more: a key that is let go at the very end would otherwise stay down for ever.
        self._engine.render((count + block) / rate)
        # The engine's buffer is used again by its next render: a copy is a must.
        return np.array(self._engine.get_audio()[:_MAIN, :count], dtype=np.float32, order="C")

    def _seed(self) -> None:
        """Start the plugin's random numbers over."""
        symbol = self._row.random_state
        if not symbol:
            return
        if symbol == "srand":
            _c_library().srand(_SEED)
            return
        if self._library is None:
            self._library = ctypes.CDLL(str(self._plugin))
        try:
            ctypes.c_uint32.in_dll(self._library, symbol).value = _SEED
        except ValueError:  # a build without the symbol still plays, only not twice the same
            return


def put_notes(processor: Any, performance: Performance, sample_rate: int) -> None:
    """Give a processor of DawDreamer's the notes to play instead of those before, each from its sample to its sample.

    DawDreamer rounds moments down, a beginning and an end from different sums of seconds. Half a sample later nothing
    of that shows. What happens at one sample it sends in the order in which it was given: a note that ends there began
    earlier, so it is let go before the next one is struck.
    """
    processor.clear_midi()
    for stroke in performance.strokes(sample_rate):
        start, duration = (stroke.first + 0.5) / sample_rate, (stroke.last - stroke.first) / sample_rate
        processor.add_midi_note(stroke.pitch, stroke.velocity, start, duration)


def _at_rate(clip: Clip, sample_rate: int, seconds: float) -> Clip:
    """A clip at another rate, of exactly round(seconds * rate) samples, which the resampler may miss by some."""
    if clip.sample_rate == sample_rate:
        return clip
    samples, count = clip.resampled(sample_rate).samples, round(seconds * sample_rate)
    missing = max(0, count - samples.shape[1])
    return Clip(np.pad(samples, ((0, 0), (0, missing)))[:, :count], sample_rate)


def _settable(value: float) -> float:
    """The nearest value from 0 to 1; 0 for NaN."""
    return min(value, 1.0) if value > 0 else 0.0


def _c_library() -> ctypes.CDLL:
    return ctypes.CDLL("msvcrt" if sys.platform == "win32" else None)
