"""The benchmark's suites: which sounds are asked about, among which presets, and the ranks that come of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from synthmatch.training.arrays import Bools, Ints
from synthmatch.training.benchmark.hearing import Hearing, Vectors
from synthmatch.training.benchmark.queries import (
    CORE,
    SEED,
    Asked,
    Queries,
    degraded_queries,
    mixture_queries,
    single_queries,
)
from synthmatch.training.benchmark.songs import song_queries
from synthmatch.training.recorded.corpus import Corpus
from synthmatch.training.recorded.drums import Kit
from synthmatch.training.scoring.ranks import ranks

CANDIDATES = {"percussion": 368, "bass": 615, "lead": 480}
"""How many candidates a family has in the paper's experiment."""

UNSEEN = "amsynth"
"""The synth of which the model of the suite ``unseen-synth`` has heard nothing."""

Ask = Callable[[Corpus, int, Sequence[Kit]], Queries]
Candidates = Callable[[Corpus, str], list[str]]


@dataclass(frozen=True)
class Suite:
    """One suite.

    Args:
        ask: makes its sounds, of a corpus, so many, with these drum kits; suites with the same ``ask`` share them.
        candidates: the presets that are searched, by the family asked for.
        count: how many sounds, if nobody says otherwise; 0 for as many as there are, whatever anybody says.
        presence: whether it is measured which families are said to be there.
        clean: the suite whose sounds these are, spoilt.
        unheard: the synth of which the model must have heard nothing, or "".
        resynthesis: whether the first candidates are compared inside the mixtures; that takes its time, so it is
            done when somebody asks for it.
    """

    ask: Ask
    candidates: Candidates
    count: int = 1000
    presence: bool = False
    clean: str = ""
    unheard: str = ""
    resynthesis: bool = False


def candidates(corpus: Corpus, family: str, size: int | None, seed: int = SEED, synth: str | None = None) -> list[str]:
    """The presets that are searched for a family.

    Args:
        family: one of ``CORE``.
        size: how many; None for all that are there.
        synth: presets of this synth alone.

    Returns:
        First every test preset that a person labelled, then the rest of the family, then presets whose
        family nobody knows, each in an order drawn with a fixed seed; at most ``size``.
    """
    rng = np.random.default_rng((seed, CORE.index(family)))
    asked = corpus.ids("test", family, stated=True)
    others = [key for key in corpus.ids(family=family) if key not in set(asked)]
    unknown = corpus.ids(family="")
    drawn = [group[place] for group in (others, unknown) for place in rng.permutation(len(group))]
    return [key for key in asked + drawn if synth in (None, corpus.labels[key].synth)][:size]


def _every(corpus: Corpus, family: str) -> list[str]:  # noqa: ARG001 (whatever the family)
    return corpus.ids()


def _single(corpus: Corpus, count: int, kits: Sequence[Kit]) -> Queries:  # noqa: ARG001 (as many as there are)
    return single_queries(corpus)


def _mixture(corpus: Corpus, count: int, kits: Sequence[Kit]) -> Queries:  # noqa: ARG001 (no drums)
    return mixture_queries(corpus, count)


def _degraded(corpus: Corpus, count: int, kits: Sequence[Kit]) -> Queries:  # noqa: ARG001 (no drums)
    return degraded_queries(mixture_queries(corpus, count))


def _unseen(corpus: Corpus, count: int, kits: Sequence[Kit]) -> Queries:  # noqa: ARG001 (no drums)
    return mixture_queries(corpus, count, synth=UNSEEN)


def _as_many_as_the_paper(corpus: Corpus, family: str) -> list[str]:
    return candidates(corpus, family, CANDIDATES[family])


SUITE: dict[str, Suite] = {
    "single": Suite(_single, _every, 0),
    "mixture": Suite(_mixture, _as_many_as_the_paper, 5000),
    "mixture-full": Suite(_mixture, lambda corpus, family: candidates(corpus, family, None), 5000),
    "song": Suite(song_queries, _every, presence=True),
    "degraded": Suite(_degraded, _as_many_as_the_paper, clean="mixture"),
    "unseen-synth": Suite(
        _unseen, lambda corpus, family: candidates(corpus, family, None, synth=UNSEEN), unheard=UNSEEN
    ),
    "resynthesis": Suite(_mixture, _as_many_as_the_paper, 300, resynthesis=True),
}
"""The suites by name, in the order of the table."""


