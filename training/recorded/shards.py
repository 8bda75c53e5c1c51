"""Recorded sound of many presets on disk, 16 kHz mono 16 bit: what notes and phrases are kept in.

A folder holds shards (``<stem>-<n>.npy``, int16, shape (sounds, samples)) and one line of JSON per recorded preset
in ``<stem>.jsonl``. A line is written after its sound; what has no line is recorded again, so a recording that was
stopped, even in the midst of a line, goes on where it was. One command at a time records into a folder: shards are
numbered by what the journal holds.
"""

from __future__ import annotations

import json
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Generic, Protocol, TypeVar

import numpy as np

from synthmatch.audio import Clip, Samples
from synthmatch.errors import FolderBusy, FolderError, InputError, TrainingError
from synthmatch.files import atomic_path, require_place
from synthmatch.locking import write_lock
from synthmatch.renderers.renderer import Failure, RenderJob, RenderResult
from synthmatch.training.arrays import Sound

Render = Callable[[Iterable[RenderJob]], Iterator[RenderResult]]
Progress = Callable[[int, int], None]

SHARD = 128  # presets a shard: about 110 MB at 11 notes each
FLUSH_SECONDS = 60.0  # what a kill may cost

_PASSING = (Failure.CRASH, Failure.TIMEOUT, Failure.MISSING)


@dataclass(frozen=True)
class Row(ABC):
    """What a journal says of a preset: where its sounds are, or why there are none.

    Args:
        id: by which the preset is asked for.
        shard: number of the file that holds its sounds.
        first: row of its first sound within that file.
        failure: why it has none.
    """

    id: str
    shard: int
    first: int
    failure: str = field(default="", kw_only=True)

    @property
    @abstractmethod
    def count(self) -> int:
        """How many sounds it has, one after the other."""


R = TypeVar("R", bound=Row)


class Gate(Protocol):
    """Decides what of a recording is kept."""

    def refusal(self, key: str, result: RenderResult, /) -> str:
        """Why a preset that sounds is refused, in a sentence; "" to keep it."""
        ...

    def commit(self) -> None:
        """Write down what was decided; called before the sounds of which it was asked are written."""
        ...


class ShardBank(ABC, Generic[R]):
    """Sounds of many presets, all of one length.

    They are memory-mapped: the system's page cache decides how much of them stays in memory.
    """

    stem: ClassVar[str]
    """How the files are called."""
    length: ClassVar[int]
    """Samples of each sound."""

    def __init__(self, folder: Path) -> None:
        """Open a folder; one that isn't there yet is an empty bank.

        Raises:
            TrainingError: the journal is damaged.
        """
        self.folder = folder
        self.recorded: dict[str, R] = {}
        self._shards: dict[int, Sound] = {}
        self.read()

    def read(self) -> None:
        """Find what is recorded by now; another command may have recorded since the folder was opened.

        Raises:
            TrainingError: the journal is damaged.
        """
        for values in read_journal(self.journal):
            try:
                row = self._row_of(values)
            except TypeError as error:
                raise TrainingError(f"{self.journal} isn't of this version; delete {self.folder}.") from error
            self.recorded[row.id] = row

    @property
    def journal(self) -> Path:
        """The file with a line per preset."""
        return self.folder / f"{self.stem}.jsonl"

    def __contains__(self, key: object) -> bool:
        row = self.recorded.get(str(key))
        return row is not None and not row.failure

    @property
    def ids(self) -> list[str]:
        """The presets that sound, in order."""
        return sorted(key for key in self.recorded if key in self)

    def sounds(self, key: str) -> Sound:
        """All sounds of a preset, shape (count, length), mapped from the disk.

        Raises:
            TrainingError: their file is missing or damaged.
        """
        row = self.recorded[key]
        if row.shard not in self._shards:
            self._shards[row.shard] = self._load(row.shard)
        return self._shards[row.shard][row.first : row.first + row.count]

    def _load(self, number: int) -> Sound:
        path = self.folder / f"{self.stem}-{number}.npy"
        try:
            shard: Sound = np.load(path, mmap_mode="r")
        except (OSError, ValueError, EOFError) as error:  # numpy says so of what is cut short
            raise TrainingError(
                f"{path} is missing or damaged; copy it again, or delete {self.folder} and record anew."
            ) from error
        return shard

    def missing(self, keys: Iterable[str], again: Collection[str] = ()) -> list[str]:
        """Those of some presets that :meth:`record_jobs` would try."""
        return [key for key in keys if key not in self.recorded or key in again]

    def record_jobs(
        self,
        keys: Sequence[str],
        job: Callable[[str], RenderJob],
        render: Render,
        progress: Progress | None = None,
        gate: Gate | None = None,
        stop: Callable[[], bool] | None = None,
        again: Collection[str] = (),
    ) -> None:
        """Record what isn't there yet; within :func:`recording_into`, since another's shards would get lost.

        A preset that makes no usable sound is noted and not tried again; one that crashed or took too long is
        tried again by the next recording, since that may have been the machine's doing, and so is one whose synth
        couldn't be loaded.

        Args:
            keys: by which the presets will be asked for.
            job: what is played of each.
            render: usually ``RenderPool.render``.
            progress: called with (done, all) after each preset.
            gate: asked about everything that sounds.
            stop: asked before each job; from its first True on, what is under way is finished and kept.
            again: those that are recorded anew, though they are there; what is there counts until then.
        """
        missing = self.missing(keys, again)
        done, total = len(keys) - len(missing), len(keys)
        names: dict[str, str] = {}

        def jobs() -> Iterator[RenderJob]:
            for key in missing:
                if stop is not None and stop():
                    return
                asked = job(key)
                names[asked.key] = key
                yield asked

        waiting: list[tuple[R, Sound]] = []
        flushed = time.monotonic()
        for result in render(jobs()):
            key = names.pop(result.job.key)
            if result.failure not in _PASSING:
                waiting.append(self._taken(key, result, gate))
            done += 1
            if progress:
                progress(done, total)
            if len(waiting) == SHARD or (waiting and time.monotonic() - flushed > FLUSH_SECONDS):
                self._write(waiting, gate)
                waiting, flushed = [], time.monotonic()
        if waiting:
            self._write(waiting, gate)

    @abstractmethod
    def _row(self, key: str, job: RenderJob, failure: str) -> R:
        """The line of a preset; where its sounds are is filled in when they are written."""

    @abstractmethod
    def _row_of(self, values: dict[str, Any]) -> R:
        """The line that says these values, with tuples for lists."""

    def _taken(self, key: str, result: RenderResult, gate: Gate | None) -> tuple[R, Sound]:
        failure = "" if result.ok else result.reason or "no sound"
        if not failure and gate is not None:
            failure = gate.refusal(key, result)
        sounds = np.zeros((0, self.length), np.int16) if failure else as_int16(result.clips, self.length)
        return self._row(key, result.job, failure), sounds

    def _write(self, taken: Sequence[tuple[R, Sound]], gate: Gate | None) -> None:
        number = 1 + max((row.shard for row in self.recorded.values()), default=-1)
        rows: list[R] = []
        first = 0
        for row, sounds in taken:
            rows.append(replace(row, shard=number, first=first))
            first += len(sounds)
        if gate is not None:
            gate.commit()
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"{self.stem}-{number}.npy"
        with atomic_path(path) as temporary, temporary.open("wb") as file:
            np.save(file, np.concatenate([sounds for _, sounds in taken]))
        append_journal(self.journal, [asdict(row) for row in rows])
        self.recorded.update({row.id: row for row in rows})


