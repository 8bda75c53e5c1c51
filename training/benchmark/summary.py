"""From ranks to the rows of a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from synthmatch.presets.families import FAMILY_KEYS
from synthmatch.training.arrays import Bools
from synthmatch.training.benchmark.hearing import Heard
from synthmatch.training.benchmark.metrics import Presence, presence_of, stratified, top_k
from synthmatch.training.benchmark.queries import Asked, degradation
from synthmatch.training.benchmark.suites import Found
from synthmatch.training.benchmark.tables import KS, Figures, Loss, Row
from synthmatch.training.split import Label

ALL = "all"


def row_of(
    name: str,
    found: Found,
    labels: Mapping[str, Label],
    presence: Presence | None = None,
    clean: Found | None = None,
) -> Row:
    """The row of what a hearing found.

    Args:
        name: of the row.
        found: at least one question.
        labels: of the presets asked for.
        presence: what it says about families, if that was measured.
        clean: what it found in the same sounds before they were spoilt.
    """
    own = np.array([labels[key].family for key in found.presets.tolist()])
    families = {key: _figures(found.only(own == key)) for key in FAMILY_KEYS if (own == key).any()}
    losses = _losses(found, clean) if clean is not None else None
    return Row(name, len(np.unique(found.presets)), _figures(found), families, presence, losses)


def presence_row(heard: Heard, asked: Sequence[Asked], count: int) -> Presence | None:
    """How well a hearing says which families ``count`` songs hold; None if it doesn't say, or if there is no
    family that some songs hold and some don't."""
    truth = family_truth(asked, count)
    if heard.presence is None or (truth.all(axis=0) | ~truth.any(axis=0)).all():
        return None
    return presence_of(heard.presence[:count], truth, FAMILY_KEYS)


def family_truth(asked: Sequence[Asked], count: int) -> Bools:
    """Which families each song holds, (count, F), in the order of ``FAMILY_KEYS``."""
    truth = np.zeros((count, len(FAMILY_KEYS)), np.bool_)
    for each in asked:
        truth[each.query, FAMILY_KEYS.index(each.family)] = True
    return truth


def _figures(found: Found) -> Figures:
    strict, near = (
        {k: top_k(ranks, found.presets, found.families, k) for k in KS} for ranks in (found.strict, found.lenient)
    )
    return Figures(strict, near)


def _losses(found: Found, clean: Found) -> dict[str, Loss]:
    kinds = np.array([degradation(number) for number in found.queries.tolist()])
    chosen = {ALL: np.ones(len(kinds), np.bool_), **{kind: kinds == kind for kind in dict.fromkeys(kinds.tolist())}}
    return {kind: _loss(found.only(which), clean.only(which)) for kind, which in chosen.items()}


def _loss(found: Found, clean: Found) -> Loss:
    def share(ranks: Found, k: int) -> float:
        return top_k(ranks.strict, ranks.presets, ranks.families, k).value

    lost = {
        k: stratified((clean.strict <= k).astype(np.float64) - (found.strict <= k), found.presets, found.families)
        for k in KS
    }
    return Loss({k: share(clean, k) for k in KS}, {k: share(found, k) for k in KS}, lost)
