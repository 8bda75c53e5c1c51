"""What fine-tuning hears in a step, and the settings that say how much of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor

from synthmatch.audio import Samples
from synthmatch.training.finetuning.material import BUILT_IN, Instrument, Material
from synthmatch.training.mixing.mixtures import mix_stems, stem
from synthmatch.training.parts import compose
from synthmatch.training.recorded.notebank import REFERENCES


@dataclass(frozen=True)
class FineTuning:
    """How an encoder is fine-tuned.

    Args:
        seed: every random choice is keyed by (seed, step), so a resumed run is the same run.
        steps: optimiser steps.
        mixtures: a step's mixtures that hold a preset of one's own.
        others: further presets of one's own of which a step hears a reference note, as more to be told apart.
        rehearsed: a step's mixtures of which the teacher's vectors are rehearsed.
        built_in: patches of the built-in synth among what is rehearsed.
        seconds: length of a mixture.
        company: chances that a preset plays alone, with one other part, and with two.
        gain_db: parts are up to this much louder or softer than the rules of mixtures say.
        learning_rate, warmup: AdamW's, with a cosine fall to zero.
        temperature: of the contrastive losses.
        timbre_weight, drift_weight: of single sounds, and of staying near the teacher.
        kept: share of what was learnt that the weights keep; the rest is what they were before.
        examined: mixtures of notes not taught, on which it is measured how many presets are found.
    """

    seed: int = 1
    steps: int = 100
    mixtures: int = 16
    others: int = 32
    rehearsed: int = 8
    built_in: int = BUILT_IN
    seconds: float = 4.0
    company: tuple[float, float, float] = (0.3, 0.3, 0.4)
    gain_db: float = 3.0
    learning_rate: float = 2e-4
    warmup: int = 20
    temperature: float = 0.07
    timbre_weight: float = 0.5
    drift_weight: float = 20.0
    kept: float = 0.5
    examined: int = 200


@dataclass(frozen=True, eq=False)
class Lesson:
    """What one step hears: lessons first, then what is rehearsed.

    Args:
        mixtures: (B, T), 16 kHz; the first ``lessons`` of them are to be taken apart.
        references: (K, T'), reference notes; those of the presets ``taught`` stand first.
        taught: (R,), the presets whose references are compared with.
        found: (R, F), True for the families under which each is found.
        mixture, family, preset, place: (P,), of each part its mixture, family and preset, and where in
            ``taught`` it stands.
        cluster: by preset, number of its near-duplicates' cluster.
        lessons: how many mixtures are lessons.
        own: presets below this number are to be learnt, the others are known.
    """

    mixtures: Tensor
    references: Tensor
    taught: Tensor
    found: Tensor
    mixture: Tensor
    family: Tensor
    preset: Tensor
    place: Tensor
    cluster: Tensor
    lessons: int
    own: int

    def to(self, device: torch.device) -> Lesson:
        """The same lesson on another device."""
        moved = {name: value.to(device) for name, value in vars(self).items() if isinstance(value, Tensor)}
        return Lesson(**moved, lessons=self.lessons, own=self.own)


class Lessons:
    """Composes the lesson of any step, by (seed, step) alone."""

    def __init__(self, material: Material, families: Sequence[str], settings: FineTuning) -> None:
        self.material, self.settings = material, settings
        self._families = tuple(families)
        self._presets = (*material.own, *material.known)
        names = {name: number for number, name in enumerate(sorted({each.cluster for each in self._presets}))}
        self._cluster = torch.tensor([names[each.cluster] for each in self._presets])
        self._number = {each.id: number for number, each in enumerate(self._presets)}
        self._by_family = {
            key: [each for each in self._presets if key in each.families]
            for key in families
            if any(key in each.families for each in self._presets)
        }

    def lesson(self, step: int) -> Lesson:
        """The lesson of a step: always the same for the same settings and material."""
        settings, material = self.settings, self.material
        rng = np.random.default_rng((settings.seed, step))
        own = [material.own[place] for place in rng.permutation(len(material.own))]
        asked, others = own[: settings.mixtures], own[settings.mixtures :][: settings.others]
        casts = [self.cast(rng, each) for each in asked]
        known = material.known
        places = rng.choice(len(known), min(settings.rehearsed, len(known)), replace=False)
        rehearsed = [self.cast(rng, known[place], known_only=True) for place in places]
        taught = list(dict.fromkeys(self._number[each.id] for each in self._heard(casts, others)))
        parts = [
            (row, self._families.index(family), self._number[each.id], taught.index(self._number[each.id]))
            for row, cast in enumerate(casts)
            for family, each in cast.items()
        ]
        notes = [self._presets[number] for number in taught] + [each for cast in rehearsed for each in cast.values()]
        mixture, family_of, preset, place = torch.tensor(parts).unbind(dim=1)
        found = [[key in self._presets[number].families for key in self._families] for number in taught]
        return Lesson(
            torch.from_numpy(np.stack([self.mixture(rng, cast) for cast in (*casts, *rehearsed)])),
            torch.from_numpy(np.stack([each.references[rng.integers(REFERENCES)] for each in notes])),
            torch.tensor(taught),
            torch.tensor(found),
            mixture,
            family_of,
            preset,
            place,
            self._cluster,
            len(casts),
            len(material.own),
        )

    def cast(self, rng: np.random.Generator, lead: Instrument, known_only: bool = False) -> dict[str, Instrument]:
        """Who plays in a mixture: a preset, and up to two others of other families."""
        cast = {lead.families[rng.integers(len(lead.families))]: lead}
        company = int(rng.choice(len(self.settings.company), p=self.settings.company))
        free = [key for key in self._by_family if key not in cast]
        for place in rng.permutation(len(free))[:company]:
            found = [
                each
                for each in self._by_family[free[place]]
                if each not in cast.values() and not (known_only and self._number[each.id] < len(self.material.own))
            ]
            if found:
                cast[free[place]] = found[rng.integers(len(found))]
        return cast

    def mixture(self, rng: np.random.Generator, cast: dict[str, Instrument], held_out: bool = False) -> Samples:
        """What a cast plays, (n,): one part each, by the rules of the benchmark's mixtures.

        Args:
            held_out: on notes that are never taught, as far as there are such.
        """
        parts = compose(rng, list(cast), self.settings.seconds)
        stems = {
            family: stem(part, partial(cast[family].play, held_out=held_out), self.settings.seconds)
            for family, part in parts.items()
        }
        gain = self.settings.gain_db
        return mix_stems(stems, {family: 10 ** (rng.uniform(-gain, gain) / 20) for family in cast})

    def _heard(self, casts: Sequence[dict[str, Instrument]], others: Sequence[Instrument]) -> list[Instrument]:
        return [*(each for cast in casts for each in cast.values()), *others]
