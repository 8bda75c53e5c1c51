"""Recorded notes on disk: what mixtures are made of, for training and for measuring."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from synthmatch.audio import ENCODER_RATE, Samples
from synthmatch.notes import REFERENCE_NOTES, Note, Performance
from synthmatch.presets.families import FAMILIES
from synthmatch.presets.preset import State
from synthmatch.renderers.renderer import RenderJob, RenderSettings
from synthmatch.training.arrays import Sound
from synthmatch.training.recorded.shards import Render, Row, ShardBank, recording_into
from synthmatch.training.recorded.shards import as_float as as_float

SECONDS = 2.5
LENGTH = round(SECONDS * ENCODER_RATE)
SETTLE = 0.5  # seconds between two notes of one preset, whose tails do no harm to one another
REFERENCES = len(REFERENCE_NOTES)


@dataclass(frozen=True)
class Recorded(Row):
    """One preset's notes in a bank; the reference notes come first.

    Args:
        pitches, velocities: of each note.
    """

    pitches: tuple[int, ...]
    velocities: tuple[int, ...]

    @property
    def count(self) -> int:
        """How many notes."""
        return len(self.pitches)


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


class NoteBank(ShardBank[Recorded]):
    """Recorded notes of many presets: ``notes.jsonl`` and ``notes-<n>.npy`` in a folder."""

    stem = "notes"
    length = LENGTH

    def notes(self, state_id: str) -> Sound:
        """All notes of a preset, shape (notes, LENGTH), int16; the reference notes come first."""
        return self.sounds(state_id)

    def references(self, state_id: str) -> Samples:
        """The reference notes, shape (5, samples of a reference note), full scale at 1."""
        length = round(REFERENCE_NOTES[0].seconds * ENCODER_RATE)
        return as_float(self.notes(state_id)[:REFERENCES, :length])

    def nearest(self, state_id: str, note: Note) -> Samples:
        """The recorded note whose pitch, then velocity, is nearest to ``note``'s, as far as it is held: (n,)."""
        return as_float(self.notes(state_id)[self.place(state_id, note), : round(note.duration * ENCODER_RATE)])

    def place(self, state_id: str, note: Note) -> int:
        """The number of that note."""
        row = self.recorded[state_id]
        return min(
            range(row.count),
            key=lambda each: (abs(row.pitches[each] - note.pitch), abs(row.velocities[each] - note.velocity)),
        )

    def record(
        self,
        states: Mapping[str, State],
        plans: Mapping[str, Sequence[Performance]],
        render: Render,
        progress: Callable[[int, int], None] | None = None,
        stop: Callable[[], bool] | None = None,
    ) -> None:
        """Record what isn't there yet, or there with fewer notes; see :meth:`ShardBank.record_jobs`.

        Args:
            states: by id.
            plans: the notes of each, from :func:`plan`.
            render: usually ``RenderPool.render``.
            progress: called with (done, all) after each preset.
            stop: asked before each preset; from its first True on, what is under way is finished and kept.

        Raises:
            TrainingError: another command records into the folder.
        """
        if not self.missing(states, self._fewer(plans)) or (stop is not None and stop()):
            return  # and leave the folder as it is
        with recording_into(self.folder):
            self.read()
            self.record_jobs(
                list(states),
                lambda key: note_job(states[key], plans[key]),
                render,
                progress,
                stop=stop,
                again=self._fewer(plans),
            )

    def _fewer(self, plans: Mapping[str, Sequence[Performance]]) -> set[str]:
        """Those that are there with fewer notes than planned."""
        return {key for key, played in plans.items() if key in self and self.recorded[key].count < len(played)}

    def _row(self, key: str, job: RenderJob, failure: str) -> Recorded:
        played = () if failure else tuple(performance.notes[0] for performance in job.performances)
        pitches, velocities = tuple(note.pitch for note in played), tuple(note.velocity for note in played)
        return Recorded(key, 0, 0, pitches, velocities, failure=failure)

    def _row_of(self, values: dict[str, Any]) -> Recorded:
        return Recorded(**values)


def note_job(state: State, notes: Sequence[Performance], effects: bool = True) -> RenderJob:
    """What is played of a preset to record its notes."""
    return RenderJob(state, tuple(notes), RenderSettings(settle=SETTLE, effects=effects))
