"""Where a refinement begins, and where its preset ends up."""

from __future__ import annotations

import shutil
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from synthmatch.audio import Clip
from synthmatch.errors import LibraryError, PresetError
from synthmatch.files import expanded, fresh_folder, require_place, safe_name
from synthmatch.library.export import export_preset
from synthmatch.matching.listening import Query
from synthmatch.matching.matcher import Matcher
from synthmatch.presets.bank import PresetBank
from synthmatch.presets.catalogue import synths
from synthmatch.presets.preset import Preset
from synthmatch.refining.refinement import Refinement, can_be_refined
from synthmatch.renderers.synths import installed

if TYPE_CHECKING:
    from synthmatch.library.library import Library

_SEARCHED = 500  # presets among which one that can be refined is looked for first: nearly always there is one


def is_file_name(name: str) -> bool:
    """Whether what names a start names a file, be it there or not: an id has no suffix, and lies in no folder."""
    path = expanded(name)
    return path.exists() or bool(path.suffix) or len(path.parts) > 1


def named_start(library: Library | None, name: str) -> Preset:
    """The preset that someone names: by its id in a library, or by a file that holds it alone.

    Raises:
        PresetError: the file holds no preset, or several.
        LibraryError: it is neither a file nor in the library.
    """
    path = expanded(name)
    if not path.exists():
        if library is None or is_file_name(name):
            raise LibraryError(f"{name} isn't there; name a preset file, or the id of a preset of the library.")
        return library.preset(library.listings_of(name)[0])
    bank = PresetBank.read(path)
    if len(bank) != 1:
        reason = bank.faults[0].reason if bank.faults else f"it holds {len(bank)} presets; add it to a library instead."
        raise PresetError(f"{path} doesn't name one preset: {reason}")
    return bank.presets[0]


def nearest_start(
    matcher: Matcher, clip: Clip, family: str = "", *, alone: bool = True, elsewhere: bool = False
) -> Preset:
    """The preset of a library that is nearest to a part, among those that can be refined.

    Args:
        family: of the part; "" to compare by timbre.
        alone: whether nothing but the part sounds in the clip.
        elsewhere: whether other machines play it, whose synths aren't known here; else it is one of this machine's.

    Raises:
        LibraryError: no preset of the library, or none that is found under the family, can be refined.
        AudioError, InputError: as :meth:`Matcher.match` raises them.
    """
    library = matcher.library
    query = Query(clip, families=(family,) if family else ())
    matcher.check(query, _SEARCHED)
    heard = matcher.hear(query)
    played = synths().keys() if elsewhere else {row.id for row in installed()}
    missing: set[str] = set()
    for wanted in sorted({min(_SEARCHED, len(library)), len(library)}):
        for match in (match for found in matcher.find(query, heard, wanted, alone) for match in found):
            if match.preset.synth not in played:
                missing.add(match.preset.synth)
            elif can_be_refined(preset := library.preset(match.preset)):
                return preset
    here = f" on this machine, which lacks {', '.join(sorted(missing))}" if missing else ""
    raise LibraryError(
        f"No {f'{family} preset' if family else 'preset'} in {library.path} can be refined{here}; add banks of amsynth"
        " with `synthmatch library add amsynth`, or name a preset."
    )


def save(refinement: Refinement, out: Path | str) -> tuple[Path, ...]:
    """Write a refined preset into a new folder: its synth's own file, what a plugin host loads, its parameters, and how
    it plays the part. Nothing that is there is overwritten; another folder gets a number.

    Returns:
        The files.

    Raises:
        InputError: ``out`` is a file.
        PresetError: nothing closer was found, so there is nothing to write.
    """
    if refinement.preset is refinement.start:
        raise PresetError(f"Nothing closer than {refinement.start.name} was found, so nothing is written.")
    out = Path(out)
    require_place(out, folder=True)
    building = fresh_folder(out, ".refined-")
    try:
        files = export_preset(refinement.preset, refinement.preview, building)
        folder = _free(out / safe_name(refinement.preset.name, 60))
        building.rename(folder)
    except BaseException:
        shutil.rmtree(building, ignore_errors=True)
        raise
    return tuple(folder / file.name for file in files)


def _free(folder: Path) -> Path:
    """That folder, or the first that isn't there with a number behind its name."""
    names = (folder if number == 1 else folder.with_name(f"{folder.name} {number}") for number in count(1))
    return next(each for each in names if not each.exists())
