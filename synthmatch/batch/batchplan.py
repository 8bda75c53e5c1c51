"""What a batch of renders is to make: which file for which preset, under which name, of which sound."""

from __future__ import annotations

import enum
import os
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

from synthmatch import audio
from synthmatch.batch.manifest import NAME, Entry, Manifest
from synthmatch.batch.mastering import Format
from synthmatch.errors import InputError, PresetError, SynthError
from synthmatch.files import file_hash, require_place, safe_name
from synthmatch.library.choice import EVERYTHING, Choice
from synthmatch.notes import Performance
from synthmatch.presets.bank import PresetBank
from synthmatch.presets.catalogue import Synth, synths, unknown
from synthmatch.presets.preset import Preset
from synthmatch.renderers.renderer import Failure, RenderJob, RenderSettings
from synthmatch.renderers.synths import can_switch_effects_off, fingerprint
from synthmatch.sound import loudness

_DRY = " (effects off)"
_MIDDLE_C = Performance.single(60, 100, 2.0, 1.0)
NOWHERE: Mapping[tuple[str, str], str] = MappingProxyType({})
"""The folders of no bank."""

_LONGEST = 200  # bytes of a name: with number and suffix it fits into the 255 that file systems take


class Effects(enum.Enum):
    """Whether presets are rendered with their synth's own effects."""

    ON = "on"
    OFF = "off"
    BOTH = "both"  # two files each

    @property
    def settings(self) -> tuple[bool, ...]:
        """``RenderSettings.effects`` of each of a preset's files."""
        return {Effects.ON: (True,), Effects.OFF: (False,), Effects.BOTH: (True, False)}[self]


@dataclass(frozen=True)
class RenderPlan:
    """How the presets of a bank become sound files.

    Args:
        performance: what each plays.
        form: what the files are.
        normalise: integrated loudness in LUFS, from -60 to 0, that files are brought to; None for the synth's own
            level.
        effects: with the synth's own effects, without, or both.
        sample_rate: samples a second.
        retry: whether presets that failed in an earlier run are tried again.
        choice: which presets of the bank.
    """

    performance: Performance = _MIDDLE_C
    form: Format = Format.FLAC
    normalise: float | None = None
    effects: Effects = Effects.ON
    sample_rate: int = 44_100
    retry: bool = False
    choice: Choice = EVERYTHING

    def chosen(self, bank: PresetBank) -> PresetBank:
        """Those presets of a bank that are meant.

        Raises:
            PresetError: there is none.
        """
        found = replace(bank, presets=tuple(filter(self.choice.takes, bank)))
        if self.choice and not len(found):
            raise PresetError(f"None of the {len(bank)} presets is of {self.choice}.")
        return found

    def check(self) -> None:
        """Make sure that the files can be made.

        Raises:
            AudioError: the format doesn't take the sample rate, the loudness is out of range, or nothing here can
                measure it.
        """
        audio.require_rate(self.form.suffix, self.sample_rate)
        if self.normalise is not None:
            loudness.check_target(self.normalise)
            loudness.require()


@dataclass(frozen=True)
class Target:
    """A file to be made: what its line of the manifest says beforehand, and the job that makes its sound."""

    entry: Entry
    job: RenderJob


@dataclass(frozen=True)
class Outline:
    """What a bank's files will be.

    Args:
        targets: in the order of the bank.
        sources: the files of all presets of the bank, chosen or not, as ``Entry.source`` has them.
        without_switch: synths whose effects can't be switched off, though that was asked for.
    """

    targets: tuple[Target, ...]
    sources: frozenset[str]
    without_switch: tuple[Synth, ...] = ()


