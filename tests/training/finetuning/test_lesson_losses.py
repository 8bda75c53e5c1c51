"""What fine-tuning minimises against loops over parts, vectors and families, on a lesson that is made up."""

from __future__ import annotations

import copy
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from synthmatch.networks.encoder import Encoder, EncoderConfig
from synthmatch.training.finetuning.lessons import FineTuning, Lesson
from synthmatch.training.finetuning.objective import _divergence, _drift, _timbre, kept_vectors, objective

FAMILIES = ("percussion", "bass", "lead")
SMALL = EncoderConfig(FAMILIES, channels=(8, 8, 8), blocks=(1, 1, 1), width=16, layers=1, heads=2, dimension=16)
SETTINGS = FineTuning(temperature=0.1, timbre_weight=0.5, drift_weight=3.0)
OWN, PRESETS = 4, 9
CLUSTER = (0, 0, 1, 2, 1, 3, 4, 5, 6)  # a near-duplicate among one's own, and one among what is known
CASTS = (  # what plays in the mixtures: family and preset
    ((0, 0),),
    ((2, 2),),
    ((0, 1), (1, 5)),
    ((1, 3), (2, 4), (0, 6)),
    ((1, 2), (2, 0)),
    ((2, 5),),
)
TAUGHT = (0, 2, 1, 5, 3, 4, 6, 7)  # the last one for nothing but to be told apart
REHEARSED = 2


def lesson(seed: int) -> Lesson:
    """Six mixtures to take apart and two that are rehearsed, of chords."""
    rng = np.random.default_rng(seed)
    time = np.arange(16000) / 16000
    sounds = [
        sum(np.sin(2 * np.pi * 2 ** rng.uniform(6, 12) * time) * 2 ** rng.uniform(-6, 0) for _ in range(4))
        for _ in range(len(CASTS) + REHEARSED + len(TAUGHT) + REHEARSED)
    ]
    mixtures, references = np.split(np.stack(sounds).astype(np.float32), [len(CASTS) + REHEARSED])
    parts = [(row, *part) for row, cast in enumerate(CASTS) for part in cast]
    mixture, family, preset = torch.tensor(parts).unbind(dim=1)
    found = torch.from_numpy(rng.random((len(TAUGHT), len(FAMILIES))) < 0.4)
    place = torch.tensor([TAUGHT.index(number) for number in preset.tolist()])
    found[place, family] = True
    return Lesson(
        torch.from_numpy(mixtures),
        torch.from_numpy(references),
        torch.tensor(TAUGHT),
        found,
        mixture,
        family,
        preset,
        place,
        torch.tensor(CLUSTER),
        len(CASTS),
        OWN,
    )


def encoders(seed: int) -> tuple[Encoder, Encoder]:
    """A teacher, and one that has moved away from it."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        teacher = Encoder(SMALL)
        with torch.no_grad():
            teacher.presence_weight.normal_()
            encoder = copy.deepcopy(teacher)
            for weight in encoder.parameters():
                weight.add_(0.03 * torch.randn_like(weight))
    return teacher.requires_grad_(False), encoder.requires_grad_(False)


def vectors(seed: int, *shape: int) -> Tensor:
    return functional.normalize(torch.randn(*shape, 8, generator=torch.Generator().manual_seed(seed)), dim=-1)


def slow_timbre(mixed: Tensor, single: Tensor, cluster: tuple[int, ...] = CLUSTER) -> float:
    """One's own that play alone: how much of all that is taught is nearer than their own reference."""
    each = []
    for row, cast in enumerate(CASTS):
        preset = cast[0][1]
        if len(cast) == 1 and preset < OWN:
            score = [float(mixed[row, -1] @ single[place, -1]) / SETTINGS.temperature for place in range(len(TAUGHT))]
            own = score[TAUGHT.index(preset)]
            others = [value for value, key in zip(score, TAUGHT, strict=True) if cluster[key] != cluster[preset]]
            each.append(math.log(sum(math.exp(other - own) for other in (own, *others))))
    return sum(each) / len(each)


