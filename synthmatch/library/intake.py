"""Adding presets to a library: render, store, embed, index, and go on where the last run stopped."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from synthmatch.audio import Clip
from synthmatch.errors import LibraryError
from synthmatch.library import scrutiny
from synthmatch.library.embedding import Embedder
from synthmatch.library.relisting import relist
from synthmatch.library.scrutiny import Progress
from synthmatch.library.settling import gather, gather_into, settle
from synthmatch.library.store import PENDING, RENDERED, StateRow
from synthmatch.machine import processors
from synthmatch.presets.bank import PresetBank
from synthmatch.presets.catalogue import known_synth
from synthmatch.renderers.renderer import Failure, RenderJob
from synthmatch.sound.descriptors import measure
from synthmatch.trust.census import Heard
from synthmatch.trust.report import TrustReport
from synthmatch.words import counted

if TYPE_CHECKING:
    from synthmatch.library.library import Library
    from synthmatch.library.vectors import VectorStore
    from synthmatch.networks.encoder import Encoder
    from synthmatch.renderers.pool import Pool


_CPU_SECONDS = {"amsynth": 0.24, "zynaddsubfx": 0.34, "faust": 0.3}
"""Processor seconds per preset, all of it: rendering the reference notes, FLAC, embedding."""
_OTHER_CPU_SECONDS = 0.5
_BYTES = {"amsynth": 560_000, "zynaddsubfx": 590_000, "faust": 300_000}
"""Bytes on disk per preset: sound, vectors, index and parameters."""
_OTHER_BYTES = 600_000
_MEASURED_FROM = 20
"""States after which a library's own measurements replace the table."""
_SAMPLED = 1_000
"""Sounds of a synth whose sizes tell how large the next ones will be."""


@dataclass(frozen=True)
class Estimate:
    """What adding a bank will take.

    Args:
        new_states: sounds to render.
        known_states: sounds that need nothing.
        seconds: of wall time.
        bytes: of disk.
    """

    new_states: int
    known_states: int
    seconds: float
    bytes: int

    def __str__(self) -> str:
        if not self.new_states:
            return f"{counted(self.known_states, 'sound')} in the library already"
        known = f" ({self.known_states} there already)" if self.known_states else ""
        new = counted(self.new_states, "sound")
        return f"{new} to render{known}: about {_duration(self.seconds)} and {_size(self.bytes)}"


@dataclass(frozen=True)
class AddReport:
    """What :meth:`Library.add` did.

    Args:
        rendered: sounds rendered now, those that turned out to be damaged among them.
        known: sounds that were there already, or were found unusable before.
        trust: what there is to say about the bank's sounds.
        seconds: of wall time.
        vanished: the names of presets that the library held of these files, and that they hold no more.
    """

    rendered: int
    known: int
    trust: TrustReport
    seconds: float
    vanished: tuple[str, ...] = ()

    def to_json(self, library: Library) -> dict[str, object]:
        """As ``library add --json`` prints it.

        Args:
            library: what was added to.
        """
        return {
            "library": str(library.path),
            "matchable": len(library),
            "rendered": self.rendered,
            "known": self.known,
            "seconds": round(self.seconds, 3),
            "vanished": list(self.vanished),
            "trust": self.trust.to_json(),
        }


def fingerprints(bank: PresetBank) -> dict[str, str]:
    """What would render each synth of a bank.

    Raises:
        PluginMissing: a synth isn't on this machine.
    """
    from synthmatch.renderers.synths import fingerprint

    return {synth: fingerprint(known_synth(synth)) for synth in sorted({preset.synth for preset in bank})}


def estimate(library: Library, bank: PresetBank) -> Estimate:
    """See :meth:`Library.estimate`."""
    synth_of = {preset.id: preset.synth for preset in bank}
    new = _outstanding(library.rows.states_of(synth_of), synth_of, fingerprints(bank))
    rates = library.rows.rates()
    seconds, size = 0.0, 0.0
    for synth, count in Counter(synth_of[state] for state in new).items():
        measured, taken = rates.get(synth, (0, 0.0))
        guess = _CPU_SECONDS.get(synth, _OTHER_CPU_SECONDS) / processors()
        seconds += count * (taken / measured if measured >= _MEASURED_FROM else guess)
        sizes = library.rows.sizes(synth, _SAMPLED)
        per_state = sum(sizes) / len(sizes) if len(sizes) >= _MEASURED_FROM else _BYTES.get(synth, _OTHER_BYTES)
        size += count * per_state
    return Estimate(len(new), len(synth_of) - len(new), seconds, round(size))


