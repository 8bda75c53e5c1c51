"""How far families that are heard agree with families that are stated: ``python bench/families.py [--library PATH]``.

Asks about the presets of ZynAddSubFX whose file states one of the six types that most of its presets state. The
library's classifier has learnt from presets of the training side, so those of the test and the valid side are asked
about: it has heard neither them nor anything that sounds the same. Beside it stands what names tell of the same
presets. Prints a table and writes ``families.md``.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from synthmatch.files import write_text
from synthmatch.library.library import Library
from synthmatch.presets.labels import ZYN_CATEGORIES, family_of_name
from synthmatch.training.recorded.recording import installed_presets
from synthmatch.training.split import side_of

HERE = Path(__file__).parent
TYPES = 6
NAMES = {"1": "piano", "2": "chromatic percussion", "5": "bass", "11": "synth lead", "12": "synth pad", "13": "effects"}
"""What ZynAddSubFX calls the types; of others the number is printed."""


@dataclass(frozen=True)
class Asked:
    """A preset, as far as it is asked about.

    Args:
        type: as its file states it.
        family: what that type stands for.
        named: the family that its name tells, "" where it tells none.
        heard: the family that the classifier finds most probable.
    """

    type: str
    family: str
    named: str
    heard: str


def main() -> None:
    """Ask, print and write."""
    parser = argparse.ArgumentParser(description="Compare families that are heard with those that are stated.")
    parser.add_argument("--library", type=Path, help="of ZynAddSubFX, instead of the one in synthmatch's home")
    parser.add_argument("--out", type=Path, default=HERE / "families.md")
    chosen = parser.parse_args()
    text = page(asked(chosen.library))
    print(text, end="")
    write_text(chosen.out, text)


def asked(library: Path | None) -> list[Asked]:
    """The presets of the test and the valid side that state one of the commonest types and are in the library."""
    stating = {each.id: each for each in installed_presets(("zynaddsubfx",)) if each.category in ZYN_CATEGORIES}
    common = {type for type, _ in Counter(each.category for each in stating.values()).most_common(TYPES)}
    unheard = [key for key, each in stating.items() if each.category in common and side_of(key) != "train"]
    with Library.open(library) as opened:
        heard = opened.vectors.presence_of(unheard)
        families = opened.families
    return [
        Asked(
            stating[key].category,
            ZYN_CATEGORIES[stating[key].category].family,
            family_of_name(stating[key].name),
            families[int(chances.argmax())],
        )
        for key, chances in heard.items()
    ]


def page(presets: Sequence[Asked]) -> str:
    """A table as Markdown."""
    types = sorted({each.type for each in presets}, key=int)
    rows = [("all", presets), *((NAMES.get(key, key), [each for each in presets if each.type == key]) for key in types)]
    lines = [
        "# Families by sound, and by name",
        "",
        "Written by `python bench/families.py`. Presets of ZynAddSubFX whose file states one of its six commonest",
        "types, of the sides of the split from which nothing was learnt; per cent of them.",
        "",
        "| type | family | presets | name tells one | name agrees | sound agrees |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for title, some in rows:
        family = some[0].family if title != "all" else ""
        told = share(each.named != "" for each in some)
        agree = [share(getattr(each, what) == each.family for each in some) for what in ("named", "heard")]
        lines.append(f"| {title} | {family} | {len(some)} | {told} | {agree[0]} | {agree[1]} |")
    return "\n".join(lines) + "\n"


def share(answers: Iterable[bool]) -> str:
    """Per cent of some answers that are yes."""
    values = list(answers)
    return f"{100 * sum(values) / len(values):.0f}"


if __name__ == "__main__":
    main()
