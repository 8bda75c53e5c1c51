"""What a report shows, as plain values: sounds, presets, matches, parts, and how they are put in words."""

from __future__ import annotations

from dataclasses import dataclass

from synthmatch.audio import Clip
from synthmatch.words import counted

WORDS_FOR_SCORE: tuple[tuple[float, str], ...] = (
    (0.9, "very close"),
    (0.85, "similar"),
    (0.75, "perhaps similar"),
    (-1.0, "loosely related"),
)
"""Cosine from which a match is called so, best first; ``bench/closeness.md`` says what each is worth."""

NOTHING_CLOSE = "Nothing close: these score lower than close presets nearly always do."
"""What is said of a part of which that is so (:attr:`~synthmatch.matching.results.FamilyMatches.nothing_close`)."""

WORDS_FOR_PRESENCE: tuple[tuple[float, str], ...] = (
    (0.9, "clearly there"),
    (0.6, "probably there"),
    (0.3, "perhaps there"),
    (0.0, "hardly there"),
)
"""Presence, 0 to 1, from which a part is called so."""

_ORDINALS = {1: "first", 2: "second", 3: "third"}


@dataclass(frozen=True)
class Sound:
    """A player and a picture.

    Args:
        clip: what is heard; brought to the level of all the others before it is embedded.
        caption: what the player is called for people who can't see the page.
        matched: whether its loudness is that of the others already.
    """

    clip: Clip
    caption: str
    matched: bool = False


@dataclass(frozen=True)
class PresetCard:
    """A preset as the page shows it.

    Args:
        name, synth, bank: as people know them.
        sound: None when it could not be rendered; ``note`` then says why.
        file: where its file lies, or "".
        note: a sentence to add, or "".
    """

    name: str
    synth: str
    bank: str
    sound: Sound | None
    file: str = ""
    note: str = ""


@dataclass(frozen=True)
class MatchCard:
    """A preset that was found.

    Args:
        rank: 1 for the closest.
        score: cosine, -1 to 1.
        correct: whether it is the truth; None where no truth is known.
    """

    rank: int
    score: float
    preset: PresetCard
    correct: bool | None = None


@dataclass(frozen=True)
class FamilySection:
    """One part of a passage and its matches.

    Args:
        title: the family's English name.
        matches: closest first.
        presence: the encoder's belief, 0 to 1, that the part is there; None where it was given.
        truth: the preset that plays the part, where it is known.
        true_rank: the truth's place among all candidates, from 1; None where unknown.
        candidates: how many presets were searched; 0 where unknown.
        note: a sentence about what its presets play, or "".
        where: where the part is heard best, in words, or "".
    """

    title: str
    matches: tuple[MatchCard, ...]
    presence: float | None = None
    truth: PresetCard | None = None
    true_rank: int | None = None
    candidates: int = 0
    note: str = ""
    where: str = ""

    @property
    def found(self) -> int | None:
        """The shown rank of the match that is the truth, or None."""
        return next((match.rank for match in self.matches if match.correct), None)


@dataclass(frozen=True)
class Passage:
    """A mixture, or a stretch of a song, and its parts."""

    title: str
    sound: Sound
    sections: tuple[FamilySection, ...]


@dataclass(frozen=True)
class Page:
    """Everything on the page, as plain text.

    Args:
        intro: a few sentences; line breaks are kept.
        footer: (what, value) pairs, such as the hash of the model.
    """

    title: str
    intro: str
    passages: tuple[Passage, ...]
    footer: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Tally:
    """How many parts with a known truth were found, over any number of sections."""

    parts: int
    first: int
    shown: int
    depth: int

    @classmethod
    def of(cls, *passages: Passage) -> Tally:
        """Count the sections whose truth is known; ``depth`` is the most matches that one of them shows."""
        sections = [each for passage in passages for each in passage.sections if each.truth is not None]
        ranks = [section.found for section in sections]
        depth = max((len(section.matches) for section in sections), default=0)
        return cls(len(sections), ranks.count(1), sum(rank is not None for rank in ranks), depth)

    def __str__(self) -> str:
        shown = f"{self.shown} among the first {_count(self.depth)}"
        return f"{self.first} of {counted(self.parts, 'part')} found first, {shown}"


def describe(value: float, words: tuple[tuple[float, str], ...] = WORDS_FOR_SCORE) -> str:
    """A number in plain words: the first row of ``words`` that it reaches, else the last."""
    return next((word for least, word in words if value >= least), words[-1][1])


def outcome(section: FamilySection) -> str:
    """One sentence on whether the truth was found; "" where no truth is known."""
    if section.truth is None:
        return ""
    if section.found is not None:
        return f"Found {_ORDINALS.get(section.found, f'in place {section.found}')}"
    among = f" of {section.candidates:,}" if section.candidates else ""
    if section.true_rank is not None:
        return f"Missed: the true preset came in place {section.true_rank:,}{among}"
    return f"Missed: the true preset is not among the first {_count(len(section.matches))}"


def _count(number: int) -> str:
    return {2: "two", 3: "three", 4: "four", 5: "five"}.get(number, str(number))
