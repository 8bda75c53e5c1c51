"""The map of a library: every sound a place, computed once and kept beside it."""

from __future__ import annotations

import threading
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from synthmatch.closing import Closing
from synthmatch.files import atomic_path, content_hash
from synthmatch.library.census import group
from synthmatch.library.embedding import TIMBRE
from synthmatch.library.library import Library
from synthmatch.library.listing import READY, Listing
from synthmatch.web.jobs import Job, Room, Told
from synthmatch.web.layout import Floats, laid_out, placed
from synthmatch.web.limits import Limits, Refusal
from synthmatch.web.shelf import Shelf

_FILE = "map.npz"
_VERSION = b"1"
NOT_DRAWN = Refusal(503, "The map is being drawn; ask again in a few seconds.")


@dataclass(frozen=True)
class Plan:
    """A map.

    Args:
        key: hash of what is on it.
        ids: n states.
        places: (n, 2), from -1 to 1.
        vectors: (n, D), the sounds' timbre, of unit length.
        groups: (n,), the number of the sounds that are nearly the same, or -1.
    """

    key: str
    ids: tuple[str, ...]
    places: Floats
    vectors: Floats
    groups: np.ndarray[Any, np.dtype[np.int32]]


class Atlas(Closing):
    """The library's map. Drawing it takes about a minute for 5,000 sounds, so that is a job, done once."""

    def __init__(self, shelf: Shelf, limits: Limits) -> None:
        self._shelf = shelf
        self._room = Room("map", 2, limits.remembered, shelf.put_back)
        self._plan: Plan | None = None
        self._drawing: Job | None = None
        self._lock = threading.Lock()

    def plan(self, library: Library) -> Plan | None:
        """The map of a library as it is now, or None if it isn't drawn yet: then that is begun."""
        key = _key(library)
        if self._plan is None or self._plan.key != key:
            self._plan = _read(library, key)
        if self._plan is None:
            self.draw()
        return self._plan

    def draw(self) -> Job:
        """Draw the map, if that isn't being done."""
        with self._lock:
            if self._drawing is None or self._drawing.ended:
                self._drawing = self._room.begin(self._draw)
            return self._drawing

    def job(self, key: str) -> Job:
        """A drawing by its id; see ``Room.job``."""
        return self._room.job(key)

    def place(self, library: Library, timbre: Floats) -> dict[str, float] | None:
        """Where a sound stands on the map, or None if there's no map yet.

        Args:
            timbre: (D,) of unit length.
        """
        plan = self.plan(library)
        if plan is None or not len(plan.ids):
            return None
        across, up = placed(timbre, plan.vectors, plan.places)
        return {"x": round(float(across), 4), "y": round(float(up), 4)}

    def to_json(self, library: Library) -> dict[str, object]:
        """The map as the API answers it.

        Raises:
            Refusal: it is still being drawn.
        """
        plan = self.plan(library)
        if plan is None:
            raise NOT_DRAWN
        listings: dict[str, Listing] = {}
        for each in library.presets():
            listings.setdefault(each.id, each)
        return {
            "key": plan.key,
            "points": [
                {
                    "id": state,
                    "name": listings[state].name,
                    "synth": listings[state].synth,
                    "bank": listings[state].bank,
                    "family": listings[state].family,
                    "x": round(float(across), 4),
                    "y": round(float(up), 4),
                    "group": int(number),
                }
                for state, (across, up), number in zip(plan.ids, plan.places, plan.groups, strict=True)
                if state in listings
            ],
        }

    def give_up(self) -> None:
        """See ``Room.give_up``."""
        self._room.give_up()

    def close(self) -> None:
        """Stop."""
        self._room.close()

    def _draw(self, _job: Job) -> Told:
        library = self._shelf.library()
        key = _key(library)
        if _read(library, key) is None:
            plan = _drawn(library, key)
            try:
                _write(library.path, plan)
            except OSError:  # a library that can only be read: drawn anew by the next server
                self._plan = plan
        return {"key": key}


def _drawn(library: Library, key: str) -> Plan:
    ids = _ids(library)
    vectors = _timbre(library, ids)
    groups = np.full(len(ids), -1, np.int32)
    row = {state: number for number, state in enumerate(ids)}
    same, near = group({state: heard for state, heard in library.rows.all_heard().items() if state in row})
    for number, members in enumerate([*near, *same]):
        taken = {int(groups[row[state]]) for state in members} - {-1}
        groups[[row[state] for state in members]] = min(taken, default=number)
    return Plan(key, ids, laid_out(vectors), vectors, groups)


def _ids(library: Library) -> tuple[str, ...]:
    return tuple(sorted({each.id for each in library.presets() if each.status == READY}))


def _timbre(library: Library, ids: tuple[str, ...]) -> Floats:
    """(n, D): the mean of each sound's notes, of unit length."""
    rows = library.vectors.rows
    if not ids:
        return np.zeros((0, 2), np.float32)
    notes = library.vectors.space(TIMBRE)[[rows[state] for state in ids]].astype(np.float32)
    mean = notes.mean(axis=1)
    unit: Floats = mean / np.maximum(np.linalg.norm(mean, axis=1, keepdims=True), 1e-6)
    return unit


def _key(library: Library) -> str:
    return content_hash(_VERSION, library.encoder_fingerprint.encode(), *(each.encode() for each in _ids(library)))


def _write(folder: Path, plan: Plan) -> None:
    with atomic_path(folder / _FILE) as temporary:
        np.savez(temporary, key=np.array(plan.key), ids=np.array(plan.ids), places=plan.places, groups=plan.groups)


def _read(library: Library, key: str) -> Plan | None:
    """The map on disk, if it's this one; a damaged one is drawn again."""
    try:
        with (library.path / _FILE).open("rb") as file, np.load(file, allow_pickle=False) as kept:
            if str(kept["key"]) != key:
                return None
            ids = tuple(map(str, kept["ids"]))
            return Plan(key, ids, kept["places"], _timbre(library, ids), kept["groups"])
    except (OSError, ValueError, KeyError, EOFError, BadZipFile, zlib.error):
        return None
