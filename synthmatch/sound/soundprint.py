"""What presets are compared by when nobody listens: a small picture of how each sounds.

Bands by time slots, in dB below the preset's loudest cell. It needs numpy alone, costs a millisecond a note, and
takes about a kilobyte, so a library keeps one for every sound.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from synthmatch.audio import Clip
from synthmatch.sound.stft import hann, powers

Print = npt.NDArray[np.uint8]
"""Shape (cells,): steps of ``STEP_DB`` above the floor, 0 where nothing is heard."""

DEPTH_DB = 60.0
"""Below a preset's loudest cell, by this much, everything counts as silent."""
STEP_DB = 0.25
NEAR_DB = 1.5
"""Presets at most this far apart are nearly the same: on Debian's banks such pairs are a preset and its copy with
one knob moved."""

_BANDS = 24
_LOW, _HIGH = 40.0, 16_000.0  # Hz
_SLOT = 0.2  # seconds
_WINDOW = 0.1  # seconds; two overlap in each slot's half
_QUIET = 1e-7  # power, some 70 dB below a full-scale sine: a preset that never passes it is silent throughout
_POOLED = 12  # cells of a print's rough copy
_GROUP_BANDS, _GROUP_TIMES = 6, 10
_GROUPS = _GROUP_BANDS * _GROUP_TIMES  # sums of cells by which most pairs are told apart
_CELL = 2 * NEAR_DB / STEP_DB * 1.001  # steps; a little wider than need be, for rounding


def sound_print(clips: Sequence[Clip]) -> Print:
    """A preset's print.

    Args:
        clips: what it played, one per performance; prints compare only where the performances were the same.
    """
    power = np.concatenate([_cells(clip) for clip in clips])
    loudest = float(power.max(initial=0.0))
    if loudest < _QUIET:
        return np.zeros(len(power), np.uint8)
    floor = loudest * 10 ** (-DEPTH_DB / 10)
    level = 10 * np.log10(np.maximum(power, floor) / floor)
    steps: Print = np.rint(level / STEP_DB).astype(np.uint8)
    return steps


def distance(first: Print, second: Print) -> float:
    """How differently two prints sound: the mean difference in dB over the cells in which either is heard.

    Infinite if they are of other performances.
    """
    if len(first) != len(second):
        return float("inf")
    heard = int(np.count_nonzero(np.maximum(first, second)))
    apart = np.abs(first.astype(np.int16) - second.astype(np.int16)).sum()
    return float(apart) * STEP_DB / max(1, heard)


def distances(first: Print, others: Sequence[Print]) -> npt.NDArray[np.float64]:
    """(n,) distances of one print to n others; see :func:`distance`."""
    apart = np.full(len(others), np.inf)
    same = [place for place, other in enumerate(others) if len(other) == len(first)]
    if same:
        table = np.stack([others[place] for place in same])
        heard = np.count_nonzero(np.maximum(table, first), axis=1)
        steps = np.maximum(table, first) - np.minimum(table, first)  # unsigned: the larger first
        apart[same] = steps.sum(axis=1, dtype=np.int64) * STEP_DB / np.maximum(1, heard)
    return apart


def near_any(prints: Sequence[Print], others: Sequence[Print], limit: float = NEAR_DB) -> npt.NDArray[np.bool_]:
    """(m,) which of m others are at most ``limit`` dB from one of some prints.

    Exact, and each pair is looked at in ``_GROUPS`` sums before all cells are: sums over a group of cells differ by no
    more than its cells do together, and no more cells are heard in either than in both.
    """
    near = np.zeros(len(others), bool)
    for length in {len(each) for each in prints} & {len(each) for each in others}:
        mine = np.stack([each for each in prints if len(each) == length])
        places = np.array([place for place, each in enumerate(others) if len(each) == length])
        table = np.stack([others[place] for place in places])
        sums, heard = _sums(table), np.count_nonzero(table, axis=1)
        for row, its_sums, its_heard in zip(mine, _sums(mine), np.count_nonzero(mine, axis=1), strict=True):
            most_heard = np.clip(heard + its_heard, 1, max(1, length))
            least = np.abs(sums - its_sums).sum(axis=1) * STEP_DB / most_heard
            left = np.flatnonzero((least <= limit + 1e-4) & ~near[places])
            near[places[left]] = distances(row, list(table[left])) <= limit
    return near


def sound_distance(first: Sequence[Clip], second: Sequence[Clip]) -> float:
    """How differently two renders of the same performances sound, in dB."""
    return distance(sound_print(first), sound_print(second))


def near_pairs(prints: Sequence[Print], limit: float = NEAR_DB) -> Iterator[tuple[int, int, float]]:
    """Every pair of prints at most ``limit`` dB apart, as (i, j, distance) with i < j.

    Exact, and far from comparing all with all: a mean over cells differs by no more than the cells do in the
    mean, so whatever lies farther apart in the means can't be a pair.

    Args:
        prints: all of one length.
    """
    if len(prints) < 2:
        return
    table = np.stack(prints)
    rough = _rough(table)
    order = np.argsort(rough.mean(axis=1), kind="stable")
    means = rough.mean(axis=1)[order]
    reach = np.searchsorted(means, means + limit / STEP_DB + 1e-6, side="right")
    for place, row in enumerate(order):
        others = order[place + 1 : reach[place]]
        if not len(others):
            continue
        others = others[np.abs(rough[others] - rough[row]).mean(axis=1) <= limit / STEP_DB + 1e-6]
        for other in others:
            apart = distance(table[row], table[other])
            if apart <= limit:
                yield min(row, other), max(row, other), apart


