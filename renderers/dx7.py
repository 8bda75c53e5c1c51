"""DX7 voices, played by Dexed's engine inside the package dexed-py."""

from __future__ import annotations

from typing import Any

import numpy as np

from synthmatch.audio import Clip, Samples
from synthmatch.closing import Closing
from synthmatch.errors import NotFinite, PluginMissing, RenderError
from synthmatch.notes import Note, Performance
from synthmatch.presets.catalogue import Isolation, Synth
from synthmatch.presets.formats.syx import sound_of
from synthmatch.presets.preset import State
from synthmatch.renderers.renderer import RenderSettings

_LEVEL = 1 / 16  # of a single operator at full level, as in the Dexed plugin: room for sixteen voices
_LOWEST_RATE = 16_000  # below, the engine's sine tables don't reach the highest notes, and it stays silent
_NO_NAME = bytes(10)
_SILENCE = 1.0  # seconds of it after which a note that can't come back is over
_OPERATOR, _LAST_LEVEL, _SENSITIVITY, _ALGORITHM, _AMPLITUDE_DEPTH = 21, 7, 14, 134, 140  # places in a state


class DX7Renderer(Closing):
    """A DX7; see ``Renderer``.

    The engine plays one note at a time from a fresh start, so a performance is the sum of its notes, each placed
    at its exact sample, and a render depends on the voice and the notes alone, whatever was rendered before. That
    is what a DX7 plays but for two things: here any number of notes may sound together instead of sixteen, and
    each has an LFO of its own that starts with it, as on a DX7 with its LFO in key sync and one key at a time.

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
        self._ends = False

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
                f"{self._row.title} can't be played, since dexed can't be imported ({error}); {self._row.package}."
            ) from error
        if settings.sample_rate < _LOWEST_RATE:
            raise RenderError(
                f"{self._row.title} can't be rendered at {settings.sample_rate} Hz; choose {_LOWEST_RATE} or more."
            )
        if self._engine is None or settings.sample_rate != self._rate:
            self._engine, self._rate = dexed.DexedSynth(settings.sample_rate), settings.sample_rate
        self._engine.load_patch(dexed.Patch.from_sysex(sound + _NO_NAME))
        self._ends = _ends(sound, dexed.get_carriers(sound[_ALGORITHM]))

    def render(self, performance: Performance) -> Clip:
        """Play on what was loaded.

        Returns:
            A mono clip of ``performance.seconds``, unscaled: an operator at full level and usual velocity peaks
            at 1/16.

        Raises:
            RenderError: nothing was loaded, or (NotFinite) the sound isn't finite.
        """
        if self._engine is None:
            raise RenderError(f"Load a state into {self._row.title} before you render.")
        mix = np.zeros(round(performance.seconds * self._rate), dtype=np.float32)
        for note in performance.notes:
            start = round(note.start * self._rate)
            sound = self._play(note, len(mix) - start)
            mix[start : start + len(sound)] += sound
        mix *= np.float32(_LEVEL)
        if not np.isfinite(mix).all():
            raise NotFinite(f"{self._row.title} made sound that isn't finite; its preset is broken.")
        return Clip(mix[None], self._rate)

    def close(self) -> None:
        """Let the engine go; a second call does nothing."""
        self._engine = None

    def _play(self, note: Note, count: int) -> Samples:
        """One note, from its start to where nothing of it is left, at most ``count`` samples; shape (n,).

        The engine takes as long over silence as over sound and can't be stopped in between, so a long piece
        would cost the square of its length. A note whose voice ends in silence is tried in growing lengths.
        """
        silence = round(_SILENCE * self._rate)
        length = round(note.duration * self._rate) + 2 * silence
        while True:
            length = min(length, count) if self._ends else count
            sound: Samples = self._engine.render(note.pitch, note.velocity, note.duration, length / self._rate)
            if length == count or not sound[-silence:].any():
                return sound
            length *= 2


def _ends(sound: bytes, carriers: list[int]) -> bool:
    """Whether a note that has been silent for a while after its key was let go stays silent: every operator that
    is heard falls to level 0, and no LFO makes the volume come and go."""
    heard = [(5 - carrier) * _OPERATOR for carrier in carriers]  # operator 6 comes first
    trembles = sound[_AMPLITUDE_DEPTH] and any(sound[place + _SENSITIVITY] for place in heard)
    return not trembles and not any(sound[place + _LAST_LEVEL] for place in heard)
