"""``manifest.jsonl``: what each sound file of a folder is, one line each; during a run also its journal.

A line is appended before its file appears under its name, so whatever stands under a name that the manifest
doesn't know was made by somebody else. The notes that files play stand once, on a line of their own before the first
of them: a song has thousands.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, astuple, dataclass, fields
from functools import lru_cache
from pathlib import Path
from typing import Any, TextIO

from synthmatch.batch.mastering import Sound
from synthmatch.closing import Closing
from synthmatch.errors import InputError
from synthmatch.files import content_hash
from synthmatch.notes import Note, Performance
from synthmatch.renderers.renderer import RenderSettings

NAME = "manifest.jsonl"
"""The file's name in its folder."""

_STARTS = (b'{"file": "', b'{"performance": "')  # of every line, however short it was cut

RENDERED, FAILED = "rendered", "failed"


@dataclass(frozen=True)
class Entry:
    """One line: a sound file, where it comes from, and how it was made; or a failure to make it.

    Args:
        file: path below the manifest's folder, with forward slashes.
        status: ``RENDERED`` or ``FAILED``; "" while it is only planned.
        preset: id of the preset's state.
        name, bank, synth: of the preset.
        source: the file that the preset was read from, as an absolute path; "" if it comes from none.
        source_hash: of that file's bytes, or "".
        slot: the preset's place within it, from 0.
        family, label_source: see ``Preset``.
        performance: the notes played.
        settings: how it was rendered; its ``effects`` tells whether the synth's own were on.
        renderer: fingerprint of the plugin and its host; "" where the synth isn't on this machine.
        job: hash of preset, performance and settings (``RenderJob.key``).
        normalise: the loudness asked for in LUFS, or None.
        sound: what is in the file; None unless rendered.
        spread: how far apart two renders of the preset were, in dB, where it was rendered twice to see whether it
            is repeatable: 0 if it is; None where it wasn't.
        failure, reason: a value of ``Failure`` and a sentence, if failed.
    """

    file: str
    preset: str
    name: str
    bank: str
    synth: str
    source: str
    source_hash: str
    slot: int
    family: str
    label_source: str
    performance: Performance
    settings: RenderSettings
    renderer: str
    job: str
    normalise: float | None
    status: str = ""
    sound: Sound | None = None
    spread: float | None = None
    failure: str = ""
    reason: str = ""

    def same_work(self, other: Entry) -> bool:
        """Whether both ask for the same file: same name, same sound, same level."""
        return (self.file, self.job, self.renderer, self.normalise) == (
            other.file,
            other.job,
            other.renderer,
            other.normalise,
        )

    def line(self) -> str:
        """The entry as JSON, without a line end; of its performance, the id."""
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        values["performance"] = _told(self.performance).id
        values["settings"], values["sound"] = asdict(self.settings), self.sound and asdict(self.sound)
        return json.dumps(values, ensure_ascii=False, allow_nan=False)


@dataclass(frozen=True)
class _Told:
    """A performance's line, without a line end, and the id by which others name it."""

    id: str
    line: str


@lru_cache(maxsize=16)
def _told(performance: Performance) -> _Told:
    """A note is ``[start, pitch, velocity, duration]``."""
    values = {"notes": [astuple(note) for note in performance.notes], "tail": performance.tail}
    name = content_hash(json.dumps(values).encode())
    return _Told(name, json.dumps({"performance": name, **values}, allow_nan=False))


class _Reader:
    """Makes sense of lines, one after the other."""

    def __init__(self) -> None:
        self._performances: dict[str, Performance] = {}

    def read(self, line: str) -> Entry | None:
        """An entry, which shares its performance with others; None for the line of a performance.

        Raises:
            ValueError: it isn't one of ours, or isn't whole.
        """
        try:
            values: dict[str, Any] = json.loads(line)
            if "file" not in values:
                self._performances[values["performance"]] = _performance(values)
                return None
            played, sound = values["performance"], values["sound"]
            if isinstance(played, dict):  # as it was before performances had lines of their own
                performance = _performance(played)
                played = _told(performance).id
                self._performances.setdefault(played, performance)
            values["performance"] = self._performances[played]
            values["settings"] = RenderSettings(**values["settings"])
            values["sound"] = sound and Sound(**sound)
            return Entry(**values)
        except (KeyError, TypeError, InputError) as error:
            raise ValueError("not a line of a manifest") from error


def _performance(values: dict[str, Any]) -> Performance:
    return Performance(tuple(Note(*note) for note in values["notes"]), values["tail"])


class Manifest(Closing):
    """A folder's manifest: what it said at first, and what is added.

    Args:
        path: the file; it needn't be there.

    Raises:
        InputError: it is there and isn't ours. A last line that was cut short by the end of a run is left out.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.entries: dict[str, Entry] = {entry.file: entry for entry in _read(path)}
        self._journal: TextIO | None = None
        self._told: set[str] = set()  # ids of the performances whose lines are in the file

    def folders(self) -> dict[tuple[str, str], str]:
        """Where the files of each bank are, by synth and bank: a folder's name and a slash, or "" for the manifest's
        own folder. Of two, the one that is named first, since the latest run's files come first."""
        found: dict[tuple[str, str], str] = {}
        for entry in self.entries.values():
            folder, slash, _ = entry.file.rpartition("/")
            found.setdefault((entry.synth, entry.bank), folder + slash)
        return found

    def begin(self, scratch: Path) -> None:
        """Open it for adding, without what was cut short; ``scratch`` is a folder of the same file system."""
        self.write(self.entries.values(), scratch)
        self._journal = self.path.open("a", encoding="utf-8", newline="\n")

    def add(self, entry: Entry) -> None:
        """Append a line, which stands in for an earlier one of the same file."""
        if self._journal is None:
            raise InputError(f"{self.path} isn't open for adding.")
        self._journal.writelines(self._lines(entry))
        self._journal.flush()
        self.entries[entry.file] = entry

    def write(self, entries: Iterable[Entry], scratch: Path) -> None:
        """Replace the file by these entries, wholly or not at all."""
        self.close()
        temporary = scratch / NAME
        self._told.clear()
        with temporary.open("w", encoding="utf-8", newline="\n") as file:
            for entry in entries:
                file.writelines(self._lines(entry))
        temporary.replace(self.path)

    def _lines(self, entry: Entry) -> Iterator[str]:
        """What an entry takes: its own line, and before it that of its performance, unless it is there."""
        told = _told(entry.performance)
        if told.id not in self._told:
            self._told.add(told.id)
            yield f"{told.line}\n"
        yield f"{entry.line()}\n"

    def close(self) -> None:
        """Close the journal."""
        if self._journal is not None:
            self._journal.close()
            self._journal = None


def _read(path: Path) -> Iterator[Entry]:
    reader = _Reader()
    with contextlib.suppress(FileNotFoundError):
        lines = path.read_bytes().rstrip(b"\0").split(b"\n")  # a power cut may leave zeros where a line was to be
        for number, line in enumerate(lines, 1):
            try:
                entry = reader.read(line.decode("utf-8")) if line else None
            except ValueError as error:
                if number < len(lines) or not any(line.startswith(each) or each.startswith(line) for each in _STARTS):
                    sentence = f"{path} isn't a manifest of synthmatch's (line {number}); choose another folder."
                    raise InputError(sentence) from error
                return
            if entry is not None:
                yield entry
