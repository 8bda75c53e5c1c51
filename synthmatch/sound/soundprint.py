"""What presets are compared by when nobody listens: a small picture of how each sounds.

Bands by time slots, in dB below the preset's loudest cell. It needs numpy alone, costs a millisecond a note, and
takes about a kilobyte, so a library keeps one for every sound.
"""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
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
_GROUP_BANDS, _GROUP_TIMES = 6, 10
_GROUPS = _GROUP_BANDS * _GROUP_TIMES  # sums of cells by which most pairs are told apart
_AT_ONCE = 4096  # prints that are turned into floats at a time
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


def near_any(prints: Sequence[Print], others: Sequence[Print]) -> npt.NDArray[np.bool_]:
    """(m,) which of m others are at most ``NEAR_DB`` from one of some prints. Exact."""
    near = np.zeros(len(others), bool)
    for length in {len(each) for each in prints} & {len(each) for each in others}:
        mine = np.stack([each for each in prints if len(each) == length])
        places = np.array([place for place, each in enumerate(others) if len(each) == length])
        table = np.stack([others[place] for place in places])
        sums, its_sums = _sums(table), _sums(mine)
        for row, its in zip(mine, its_sums, strict=True):
            left = np.flatnonzero(_may_be_near(its, sums, length) & ~near[places])
            near[places[left]] = distances(row, list(table[left])) <= NEAR_DB
    return near


def sound_distance(first: Sequence[Clip], second: Sequence[Clip]) -> float:
    """How differently two renders of the same performances sound, in dB."""
    return distance(sound_print(first), sound_print(second))


def near_pairs(prints: Sequence[Print]) -> Iterator[tuple[int, int, float]]:
    """Every pair of prints at most ``NEAR_DB`` apart, as (i, j, distance) with i < j, in this order.

    Exact. Each print is compared with those in its :func:`near_cells` alone, of which sums rule out nearly all. Those
    cells hold a small share of all prints, but the same one of many as of few: in the end, what it takes grows with
    the square of their number.

    Args:
        prints: all of one length.
    """
    if len(prints) < 2:
        return
    table = np.stack(prints)
    sums, contrasts = _sums(table), np.stack([_contrasts(row) for row in table])
    lying: defaultdict[tuple[int, ...], list[int]] = defaultdict(list)
    for place, contrast in enumerate(contrasts):
        lying[_corner(contrast)].append(place)
    held = {corner: np.array(places) for corner, places in lying.items()}
    for place, row in enumerate(table):
        corners = _near_corners(contrasts[place])  # its own is among them
        others = np.concatenate([held[corner] for corner in corners if corner in held])
        others = others[others > place]
        others = others[(np.abs(contrasts[others] - contrasts[place]) <= _CELL / 2).all(axis=1)]
        others = np.sort(others[_may_be_near(sums[place], sums[others], len(row))])
        for other, apart in zip(others.tolist(), distances(row, list(table[others])).tolist(), strict=True):
            if apart <= NEAR_DB:
                yield place, other, apart


def cell(print_: Print) -> str:
    """Where a print lies: the cell of a grid over a few of its means, so that near prints are found by name.

    Two prints at most ``NEAR_DB`` apart lie in cells of :func:`near_cells` of each other.
    """
    return _cell_name(len(print_), _corner(_contrasts(print_)))


def near_cells(print_: Print) -> list[str]:
    """The cells in which prints at most ``NEAR_DB`` from this one lie: at most two a contrast.

    Cells differ by no more, in the mean and with whatever signs, than their absolute differences in the mean; and a
    grid's cells are twice as wide as that.
    """
    return [_cell_name(len(print_), corner) for corner in _near_corners(_contrasts(print_))]


def _cell_name(length: int, corner: Iterable[int]) -> str:
    return ".".join(map(str, (length, *corner)))


def _corner(contrasts: npt.NDArray[np.float64]) -> tuple[int, ...]:
    """The cell of the grid in which such contrasts lie."""
    return tuple(math.floor(each / _CELL) for each in contrasts.tolist())


def _near_corners(contrasts: npt.NDArray[np.float64]) -> Iterator[tuple[int, ...]]:
    """Those of :func:`near_cells`."""
    reach = _CELL / 2
    sides = [{math.floor((each - reach) / _CELL), math.floor((each + reach) / _CELL)} for each in contrasts.tolist()]
    return itertools.product(*sides)


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
    """(n, ``_GROUPS`` + 1) sums of cells that lie in a few neighbouring bands and about a tenth of the print's time,
    and how many cells are heard."""
    places = np.arange(table.shape[1])
    group = places % _BANDS // (_BANDS // _GROUP_BANDS) + _GROUP_BANDS * (places * _GROUP_TIMES // max(1, len(places)))
    groups = np.eye(_GROUPS, dtype=np.float32)[group]
    parts = [table[first : first + _AT_ONCE].astype(np.float32) @ groups for first in range(0, len(table), _AT_ONCE)]
    heard = np.count_nonzero(table, axis=1).astype(np.float32)
    return np.concatenate([np.concatenate(parts), heard[:, None]], axis=1)


def _may_be_near(print_: npt.NDArray[np.float32], others: npt.NDArray[np.float32], cells: int) -> npt.NDArray[np.bool_]:
    """(n,) whether others may be at most ``NEAR_DB`` from a print, by the :func:`_sums` of each.

    Sums over a group of cells differ by no more than its cells do together, and no more cells are heard in either than
    in both.
    """
    heard = np.clip(others[:, -1] + print_[-1], 1, max(1, cells))
    least = np.abs(others[:, :-1] - print_[:-1]).sum(axis=1) * STEP_DB / heard
    near: npt.NDArray[np.bool_] = least <= NEAR_DB + 1e-4
    return near


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