def outline(
    bank: PresetBank,
    plan: RenderPlan,
    known: Mapping[str, Synth] | None = None,
    folders: Mapping[tuple[str, str], str] = NOWHERE,
) -> Outline:
    """Which files a plan makes of a bank.

    A file is called like its preset; where several are, the second and further ones are numbered in the order of
    the bank, since on many systems ``Lead.wav`` and ``lead.wav`` are the same. Presets of several banks go into
    a folder per bank; but a bank stays where its files are, whichever others are rendered with it or without. A
    preset's file is called the same whichever others are chosen.

    Args:
        known: the synths by id; those of the catalogue if None.
        folders: of the banks that have files there already, see ``Manifest.folders``.

    Raises:
        PresetError: none of the presets is chosen.
        SynthError: a preset's synth isn't known.
        PluginMissing: a preset's synth isn't on this machine.
    """
    rows = _rows(plan.chosen(bank), synths() if known is None else known)
    renderers = {row.id: fingerprint(row) for row in rows.values()}
    switchable = {row.id for row in rows.values() if can_switch_effects_off(row)}
    hashes: dict[Path, str] = {}
    targets: list[Target] = []
    for preset, name in zip(bank, _names(bank, folders), strict=True):
        if not plan.choice.takes(preset):
            continue
        if preset.file not in hashes:
            hashes[preset.file] = file_hash(preset.file) if preset.file.is_file() else ""
        for effects in plan.effects.settings:
            if effects or preset.synth in switchable:
                settings = RenderSettings(plan.sample_rate, effects=effects)
                job = RenderJob(preset.state, (plan.performance,), settings)
                file = f"{name}{'' if effects else _DRY}{plan.form.suffix}"
                entry = _entry(preset, file, hashes[preset.file], renderers[preset.synth], job, plan)
                targets.append(Target(entry, job))
    fixed = () if plan.effects is Effects.ON else tuple(row for row in rows.values() if row.id not in switchable)
    return Outline(tuple(targets), frozenset(str(preset.file.absolute()) for preset in bank), fixed)


def made_before(target: Target, folder: Path, lines: Manifest, retry: bool) -> Entry | None:
    """The line of the manifest about a file that is there and as it should be, or that couldn't be made; None if it is
    to be made."""
    known = lines.entries.get(target.entry.file)
    if known is None or not known.same_work(target.entry):
        return None
    if known.sound is None:
        return None if retry or known.failure == Failure.MISSING.value else known
    path = folder / known.file
    return known if path.is_file() and file_hash(path) == known.sound.hash else None


def refuse_what_is_in_the_way(folder: Path, made: Outline, lines: Manifest) -> None:
    """Make sure that no file is overwritten that isn't ours, or that is a sound of another bank's.

    Args:
        lines: the folder's manifest.

    Raises:
        InputError: one would be.
    """
    for target in made.targets:
        entry, path = target.entry, folder / target.entry.file
        if os.path.lexists(path.parent) and not path.parent.is_dir():
            bank = f"the folder of the bank {entry.bank} ({entry.synth})"
            raise InputError(f"{path.parent} is a file, where {bank} is to be; move it, or choose another folder.")
        known = lines.entries.get(entry.file)
        if known is None or known.sound is None:  # what failed left no file
            if path.exists():
                raise InputError(f"{path} is there and isn't named in {lines.path}; move it, or choose another folder.")
        elif (known.synth, known.bank) != (entry.synth, entry.bank):
            raise InputError(f"{path} is a sound of the bank {known.bank} ({known.synth}); choose another folder.")
        elif known.preset != entry.preset and known.source not in made.sources and _apart(known.source, entry.source):
            raise InputError(
                f"{path} is a sound of {known.source}, which {entry.source} would replace; choose another folder."
            )


def _apart(known: str, source: str) -> bool:
    """Whether banks of one name are two files that are both there: one that was edited has its path still, and one that
    was moved is no more at the old one."""
    try:
        return bool(source) and not Path(known).samefile(source)
    except OSError:
        return False


