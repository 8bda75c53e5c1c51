"""Where the words for sounds begin: ``python bench/descriptors.py [--library PATH] [--every N]``.

Measures the reference notes of a library's presets, or takes what it has measured, and prints the quantiles of each
measure, and of how many presets each word is said. The thresholds in ``synthmatch/sound/descriptors.py`` are those of
Debian's banks of amsynth and ZynAddSubFX. Writes ``descriptors.md``.
"""

from __future__ import annotations

import argparse
from collections import Counter
from dataclasses import astuple
from pathlib import Path

import numpy as np

from synthmatch.files import write_text
from synthmatch.library.library import Library
from synthmatch.library.store import RENDERED
from synthmatch.sound.descriptors import DESCRIPTORS, NAMES, Measures, describe, measure

HERE = Path(__file__).parent
QUANTILES = (5, 10, 15, 20, 25, 50, 75, 80, 85, 90, 95)


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description="Print the quantiles of what presets' sounds are described by.")
    parser.add_argument("--library", type=Path, help="instead of the one in synthmatch's home")
    parser.add_argument("--every", type=int, default=1, help="only every Nth preset")
    parser.add_argument("--out", type=Path, default=HERE / "descriptors.md")
    chosen = parser.parse_args()
    with Library.open(chosen.library) as library:
        known = library.rows.measures()
        states = sorted(state for state, row in library.rows.states().items() if row.status == RENDERED)
        found = [known.get(state) or measure(library.sound(state)) for state in states[:: chosen.every]]
    text = page(found, chosen.every)
    print(text, end="")
    write_text(chosen.out, text)


def page(found: list[Measures], every: int) -> str:
    """Two tables as Markdown."""
    command = "python bench/descriptors.py" + (f" --every {every}" if every > 1 else "")
    table = np.percentile(np.array([astuple(each) for each in found]), QUANTILES, axis=0).T
    said = Counter(word for each in found for word in describe(each))
    lines = [
        "# Words for sounds, measured",
        "",
        f"Written by `{command}` over {len(found):,} presets. Per cent of the presets below:",
        "",
        "| measure | " + " | ".join(map(str, QUANTILES)) + " |",
        "| --- |" + " --- |" * len(QUANTILES),
        *(f"| {name} | {' | '.join(f'{each:.2f}' for each in row)} |" for name, row in zip(NAMES, table, strict=True)),
        "",
        "| word | from | said of |",
        "| --- | --- | --- |",
    ]
    for each in DESCRIPTORS:
        limit = f"at least {each.least:g}" if each.least is not None else f"at most {each.most:g}"
        lines.append(f"| {each.word} | {each.measure} {limit} | {said[each.word] / len(found):.0%} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
