"""Candidates compared inside a mixture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from synthmatch.audio import ENCODER_RATE, Clip, Samples
from synthmatch.library.listing import Listing
from synthmatch.matching.rerank import Heard, cells_of, distances, order, rerank
from synthmatch.matching.results import FamilyMatches, Match, MatchResult

SECONDS = 2.0


def part(pitch: int, bright: float, seed: int) -> Samples:
    """A line of four notes, of power 1, on a harmonic sound whose partials fall by ``bright``."""
    rng = np.random.default_rng(seed)
    times = np.arange(round(SECONDS * ENCODER_RATE / 4)) / ENCODER_RATE
    notes = []
    for step in rng.integers(0, 8, 4):
        frequency = 440 * 2 ** ((pitch + int(step) - 69) / 12)
        partials = [bright**n * np.sin(2 * np.pi * n * frequency * times) for n in range(1, 30) if n * frequency < 7500]
        notes.append(np.sum(partials, axis=0) * np.exp(-3 * times))
    line = np.concatenate(notes)
    return (line / np.sqrt((line**2).mean())).astype(np.float32)


BASSES = [part(36, bright, 1) for bright in (0.3, 0.6, 0.9)]
LEADS = [part(72, bright, 2) for bright in (0.3, 0.6, 0.9)]


def heard(sounds: list[Samples], cosines: tuple[float, ...] = (0.5, 0.5, 0.5)) -> list[Heard]:
    return [Heard(cosine, cells_of(sound)) for cosine, sound in zip(cosines, sounds, strict=True)]


@pytest.mark.parametrize("bass", range(3))
@pytest.mark.parametrize("lead", range(3))
@pytest.mark.parametrize("level", [0.5, 2.0])
def test_what_plays_is_nearest_whatever_its_level(bass: int, lead: int, level: float) -> None:
    mixture = cells_of(BASSES[bass] + np.float32(level) * LEADS[lead])
    far = distances(mixture, {"bass": heard(BASSES), "lead": heard(LEADS)})
    assert int(far["lead"].argmin()) == lead
    assert int(far["bass"].argmin()) == bass


def test_the_mixtures_level_does_not_matter() -> None:
    groups = {"bass": heard(BASSES), "lead": heard(LEADS)}
    mixture = BASSES[0] + LEADS[2]
    loud, soft = (distances(cells_of(np.float32(gain) * mixture), groups) for gain in (1.0, 0.01))
    for family in groups:
        assert loud[family] == pytest.approx(soft[family], abs=0.05)


def test_a_clear_cosine_outweighs_a_small_difference_in_sound() -> None:
    group = heard(BASSES, (0.9, 0.1, 0.1))
    assert order(group, np.array([1.0, 0.5, 2.0])) == [0, 1, 2]
    assert order(heard(BASSES), np.array([1.0, 0.5, 2.0])) == [1, 0, 2]


def test_without_sound_the_order_stays() -> None:
    silent = [Heard(cosine, None) for cosine in (0.9, 0.8, 0.7)]
    far = distances(cells_of(BASSES[0]), {"bass": silent})
    assert order(silent, far["bass"]) == [0, 1, 2]
    assert distances(np.zeros(10), {"bass": silent})["bass"].tolist() == [0, 0, 0]


def test_one_without_sound_is_neither_raised_nor_lowered() -> None:
    some = [*heard(BASSES[:2], (0.5, 0.5)), Heard(0.5, None)]
    far = distances(cells_of(BASSES[0]), {"bass": some})["bass"]
    assert far[2] == pytest.approx(far[:2].mean())


def listing(name: str) -> Listing:
    return Listing(1, name, name, "faust", "bank", Path("bank.faustpatch"), 0, families=("bass",))


def test_ranks_change_and_scores_stay() -> None:
    matches = tuple(Match(rank, 0.5, listing(f"b{rank}")) for rank in (1, 2, 3, 4))
    result = MatchResult("song", 0, SECONDS, "m", "l", (FamilyMatches("bass", 1.0, matches),))
    sounds = {("bass", f"b{rank}"): Clip(sound[None], ENCODER_RATE) for rank, sound in enumerate(BASSES, 1)}
    turned = rerank(result, Clip(BASSES[2][None], ENCODER_RATE), sounds, 3).family("bass")
    assert turned[0].preset.name == "b3"
    assert [match.rank for match in turned] == [1, 2, 3, 4]
    assert turned[3].preset.name == "b4"
    assert {match.score for match in turned} == {0.5}
