"""What playing live changes: ``python bench/live.py --data FOLDER [--mixtures N]``.

The benchmark puts parts together from recorded notes, each cut where it ends, as the paper does. Here the synths play
the same parts themselves: releases overlap, voices are stolen, glides glide. Both mixtures ask for the same presets,
among those of the suite ``mixture``; and each live part is asked about alone. Prints a table, and writes ``live.md``.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from synthmatch.audio import ENCODER_RATE, Samples
from synthmatch.files import write_text
from synthmatch.networks.encoder import Encoder
from synthmatch.notes import Performance
from synthmatch.renderers.pool import RenderPool
from synthmatch.renderers.renderer import RenderJob
from synthmatch.training.benchmark.hearing import EncoderHearing, Heard
from synthmatch.training.benchmark.queries import CORE, SECONDS, Asked, Queries, mixture_queries
from synthmatch.training.benchmark.suites import SUITE, Listener, hear_references
from synthmatch.training.benchmark.summary import row_of
from synthmatch.training.benchmark.tables import Row
from synthmatch.training.config import read_recipe
from synthmatch.training.mixing.mixtures import mix_stems
from synthmatch.training.recorded.corpus import Corpus
from synthmatch.training.recorded.recording import gather, installed_presets

HERE = Path(__file__).parent
MIXTURES = 200
TOGETHER = 16  # sounds heard at a time


def main() -> None:
    """Play, ask, print and write."""
    parser = argparse.ArgumentParser(description="Measure what playing live changes.")
    parser.add_argument("--data", type=Path, required=True, help="where recorded notes are kept")
    parser.add_argument("--mixtures", type=int, default=MIXTURES)
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    corpus = gather(chosen.data, read_recipe("released").extra_notes)
    rows = ask(corpus, EncoderHearing(Encoder.released()), chosen.mixtures)
    text = page(rows, chosen.mixtures)
    print(text, end="")
    write_text(HERE / "live.md", text)


def ask(corpus: Corpus, hearing: EncoderHearing, count: int) -> list[Row]:
    """The same questions about mixtures of recorded notes, of parts that are played live, and about those alone."""
    recorded = mixture_queries(corpus, count)
    live = play(recorded)
    whole = [number for number in range(count) if len(live[number]) == len(CORE)]
    asked = tuple(replace(each, query=whole.index(each.query)) for each in recorded.asked if each.query in set(whole))
    cut = Queries(len(whole), asked, lambda number: recorded.sound(whole[number]))
    mixed = Queries(len(whole), asked, lambda number: mix_stems(live[whole[number]]))
    parts = [live[whole[each.query]][each.family] for each in asked]
    alone = Queries(len(parts), tuple(replace(each, query=row) for row, each in enumerate(asked)), parts.__getitem__)
    listener = Listener(corpus, hearing, *hear_references(corpus, [hearing]))
    rows = []
    for name, queries in (("recorded notes", cut), ("played live", mixed), ("played live, alone", alone)):
        heard = Heard.joined([hearing.hear(sounds) for sounds in queries.batches(TOGETHER)])
        found = listener.find(heard.vectors, queries.asked, SUITE["mixture"].candidates)
        rows.append(row_of(name, found, corpus.labels))
    return rows


def play(queries: Queries) -> list[dict[str, Samples]]:
    """The stems of each mixture as its presets' synths play them, by family; those that make no sound aren't there."""
    states = {preset.id: preset.state for preset in installed_presets()}
    jobs: dict[str, list[Asked]] = {}
    orders = []
    for each in queries.asked:
        part = queries.played(each.query)[each.family]
        order = RenderJob(states[each.preset], (Performance(part.notes, tail=0.5),))
        jobs.setdefault(order.key, []).append(each)
        orders.append(order)
    stems: list[dict[str, Samples]] = [{} for _ in range(queries.count)]
    length = round(SECONDS * ENCODER_RATE)
    with RenderPool() as pool:
        for result in pool.render(orders):
            if result.ok:
                heard = result.clips[0].heard()[:length]
                for each in jobs[result.job.key]:
                    stems[each.query][each.family] = np.pad(heard, (0, length - len(heard)))
    return stems


def page(rows: list[Row], count: int) -> str:
    """The figures as Markdown."""
    lines = [
        "# What playing live changes",
        "",
        f"Written by `python bench/live.py` over {count} mixtures. Top-1 / top-5 in per cent, means"
        " with 95 % bootstrap intervals over presets.",
        "",
        "| sound | top-1 | top-5 | " + " | ".join(CORE) + " |",
        "|---|---|---|" + "---|" * len(CORE),
    ]
    return "\n".join(lines + [_line(row) for row in rows]) + "\n"


def _line(row: Row) -> str:
    one, five = (row.figures.strict[k] for k in (1, 5))
    cells = (f"{row.families[key].strict[1].value:.0f} / {row.families[key].strict[5].value:.0f}" for key in CORE)
    return f"| {row.name} | {one} | {five} | " + " | ".join(cells) + " |"


if __name__ == "__main__":
    main()
