"""What can go wrong with a library on disk: finding it, and mending it."""

from __future__ import annotations

import enum
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from synthmatch.errors import LibraryError, PluginMissing, SynthError
from synthmatch.library import intake
from synthmatch.library.settling import settle
from synthmatch.library.store import FAILED, PENDING, RENDERED
from synthmatch.presets.catalogue import known_synth
from synthmatch.renderers.renderer import Failure

if TYPE_CHECKING:
    from synthmatch.library.library import Library
    from synthmatch.networks.encoder import Encoder
    from synthmatch.renderers.pool import Pool


class Trouble(enum.Enum):
    """Kinds of problems."""

    STATE = "state"  # a parameter file is missing or damaged
    SOUND = "sound"  # a sound is missing or damaged
    UNRENDERED = "unrendered"  # listed, but a run was stopped before it was rendered
    VECTORS = "vectors"  # vectors are missing or don't fit
    INDEX = "index"  # an index is missing, damaged or stale
    STRAY = "stray"  # a file that belongs to nothing


@dataclass(frozen=True)
class Problem:
    """One problem: what kind, of what (a state's id, a space or a path), and a sentence that says it."""

    trouble: Trouble
    subject: str
    sentence: str


def verify(library: Library) -> list[Problem]:
    """See :meth:`Library.verify`. Decodes every sound: about 100 presets a second."""
    library.reload()
    return [*_sounds(library), *_vectors(library), *_indexes(library), *_strays(library)]


def repair(library: Library, encoder: Encoder | None, pool: Pool | None) -> list[Problem]:
    """See :meth:`Library.repair`; the caller holds the lock."""
    library.reload()
    if encoder is not None:
        library.require_encoder(encoder)
    problems = [*_sounds(library), *_vectors(library)]
    bad_sound = {each.subject for each in problems if each.trouble is Trouble.SOUND}
    bad_vectors = {each.subject for each in problems if each.trouble is Trouble.VECTORS}
    for state in bad_sound:
        library.sounds.delete_sound(state)
    with library.rows.transaction():
        library.rows.forget_sound(bad_sound)
    settle(library, lost=bad_vectors | bad_sound, mend=True)
    for problem in _strays(library):
        with suppress(OSError):  # the rest is mended all the same, and what is left is named in the end
            Path(problem.subject).unlink(missing_ok=True)
    shutil.rmtree(library.neighbours.folder, ignore_errors=True)
    if encoder is not None and pool is not None:
        _render_again(library, encoder, pool)
    elif encoder is not None:
        library.reload()
        intake.embed_stored(library, encoder, library.vectors, None)
    library.finish()
    return verify(library)


def _render_again(library: Library, encoder: Encoder, pool: Pool) -> None:
    """Render what isn't, and give what crashed or hung another try."""
    from synthmatch.renderers.synths import fingerprint

    rows = library.rows.states()
    lost = {each.subject for each in _sounds(library) if each.trouble is Trouble.STATE}
    new = {
        state
        for state, row in rows.items()
        if row.status == PENDING or (row.status == FAILED and row.failure != Failure.SILENT.value)
    } - lost
    renderers: dict[str, str] = {}
    for synth in {rows[state].synth for state in new}:
        with suppress(SynthError, PluginMissing):  # of one that is gone, nothing can be mended; of the others, all
            renderers[synth] = fingerprint(known_synth(synth))
    new = {state for state in new if rows[state].synth in renderers}
    intake.complete(library, rows.keys(), new, encoder, pool, renderers, None)


def _sounds(library: Library) -> list[Problem]:
    problems: list[Problem] = []
    for state, row in library.rows.states().items():
        try:
            library.sounds.read_state(state, row.synth)
        except LibraryError as error:
            problems.append(Problem(Trouble.STATE, state, str(error)))
        if row.status == PENDING:
            sentence = f"The preset {state} of {row.synth} isn't rendered yet; run `synthmatch library add` again."
            problems.append(Problem(Trouble.UNRENDERED, state, sentence))
        if row.status == RENDERED:
            try:
                library.sounds.read(state, row.sound)
            except LibraryError as error:
                problems.append(Problem(Trouble.SOUND, state, str(error)))
    return problems


def _vectors(library: Library) -> list[Problem]:
    if library.vectors.damage:
        return [Problem(Trouble.VECTORS, str(library.vectors.folder), library.vectors.damage)]
    rendered = library.rows.ids_with(status=RENDERED)
    missing = rendered - library.vectors.holds(rendered)
    doubtful = {*library.rows.unsettled(), *library.vectors.unsettled}  # which the next change sees to
    rowless = {*library.vectors.ids} - rendered - doubtful
    remedy = "run `synthmatch library repair`"
    return [
        *(
            Problem(Trouble.VECTORS, state, f"The preset {state} isn't embedded; {remedy}.")
            for state in sorted(missing)
        ),
        *(
            Problem(Trouble.VECTORS, state, f"The vectors of the preset {state} are damaged; {remedy}.")
            for state in library.vectors.unfit()
        ),
        *(
            Problem(Trouble.VECTORS, state, f"The vectors of the preset {state} are of no sound; {remedy}.")
            for state in sorted(rowless)
        ),
    ]


def _indexes(library: Library) -> list[Problem]:
    return [Problem(Trouble.INDEX, space, sentence) for space, sentence in library.neighbours.troubles().items()]


def _strays(library: Library) -> list[Problem]:
    return [
        Problem(Trouble.STRAY, str(path), f"{path} belongs to no preset; run `synthmatch library repair`.")
        for path in library.sounds.strays(set(library.rows.states()))
    ]
