"""The presets that training may know, of all synths, and the label of each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from synthmatch.errors import TrainingError
from synthmatch.files import expanded
from synthmatch.presets.bank import PresetBank
from synthmatch.presets.catalogue import Synth, synths
from synthmatch.presets.preset import Preset, State
from synthmatch.presets.randompatches import random_patches
from synthmatch.renderers.synths import bank_folders, installed
from synthmatch.training.recorded.dataplan import DataPlan
from synthmatch.training.recorded.drums import SOUNDFONT as BENCHMARK_KITS
from synthmatch.training.split import Label, frozen, side_of

MADE_UP_FAMILIES = {"nekobi": "bass", "kars": "pluck"}
"""The family of random patches, where the synth can do nothing else: a bass machine, and a plucked string."""

_KIT = "kit"
_OUTSIDE = "yoshimi"  # its banks are the check from outside: nothing of them may be learnt


@dataclass(frozen=True)
class Stock:
    """What there is to record.

    Args:
        states: of presets, by id, in order of the id.
        labels: of the same.
        kits: drum kits of SoundFonts by id, which are nobody's part in songs; those of the benchmark's SoundFont, which
            its songs are beaten on, aren't among them.
    """

    states: dict[str, State]
    labels: dict[str, Label]
    kits: dict[str, State]


def stock(plan: DataPlan) -> Stock:
    """The states of a plan's synths, and their labels.

    Presets that the frozen labels know have theirs. Others have a family if their bank or name tells, are a cluster
    of their own, and stand on the side that their hash says; those without a family are left out.

    Raises:
        TrainingError: a synth isn't known at all, or none is installed; or a bank holds nothing of the plan's.
    """
    unknown = set(plan.synths) - synths().keys()
    if unknown:
        raise TrainingError(f"There's no synth called {', '.join(sorted(unknown))}; see `synthmatch synth list`.")
    states: dict[str, State] = {}
    labels: dict[str, Label] = {}
    kits: dict[str, State] = {}
    known = frozen()
    for preset in _presets(plan):
        key = preset.id
        if preset.category == _KIT and preset.synth == "soundfont":
            if preset.file.name != BENCHMARK_KITS and not plan.frozen_only:
                kits[key] = preset.state
            continue
        if key in known:
            labels[key] = known[key]
        elif key not in labels and preset.family and not plan.frozen_only:
            labels[key] = Label(key, preset.synth, preset.family, preset.label_source, key, side_of(key))
        else:
            continue
        states[key] = preset.state
    if not states:
        raise TrainingError(
            f"There are no presets of {', '.join(plan.synths)} here; "
            "install Debian's amsynth, zynaddsubfx-vst and zynaddsubfx-data, or name banks."
        )
    # In order of the hash, slow synths and fast ones take turns, and shards hold some of each.
    return Stock(dict(sorted(states.items())), dict(sorted(labels.items())), dict(sorted(kits.items())))


def _presets(plan: DataPlan) -> Iterator[Preset]:
    rows = {row.id: row for row in installed() if row.id in plan.synths}
    folders = [folder for row in rows.values() if not plan.own_only for folder in bank_folders(row)]
    paths = (*folders, *plan.banks)
    seen: set[tuple[str, str, str]] = set()
    files: set[Path] = set()
    for preset in PresetBank.read(*paths) if paths else ():
        if _OUTSIDE in str(preset.file).lower():
            files.add(preset.file)  # passed over on purpose, as everybody is told
            continue
        if preset.synth not in rows:
            continue
        files.add(preset.file)
        if preset.synth == "soundfont" and _is_known(preset, seen):
            continue
        yield preset
    for row in rows.values():
        yield from _made_up(row, plan)
    read = {file.resolve() for file in files}
    for path in (expanded(each).resolve() for each in plan.banks):
        if not any(file == path or path in file.parents for file in read):
            raise TrainingError(
                f"{path} holds no presets of {', '.join(plan.synths)}, or that synth isn't installed; name the bank's"
                " own synths."
            )


def _is_known(preset: Preset, seen: set[tuple[str, str, str]]) -> bool:
    """Whether it was there before, in another compression."""
    place = (preset.bank, preset.name, preset.category)
    known = place in seen
    seen.add(place)
    return known


def _made_up(row: Synth, plan: DataPlan) -> Iterator[Preset]:
    family = MADE_UP_FAMILIES.get(row.id, "")
    if not family or not plan.made_up or plan.own_only:
        return
    for preset in random_patches(row, plan.made_up, plan.seed):
        yield Preset(preset.name, preset.state, preset.bank, slot=preset.slot, family=family, label_source="synth")
