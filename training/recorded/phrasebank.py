"""Phrases that were played live on a disk: overlapping releases, glides and one-voice modes as the synth does them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from synthmatch.audio import ENCODER_RATE
from synthmatch.notes import Note, Performance
from synthmatch.presets.preset import State
from synthmatch.renderers.renderer import RenderJob, RenderSettings
from synthmatch.training.arrays import Sound
from synthmatch.training.parts import compose
from synthmatch.training.recorded.shards import Row, ShardBank

SECONDS = 10.0
LENGTH = round(SECONDS * ENCODER_RATE)


@dataclass(frozen=True)
class Played(Row):
    """One preset's phrases in a bank.

    Args:
        phrases: per phrase, its notes as (start, pitch, velocity, duration).
    """

    phrases: tuple[tuple[tuple[float, int, int, float], ...], ...]

    @property
    def count(self) -> int:
        """How many phrases."""
        return len(self.phrases)


def phrases(family: str, state_id: str, count: int) -> tuple[Performance, ...]:
    """What a preset plays: parts by the rules of mixtures, each in a key and tempo of its own.

    Args:
        family: a key of ``FAMILIES``.
        state_id: decides every choice, so that a second run plays the same.
        count: how many phrases; more of them begin with the same ones.

    Returns:
        Performances of exactly ``SECONDS``; what rings on after the last note belongs to them. The first is at
        velocity 100, like the mixtures of the benchmark, and every other one at one between 40 and 120.
    """
    return tuple(_phrase(family, state_id, turn) for turn in range(count))


def _phrase(family: str, state_id: str, turn: int) -> Performance:
    rng = np.random.default_rng((int(state_id[:12], 16), turn))
    velocity = 100 if turn % 2 == 0 else int(rng.integers(40, 121))
    part = compose(rng, [family], SECONDS, velocity)[family]
    return Performance(part.notes, tail=max(0.0, SECONDS - max(note.end for note in part.notes)))


def phrase_job(state: State, played: Sequence[Performance], effects: bool = True) -> RenderJob:
    """What is played of a preset to record its phrases; the synth falls silent before each."""
    return RenderJob(state, tuple(played), RenderSettings(effects=effects))


class PhraseBank(ShardBank[Played]):
    """Phrases of many presets: ``phrases.jsonl`` and ``phrases-<n>.npy`` in a folder.

    A preset's phrases are scaled together to its peak.
    """

    stem = "phrases"
    length = LENGTH

    def stems(self, state_id: str) -> Sound:
        """All phrases of a preset, shape (phrases, LENGTH), int16."""
        return self.sounds(state_id)

    def notes(self, state_id: str) -> tuple[Performance, ...]:
        """What each of a preset's phrases plays; (phrases,)."""
        return tuple(_performance(each) for each in self.recorded[state_id].phrases)

    def _row(self, key: str, job: RenderJob, failure: str) -> Played:
        played = () if failure else job.performances
        rows = tuple(tuple(tuple(asdict(note).values()) for note in each.notes) for each in played)
        return Played(key, 0, 0, rows, failure=failure)

    def _row_of(self, values: dict[str, Any]) -> Played:
        return Played(**values)


def _performance(notes: Sequence[tuple[float, int, int, float]]) -> Performance:
    played = tuple(Note(*each) for each in notes)
    return Performance(played, tail=max(0.0, SECONDS - max(note.end for note in played)))
