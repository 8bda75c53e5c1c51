"""The library as the server's threads have it: one of their own each, since a database belongs to its thread."""

from __future__ import annotations

import threading
from pathlib import Path

from synthmatch.library.editions import edition
from synthmatch.library.library import Library


class Shelf:
    """A library that several threads read, and that this server and other processes change.

    Args:
        path: its folder; there must be a library.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._own = threading.local()

    def library(self) -> Library:
        """This thread's open library, as it is now: opened anew when it has changed, whoever changed it.

        Raises:
            LibraryError: it is gone, or damaged.
        """
        library: Library | None = getattr(self._own, "library", None)
        now = edition(self.path)
        if library is not None and (self._own.edition != now or library.rows.outdated):
            self.put_back()
            library = None
        if library is None:
            # Read before it is opened: what changes in between is seen as one change more.
            library = self._own.library = Library.open(self.path)
            self._own.edition = now
        return library

    def put_back(self) -> None:
        """Close this thread's library, if it opened one."""
        library: Library | None = getattr(self._own, "library", None)
        if library is not None:
            library.close()
            del self._own.library
