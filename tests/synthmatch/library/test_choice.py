from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from synthmatch.errors import LibraryError
from synthmatch.library.choice import EVERYTHING, Choice
from synthmatch.library.library import Library
from synthmatch.library.listing import Listing
from synthmatch.matching.matcher import Matcher
from synthmatch.networks.encoder import Encoder

SUB = Listing(
    *(1, "a" * 20, "Deep Sub-Bass 2", "amsynth", "My Bank", Path("my.bank"), 0, "bass", "name"),
    tags=("Analog",),
    descriptors=("dark", "slow attack"),
)


@pytest.mark.parametrize(
    "choice",
    [
        EVERYTHING,
        Choice(synths=("faust", "AMSYNTH")),
        Choice(banks=("my bank",)),
        Choice(families=("lead", "bass")),
        Choice(tags=("dark",)),
        Choice(tags=("slow-attack", "analog")),
        Choice(words=("deep", "bass")),
        Choice(words=("sub bass",)),
        Choice(("amsynth",), ("my bank",), ("bass",), ("dark",), ("2",)),
    ],
)
def test_it_takes_what_fits(choice: Choice) -> None:
    assert choice.takes(SUB)


@pytest.mark.parametrize(
    "choice",
    [
        Choice(synths=("faust",)),
        Choice(banks=("my",)),
        Choice(families=("lead",)),
        Choice(tags=("dark", "bright")),
        Choice(words=("deep", "lead")),
        Choice(("amsynth",), (), ("lead",)),
    ],
)
def test_it_leaves_what_does_not(choice: Choice) -> None:
    assert not choice.takes(SUB)


def test_an_empty_choice_is_none() -> None:
    assert not EVERYTHING
    assert Choice(words=("a",))
    assert str(Choice(("faust", "dx7"), tags=("dark", "wide"))) == "synth faust or dx7, tag dark and wide"


def test_a_search_keeps_to_the_choice(library: Library) -> None:
    vector = library.vectors.space("timbre")[3, 2].astype(np.float32)
    everything = library.search("timbre", vector, 9)
    chosen = library.search("timbre", vector, 9, choice=Choice(words=("lead",)))
    assert 0 < len(chosen) < 9
    assert chosen == [pair for pair in everything if "Lead" in pair[0].name]
    assert [each for each, _ in chosen] != library.presets(Choice(words=("bass",)))


def test_what_is_remembered_of_choices_has_a_limit(library: Library) -> None:
    leads = library.listings.chosen(Choice(words=("lead",)))
    for number in range(100):
        library.listings.chosen(Choice(words=(f"no {number}",)))
    assert len(library.listings._chosen) < 10
    assert library.listings.chosen(Choice(words=("lead",))) == leads != frozenset()


def test_of_two_listings_the_one_that_is_meant_is_shown(library: Library) -> None:
    first = library.preset(library.presets()[0])
    library.rows.put([replace(first, name="Another Name", bank="other", slot=99)])
    library.reload()
    vector = library.vectors.space("timbre")[library.vectors.rows[first.id], 2].astype(np.float32)
    ((shown, score),) = library.search("timbre", vector, 1, choice=Choice(banks=("other",)))
    assert shown.name == "Another Name"
    assert score == pytest.approx(1, abs=1e-3)


def test_a_match_keeps_to_the_choice(library: Library, encoder: Encoder) -> None:
    matcher = Matcher(library, encoder)
    clip = library.sound(library.presets()[0].id)[1]
    result = matcher.match(clip, k=9, single=True, choice=Choice(words=("thing",)))
    names = [match.preset.name for match in result.family("any")]
    assert names
    assert all("Thing" in name for name in names)
    with pytest.raises(LibraryError, match="holds no preset that fits \\(word kazoo\\)"):
        matcher.match(clip, choice=Choice(words=("kazoo",)))
