"""Presets from one format of their synth into another: banks into single presets, single presets into banks."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from synthmatch.errors import PresetError
from synthmatch.files import require_place, safe_name
from synthmatch.presets.bank import Fault, PresetBank
from synthmatch.presets.catalogue import SYNTHS, Engine, Synth, synths
from synthmatch.presets.formats import PresetFormat, formats, formats_of
from synthmatch.presets.preset import Preset

_STEM = 60  # characters of a file's name: four bytes each at most, and a number and a suffix must fit into 255

# One of each kind, those that only users have among them.
_SAMPLES = (
    *SYNTHS.values(),
    Synth("vst2", "", Engine.PLUGIN, (".fxp",), ""),
    Synth("vst3", "", Engine.PLUGIN, (".vstpreset",), ""),
)


@dataclass(frozen=True)
class ConvertReport:
    """What came of a conversion.

    Args:
        written: the files, in the order of the presets in them.
        presets: how many presets are in them.
        faults: what could not be read or converted, and why.
    """

    written: tuple[Path, ...]
    presets: int
    faults: tuple[Fault, ...] = ()


def convert(
    bank: PresetBank,
    suffix: str,
    folder: Path,
    *,
    name: str = "",
    force: bool = False,
    known: Mapping[str, Synth] | None = None,
) -> ConvertReport:
    """Write presets in another format of their synth.

    A format whose files hold one preset gets a file for each, named after the preset and numbered where names are
    alike. One whose files hold many gets a single file, or as many as it takes, named after the presets' bank, or
    after the folder in which the files of several banks lie. A preset that the format can't hold is a fault, and the
    rest goes on.

    Args:
        suffix: of the format, in lower case, with the dot.
        folder: where to; it is made if need be.
        name: of the file, without its suffix, instead of the preset's or the bank's.
        force: whether files that are there already may be overwritten.
        known: the synths by id; those of the catalogue if None.

    Raises:
        InputError: the folder can't be written.
        PresetError: no format that can be written has that suffix; a file is there already, or holds presets of the
            bank that are faults; or ``name`` is given for several files. Nothing has been written then.
    """
    form = next((row for row in formats(known) if row.suffix == suffix and suffix in writable_suffixes()), None)
    if form is None:
        raise PresetError(f"No presets can be written as {suffix}; choose one of {', '.join(writable_suffixes())}.")
    require_place(folder, folder=True)
    faults = list(bank.faults)
    groups: list[Sequence[Preset]] = []
    for presets in _served(form, bank, synths() if known is None else known, faults):
        groups += _groups(form, presets, faults)
    targets = _targets(groups, folder, suffix, name)
    there = [path for path in targets if path.exists()]
    faulty = {fault.file.resolve() for fault in faults}
    losing = next((path for path in there if path.resolve() in faulty), None)
    if losing is not None:  # whoever overwrites a bank by itself doesn't mean to delete what is left out
        raise PresetError(
            f"{losing} would lose presets that can't be read or converted; name another folder.",
            remedy="folder",
        )
    if there and not force:
        which = f"{there[0]} is" if len(there) == 1 else f"{there[0]} and {len(there) - 1} more are"
        raise PresetError(f"{which} there already; name another folder, or say to overwrite.", remedy="overwrite")
    written: list[Path] = []
    count = 0
    for path, group in zip(targets, groups, strict=True):
        try:
            form.write(path, group)
        except PresetError as error:
            faults.append(_fault(group[0], error))
        else:
            written.append(path)
            count += len(group)
    return ConvertReport(tuple(written), count, tuple(faults))


def writable_suffixes() -> tuple[str, ...]:
    """How the files end that presets can be written as."""
    return tuple(row.suffix for row in formats() if any(row.serves(synth) for synth in _SAMPLES))


def _served(
    form: PresetFormat, bank: PresetBank, known: Mapping[str, Synth], faults: list[Fault]
) -> Iterator[list[Preset]]:
    """The presets of each synth that the format is for; for every other synth, a fault."""
    by_synth: dict[str, list[Preset]] = {}
    for preset in bank:
        by_synth.setdefault(preset.synth, []).append(preset)
    for synth, presets in by_synth.items():
        row = known.get(synth)
        if row is not None and form.serves(row):
            yield presets
            continue
        files = list(dict.fromkeys(preset.file for preset in presets))
        which = f"{files[0]} is" if len(files) == 1 else f"{files[0]} and {len(files) - 1} more are"
        faults.append(Fault(files[0], f"{which} of {_formats_sentence(form, synth, row, known)}"))


def _formats_sentence(form: PresetFormat, synth: str, row: Synth | None, known: Mapping[str, Synth]) -> str:
    if row is None:
        return f"{synth}, which isn't known any more; add it with `synthmatch synth add`."
    own = [each.suffix for each in formats_of(row, known)]
    others = [each.suffix for each in formats(known) if each.serves(row) and each.suffix not in own]
    choice = ", ".join([*own, *others])
    return f"{row.title}, whose presets can't be written as {form.suffix}; its formats are {choice}."


def _groups(form: PresetFormat, presets: Sequence[Preset], faults: list[Fault]) -> list[Sequence[Preset]]:
    """What goes into a file together: as much of it as the format can hold; presets that it can't hold are faults."""
    if not form.many:
        return [[preset] for preset in presets]
    with TemporaryDirectory(prefix="synthmatch-") as scratch:
        trial = Path(scratch) / f"trial{form.suffix}"
        if _refusal(form, trial, presets) is None:
            return [presets]
        refusals = [_refusal(form, trial, [preset]) for preset in presets]
        faults += [_fault(each, error) for each, error in zip(presets, refusals, strict=True) if error is not None]
        good = [each for each, error in zip(presets, refusals, strict=True) if error is None]
        return _halved(form, trial, good) if good else []


