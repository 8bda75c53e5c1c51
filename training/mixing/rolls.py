"""What is played in a step's mixtures, read off their plan: the truth that a transcriber learns from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from synthmatch.audio import ENCODER_RATE
from synthmatch.networks.pianoroll import VELOCITY, Grid, Roll, roll_of
from synthmatch.notes import Note
from synthmatch.training.mixing.plans import Plan
from synthmatch.training.mixing.residence import Layout, Notes
from synthmatch.training.recorded.phrasebank import PhraseBank


@dataclass(frozen=True, eq=False)
class Truth:
    """Pictures of every output of a transcriber for a step's mixtures.

    Args:
        onsets, held: (B, F + 1, pitches, N), 0 or 1; the last output is everything that is known to play.
    """

    onsets: Roll
    held: Roll


class Scribe:
    """Knows which notes lie where in recorded sound.

    A mixture holds the recorded note that is nearest to the one that was composed, so what is written down is the
    pitch of the recording: the key that was pressed. Presets whose sound lies octaves away keep it, since the key is
    what a preset has to be played on.
    """

    def __init__(self, layout: Layout, bank: Notes, phrases: PhraseBank | None, families: int, grid: Grid) -> None:
        """
        Args:
            layout: where the sound of the presets lies.
            bank: whose notes it is.
            phrases: passages that were played live, if ``layout`` has any.
            families: how many a plan's labels number.
        """
        self._layout, self._bank, self._phrases = layout, bank, phrases
        self._families, self._grid = families, grid

    def parts(self, plan: Plan) -> list[list[Note]]:
        """The notes of each part of a whole plan, in seconds of its mixture; cut at its end."""
        played: list[list[Note]] = [[] for _ in plan.labels.state]
        events = plan.events
        columns = (events.stem, events.source, events.onset, events.length, events.opens)
        for stem, source, onset, length, opens in zip(*(each.tolist() for each in columns), strict=True):
            if stem < len(played):  # what comes after the parts is nobody's
                state = int(plan.labels.state[stem])
                kind = self._passage if opens else self._note
                played[stem] += kind(state, source, onset, length)
        return played

    def truth(self, plan: Plan) -> Truth:
        """The pictures of a plan's mixtures."""
        frames = 1 + int(plan.samples * self._grid.rate / ENCODER_RATE)
        shape = len(plan.labels.presence), self._families + 1, self._grid.pitches, frames
        onsets, held = np.zeros((2, *shape), np.float32)
        for part, notes in enumerate(self.parts(plan)):
            mixture, family = plan.labels.mixture[part], plan.labels.family[part]
            drawn = roll_of(notes, self._grid, frames)
            for whole, own in zip((onsets, held), drawn, strict=True):
                for output in (family, -1):
                    np.maximum(whole[mixture, output], own, out=whole[mixture, output])
        return Truth(onsets, held)

    def _note(self, state: int, source: int, onset: int, length: int) -> Iterator[Note]:
        layout = self._layout
        place = (source - int(layout.first[state])) // int(layout.length[state])
        pitch = self._bank.recorded[layout.ids[state]].pitches[place]
        yield Note(onset / ENCODER_RATE, pitch, VELOCITY, length / ENCODER_RATE)

    def _passage(self, state: int, source: int, onset: int, length: int) -> Iterator[Note]:
        """The notes within a crop of what was played live; one that was begun before it begins with it."""
        if self._phrases is None:
            return
        layout = self._layout
        first = int(layout.passage_of[state])
        begins = layout.passages[first : int(layout.passage_of[state + 1])]
        which = int(np.searchsorted(begins, source, side="right")) - 1
        shift = (onset - (source - int(begins[which]))) / ENCODER_RATE
        opening, end = onset / ENCODER_RATE, (onset + length) / ENCODER_RATE
        for note in self._phrases.notes(layout.ids[state])[which].notes:
            start, stop = max(opening, note.start + shift), min(end, note.end + shift)
            if stop - start > 1 / self._grid.rate:
                yield Note(start, note.pitch, note.velocity, stop - start)
