"""What a step's mixtures are made of, as small tables: which piece of which recording sounds where."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from synthmatch.audio import ENCODER_RATE
from synthmatch.presets.families import FAMILY_KEYS
from synthmatch.training.arrays import Bools, Floats, Ints
from synthmatch.training.config import Recipe
from synthmatch.training.mixing.alteration import Alteration, draw_alteration
from synthmatch.training.mixing.augment import Treatment, draw
from synthmatch.training.mixing.casting import NOBODY, STRANGERS, Casting, mixable
from synthmatch.training.mixing.composer import compose_parts
from synthmatch.training.mixing.mixtures import LEVELS
from synthmatch.training.mixing.residence import GRID, PITCHES, Layout

DISTRACTOR_DB = (-12.0, 9.0)  # the level of a distractor's peak against a part's: drums stand out, drones don't
_ALTERED = 7  # beside seed and step, of which random numbers stems are altered by


@dataclass(frozen=True, eq=False)
class Events:
    """Pieces of sound in stems, in order of falling length.

    Args:
        stem: (E,), number of the stem in which it sounds.
        source: (E,), sample at which the piece begins, of a :class:`Residence`.
        onset: (E,), sample of the stem at which it begins.
        length: (E,), samples.
        opens: (E,), whether it is faded in, because it is cut out of something longer.
        rate: (E,), samples of the recording for each one that is played.
    """

    stem: Ints
    source: Ints
    onset: Ints
    length: Ints
    opens: Bools
    rate: Floats


@dataclass(frozen=True, eq=False)
class Labels:
    """What a step's mixtures hold: P parts, in order of their mixtures.

    Args:
        mixture: (P,), which mixture holds the part.
        family: (P,), its number among the encoder's.
        state: (P,), number of its preset.
        cluster: (P,), number of its near-duplicates' cluster.
        presence: (B, F), True where a mixture holds a part of the family.
        heard: (H,), the parts whose stems are heard alone, in rising order.
    """

    mixture: Ints
    family: Ints
    state: Ints
    cluster: Ints
    presence: Bools
    heard: Ints


@dataclass(frozen=True, eq=False)
class Plan:
    """A step's mixtures, or one process's share of them.

    Args:
        samples: length of a mixture.
        labels: of the whole step, whatever the share.
        mixtures, parts, stems: (W + 1,), up to which mixture, part and heard stem each of W processes goes.
        rank: which share this is.
        events: of every stem of the share: first the parts, then what is nobody's part.
        level: (S,), how loud each stem is, by its peak.
        curve: (S, P), how each stem is filtered (:class:`Alteration`); (S, 0) if none is.
        mixture_of: (S,), in which mixture of the share it sounds.
        references, partners: (p,), where two different reference notes of each part's preset begin.
        treatment: what is done to the share's mixtures.
    """

    samples: int
    labels: Labels
    mixtures: Ints
    parts: Ints
    stems: Ints
    rank: int
    events: Events
    level: npt.NDArray[np.float32]
    curve: npt.NDArray[np.float32]
    mixture_of: Ints
    references: Ints
    partners: Ints
    treatment: Treatment | None

    @property
    def heard(self) -> Ints:
        """The share's stems that are heard alone, numbered as in ``events``."""
        own: Ints = self.labels.heard[self.stems[self.rank] : self.stems[self.rank + 1]] - self.parts[self.rank]
        return own

    def share(self, rank: int, world: int) -> Plan:
        """The part of a whole plan that one of several processes makes sound of; labels stay whole."""
        if world == 1:
            return self
        labels = self.labels
        mixtures = np.linspace(0, len(labels.presence), world + 1).astype(np.int64)
        parts = np.searchsorted(labels.mixture, mixtures)
        stems = np.searchsorted(labels.heard, parts)
        low, high = mixtures[rank], mixtures[rank + 1]
        first, last = int(parts[rank]), int(parts[rank + 1])
        count = len(labels.mixture)
        others = count + np.nonzero((self.mixture_of[count:] >= low) & (self.mixture_of[count:] < high))[0]
        rows = np.concatenate([np.arange(first, last), others])
        return replace(
            self,
            mixtures=mixtures,
            parts=parts,
            stems=stems,
            rank=rank,
            events=_chosen(self.events, rows, len(self.mixture_of)),
            level=self.level[rows],
            curve=self.curve[rows],
            mixture_of=self.mixture_of[rows] - low,
            references=self.references[first:last],
            partners=self.partners[first:last],
            treatment=self.treatment.of(slice(int(low), int(high))) if self.treatment else None,
        )


def _chosen(events: Events, rows: Ints, stems: int) -> Events:
    """The events of some stems, numbered by their order."""
    number = np.full(stems, -1, np.int64)
    number[rows] = np.arange(len(rows))
    kept = number[events.stem] >= 0
    cut = {name: value[kept] for name, value in vars(events).items()}
    return Events(**{**cut, "stem": number[cut["stem"]]})


