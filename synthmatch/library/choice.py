"""Which presets are meant: by synth, bank, family, tag, and words of their names."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from synthmatch.errors import LibraryError
from synthmatch.library.listing import Listing
from synthmatch.presets.preset import Preset

if TYPE_CHECKING:
    from synthmatch.library.library import Library


@dataclass(frozen=True)
class Choice:
    """A choice among presets, or listings of a library; letters' case doesn't matter, and a hyphen is a blank.

    Args:
        synths: ids; one of them.
        banks: whole names; one of them.
        families: one of them is the preset's label.
        tags: all of them are among the preset's own tags or, in a library, what its sound is described by.
        words: all of them stand somewhere in its name.
    """

    synths: tuple[str, ...] = ()
    banks: tuple[str, ...] = ()
    families: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    words: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        """Whether anything is chosen at all: an empty choice takes everything."""
        return any((self.synths, self.banks, self.families, self.tags, self.words))

    def takes(self, preset: Listing | Preset) -> bool:
        """Whether a preset is meant."""
        tags = set(map(plain, (*preset.tags, *(preset.descriptors if isinstance(preset, Listing) else ()))))
        name = plain(preset.name)
        return (
            self.takes_synth(preset.synth)
            and _any(preset.bank, self.banks)
            and _any(preset.family, self.families)
            and all(plain(tag) in tags for tag in self.tags)
            and all(plain(word) in name for word in self.words)
        )

    def takes_synth(self, synth: str) -> bool:
        """Whether presets of a synth may be meant."""
        return _any(synth, self.synths)

    def __str__(self) -> str:
        groups = (
            ("synth", self.synths),
            ("bank", self.banks),
            ("family", self.families),
            ("tag", self.tags),
            ("word", self.words),
        )
        joins = {"tag": " and ", "word": " and "}
        return ", ".join(f"{kind} {joins.get(kind, ' or ').join(names)}" for kind, names in groups if names)


def nothing_fits(library: Library, choice: Choice, name: str = "") -> LibraryError:
    """What is raised where no preset of a library fits a choice: what was chosen, and what to do.

    Args:
        name: the bank, the synth or the preset in which it was looked for, if not in all.
    """
    remedy = "`synthmatch library list` shows what there is"
    if choice.tags and library.rows.unmeasured():
        remedy = "not all of its sounds are described yet: run `synthmatch library update` with its own encoder"
    where = f" of {name}" if name else ""
    return LibraryError(f"The library {library.path} holds no preset{where} that fits ({choice}); {remedy}.")


EVERYTHING = Choice()
"""The choice that takes every preset."""


def plain(text: str) -> str:
    """A name as it is compared: letters' case doesn't matter, a hyphen is a blank, and several blanks are one."""
    return " ".join(text.casefold().replace("-", " ").split())


def _any(value: str, names: Iterable[str]) -> bool:
    names = tuple(map(plain, names))
    return not names or plain(value) in names
