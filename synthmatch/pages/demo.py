"""Seven mixtures, taken apart: per part the preset that plays and the presets that came closest.

The mixtures are those of the benchmark: three parts each, played by presets on the test side of the split, without
those that the encoder says it learnt from. What plays is drawn with a fixed seed, and what goes wrong is shown.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from synthmatch.audio import Clip, Samples
from synthmatch.errors import LibraryError, RenderError
from synthmatch.library.library import Library
from synthmatch.library.listing import READY, Listing
from synthmatch.matching.listening import Query
from synthmatch.matching.matcher import Matcher
from synthmatch.matching.results import Match, MatchResult
from synthmatch.notes import Performance
from synthmatch.pages import report
from synthmatch.pages.cards import FamilySection, MatchCard, Page, Passage, PresetCard, Sound, Tally, describe, outcome
from synthmatch.presets.catalogue import synths
from synthmatch.presets.families import FAMILIES
from synthmatch.renderers.pool import Pool, RenderPool
from synthmatch.renderers.renderer import RenderJob, RenderResult, RenderSettings
from synthmatch.training.mixing.mixtures import FADE, mix_stems
from synthmatch.training.parts import compose
from synthmatch.training.split import frozen, side_of
from synthmatch.words import counted, printable

CORE = ("percussion", "bass", "lead")
MIXTURES = 7
SEED = 2025
SHOWN = 3
"""Matches on the page per part."""

_SECONDS = 10.0
_RATE = 44_100
_STATED = frozenset({"field", "name", "folder"})

_INTRO = """\
Each mixture holds three presets that the encoder never heard while it learned, playing notes made by rule. \
synthmatch hears nothing but the mixture. For each part: the preset that plays, which is the truth, and \
the three presets of the library that came closest, all on the same notes.
Which presets play was drawn by lot, and every result is shown, the wrong ones too."""

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class DemoPart:
    """What came of one part of one mixture.

    Args:
        mixture: from 1.
        family: its key.
        truth: name of the preset that plays.
        matches: the closest, best first.
        verdict: one sentence: found, or missed.
    """

    mixture: int
    family: str
    truth: str
    matches: tuple[Match, ...]
    verdict: str

    def __str__(self) -> str:
        lines = [f"Mixture {self.mixture}, {self.family}: {printable(self.truth)}. {self.verdict}."]
        lines += [
            f"  {match.rank}  {match.score:.2f} {describe(match.score)}  {printable(match.preset.name)}  "
            f"({match.preset.synth}, {printable(match.preset.bank)})"
            for match in self.matches
        ]
        return "\n".join(lines)


@dataclass(frozen=True)
class DemoSummary:
    """What came of the demonstration; printed, it is what the page says in words."""

    path: Path
    tally: Tally
    parts: tuple[DemoPart, ...]

    def __str__(self) -> str:
        return "\n".join([*map(str, self.parts), f"{self.tally}."])


@dataclass(frozen=True, eq=False)
class Mixture:
    """Who plays what: listings and notes by family; ``number`` counts from 1."""

    number: int
    players: dict[str, Listing]
    parts: dict[str, Performance]


Matched = Callable[[Mixture, MatchResult], None]


def run_demo(
    library: Library,
    matcher: Matcher,
    out: Path,
    seed: int = SEED,
    mixtures: int = MIXTURES,
    pool: Pool | None = None,
    progress: Progress | None = None,
    matched: Matched | None = None,
    heard: Collection[str] = (),
) -> DemoSummary:
    """Make mixtures of a library's test presets, match them against the whole library, and write the page.

    Args:
        matcher: of that library.
        out: the page's file.
        seed: decides presets and notes; the same library and seed give the same mixtures.
        pool: where presets are rendered; one of its own if None.
        progress: called with (done, total) presets rendered: the parts of each mixture, then all matches.
        matched: called with each mixture as soon as its matches are known; sounds and page come later.
        heard: ids of presets that the encoder learnt from, which don't play.

    Raises:
        LibraryError: the library holds no test preset of one of the families.
        RenderError: all three presets of a mixture made no sound.
    """
    if pool is None:
        with RenderPool() as own:
            return run_demo(library, matcher, out, seed, mixtures, own, progress, matched, heard)
    drawn = draw(library, seed, mixtures, heard)
    stage = Stage(library, pool, progress)
    mixed: list[Clip] = []
    found: list[MatchResult] = []
    for each in drawn:  # one after the other: whoever waits sees the first matches soon
        stage.play((listing, each.parts[family]) for family, listing in each.players.items())
        mixed.append(_mix(each, stage))
        query = Query(mixed[-1], families=CORE, name=f"Mixture {each.number}")
        found.append(matcher.match(query, k=len(library)))
        if matched:
            matched(each, found[-1])
    stage.play(
        (match.preset, each.parts[family])
        for each, result in zip(drawn, found, strict=True)
        for family in CORE
        for match in result.family(family).matches[:SHOWN]
    )
    passages = tuple(
        Passage(
            f"Mixture {each.number}",
            Sound(clip, f"Mixture {each.number}"),
            tuple(_section(each, family, result, stage) for family in CORE),
        )
        for each, clip, result in zip(drawn, mixed, found, strict=True)
    )
    report.write(out, Page(_title(mixtures), _INTRO, passages, _footer(found, seed, mixtures)))
    parts = tuple(
        _part(each, family, result, section)
        for each, result, passage in zip(drawn, found, passages, strict=True)
        for family, section in zip(CORE, passage.sections, strict=True)
    )
    return DemoSummary(out, Tally.of(*passages), parts)


def draw(library: Library, seed: int = SEED, mixtures: int = MIXTURES, heard: Collection[str] = ()) -> list[Mixture]:
    """Draw who plays: of each family the test presets that a person labelled, none twice before all have played.

    Raises:
        LibraryError: a family has none.
    """
    orders = {
        family: _shuffled(_test_presets(library, family, heard), (seed, place)) for place, family in enumerate(CORE)
    }
    return [
        Mixture(
            number + 1,
            {family: order[number % len(order)] for family, order in orders.items()},
            {
                family: _whole(part)
                for family, part in compose(np.random.default_rng((seed, number)), CORE, _SECONDS).items()
            },
        )
        for number in range(mixtures)
    ]


def _test_presets(library: Library, family: str, heard: Collection[str]) -> list[Listing]:
    """One listing per state, sorted by id, so that the order in which banks were added doesn't matter."""
    labels = frozen()
    found: dict[str, Listing] = {}
    for listing in library.presets():
        known = labels.get(listing.id)
        label = (known.family, known.stated) if known else (listing.family, listing.label_source in _STATED)
        test = side_of(listing.id) == "test" and listing.id not in heard  # of a synth that was learnt, each was
        if listing.status == READY and label == (family, True) and test:
            found.setdefault(listing.id, listing)
    if not found:
        raise LibraryError(
            f"The library {library.path} holds no test preset of the family {family};"
            " add a synth's banks with `synthmatch library add`."
        )
    return [found[key] for key in sorted(found)]


