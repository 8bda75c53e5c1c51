"""What a match comes out as: values, JSON and folders of files."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from synthmatch.errors import InputError
from synthmatch.files import require_place, require_unread, safe_name
from synthmatch.library.export import MARK
from synthmatch.library.listing import Listing
from synthmatch.presets.families import FAMILIES

if TYPE_CHECKING:
    from synthmatch.library.library import Library

_ROUNDING = 0.01  # seconds by which a window may seem to end after its sound
_LACKING = 0.1  # seconds that a window may lack of all that was listened to, and count as that; as on the page

CLOSE: Mapping[str, float] = {"percussion": 0.67, "bass": 0.69, "lead": 0.65}
"""By family, the cosine below which even a part's best match means that nothing is close to it: where this would be
wrong of a tenth of the parts that something is close to (``bench/closeness.md``)."""

CLOSE_ELSEWHERE = 0.67
"""The same for other families, and where none is named; not measured."""

ANY = "any"
"""The key under which a sound that was compared with all presets has its matches."""


@dataclass(frozen=True)
class Match:
    """One preset that comes close.

    Args:
        rank: from 1.
        score: cosine, -1 to 1.
        preset: its listing in the library.
        files: what was exported, if anything was.
    """

    rank: int
    score: float
    preset: Listing
    files: tuple[Path, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """As ``match --json`` prints it."""
        return {
            "rank": self.rank,
            "score": round(self.score, 4),
            "id": self.preset.id,
            "name": self.preset.name,
            "synth": self.preset.synth,
            "bank": self.preset.bank,
            "family": self.preset.family,
            "label_source": self.preset.label_source,
            "tags": list(self.preset.tags),
            "descriptors": list(self.preset.descriptors),
            "files": [str(file) for file in self.files],
        }


@dataclass(frozen=True)
class FamilyMatches:
    """The matches for one family, best first.

    Args:
        family: its key, or "any".
        presence: probability that the family plays in the sound, 0 to 1.
        surest: from when to when it was heard most surely, in seconds of the song: one of the encoder's windows.
        best: the highest score that was found, also where its match isn't among these any more; theirs if None, and
            None where there are none.
    """

    family: str
    presence: float
    matches: tuple[Match, ...]
    surest: tuple[float, float] = (0.0, 0.0)
    best: float | None = None

    def __post_init__(self) -> None:
        if self.best is None:
            object.__setattr__(self, "best", max((match.score for match in self.matches), default=None))

    def __iter__(self) -> Iterator[Match]:
        return iter(self.matches)

    def __len__(self) -> int:
        return len(self.matches)

    def __getitem__(self, place: int) -> Match:
        return self.matches[place]

    @property
    def nothing_close(self) -> bool:
        """Whether even the best match scores lower than nine in ten best matches of what something is close to. Said
        far too seldom of what nothing is close to (``bench/closeness.md``)."""
        return self.best is not None and self.best < CLOSE.get(self.family, CLOSE_ELSEWHERE)

    def to_json(self) -> dict[str, Any]:
        """As ``match --json`` prints it, under the family's key."""
        return {
            "presence": round(self.presence, 4),
            "nothing_close": self.nothing_close,
            "surest": {"start": round(self.surest[0], 3), "end": round(self.surest[1], 3)},
            "matches": [match.to_json() for match in self],
        }


@dataclass(frozen=True)
class MatchResult:
    """The matches of a sound; iterates over its families, the most present one first.

    Args:
        path: of the sound, as it was given.
        start, end: the passage listened to, in seconds.
        model, library: fingerprints of the encoder and of the library's contents.
    """

    path: str
    start: float
    end: float
    model: str
    library: str
    families: tuple[FamilyMatches, ...]

    def __iter__(self) -> Iterator[FamilyMatches]:
        return iter(self.families)

    def __len__(self) -> int:
        return len(self.families)

    def family(self, key: str) -> FamilyMatches:
        """The matches of one family.

        Raises:
            InputError: it isn't in the result, since it wasn't heard or asked for.
        """
        for each in self.families:
            if each.family == key:
                return each
        shown = ", ".join(each.family for each in self.families)
        raise InputError(f"{key!r} isn't among the families of this match ({shown}); ask for it by name.")

    def best_heard(self, found: FamilyMatches) -> str:
        """Where a family was heard most surely, in words; "" where that is all that was listened to."""
        first, last = found.surest
        if last - first > self.end - self.start - _LACKING:  # resampled, a sound may have become a little shorter
            return ""
        return f"heard best from {first:.0f} to {last:.0f} s"

    def stretch(self, seconds: float) -> tuple[float, float]:
        """From when to when so many seconds of the passage tell most of what was found, in seconds of the song.

        The whole passage if it is no longer. Else the stretch that holds what was heard most surely of the most
        families, each counted by its presence; it begins with one of these, unless the passage ends before.
        """
        if self.end - self.start <= seconds:
            return self.start, self.end
        begins = sorted({max(self.start, min(each.surest[0], self.end - seconds)) for each in self} | {self.start})

        def told(begin: float) -> float:
            last = begin + seconds + _ROUNDING
            inside = (each for each in self if begin <= each.surest[0] and each.surest[1] <= last)
            return sum(each.presence for each in inside)

        begin = max(begins, key=told)
        return begin, begin + seconds

    def first(self, count: int) -> MatchResult:
        """The first ``count`` matches of each family."""
        families = (replace(each, matches=each.matches[:count]) for each in self.families)
        return replace(self, families=tuple(families))

    def to_json(self) -> dict[str, Any]:
        """As ``match --json`` prints it."""
        return {
            "query": {"path": self.path, "start": round(self.start, 3), "end": round(self.end, 3)},
            "model": self.model,
            "library": self.library,
            "families": {each.family: each.to_json() for each in self.families},
        }


