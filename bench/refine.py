"""How much nearer ``refine`` brings a preset to a part: ``python bench/refine.py [--parts 50] [--seconds 60]``.

Each part is a preset of the test side, which the encoder hasn't learnt, played on a phrase of its family. It is taken
out of the library together with its near-duplicates; of what is left, the nearest preset that can be refined is where
the search begins. Parts alternate between the synths of the library and go through its families in turn, in an order
that the seed decides. Prints a row a part as they are done, and writes the table to ``refine.md``.
"""

from __future__ import annotations

import argparse
import os
import platform
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles

from synthmatch.audio import Clip
from synthmatch.files import write_text
from synthmatch.library.library import Library
from synthmatch.library.listing import READY
from synthmatch.matching.listening import Query
from synthmatch.matching.matcher import Matcher
from synthmatch.networks.encoder import Encoder
from synthmatch.phrases import phrase
from synthmatch.presets.preset import Preset
from synthmatch.refining.partnotes import passage
from synthmatch.refining.refinement import Effort, Refinement, can_be_refined, refine
from synthmatch.renderers.pool import RenderPool
from synthmatch.renderers.renderer import RenderJob
from synthmatch.training.split import frozen

HERE = Path(__file__).parent
GOAL = 0.3
SEED = 0
NEAREST = 100

PHRASES = {"bass": "bass", "lead": "lead", "percussion": "hits", "effects": "hits", "pluck": "arpeggio", "wind": "lead"}
"""What a part of a family plays; chords, if it isn't named here."""

HEADINGS = "| family | synth | part | begun from | dB before | after | fall | renders | s | processors | ended by |"


@dataclass(frozen=True)
class Done:
    """A part, what became of it, and seconds of all processors that it took."""

    truth: Preset
    result: Refinement
    processor: float


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure how much nearer refining brings presets to parts.")
    parser.add_argument("--library", type=Path, help="instead of the one in synthmatch's home")
    parser.add_argument("--parts", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=60.0, help="for each part")
    parser.add_argument("--renders", type=int, help="for each part, at most")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--synth", action="append", help="parts of this synth alone; repeatable")
    parser.add_argument("--out", type=Path, default=HERE / "refine.md")
    chosen = parser.parse_args()
    effort = Effort(chosen.seconds, chosen.renders)
    with Library.open(chosen.library) as library:
        matcher = Matcher(library, Encoder.released())
        done: list[Done] = []
        for truth in parts(library, chosen.synth):
            if len(done) == chosen.parts:
                break
            found = measured(truth, matcher, chosen.workers, effort)
            if found is not None:
                done.append(found)
                print(row(found), flush=True)
        text = page(done, effort, chosen.workers)
    write_text(chosen.out, text)
    print(text.partition("\n\n")[2])


def parts(library: Library, synths: Sequence[str] | None) -> Iterator[Preset]:
    """Presets of the test side whose family somebody stated, one of each synth and family after the other."""
    groups: dict[tuple[str, str], list[Preset]] = {}
    for listing in library.presets():
        label = frozen().get(listing.id)
        if label is None or label.side != "test" or label.cluster != label.id or not label.stated:
            continue
        if listing.status == READY and (not synths or listing.synth in synths):
            preset = library.preset(listing)
            if can_be_refined(preset):
                groups.setdefault((label.family, listing.synth), []).append(preset)
    for group in groups.values():
        random.Random(SEED).shuffle(group)
    while groups:
        for key in sorted(groups):
            yield groups[key].pop()
            if not groups[key]:
                del groups[key]


def measured(truth: Preset, matcher: Matcher, workers: int, effort: Effort) -> Done | None:
    """Refine the nearest other preset; None if the part makes no sound, or nothing near can be refined."""
    performance = phrase(PHRASES.get(truth.family, "chords"))
    before = processor_seconds()
    with RenderPool(workers) as pool:
        (played,) = pool.render([RenderJob(truth.state, (performance,))])
        if not played.ok:
            return None
        clip, notes = passage(played.clips[0], performance)
        start = nearest_other(truth, clip, matcher)
        if start is None:
            return None
        result = refine(start, clip, notes, pool=pool, encoder=matcher.encoder, family=truth.family, effort=effort)
    return Done(truth, result, processor_seconds() - before)


def processor_seconds() -> float:
    """Of this process and those that it started and that have ended."""
    return sum(os.times()[:4])


def nearest_other(truth: Preset, clip: Clip, matcher: Matcher) -> Preset | None:
    """The nearest preset of the same family that can be refined and isn't the truth under another name."""
    cluster = frozen()[truth.id].cluster
    result = matcher.match(Query(clip, families=(truth.family,)), k=NEAREST, single=True)
    for match in (match for found in result for match in found):
        label = frozen().get(match.preset.id)
        if match.preset.id != truth.id and (label is None or label.cluster != cluster):
            preset = matcher.library.preset(match.preset)
            if can_be_refined(preset):
                return preset
    return None


def row(done: Done) -> str:
    """A row of the table."""
    result = done.result
    cells = (
        *(done.truth.family, done.truth.synth, done.truth.name, result.start.name),
        *(f"{result.before.total:.1f}", f"{result.after.total:.1f}", f"{result.fall:.0%}"),
        *(str(result.renders), f"{result.seconds:.0f}", f"{done.processor:.0f}", result.stop.name.lower()),
    )
    return "| " + " | ".join(cell.replace("|", "/") for cell in cells) + " |"


def page(done: Sequence[Done], effort: Effort, workers: int) -> str:
    """The table as Markdown."""
    falls = sorted(each.result.fall for each in done)
    load = ", ".join(f"{each:.1f}" for each in os.getloadavg()) if hasattr(os, "getloadavg") else "unknown"
    limit = f", {effort.renders} renders at most" if effort.renders else ""
    command = f"python bench/refine.py --parts {len(done)} --seconds {effort.seconds:g}"
    command += f" --renders {effort.renders}" if effort.renders else ""
    lines = [
        "# Refining, measured",
        "",
        f"Written by `{command}`: {len(done)} parts, {effort.seconds:g} s each{limit}, {workers} workers."
        f" {platform.machine()}, {platform.system()}; load average {load} on {os.cpu_count()} processors.",
        "",
    ]
    if len(falls) > 1:
        low, middle, high = quantiles(falls, n=4)
        met = sum(fall >= GOAL for fall in falls)
        lines += [
            f"The distance falls by {middle:.0%} in the median (goal: {GOAL:.0%}), by {low:.0%} to {high:.0%} in the"
            f" middle half of the parts, by at least {GOAL:.0%} in {met} of {len(done)}."
            f" Spectrum alone: {median(map(spectral_fall, done)):.0%} in the median. A part took"
            f" {median(each.processor for each in done):.0f} s of a processor in the median; two processors have 120 of"
            " them in a minute.",
            "",
        ]
    lines += [HEADINGS, "|" + " --- |" * HEADINGS.count(" | ") + " --- |", *map(row, done)]
    return "\n".join(lines) + "\n"


def spectral_fall(done: Done) -> float:
    """By what share of itself the spectral distance fell."""
    before, after = done.result.before.spectral, done.result.after.spectral
    return 1 - after / before if before > 0 else 0.0


if __name__ == "__main__":
    main()