def free(given: Lesson) -> tuple[set[tuple[int, int]], set[tuple[int, int]]]:
    """(row, space) of the mixtures' and the references' vectors by which presets of one's own are found."""
    timbre = len(FAMILIES)
    mixed = {(row, family) for row, cast in enumerate(CASTS) for family, preset in cast if preset < OWN}
    mixed |= {(row, timbre) for row, cast in enumerate(CASTS) if len(cast) == 1 and cast[0][1] < OWN}
    own = [place for place, preset in enumerate(TAUGHT) if preset < OWN]
    single = {(place, family) for place in own for family in range(timbre) if given.found[place, family]}
    return mixed, single | {(place, timbre) for place in own}


def slow_drift(mine: Tensor, theirs: Tensor, moving: set[tuple[int, int]]) -> float:
    """1 - cosine, vector by vector."""
    each = [
        1 - sum(a * b for a, b in zip(mine[row, space].tolist(), theirs[row, space].tolist(), strict=True))
        for row in range(mine.shape[0])
        for space in range(mine.shape[1])
        if (row, space) not in moving
    ]
    return sum(each) / len(each)


def slow_divergence(mine: Tensor, theirs: Tensor) -> float:
    """Of "it plays" and "it doesn't", each by how likely the teacher thinks it: what the other loses on it."""
    each = []
    for learnt, taught in zip(mine.flatten().tolist(), theirs.flatten().tolist(), strict=True):
        q, p = (1 / (1 + math.exp(-logit)) for logit in (learnt, taught))
        each.append(p * math.log(p / q) + (1 - p) * math.log((1 - p) / (1 - q)))
    return sum(each) / len(each)


def test_timbre_is_that_of_a_slow_loop_and_near_duplicates_do_not_count() -> None:
    for seed in range(5):
        given = lesson(seed)
        mixed, single = vectors(seed, len(given.mixtures), 4), vectors(seed + 9, len(given.references), 4)
        found = float(_timbre(mixed, single, given, SETTINGS.temperature))
        assert found == pytest.approx(slow_timbre(mixed, single), abs=1e-5)
        every = tuple(range(PRESETS))
        apart = float(_timbre(mixed, single, replace(given, cluster=torch.tensor(every)), SETTINGS.temperature))
        assert apart == pytest.approx(slow_timbre(mixed, single, every), abs=1e-5)
        assert apart > found


def test_drift_is_that_of_a_slow_loop_over_what_is_to_stay() -> None:
    for seed in range(5):
        given = lesson(seed)
        for kept, moving in zip(kept_vectors(given, len(FAMILIES) + 1), free(given), strict=True):
            mine, theirs = vectors(seed, *kept.shape), vectors(seed + 9, *kept.shape)
            found = float(_drift(mine, theirs, kept))
            assert found == pytest.approx(slow_drift(mine, theirs, moving), abs=1e-5)
            mine[~kept] *= -1
            assert float(_drift(mine, theirs, kept)) == found


def test_divergence_is_that_of_a_slow_loop_and_never_below_0() -> None:
    for seed in range(5):
        mine, theirs = 2 * torch.randn(2, 6, 3, generator=torch.Generator().manual_seed(seed))
        found = float(_divergence(mine, theirs))
        assert found == pytest.approx(slow_divergence(mine, theirs), abs=1e-5)
        assert found > 0
        assert float(_divergence(theirs, theirs)) == 0


def test_a_step_minimises_their_weighted_sum() -> None:
    for seed in range(3):
        given, (teacher, encoder) = lesson(seed), encoders(seed)
        losses = objective(encoder, teacher, given, SETTINGS)
        sounds = (given.mixtures, given.references)
        (mixed, single), (before, known) = ([each.embed(sound) for sound in sounds] for each in (encoder, teacher))
        moving = free(given)
        drift = 0.5 * slow_drift(mixed[0], before[0], moving[0]) + 0.5 * slow_drift(single[0], known[0], moving[1])
        presence = 0.5 * slow_divergence(mixed[1], before[1]) + 0.5 * slow_divergence(single[1], known[1])
        timbre = slow_timbre(mixed[0], single[0])
        assert float(losses.drift) == pytest.approx(drift, abs=1e-5)
        assert float(losses.presence) == pytest.approx(presence, abs=1e-5)
        assert float(losses.timbre) == pytest.approx(timbre, abs=1e-4)
        assert float(losses.total) == pytest.approx(float(losses.own) + 0.5 * timbre + 3 * (drift + presence), abs=1e-4)
        assert min(drift, presence) > 1e-3
