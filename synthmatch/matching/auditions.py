"""The presets that were found, playing the song's own notes, as loud as one another."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from synthmatch import audio
from synthmatch.audio import Clip
from synthmatch.errors import LibraryError
from synthmatch.library.library import Library
from synthmatch.matching.listening import Query
from synthmatch.matching.matcher import Matcher
from synthmatch.matching.parts import LONGEST, Estimate, Part, Score, parts_of
from synthmatch.matching.rerank import rerank
from synthmatch.matching.results import Match, MatchResult
from synthmatch.midi import write_midi
from synthmatch.notes import Performance
from synthmatch.renderers.pool import Pool, RenderPool
from synthmatch.renderers.renderer import RenderJob, RenderResult, RenderSettings
from synthmatch.sound import loudness
from synthmatch.sound.levels import levelled

LOUDNESS = -20.0
"""LUFS that previews are brought to, unless their peaks don't allow it."""

RATE = 44_100

_PEAK = 0.98  # of full scale, that a preview may reach
_TIMEOUT = 60.0  # seconds that one preset may take

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Audition:
    """How one preset sounds on its part's notes.

    Args:
        clip: of the passage's length, at one loudness with all others; None where there is none.
        reason: why there is none, in one sentence, or "".
    """

    clip: Clip | None
    reason: str = ""


@dataclass(frozen=True, eq=False)
class Auditions:
    """How the matches of a song sound on its notes.

    Args:
        parts: what each family plays in the result's ``MatchResult.stretch`` of ``LONGEST``.
        played: by the family's key and the preset's id.
    """

    parts: Mapping[str, Part]
    played: Mapping[tuple[str, str], Audition]

    def of(self, family: str, match: Match) -> Audition:
        """How a match sounds; one that wasn't asked for has no sound and no reason."""
        return self.played.get((family, match.preset.id), Audition(None))

    def writer(self, form: str) -> Callable[[str, Match, Path], list[Path]]:
        """What writes a match's sound into its exported folder, as :func:`synthmatch.matching.results.export` wants it.

        Args:
            form: "flac" or "wav".
        """

        def write(family: str, match: Match, folder: Path) -> list[Path]:
            clip = self.of(family, match).clip
            notes = self.parts[family].notes if family in self.parts else None
            if clip is None or notes is None:
                return []
            sound, keys = folder / f"phrase.{form}", folder / "phrase.mid"
            audio.write(sound, clip)
            write_midi(keys, notes)
            return [sound, keys]

        return write

    @property
    def silences(self) -> list[str]:
        """Why families play nothing, a sentence each, none twice."""
        return list(dict.fromkeys(each.origin for each in self.parts.values() if each.notes is None))

    @property
    def failures(self) -> list[str]:
        """Why presets have no sound, a sentence each, none twice."""
        return list(dict.fromkeys(each.reason for each in self.played.values() if each.reason))


def match_and_play(
    matcher: Matcher,
    query: Query,
    k: int = 5,
    single: bool = False,
    score: Score | None = None,
    first: int = 0,
    estimate: Estimate | None = None,
    pool: Pool | None = None,
    progress: Progress | None = None,
) -> tuple[MatchResult, Auditions]:
    """Find the closest presets and let them play the song's notes: of a long passage, of the stretch in which most
    of what was found is heard.

    Args:
        k, single: see :meth:`synthmatch.matching.matcher.Matcher.match`.
        score: notes that the user gives; what it doesn't have is estimated.
        first: how many of each family are compared inside the mixture and put in a better order; 0 for none.
        estimate: see :func:`synthmatch.matching.parts.parts_of`.
        pool, progress: see :func:`audition`.

    Raises:
        AudioError, InputError: as matching does.
    """
    result = matcher.match(query, k=max(k, first), single=single)
    start, end = result.stretch(LONGEST)
    passage = query.between(start, end)
    parts = parts_of(passage, start, [found.family for found in result], score, estimate)
    auditions = audition(matcher.library, result, parts, pool, progress)
    if first:
        sounds = {key: each.clip for key, each in auditions.played.items()}
        result = rerank(result, passage, sounds, first).first(k)
    return result, auditions


def audition(
    library: Library,
    result: MatchResult,
    parts: Mapping[str, Part],
    pool: Pool | None = None,
    progress: Progress | None = None,
) -> Auditions:
    """Render every match of a result on its family's notes, several at a time.

    A preset that can't be rendered costs its own sound alone; of a family whose notes nobody knows, nothing is.

    Args:
        parts: by family, from :func:`synthmatch.matching.parts.parts_of`.
        pool: where it is rendered; one of its own if None.
        progress: called with (done, all) presets rendered.
    """
    if pool is None:
        with RenderPool(timeout=_TIMEOUT) as own:
            return audition(library, result, parts, own, progress)
    heard = auditioned(library, result, parts, pool, progress)
    return Auditions(parts, {(family, match.preset.id): each for family, match, each in heard})


def auditioned(
    library: Library,
    result: MatchResult,
    parts: Mapping[str, Part],
    pool: Pool,
    progress: Progress | None = None,
) -> Iterator[tuple[str, Match, Audition]]:
    """As :func:`audition`, but each match of a family as soon as it has been heard, and none of them kept."""
    jobs: dict[str, RenderJob] = {}
    waiting: dict[str, list[tuple[str, Match]]] = {}
    for family, match, notes in _asked(result, parts):
        try:
            job = RenderJob(library.preset(match.preset).state, (notes,), RenderSettings(sample_rate=RATE))
        except LibraryError as error:
            yield family, match, Audition(None, str(error))
            continue
        jobs[job.key] = job
        waiting.setdefault(job.key, []).append((family, match))
    for done, rendered in enumerate(pool.render(jobs.values()), 1):
        heard = _heard(rendered)
        for family, match in waiting[rendered.job.key]:
            yield family, match, heard
        if progress is not None:
            progress(done, len(jobs))


def at_one_loudness(clip: Clip) -> Clip:
    """The same sound at ``LOUDNESS``, or as near as its peaks allow; by its level alone where loudness can't be
    measured, for want of pyloudnorm or for too many channels."""
    if clip.peak == 0:
        return clip
    if not loudness.is_installed() or clip.samples.shape[0] > loudness.CHANNELS:
        return levelled(clip)
    return clip.scaled(min(loudness.gain_to(clip, LOUDNESS), _PEAK / clip.peak))


def _asked(result: MatchResult, parts: Mapping[str, Part]) -> Iterator[tuple[str, Match, Performance]]:
    for found in result:
        notes = parts[found.family].notes if found.family in parts else None
        if notes is not None:
            yield from ((found.family, match, notes) for match in found)


def _heard(rendered: RenderResult) -> Audition:
    if not rendered.ok:
        return Audition(None, rendered.reason)
    return Audition(at_one_loudness(rendered.clips[0]))