@dataclass(frozen=True, eq=False)
class Found:
    """The ranks of one suite: of each question's preset, strictly and with credit for near-duplicates.

    Args:
        strict, lenient: (Q,), from 1.
        queries: (Q,), number of the sound.
        presets: (Q,), id of the preset asked for.
        families: (Q,), its family; ``ANY`` where none is named.
        candidates: how many each family had.
    """

    strict: Ints
    lenient: Ints
    queries: Ints
    presets: npt.NDArray[np.str_]
    families: npt.NDArray[np.str_]
    candidates: dict[str, int]

    def only(self, which: Bools) -> Found:
        """Some questions alone: ``which`` (Q,)."""
        return Found(
            self.strict[which],
            self.lenient[which],
            self.queries[which],
            self.presets[which],
            self.families[which],
            self.candidates,
        )


@dataclass(frozen=True, eq=False)
class Shortlist:
    """The first candidates of a question, best first.

    Args:
        ids: of the presets.
        scores: (N,), what the hearing gave them.
        exact, near: (N,), which is the preset asked for, and which counts as it with credit for near-duplicates.
    """

    ids: tuple[str, ...]
    scores: tuple[float, ...]
    exact: Bools
    near: Bools


class Listener:
    """A hearing that has heard every candidate once."""

    def __init__(self, corpus: Corpus, hearing: Hearing, references: Vectors) -> None:
        """
        Args:
            references: (K, notes, S, D), as :func:`hear_references` gives them.
        """
        self.corpus = corpus
        self.hearing = hearing
        self._references = references
        self._rows = {key: row for row, key in enumerate(corpus.labels)}

    def find(self, vectors: Vectors, asked: Sequence[Asked], among: Candidates) -> Found:
        """Rank the preset of each question.

        Args:
            vectors: (sounds, S, D), as the hearing gave them.
            asked: Q questions about these sounds.
            among: the candidates of a family.
        """
        queries = np.array([each.query for each in asked])
        presets = np.array([each.preset for each in asked])
        families = np.array([each.family for each in asked])
        strict, lenient = np.zeros((2, len(asked)), np.int64)
        sizes: dict[str, int] = {}
        for family in dict.fromkeys(families.tolist()):
            inside = families == family
            ids = among(self.corpus, family)
            rows = [self._rows[key] for key in ids]
            space = self.hearing.space(family)
            scores = self.hearing.scores(vectors[queries[inside], space], self._references[rows][:, :, space])
            exact, near = rights(ids, presets[inside].tolist(), lambda key: self.corpus.labels[key].cluster)
            strict[inside], lenient[inside] = ranks(scores, exact), ranks(scores, near)
            sizes[family] = len(ids)
        return Found(strict, lenient, queries, presets, families, sizes)

    def shortlists(self, vectors: Vectors, asked: Sequence[Asked], among: Candidates, count: int) -> list[Shortlist]:
        """The first ``count`` candidates of each question, as :meth:`find` ranks them: of those with the same score,
        wrong ones stand before right ones."""
        out: dict[int, Shortlist] = {}
        for family in dict.fromkeys(each.family for each in asked):
            places = [place for place, each in enumerate(asked) if each.family == family]
            ids = among(self.corpus, family)
            rows = [self._rows[key] for key in ids]
            space = self.hearing.space(family)
            queries = vectors[[asked[place].query for place in places], space]
            scores = self.hearing.scores(queries, self._references[rows][:, :, space])
            wanted = [asked[place].preset for place in places]
            exact, near = rights(ids, wanted, lambda key: self.corpus.labels[key].cluster)
            for place, row, right, alike in zip(places, scores, exact, near, strict=True):
                first = np.lexsort((right, -row))[:count]
                out[place] = Shortlist(
                    tuple(ids[each] for each in first), tuple(row[first].tolist()), right[first], alike[first]
                )
        return [out[place] for place in range(len(asked))]


def hear_references(corpus: Corpus, hearings: Sequence[Hearing], block: int = 128) -> list[Vectors]:
    """What each hearing makes of every preset's reference notes, (K, notes, S, D) in the order of the labels."""
    ids = list(corpus.labels)
    heard: list[list[Vectors]] = [[] for _ in hearings]
    for first in range(0, len(ids), block):
        notes = np.stack([corpus.notes.references(key) for key in ids[first : first + block]])
        audio = torch.from_numpy(notes.reshape(-1, notes.shape[-1]))
        for parts, hearing in zip(heard, hearings, strict=True):
            vectors = hearing.hear(audio, presence=False).vectors
            parts.append(vectors.reshape(*notes.shape[:2], *vectors.shape[1:]))
    return [np.concatenate(parts) for parts in heard]


def rights(ids: Sequence[str], asked: Sequence[str], cluster: Callable[[str], str]) -> tuple[Bools, Bools]:
    """Which candidates (Q, K) count as found: the preset itself; any of its near-duplicates as well."""
    names, clusters = np.array(ids), np.array([cluster(key) for key in ids])
    wanted, near = np.array(asked), np.array([cluster(key) for key in asked])
    return names[None] == wanted[:, None], clusters[None] == near[:, None]
