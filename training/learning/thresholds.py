"""How sure a transcriber must be for a key to count as pressed, fitted after training."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from torch import Tensor

from synthmatch.networks.pianoroll import Roll, notes_of, roll_of
from synthmatch.networks.transcriber import EVERYTHING, GRID, Transcriber, TranscriberConfig
from synthmatch.notes import Note
from synthmatch.training.mixing.plans import Plan
from synthmatch.training.mixing.rolls import Scribe
from synthmatch.training.scoring import transcripts

TRIED = tuple(round(0.05 * step, 2) for step in range(4, 16))
"""The shares of the surest that are tried: .2 to .75."""


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

    def read(self, config: TranscriberConfig) -> tuple[Note, ...]:
        return notes_of(self.onsets, self.held, GRID, config.reading(self.family))


def fitted(mixtures: Mixtures, model: Transcriber, plans: Sequence[Plan]) -> TranscriberConfig:
    """The transcriber's shape with the shares under which it is most often right about some plans' parts.

    That of beginnings by the F-measure of notes, which takes mir_eval, and stays what it was without; that of held
    keys by the F-measure of the frames of the notes that are read.
    """
    heard = [part for plan in plans for part in _parts(mixtures, model, plan)]
    parts = [part for part in heard if part.family != EVERYTHING]
    whole = [part for part in heard if part.family == EVERYTHING]
    config = model.config
    if transcripts.is_installed():
        config = max((replace(config, surest=share) for share in TRIED), key=lambda tried: _notes(parts, tried))
        config = max((replace(config, surest_of_all=share) for share in TRIED), key=lambda tried: _notes(whole, tried))
    return max((replace(config, fading=share) for share in TRIED), key=lambda tried: _frames(parts, tried))


def _parts(mixtures: Mixtures, model: Transcriber, plan: Plan) -> Iterator[_Part]:
    """Every part of a plan's mixtures, and all parts of each mixture together."""
    sound, truth = mixtures.sound(plan).cpu().numpy(), mixtures.scribe.truth(plan)
    played = mixtures.scribe.parts(plan)
    for mixture, heard in enumerate(sound):
        onsets, held = model.probabilities(heard)
        own = np.nonzero(plan.labels.mixture == mixture)[0]
        for output, name in enumerate(model.config.outputs):
            asked = own if name == EVERYTHING else own[plan.labels.family[own] == output]
            if len(asked):
                notes = sorted(note for part in asked.tolist() for note in played[part])
                yield _Part(name, onsets[output], held[output], truth.held[mixture, output], notes)


def _notes(parts: Sequence[_Part], config: TranscriberConfig) -> float:
    """F-measure of notes whose key and beginning are right, a mean over parts."""
    return float(np.mean([transcripts.agreement(part.read(config), part.played).key for part in parts]))


def _frames(parts: Sequence[_Part], config: TranscriberConfig) -> float:
    """F-measure of frames in which keys are down."""
    both = written = 0.0
    for part in parts:
        drawn = roll_of(part.read(config), GRID, part.truth.shape[1])[1]
        both += float((drawn * part.truth).sum())
        written += float(drawn.sum())
    either = written + sum(float(part.truth.sum()) for part in parts)
    return 2 * both / either if either else 0.0
