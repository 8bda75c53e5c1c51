"""A print tells sounds apart as ears would, and pairs are found as if all had been compared with all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from synthmatch.audio import Clip
from synthmatch.library.library import Library
from synthmatch.sound.soundprint import DEPTH_DB, NEAR_DB, STEP_DB, Print, distance, near_any, near_pairs, sound_print

RATE = 44_100


def tone(hertz: float, seconds: float = 1.0, level: float = 0.3, harmonics: int = 1, rate: int = RATE) -> Clip:
    time = np.arange(round(seconds * rate)) / rate
    wave = sum(np.sin(2 * np.pi * hertz * k * time) / k for k in range(1, harmonics + 1))
    return Clip((level * wave * np.exp(-2 * time))[None].astype(np.float32), rate)


def all_with_all(prints: list[Print]) -> list[tuple[int, int, float]]:
    """The pairs that are near, by a slow loop."""
    pairs = [(i, j, distance(prints[i], prints[j])) for i in range(len(prints)) for j in range(i + 1, len(prints))]
    return [pair for pair in pairs if pair[2] <= NEAR_DB]


def test_level_and_channels_do_not_matter_but_the_spectrum_does() -> None:
    plain = sound_print([tone(220, harmonics=8)])
    louder = sound_print([tone(220, level=3.0, harmonics=8)])
    twice = sound_print([Clip(np.repeat(tone(220, harmonics=8).samples, 2, axis=0), RATE)])
    assert distance(plain, louder) <= STEP_DB
    assert distance(plain, twice) <= STEP_DB
    assert distance(plain, sound_print([tone(220, harmonics=2)])) > 10
    assert distance(plain, sound_print([tone(440, harmonics=8)])) > 10


def test_the_sample_rate_hardly_matters() -> None:
    low = tone(220, harmonics=8, rate=22_050)
    assert distance(sound_print([tone(220, harmonics=8)]), sound_print([low])) < NEAR_DB


def test_a_decibel_of_tilt_is_a_distance_of_about_a_decibel() -> None:
    """A gain on the second note alone is what the distance reports, spread over both."""
    first, second = tone(220, harmonics=8), tone(330, harmonics=8)
    apart = distance(sound_print([first, second]), sound_print([first, second.scaled(10 ** (-3 / 20))]))
    assert apart == pytest.approx(1.5, abs=0.3)


def test_prints_of_other_performances_never_match() -> None:
    assert distance(sound_print([tone(220)]), sound_print([tone(220, 2.0)])) == float("inf")


def test_silence_has_an_empty_print() -> None:
    silent = sound_print([Clip(np.zeros((2, RATE), np.float32), RATE)])
    assert silent.max() == 0
    assert distance(silent, silent) == 0


def test_a_print_fits_its_type() -> None:
    cells = sound_print([tone(220, harmonics=20), tone(50)])
    assert cells.max() == round(DEPTH_DB / STEP_DB)
    assert cells.min() == 0


@pytest.mark.parametrize("seed", range(3))
def test_near_pairs_are_those_of_comparing_all_with_all(seed: int) -> None:
    random = np.random.default_rng(seed)
    centres = random.integers(0, 200, (12, 130))
    prints: list[Print] = []
    for place in range(120):
        jitter = random.integers(-8, 9, 130) if place % 3 else random.integers(0, 40, 130)
        prints.append(np.clip(centres[place % 12] + jitter, 0, 240).astype(np.uint8))
    slow = all_with_all(prints)
    assert 10 < len(slow) < 2000
    assert list(near_pairs(prints)) == slow


def test_near_pairs_of_real_sounds_are_those_of_comparing_all_with_all(filled: Path) -> None:
    """Real prints, copies that differ from them by chance or by level, and what lies between two of them, in steps."""
    random = np.random.default_rng(0)
    with Library.open(filled) as library:
        prints = [heard.print for heard in library.rows.all_heard().values()]
    real = np.stack(prints).astype(float)
    for place in range(90):
        centre = real[place % len(real)]
        jitter = random.integers(-2 * (place % 9), 2 * (place % 9) + 1, len(centre))
        prints.append(np.where(centre > 0, np.clip(centre + jitter, 0, 240), 0).astype(np.uint8))
    between = real[0] + np.linspace(0, 1, 60)[:, None] * (real[1] - real[0])
    prints += list(np.rint(between).astype(np.uint8))
    prints += [np.where(real[place % 3] > 0, real[place % 3] * 0.8 + place, 0).astype(np.uint8) for place in range(45)]
    slow = all_with_all(prints)
    assert 100 < len(slow) < len(prints) ** 2 / 4
    assert list(near_pairs(prints)) == slow


@pytest.mark.parametrize("side", [1, 24, 66])
def test_pairs_at_the_very_limit_are_found_wherever_they_lie(side: int) -> None:
    """By level, by tilt over the bands, and from note to note: each print a step beside the one before."""
    steps = np.where(np.arange(132) % side < side / 2, 1, -1)
    prints = [(120 + place * steps).astype(np.uint8) for place in range(-50, 50)]
    limit = round(NEAR_DB / STEP_DB)
    expected = [(i, j) for i in range(100) for j in range(i + 1, min(100, i + limit + 1))]
    assert [(i, j) for i, j, _ in near_pairs(prints)] == expected


@pytest.mark.parametrize("seed", range(3))
def test_near_any_are_those_of_comparing_all_with_all(seed: int) -> None:
    """Long and short prints, full and nearly silent ones, each with neighbours on either side of the limit."""
    random = np.random.default_rng(seed)
    prints: list[Print] = [np.zeros(240, np.uint8), np.zeros(0, np.uint8)]
    for place in range(120):
        length = (240, 130)[place % 2]
        centre = np.random.default_rng(place % 7).integers(0, 200, length)
        centre[length // (1 + place % 3) :] = 0  # short sounds are heard in few cells
        jitter = random.integers(-1, 2, length) * random.integers(0, 9)
        prints.append(np.where(centre > 0, np.clip(centre + jitter, 0, 240), 0).astype(np.uint8))
    some, others = prints[::4], [each for place, each in enumerate(prints) if place % 4]
    slow = [min(distance(one, other) for one in some) <= NEAR_DB for other in others]
    assert 10 < sum(slow) < len(others) - 10
    assert near_any(some, others).tolist() == slow
    assert near_any([], others).tolist() == [False] * len(others)
    assert near_any(some, []).tolist() == []
