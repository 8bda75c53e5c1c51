"""Batches for contrastive training: plans become sound on the training device."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from synthmatch.audio import ENCODER_RATE
from synthmatch.notes import REFERENCE_NOTES
from synthmatch.training.arrays import Ints
from synthmatch.training.config import Recipe
from synthmatch.training.mixing.alteration import bend, transpose
from synthmatch.training.mixing.augment import treat
from synthmatch.training.mixing.casting import NOBODY, STRANGERS, mixable
from synthmatch.training.mixing.mixtures import FADE
from synthmatch.training.mixing.plans import Events, Plan, Planner
from synthmatch.training.mixing.residence import Notes, Passages, settle
from synthmatch.training.mixing.strangers import Company
from synthmatch.training.recorded.notebank import NoteBank

REFERENCE = round(REFERENCE_NOTES[0].seconds * ENCODER_RATE)  # samples of a reference note
FADES = round(FADE * ENCODER_RATE)
BLOCK = {"cpu": 2**20, "cuda": 2**26}  # samples of events that are worked on at once
SCALE = 1 / 32767


@dataclass(frozen=True, eq=False)
class Batch:
    """Mixtures and the references of their parts (P parts in all, in any number a mixture).

    The sound is that of one process; what is said about it is about the whole step. With one process b is B, p
    is P and h is H.

    Args:
        mixtures: (b, T), 16 kHz.
        references: (p, T'), one reference note of each part's preset.
        partners: (p, T'), another one; none (0, T') where the recipe doesn't compare them.
        stems: (h, T), some of the parts, each alone.
        mixture: (P,), which mixture holds the part.
        family: (P,), index of the part's family.
        state: (P,), number of the part's preset.
        cluster: (P,), number of its near-duplicates' cluster.
        presence: (B, F), True where a mixture holds a part of the family.
        heard: (H,), the parts of which ``stems`` are.
        columns: for each family of the step, its index and the numbers of its parts, (K,).
        alone: (A,), the parts that are their mixture's only one.
        mixtures_of, parts_of, stems_of: (W,), how many mixtures, parts and stems each process has.
    """

    mixtures: Tensor
    references: Tensor
    partners: Tensor
    stems: Tensor
    mixture: Tensor
    family: Tensor
    state: Tensor
    cluster: Tensor
    presence: Tensor
    heard: Tensor
    columns: tuple[tuple[int, Tensor], ...]
    alone: Tensor
    mixtures_of: tuple[int, ...]
    parts_of: tuple[int, ...]
    stems_of: tuple[int, ...]


class Mixer:
    """Makes the batch of any step, by (seed, step) alone."""

    def __init__(
        self,
        bank: Notes,
        presets: Mapping[str, Sequence[str]],
        clusters: Mapping[str, str],
        recipe: Recipe,
        passages: Passages | None = None,
        device: torch.device | None = None,
        memory_gb: float = 14.0,
        kits: NoteBank | None = None,
    ) -> None:
        """Bring the notes of every preset to where they are needed.

        Args:
            bank: holds the notes of every preset.
            presets: state ids by family, those of distractors under ``NOBODY``; families with fewer presets than
                a step has mixtures are never mixed.
            clusters: the near-duplicates' cluster of a state; its own id where it isn't named.
            recipe: see :class:`Recipe`.
            passages: what was recorded live, of any of them.
            device: where mixtures are made; the CPU if None.
            memory_gb: what sound may take, in 10^9 bytes, on the device or in memory; if there is more of it, it
                stays on disk.
            kits: drum kits on which strangers among the distractors are beaten, beside those made by rule.

        Raises:
            TrainingError: a core family has fewer presets than a step has mixtures.
        """
        self.recipe = recipe
        self.device = device or torch.device("cpu")
        self.presets = mixable(presets, recipe)
        everybody: dict[str, Sequence[str]] = dict(self.presets)
        passages = passages if recipe.live else None
        if recipe.distractors:
            company = Company(bank, passages, recipe.seed, kits)
            bank, passages = company, company
            everybody[NOBODY] = tuple(presets.get(NOBODY, ()))
            everybody[STRANGERS] = company.strangers * _evenly(len(everybody[NOBODY]), len(company.strangers))
        ids = sorted({key for group in everybody.values() for key in group})
        self.heard = frozenset(key for family, group in everybody.items() if family != STRANGERS for key in group)
        """Every preset that may be heard, also as nobody's part."""
        layout, self.residence = settle(ids, bank, passages, self.device, memory_gb)
        self.planner = Planner(layout, everybody, clusters, recipe)

    def batch(self, step: int) -> Batch:
        """The batch of a step: always the same for the same recipe and sound."""
        return self.play(self.planner.plan(step))

    def play(self, plan: Plan) -> Batch:
        """Make sound of a plan."""
        labels, recipe = plan.labels, self.recipe
        stems = self.stems(plan)
        mixtures = mix(stems, self._sent(plan.mixture_of), len_of(plan.mixtures, plan.rank))
        if plan.treatment is not None:
            mixtures = treat(mixtures, plan.treatment)
        partners = plan.partners if recipe.note_note_weight else plan.partners[:0]
        alone = np.nonzero(np.bincount(labels.mixture)[labels.mixture] == 1)[0]
        return Batch(
            mixtures,
            self._notes(plan.references),
            self._notes(partners),
            stems[self._sent(plan.heard)],
            self._sent(labels.mixture),
            self._sent(labels.family),
            self._sent(labels.state),
            self._sent(labels.cluster),
            torch.from_numpy(labels.presence).to(self.device, non_blocking=True),
            self._sent(labels.heard),
            tuple((int(key), self._sent(np.nonzero(labels.family == key)[0])) for key in np.unique(labels.family)),
            self._sent(alone),
            *(tuple(np.diff(edges).tolist()) for edges in (plan.mixtures, plan.parts, plan.stems)),
        )

    def reference(self, presets: Ints, note: int) -> Tensor:
        """One of the reference notes of some presets, numbered as in the planner's layout: (p, T')."""
        layout = self.planner.layout
        return self._notes(layout.first[presets] + note * layout.length[presets])

    def stems(self, plan: Plan) -> Tensor:
        """Every stem of a plan at its level, (S, T)."""
        stems = torch.zeros(len(plan.level), plan.samples, device=self.device)
        for events in _blocks(plan.events, BLOCK.get(self.device.type, BLOCK["cpu"])):
            length = int(events.length[0])
            sound = self._played(events, length)
            self._fade(events, sound)
            _add(stems, events, sound)
        stems = bend(stems, plan.curve)
        peak = _peaks(stems)
        level = torch.from_numpy(plan.level).to(self.device, non_blocking=True)[:, None]
        return stems.mul_(torch.where(peak > 0, level / peak, 0.0))

    def _played(self, events: Events, length: int) -> Tensor:
        """The pieces of events (E, length), at their rates."""
        if (events.rate == 1).all():
            return self.residence.pieces(events.source, length).float()
        needed = min(math.ceil(length * float(events.rate.max())) + 1, self.residence.longest)
        return transpose(self.residence.pieces(events.source, needed).float(), events.rate, length)

    def _fade(self, events: Events, sound: Tensor) -> None:
        """Fade pieces (E, L) to 0 at the end of each, and from 0 where it opens, in place."""
        length = self._sent(events.length)[:, None]
        fading = (length - 1).clamp(1, FADES - 1)
        steps = torch.arange(FADES, device=self.device)
        places = (length - 1 - steps).clamp(min=0)
        faded = sound.gather(1, places) * ((length - 1 - places) / fading)
        sound.scatter_(1, places, faded)  # a piece shorter than this is told the same thing repeatedly
        opening = np.nonzero(events.opens)[0]
        if len(opening):
            beginnings = sound[:, :FADES]
            rise = steps[: beginnings.shape[1]] / FADES
            beginnings[self._sent(opening)] *= rise

    def _notes(self, positions: Ints) -> Tensor:
        return self.residence.pieces(positions, REFERENCE).float() * SCALE

    def _sent(self, numbers: Ints) -> Tensor:
        return torch.from_numpy(numbers).to(self.device, non_blocking=True)


def mix(stems: Tensor, mixture: Tensor, count: int) -> Tensor:
    """Add up stems (S, T) that are at their levels to mixtures (count, T), each at its peak of 1.

    Args:
        mixture: (S,), number of each stem's mixture.
    """
    total = stems.new_zeros(count, stems.shape[1]).index_add_(0, mixture, stems)
    peak = _peaks(total)
    return total.mul_(torch.where(peak > 0, 1 / peak, 0.0))


def _peaks(audio: Tensor) -> Tensor:
    """(B, T) -> (B, 1), without a copy; in two passes, which take half the time of `aminmax`."""
    return torch.maximum(-audio.amin(dim=1, keepdim=True), audio.amax(dim=1, keepdim=True))


def _evenly(others: int, strangers: int) -> int:
    """How often each stranger stands among other distractors, of which there may be many more: at least once, and so
    often that about as many are drawn of each kind. Where the others are fewer, they are drawn less often."""
    return max(1, round(others / strangers))


def len_of(edges: Ints, rank: int) -> int:
    """How many of something a process has, from up to where each goes."""
    return int(edges[rank + 1] - edges[rank])


def _blocks(events: Events, size: int) -> list[Events]:
    """Events that are worked on at once: of about one length, since the shorter ones are padded."""
    out, first, count = [], 0, len(events.stem)
    while first < count:
        last = min(count, first + max(1, size // max(1, int(events.length[first]))))
        out.append(Events(**{name: value[first:last] for name, value in vars(events).items()}))
        first = last
    return out


def _add(stems: Tensor, events: Events, sound: Tensor) -> None:
    """Add pieces (E, L) to where they sound in stems (S, T)."""
    adder = _add_in_turn if stems.device.type == "cpu" else _add_at_once
    adder(stems, events, sound)


def _add_in_turn(stems: Tensor, events: Events, sound: Tensor) -> None:
    """One by one: on a CPU much faster than working out where each sample goes."""
    rows, pieces = stems.numpy(), sound.numpy()
    places = zip(events.stem.tolist(), events.onset.tolist(), events.length.tolist(), pieces, strict=True)
    for stem, onset, length, piece in places:
        rows[stem, onset : onset + length] += piece[:length]


def _add_at_once(stems: Tensor, events: Events, sound: Tensor) -> None:
    """All samples at once, as a GPU likes it; what lies beyond a piece's end is made 0 and may go anywhere."""
    start = torch.from_numpy(events.stem * stems.shape[1] + events.onset).to(stems.device, non_blocking=True)
    length = torch.from_numpy(events.length).to(stems.device, non_blocking=True)
    steps = torch.arange(sound.shape[1], device=stems.device)
    sound = sound.where(steps < length[:, None], 0.0)
    places = start[:, None] + steps
    stems.view(-1).index_add_(0, places.clamp(max=stems.numel() - 1).flatten(), sound.flatten())
