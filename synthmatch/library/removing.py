"""What is dropped from a library when its user asks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from synthmatch.errors import LibraryError

if TYPE_CHECKING:
    from synthmatch.library.library import Library


def remove(library: Library, bank: str | None, synth: str | None, place: Path | None) -> int:
    """See :meth:`Library.remove`; the caller holds the lock."""
    library.reload()  # another process may have embedded it anew: what was known before isn't to be written back
    if bank is not None and synth is None and len(having := library.rows.synths_with(bank)) > 1:
        raise LibraryError(f"{', '.join(having)} each have a bank {bank}; choose one of them.", remedy="synth")
    with library.rows.transaction():
        count, states = library.rows.drop(bank=bank, synth=synth, place=place)
        dropped = library.rows.drop_unlisted(states)
    if not count:
        named = " of ".join(filter(None, (bank, synth, str(place or ""))))
        raise LibraryError(
            f"The library holds no presets of {named}; `synthmatch library list` names its banks, and"
            " `synthmatch library show BANK` their files."
        )
    library.sounds.delete(dropped)
    library.finish()
    return count
