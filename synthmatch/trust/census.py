"""Looking at the sounds of a bank together: which are the same, and which never are.

What fails is found where it is rendered (``renderers``); this is what only shows when all sounds of a bank are there.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from synthmatch.audio import Clip
from synthmatch.files import content_hash
from synthmatch.presets.bank import Fault
from synthmatch.presets.preset import Preset, State
from synthmatch.renderers.soundcheck import TOLERANCE, same_sound
from synthmatch.sound.soundprint import STEP_DB, Print, distance, near_pairs, sound_distance, sound_print
from synthmatch.trust.report import FailedPreset, Named, Repeats, TrustReport


def digest(clips: Sequence[Clip]) -> str:
    """A hash that two sounds share if they are the same to 16 bits of the louder one's peak."""
    peak = max((clip.peak for clip in clips), default=0.0) or 1.0
    return content_hash(*(np.rint(clip.samples * (32_000 / peak)).astype(np.int16).tobytes() for clip in clips))


@dataclass(frozen=True)
class Heard:
    """What is kept of a state's sound: its print, and its digest."""

    print: Print = field(repr=False)
    digest: str

    @classmethod
    def of(cls, clips: Sequence[Clip]) -> Heard:
        """Look at a sound."""
        return cls(sound_print(clips), digest(clips))


def spread(first: Sequence[Clip], second: Sequence[Clip], tolerance: float = TOLERANCE) -> float:
    """How far apart two renders of the same state are, in dB; 0 if they are the same sound.

    Args:
        tolerance: by which samples may differ and still be the same.
    """
    if same_sound(first, second, tolerance):
        return 0.0
    return max(sound_distance(first, second), _LEAST_SPREAD)


_LEAST_SPREAD = 0.01  # dB; what isn't exact shows as such, however near it is


def sample(presets: Iterable[Preset], per_bank: int = 2) -> dict[tuple[str, str], tuple[State, ...]]:
    """States to be rendered a second time, by (synth, bank): the same ones whenever a bank is looked at."""
    states: defaultdict[tuple[str, str], dict[str, State]] = defaultdict(dict)
    for preset in presets:
        states[preset.synth, preset.bank][preset.id] = preset.state
    return {bank: tuple(found[key] for key in sorted(found)[:per_bank]) for bank, found in sorted(states.items())}


def untouched(presets: Iterable[Preset]) -> tuple[State, ...]:
    """Each synth of a bank as it is before any preset is loaded."""
    return tuple(State(synth, b"") for synth in sorted({preset.synth for preset in presets}))


def plain(presets: Iterable[Preset], heard: dict[str, Heard], without: dict[str, Print]) -> tuple[Named, ...]:
    """The presets, once each, that sound as their synth does without any.

    Args:
        heard: by state.
        without: what each synth sounds like without a preset; those that make no sound then are missing.
    """
    found = {
        preset.id: Named(preset.id, preset.name, preset.synth, preset.bank)
        for preset in presets
        if preset.id in heard and preset.synth in without
        if distance(heard[preset.id].print, without[preset.synth]) <= STEP_DB
    }
    return tuple(found.values())


def group(heard: dict[str, Heard]) -> tuple[list[list[str]], list[list[str]]]:
    """Group states by their sound.

    Args:
        heard: by state.

    Returns:
        Groups with the same sound, and groups that are nearly the same as their first member; of the latter a
        group of the former is one member, named by its first state.
    """
    by_digest: defaultdict[str, list[str]] = defaultdict(list)
    for state in sorted(heard):
        by_digest[heard[state].digest].append(state)
    firsts: defaultdict[int, list[str]] = defaultdict(list)  # prints compare only if they have one length
    for members in by_digest.values():
        firsts[len(heard[members[0]].print)].append(members[0])
    near: list[list[str]] = []
    for states in firsts.values():
        links = [(states[i], states[j]) for i, j, _ in near_pairs([heard[state].print for state in states])]
        near += _clusters(links)
    same = [members for members in by_digest.values() if len(members) > 1]
    return sorted(same), sorted(near)


class Census:
    """Looks at the sounds of a bank as they come.

    Args:
        presets: the bank's.
    """

    def __init__(self, presets: Iterable[Preset]) -> None:
        self._presets = tuple(presets)
        self._sample = sample(self._presets)
        self._twice = {state.id for states in self._sample.values() for state in states}
        self._heard: dict[str, Heard] = {}
        self._once: set[str] = set()  # of those to be rendered twice
        self._failed: dict[str, tuple[str, str]] = {}
        self._spread: dict[str, float] = {}
        self._without: dict[str, Print] = {}

    def hear_without(self, synth: str, clips: Sequence[Clip]) -> None:
        """Take what a synth sounds like without any preset."""
        self._without[synth] = sound_print(clips)

    def hear(self, state: str, clips: Sequence[Clip]) -> None:
        """Take a state's sound."""
        self._heard[state] = Heard.of(clips)
        if state in self._twice:
            self._once.add(state)

    def heard_again(self, state: str, apart: float) -> None:
        """Take what a second rendering showed, now or in an earlier run: how far apart the two were, in dB
        (``spread``)."""
        self._once.discard(state)
        self._spread[state] = apart

    def failed(self, state: str, failure: str, reason: str) -> None:
        """Take note that a state made no usable sound."""
        self._failed[state] = (failure, reason)

    def repeats(self) -> tuple[State, ...]:
        """The states, of those heard so far, that should be rendered a second time."""
        return tuple(state for states in self._sample.values() for state in states if state.id in self._once)

    def report(self, faults: Sequence[Fault] = ()) -> TrustReport:
        """What there is to say about the bank.

        Args:
            faults: what couldn't be read of it.
        """
        same, near = group(self._heard)
        return TrustReport(
            len(self._presets),
            len({preset.id for preset in self._presets}),
            tuple(
                FailedPreset(each.id, each.name, each.synth, each.bank, *self._failed[each.id])
                for each in self._presets
                if each.id in self._failed
            ),
            tuple(faults),
            self._named(same),
            self._named(near),
            plain(self._presets, self._heard, self._without),
            tuple(
                bank_repeats(*bank, [self._spread[state.id] for state in states if state.id in self._spread])
                for bank, states in self._sample.items()
                if any(state.id in self._spread for state in states)
            ),
        )

    def _named(self, groups: Iterable[Sequence[str]]) -> tuple[tuple[Named, ...], ...]:
        first: dict[str, Named] = {}
        for each in self._presets:
            first.setdefault(each.id, Named(each.id, each.name, each.synth, each.bank))
        return tuple(tuple(first[state] for state in states) for states in groups)


def bank_repeats(synth: str, bank: str, spreads: Sequence[float]) -> Repeats:
    """Sum up the spreads of a bank's presets, at least one."""
    return Repeats(synth, bank, len(spreads), sum(each == 0 for each in spreads), max(spreads))


def _clusters(links: Iterable[tuple[str, str]]) -> list[list[str]]:
    """Groups in which everything is linked to the first: what has the most neighbours takes those that are left of
    them. Were links enough, a chain of small steps would make one group of a whole bank."""
    neighbours: defaultdict[str, set[str]] = defaultdict(set)
    for one, other in links:
        neighbours[one].add(other)
        neighbours[other].add(one)
    left = set(neighbours)
    groups = []
    for state in sorted(neighbours, key=lambda each: (-len(neighbours[each]), each)):
        members = neighbours[state] & left
        if state in left and members:
            groups.append([state, *sorted(members)])
            left -= {state, *members}
    return groups