@dataclass(frozen=True)
class Survey:
    """What a plan would do to a folder: ``synthmatch render --dry-run``.

    Args:
        folder: that of the files.
        missing: the files that would be made.
        kept: those that are there already.
        failed_before: those that couldn't be made in an earlier run, and wouldn't be tried again.
    """

    folder: Path
    missing: tuple[Entry, ...]
    kept: tuple[Entry, ...]
    failed_before: tuple[Entry, ...]

    def lines(self) -> list[str]:
        """The files that would be made, and how many there are."""
        kept = f"; {len(self.kept)} are done" if self.kept else ""
        count = len(self.failed_before)
        failed = f"; {count} failed in an earlier run, not to be tried again" if count else ""
        return [*(entry.file for entry in self.missing), f"{len(self.missing)} to make in {self.folder}{kept}{failed}."]

    def to_json(self) -> dict[str, object]:
        """The same as what ``json`` takes."""
        told = ("file", "name", "bank", "synth", "family", "preset", "source", "slot")
        return {
            "folder": str(self.folder),
            "missing": [{key: getattr(entry, key) for key in told} for entry in self.missing],
            "kept": [entry.file for entry in self.kept],
            "failed_before": [entry.file for entry in self.failed_before],
        }


def survey(bank: PresetBank, plan: RenderPlan, out: Path) -> Survey:
    """Which files a plan would make of a bank in a folder; nothing is written.

    Raises:
        InputError: the folder is a file, its manifest isn't ours, or files of others are in the way.
        AudioError, PresetError, SynthError, PluginMissing: as ``render_bank`` would.
    """
    plan.check()
    require_place(out, folder=True)
    lines = Manifest(out / NAME)
    made = outline(bank, plan, folders=lines.folders())
    refuse_what_is_in_the_way(out, made, lines)
    missing: list[Entry] = []
    kept: list[Entry] = []
    failed: list[Entry] = []
    for target in made.targets:
        known = made_before(target, out, lines, plan.retry)
        (missing if known is None else failed if known.sound is None else kept).append(target.entry)
    return Survey(out, tuple(missing), tuple(kept), tuple(failed))


def _rows(bank: PresetBank, known: Mapping[str, Synth]) -> dict[str, Synth]:
    rows: dict[str, Synth] = {}
    for synth in sorted({preset.synth for preset in bank}):
        if synth not in known:
            raise SynthError(unknown(synth, known))
        rows[synth] = known[synth]
    return rows


def _entry(preset: Preset, file: str, source_hash: str, renderer: str, job: RenderJob, plan: RenderPlan) -> Entry:
    return Entry(
        file=file,
        preset=preset.id,
        name=preset.name,
        bank=preset.bank,
        synth=preset.synth,
        source=str(preset.file.absolute()) if source_hash else "",
        source_hash=source_hash,
        slot=preset.slot,
        family=preset.family,
        label_source=preset.label_source,
        performance=plan.performance,
        settings=job.settings,
        renderer=renderer,
        job=job.key,
        normalise=plan.normalise,
    )


def _names(bank: PresetBank, folders: Mapping[tuple[str, str], str]) -> Iterator[str]:
    """A path without suffix per preset. It doesn't depend on the plan, so another plan's files stand in for it.

    Args:
        folders: of banks that stay where they are.
    """
    places = {(preset.synth, preset.bank): "" for preset in bank}
    taken = {_folded(folder.rstrip("/")): 1 for folder in folders.values()}
    for key in places:
        if key in folders:
            places[key] = folders[key]
        elif len(places) > 1:
            places[key] = f"{_free('', key[1], taken)}/"
    taken = {}
    for preset in bank:
        yield _free(places[preset.synth, preset.bank], preset.name, taken)


def _free(folder: str, name: str, taken: dict[str, int]) -> str:
    """A name that neither a file taken so far nor its twin without effects has; both are taken from now on.

    Args:
        taken: names, and the last number that each was tried with: thousands of presets may be called Init.
    """
    stem = safe_name(name)
    while len(stem.encode()) > _LONGEST:
        stem = stem[:-1]
    plain = _folded(folder + stem)
    number = taken.get(plain, 0) + 1
    while True:
        path = f"{folder}{stem}" + (f" ({number})" if number > 1 else "")
        wanted = (_folded(path), _folded(path + _DRY))
        if not any(each in taken for each in wanted):
            taken |= dict.fromkeys(wanted, 1) | {plain: number}
            return path
        number += 1


def _folded(path: str) -> str:
    """What file systems that tell neither case nor the composition of letters apart make of a path."""
    return unicodedata.normalize("NFC", path.casefold())