@contextmanager
def recording_into(folder: Path) -> Iterator[None]:
    """Keep other commands from recording into a folder while the block runs; it is made if need be.

    Raises:
        TrainingError: another command records into it.
        InputError: it can't be written.
    """
    require_place(folder, folder=True)
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        try:
            stack.enter_context(write_lock(folder))
        except FolderBusy as error:
            raise TrainingError(f"Another command records into {folder}; wait for its end.") from error
        except FolderError as error:  # which knows a command's options, but not that recordings have one of their own
            raise InputError(*error.args) from error
        yield


def read_journal(path: Path) -> Iterator[dict[str, Any]]:
    """The lines of a journal as dictionaries, lists as tuples; none if the file isn't there.

    A last line that no line break ends was cut by a kill, and is passed over.

    Raises:
        TrainingError: another line is damaged.
    """
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    for number, line in enumerate(text.split("\n")[:-1], start=1):
        try:
            values: dict[str, Any] = json.loads(line)
            found = {name: _as_tuple(value) for name, value in values.items()}
        except (ValueError, AttributeError) as error:
            raise TrainingError(f"{path}, line {number}, is damaged; delete {path.parent}.") from error
        yield found


def append_journal(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Add lines to a journal; a last line that was cut by a kill is taken away first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+b") as journal:
        journal.seek(0)
        whole = journal.read().rfind(b"\n") + 1
        journal.truncate(whole)
        journal.write("".join(json.dumps(row) + "\n" for row in rows).encode())


def _as_tuple(value: Any) -> Any:
    return tuple(_as_tuple(each) for each in value) if isinstance(value, list) else value


def as_float(sounds: Sound) -> Samples:
    """16-bit samples as float32, full scale at 1."""
    return sounds.astype(np.float32) / np.float32(32767)


def as_int16(clips: Sequence[Clip], length: int) -> Sound:
    """A preset's clips at 16 kHz, scaled together to its peak, cut or padded to ``length``: (clips, length)."""
    heard = [clip.heard()[:length] for clip in clips]
    peak = max(max(float(np.abs(each).max(initial=0.0)) for each in heard), 1e-9)
    out = np.zeros((len(heard), length), np.int16)
    for row, each in zip(out, heard, strict=True):
        row[: len(each)] = np.round(each * (32767 / peak))
    return out
