"""What fine-tuning plays: a library's presets, and sounds that keep the encoder from forgetting the rest."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from synthmatch.audio import ENCODER_RATE, Clip, Samples
from synthmatch.errors import EncoderMismatch, LibraryError, TrainingError
from synthmatch.files import content_hash
from synthmatch.library.library import Library
from synthmatch.library.listing import READY, Listing
from synthmatch.networks.encoder import Encoder
from synthmatch.notes import REFERENCE_NOTES, Note
from synthmatch.presets import faustsynth
from synthmatch.presets.bank import PresetBank
from synthmatch.presets.catalogue import synths
from synthmatch.presets.preset import State
from synthmatch.renderers.pool import RenderPool
from synthmatch.renderers.synths import is_installed
from synthmatch.training.arrays import Sound
from synthmatch.training.recorded.notebank import REFERENCES, NoteBank, as_float, plan
from synthmatch.training.split import frozen
from synthmatch.trust import census

Progress = Callable[[int, int], None]
Stop = Callable[[], bool]

EXTRA = 6
"""Notes recorded of each preset beside the reference notes."""

HELD_OUT = (REFERENCES + 2, REFERENCES + 5)
"""Those of a recorded preset's notes that are never taught, so that what was learnt can be measured on them."""

FEWEST, MOST = 8, 2000
"""Presets of one's own to learn; of more, the first by hash are taken."""

MOST_KNOWN = 400
"""Presets of the library that the encoder knows already and rehearses."""

REHEARSED_EXTRA = 2
"""The same of those that are rehearsed, of which nothing needs to be measured."""

BUILT_IN = 240
"""Patches of the built-in synth that are rehearsed, at most: all of its factory bank."""

_LENGTH = round(REFERENCE_NOTES[0].seconds * ENCODER_RATE)


@dataclass(frozen=True, eq=False)
class Instrument:
    """A preset as fine-tuning plays it.

    Args:
        id: the state's id.
        families: under which it is found, at least one; the likeliest first.
        cluster: what its near-duplicates share.
        sound: (notes, n) at 16 kHz, int16; the reference notes come first.
        pitches, velocities: of each note.
    """

    id: str
    families: tuple[str, ...]
    cluster: str
    sound: Sound
    pitches: tuple[int, ...]
    velocities: tuple[int, ...]

    @property
    def references(self) -> Samples:
        """The reference notes, (5, samples of a reference note), full scale at 1."""
        return as_float(self.sound[:REFERENCES, :_LENGTH])

    @property
    def examined(self) -> bool:
        """Whether it has notes that are never taught."""
        return len(self.pitches) > max(HELD_OUT)

    def play(self, note: Note, held_out: bool = False) -> Samples:
        """The recording nearest to a note in pitch, then in velocity, as far as it is held: (n,).

        Args:
            held_out: among the notes that are never taught, if there are such; else among the others.
        """
        rows: Iterable[int] = range(len(self.pitches))
        if self.examined:
            rows = HELD_OUT if held_out else (row for row in rows if row not in HELD_OUT)
        nearest = min(rows, key=lambda row: (self._apart(row, note), row))
        return as_float(self.sound[nearest, : round(note.duration * ENCODER_RATE)])

    def _apart(self, row: int, note: Note) -> tuple[int, int]:
        return abs(self.pitches[row] - note.pitch), abs(self.velocities[row] - note.velocity)


@dataclass(frozen=True, eq=False)
class Material:
    """What there is to learn, and what there is to rehearse."""

    own: tuple[Instrument, ...]
    known: tuple[Instrument, ...]

    @cached_property
    def fingerprint(self) -> str:
        """Hash of the presets in it."""
        own, known = ([each.id.encode() for each in group] for group in (self.own, self.known))
        return content_hash(b"own", *own, b"known", *known)


