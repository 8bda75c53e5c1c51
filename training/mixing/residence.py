"""Recorded sound where training needs it: 16 bit, on the training device, in memory, or mapped from disk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from synthmatch.audio import ENCODER_RATE
from synthmatch.files import content_hash
from synthmatch.training.arrays import Bools, Ints, Sound

ROOM = 0.5  # of a device's free memory that notes may take: the rest is for mixtures and the network
PITCHES = 128
VELOCITY = 100  # of the notes in mixtures
AUDIBLE = 0.05  # of a passage's peak, below which a crop counts as silent
GRID = ENCODER_RATE // 4  # samples between the places where a crop may begin


class Notes(Protocol):
    """What is needed of a :class:`synthmatch.training.recorded.notebank.NoteBank`."""

    @property
    def recorded(self) -> Mapping[str, Keys]: ...

    def notes(self, state_id: str) -> Sound: ...


class Keys(Protocol):
    """Which notes were recorded of a preset."""

    @property
    def pitches(self) -> tuple[int, ...]: ...

    @property
    def velocities(self) -> tuple[int, ...]: ...


class Passages(Protocol):
    """Passages played live: ``stems`` is (n, samples), int16, of every preset that is ``in`` it."""

    def __contains__(self, state_id: object) -> bool: ...

    def stems(self, state_id: str) -> Sound: ...


class Place(Enum):
    """Where sound is kept."""

    DEVICE = "on the device"
    MEMORY = "in memory"
    DISK = "mapped from disk"


@dataclass(frozen=True, eq=False)
class Layout:
    """Where the sound of S presets lies, in samples from the beginning of everything; arrays only, so that it
    travels to other processes.

    Args:
        ids: of the presets.
        first: (S,), where a preset's notes begin.
        length: (S,), samples of each of its notes.
        nearest: (S, 128), by pitch, which of its notes plays it: the nearest in pitch, then in velocity.
        passage_of: (S + 1,); passages ``passage_of[s]`` to ``passage_of[s + 1]`` are those of preset s.
        passages: (M,), where each passage begins.
        passage_length: samples of every passage; 0 if there are none.
        loudness: (M, G), the peak of each ``GRID`` samples of a passage, 0 to 32,768.
    """

    ids: tuple[str, ...]
    first: Ints
    length: Ints
    nearest: npt.NDArray[np.int32]
    passage_of: Ints
    passages: Ints
    passage_length: int
    loudness: npt.NDArray[np.int32]

    @property
    def fingerprint(self) -> str:
        """Hash of which presets lie where; two processes with the same one plan the same steps."""
        where = (self.first, self.length, self.nearest, self.passage_of, self.passages, self.loudness)
        return content_hash(*(key.encode() for key in self.ids), *(each.tobytes() for each in where))

    def openings(self, samples: int) -> Bools:
        """(M, G), from which places of a passage so many samples are there and can be heard."""
        span = -(-samples // GRID)
        count = self.loudness.shape[1] if self.loudness.size else 0
        out = np.zeros((len(self.passages), max(1, count)), np.bool_)
        peak = self.loudness.max(axis=1, initial=1)
        for place in range(max(1, count - span + 1)):
            heard = self.loudness[:, place : place + span].max(axis=1, initial=0)
            out[:, place] = heard > AUDIBLE * peak
        out[~out.any(axis=1), 0] = True
        return out


class Residence:
    """All sound that a run mixes, as one row of 16-bit samples."""

    def __init__(self, blocks: Sequence[Sound], device: torch.device, memory_gb: float) -> None:
        """
        Args:
            blocks: arrays of any shape, usually mapped from disk; they follow one another.
            device: where mixtures are made.
            memory_gb: what they may take together, in 10^9 bytes; above it they stay on disk.
        """
        self.device = device
        self._blocks = blocks
        self._edges = np.cumsum([0, *(block.size for block in blocks)])
        self.longest = max((block.shape[-1] for block in blocks), default=0)
        """Samples of the longest recording."""
        samples = int(self._edges[-1])
        self.gigabytes = 2 * samples / 1e9
        self.place = _place(2 * samples, device, memory_gb)
        self._flat: Tensor | None = None
        if self.place is not Place.DISK:
            home = device if self.place is Place.DEVICE else torch.device("cpu")
            # The end is padded, so that a piece may be read beyond its own end.
            self._flat = torch.zeros(samples + self.longest, dtype=torch.int16, device=home)
            for block, start in zip(blocks, self._edges[:-1].tolist(), strict=True):
                self._flat[start : start + block.size] = torch.from_numpy(np.array(block).reshape(-1)).to(home)

    def pieces(self, positions: Ints, length: int) -> Tensor:
        """Read pieces of sound.

        Args:
            positions: (E,), where each begins.
            length: samples of each, at most those of the longest recording; what lies beyond a recording's end
                is undefined.

        Returns:
            (E, length), int16, on the device.
        """
        if self._flat is None:
            return self._sent(torch.from_numpy(self._read(positions, length)))
        windows = self._flat.as_strided((len(self._flat) - length + 1, length), (1, 1))
        return self._sent(windows[torch.from_numpy(positions).to(self._flat.device)])

    def _sent(self, pieces: Tensor) -> Tensor:
        if pieces.device.type == self.device.type:  # "cuda" and "cuda:0" aren't equal, and a process has one GPU
            return pieces
        ready = pieces.pin_memory() if self.device.type == "cuda" else pieces
        return ready.to(self.device, non_blocking=True)

    def _read(self, positions: Ints, length: int) -> Sound:
        out = np.zeros((len(positions), length), np.int16)
        numbers = np.searchsorted(self._edges, positions, side="right") - 1
        for row, number, position in zip(out, numbers.tolist(), positions.tolist(), strict=True):
            start = position - int(self._edges[number])
            block = self._blocks[number]
            whole, offset = divmod(start, block.shape[-1])
            piece = block.reshape(-1, block.shape[-1])[whole, offset : offset + length]
            row[: len(piece)] = piece
        return out


def settle(
    ids: Sequence[str], bank: Notes, passages: Passages | None, device: torch.device, memory_gb: float
) -> tuple[Layout, Residence]:
    """Bring the sound of some presets to where it is needed, and say where each lies.

    Args:
        ids: presets that ``bank`` holds.
        passages: what was recorded live, of any of them.
        device: where mixtures are made.
        memory_gb: see :class:`Residence`.
    """
    notes = [bank.notes(key) for key in ids]
    live = [passages.stems(key) if passages is not None and key in passages else None for key in ids]
    stems = [block for block in live if block is not None and len(block)]
    sizes = np.array([block.size for block in (*notes, *stems)], np.int64)
    edges = np.concatenate([[0], np.cumsum(sizes)])
    counts = [0 if block is None else len(block) for block in live]
    lengths = {block.shape[1] for block in stems}
    span = max(lengths, default=0)
    begins = [
        edge + row * block.shape[1]
        for edge, block in zip(edges[len(notes) :].tolist(), stems, strict=False)
        for row in range(len(block))
    ]
    layout = Layout(
        tuple(ids),
        edges[: len(notes)].astype(np.int64),
        np.array([block.shape[1] for block in notes], np.int64),
        np.stack([_nearest(bank.recorded[key]) for key in ids]) if ids else np.zeros((0, PITCHES), np.int32),
        np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        np.array(begins, np.int64),
        span,
        np.concatenate([_loudness(block) for block in stems]) if stems else np.zeros((0, 0), np.int32),
    )
    return layout, Residence([*notes, *stems], device, memory_gb)


def _nearest(keys: Keys) -> npt.NDArray[np.int32]:
    """(128,), by pitch, the number of the note that plays it; the first of equals."""
    wanted = np.arange(PITCHES)[:, None]
    apart = np.abs(np.array(keys.pitches)[None] - wanted) * PITCHES
    apart = apart + np.abs(np.array(keys.velocities)[None] - VELOCITY)
    nearest: npt.NDArray[np.int32] = apart.argmin(axis=1).astype(np.int32)
    return nearest


def _loudness(block: Sound) -> npt.NDArray[np.int32]:
    """(n, G), the peak of each ``GRID`` samples of n passages."""
    whole = block[:, : block.shape[1] // GRID * GRID].astype(np.int32)
    peaks: npt.NDArray[np.int32] = np.abs(whole).reshape(len(block), -1, GRID).max(axis=2)
    return peaks


def _place(size: int, device: torch.device, memory_gb: float) -> Place:
    if size > memory_gb * 1e9:
        return Place.DISK
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return Place.DEVICE if size <= ROOM * free else Place.MEMORY
    return Place.MEMORY