def add(
    library: Library,
    bank: PresetBank,
    encoder: Encoder,
    pool: Pool,
    renderers: dict[str, str],
    progress: Progress | None,
) -> AddReport:
    """See :meth:`Library.add`; the caller holds the lock."""
    begun = time.monotonic()
    synth_of = {preset.id: preset.synth for preset in bank}
    for preset in bank:
        library.sounds.write_state(preset.state)  # before its row: a row without its state is of no use
    with library.rows.transaction():
        replaced, vanished = relist(library.rows, bank)
        dropped = library.rows.drop_unlisted(replaced)
    library.sounds.delete(dropped)
    new = _outstanding(library.rows.states_of(synth_of), synth_of, renderers)
    tried, untried = complete(library, synth_of, new, encoder, pool, renderers, progress)
    scrutiny.repeat(library, bank, pool, progress)
    return AddReport(
        rendered=sum(row.status == RENDERED for row in library.rows.states_of(tried).values()),
        known=len(synth_of) - len(tried),
        trust=scrutiny.report(library, bank, scrutiny.without_presets(bank, pool), untried),
        seconds=time.monotonic() - begun,
        vanished=vanished,
    )


def complete(
    library: Library,
    states: Collection[str],
    new: Collection[str],
    encoder: Encoder,
    pool: Pool,
    renderers: dict[str, str],
    progress: Progress | None,
) -> tuple[set[str], dict[str, str]]:
    """Render ``new`` and what turns out to be damaged, embed whatever of ``states`` isn't embedded, and index.

    Returns:
        The states that were rendered, or failed to be; and why others weren't tried, whose sound of before stays.
    """
    rows = library.rows.states_of(states)
    held = [state for state in new if rows[state].sound.bounds]  # by another build of their plugin
    new = {*new} - {*held}
    with library.rows.transaction():
        library.rows.forget_sound(new)
    counter = _Counter(progress and partial(progress, remark="by another build"), len(held))
    untried = _render(library, held, rows, None, pool, renderers, counter) if held else {}
    library.reload()
    rows = library.rows.states_of(states)
    renewed = {state for state, row in rows.items() if row.status == PENDING and row.sound.bounds}
    if renewed or library.vectors.holds(new):  # their vectors go with their sound
        settle(library)
    library.rows.ready(renewed)
    waiting = sorted(renewed | {state for state, row in rows.items() if row.status == RENDERED})
    embedded = library.vectors.holds(waiting)
    waiting = [state for state in waiting if state not in embedded]
    counter = _Counter(progress, len(new) + len(waiting))
    with Embedder(encoder, library.vectors, counter.advance, partial(gather, library)) as embedder:
        damaged = list(_readable(library, waiting, embedder))
        with library.rows.transaction():
            library.rows.forget_sound(damaged)
        again = {state for state in damaged if rows[state].synth in renderers}
        counter.advance(len(damaged) - len(again))
        _render(library, sorted({*new, *again}), rows, embedder, pool, renderers, counter)
    library.finish()
    return {*new, *again, *held} - untried.keys(), untried


