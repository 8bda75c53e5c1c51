"""From which probability on a key counts as pressed, fitted after training: what weighs more is said more often."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from torch import Tensor

from synthmatch.notes import Note
from synthmatch.pianoroll import Roll, notes_of
from synthmatch.training import transcripts
from synthmatch.training.plans import Plan
from synthmatch.training.rolls import Scribe
from synthmatch.transcriber import GRID, Transcriber, TranscriberConfig

TRIED = tuple(round(0.05 * step, 2) for step in range(4, 20))
"""The thresholds that are tried: .2 to .95."""


class Mixtures(Protocol):
    """What makes sound of plans, and knows what is played in it."""

    scribe: Scribe

    def sound(self, plan: Plan) -> Tensor: ...


@dataclass(frozen=True, eq=False)
class _Part:
    """A part as it was heard, (pitches, frames) each, as it was drawn, and as it was played."""

    family: str
    onsets: Roll
    held: Roll
    truth: Roll
    played: Sequence[Note]


def fitted(mixtures: Mixtures, model: Transcriber, plans: Sequence[Plan]) -> TranscriberConfig:
    """The transcriber's shape with the thresholds under which it is most often right about some plans' parts.

    That of beginnings by the F-measure of notes, which takes mir_eval, and stays what it was without; that of held
    keys by the F-measure of frames.
    """
    parts = [part for plan in plans for part in _parts(mixtures, model, plan)]
    held = max(TRIED, key=lambda least: _frames(parts, least))
    config = replace(model.config, held=held)
    if not transcripts.is_installed():
        return config

    def right(onset: float) -> float:
        tried = replace(config, onset=onset)
        read = ((notes_of(part.onsets, part.held, GRID, tried.reading(part.family)), part.played) for part in parts)
        return float(np.mean([transcripts.agreement(*each).key for each in read]))

    return replace(config, onset=max(TRIED, key=right))


def _parts(mixtures: Mixtures, model: Transcriber, plan: Plan) -> Iterator[_Part]:
    sound, truth = mixtures.sound(plan).cpu().numpy(), mixtures.scribe.truth(plan)
    heard = [model.probabilities(each) for each in sound]
    for number, played in enumerate(mixtures.scribe.parts(plan)):
        mixture, family = int(plan.labels.mixture[number]), int(plan.labels.family[number])
        onsets, held = heard[mixture]
        drawn = truth.held[mixture, family]
        yield _Part(model.config.families[family], onsets[family], held[family], drawn, played)


def _frames(parts: Sequence[_Part], least: float) -> float:
    """F-measure of frames in which keys are down."""
    both = sum(float(((part.held >= least) & (part.truth > 0)).sum()) for part in parts)
    either = sum(float((part.held >= least).sum() + part.truth.sum()) for part in parts)
    return 2 * both / either if either else 0.0
