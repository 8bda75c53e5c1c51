"""Under which families a preset is found."""

from __future__ import annotations

import pytest

from synthmatch.library.listing import found_under

FAMILIES = ("percussion", "bass", "lead")


@pytest.mark.parametrize(
    ("labels", "presence", "expected"),
    [
        ({"bass"}, (0.1, 0.0, 0.1), ("bass",)),  # a label is enough
        ({"bass"}, (0.1, 0.0, 0.21), ("bass", "lead")),  # and the sound may add to it
        ({"bass"}, (0.1, 0.0, 0.2), ("bass",)),  # from above .2
        ({"bass", "lead"}, (0.1, 0.0, 0.1), ("bass", "lead")),  # two listings of one state
        ({""}, (0.3, 0.1, 0.6), ("percussion", "lead")),
        ({""}, (0.05, 0.1, 0.01), ("bass",)),  # nothing is lost: the most probable one
        ({"harp"}, (0.05, 0.01, 0.1), ("lead",)),  # a family that the encoder doesn't know
    ],
)
def test_found_under(labels: set[str], presence: tuple[float, ...], expected: tuple[str, ...]) -> None:
    assert found_under(labels, presence, FAMILIES) == expected
