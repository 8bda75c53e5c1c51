"""Among which presets a match is looked for: what there is to choose, and what a form chooses."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from synthmatch.library.choice import Choice, plain
from synthmatch.library.listing import READY, Listing
from synthmatch.presets.catalogue import synths
from synthmatch.sound.descriptors import WORDS
from synthmatch.web.jobs import Told
from synthmatch.web.limits import Limits, Refusal

FIELDS: Mapping[str, str] = {
    "synth": "Only presets of that synth; given again, of either.",
    "bank": "Only presets of that bank, by its whole name; given again, of either.",
    "tag": "Only presets that sound so (bright, slow-attack, ...) or have that tag; given again, with all of them.",
    "word": "Only presets with that in their name; given again, with all of them.",
}
"""The fields of a choice, each of which may be given again, and what they mean: the command line's options."""


def choice_of(given: Mapping[str, Sequence[str]], limits: Limits) -> Choice:
    """The choice that a form makes.

    Args:
        given: what was sent under each of ``FIELDS``; fields that were left empty choose nothing.

    Raises:
        Refusal: that is too much.
    """
    names = {field: tuple(filter(str.strip, given[field])) for field in FIELDS}
    count = sum(map(len, names.values()))
    if count > limits.choices:
        raise Refusal(
            422, f"{count} synths, banks, tags and words are too many to choose by; send at most {limits.choices}."
        )
    for field, each in names.items():
        if max(map(len, each), default=0) > limits.choice_letters:
            raise Refusal(422, f"The field “{field}” is too long; at most {limits.choice_letters} letters are taken.")
    return Choice(synths=names["synth"], banks=names["bank"], tags=names["tag"], words=names["word"])


def choosable(listings: Iterable[Listing]) -> Told:
    """What there is to choose among presets that can be matched: synths, and tags with the words for sounds first.

    Banks aren't told here: the library tells them with their counts.
    """
    ready = [each for each in listings if each.status == READY]
    of_synths = Counter(each.synth for each in ready)
    titles = {row.id: row.title for row in synths().values()}
    words = [plain(word) for word in WORDS]
    spelt = dict(zip(words, WORDS, strict=True))
    of_tags: Counter[str] = Counter()
    for each in ready:
        tags = (*each.descriptors, *each.tags)
        of_tags.update(set(map(plain, tags)))
        for tag in tags:
            spelt.setdefault(plain(tag), tag)  # as it was written first
    return {
        "synths": [
            {"synth": synth, "title": titles.get(synth, synth), "presets": count}
            for synth, count in sorted(of_synths.items())
        ],
        "tags": [
            {"tag": spelt[key], "presets": of_tags[key], "descriptor": key in words}
            for key in (*words, *sorted(spelt.keys() - set(words)))
            if key in of_tags
        ],
    }
