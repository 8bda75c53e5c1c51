"""What was recorded, opened: presets and variants with their labels, notes and phrases, and drum kits."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from synthmatch.errors import TrainingError
from synthmatch.training.recorded.clusters import read_presets
from synthmatch.training.recorded.kits import FOLDER as KITS
from synthmatch.training.recorded.notebank import NoteBank
from synthmatch.training.recorded.phrasebank import PhraseBank
from synthmatch.training.recorded.variants import placed, read_variants
from synthmatch.training.split import Label, frozen

VARIANTS = "variants.jsonl"
"""In a folder of notes, what is known of the variants in it."""


@dataclass(frozen=True)
class Corpus:
    """Presets with labels, and where their sound is recorded.

    Args:
        labels: of every preset and variant whose notes are there, by id.
        notes: reference notes and notes over the family's range, for training and as candidates.
        scales: every pitch of the family's range, of the presets that the benchmark asks for.
        phrases: what was played live; None where nothing was.
        parents: of each variant, the ids of the presets that it was made of.
        kits: drum kits that songs may be beaten on; None, or an empty bank, where none were recorded.
    """

    labels: dict[str, Label]
    notes: NoteBank
    scales: NoteBank
    phrases: PhraseBank | None = None
    parents: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    kits: NoteBank | None = None

    @property
    def clusters(self) -> dict[str, str]:
        """The near-duplicates' cluster of each preset and variant."""
        return {key: label.cluster for key, label in self.labels.items()}

    @property
    def notice(self) -> str:
        """A sentence if phrases are wanted and there are none, or nothing."""
        if self.phrases is None or any(key in self.phrases for key in self.labels):
            return ""
        return f"{self.phrases.folder} holds no phrases of these presets: all is put together from single notes."

    def ids(self, side: str | None = None, family: str | None = None, stated: bool = False) -> list[str]:
        """Ids in order, of one side and family if named; ``stated`` leaves out labels from the sound."""
        return [
            key
            for key, label in self.labels.items()
            if (side is None or label.side == side)
            and (family is None or label.family == family)
            and (label.stated or not stated)
        ]

    def of(self, synths: Collection[str]) -> Corpus:
        """What there is of some synths, variants included; of all if none is named."""
        if not synths:
            return self
        labels = {key: label for key, label in self.labels.items() if label.synth in synths}
        return replace(self, labels=labels, parents={key: ids for key, ids in self.parents.items() if key in labels})

    def players(self, family: str) -> list[str]:
        """The presets of the training side of which a person said the family, and the variants of nothing else."""

        def named(key: str) -> bool:
            label = self.labels.get(key)  # a parent that made no sound has none
            return label is not None and label.stated and label.family == family

        return [key for key in self.ids("train", family) if all(map(named, self.parents.get(key) or (key,)))]


def open_corpus(folder: Path, notes: int, phrases: int = 0) -> Corpus:
    """Everything that was ever recorded in a folder, without recording or reading a bank; but for variants of presets,
    or near presets, that have left the training side since.

    Args:
        notes: of each preset beside the reference notes.
        phrases: of each preset; 0 for none.

    Raises:
        TrainingError: there are no such recordings, or a journal is damaged.
    """
    bank = NoteBank(folder / f"notes-{notes}")
    if not bank.recorded:
        raise TrainingError(f"{bank.folder} holds no recorded notes; record some with synthmatch.training.record.")
    labels = frozen() | read_presets(bank.folder)
    variants = placed(read_variants(bank.folder / VARIANTS), labels)
    labels |= {key: row.label for key, row in variants.items()}
    heard = {key: labels[key] for key in sorted(labels) if key in bank}
    played = PhraseBank(folder / f"phrases-{phrases}") if phrases else None
    parents = {key: row.parents for key, row in variants.items() if key in heard}
    return Corpus(heard, bank, NoteBank(folder / "scales"), played, parents, NoteBank(folder / KITS))
