"""How whoever has a library open learns that another process has changed it.

Whatever writes into a library leaves a new word in its file ``edition`` when it lets go of it: when it is done, when it
failed, and when it was stopped. What a run that was killed left behind is seen after the next one.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from synthmatch.files import write_text
from synthmatch.library.schema import write_lock
from synthmatch.library.store import Rows

_FILE = "edition"


@contextmanager
def changing(library: Path, rows: Rows | None = None) -> Iterator[None]:
    """Keep other processes from writing into a library while the block runs, and tell those that read afterwards.

    Args:
        rows: in which something is changed; all of them are in one file then, whoever else has it open.

    Raises:
        LibraryError: another process is writing.
    """
    with write_lock(library):
        try:
            yield
        finally:
            if rows is not None:
                rows.merge()
            write_text(library / _FILE, secrets.token_hex(8) + "\n")


def edition(library: Path) -> str:
    """Another word after each change; "" for a library that was never changed, or is gone."""
    try:
        return (library / _FILE).read_text(encoding="ascii")
    except (OSError, ValueError):
        return ""
