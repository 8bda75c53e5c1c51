"""Gathers what training and the benchmark need: the installed banks, and their notes on disk."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from synthmatch.errors import TrainingError
from synthmatch.notes import Performance
from synthmatch.presets.bank import PresetBank
from synthmatch.presets.preset import Preset
from synthmatch.renderers.pool import RenderPool
from synthmatch.renderers.synths import bank_folders, installed
from synthmatch.training.notebank import NoteBank, plan
from synthmatch.training.split import Label, frozen

Progress = Callable[[int, int], None]

SYNTHS = ("amsynth", "zynaddsubfx")
"""The synths whose banks the frozen labels cover."""


@dataclass(frozen=True)
class Corpus:
    """Presets with frozen labels, and where their notes are recorded.

    Args:
        labels: of every preset whose notes are there, by state id.
        notes: reference notes and notes over the family's range, for training and as candidates.
        scales: every pitch of the family's range, of the presets that the benchmark asks for.
    """

    labels: dict[str, Label]
    notes: NoteBank
    scales: NoteBank

    def ids(self, side: str | None = None, family: str | None = None, stated: bool = False) -> list[str]:
        """Ids in order, of one side and family if named; ``stated`` leaves out labels from the sound."""
        return [
            key
            for key, label in self.labels.items()
            if (side is None or label.side == side)
            and (family is None or label.family == family)
            and (label.stated or not stated)
        ]


def installed_presets(synths: Sequence[str] = SYNTHS, known_only: bool = True) -> list[Preset]:
    """The listings of installed synths' banks; of those with frozen labels alone if ``known_only``.

    Raises:
        TrainingError: none of the synths is installed.
    """
    folders = [folder for row in installed() if row.id in synths for folder in bank_folders(row)]
    if not folders:
        raise TrainingError(
            f"None of {', '.join(synths)} is installed, whose banks the benchmark and the recipe use; "
            "install Debian's amsynth, zynaddsubfx-vst and zynaddsubfx-data."
        )
    return [preset for preset in PresetBank.read(*folders) if not known_only or preset.id in frozen()]


def gather(
    folder: Path,
    extra: int,
    workers: int | None = None,
    progress: Progress | None = None,
    for_benchmark: bool = True,
) -> Corpus:
    """Record what isn't recorded yet, and open it.

    Args:
        folder: where notes are kept; a stopped recording goes on there.
        extra: notes of each preset beside the reference notes.
        workers: host processes; one per processor if None.
        for_benchmark: whether the presets that the benchmark asks for are recorded on every pitch, too.
    """
    labels = frozen()
    # In order of the hash, slow synths and fast ones take turns, and shards hold some of each.
    states = {preset.id: preset.state for preset in sorted(installed_presets(), key=lambda preset: preset.id)}
    asked = {
        key: state
        for key, state in states.items()
        if for_benchmark and labels[key].side == "test" and labels[key].stated
    }
    notes, scales = NoteBank(folder / f"notes-{extra}"), NoteBank(folder / "scales")
    with RenderPool(workers) as pool:
        for bank, wanted, count in ((notes, states, extra), (scales, asked, None)):
            bank.record(wanted, _plans(wanted, labels, count), pool.render, progress)
    heard = {key: labels[key] for key in sorted(states) if key in notes}
    return Corpus(heard, notes, scales)


def _plans(ids: Iterable[str], labels: dict[str, Label], extra: int | None) -> dict[str, tuple[Performance, ...]]:
    return {key: plan(labels[key].family, key, extra) for key in ids}
