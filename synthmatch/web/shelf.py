"""The library as the server's threads have it: one of their own each, since a database belongs to its thread."""

from __future__ import annotations

import threading
from pathlib import Path

from synthmatch.library import Library


class Shelf:
    """A library that several threads read.

    Args:
        path: its folder; there must be a library.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._own = threading.local()
        self._edition = 0

    def library(self) -> Library:
        """This thread's open library, as it is now."""
        library: Library | None = getattr(self._own, "library", None)
        edition = self._edition
        if library is None:
            library = self._own.library = Library.open(self.path)
        elif self._own.edition != edition:
            library.reload()
        self._own.edition = edition
        return library

    def changed(self) -> None:
        """Something was added: every thread reads again before it looks next."""
        self._edition += 1

    @property
    def edition(self) -> int:
        """Counts the changes."""
        return self._edition

    def put_back(self) -> None:
        """Close this thread's library, if it opened one."""
        library: Library | None = getattr(self._own, "library", None)
        if library is not None:
            library.close()
            del self._own.library
