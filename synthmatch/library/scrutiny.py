"""What a library knows about its sounds: which failed, which are alike, and which come out differently each time."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol

from synthmatch.audio import Clip
from synthmatch.library.store import FAILED, RENDERED
from synthmatch.presets.bank import PresetBank
from synthmatch.presets.preset import Preset
from synthmatch.renderers.renderer import Failure, RenderJob
from synthmatch.renderers.soundcheck import TOLERANCE
from synthmatch.sound.soundprint import DEPTH_DB, Print, near_any, sound_print
from synthmatch.trust import census
from synthmatch.trust.census import Heard
from synthmatch.trust.report import FailedPreset, Named, Repeats, TrustReport

if TYPE_CHECKING:
    from synthmatch.library.library import Library
    from synthmatch.renderers.pool import Pool


class Progress(Protocol):
    """Is told how far something is, with a remark on what it is where that isn't plain."""

    def __call__(self, done: int, total: int, remark: str = "") -> None: ...


def failures(
    library: Library, states: Collection[str], untried: Mapping[str, str] = MappingProxyType({})
) -> tuple[FailedPreset, ...]:
    """Those listings of some states that can't be used.

    Args:
        untried: states besides that couldn't be tried, though they can be used, and why.
    """
    rows = library.rows.states_of(states)
    told = {state: (row.failure, row.reason) for state, row in rows.items() if row.status == FAILED}
    told |= {state: (Failure.MISSING.value, reason) for state, reason in untried.items()}
    return tuple(
        FailedPreset(each.state, each.name, rows[each.state].synth, each.bank, *told[each.state])
        for each in library.rows.listings_of(states)
        if each.state in told
    )


def repeat(library: Library, bank: PresetBank, pool: Pool, progress: Progress | None = None) -> None:
    """Render a sample of each bank a second time, and keep how far apart the two are; of a bank in which they differ,
    everything. What was rendered twice before costs nothing.
    """
    by_bank: dict[tuple[str, str], set[str]] = {}
    for preset in bank:
        by_bank.setdefault((preset.synth, preset.bank), set()).add(preset.id)
    sampled = {state.id for states in census.sample(bank).values() for state in states}
    _render_again(library, sampled, pool, progress)
    spreads = library.rows.spreads_of(sampled)
    unsteady = [states for states in by_bank.values() if any(spreads.get(state) for state in states & sampled)]
    _render_again(library, set().union(*unsteady), pool, progress)


def without_presets(bank: PresetBank, pool: Pool) -> dict[str, Print]:
    """What each synth of a bank sounds like without any preset; those that make no sound then are left out."""
    jobs = [RenderJob(state) for state in census.untouched(bank)]
    return {result.job.state.synth: sound_print(result.clips) for result in pool.render(jobs) if result.ok}


def report(
    library: Library, bank: PresetBank, without: dict[str, Print], untried: Mapping[str, str] = MappingProxyType({})
) -> TrustReport:
    """What there is to say about a bank's sounds, among all of the library's.

    Args:
        without: from :func:`without_presets`.
        untried: as for :func:`failures`.
    """
    states = {preset.id for preset in bank}
    heard = library.rows.heard_of(states)
    same, near = census.group(_alike(library, heard))
    names = _names(library, bank, {state for group in (*same, *near) for state in group})
    return TrustReport(
        len(bank),
        len(states),
        failures(library, states, untried),
        bank.faults,
        _named((_ours_first(group, states) for group in same if states & set(group)), names),
        _named(([group[0], *_ours_first(group[1:], states)] for group in near if states & set(group)), names),
        census.plain(bank, heard, without),
        _repeats(library, bank),
    )


def _render_again(library: Library, states: Collection[str], pool: Pool, progress: Progress | None) -> None:
    rows, spreads = library.rows.states_of(states), library.rows.spreads_of(states)
    known = library.rows.heard_of(states)
    waiting = [
        state for state in sorted(states) if state in known and state not in spreads and rows[state].status == RENDERED
    ]
    jobs = (RenderJob(library.sounds.read_state(state, rows[state].synth)) for state in waiting)
    for done, result in enumerate(pool.render(jobs), 1):
        state = result.job.state.id
        if result.failure is not Failure.MISSING:  # which says nothing about it
            first = library.sound(state)
            # A state that makes no usable sound the second time is as far from the first as can be.
            apart = census.spread(first, result.clips, _tolerance(first)) if result.ok else DEPTH_DB
            library.rows.repeated(state, apart)
        if progress is not None:
            progress(done, len(waiting), "a second time")


def _tolerance(stored: Sequence[Clip]) -> float:
    """What is stored differs from what was rendered by a step of 16 bits (``sounds``)."""
    return TOLERANCE + 2.0**-15 * max(clip.peak for clip in stored)


def _repeats(library: Library, bank: PresetBank) -> tuple[Repeats, ...]:
    spreads = library.rows.spreads_of({preset.id for preset in bank})
    found: dict[tuple[str, str], dict[str, float]] = {}
    for preset in bank:
        if preset.id in spreads:
            found.setdefault((preset.synth, preset.bank), {})[preset.id] = spreads[preset.id]
    return tuple(census.bank_repeats(*key, list(each.values())) for key, each in sorted(found.items()))


def _alike(library: Library, heard: Mapping[str, Heard]) -> dict[str, Heard]:
    """The sounds of a bank, and those of the library that are the same or nearly the same as one of them."""
    found = dict(heard)
    prints, digests = [each.print for each in heard.values()], {each.digest for each in heard.values()}
    for some in library.rows.heard_like(heard.values()):
        others = {state: other for state, other in some.items() if state not in heard}
        near = near_any(prints, [other.print for other in others.values()]).tolist()
        found |= {
            state: other
            for (state, other), is_near in zip(others.items(), near, strict=True)
            if is_near or other.digest in digests
        }
    return found


def _names(library: Library, bank: Iterable[Preset], others: AbstractSet[str]) -> dict[str, Named]:
    """How a report names the states of a bank and some others: as in the bank, or as the library lists them first."""
    names: dict[str, Named] = {}
    for preset in bank:
        names.setdefault(preset.id, Named(preset.id, preset.name, preset.synth, preset.bank))
    for listing in library.listings.among(others - names.keys()):
        names.setdefault(listing.id, Named(listing.id, listing.name, listing.synth, listing.bank))
    return names


def _ours_first(group: Sequence[str], states: AbstractSet[str]) -> list[str]:
    """A group whose first members are the bank's, since a report's text names no more than a few of each."""
    return sorted(group, key=lambda state: state not in states)


def _named(groups: Iterable[Sequence[str]], names: dict[str, Named]) -> tuple[tuple[Named, ...], ...]:
    return tuple(tuple(names[state] for state in group if state in names) for group in groups)