def _halved(form: PresetFormat, trial: Path, presets: Sequence[Preset]) -> list[Sequence[Preset]]:
    """Presets that can be written, in as many files as it takes: a bank may be full, and a plugin's chunks can't lie
    together at all, though many values can."""
    if len(presets) == 1 or _refusal(form, trial, presets) is None:
        return [presets]
    half = (len(presets) + 1) // 2
    return [*_halved(form, trial, presets[:half]), *_halved(form, trial, presets[half:])]


def _refusal(form: PresetFormat, path: Path, presets: Sequence[Preset]) -> PresetError | None:
    """Why a format can't hold some presets together, or None if it can."""
    try:
        form.write(path, presets)
    except PresetError as error:
        return error
    return None


def _fault(preset: Preset, error: PresetError) -> Fault:
    return Fault(preset.file, f"{preset.name!r} of {preset.file} is left out: {error}")


def _targets(groups: Sequence[Sequence[Preset]], folder: Path, suffix: str, name: str) -> list[Path]:
    """Where each group of presets goes."""
    if name and len(groups) > 1:
        raise PresetError(
            f"{name} can't be the name of {len(groups)} files; give none, or convert one preset.", remedy="name"
        )
    titles = [name or (group[0].name if len(group) == 1 else _bank_name(group)) for group in groups]
    return [folder / f"{stem}{suffix}" for stem in _numbered([safe_name(title, _STEM) for title in titles])]


def _bank_name(presets: Sequence[Preset]) -> str:
    """The bank's name; of presets of several banks, that of the folder in which all of their files lie."""
    banks = {preset.bank for preset in presets}
    if len(banks) == 1:
        return banks.pop()
    try:
        return Path(os.path.commonpath([preset.file.resolve().parent for preset in presets])).name or "presets"
    except ValueError:  # on several drives
        return "presets"


def _numbered(stems: Sequence[str]) -> list[str]:
    """File names that differ, also where capitals don't count; the first of those that are alike keeps its own.

    >>> _numbered(["Bass", "bass", "Bass 2", "Bass"])
    ['Bass', 'bass 3', 'Bass 2', 'Bass 4']
    """
    taken = {stem.casefold() for stem in stems}
    last: dict[str, int] = {}
    names = []
    for stem in stems:
        key = stem.casefold()
        if key not in last:
            last[key] = 1
            names.append(stem)
            continue
        number = last[key] + 1
        while f"{key} {number}" in taken:
            number += 1
        last[key] = number
        taken.add(f"{key} {number}")
        names.append(f"{stem} {number}")
    return names
