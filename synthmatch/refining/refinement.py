"""Bringing a preset closer to a part: its knobs are moved, and what comes of that is played and compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from synthmatch.audio import Clip, require_audible
from synthmatch.errors import InputError
from synthmatch.library.embedding import by_default
from synthmatch.notes import Performance
from synthmatch.presets.preset import Preset, State
from synthmatch.refining import evolution
from synthmatch.refining.likeness import Distance, Part, fitted
from synthmatch.refining.tryout import Effort, Report, Stop, Tryout
from synthmatch.refining.turning import Board, can_be_refined, search, tidied

if TYPE_CHECKING:
    from synthmatch.networks.encoder import Encoder
    from synthmatch.renderers.pool import Pool

__all__ = ["Effort", "Move", "Refinement", "Stop", "can_be_refined", "refine"]

LONGEST = 10.0
"""Seconds of a part that are played at most: what the encoder hears at a time."""
_HAIR = 1e-6  # seconds: 16.1 - 6.1 is more than 10
SUFFIX = " refined"
"""What a refined preset is called besides its name."""


@dataclass(frozen=True)
class Move:
    """A knob that was moved: its name, and its value before and after, in the synth's own units."""

    knob: str
    before: float
    after: float


@dataclass(frozen=True)
class Refinement:
    """What came of it.

    Args:
        start: the preset that was brought closer.
        preset: the one that came closest; ``start`` itself if nothing did.
        before, after: how far each is from the part.
        moves: the knobs that were moved, the one that was turned farthest first.
        notes: what was played; of several readings, the one that was taken.
        remaining: by region of the spectrum, how much too loud (above 0) or too soft it still is, in dB; empty for a
            part in a mixture.
        preview: how ``preset`` plays the part.
        renders: presets played.
        unusable: how many of them made no usable sound.
        seconds: of wall time.
        stop: why it ended.
    """

    start: Preset
    preset: Preset
    before: Distance
    after: Distance
    moves: tuple[Move, ...]
    notes: Performance
    remaining: tuple[tuple[str, float], ...]
    preview: Clip = field(repr=False)
    renders: int
    unusable: int
    seconds: float
    stop: Stop

    @property
    def fall(self) -> float:
        """By what share of itself the distance fell, 0 to 1."""
        return 1 - self.after.total / self.before.total if self.before.total > 0 else 0.0

    def to_json(self) -> dict[str, Any]:
        """As ``refine --json`` prints it."""
        return {
            "start": {"id": self.start.id, "name": self.start.name, "synth": self.start.synth},
            "preset": {"id": self.preset.id, "name": self.preset.name},
            "before": self.before.to_json(),
            "after": self.after.to_json(),
            "fall": round(self.fall, 4),
            "moves": [{"knob": each.knob, "before": each.before, "after": each.after} for each in self.moves],
            "remaining": {name: round(level, 2) for name, level in self.remaining},
            "renders": self.renders,
            "unusable": self.unusable,
            "seconds": round(self.seconds, 2),
            "stop": self.stop.name.lower(),
        }


def refine(
    start: Preset,
    clip: Clip,
    notes: Performance | Sequence[Performance],
    *,
    pool: Pool,
    encoder: Encoder | None = None,
    family: str = "",
    alone: bool = True,
    effort: Effort | None = None,
    report: Report | None = None,
) -> Refinement:
    """Move a preset's knobs until it plays some notes as a part does.

    Args:
        start: where to begin; the closer, the better it ends.
        clip: the part, from the time at which the notes begin; what is longer than them isn't heard.
        notes: what is played in it, wherever they come from; at most ``LONGEST`` seconds with their tail. Of several
            readings of the part the one is taken under which the preset comes nearest.
        pool: what renders.
        encoder: what hears besides the spectrum; by default the released one.
        family: what the part is, if it is known; needed in a mixture.
        alone: whether nothing but the part sounds in the clip.
        effort: how hard to try.
        report: is told how far it is.

    Raises:
        PresetError: the preset has no knobs that could be moved.
        InputError: the notes are too long, or the family isn't known; or cma isn't installed.
        AudioError: the clip is too short, or silent.
        RenderError: the preset makes no usable sound.
    """
    evolution.require()  # it is needed last, after half of the time
    readings = (notes,) if isinstance(notes, Performance) else tuple(notes)
    seconds = max((each.seconds for each in readings), default=0.0)
    if not 0 < seconds <= LONGEST + _HAIR:
        raise InputError(f"The notes last {seconds:.1f} s; choose a passage of at most {LONGEST:g} s with some in it.")
    board = Board.of(start)
    heard = clip.between(0, seconds)
    require_audible(heard, "What is heard of the part")
    part = Part(fitted(heard, seconds), by_default(encoder), family, alone=alone)
    tryout = Tryout(part, readings, pool, effort or Effort(), report)
    before = tryout.begin(start)
    stop = search(board, tryout)
    after = tidied(board, tryout, before)
    return Refinement(
        start,
        start if after.state == start.state else _named(start, after.state),
        before.distance,
        after.distance,
        _moves(board, after.state),
        tryout.notes,
        part.regions(after.clip),
        after.clip,
        tryout.renders,
        tryout.unusable,
        tryout.seconds,
        stop,
    )


def _named(start: Preset, state: State) -> Preset:
    name = start.name if start.name.endswith(SUFFIX) else start.name + SUFFIX
    return replace(start, name=name, state=state, bank="refined", slot=0)


def _moves(board: Board, state: State) -> tuple[Move, ...]:
    values, knobs = board.panel.read(state), board.panel.knobs
    return tuple(Move(knobs[place].name, board.values[place], values[place]) for place in board.moved(state))
