"""The rules of :mod:`synthmatch.training.parts` for thousands of parts at once: tables instead of objects."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from synthmatch.presets.families import FAMILIES
from synthmatch.training.arrays import Bools, Floats, Ints
from synthmatch.training.parts import JITTER, SCALES, TEMPO

_CHORD = np.array((0, 2, 4))


@dataclass(frozen=True, eq=False)
class Score:
    """What many parts play, one entry a note.

    Args:
        part: (N,), number of the part, in rising order.
        start: (N,), seconds.
        pitch: (N,), MIDI.
        held: (N,), seconds.
    """

    part: Ints
    start: Floats
    pitch: Ints
    held: Floats


@dataclass(frozen=True, eq=False)
class _Rules:
    """The table of families as arrays.

    Args:
        lengths: (F, L), beats; the last one repeated where a family has fewer.
        chances: (F, L - 1), cumulative probabilities of all but the last length.
        rest: (F,).
        chords: (F,).
        pitches: (F, 12, S, K), the pitches of a family in a key and scale; the last one repeated.
        count: (F, 12, S), how many those are.
    """

    lengths: Floats
    chances: Floats
    rest: Floats
    chords: Bools
    pitches: Ints
    count: Ints


@lru_cache(maxsize=1)
def _rules() -> _Rules:
    rows = list(FAMILIES.values())
    most = max(len(row.beats) for row in rows)
    padded = [(*row.beats, *[(row.beats[-1][0], 0.0)] * (most - len(row.beats))) for row in rows]
    widest = max(row.high - row.low + 1 for row in rows)
    pitches = np.zeros((len(rows), 12, len(SCALES), widest), np.int64)
    count = np.zeros((len(rows), 12, len(SCALES)), np.int64)
    for number, row in enumerate(rows):
        for root in range(12):
            for place, scale in enumerate(SCALES):
                found = [pitch for pitch in range(row.low, row.high + 1) if (pitch - root) % 12 in scale]
                pitches[number, root, place] = found + found[-1:] * (widest - len(found))
                count[number, root, place] = len(found)
    return _Rules(
        np.array([[length for length, _ in row] for row in padded]),
        np.cumsum([[chance for _, chance in row] for row in padded], axis=1)[:, :-1],
        np.array([row.rest for row in rows]),
        np.array([row.chords for row in rows]),
        pitches,
        count,
    )


def compose_parts(rng: np.random.Generator, mixture: Ints, family: Ints, seconds: float) -> Score:
    """Write many parts; those of one mixture are in one key and tempo.

    The rules, and so the distributions, are those of :func:`synthmatch.training.parts.compose`; the draws
    aren't, so one seed gives other parts here.

    Args:
        rng: where every choice comes from; the same state gives the same parts.
        mixture: (P,), number of the mixture of each part, from 0.
        family: (P,), its number in ``FAMILY_KEYS``.
        seconds: no note sounds beyond this.

    Returns:
        At least one note of each part, within the family's typical pitches.
    """
    rules = _rules()
    mixtures = int(mixture.max(initial=-1)) + 1
    beat = (60 / rng.uniform(TEMPO[0], TEMPO[1], mixtures))[mixture]  # (P,)
    scale = rng.integers(len(SCALES), size=mixtures)[mixture]
    root = rng.integers(12, size=mixtures)[mixture]
    shortest = float(rules.lengths[family].min(initial=math.inf)) * 60 / TEMPO[1]
    slots = max(1, math.ceil(seconds / shortest))
    length, now = _times(rng, rules, family, beat, slots)
    inside = now < seconds - 0.1
    onset = now + rng.uniform(0.0, JITTER, now.shape) * beat[:, None]
    sounding = _sounding(rng, inside, rules.rest[family]) & (onset < seconds - 0.05)
    place = _places(rng, rules.count[family, root, scale], slots)
    part, slot = np.nonzero(sounding)
    start, held = onset[part, slot], np.minimum(length[part, slot], seconds - onset[part, slot])
    last = rules.count[family, root, scale][part] - 1
    steps = np.minimum(place[part, slot][:, None] + _CHORD, last[:, None])  # (N, 3)
    voiced = np.ones(steps.shape, np.bool_)
    voiced[:, 1:] = rules.chords[family][part][:, None] & (steps[:, 1:] != steps[:, :-1])
    note, voice = np.nonzero(voiced)
    of = part[note]
    pitch = rules.pitches[family[of], root[of], scale[of], steps[note, voice]]
    return Score(of, start[note], pitch, held[note])


def _times(rng: np.random.Generator, rules: _Rules, family: Ints, beat: Floats, slots: int) -> tuple[Floats, Floats]:
    """Lengths and, before jitter, onsets of notes and rests in seconds, (P, slots) each."""
    drawn = rng.random((len(family), slots))
    choice = (drawn[..., None] >= rules.chances[family][:, None, :]).sum(axis=-1)  # (P, slots)
    length: Floats = rules.lengths[family[:, None], choice] * beat[:, None]
    now: Floats = np.cumsum(length, axis=1) - length
    return length, now


def _sounding(rng: np.random.Generator, inside: Bools, rest: Floats) -> Bools:
    """Which slots are notes: those that aren't rests, and the last one of a part that would be silent."""
    sounding: Bools = inside & (rng.random(inside.shape) >= rest[:, None])
    silent = np.nonzero(~sounding.any(axis=1))[0]
    sounding[silent, inside[silent].sum(axis=1) - 1] = True
    return sounding


def _places(rng: np.random.Generator, count: Ints, slots: int) -> Ints:
    """A melody as places in the scale, (P, slots): up to three steps from one note to the next."""
    moves = rng.integers(-3, 4, (slots, len(count)))
    place = (rng.random(len(count)) * count).astype(np.int64)
    out = np.empty((slots, len(count)), np.int64)
    for slot in range(slots):
        place = np.clip(place + moves[slot], 0, count - 1)
        out[slot] = place
    return out.T
