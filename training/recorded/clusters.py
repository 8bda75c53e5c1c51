"""Near-duplicates among presets that the frozen labels don't know, and the side on which each stands because of them.

What was found is written down beside the notes, for those who only read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch

from synthmatch.files import content_hash, write_text
from synthmatch.training.recorded.nearness import Neighbourhood, near_clusters, recorded_print
from synthmatch.training.recorded.notebank import NoteBank
from synthmatch.training.split import Label, frozen, hash_side, read_labels, write_labels

PRESETS = "presets.tsv"
"""In a folder of notes, the labels of presets that the frozen labels don't know."""
COMPARED = "compared.txt"
"""Beside them, hash of the presets with frozen labels that these were compared with."""


def read_presets(folder: Path) -> dict[str, Label]:
    """The labels of presets in a folder of notes that the frozen labels don't know."""
    path = folder / PRESETS
    return read_labels(path, "delete it, and record again") if path.exists() else {}


def settled(bank: NoteBank, labels: Mapping[str, Label]) -> bool:
    """Whether no preset, of either kind, has come since presets were compared.

    Args:
        labels: of the presets at hand.
    """
    known = read_presets(bank.folder)
    compared = bank.folder / COMPARED
    there = compared.read_text(encoding="utf-8") if compared.exists() else ""
    return known.keys() >= set(_new(bank, labels)) and (not known or there == _to_compare(bank))


def settle(bank: NoteBank, labels: Mapping[str, Label]) -> dict[str, Label]:
    """Find near-duplicates among presets that the frozen labels don't know: a cluster is on the side of a frozen
    preset that is near, else on that which the hash of its smallest member says. It is done again when presets of
    either kind have come.

    Args:
        labels: of the presets at hand.

    Returns:
        The labels of all such presets whose notes are there, by id.
    """
    known = read_presets(bank.folder)
    if settled(bank, labels):
        return known
    known |= {key: labels[key] for key in _new(bank, labels)}
    ids = sorted(key for key in known if key in bank)
    clusters = near_clusters(ids, torch.stack([recorded_print(bank, key) for key in ids]))
    twins = _frozen_twins(bank, clusters)
    places = {of: (twins[of].cluster, twins[of].side) if of in twins else (of, hash_side(of)) for of in ids}
    known = {key: replace(known[key], cluster=places[of][0], side=places[of][1]) for key, of in clusters.items()}
    write_labels(bank.folder / PRESETS, list(known.values()))
    write_text(bank.folder / COMPARED, _to_compare(bank))
    return known


def _new(bank: NoteBank, labels: Mapping[str, Label]) -> list[str]:
    return [key for key in labels if key not in frozen() and key in bank]


def _to_compare(bank: NoteBank) -> str:
    return content_hash(*(key.encode() for key in sorted(frozen()) if key in bank))


def _frozen_twins(bank: NoteBank, clusters: Mapping[str, str]) -> dict[str, Label]:
    """By cluster, the frozen preset that one of it sounds nearly like, if any does; one of the sides that training
    mustn't hear before others: another edition of a bank holds the benchmark's presets under other ids."""
    judged = Neighbourhood(bank, sorted(frozen(), key=lambda key: frozen()[key].side == "train"))
    found: dict[str, Label] = {}
    for key, of in clusters.items():
        near = judged.near(recorded_print(bank, key))
        if near and (of not in found or found[of].side == "train"):
            found[of] = frozen()[near]
    return found
