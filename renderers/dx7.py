"""DX7 voices, played by Dexed's engine inside the package dexed-py."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from synthmatch.audio import Clip
from synthmatch.closing import Closing
from synthmatch.errors import NotFinite, PluginMissing, RenderError
from synthmatch.notes import Note, Performance
from synthmatch.presets.catalogue import Isolation, Synth
from synthmatch.presets.formats.dx7voice import sound_of
from synthmatch.presets.preset import State
from synthmatch.renderers.renderer import RenderSettings

VOICES = 16
"""Another number sounds different: raise the row's revision with it."""

_LEVEL = 1 / VOICES  # of one operator at full level, as in the Dexed plugin: the engine itself gives it full scale
_LOWEST_RATE = 16_000  # the engine is mute at 12 kHz and below
_NO_NAME = bytes(10)


class DX7Renderer(Closing):
    """A DX7; see ``Renderer``.

    The engine plays one note at a time from a fresh start, so a performance is the sum of its notes, each placed
    at its exact sample, and a render depends on the voice and the notes alone, whatever was rendered before. As on
    a DX7, sixteen notes sound at once: the next takes the voice of the oldest note whose key was let go, or of
    the oldest one. Unlike there, every note has an LFO of its own, which starts with it.

    There are no effects to switch off, and nothing rings on that ``settings.settle`` would have to end.

    Args:
        row: the synth.
    """

    def __init__(self, row: Synth) -> None:
        self.synth = row.id
        self.isolation: Isolation = row.isolation
        self._row = row
        self._rate = 0
        self._engine: Any = None

    def load(self, state: State, settings: RenderSettings) -> None:
        """Take a voice; the DX7's initial voice, a sine, if ``state`` is empty.

        Raises:
            PresetError: the state isn't a voice of a DX7.
            RenderError: the sample rate is below 16 kHz, or (PluginMissing) dexed can't be imported.
        """
        sound = sound_of(state)
        try:
            import dexed
        except ImportError as error:
            raise PluginMissing(
                f"{self._row.title} can't be played, since dexed can't be imported ({error}); {self._row.remedy}."
            ) from error
        if settings.sample_rate < _LOWEST_RATE:
            raise RenderError(
                f"{self._row.title} can't be rendered at {settings.sample_rate} Hz; choose {_LOWEST_RATE} or more."
            )
        if self._engine is None or settings.sample_rate != self._rate:
            self._engine, self._rate = dexed.DexedSynth(settings.sample_rate), settings.sample_rate
        self._engine.load_patch(dexed.Patch.from_sysex(sound + _NO_NAME))

    def render(self, performance: Performance) -> Clip:
        """Play on what was loaded.

        Returns:
            A mono clip of ``performance.seconds``, unscaled: one operator at full level peaks at 1/16.

        Raises:
            RenderError: nothing was loaded, or (NotFinite) the sound isn't finite.
        """
        if self._engine is None:
            raise RenderError(f"Load a state into {self._row.title} before you render.")
        rate, notes = self._rate, performance.notes
        mix = np.zeros(round(performance.seconds * rate), dtype=np.float32)
        for note, until in zip(notes, _until(notes, performance.seconds), strict=True):
            first, last = round(note.start * rate), round(until * rate)
            mix[first:last] += self._engine.render(note.pitch, note.velocity, note.duration, (last - first) / rate)
        mix *= np.float32(_LEVEL)
        if not np.isfinite(mix).all():
            raise NotFinite(f"{self._row.title} made sound that isn't finite; its preset is broken.")
        return Clip(mix[None], rate)

    def close(self) -> None:
        """Let the engine go; a second call does nothing."""
        self._engine = None


def _until(notes: Sequence[Note], end: float) -> list[float]:
    """When each note's voice is needed for another one, in seconds; ``end`` if it never is.

    Args:
        notes: sorted by start.
        end: of the performance.
    """
    until = [end] * len(notes)
    taken: list[int] = []  # notes that have a voice, longest first
    for index, note in enumerate(notes):
        if len(taken) == VOICES:
            let_go = [each for each in taken if notes[each].end <= note.start]
            loser = (let_go or taken)[0]
            taken.remove(loser)
            until[loser] = note.start
        taken.append(index)
    return until
