"""Reading files and folders of presets, where a broken file costs one line and the rest goes on."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from synthmatch.errors import PresetError
from synthmatch.presets.catalogue import Synth
from synthmatch.presets.preset import Preset


@dataclass(frozen=True)
class Fault:
    """A file, a preset within one, or a folder that could not be read, and why, in one sentence."""

    file: Path
    reason: str


@dataclass(frozen=True)
class PresetBank:
    """Presets in the order of their files and slots.

    Args:
        presets: what was read.
        faults: what could not be read.
        whole: the files of which every preset is among those.
    """

    presets: tuple[Preset, ...]
    faults: tuple[Fault, ...] = ()
    whole: frozenset[Path] = frozenset()

    def __len__(self) -> int:
        return len(self.presets)

    def __iter__(self) -> Iterator[Preset]:
        return iter(self.presets)

    @classmethod
    def read(cls, *paths: Path | str, known: Mapping[str, Synth] | None = None) -> PresetBank:
        """Read preset files and folders (searched for every known suffix, sorted by path), each file once.

        Every preset comes back labelled as far as its bank's field, name and folder tell
        (``labels.label``).

        Args:
            known: the synths among which a file's plugin is looked up; those of the catalogue if None.

        Raises:
            PresetError: a named path isn't there, or holds nothing in a known format.
        """
        from synthmatch.presets.formats import format_of
        from synthmatch.presets.labels import label

        presets: list[Preset] = []
        faults: list[Fault] = []
        whole: set[Path] = set()
        done: set[Path] = set()
        for path in map(Path, paths):
            files, unread = preset_files(path)
            faults += unread
            for file in files:
                if (place := file.resolve()) in done:
                    continue  # a folder, and a file of it
                done.add(place)
                try:
                    for name in (file, place):  # a bank may be called like the folder to which a link leads
                        _check_name(name)
                    found, broken = format_of(file, known).read(file)
                except PresetError as error:
                    faults.append(Fault(file, str(error)))
                    continue
                presets += [label(preset) for preset in found]
                faults += [Fault(file, reason) for reason in broken]
                if not broken:
                    whole.add(file)
        return cls(tuple(presets), tuple(faults), frozenset(whole))


def preset_files(path: Path) -> tuple[list[Path], list[Fault]]:
    """The preset files at a path, which is a file or a folder, searched as ``PresetBank.read`` does it.

    Returns:
        The files, and one fault per folder in it that can't be read.

    Raises:
        PresetError: the path isn't there, or holds nothing in a known format.
    """
    from synthmatch.presets.formats import suffixes

    try:
        if path.is_file():
            return [path], []
        if not path.is_dir():
            raise PresetError(f"{path} isn't there; name a preset file or a folder of them.")
    except OSError as error:
        raise PresetError(f"{path} can't be read ({error.strerror}); name a preset file or a folder.") from error
    unread: list[OSError] = []
    found = sorted(file for file in _walked(path, unread) if _is_wanted(file))
    faults = [
        Fault(Path(each.filename), f"{each.filename} can't be read ({each.strerror}); what it holds is left out.")
        for each in unread
    ]
    # Debian's default SoundFont is a link to a SoundFont of the same folder: nobody wants it twice.
    linked = {file.resolve() for file in found if not _told(file.is_symlink, False)}
    files = [file for file in found if not (_told(file.is_symlink, False) and file.resolve() in linked)]
    if not files and not faults:
        raise PresetError(f"{path} holds no presets; files ending in {', '.join(sorted(suffixes()))} are read.")
    return files, faults


def holds_presets(path: Path) -> bool:
    """Whether ``preset_files`` finds something at a path: a file, a folder with preset files, or one that can't be read
    whole, so that reading it says why."""
    unread: list[OSError] = []
    return path.is_file() or (path.is_dir() and (any(map(_is_wanted, _walked(path, unread))) or bool(unread)))


def _check_name(file: Path) -> None:
    """Refuse a path that is no text, such as a name in the letters of an old system: no library could list it, and
    no manifest."""
    try:
        str(file).encode()
    except UnicodeEncodeError as error:
        shown = str(file).encode(errors="replace").decode()
        raise PresetError(f"{shown} has letters in its path that aren't Unicode; rename it.") from error


def _is_wanted(file: Path) -> bool:
    """Whether a file of a folder is read. What macOS leaves beside a file on other systems' disks, and in archives,
    is called like it and holds none of it."""
    from synthmatch.presets.formats import suffixes

    wanted = file.suffix.lower() in suffixes() and not file.name.startswith("._")
    return wanted and _told(file.is_file, True)  # whoever reads it says why it can't be


def _told(question: Callable[[], bool], otherwise: bool) -> bool:
    """What a file is, or ``otherwise`` where it may not even be looked at."""
    try:
        return question()
    except OSError:
        return otherwise


def _walked(folder: Path, unread: list[OSError]) -> Iterator[Path]:
    """Every file of a folder, and of those that are linked into it: people keep their presets on other disks. Each
    folder once, as itself rather than as a link; and no link to a folder around ``folder``, such as Wine's to /. Why
    some can't be read goes into ``unread``."""
    seen: set[str] = set()
    whole = Path(os.path.realpath(folder))
    waiting = [folder]
    while waiting:
        links: list[Path] = []
        for start in waiting:
            for place, inside, files in os.walk(start, onerror=unread.append):
                if (real := os.path.realpath(place)) in seen:
                    inside.clear()
                    continue
                seen.add(real)
                yield from (Path(place, name) for name in files)
                links += (link for name in inside if _told((link := Path(place, name)).is_symlink, False))
        waiting = sorted(link for link in links if not whole.is_relative_to(os.path.realpath(link)))
