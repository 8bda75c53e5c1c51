"""The sounds and the states of a library, one file each.

A state's reference notes lie one after the other in one FLAC file, each divided by a gain that brings its
peak to full scale (some presets peak above 1, most far below). 16 bits below each note's own peak are kept:
what is read back differs from what was rendered by at most 2 ** -16 of the note's peak. With 24 bits, of
which the last eight are as good as incompressible, Debian's 4,800 presets would take 5.3 GB, not 2.5.
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
from synthmatch.library.store import StoredSound
from synthmatch.presets.preset import State

SUBTYPE = "PCM_16"
"""soundfile's name of the sample format."""
_FULL_SCALE = 1 - 2.0**-15  # the largest sample that it holds
_QUIETEST = 1e-3  # of the preset's peak: notes below aren't raised further, or they'd fill the disk with noise


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
        floor = max(clip.peak for clip in clips) * _QUIETEST or 1.0  # silence is stored as it is
        gains = tuple(float(np.float32(max(clip.peak, floor) / _FULL_SCALE)) for clip in clips)
        scaled = [clip.samples / np.float32(gain) for clip, gain in zip(clips, gains, strict=True)]
        path = self.audio_path(state)
        for left in path.parent.glob(f".{state}-*"):  # by a run that was killed in the middle of this
            left.unlink(missing_ok=True)
        audio.write(path, Clip(np.concatenate(scaled, axis=1), clips[0].sample_rate), SUBTYPE)
        bounds = np.cumsum([clip.samples.shape[1] for clip in clips])
        return StoredSound(gains, tuple(int(bound) for bound in bounds), path.stat().st_size)

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
        notes = zip((0, *sound.bounds), sound.bounds, sound.gains, strict=False)
        return tuple(
            Clip(whole.samples[:, first:last] * np.float32(gain), whole.sample_rate) for first, last, gain in notes
        )

    def write_state(self, state: State) -> None:
        """Keep a state's canonical bytes, so that it can be exported when its bank is long gone."""
        path = self.state_path(state.id)
        data = zlib.compress(state.data)
        if not path.exists() or path.read_bytes() != data:
            write_bytes(path, data)

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
        """Files that belong to no state in ``known``: what a killed run or a removal left behind. Folders aren't ours,
        such as those in which a shared disk keeps what it knows of the files beside them."""
        for folder in (self._audio, self._files):
            for path in sorted(folder.glob("[0-9a-f][0-9a-f]/*")):
                if path.stem not in known and path.is_file():
                    yield path
