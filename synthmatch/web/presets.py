"""Presets as clients get them: a sound to play at once, and files to keep."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar
from weakref import WeakKeyDictionary

from synthmatch import audio
from synthmatch.closing import Closing
from synthmatch.files import safe_name
from synthmatch.library.library import Library
from synthmatch.matching.results import MatchResult, More, export
from synthmatch.sound.levels import levelled, sounding_level
from synthmatch.web.limits import Limits, Refusal
from synthmatch.web.shelf import Shelf

_KEPT = 128  # sounds, of about 400 kB each
_Found = TypeVar("_Found")

Pick = tuple[str, int]
"""A match: its family, and its rank."""


@dataclass(frozen=True)
class Heard:
    """A preset's reference notes.

    Args:
        flac: a file's bytes.
        level: in dB of full scale, where it sounds.
    """

    flac: bytes
    level: float


@dataclass(frozen=True)
class Zipped:
    """A zip, to be deleted after use, and what it's called."""

    path: Path
    name: str


class Presets(Closing):
    """What is read from the library while others match: by one thread, so that a sound never waits for a song."""

    def __init__(self, shelf: Shelf, limits: Limits) -> None:
        self._shelf, self._limits = shelf, limits
        self._thread, self._closed = ThreadPoolExecutor(1, "presets"), False
        # By the library as it was opened: when it has changed, a preset may have been rendered anew.
        self._sounds: WeakKeyDictionary[Library, OrderedDict[str, Heard]] = WeakKeyDictionary()

    async def ask(self, question: Callable[[Library], _Found]) -> _Found:
        """Ask the library something, in its thread."""
        return await asyncio.wrap_future(self._thread.submit(lambda: question(self._shelf.library())))

    async def sound(self, state: str) -> Heard:
        """A preset's reference notes, at the level of all others as far as its peaks allow.

        Raises:
            LibraryError: it isn't in the library, or has no sound.
        """
        return await self.ask(lambda library: self._sound(library, state))

    async def match_files(self, result: MatchResult, picks: Collection[Pick], more: More | None = None) -> Zipped:
        """A zip of what ``match --out`` writes: of some matches, or of all if none is named.

        Args:
            more: writes further files of a match; see :func:`synthmatch.matching.results.export`.

        Raises:
            Refusal: there's no such match, or there are too many.
        """
        chosen = _chosen(result, picks)
        count = sum(map(len, chosen))
        if count > self._limits.exports:
            raise Refusal(413, f"{count} presets are too many for one zip; choose at most {self._limits.exports}.")
        names = [match.preset.name for found in chosen for match in found]  # a family may hold none
        name = names[0] if count == 1 else "synthmatch"
        return await self.ask(lambda library: _zipped(name, lambda out: export(library, chosen, out, more)))

    async def preset_files(self, state: str) -> Zipped:
        """A zip of one preset's files.

        Raises:
            LibraryError: it isn't in the library, or can't be exported.
        """
        return await self.ask(lambda library: _exported(library, state))

    def close(self) -> None:
        """Finish what was begun."""
        if not self._closed:
            self._closed = True
            self._thread.submit(self._shelf.put_back)
            self._thread.shutdown(wait=True)

    def _sound(self, library: Library, state: str) -> Heard:
        sounds = self._sounds.setdefault(library, OrderedDict())
        if state not in sounds:
            clip = levelled(library.preview(state))
            sounds[state] = Heard(audio.flac(clip), sounding_level(clip))
            if len(sounds) > _KEPT:
                sounds.popitem(last=False)
        sounds.move_to_end(state)
        return sounds[state]


def _chosen(result: MatchResult, picks: Collection[Pick]) -> MatchResult:
    if not picks:
        return result
    there = {(found.family, match.rank) for found in result for match in found}
    if set(picks) - there:
        raise Refusal(404, "No such preset was found; choose among those of the match.")
    families = tuple(
        replace(found, matches=tuple(each for each in found if (found.family, each.rank) in picks)) for found in result
    )
    return replace(result, families=tuple(found for found in families if found.matches))


def _exported(library: Library, state: str) -> Zipped:
    listing = library.listings_of(state)[0]
    return _zipped(listing.name, lambda out: library.export(listing, out))


def _zipped(name: str, write: Callable[[Path], object]) -> Zipped:
    building = Path(tempfile.mkdtemp(prefix="synthmatch-export-"))
    handle, place = tempfile.mkstemp(prefix="synthmatch-", suffix=".zip")
    os.close(handle)
    try:
        write(building / "out")
        with zipfile.ZipFile(place, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            for file in sorted((building / "out").rglob("*")):
                if file.is_file():
                    archive.write(file, file.relative_to(building / "out"))
    except BaseException:
        Path(place).unlink(missing_ok=True)
        raise
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return Zipped(Path(place), f"{safe_name(name)}.zip")
