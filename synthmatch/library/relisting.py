"""Listing a bank whose files may have been edited since: what takes its place, and what is gone."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

from synthmatch.library.store import Rows
from synthmatch.presets.bank import PresetBank
from synthmatch.presets.preset import Preset


def relist(rows: Rows, bank: PresetBank) -> tuple[set[str], tuple[str, ...]]:
    """List a bank's presets, and drop what the library lists of its files and they hold no more.

    Returns:
        The states that lost a listing, and the names of the presets that are gone.
    """
    presets: defaultdict[Path, list[Preset]] = defaultdict(list)
    for preset in bank:
        presets[preset.file].append(preset)
    whole = sorted(bank.whole)
    before = {file: rows.held(file) for file in whole}
    lost = rows.put(bank)
    for file in whole:
        lost |= rows.keep_slots(file, {preset.slot for preset in presets[file]})
    return lost, tuple(name for file in whole for name in _gone(before[file], presets[file]))


def _gone(held: Sequence[tuple[str, str]], presets: Iterable[Preset]) -> list[str]:
    """The names of what a file held and holds no more. Slots don't tell: the presets behind one that was deleted move
    up. One that was renamed, or saved again with another sound, is held still.

    Args:
        held: (state, name) of each preset that the file held.
        presets: those that it holds.
    """
    left, here = list(held), [(preset.id, preset.name) for preset in presets]
    for parts in (slice(2), slice(1), slice(1, 2)):  # the same state and name, the same state, the same name
        left, here = _unmatched(left, here, parts), _unmatched(here, left, parts)
    return [name for _, name in left]


def _unmatched(
    some: Iterable[tuple[str, str]], others: Iterable[tuple[str, str]], parts: slice
) -> list[tuple[str, str]]:
    """Some pairs without those that have a counterpart among others, each its own, with these parts the same."""
    counterparts = Counter(each[parts] for each in others)
    left = []
    for each in some:
        if counterparts[each[parts]] > 0:
            counterparts[each[parts]] -= 1
        else:
            left.append(each)
    return left