def gather_material(
    library: Library,
    base: Encoder,
    heard: Collection[str],
    folder: Path,
    workers: int | None = None,
    progress: Progress | None = None,
    built_in: int = BUILT_IN,
    stop: Stop | None = None,
) -> Material:
    """Collect what fine-tuning needs of a library.

    Its own are the presets that the encoder hasn't heard yet; those of the benchmark's test and valid sides, and what
    sounds nearly like one of them that the library holds, as in another edition of a bank, are left out, so that the
    result can be measured like any other encoder. Where a preset's synth is installed, further notes are recorded; of
    the others, the library's reference notes serve. What is rehearsed is the built-in synth's factory bank, and those
    of the library that the encoder knows.

    Args:
        base: the encoder that is fine-tuned, which must have embedded the library.
        heard: the presets that it was trained on.
        folder: where notes are recorded; a stopped recording goes on there.
        workers: host processes that record.
        progress: called with (done, all) as notes are recorded.
        built_in: how many patches of the built-in synth are rehearsed.
        stop: asked before each preset is recorded; from its first True on no further one is, and the library's own
            notes stand for those of the rest.

    Raises:
        EncoderMismatch: another encoder embedded the library.
        TrainingError: the library holds too few presets that are new to the encoder.
    """
    ready = {each.id: each for each in library.presets() if each.status == READY}
    alike = _clusters(library)
    new = sorted(ready.keys() - set(heard) - _judged(ready, alike))
    if len(new) < FEWEST:
        raise TrainingError(
            f"The library {library.path} holds {len(new)} presets that the encoder hasn't learnt yet, and at least"
            f" {FEWEST} are needed; add a bank with `synthmatch library add`."
        )
    if library.encoder_fingerprint != base.fingerprint:
        raise EncoderMismatch(
            f"The library {library.path} was embedded by another encoder ({library.encoder_fingerprint}) than is"
            f" fine-tuned ({base.fingerprint}); run `synthmatch library update` with that one."
        )
    own = {key: ready[key] for key in new[:MOST]}
    known = {key: ready[key] for key in sorted(ready.keys() & set(heard))[:MOST_KNOWN]}
    factory = {key: each for key, each in _factory(base.config.families, built_in).items() if key not in own}
    bank = NoteBank(folder)
    mine = _renderable(library, own)
    _record(bank, {**mine, **factory}, mine, workers, progress, stop)
    learnt = (_of_library(library, bank, listing, alike) for listing in own.values())
    rest = (_of_library(library, bank, listing, alike) for key, listing in known.items() if key not in factory)
    rehearsed = (_recorded(bank, key, families, key) for key, (_, families) in factory.items() if key in bank)
    return Material(tuple(filter(None, learnt)), (*filter(None, rest), *rehearsed))


def _judged(ids: Collection[str], alike: Mapping[str, str]) -> set[str]:
    """Those of the test and valid sides, and near-duplicates of theirs that the frozen labels don't know."""
    sides = {key: frozen()[key].side for key in ids if key in frozen()}
    clusters = {alike.get(key, key) for key, side in sides.items() if side != "train"}
    return {key for key in ids if sides.get(key) != "train" and alike.get(key, key) in clusters}


def _renderable(library: Library, listings: Mapping[str, Listing]) -> dict[str, tuple[State, tuple[str, ...]]]:
    """States, with their families, of the synths that are on this machine."""
    here = {row.id for row in synths().values() if is_installed(row)}
    return {key: (library.preset(each).state, _families(each)) for key, each in listings.items() if each.synth in here}


def _families(listing: Listing) -> tuple[str, ...]:
    """Under which families it is found, its own first."""
    return tuple(sorted(listing.families, key=lambda family: family != listing.family))


def _factory(families: Sequence[str], count: int) -> dict[str, tuple[State, tuple[str, ...]]]:
    """Patches of the built-in synth's factory bank, in the order of their hashes."""
    bank = sorted(PresetBank.read(faustsynth.factory_bank_path()), key=lambda each: each.id)
    return {each.id: (each.state, (each.family,)) for each in bank[:count] if each.family in families}


def _record(
    bank: NoteBank,
    wanted: Mapping[str, tuple[State, tuple[str, ...]]],
    learnt: Collection[str],
    workers: int | None,
    progress: Progress | None,
    stop: Stop | None,
) -> None:
    states = {key: state for key, (state, _) in wanted.items()}
    plans = {
        key: plan(families[0], key, EXTRA if key in learnt else REHEARSED_EXTRA)
        for key, (_, families) in wanted.items()
    }
    with RenderPool(workers) as pool:
        bank.record(states, plans, pool.render, progress, stop)


def _clusters(library: Library) -> dict[str, str]:
    """The first of its near-duplicates for each state that has some."""
    same, near = census.group(library.rows.all_heard())
    first = {state: group[0] for group in near for state in group}
    return {**first, **{state: first.get(group[0], group[0]) for group in same for state in group}}


def _of_library(library: Library, bank: NoteBank, listing: Listing, alike: Mapping[str, str]) -> Instrument | None:
    """A preset with its recorded notes, else with those that the library keeps; None if that sound is damaged."""
    cluster = alike.get(listing.id, listing.id)
    if listing.id in bank:
        return _recorded(bank, listing.id, _families(listing), cluster)
    stored = library.rows.state(listing.id).sound
    try:
        sound = np.stack([_as_int16(clip) for clip in library.sounds.read(listing.id, stored)])
    except LibraryError:  # `library verify` names it
        return None
    played = [performance.notes[0] for performance in REFERENCE_NOTES]
    pitches, velocities = tuple(note.pitch for note in played), tuple(note.velocity for note in played)
    return Instrument(listing.id, _families(listing), cluster, sound, pitches, velocities)


def _recorded(bank: NoteBank, key: str, families: tuple[str, ...], cluster: str) -> Instrument:
    row = bank.recorded[key]
    return Instrument(key, families, cluster, bank.notes(key), row.pitches, row.velocities)


def _as_int16(clip: Clip) -> Sound:
    """A note at its own peak, cut or padded to a reference note's length."""
    heard = clip.heard()[:_LENGTH]
    out = np.zeros(_LENGTH, np.int16)
    out[: len(heard)] = np.rint(heard * (32767 / max(float(np.abs(heard).max(initial=0.0)), 1e-9)))
    return out
