"""What is to be recorded, and what that will take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from synthmatch.errors import TrainingError
from synthmatch.training.recorded.notebank import LENGTH, SETTLE
from synthmatch.training.recorded.notebank import SECONDS as NOTE_SECONDS
from synthmatch.training.recorded.phrasebank import LENGTH as PHRASE_LENGTH
from synthmatch.training.recorded.phrasebank import SECONDS as PHRASE_SECONDS
from synthmatch.training.recorded.variants import Counts

FROZEN = ("amsynth", "zynaddsubfx")
"""The synths whose banks the frozen labels cover."""

SYNTHS = (*FROZEN, "faust", "soundfont", "dx7", "vital", "nekobi", "kars")
"""Synths that training can learn from, as far as they are installed."""

MADE_UP = 200
"""Random patches of a synth that has no bank."""


@dataclass(frozen=True)
class DataPlan:
    """What is to be recorded.

    Args:
        notes: of each preset and variant beside the reference notes.
        phrases: played live on each preset that has a family.
        phrase_sides: the sides of the split whose presets play phrases.
        variants: how many of each kind are tried per preset of the training side.
        variant_phrases: played live on each variant that is kept; at most ``phrases``.
        synths: whose presets; those that aren't installed are passed over.
        banks: further preset files and folders, of these synths.
        frozen_only: whether presets that the frozen labels don't know are left out, as the benchmark wants it.
        own_only: whether the banks that come with synths are left out.
        made_up: random patches of each synth that has no bank and can do but one thing (Nekobi, Kars).
        seed: of the variants and random patches.
    """

    notes: int = 6
    phrases: int = 0
    phrase_sides: tuple[str, ...] = ("train",)
    variants: Counts = field(default_factory=Counts)
    variant_phrases: int = 0
    synths: tuple[str, ...] = FROZEN
    banks: tuple[Path, ...] = ()
    frozen_only: bool = False
    own_only: bool = False
    made_up: int = MADE_UP
    seed: int = 0

    def __post_init__(self) -> None:
        """
        Raises:
            TrainingError: it asks for phrases that have no place to be kept.
        """
        if self.variant_phrases > self.phrases:
            raise TrainingError(
                f"{self.variant_phrases} phrases of each variant are kept beside {self.phrases} of each preset, and"
                " there can't be more of them; ask for as many of these."
            )
        if not self.phrases and set(self.phrase_sides) - {"train"}:
            raise TrainingError("Valid and test presets play as many phrases as the others do; say how many.")


@dataclass(frozen=True)
class Kind:
    """A kind of sound that is recorded.

    Args:
        seconds: rendered for one, with the silence before it.
        bytes: it takes on the disk.
    """

    seconds: float
    bytes: int


NOTE = Kind(NOTE_SECONDS + SETTLE, 2 * LENGTH)
PHRASE = Kind(PHRASE_SECONDS + 2.0, 2 * PHRASE_LENGTH)

_SPEED = {"amsynth": 150.0, "zynaddsubfx": 55.0, "faust": 50.0, "soundfont": 500.0}
"""Seconds of sound that one processor renders in a second."""
_OTHER_SPEED = 60.0


@dataclass(frozen=True)
class Estimate:
    """What recording something will take.

    Args:
        title: what it is.
        count: of presets or variants.
        seconds: of wall time.
        bytes: of disk.
    """

    title: str
    count: int
    seconds: float
    bytes: int

    def __str__(self) -> str:
        return f"{self.title}: {self.count}, about {self.seconds / 60:.0f} minutes and {self.bytes / 1e9:.1f} GB"


def estimate(title: str, wanted: Sequence[tuple[str, int]], kind: Kind, workers: int) -> Estimate:
    """What recording will take.

    Args:
        wanted: per preset, its synth and how many sounds it has.
        kind: of the sounds.
        workers: that render at once, each on a processor of its own.
    """
    seconds = sum(count * kind.seconds / _SPEED.get(synth, _OTHER_SPEED) for synth, count in wanted) / workers
    return Estimate(title, len(wanted), seconds, sum(count for _, count in wanted) * kind.bytes)
