"""Banks that are added on the page: of synths on this machine, or files that are sent."""

from __future__ import annotations

import hashlib
import os
import shutil
import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, TYPE_CHECKING

from synthmatch.closing import Closing
from synthmatch.errors import PresetError
from synthmatch.files import atomic_path
from synthmatch.library.library import Library
from synthmatch.presets.bank import Fault, PresetBank
from synthmatch.presets.formats import suffixes
from synthmatch.presets.labels import label
from synthmatch.presets.preset import Preset
from synthmatch.sources import addable, read_sources
from synthmatch.web.jobs import Job, Room, Told
from synthmatch.web.limits import Limits, Refusal
from synthmatch.web.shelf import Shelf
from synthmatch.web.uploads import plain_name, shown_name
from synthmatch.words import counted

if TYPE_CHECKING:
    from synthmatch.networks.encoder import Encoder

_PART = 2**20  # bytes read at a time
_FOLDER = "sent"  # within the library: listings name the file that they came from


@dataclass(frozen=True)
class Sent:
    """A file of presets that was sent.

    Args:
        path: where it lies, under a name of the server's own.
        name: what the client calls it, without its suffix.
    """

    path: Path
    name: str


class Adding(Closing):
    """The room in which banks are added.

    Events of a job: ``estimate`` (what it will take), ``progress`` (presets), ``done`` (as ``library add --json`` has
    it) or ``error``.
    """

    def __init__(self, shelf: Shelf, encoder: Encoder, limits: Limits) -> None:
        self._shelf, self._encoder = shelf, encoder
        self._room = Room("adding", limits.waiting, limits.remembered, shelf.put_back)
        self._users: Counter[Path] = Counter()  # additions to come, by the file that they need
        self._fresh: set[Path] = set()  # files that no addition has listed yet
        self._lock = threading.Lock()

    def take(self, synths: Sequence[str], files: Sequence[tuple[IO[bytes], str]]) -> Job:
        """Keep files of presets, and add them and synths' banks in their turn; of what is refused, nothing is kept.

        Args:
            synths: see :meth:`begin`.
            files: their bytes, and what the client calls them.

        Raises:
            Refusal: see :meth:`keep` and :meth:`begin`.
        """
        kept: list[Sent] = []
        try:
            for file, name in files:
                kept.append(self.keep(file, name))
            return self.begin(synths, kept)
        except BaseException:
            self._let_go(kept)
            raise

    def keep(self, file: IO[bytes], name: str) -> Sent:
        """Keep a file of presets, in the library's folder: the same one always at the same place, so that presets that
        are sent again are listed once.

        It stays there until the addition that :meth:`begin` is given it for has ended.

        Raises:
            Refusal: it isn't of a kind that is read, or the library can only be read.
        """
        plain = plain_name(name)
        stem, dot, ending = plain.rpartition(".")
        suffix = next((each for each in suffixes() if each == f"{dot}{ending}".lower()), None)
        if suffix is None or not stem:
            shown, read = shown_name(name, "bank"), ", ".join(sorted(suffixes()))
            raise Refusal(415, f"{shown} isn't a known preset file; these are read: {read}.")
        if not os.access(self._shelf.path, os.W_OK):
            raise Refusal(409, "The library can only be read, so nothing can be added; let synthmatch write into it.")
        told = hashlib.sha256(plain.encode())
        while part := file.read(_PART):
            told.update(part)
        key = told.hexdigest()[:20]
        sent = Sent(self._shelf.path / _FOLDER / key / f"{key}{suffix}", shown_name(stem, "bank"))
        with self._lock:
            self._users[sent.path] += 1
            if sent.path.exists():
                return sent
            self._fresh.add(sent.path)
        try:
            file.seek(0)
            with atomic_path(sent.path) as temporary, temporary.open("wb") as kept:
                shutil.copyfileobj(file, kept)
        except BaseException:
            self._let_go([sent])
            raise
        return sent

    def begin(self, synths: Sequence[str], files: Sequence[Sent]) -> Job:
        """Add banks in their turn.

        Args:
            synths: ids of synths on this machine, whose banks are meant.

        Raises:
            Refusal: nothing is named, or a synth that isn't here.
        """
        known = {row.id for row in addable()}
        unknown = [name for name in synths if name not in known]
        if unknown:
            raise Refusal(422, f"There are no banks of {shown_name(unknown[0], 'that synth')} on this machine.")
        if not (synths or files):
            raise Refusal(422, "Name a synth whose banks are on this machine, or send files of presets.")
        return self._room.begin(lambda job: self._add(synths, files, job), lambda: self._let_go(files))

    def job(self, key: str) -> Job:
        """An addition by its id; see ``Room.job``."""
        return self._room.job(key)

    def busy(self) -> tuple[Job, ...]:
        """Those that are going on, or wait."""
        return self._room.busy()

    def give_up(self) -> None:
        """See ``Room.give_up``."""
        self._room.give_up()

    def close(self) -> None:
        """Stop at the next preset; the library keeps what it has, and the same addition goes on from there."""
        self._room.close()

    def _add(self, synths: Sequence[str], files: Sequence[Sent], job: Job) -> Told:
        from synthmatch.renderers.host import plugin_log
        from synthmatch.renderers.pool import RenderPool

        library: Library | None = None
        try:
            library = self._shelf.library()
            bank = _joined([read_sources(synths)] if synths else [], files)
            job.tell(
                "estimate",
                {"presets": len(bank), "sentence": f"{counted(len(bank), 'preset')}, {library.estimate(bank)}."},
            )
            with RenderPool(log=plugin_log()) as pool:
                report = library.add(bank, encoder=self._encoder, pool=pool, progress=job.progress)
            return report.to_json(library)
        finally:
            self._let_go(files, library)

    def _let_go(self, files: Sequence[Sent], library: Library | None = None) -> None:
        """An addition needs its files no more: delete those that no other one is to add and of which the library lists
        nothing, since nobody would find them there.

        Args:
            library: None if it can't be asked; then those that were there before this server stay.
        """
        for sent in files:
            with self._lock:
                self._users[sent.path] -= 1
                listed = sent.path not in self._fresh if library is None else bool(library.rows.held(sent.path))
                if listed:
                    self._fresh.discard(sent.path)
                if self._users[sent.path] > 0:
                    continue
                del self._users[sent.path]
                self._fresh.discard(sent.path)
                if not listed:
                    shutil.rmtree(sent.path.parent, ignore_errors=True)


