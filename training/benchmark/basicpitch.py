"""basic-pitch's network as a rival of the transcriber: the only module that knows onnxruntime.

Its package asks for an old TensorFlow, but carries its weights as an ONNX file of 230 kB as well, under the Apache
licence 2.0; so the package is installed without what it asks for, its code is never imported, and the file is run by
onnxruntime. It knows no families: a family is given the notes within its typical pitches.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from synthmatch.audio import ENCODER_RATE, Clip, Samples
from synthmatch.errors import TrainingError
from synthmatch.extras import remedy
from synthmatch.networks.pianoroll import Grid, Reading, Roll, notes_of
from synthmatch.notes import Note
from synthmatch.presets.families import FAMILIES

NAME = "basic-pitch"

_WEIGHTS = Path("saved_models", "icassp_2022", "nmp.onnx")
_INPUT, _NOTES, _ONSETS = "serving_default_input_2:0", "StatefulPartitionedCall:1", "StatefulPartitionedCall:2"
_RATE, _HOP = 22_050, 256
_WINDOW = 2 * _RATE - _HOP  # samples that the network hears at a time
_EDGE = 15  # frames at each end of a window that are left to its neighbours
_LEAD = 0.0018  # seconds by which its frames are early, by its own account
_GRID = Grid(21, 88, _RATE / _HOP)
_READING = Reading(onset=0.5, held=0.3)  # its authors' thresholds


def weights() -> Path | None:
    """The file of its weights; None where the package or onnxruntime isn't installed."""
    spec = find_spec("basic_pitch")
    if spec is None or spec.origin is None or find_spec("onnxruntime") is None:
        return None
    path = Path(spec.origin).parent / _WEIGHTS
    return path if path.is_file() else None


def without() -> str:
    """Says that it can't be heard here, and how to get what is missing."""
    return f"The row `{NAME}` is left out; {remedy('basicpitch')}, and then `pip install --no-deps basic-pitch`."


class BasicPitch:
    """Writes down the notes of sounds.

    Raises:
        TrainingError: it isn't installed.
    """

    def __init__(self) -> None:
        path = weights()
        if path is None:
            raise TrainingError(without())
        import onnxruntime

        self._session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])

    def transcribe(self, heard: Samples) -> dict[str, tuple[Note, ...]]:
        """The notes of a sound (n,), 16 kHz, by family."""
        sound = Clip(heard[None], ENCODER_RATE).resampled(_RATE).samples[0]
        held, onsets = (np.concatenate(each, axis=1) for each in zip(*self._frames(sound), strict=True))
        notes = [
            Note(max(0.0, note.start - _LEAD), note.pitch, note.velocity, note.duration)
            for note in notes_of(onsets, held, _GRID, _READING)
        ]
        return {
            key: tuple(note for note in notes if family.low <= note.pitch <= family.high)
            for key, family in FAMILIES.items()
        }

    def _frames(self, sound: Samples) -> Iterator[tuple[Roll, Roll]]:
        """Held keys and beginnings of one window after the other, (88, frames) each, without their edges."""
        hop = (_WINDOW // _HOP - 2 * _EDGE) * _HOP
        padded = np.pad(sound, (_EDGE * _HOP, _WINDOW))
        for start in range(0, len(sound), hop):
            window = padded[start : start + _WINDOW].astype(np.float32)[None, :, None]
            held, onsets = self._session.run([_NOTES, _ONSETS], {_INPUT: window})
            kept = slice(_EDGE, _EDGE + hop // _HOP)
            yield held[0, kept].T, onsets[0, kept].T