def cell(print_: Print) -> str:
    """Where a print lies: the cell of a grid over a few of its means, so that near prints are found by name.

    Two prints at most ``NEAR_DB`` apart lie in cells of :func:`near_cells` of each other.
    """
    return _cell_name(len(print_), np.floor(_contrasts(print_) / _CELL))


def near_cells(print_: Print) -> list[str]:
    """The cells in which prints at most ``NEAR_DB`` from this one lie: at most two a contrast.

    Cells differ by no more, in the mean and with whatever signs, than their absolute differences in the mean; and a
    grid's cells are twice as wide as that.
    """
    place, reach = _contrasts(print_), _CELL / 2
    sides = [{math.floor((each - reach) / _CELL), math.floor((each + reach) / _CELL)} for each in place.tolist()]
    return [_cell_name(len(print_), corner) for corner in itertools.product(*sides)]


def _cell_name(length: int, corner: Iterable[float]) -> str:
    return ".".join(str(int(each)) for each in (length, *corner))


def _contrasts(print_: Print) -> npt.NDArray[np.float64]:
    """Means of a print's cells with different signs."""
    means: npt.NDArray[np.float64] = _signs(len(print_)) @ print_.astype(np.float64) / max(1, len(print_))
    return means


@lru_cache(maxsize=8)
def _signs(length: int) -> npt.NDArray[np.float64]:
    """(5, length): all cells; high against low bands, middle against outer bands, later against earlier halves of
    notes, higher against lower notes (they are played in this order)."""
    places = np.arange(length)
    band, slot = places % _BANDS, places // _BANDS
    middle = np.abs(band - _BANDS / 2 + 0.5) < _BANDS / 4
    halves = (band >= _BANDS // 2, middle, slot % 10 >= 5, places >= length * 2 / 5)
    return np.stack([np.ones(length), *(np.where(half, 1.0, -1.0) for half in halves)])


def _sums(table: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """(n, ``_GROUPS``) sums of cells that lie in a few neighbouring bands and about a tenth of the print's time."""
    places = np.arange(table.shape[1])
    group = places % _BANDS // (_BANDS // _GROUP_BANDS) + _GROUP_BANDS * (places * _GROUP_TIMES // max(1, len(places)))
    sums: npt.NDArray[np.float32] = table.astype(np.float32) @ np.eye(_GROUPS, dtype=np.float32)[group]
    return sums


def _rough(table: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Means over ``_POOLED`` stretches of equally many cells each; shape (n, _POOLED)."""
    count, cells = table.shape
    stretch = -(-cells // _POOLED)
    padded = np.zeros((count, stretch * _POOLED), np.float32)
    padded[:, :cells] = table
    means: npt.NDArray[np.float32] = padded.reshape(count, _POOLED, stretch).mean(axis=2)
    return means


def _cells(clip: Clip) -> npt.NDArray[np.float64]:
    """Power per band and slot, flat; at least one slot."""
    rate = clip.sample_rate
    slot, window = round(_SLOT * rate), round(_WINDOW * rate)
    slots = max(1, round(clip.samples.shape[1] / slot))
    hop = window // 2
    frames = 1 + (slots * slot - 1) // hop
    padded = np.zeros((clip.samples.shape[0], (frames - 1) * hop + window), np.float32)
    count = min(clip.samples.shape[1], padded.shape[1])
    padded[:, :count] = clip.samples[:, :count]
    power = powers(padded, hann(window), hop, np.float32) @ _filters(window, rate)  # (frames, bands)
    place = np.minimum(np.arange(frames) * hop // slot, slots - 1)
    sums = np.zeros((slots, _BANDS))
    np.add.at(sums, place, power)
    means: npt.NDArray[np.float64] = sums / np.bincount(place, minlength=slots)[:, None]
    return means.ravel()


@lru_cache(maxsize=8)
def _filters(window: int, rate: int) -> npt.NDArray[np.float64]:
    """Which band each bin belongs to, as ones; shape (bins, bands). Bands are equally wide in log frequency, and
    at least one bin wide."""
    bins = np.fft.rfftfreq(window, 1 / rate)
    edges = np.geomspace(_LOW, _HIGH, _BANDS + 1)
    band = np.searchsorted(edges, bins, side="right") - 1
    filters = np.zeros((len(bins), _BANDS))
    inside = (band >= 0) & (band < _BANDS)
    filters[np.flatnonzero(inside), band[inside]] = 1.0
    for empty in np.flatnonzero(filters.sum(axis=0) == 0):
        filters[np.abs(bins - edges[empty : empty + 2].mean()).argmin(), empty] = 1.0
    return filters
