"""Records what a plan says, within a time limit: ``python -m synthmatch.training.record --data DIR --phrases 3
--variants 2 --minutes 9``. The same command goes on where it stopped; it exits with 3 when the time was up before all
was tried.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from synthmatch.errors import SynthmatchError
from synthmatch.files import require_place
from synthmatch.machine import processors
from synthmatch.renderers.pool import RenderPool
from synthmatch.training.recorded.corpus import Corpus
from synthmatch.training.recorded.dataplan import FROZEN, SYNTHS, DataPlan
from synthmatch.training.recorded.recording import Recording, Session
from synthmatch.training.recorded.variants import Counts

UNFINISHED = 3
_SAY_EVERY = 15.0  # seconds


def arguments() -> argparse.ArgumentParser:
    """What the command takes."""
    parser = argparse.ArgumentParser(prog="python -m synthmatch.training.record", description=__doc__)
    plan = DataPlan()
    parser.add_argument("--data", type=Path, required=True, help="folder of recordings")
    parser.add_argument("--notes", type=int, default=plan.notes, help="per preset, beside the reference notes")
    parser.add_argument("--phrases", type=int, default=0, help="of 10 s, played live on each training preset")
    parser.add_argument("--evaluated", action="store_true", help="valid and test presets play phrases, too")
    parser.add_argument("--variants", type=int, default=0, help="perturbed and crossed ones, each, and a dry one")
    parser.add_argument("--random", type=int, default=0, help="random patches per preset of a parameter synth")
    parser.add_argument("--variant-phrases", type=int, default=0, help="phrases per variant")
    parser.add_argument("--synths", default=",".join(FROZEN), help=f"commas between; of {', '.join(SYNTHS)}; or all")
    parser.add_argument("--bank", type=Path, action="append", default=[], help="a further file or folder of presets")
    parser.add_argument("--own-only", action="store_true", help="no banks but those")
    parser.add_argument("--seed", type=int, default=plan.seed, help="of the variants")
    parser.add_argument("--workers", type=int, default=None, help="processes that render; one per processor")
    parser.add_argument("--minutes", type=float, default=None, help="after which it stops, to go on another time")
    parser.add_argument("--estimate", action="store_true", help="say what it will take, and do nothing")
    return parser


def plan_of(given: argparse.Namespace) -> DataPlan:
    """The plan that a command line asks for."""
    return DataPlan(
        notes=given.notes,
        phrases=given.phrases,
        phrase_sides=("train", "valid", "test") if given.evaluated else ("train",),
        variants=Counts.of(given.variants, given.random),
        variant_phrases=given.variant_phrases,
        synths=SYNTHS if given.synths == "all" else tuple(given.synths.split(",")),
        banks=tuple(given.bank),
        own_only=given.own_only,
        seed=given.seed,
    )


def main(words: Sequence[str] | None = None, say: Callable[[str], object] | None = None) -> int:
    """Record; returns 0 when all was tried, ``UNFINISHED`` when the time was up before, 1 after an error."""
    given = arguments().parse_args(words)
    say = say or (lambda text: sys.stdout.write(text + "\n") and sys.stdout.flush())
    end = time.monotonic() + 60 * given.minutes if given.minutes is not None else None
    workers = given.workers or processors()
    try:
        require_place(given.data, folder=True)
        recording = Recording(given.data, plan_of(given))
        for piece in recording.estimate(workers):
            say(str(piece))
        if given.estimate:
            return 0
        with RenderPool(workers) as pool:
            session = Session(pool, Ticker(say), lambda: end is not None and time.monotonic() >= end)
            corpus = recording.record(session)
    except (SynthmatchError, OSError) as error:  # a full disk, say
        say(str(error))
        return 1
    say(summary(corpus))
    left = recording.estimate(workers)
    for piece in left:
        say(f"left: {piece}")
    if left and not session.stop():
        say(
            "These crashed their synth or took too long, or it can't be loaded (`synthmatch doctor` says why); the same"
            " command tries them again."
        )
    return UNFINISHED if left and session.stop() else 0


def summary(corpus: Corpus) -> str:
    """What there is, in one line."""
    played = sum(key in corpus.phrases for key in corpus.labels) if corpus.phrases is not None else 0
    kinds = Counter(corpus.labels[key].source for key in corpus.parents)
    made = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items())) or "none"
    presets = len(corpus.labels) - len(corpus.parents)
    return f"{presets} presets with notes; variants: {made}; phrases of {played}"


class Ticker:
    """Says now and then how far a recording is."""

    def __init__(self, say: Callable[[str], object], every: float = _SAY_EVERY) -> None:
        self._say, self._every, self._last = say, every, time.monotonic()

    def __call__(self, done: int, total: int) -> None:
        """(done, all) of the piece at hand."""
        now = time.monotonic()
        if now - self._last >= self._every or done == total:
            self._say(f"{done} of {total}")
            self._last = now


if __name__ == "__main__":
    sys.exit(main())
