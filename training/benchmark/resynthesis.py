"""What re-ranking by resynthesis gives, and how right written-down notes are, on the benchmark's mixtures.

Candidates are played from their recorded notes, the nearest in pitch brought to the pitch that is wanted, instead of
by their synths: all of them alike, the truth included, so that nothing but its sound speaks for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from synthmatch.audio import ENCODER_RATE, Clip, Samples
from synthmatch.errors import CheckpointError
from synthmatch.matching.rerank import Heard, cells_of, distances, order
from synthmatch.networks.transcriber import Transcriber
from synthmatch.notes import Note, Performance
from synthmatch.training.arrays import Bools
from synthmatch.training.benchmark import basicpitch
from synthmatch.training.benchmark.hearing import Vectors
from synthmatch.training.benchmark.metrics import NoteFigures, stratified
from synthmatch.training.benchmark.queries import CORE, SECONDS, Queries
from synthmatch.training.benchmark.suites import Candidates, Found, Listener, Shortlist
from synthmatch.training.benchmark.summary import row_of
from synthmatch.training.benchmark.tables import Row
from synthmatch.training.mixing.mixtures import stem
from synthmatch.training.recorded.corpus import Corpus
from synthmatch.training.recorded.notebank import as_float
from synthmatch.training.scoring import transcripts

FIRST = 5
"""How many candidates of a family are compared inside the mixture."""

TRUE = "re-ranked, true notes"

Transcribe = Callable[[Samples], Mapping[str, Sequence[Note]]]
"""Writes down what each family plays in a mixture (n,), 16 kHz."""


@dataclass(frozen=True)
class Writer:
    """Somebody who writes notes down; ``name`` is that of the row."""

    name: str
    transcribe: Transcribe


class Players:
    """Presets that play any notes by their recorded ones."""

    def __init__(self, corpus: Corpus) -> None:
        self._corpus = corpus

    def play(self, preset: str, notes: Sequence[Note]) -> Samples:
        """A part of the length of the benchmark's mixtures, (n,), unscaled; silence if there are no notes."""
        if not notes:
            return np.zeros(round(SECONDS * ENCODER_RATE), np.float32)
        return stem(Performance(tuple(notes), tail=0.0), lambda note: self._sound(preset, note), SECONDS)

    def _sound(self, preset: str, note: Note) -> Samples:
        bank = self._corpus.notes
        place = bank.place(preset, note)
        sound = as_float(bank.notes(preset)[place])
        return shifted(sound, note.pitch - bank.recorded[preset].pitches[place])


def shifted(sound: Samples, semitones: int) -> Samples:
    """A sound (n,) played faster or slower, so that it is so many semitones higher."""
    if semitones == 0:
        return sound
    ratio = 2 ** (semitones / 12)
    places = np.arange(0, len(sound) - 1, ratio)
    moved: Samples = np.interp(places, np.arange(len(sound)), sound).astype(np.float32)
    return moved


def rows(
    queries: Queries, vectors: Vectors, listener: Listener, among: Candidates, writers: Sequence[Writer]
) -> list[Row]:
    """The rows of a hearing whose first candidates are compared inside each mixture: on the notes that are really
    played, then on those that each writer makes out.

    Args:
        queries: mixtures that tell what is played.
        vectors: (sounds, S, D), what the hearing made of them.
        among: the candidates of a family.
    """
    found = listener.find(vectors, queries.asked, among)
    firsts = listener.shortlists(vectors, queries.asked, among, FIRST)

    def row(name: str, parts: Callable[[int], Mapping[str, Sequence[Note]]]) -> Row:
        return row_of(name, reranked(queries, found, firsts, parts, listener.corpus), listener.corpus.labels)

    out = [row(TRUE, lambda number: {key: part.notes for key, part in queries.played(number).items()})]
    for writer in writers:
        written = [writer.transcribe(queries.sound(number)) for number in range(queries.count)]
        made = row(f"re-ranked, notes by {writer.name}", written.__getitem__)
        figures = note_figures(queries, written) if transcripts.is_installed() else None
        out.append(replace(made, notes=figures))
    return out


def writers() -> tuple[list[Writer], list[str]]:
    """Everybody here who writes notes down, and why others don't."""
    found, missing = [], []
    try:
        transcriber = Transcriber.released()
        found.append(Writer("synthmatch", lambda heard: transcriber.transcribe(Clip(heard[None], ENCODER_RATE))))
    except CheckpointError as error:
        missing.append(f"No notes by synthmatch: {error}")
    if basicpitch.weights() is None:
        missing.append(basicpitch.without())
    else:
        found.append(Writer(basicpitch.NAME, basicpitch.BasicPitch().transcribe))
    if not transcripts.is_installed():
        missing.append(transcripts.without())
    return found, missing


def note_figures(queries: Queries, written: Sequence[Mapping[str, Sequence[Note]]]) -> NoteFigures:
    """Measure what was written down of each of some mixtures, ``written`` in their order.

    Raises:
        ModuleNotFoundError: mir_eval isn't installed; see ``transcripts.is_installed``.
    """
    measured: dict[str, list[transcripts.Agreement]] = {family: [] for family in CORE}
    for number, notes in enumerate(written):
        for family, played in queries.played(number).items():
            measured[family].append(transcripts.agreement(notes.get(family, ()), played.notes))
    presets = {
        family: [each.preset for each in queries.asked if each.family == family and each.query < len(written)]
        for family in CORE
    }
    return NoteFigures(
        *(
            {
                family: stratified([getattr(each, what) for each in measured[family]], presets[family], [family] * n)
                for family in CORE
                if (n := len(measured[family]))
            }
            for what in ("key", "octave", "onset")
        )
    )


def reranked(
    queries: Queries,
    found: Found,
    firsts: Sequence[Shortlist],
    parts: Callable[[int], Mapping[str, Sequence[Note]]],
    corpus: Corpus,
) -> Found:
    """The ranks after the first candidates of each question were compared inside their mixture.

    Args:
        found: the ranks before.
        firsts: of each question, its first candidates.
        parts: what each family plays in a mixture, as far as anybody knows.
    """
    players = Players(corpus)
    strict, lenient = found.strict.copy(), found.lenient.copy()
    by_sound: dict[int, list[int]] = {}
    for place, number in enumerate(found.queries.tolist()):
        by_sound.setdefault(number, []).append(place)
    for number, places in by_sound.items():
        mixture = cells_of(queries.sound(number))
        notes = parts(number)
        groups = {
            str(found.families[place]): _heard(players, firsts[place], notes.get(str(found.families[place]), ()))
            for place in places
        }
        far = distances(mixture, groups)
        for place in places:
            family = str(found.families[place])
            turned = order(groups[family], far[family])
            strict[place] = _rank(strict[place], turned, firsts[place].exact)
            lenient[place] = _rank(lenient[place], turned, firsts[place].near)
    return replace(found, strict=strict, lenient=lenient)


def _heard(players: Players, first: Shortlist, notes: Sequence[Note]) -> list[Heard]:
    out = []
    for preset, score in zip(first.ids, first.scores, strict=True):
        sound = players.play(preset, notes)
        out.append(Heard(score, cells_of(sound) if np.abs(sound).max() > 0 else None))
    return out


def _rank(before: int, turned: Sequence[int], right: Bools) -> int:
    """The place of the first right candidate in the new order; where none of them is right, nothing changes."""
    return next((rank for rank, place in enumerate(turned, 1) if right[place]), int(before))