More = Callable[[str, Match, Path], list[Path]]
"""Writes further files of a match of a family into its folder, and says which."""


def require_apart(out: Path | None, report: Path | None, *read: Path | None) -> None:
    """Refuse places of an export and its page that are each other's, or those of what is read, before any work is done.

    Args:
        out: see :func:`export`; None where nothing is exported. report: the page's file, if there is one.
        read: the song, and whatever else is read; None is no file.

    Raises:
        InputError: the page would replace what is read, or stand where a folder has to go; or what is read lies in a
            preset's folder of an earlier export, which the new one may replace.
    """
    if report is not None:
        require_unread(report, *read)
    if out is None:
        return
    place = out.resolve()
    families = [place / family for family in (*FAMILIES, ANY)]
    if report is not None and report.resolve() in (place, *place.parents, *families):
        raise InputError(f"{report} is where a folder of the export into {out} goes; name another file for the page.")
    old = [folder.resolve() for family in families for folder in _exported(family)]
    for each in filter(None, read):
        if not {*each.resolve().parents}.isdisjoint(old):
            raise InputError(
                f"{each} is of an earlier export into {out} and might be lost with it; name another folder."
            )


def export(library: Library, result: MatchResult, out: Path, more: More | None = None) -> MatchResult:
    """Write every match as ``out/<family>/<rank>-<name>/``.

    Everything is written within ``out`` first, or beside it where there is none yet, and moved when it is complete:
    after an error nothing has changed. Presets that an earlier export left in the same families' folders are replaced;
    until the new ones are in their places, they are only put aside.

    Returns:
        The result with ``files`` filled in.

    Raises:
        InputError: ``out`` or a family's folder in it can't be a folder, or something else stands where a preset's
            folder has to go.
    """
    for folder in (out, *(out / each.family for each in result)):
        require_place(folder, folder=True)
    # Not beside a folder that is there: it may be another disk, onto which nothing can be moved, or the only place
    # where we may write.
    room = out if out.is_dir() else out.parent
    room.mkdir(parents=True, exist_ok=True)
    building = Path(tempfile.mkdtemp(prefix=".export-", dir=room))
    try:
        families = tuple(_export_family(library, each, building / each.family, out, more) for each in result)
        old = [folder for each in result for folder in _exported(out / each.family)]
        new = [folder for each in result for folder in sorted((building / each.family).glob("*"))]
        places = [out / folder.relative_to(building) for folder in new]
        for place in places:
            if place.exists() and place not in old:
                raise InputError(f"{place} is there already and isn't an exported preset; name another folder.")
        aside = [building / ".before" / folder.relative_to(out) for folder in old]
        _move(zip([*old, *new], [*aside, *places], strict=True))
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return replace(result, families=families)


def _move(moves: Iterable[tuple[Path, Path]]) -> None:
    """Move folders from one place to another, all of them or none."""
    with contextlib.ExitStack() as undo:
        for folder, place in moves:
            made = [each for each in place.parents if not each.exists()]
            place.parent.mkdir(parents=True, exist_ok=True)
            for parent in reversed(made):
                undo.callback(parent.rmdir)
            folder.replace(place)
            undo.callback(place.replace, folder)
        undo.pop_all()


def _export_family(
    library: Library, found: FamilyMatches, building: Path, out: Path, more: More | None
) -> FamilyMatches:
    matches = []
    for match in found:
        folder = building / f"{match.rank}-{safe_name(match.preset.name, 60)}"
        files = library.export(match.preset, folder)
        files += more(found.family, match, folder) if more else []
        final = out / found.family / folder.name
        matches.append(replace(match, files=tuple(final / file.relative_to(folder) for file in files)))
    return replace(found, matches=tuple(matches))


def _exported(folder: Path) -> list[Path]:
    """The folders of presets that an earlier export left."""
    return [each for each in sorted(folder.glob("[0-9]*-*")) if (each / MARK).is_file()]
