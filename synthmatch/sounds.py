"""The sounds and the states of a library, one file each.

A state's reference notes lie one after the other in one 24-bit FLAC, divided by a gain that brings their
peak to full scale (some presets peak above 1, most far below): what is read back differs from what was
rendered by at most half a step of 24 bits below the peak.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from synthmatch import audio
from synthmatch.audio import Clip
from synthmatch.errors import AudioError, LibraryError
from synthmatch.files import write_bytes
from synthmatch.presets.preset import State
from synthmatch.store import StoredSound

_FULL_SCALE = 1 - 2.0**-23  # the largest sample that 24 bits hold


class Sounds:
    """The folders ``audio/`` and ``files/`` of a library."""

    def __init__(self, folder: Path) -> None:
        self._audio = folder / "audio"
        self._files = folder / "files"

    def audio_path(self, state: str) -> Path:
        """Where the sound of a state lies; 256 folders keep each of them small."""
        return self._audio / state[:2] / f"{state}.flac"

    def state_path(self, state: str) -> Path:
        """Where the parameters of a state lie."""
        return self._files / state[:2] / f"{state}.state"

    def write(self, state: str, clips: Sequence[Clip]) -> StoredSound:
        """Store the notes of a state; replaces what was there."""
        peak = max(clip.peak for clip in clips)
        gain = float(np.float32(peak / _FULL_SCALE)) if peak > 0 else 1.0
        joined = np.concatenate([clip.samples for clip in clips], axis=1)
        joined /= np.float32(gain)
        path = self.audio_path(state)
        audio.write(path, Clip(joined, clips[0].sample_rate))
        bounds = np.cumsum([clip.samples.shape[1] for clip in clips])
        return StoredSound(gain, tuple(int(bound) for bound in bounds), path.stat().st_size)

    def read(self, state: str, sound: StoredSound) -> tuple[Clip, ...]:
        """The notes of a state, as they were rendered.

        Raises:
            LibraryError: the file is missing, damaged, or of another length than its row says.
        """
        path = self.audio_path(state)
        try:
            whole = audio.read(path)
        except AudioError as error:
            raise LibraryError(f"{path} is missing or damaged; run `synthmatch library repair`.") from error
        if not sound.bounds or whole.samples.shape[1] != sound.bounds[-1]:
            raise LibraryError(f"{path} has another length than its row says; run `synthmatch library repair`.")
        samples = whole.samples * np.float32(sound.gain)
        return tuple(
            Clip(samples[:, first:last], whole.sample_rate)
            for first, last in zip((0, *sound.bounds), sound.bounds, strict=False)
        )

    def write_state(self, state: State) -> None:
        """Keep a state's canonical bytes, so that it can be exported when its bank is long gone."""
        path = self.state_path(state.id)
        if not path.exists():
            write_bytes(path, zlib.compress(state.data))

    def read_state(self, state: str, synth: str) -> State:
        """A state, checked against its id.

        Raises:
            LibraryError: its file is missing or damaged.
        """
        path = self.state_path(state)
        try:
            found = State(synth, zlib.decompress(path.read_bytes()))
        except (OSError, zlib.error) as error:
            raise LibraryError(f"{path} is missing or damaged; add its bank again.") from error
        if found.id != state:
            raise LibraryError(f"{path} holds another preset than its name says; add its bank again.")
        return found

    def delete(self, states: Iterable[str]) -> None:
        """Delete sounds and states; those that aren't there are passed over."""
        for state in states:
            self.delete_sound(state)
            self.state_path(state).unlink(missing_ok=True)

    def delete_sound(self, state: str) -> None:
        """Delete the sound of a state, if it is there."""
        self.audio_path(state).unlink(missing_ok=True)

    def strays(self, known: set[str]) -> Iterator[Path]:
        """Files that belong to no state in ``known``: what a killed run or a removal left behind."""
        for folder in (self._audio, self._files):
            for path in sorted(folder.glob("*/*")):
                if path.stem not in known:
                    yield path
