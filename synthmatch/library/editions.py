"""How whoever has a library open learns that another process has changed it.

Whatever writes into a library leaves a new word in its file ``edition`` when it lets go of it: when it is done, when it
failed, and when it was stopped. What a run that was killed left behind is seen after the next one.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from synthmatch.errors import FolderBusy, FolderError, LibraryBusy, LibraryError
from synthmatch.files import write_text
from synthmatch.library.store import Rows
from synthmatch.locking import write_lock

_FILE = "edition"


@contextmanager
def changing(library: Path, rows: Rows | None = None) -> Iterator[None]:
    """Keep other processes from writing into a library while the block runs, and tell those that read afterwards.

    Args:
        rows: in which something is changed; all of them are in one file then, whoever else has it open.

    Raises:
        LibraryBusy: another process is writing.
        LibraryError: it can't be written.
    """
    with ExitStack() as stack:
        try:
            stack.enter_context(write_lock(library, "library"))
        except FolderBusy as error:
            raise LibraryBusy(*error.args) from error
        except FolderError as error:
            if error.remedy:  # another folder would do
                raise LibraryError(*error.args, remedy="library") from error
            raise LibraryError(*error.args) from error
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