def _joined(banks: Sequence[PresetBank], files: Sequence[Sent]) -> PresetBank:
    """Banks as one, where what was sent goes by its own name again.

    Raises:
        PresetError: no preset could be read.
    """
    every = [*banks, *map(_read, files)]
    joined = PresetBank(
        tuple(preset for bank in every for preset in bank),
        tuple(fault for bank in every for fault in bank.faults),
        frozenset().union(*(bank.whole for bank in every)),
    )
    if not len(joined):
        reason = joined.faults[0].reason if joined.faults else "the files are empty"
        raise PresetError(f"No preset could be read: {reason}")
    return joined


def _read(sent: Sent) -> PresetBank:
    try:
        bank = PresetBank.read(sent.path)
    except PresetError as error:  # its sentence names our file
        raise PresetError(str(error).replace(str(sent.path), sent.name)) from error
    faults = (Fault(each.file, each.reason.replace(str(sent.path), sent.name)) for each in bank.faults)
    return PresetBank(tuple(_renamed(preset, sent) for preset in bank), tuple(faults))


def _renamed(preset: Preset, sent: Sent) -> Preset:
    """A preset as if its file had the client's name, which ours stands for in the preset's or the bank's."""
    ours = sent.path.stem
    renamed = replace(
        preset,
        name=sent.name if preset.name == ours else preset.name,
        bank=sent.name if preset.bank == ours else preset.bank,
    )
    return label(renamed)
