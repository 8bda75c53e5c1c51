from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import pytest

from synthmatch.errors import InputError
from synthmatch.refining.evolution import Evolution, require

pytest.importorskip("cma", reason="needs cma: pip install cma")

Score = Callable[[Sequence[float]], float]


def search(score: Score, start: Sequence[float], positions: Sequence[int], seed: int, turns: int) -> list[list[float]]:
    """All points that were asked for."""
    evolution = Evolution(start, positions, [0.15] * len(start), seed)
    asked = []
    for _ in range(turns):
        points = evolution.ask()
        asked += points
        evolution.tell([score(point) for point in points])
        if evolution.converged:
            break
    return asked


def bowl(point: Sequence[float]) -> float:
    """Least where two knobs stand at 0.8 and 0.3, and a switch of five positions in its fourth."""
    return 10 * math.hypot(point[0] - 0.8, point[1] - 0.3) + abs(point[2] - 0.75)


def test_it_finds_the_place_and_the_position() -> None:
    asked = search(bowl, [0.2, 0.9, 0.0], [0, 0, 5], 0, 60)
    best = min(asked, key=bowl)
    assert best == pytest.approx([0.8, 0.3, 0.75], abs=0.02)


def test_it_stays_in_its_box() -> None:
    asked = search(lambda point: -sum(point), [0.9, 0.95, 0.5], [0, 0, 3], 1, 30)
    assert all(0 <= each <= 1 for point in asked for each in point)
    assert max(map(sum, asked)) > 2.9


def test_switches_stand_in_their_positions() -> None:
    for point in search(bowl, [0.5, 0.5, 0.25], [0, 0, 5], 2, 10):
        assert point[2] * 4 == pytest.approx(round(point[2] * 4))


def test_the_seed_alone_decides() -> None:
    np.random.seed(1)
    first = search(bowl, [0.5, 0.5, 0.5], [0, 0, 5], 7, 8)
    np.random.seed(2)
    np.random.random(5)
    assert search(bowl, [0.5, 0.5, 0.5], [0, 0, 5], 7, 8) == first
    assert search(bowl, [0.5, 0.5, 0.5], [0, 0, 5], 8, 8) != first


def test_other_peoples_random_numbers_are_left_alone() -> None:
    np.random.seed(3)
    expected = np.random.random(4)
    np.random.seed(3)
    search(bowl, [0.5, 0.5, 0.5], [0, 0, 5], 0, 5)
    assert np.random.random(4) == pytest.approx(expected)


def test_it_ends_when_nothing_changes() -> None:
    asked = search(lambda _: 1.0, [0.5, 0.5], [0, 0], 0, 1000)
    assert len(asked) < 6000


def test_without_cma_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("synthmatch.refining.evolution.find_spec", lambda _: None)
    with pytest.raises(InputError, match=r"pip install cma"):
        require()
