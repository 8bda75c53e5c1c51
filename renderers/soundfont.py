"""SoundFonts, played by TinySoundFont: the only module that knows it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from synthmatch.audio import Clip
from synthmatch.closing import Closing
from synthmatch.errors import NotFinite, PluginMissing, RenderError
from synthmatch.extras import remedy
from synthmatch.notes import Performance
from synthmatch.presets.catalogue import Isolation, Synth
from synthmatch.presets.formats.soundfont import patch_of
from synthmatch.presets.preset import State
from synthmatch.renderers.renderer import RenderSettings

VOICES = 1_024
"""Zones that sound at once; notes beyond are left out. Another number may sound different: raise the row's revision."""

_FRAME = 8  # bytes: two channels of float32


class SoundFontRenderer(Closing):
    """A preset of a SoundFont, which TinySoundFont plays without effects of its own.

    Every render is by a new player that shares nothing with the one before but the samples, so it depends on the
    state and the performance alone. No silence is needed in between, and ``settings.settle`` isn't spent;
    ``settings.block_size`` and ``settings.effects`` change nothing.

    Modulators and the sends to reverb and chorus are ignored, as TinySoundFont does.

    Args:
        row: the synth.
    """

    def __init__(self, row: Synth) -> None:
        self.synth = row.id
        self.isolation: Isolation = row.isolation
        self._rate = 0
        self._font: Any = None

    def load(self, state: State, settings: RenderSettings) -> None:
        """Load the preset.

        Raises:
            PresetError: the state isn't one of a SoundFont, or is damaged.
            RenderError: the state is empty, as without a SoundFont there is no sound; or TinySoundFont refused it.
        """
        self.close()
        if not state.data:
            raise RenderError("Without a SoundFont there is no sound; load a preset of one.")
        patch_of(state)  # TinySoundFont follows any index, wherever it points
        player = _player(settings.sample_rate)
        try:
            self._font = player.soundfonts[player.sfload(state.data)]
        except RuntimeError as error:
            raise RenderError(f"TinySoundFont refused the state {state.id} ({error}); read its file again.") from error
        self._rate = settings.sample_rate

    def render(self, performance: Performance) -> Clip:
        """Play on what was loaded.

        Returns:
            A stereo clip of ``performance.seconds``, unscaled; each note begins and ends on its sample.

        Raises:
            RenderError: nothing was loaded, or (NotFinite) the sound isn't finite.
        """
        if self._font is None:
            raise RenderError("A SoundFont was asked to play before a preset was loaded; load one first.")
        player = _player(self._rate)
        font = player.sfload(self._font, max_voices=VOICES)  # a copy that shares the samples
        player.program_select(0, font, 0, 0)
        length = round(performance.seconds * self._rate)
        sound = bytearray(length * _FRAME)
        now = 0
        for moment, pitch, velocity in _events(performance, self._rate):
            until = min(moment, length)
            _play(player, sound, now, until)
            now = until
            player.noteon(0, pitch, velocity)  # velocity 0 lets the key go
        _play(player, sound, now, length)
        samples = np.ascontiguousarray(np.frombuffer(sound, np.float32).reshape(-1, 2).T)
        if not np.isfinite(samples).all():
            raise NotFinite("A SoundFont made samples that aren't finite; its preset is damaged.")
        return Clip(samples, self._rate)

    def close(self) -> None:
        """Let the samples go; a second call does nothing."""
        self._font = None


def _player(sample_rate: int) -> Any:
    try:
        import tinysoundfont
    except ImportError as error:
        raise PluginMissing(f"TinySoundFont can't be loaded ({error}); {remedy('soundfont')}.") from error
    return tinysoundfont.Synth(samplerate=sample_rate)


def _play(player: Any, sound: bytearray, start: int, end: int) -> None:
    """Fill the frames from one to another."""
    if end > start:
        player.generate_simple(end - start, memoryview(sound)[start * _FRAME : end * _FRAME])


def _events(performance: Performance, rate: int) -> Iterator[tuple[int, int, int]]:
    """(frame, pitch, velocity) in order of time; 0 is a key let go, and comes before keys struck at that frame."""
    events: list[tuple[int, bool, int, int]] = []
    for stroke in performance.strokes(rate):
        events.append((stroke.first, True, stroke.pitch, stroke.velocity))
        events.append((stroke.last, False, stroke.pitch, 0))
    return ((frame, pitch, velocity) for frame, _, pitch, velocity in sorted(events))