def _shuffled(listings: Sequence[Listing], seed: tuple[int, int]) -> list[Listing]:
    return [listings[place] for place in np.random.default_rng(seed).permutation(len(listings))]


def _whole(part: Performance) -> Performance:
    """The part, with a tail up to the mixture's end."""
    return replace(part, tail=max(0.0, _SECONDS - max(note.end for note in part.notes)))


class Stage:
    """Presets of a library playing parts: each pair is rendered once, however often it is asked for."""

    def __init__(self, library: Library, pool: Pool, progress: Progress | None) -> None:
        self._library = library
        self._pool = pool
        self._progress = progress
        self._results: dict[str, tuple[Samples | None, str]] = {}

    def play(self, pairs: Iterable[tuple[Listing, Performance]]) -> None:
        """Render what wasn't rendered before."""
        jobs = {job.key: job for job in (self._job(*pair) for pair in pairs)}
        wanted = [job for key, job in jobs.items() if key not in self._results]
        for done, result in enumerate(self._pool.render(wanted), 1):
            self._results[result.job.key] = _stem(result)
            if self._progress is not None:
                self._progress(done, len(wanted))

    def heard(self, listing: Listing, part: Performance) -> tuple[Samples | None, str]:
        """The sound, shape (n,) of the mixture's length, or None and the reason."""
        return self._results[self._job(listing, part).key]

    def candidates(self, family: str) -> int:
        """How many sounds the library searches for a family."""
        return len({each.id for each in self._library.presets() if each.status == READY and family in each.families})

    def card(self, listing: Listing, part: Performance, caption: str, note: str = "") -> PresetCard:
        """A preset's card, with its sound on that part."""
        samples, reason = self.heard(listing, part)
        sound = None if samples is None else Sound(Clip(samples[None], _RATE), f"{caption}, {listing.name}")
        synth = synths()[listing.synth].title if listing.synth in synths() else listing.synth
        note = " · ".join(filter(None, (note, listing.note)))
        return PresetCard(listing.name, synth, listing.bank, sound, note=reason or note)

    def _job(self, listing: Listing, part: Performance) -> RenderJob:
        state = self._library.preset(listing).state
        return RenderJob(state, (part,), RenderSettings(sample_rate=_RATE))


