"""Whether the sounds of a bank can be trusted: what failed, what is there twice, what never sounds the same.

The report with which ``library add`` and ``render`` end; ``census`` finds out what stands in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from synthmatch.presets.bank import Fault
from synthmatch.renderers.renderer import Failure
from synthmatch.words import counted

_SHOWN = 5  # groups, failures and faults that the text names; JSON has all
_Section = tuple[str, list[str]]  # a line, and what is named below it


@dataclass(frozen=True)
class Named:
    """A preset as a report names it."""

    id: str
    name: str
    synth: str
    bank: str

    def __str__(self) -> str:
        return f"{self.name} ({self.bank})" if self.bank else self.name


@dataclass(frozen=True)
class FailedPreset:
    """A listing whose state made no usable sound: how (a value of ``Failure``), and why in one sentence."""

    id: str
    name: str
    synth: str
    bank: str
    failure: str
    reason: str


@dataclass(frozen=True)
class Repeats:
    """How a bank's presets sounded when they were rendered a second time.

    Args:
        tried: presets rendered twice.
        exact: those whose samples were the same.
        spread: the largest distance between the two renders, in dB (``soundprint.distance``).
    """

    synth: str
    bank: str
    tried: int
    exact: int
    spread: float

    def __str__(self) -> str:
        return f"{self.synth}, {self.bank}: {self.tried - self.exact} of {self.tried}, up to {self.spread:.1f} dB apart"


@dataclass(frozen=True)
class TrustReport:
    """What came of a bank.

    Args:
        presets: listings.
        sounds: different states.
        failures: listings that made no usable sound.
        faults: files and presets that couldn't be read.
        same: groups of presets with different parameters and the same sound.
        near: groups of presets that sound nearly like their first one, the groups above apart.
        plain: presets that sound as their synth does without any preset: perhaps they were never loaded, perhaps
            somebody saved it as it was.
        repeats: what rendering a sample a second time showed.
    """

    presets: int
    sounds: int
    failures: tuple[FailedPreset, ...] = ()
    faults: tuple[Fault, ...] = ()
    same: tuple[tuple[Named, ...], ...] = ()
    near: tuple[tuple[Named, ...], ...] = ()
    plain: tuple[Named, ...] = ()
    repeats: tuple[Repeats, ...] = ()

    def lines(self) -> list[str]:
        """The report as text, which names a few of each."""
        return [line for heading, sentences in self._sections() for line in (heading, *_indented(sentences))]

    @property
    def shortened(self) -> bool:
        """Whether the text names fewer than there are."""
        return any(len(sentences) > _SHOWN for _, sentences in self._sections())

    def to_json(self) -> dict[str, object]:
        """The report as what ``json`` takes."""
        return {
            "presets": self.presets,
            "sounds": self.sounds,
            "failures": [asdict(each) for each in self.failures],
            "unreadable": [{"file": str(each.file), "reason": each.reason} for each in self.faults],
            "same_sound": [[asdict(each) for each in group] for group in self.same],
            "nearly_the_same": [[asdict(each) for each in group] for group in self.near],
            "as_without_preset": [asdict(each) for each in self.plain],
            "repeats": [asdict(each) for each in self.repeats],
        }

    def _sections(self) -> list[_Section]:
        return [*self._failed(), *self._unread(), *self._alike(), *self._repeated()]

    def _failed(self) -> list[_Section]:
        sections = []
        for failure in Failure:
            found = [each for each in self.failures if each.failure == failure.value]
            if found:
                heading = f"{WORDS_FOR_FAILURE[failure]} ({counted(len(found), 'preset')}):"
                sections.append((heading, [f"{each.synth}, {each.bank}, {each.name}: {each.reason}" for each in found]))
        return sections

    def _unread(self) -> list[_Section]:
        if not self.faults:
            return []
        return [(f"Could not be read ({len(self.faults)}):", [each.reason for each in self.faults])]

    def _alike(self) -> list[_Section]:
        sections: list[_Section] = []
        listed = self.presets - self.sounds
        if listed:
            sections.append((f"Listed more than once, with the very same parameters: {counted(listed, 'preset')}.", []))
        if self.plain:
            heading = f"As the synth sounds without any preset ({counted(len(self.plain), 'preset')}):"
            sections.append((heading, [f"{each.synth}, {each}" for each in self.plain]))
        for groups, words in ((self.same, "The same sound"), (self.near, "Nearly the same sound")):
            if groups:
                heading = f"{words} ({counted(len(groups), 'group')} of presets):"
                sections.append((heading, list(map(some_of, groups))))
        return sections

    def _repeated(self) -> list[_Section]:
        tried, exact = sum(each.tried for each in self.repeats), sum(each.exact for each in self.repeats)
        if not tried:
            return []
        if tried == exact:
            return [(f"Rendered twice, {counted(tried, 'preset')} came out the same to the last sample.", [])]
        different = [str(each) for each in self.repeats if each.exact < each.tried]
        return [(f"Rendered twice, {exact} of {counted(tried, 'preset')} came out the same; not so:", different)]


WORDS_FOR_FAILURE = {
    Failure.CRASH: "Crashed the plugin",
    Failure.TIMEOUT: "Took too long",
    Failure.NOT_FINITE: "Sound that isn't finite",
    Failure.SILENT: "No sound",
    Failure.CLIPPED: "Little but clipping",
    Failure.NOT_LOADED: "Not taken by the plugin",
    Failure.REFUSED: "Refused",
    Failure.MISSING: "Not tried, since their synth can't be loaded",
}
"""How a report heads what failed in each way."""


def some_of(group: Sequence[object]) -> str:
    """The first few of a group by name, and how many more there are."""
    names = ", ".join(map(str, group[:_SHOWN]))
    return f"{names} and {len(group) - _SHOWN} more" if len(group) > _SHOWN else names


def _indented(sentences: Sequence[str]) -> list[str]:
    lines = [f"  {sentence}" for sentence in sentences[:_SHOWN]]
    left = len(sentences) - _SHOWN
    return [*lines, f"  and {left} more"] if left > 0 else lines
