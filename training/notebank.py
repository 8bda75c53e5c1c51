"""Recorded notes on disk, 16 kHz mono 16 bit: what mixtures are made of, for training and for measuring.

A folder holds shards (``notes-<n>.npy``, int16, shape (notes, samples)) and one line of JSON per recorded
preset in ``notes.jsonl``. A line is written after its sound; what has no line is recorded again, so a run
that was stopped goes on where it was.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from synthmatch.audio import ENCODER_RATE, Clip, Samples
from synthmatch.errors import TrainingError
from synthmatch.files import atomic_path
from synthmatch.notes import REFERENCE_NOTES, Note, Performance
from synthmatch.presets.families import FAMILIES
from synthmatch.presets.preset import State
from synthmatch.renderers.renderer import Failure, RenderJob, RenderResult, RenderSettings

Render = Callable[[Iterable[RenderJob]], Iterator[RenderResult]]

SECONDS = 2.5
LENGTH = round(SECONDS * ENCODER_RATE)
SHARD = 128  # presets a shard: about 110 MB at 11 notes each
SETTLE = 0.5  # seconds between two notes of one preset, whose tails do no harm to one another
REFERENCES = len(REFERENCE_NOTES)

_PASSING = (Failure.CRASH, Failure.TIMEOUT)


@dataclass(frozen=True, slots=True)
class Recorded:
    """One preset's notes in a bank.

    Args:
        id: the state's id.
        shard: number of the file that holds them.
        first: row of the first note within it; the reference notes come first.
        pitches, velocities: of each note.
        failure: why there is no sound; such a preset has no notes.
    """

    id: str
    shard: int
    first: int
    pitches: tuple[int, ...]
    velocities: tuple[int, ...]
    failure: str = ""


def plan(family: str, state_id: str, extra: int | None) -> tuple[Performance, ...]:
    """The notes to record of a preset: the reference notes, then notes over its family's range.

    Args:
        family: a key of ``FAMILIES``, or "" for reference notes alone.
        state_id: decides pitches and velocities, so that a second run records the same.
        extra: how many further notes, spread over the range at varied velocities; None for every pitch of
            the range at velocity 100, as a benchmark wants it.
    """
    if not family:
        return REFERENCE_NOTES
    low, high = FAMILIES[family].low, FAMILIES[family].high
    if extra is None:
        further = [(pitch, 100) for pitch in range(low, high + 1)]
    else:
        rng = np.random.default_rng(int(state_id[:12], 16))
        edges = np.linspace(low, high + 1, extra + 1)
        further = [
            (int(rng.uniform(first, last)), 100 if turn % 2 == 0 else int(rng.integers(40, 121)))
            for turn, (first, last) in enumerate(pairwise(edges))
        ]
    held = tuple(Performance.single(pitch, velocity, SECONDS - 0.5, 0.5) for pitch, velocity in further)
    return REFERENCE_NOTES + held


class NoteBank:
    """Recorded notes of many presets.

    Sound is memory-mapped: the system's page cache decides how much of it stays in memory.
    """

    def __init__(self, folder: Path) -> None:
        """Open a folder; one that isn't there yet is an empty bank."""
        self.folder = folder
        self.recorded: dict[str, Recorded] = {}
        self._shards: dict[int, npt.NDArray[np.int16]] = {}
        journal = folder / "notes.jsonl"
        if journal.exists():
            for number, line in enumerate(journal.read_text(encoding="utf-8").splitlines(), start=1):
                try:
                    values: dict[str, Any] = json.loads(line)
                    values = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
                    row = Recorded(**values)
                except (ValueError, TypeError) as error:
                    raise TrainingError(f"{journal}, line {number}, is damaged; delete {folder}.") from error
                self.recorded[row.id] = row

    def __contains__(self, state_id: object) -> bool:
        row = self.recorded.get(str(state_id))
        return row is not None and not row.failure

    def notes(self, state_id: str) -> npt.NDArray[np.int16]:
        """All notes of a preset, shape (notes, LENGTH), int16; the reference notes come first."""
        row = self.recorded[state_id]
        if row.shard not in self._shards:
            self._shards[row.shard] = np.load(self.folder / f"notes-{row.shard}.npy", mmap_mode="r")
        return self._shards[row.shard][row.first : row.first + len(row.pitches)]

    def references(self, state_id: str) -> Samples:
        """The reference notes, shape (5, samples of a reference note), full scale at 1."""
        length = round(REFERENCE_NOTES[0].seconds * ENCODER_RATE)
        return as_float(self.notes(state_id)[:REFERENCES, :length])

    def nearest(self, state_id: str, note: Note) -> Samples:
        """The recorded note whose pitch, then velocity, is nearest to ``note``'s, as far as it is held: (n,)."""
        row = self.recorded[state_id]
        distance = [
            (abs(pitch - note.pitch), abs(velocity - note.velocity), place)
            for place, (pitch, velocity) in enumerate(zip(row.pitches, row.velocities, strict=True))
        ]
        return as_float(self.notes(state_id)[min(distance)[2], : round(note.duration * ENCODER_RATE)])

    def record(
        self,
        states: Mapping[str, State],
        plans: Mapping[str, Sequence[Performance]],
        render: Render,
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        """Record what isn't there yet.

        A preset that makes no usable sound is noted and not tried again; one that crashed or took too long
        is tried again by the next recording, since that may have been the machine's doing.

        Args:
            states: by id.
            plans: the notes of each, from :func:`plan`.
            render: usually ``RenderPool.render``.
            progress: called with (done, all) after each preset.
        """
        missing = [state for key, state in states.items() if key not in self.recorded]
        done, total = len(states) - len(missing), len(states)
        settings = RenderSettings(settle=SETTLE)
        jobs = (RenderJob(state, tuple(plans[state.id]), settings) for state in missing)
        waiting: list[RenderResult] = []
        for result in render(jobs):
            if result.failure not in _PASSING:
                waiting.append(result)
            done += 1
            if progress:
                progress(done, total)
            if len(waiting) == SHARD:
                self._write(waiting)
                waiting = []
        if waiting:
            self._write(waiting)

    def _write(self, results: Sequence[RenderResult]) -> None:
        number = 1 + max((row.shard for row in self.recorded.values()), default=-1)
        rows: list[Recorded] = []
        blocks: list[npt.NDArray[np.int16]] = []
        first = 0
        for result in results:
            played = [performance.notes[0] for performance in result.job.performances] if result.ok else []
            rows.append(
                Recorded(
                    result.job.state.id,
                    number,
                    first,
                    tuple(note.pitch for note in played),
                    tuple(note.velocity for note in played),
                    "" if result.ok else result.reason,
                )
            )
            if result.ok:
                blocks.append(_as_int16(result.clips))
                first += len(played)
        self.folder.mkdir(parents=True, exist_ok=True)
        empty = np.zeros((0, LENGTH), np.int16)
        with atomic_path(self.folder / f"notes-{number}.npy") as temporary, temporary.open("wb") as file:
            np.save(file, np.concatenate(blocks) if blocks else empty)
        with (self.folder / "notes.jsonl").open("a", encoding="utf-8") as journal:
            journal.writelines(json.dumps(asdict(row)) + "\n" for row in rows)
        self.recorded.update({row.id: row for row in rows})


def as_float(notes: npt.NDArray[np.int16]) -> Samples:
    """16-bit samples as float32, full scale at 1."""
    return notes.astype(np.float32) / np.float32(32767)


def _as_int16(clips: Sequence[Clip]) -> npt.NDArray[np.int16]:
    """Notes at 16 kHz, scaled together to the preset's peak, cut or padded to LENGTH: (notes, LENGTH)."""
    heard = [clip.heard()[:LENGTH] for clip in clips]
    peak = max(max(float(np.abs(each).max(initial=0.0)) for each in heard), 1e-9)
    out = np.zeros((len(heard), LENGTH), np.int16)
    for row, each in zip(out, heard, strict=True):
        row[: len(each)] = np.round(each * (32767 / peak))
    return out