class Planner:
    """Writes the plan of any step, by (seed, step) alone. Holds tables only, so that it travels to other processes."""

    def __init__(
        self, layout: Layout, presets: Mapping[str, Sequence[str]], clusters: Mapping[str, str], recipe: Recipe
    ) -> None:
        """
        Args:
            layout: where every preset's sound lies.
            presets: state ids by family, ``NOBODY`` and ``STRANGERS`` for distractors; families with fewer presets
                than a step has mixtures are never mixed.
            clusters: the near-duplicates' cluster of a state; its own id where it isn't named.

        Raises:
            TrainingError: a core family has fewer presets than a step has mixtures.
        """
        self.layout, self.recipe = layout, recipe
        row = {key: number for number, key in enumerate(layout.ids)}
        # Negatives are other presets of the batch: a family needs enough of them to fill a column of it.
        kept = mixable(presets, recipe)
        self.families = tuple(kept)
        pools = {family: np.array([row[key] for key in ids], np.int64) for family, ids in kept.items()}
        self.casting = Casting(pools, recipe)
        """Who plays: presets by their numbers in the layout."""
        strangers = [row[key] for key in presets.get(STRANGERS, ())]
        self._others = np.array([row[key] for key in presets.get(NOBODY, ())] + strangers, np.int64)
        # A beat is a beat from its beginning to its end, whatever share of the parts is played live.
        self._whole = np.zeros(len(layout.ids), np.bool_)
        self._whole[strangers] = True
        names = [clusters.get(key, key) for key in layout.ids]
        self.cluster = np.unique(np.array(names, dtype=str), return_inverse=True)[1].astype(np.int64)
        """(S,), the number of each preset's cluster."""
        self._parts = recipe.parts or len(recipe.core)  # of a mixture that isn't of the core families, at most
        self._samples = round(recipe.seconds * ENCODER_RATE)
        self._openings = layout.openings(min(self._samples, layout.passage_length))
        self._rules = np.array([FAMILY_KEYS.index(key) for key in self.families], np.int64)
        self._outputs = np.array([recipe.encoder.families.index(key) for key in self.families], np.int64)
        self._levels = np.array([LEVELS.get(key, 1.0) for key in self.families])

    def plan(self, step: int) -> Plan:
        """The plan of a step: always the same for the same recipe and sound."""
        recipe = self.recipe
        rng = np.random.default_rng((recipe.seed, step))
        core = rng.random() < recipe.core_share
        families = self._families(rng, core)
        columns = self.casting.columns(rng, [self.families[number] for number in families], step)
        most = core or not (recipe.parts or recipe.scattered)
        mixture, column = np.nonzero(self._kept(rng, len(families), step, most))
        family, state = families[column], columns[mixture, column]
        labels = self._labels(rng, mixture, family, state)
        strange = np.nonzero(rng.random(recipe.mixtures) < recipe.distractors)[0] if len(self._others) else mixture[:0]
        stems = np.concatenate([mixture, strange])
        played = np.concatenate([state, rng.choice(self._others, len(strange)) if len(strange) else strange])
        ruled = np.concatenate([self._rules[family], rng.choice(self._rules, len(strange))])
        references, partners = self._references(rng, state)
        altered = self._alteration(step, len(stems))
        return Plan(
            samples=self._samples,
            labels=labels,
            mixtures=_whole(recipe.mixtures),
            parts=_whole(len(mixture)),
            stems=_whole(len(labels.heard)),
            rank=0,
            events=self._events(rng, stems, ruled, played, altered.shift),
            level=self._level(rng, family, len(strange)),
            curve=altered.curve,
            mixture_of=stems,
            references=references,
            partners=partners,
            treatment=draw(rng, recipe.degradations, recipe.mixtures) if recipe.degradations.any else None,
        )

    def _families(self, rng: np.random.Generator, core: bool) -> Ints:
        names = list(self.families)
        if core:
            return np.array([names.index(key) for key in self.recipe.core], np.int64)
        if self.recipe.scattered:
            return np.arange(len(names), dtype=np.int64)
        return rng.choice(len(names), min(self._parts, len(names)), replace=False).astype(np.int64)

    def _kept(self, rng: np.random.Generator, families: int, step: int, most: bool) -> Bools:
        """(B, K), which parts each mixture keeps, at least one: most of them, or any number."""
        count = self.recipe.mixtures
        one = rng.integers(families, size=count)[:, None] == np.arange(families)
        if most:
            several = rng.random((count, families)) >= self.recipe.drop
        else:
            order = rng.random((count, families)).argsort(axis=1)
            one = order == 0
            several = order < rng.integers(1, min(families, self._parts) + 1, size=count)[:, None]
        alone = rng.random(count) < solo_share(self.recipe, step)
        kept: Bools = one | (several & ~alone[:, None])
        return kept

    def _labels(self, rng: np.random.Generator, mixture: Ints, family: Ints, state: Ints) -> Labels:
        recipe = self.recipe
        presence = np.zeros((recipe.mixtures, len(recipe.encoder.families)), np.bool_)
        presence[mixture, self._outputs[family]] = True
        heard = rng.choice(len(mixture), round(recipe.stem_share * len(mixture)), replace=False)
        return Labels(mixture, self._outputs[family], state, self.cluster[state], presence, np.sort(heard))

    def _level(self, rng: np.random.Generator, family: Ints, others: int) -> npt.NDArray[np.float32]:
        most = self.recipe.gain_db
        parts = self._levels[family] * 10 ** (rng.uniform(-most, most, len(family)) / 20)
        rest = 10 ** (rng.uniform(*DISTRACTOR_DB, others) / 20)
        return np.concatenate([parts, rest]).astype(np.float32)

    def _alteration(self, step: int, stems: int) -> Alteration:
        """By random numbers of its own, so that a recipe without it plans what it always did."""
        kinds = self.recipe.alterations
        if not kinds.any:
            return Alteration(np.zeros(stems, np.int64), np.zeros((stems, 0), np.float32))
        return draw_alteration(np.random.default_rng((self.recipe.seed, step, _ALTERED)), kinds, stems)

    def _references(self, rng: np.random.Generator, state: Ints) -> tuple[Ints, Ints]:
        """Where a reference note of each part's preset begins, and where another one does."""
        choice = np.array(self.recipe.references, np.int64)
        first = rng.integers(len(choice), size=len(state))
        other = (first + rng.integers(1, max(2, len(choice)), size=len(state))) % len(choice)
        start, length = self.layout.first[state], self.layout.length[state]
        return start + choice[first] * length, start + choice[other] * length

    def _events(self, rng: np.random.Generator, mixture: Ints, family: Ints, state: Ints, shift: Ints) -> Events:
        """What every stem plays: notes by rule, or a crop of a passage played live."""
        layout, samples = self.layout, self._samples
        score = compose_parts(rng, mixture, family, self.recipe.seconds)
        passages = layout.passage_of[state + 1] - layout.passage_of[state]
        live = (passages > 0) & ((rng.random(len(state)) < self.recipe.live) | self._whole[state])
        kept = ~live[score.part]
        part, pitch = score.part[kept], score.pitch[kept]
        onset = np.rint(score.start[kept] * ENCODER_RATE).astype(np.int64)
        held = np.rint(score.held[kept] * ENCODER_RATE).astype(np.int64)
        of = state[part]
        recorded = np.clip(pitch - shift[part], 0, PITCHES - 1)
        rate = 2 ** (shift / 12)
        length = np.minimum(np.minimum(held, samples - onset), (layout.length[of] / rate[part]).astype(np.int64))
        source = layout.first[of] + layout.nearest[of, recorded] * layout.length[of]
        crops = self._crops(rng, np.nonzero(live)[0], state, passages, rate)
        notes = Events(part, source, onset, length, np.zeros(len(part), np.bool_), rate[part])
        both = {name: np.concatenate([value, vars(crops)[name]]) for name, value in vars(notes).items()}
        order = np.argsort(-both["length"], kind="stable")
        return Events(**{name: value[order] for name, value in both.items()})

    def _crops(self, rng: np.random.Generator, stems: Ints, state: Ints, passages: Ints, rate: Floats) -> Events:
        layout = self.layout
        turn = (rng.random(len(stems)) * passages[stems]).astype(np.int64)
        chosen = layout.passage_of[state[stems]] + turn
        # Among the places from where something can be heard, each is as likely: the largest of random numbers.
        lots: Floats = rng.random((len(stems), self._openings.shape[1]))
        place = np.where(self._openings[chosen], lots, -1.0).argmax(axis=1) * GRID if len(stems) else stems
        length = np.minimum(self._samples, ((layout.passage_length - place) / rate[stems]).astype(np.int64))
        begins, opens = layout.passages[chosen] + place, np.ones(len(stems), np.bool_)
        return Events(stems, begins, np.zeros_like(stems), length, opens, rate[stems])


def _whole(count: int) -> Ints:
    """Up to where the only process goes."""
    return np.array([0, count], np.int64)


def solo_share(recipe: Recipe, step: int) -> float:
    """The share of mixtures of one part alone at a step."""
    left = max(0.0, 1 - step / max(1, recipe.solo_until))
    return recipe.solo + (recipe.solo_start - recipe.solo) * left
