"""The map of a library: every sound a place, computed once and kept beside it."""

from __future__ import annotations

import threading
import zlib
from collections import OrderedDict
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary
from zipfile import BadZipFile

import numpy as np

from synthmatch.closing import Closing
from synthmatch.files import atomic_path, content_hash
from synthmatch.library.embedding import TIMBRE
from synthmatch.library.library import Library
from synthmatch.library.listing import READY, Listing
from synthmatch.trust.census import Heard, group
from synthmatch.web.jobs import Cancelled, Job, Room, Told
from synthmatch.web.layout import Floats, laid_out, placed
from synthmatch.web.limits import Limits, Refusal

_FILE = "map.npz"
_VERSION = b"2"
_KEPT = 2  # maps: while presets are added, one thread may have the library of before and another that of now


@dataclass(frozen=True)
class Sketch:
    """What a map is drawn of, as the thread has it that asks for the map: another one may see more of an addition
    that is going on.

    Args:
        ids: n states.
        vectors: (n, D), the sounds' timbre, of unit length.
        heard: what each sound is compared by.
    """

    ids: tuple[str, ...]
    vectors: Floats
    heard: Mapping[str, Heard]

    @classmethod
    def of(cls, library: Library) -> Sketch:
        """What can be matched of a library."""
        ids = tuple(sorted({each.id for each in library.presets() if each.status == READY}))
        heard = library.rows.all_heard()
        return cls(ids, _timbre(library, ids), {state: heard[state] for state in ids if state in heard})

    def key(self, encoder: str) -> str:
        """A hash of it: another one when sounds were rendered anew, though their presets are the same.

        Args:
            encoder: its fingerprint.
        """
        digests = (self.heard[state].digest if state in self.heard else "" for state in self.ids)
        named = (word.encode() for word in (encoder, *self.ids, *digests))
        return content_hash(_VERSION, self.vectors.tobytes(), *named)


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

    def __init__(self, limits: Limits) -> None:
        self._room = Room("map", 2, limits.remembered, lambda: None, lasting=False)  # t-SNE can't be stopped
        self._plans: OrderedDict[str, Plan] = OrderedDict()
        self._keys: WeakKeyDictionary[Library, str] = WeakKeyDictionary()
        self._drawing: Job | None = None
        self._lock = threading.Lock()

    def plan(self, library: Library) -> Plan | None:
        """The map of a library as this thread has it, or None if it isn't drawn yet: then that is begun."""
        with self._lock:
            key = self._keys.get(library, "")
            plan = self._plans.get(key)
            if plan is not None or (key and self._draws()):
                return plan
        sketch = Sketch.of(library)
        key = key or sketch.key(library.encoder_fingerprint)
        found = _read(library.path, key, sketch) if sketch.ids else _drawn(key, sketch)
        with self._lock:
            self._keys[library] = key
            plan = self._plans.get(key, found)
            if plan is not None:
                self._keep(plan)
            elif not self._draws():
                self._drawing = self._room.begin(partial(self._draw, key, sketch, library.path))
        return plan

    def place(self, library: Library, timbre: Floats) -> dict[str, float] | None:
        """Where a sound stands on the map, or None if there's no map yet, or nothing on it.

        Args:
            timbre: (D,) of unit length.
        """
        plan = self.plan(library)
        if plan is None or not len(plan.ids):
            return None
        across, up = placed(timbre, plan.vectors, plan.places)
        return {"x": round(float(across), 4), "y": round(float(up), 4)}

    def place_to_json(self, library: Library, timbre: Floats) -> dict[str, float]:
        """The same as the API answers it.

        Raises:
            Refusal: the map is still being drawn, or the library is empty.
        """
        place = self.place(library, timbre)
        if place is not None:
            return place
        if self.plan(library) is None:
            raise _not_drawn()
        raise Refusal(409, "The library is empty, so nothing has a place on its map; add presets first.")

    def to_json(self, library: Library) -> dict[str, object]:
        """The map as the API answers it; of an empty library, one without points.

        Raises:
            Refusal: it is still being drawn.
        """
        plan = self.plan(library)
        if plan is None:
            raise _not_drawn()
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
        """Stop, though not the drawing of a map: nothing comes of that any more."""
        with self._lock:
            self._room.close()

    def _draws(self) -> bool:
        return self._drawing is not None and not self._drawing.ended

    def _draw(self, key: str, sketch: Sketch, folder: Path, job: Job) -> Told:
        plan = _drawn(key, sketch)
        with self._lock:  # so that whoever closes it waits for the file: the program may end right after
            if job.cancelled:
                raise Cancelled
            with suppress(OSError):  # a library that can only be read: drawn anew by the next server
                _write(folder, plan)
            self._keep(plan)
        return {"key": key}

    def _keep(self, plan: Plan) -> None:
        self._plans[plan.key] = plan
        self._plans.move_to_end(plan.key)
        while len(self._plans) > _KEPT:
            self._plans.popitem(last=False)


def _not_drawn() -> Refusal:
    """A new one each time: an exception that is raised again holds on to whatever it was raised amid before."""
    return Refusal(503, "The map is being drawn; ask again in a few seconds.")


def _drawn(key: str, sketch: Sketch) -> Plan:
    groups = np.full(len(sketch.ids), -1, np.int32)
    row = {state: number for number, state in enumerate(sketch.ids)}
    same, near = group(dict(sketch.heard))
    for number, members in enumerate([*near, *same]):
        taken = {int(groups[row[state]]) for state in members} - {-1}
        groups[[row[state] for state in members]] = min(taken, default=number)
    return Plan(key, sketch.ids, laid_out(sketch.vectors), sketch.vectors, groups)


def _timbre(library: Library, ids: tuple[str, ...]) -> Floats:
    """(n, D): the mean of each sound's notes, of unit length."""
    rows = library.vectors.rows
    if not ids:
        return np.zeros((0, 2), np.float32)
    notes = library.vectors.space(TIMBRE)[[rows[state] for state in ids]].astype(np.float32)
    mean = notes.mean(axis=1)
    unit: Floats = mean / np.maximum(np.linalg.norm(mean, axis=1, keepdims=True), 1e-6)
    return unit


def _write(folder: Path, plan: Plan) -> None:
    with atomic_path(folder / _FILE) as temporary:
        np.savez(temporary, key=np.array(plan.key), places=plan.places, groups=plan.groups)


def _read(folder: Path, key: str, sketch: Sketch) -> Plan | None:
    """The map on disk, if it's this one; a damaged one is drawn again."""
    try:
        with (folder / _FILE).open("rb") as file, np.load(file, allow_pickle=False) as kept:
            if str(kept["key"]) != key:
                return None
            return Plan(key, sketch.ids, kept["places"], sketch.vectors, kept["groups"])
    except (OSError, ValueError, KeyError, EOFError, BadZipFile, zlib.error):
        return None
