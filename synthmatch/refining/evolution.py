"""The search for better positions of knobs, by CMA-ES: the only module that knows cma.

cma draws from numpy's global generator here and there. While it works that generator is ours, and afterwards it is
given back as it was: the same seed and the same scores give the same search, whatever else draws random numbers.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

import numpy as np

from synthmatch.errors import InputError
from synthmatch.extras import remedy


def require() -> None:
    """Make sure that there is something to search with.

    Raises:
        InputError: there isn't; the message says how to get it.
    """
    if find_spec("cma") is None:
        raise InputError(f"Presets can't be refined without cma; {remedy('refine')}.")


class Evolution:
    """A search in a box: ask for points, tell what they are worth.

    Args:
        start: (n,) where it begins, each 0 to 1; n at least 2.
        positions: (n,) how many positions a coordinate has if it is a switch; 0 if it turns freely.
        spreads: (n,) standard deviations of the first moves.
        seed: other seeds search elsewhere.

    Raises:
        InputError: cma isn't installed.
    """

    def __init__(
        self, start: Sequence[float], positions: Sequence[int], spreads: Sequence[float], seed: int = 0
    ) -> None:
        require()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it misses matplotlib, which would only draw curves
            import cma

        # cma wants switches one apart, so theirs are the coordinates that are wider than 1.
        self._scale = np.array([max(1, count - 1) for count in positions], dtype=np.float64)
        self._random = np.random.RandomState(seed).get_state(legacy=False)
        options = {
            "bounds": [[0.0] * len(start), self._scale.tolist()],
            "CMA_stds": (self._scale * np.asarray(spreads)).tolist(),
            "integer_variables": [place for place, count in enumerate(positions) if count],
            "seed": np.nan,  # ours is set already
            "verbose": -9,
            "verb_log": 0,
            "tolfunhist": 1e-4,
            "tolfun": 1e-3,
        }
        with self._our_randomness():
            self._search: Any = cma.CMAEvolutionStrategy(np.asarray(start) * self._scale, 1.0, options)

    def ask(self) -> list[list[float]]:
        """The next points to be tried, each (n,) from 0 to 1."""
        with self._our_randomness():
            self._asked = self._search.ask()
        return [(np.clip(point / self._scale, 0.0, 1.0)).tolist() for point in self._asked]

    def tell(self, scores: Sequence[float]) -> None:
        """What the points that were asked for last are worth: finite, the less the better, in their order."""
        with self._our_randomness():
            self._search.tell(self._asked, list(scores))

    @property
    def converged(self) -> bool:
        """Whether further points would bring nothing more."""
        return bool(self._search.stop())

    @contextmanager
    def _our_randomness(self) -> Iterator[None]:
        theirs = np.random.get_state(legacy=False)
        np.random.set_state(self._random)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # such as on a switch that no score depends on
                yield
        finally:
            self._random = np.random.get_state(legacy=False)
            np.random.set_state(theirs)
