"""What every renderer does, whatever hosts the synth, and what is asked of it."""

from __future__ import annotations

import enum
import json
from dataclasses import asdict, astuple, dataclass
from functools import cached_property, lru_cache
from types import TracebackType
from typing import Protocol, Self

from synthmatch.audio import Clip
from synthmatch.files import content_hash
from synthmatch.notes import REFERENCE_NOTES, Performance
from synthmatch.presets.catalogue import Isolation
from synthmatch.presets.preset import State


@dataclass(frozen=True)
class RenderSettings:
    """How to render, apart from what.

    Args:
        sample_rate: samples a second.
        block_size: samples a block; some synths sound slightly different with another one.
        settle: seconds of silence rendered before each performance and thrown away, so that nothing of
            the performance before is still ringing; what the synth needs if None.
        effects: whether the synth's own effects stay on.
    """

    sample_rate: int = 44_100
    block_size: int = 512
    settle: float | None = None
    effects: bool = True


@dataclass(frozen=True)
class RenderJob:
    """One state, loaded once, and played on each performance in turn."""

    state: State
    performances: tuple[Performance, ...] = REFERENCE_NOTES
    settings: RenderSettings = RenderSettings()

    @cached_property
    def key(self) -> str:
        """Hash of everything in the job. What a store keeps sound under is this and the renderer's
        fingerprint, since another build of the plugin may sound different."""
        played = _played(self.performances, self.settings.sample_rate)
        settings = json.dumps(asdict(self.settings), sort_keys=True)
        return content_hash(self.state.id.encode(), played.encode(), settings.encode())


@lru_cache(maxsize=16)  # the presets of a bank play the same, which may be a song's thousands of notes
def _played(performances: tuple[Performance, ...], sample_rate: int) -> str:
    """Performances as JSON: in seconds, and in the samples that come of them. Those have been others before, and sound
    that was made then isn't current."""
    strokes = [[astuple(stroke) for stroke in each.strokes(sample_rate)] for each in performances]
    return json.dumps([[asdict(each) for each in performances], strokes], sort_keys=True)


class Renderer(Protocol):
    """A synth that is ready to play; lives in one process and is used by one thread."""

    synth: str
    isolation: Isolation

    def load(self, state: State, settings: RenderSettings) -> None:
        """Make the synth sound as ``state`` says, as if nothing had been loaded before.

        Raises:
            PresetError: the state isn't one of this synth.
            RenderError: the plugin refused it.
        """
        ...

    def render(self, performance: Performance) -> Clip:
        """Play on what was loaded, after silence.

        Returns:
            A clip of ``performance.seconds``, 1 or 2 channels, unscaled.

        Raises:
            RenderError: the sound isn't finite, or the plugin failed.
        """
        ...

    def close(self) -> None:
        """Let the plugin go; a second call does nothing."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class Failure(enum.Enum):
    """Why a preset made no usable sound."""

    CRASH = "crash"
    TIMEOUT = "timeout"
    NOT_FINITE = "not finite"
    SILENT = "silent"
    CLIPPED = "clipped"  # little else than full scale
    NOT_LOADED = "not loaded"  # the plugin took the preset and plays what it plays without one
    REFUSED = "refused"  # the plugin or the state itself says no
    MISSING = "missing"  # the synth isn't here or can't be loaded: no verdict on the preset, which wasn't tried


@dataclass(frozen=True)
class RenderResult:
    """What came of a job: one clip per performance, or a failure with its reason in one sentence."""

    job: RenderJob
    clips: tuple[Clip, ...] = ()
    failure: Failure | None = None
    reason: str = ""

    @property
    def ok(self) -> bool:
        """Whether there is sound."""
        return self.failure is None
