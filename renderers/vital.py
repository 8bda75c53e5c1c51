"""Vital, played by vita, which is its engine without its windows."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from synthmatch.audio import Clip, Samples
from synthmatch.closing import Closing
from synthmatch.errors import NotFinite, PluginMissing, PresetError, RenderError
from synthmatch.notes import Note, Performance
from synthmatch.presets.catalogue import Isolation, Synth
from synthmatch.presets.preset import State
from synthmatch.renderers.renderer import RenderSettings

# filter_fx_on isn't among them: many patches send an oscillator past both filters and shape it there, and are
# another instrument without it.
_EFFECTS = ("chorus", "compressor", "delay", "distortion", "eq", "flanger", "phaser", "reverb")

# At nought, a note makes no sound and is over when its key is let go.
_MUTE = ("osc_1_on", "osc_2_on", "osc_3_on", "sample_on", "env_1_release")

_FADE = 512  # samples: vita fades out the last 200 of what it renders, in blocks of 64
_SHORTEST = 64  # samples: a key held for less than one would never be let go
_QUIET = 1e-4  # peak, -80 dB of full scale
_RING, _LONGEST_RING = 3.0, 12.0  # seconds listened to after a key is let go: to begin with, and at most
_END = 0.1  # seconds
_LISTEN = 0.5  # seconds after which every knob rests, and all may be silent already


class VitalRenderer(Closing):
    """Vital.

    vita plays one note at a time, so each note of a performance is rendered on its own until it is silent, for
    12 seconds after its end at most, and all are added up. That is what Vital does itself as long as its effects
    are linear and its voices independent. It differs where notes act on each other: distortion and compressor
    hear each note alone; voices beyond the patch's polyphony aren't stolen; LFOs that follow the song start over
    with each note. In a patch of one voice a note is let go where the next one begins, which attacks anew even
    in a legato patch, and a key that is still held isn't taken up again. A glide starts from the note before.

    Its random numbers are seeded by how many generators the process has made before: exact are the first
    states of two processes, or of two forks of one in which a synth was made and none loaded. The notes of a job
    draw on from one to the next. Vital's engine has blocks of its own; ``settings.block_size`` changes nothing.

    Args:
        row: the synth.
    """

    def __init__(self, row: Synth) -> None:
        self.synth = row.id
        self.isolation: Isolation = row.isolation
        self._row = row
        self._settings = RenderSettings()
        self._synth: Any = None
        self._controls: dict[str, Any] = {}
        self._loaded = False
        self._ringing = False  # whether what was done last can still be heard
        self._ring = _RING

    def prepare(self, settings: RenderSettings) -> None:
        """Make a synth that no state has been loaded into; the next ``load`` uses it.

        Raises:
            PluginMissing: vita can't be imported.
        """
        try:
            from vita.vita import Synth as Engine
        except ImportError as error:
            raise PluginMissing(
                f"{self._row.title} can't be played, since vita can't be imported ({error}); {self._row.remedy}."
            ) from error
        self._synth, self._loaded = Engine(), False
        self._synth.set_sample_rate(settings.sample_rate)

    def load(self, state: State, settings: RenderSettings) -> None:
        """Put ``state`` into a synth that holds nothing else; see ``Renderer.load``."""
        if state.synth != self.synth:
            raise PresetError(f"A state of {state.synth} can't be loaded into {self._row.title}.")
        if self._synth is None or self._loaded:
            self.prepare(settings)
        self._synth.set_sample_rate(settings.sample_rate)
        self._settings = settings
        self._loaded, self._ringing, self._ring = True, True, _RING
        if state.data and not self._takes(state.data):
            self.close()  # it may have taken half of it
            raise RenderError(f"{self._row.title} refused the state {state.id}; read its file again.")
        self._controls = self._synth.get_controls()
        if not settings.effects:
            for name in _EFFECTS:
                self._controls[f"{name}_on"].set(0.0)

    def render(self, performance: Performance) -> Clip:
        """Play on what was loaded.

        Returns:
            A stereo clip of ``performance.seconds``, unscaled.

        Raises:
            RenderError: nothing was loaded, or (NotFinite) the sound isn't finite.
        """
        if not self._loaded:
            raise RenderError(f"Load a state into {self._row.title} before you render.")
        rate = self._settings.sample_rate
        mix = np.zeros((2, round(performance.seconds * rate)), np.float32)
        before = performance.notes[0].pitch
        for note, held in self._played(performance.notes):
            start = round(note.start * rate)
            sound = self._play(note, held, before, mix.shape[1] - start)
            mix[:, start : start + sound.shape[1]] += sound
            before = note.pitch
        if not np.isfinite(mix).all():
            raise NotFinite(f"{self._row.title} made sound that isn't finite; its preset is broken.")
        return Clip(mix, rate)

    def close(self) -> None:
        """Let the synth go; a second call does nothing."""
        self._synth, self._controls, self._loaded = None, {}, False

    def _takes(self, data: bytes) -> bool:
        try:
            return bool(self._synth.load_json(data.decode()))
        except (RuntimeError, MemoryError, ValueError):  # what its JSON reader lets through
            return False

    def _played(self, notes: tuple[Note, ...]) -> Iterator[tuple[Note, float]]:
        """Each note that sounds, and for how many seconds its key is held."""
        single = self._controls["polyphony"].value() < 1.5
        for note, following in zip(notes, (*notes[1:], None), strict=True):
            held = note.duration
            if single and following is not None:
                held = min(held, following.start - note.start)
            if held > 0:
                yield note, held

    def _fall_silent(self, pitch: int) -> None:
        """End what was rendered last, and make ``pitch`` the one that a glide starts from.

        vita kills voices and clears echo and reverb before each note, but a killed voice still sounds for 50 ms
        of the next, what circles in the chorus stays, and knobs glide from where they stood before a load.
        """
        settle = self._row.settle if self._settings.settle is None else self._settings.settle
        left, rate = settle if self._ringing else 0.0, self._settings.sample_rate
        knobs = [(self._controls[name], self._controls[name].value()) for name in _MUTE]
        for knob, _ in knobs:
            knob.set(0.0)
        while True:
            sound = self._sound(pitch, 0.0, 0.0, min(left, _LISTEN))
            left -= _LISTEN
            if left <= 0 or _is_quiet(sound, round(_END * rate)):
                break
        for knob, value in knobs:
            knob.set(value)

    def _play(self, note: Note, held: float, before: int, room: int) -> Samples:
        """One note from its start until it is silent; shape (2, n), n at most ``room`` samples."""
        rate = self._settings.sample_rate
        while True:
            self._fall_silent(before)
            count = min(room, round((held + self._ring) * rate))
            sound = self._sound(note.pitch, note.velocity / 127, held, (count + _FADE) / rate)[:, :count]
            self._ringing = not _is_quiet(sound, round(_END * rate))
            # Echoes may be as far apart as half of what is listened to.
            if count == room or self._ring >= _LONGEST_RING or _is_quiet(sound, round(self._ring / 2 * rate)):
                return sound
            self._ring *= 2

    def _sound(self, pitch: int, velocity: float, held: float, seconds: float) -> Samples:
        with _floating_point_kept():
            sound: Samples = self._synth.render(
                pitch, velocity, max(held, _SHORTEST / self._settings.sample_rate), seconds
            )
        return sound


@contextmanager
def _floating_point_kept() -> Iterator[None]:
    """Put the processor's way with tiny numbers back: Vital makes it take them for 0 in all that comes after."""
    library = ctypes.CDLL("ucrtbase" if sys.platform == "win32" else None)
    kept = ctypes.create_string_buffer(512)  # no system's fenv_t is larger
    library.fegetenv(kept)
    try:
        yield
    finally:
        library.fesetenv(kept)


def _is_quiet(sound: Samples, end: int) -> bool:
    """Whether the last ``end`` samples are silent; NaN counts as silent."""
    return not np.abs(sound[:, -end:]).max(initial=0.0) > _QUIET