def _render(
    library: Library,
    new: list[str],
    rows: dict[str, StateRow],
    embedder: Embedder | None,
    pool: Pool,
    renderers: dict[str, str],
    counter: _Counter,
) -> dict[str, str]:
    """Render states; without an embedder, in place of sounds, which stay where nothing can be tried: returns why."""
    untried: dict[str, str] = {}
    # Sorted by synth, a worker keeps its plugin; by id, neighbours in a bank don't wait for each other.
    order = sorted((rows[state].synth, state) for state in new)
    jobs = (RenderJob(library.sounds.read_state(state, synth)) for synth, state in order)
    taken: defaultdict[str, list[float]] = defaultdict(list)
    last = time.monotonic()
    for result in pool.render(jobs):
        state, synth = result.job.state.id, result.job.state.synth
        if embedder is None and result.failure is Failure.MISSING:
            untried[state] = result.reason
        elif result.failure is not None:
            library.rows.failed(state, renderers[synth], result.failure.value, result.reason)
            library.sounds.delete_sound(state)  # of before: by another build of the plugin, or damaged
        else:
            with library.rows.transaction():
                library.rows.forget_sound([state])  # before its file is another one
            sound = library.sounds.write(state, result.clips)
            with library.rows.transaction():
                library.rows.rendered(state, renderers[synth], sound, PENDING if embedder is None else RENDERED)
                library.rows.heard(state, Heard.of(result.clips))
                library.rows.measured(state, measure(result.clips))
        if embedder is not None and result.ok:
            embedder.put(state, result.clips)
        else:
            counter.advance(1)
        now = time.monotonic()
        taken[synth].append(now - last)
        last = now
    for synth, seconds in taken.items():
        library.rows.add_time(synth, len(seconds), sum(seconds))
    return untried


def embed_stored(library: Library, encoder: Encoder, store: VectorStore, progress: Progress | None) -> int:
    """Embed every stored sound that isn't in ``store``; returns how many were embedded."""
    waiting = sorted(library.rows.ids_with(status=RENDERED))
    embedded = store.holds(waiting)
    waiting = [state for state in waiting if state not in embedded]
    counter = _Counter(progress, len(waiting))
    with Embedder(encoder, store, counter.advance, partial(gather_into, store, library)) as embedder:
        damaged = list(_readable(library, waiting, embedder))
    counter.advance(len(damaged))
    return len(waiting) - len(damaged)


def measure_stored(library: Library, progress: Progress | None) -> int:
    """Measure every stored sound that wasn't measured yet, or by an older version; returns how many were. Damaged ones
    are passed over."""
    waiting = library.rows.unmeasured()
    measured = 0
    for done, (state, notes) in enumerate(_stored(library, waiting), 1):
        if notes is not None:
            library.rows.measured(state, measure(notes))
            measured += 1
        if progress is not None:
            progress(done, len(waiting), "measuring")
    return measured


def _outstanding(rows: dict[str, StateRow], synth_of: dict[str, str], renderers: dict[str, str]) -> set[str]:
    """The states to render: never tried, be it for want of their synth, or tried with another build of their plugin."""
    return {
        state
        for state, synth in synth_of.items()
        if (row := rows.get(state)) is None
        or (row.status == PENDING and not row.sound.bounds)
        or row.failure == Failure.MISSING.value
        or row.renderer != renderers[synth]
    }


def _readable(library: Library, states: Iterable[str], embedder: Embedder) -> Iterable[str]:
    """Hand stored sounds to the embedder; yields the states whose sound is damaged."""
    for state, notes in _stored(library, states):
        if notes is None:
            yield state
        else:
            embedder.put(state, notes)


def _stored(library: Library, states: Iterable[str]) -> Iterator[tuple[str, tuple[Clip, ...] | None]]:
    """The stored sound of states that have one; None for one that is damaged."""
    for state in states:
        sound = library.rows.state(state).sound  # what is wrong with the rows is no fault of the sound
        try:
            notes = library.sounds.read(state, sound)
        except LibraryError:
            notes = None
        yield state, notes


class _Counter:
    """Turns steps into (done, total)."""

    def __init__(self, progress: Progress | None, total: int) -> None:
        self._progress, self._done, self._total = progress, 0, total

    def advance(self, steps: int) -> None:
        self._done += steps
        if self._progress is not None and steps:
            self._progress(self._done, self._total)


def _duration(seconds: float) -> str:
    """Rounded as far as an estimate is worth: minutes from two of them on, tens of seconds below."""
    if seconds < 20:
        return "20 seconds"
    if seconds < 120:
        return f"{round(seconds / 10) * 10} seconds"
    if seconds < 5400:
        return f"{round(seconds / 60)} minutes"
    return f"{seconds / 3600:.1f} hours"


def _size(size: float) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 950e6 else f"{max(10, round(size / 1e7) * 10)} MB"