def _stem(result: RenderResult) -> tuple[Samples | None, str]:
    """Mono, cut or filled up to the mixture's length, with a fade where it is cut."""
    if not result.ok:
        return None, result.reason
    out = np.zeros(round(_SECONDS * _RATE), dtype=np.float32)
    sound = result.clips[0].mono()[: len(out)]
    out[: len(sound)] = sound
    fade = round(FADE * _RATE)
    out[-fade:] *= np.linspace(1, 0, fade, dtype=np.float32)
    return out, ""


def _mix(mixture: Mixture, stage: Stage) -> Clip:
    heard = {family: stage.heard(listing, mixture.parts[family]) for family, listing in mixture.players.items()}
    stems = {family: samples for family, (samples, _) in heard.items() if samples is not None}
    if not stems:
        raise RenderError(f"No part of mixture {mixture.number} made a sound: {heard[CORE[0]][1]}")
    return Clip(mix_stems(stems)[None], _RATE)


def _section(mixture: Mixture, family: str, result: MatchResult, stage: Stage) -> FamilySection:
    title, part, truth = FAMILIES[family].title, mixture.parts[family], mixture.players[family]
    found = result.family(family)
    where = f"Mixture {mixture.number}, {title}"
    matches = tuple(
        MatchCard(
            match.rank,
            match.score,
            stage.card(match.preset, part, f"{where}, match {match.rank}", _twin_note(match.preset, truth)),
            match.preset.id == truth.id,
        )
        for match in found.matches[:SHOWN]
    )
    return FamilySection(
        title,
        matches,
        presence=found.presence,
        truth=stage.card(truth, part, f"{where}, the truth"),
        true_rank=next((match.rank for match in found if match.preset.id == truth.id), None),
        candidates=stage.candidates(family),
    )


def _twin_note(match: Listing, truth: Listing) -> str:
    """What a listener should know about a match that isn't the truth, but can't be told from it."""
    first, second = frozen().get(match.id), frozen().get(truth.id)
    alike = match.id != truth.id and first and second and first.cluster == second.cluster
    return "Counts as a miss, yet sounds practically like the truth." if alike else ""


def _part(mixture: Mixture, family: str, result: MatchResult, section: FamilySection) -> DemoPart:
    shown = result.family(family).matches[:SHOWN]
    return DemoPart(mixture.number, family, mixture.players[family].name, shown, outcome(section))


def _title(mixtures: int) -> str:
    return f"{'Seven mixtures' if mixtures == MIXTURES else counted(mixtures, 'mixture')}, taken apart"


def _footer(heard: Sequence[MatchResult], seed: int, mixtures: int) -> tuple[tuple[str, str], ...]:
    first = heard[0]
    # With these two, whose places on a disk say nothing elsewhere, the same command makes the same page.
    plain = f"synthmatch demo --seed {seed}"
    command = plain if mixtures == MIXTURES else f"synthmatch demo --seed {seed} --mixtures {mixtures}"
    return (("Encoder", first.model), ("Library", first.library), ("Made by", command))
