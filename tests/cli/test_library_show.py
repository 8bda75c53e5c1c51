"""`synthmatch library show` and `synthmatch match`, with a choice."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from synthmatch.library.library import Library


def test_what_is_shown_can_be_chosen(place: Any, run: Callable[..., Any]) -> None:
    with Library.open(place.library) as library:
        presets = library.presets()
    word, family = presets[0].name.split()[0], presets[0].family
    shown = json.loads(run("library", "show", "--word", word.lower(), "--family", family, "--json").out)
    assert [row["id"] for row in shown] == [
        each.id for each in presets if word.lower() in each.name.lower() and each.family == family
    ]
    assert shown[0]["label_source"] == presets[0].label_source
    assert shown[0]["descriptors"] == list(presets[0].descriptors)
    described = next(each for each in presets if each.descriptors)
    tag = described.descriptors[0].replace(" ", "-")
    lines = run("library", "show", presets[0].bank, "--tag", tag).out.splitlines()
    assert any(line.startswith(described.id) and ", ".join(described.descriptors) in line for line in lines)
    assert len(lines) == 1 + sum(described.descriptors[0] in each.descriptors for each in presets)
    assert described.label in " ".join(lines)


def test_what_is_named_goes_by_the_rules_of_the_options(place: Any, run: Callable[..., Any]) -> None:
    with Library.open(place.library) as library:
        first = library.presets()[0]
        library.rows.put([replace(library.preset(first), bank="Funk-Bass", slot=99)])
    for option, exact, names in (("--bank", "Funk-Bass", ("funk bass", "FUNK BASS")), ("--synth", "faust", ("Faust",))):
        for name in (exact, *names):
            shown = run("library", "show", name, "--json").out
            assert json.loads(shown), name
            assert shown == run("library", "show", option, exact, "--json").out


def test_what_is_removed_is_named_letter_by_letter(place: Any, run: Callable[..., Any]) -> None:
    with Library.open(place.library) as library:
        bank, count = library.presets()[0].bank, len(library.presets())
    assert bank != bank.upper()
    for name in (bank.upper(), "FAUST"):
        assert run("library", "remove", name).status == 1
    with Library.open(place.library) as library:
        assert len(library.presets()) == count


def test_nothing_named_is_wrong_usage(place: Any, run: Callable[..., Any]) -> None:
    done = run("library", "show", "--library", place.library)
    assert done.status == 2
    assert "choose with --synth, --bank, --family, --tag or --word" in done.err


def test_a_choice_that_fits_nothing_is_refused_as_a_match_does(place: Any, run: Callable[..., Any]) -> None:
    chosen = ("--word", "kazoo", "--tag", "dark")
    done = run("library", "show", *chosen)
    assert (done.status, done.out) == (1, "")
    assert "holds no preset that fits (tag dark, word kazoo); `synthmatch library list` shows what" in done.err
    assert run("match", place.song, "--model", place.model, *chosen).err == done.err
    within = run("library", "show", "faust", "--word", "kazoo", "--json")
    assert (within.status, within.out) == (1, "")
    assert "holds no preset of faust that fits (word kazoo); " in within.err


def test_matches_keep_to_the_choice(place: Any, run: Callable[..., Any]) -> None:
    with Library.open(place.library) as library:
        name = library.presets()[3].name
    chosen = ("match", place.song, "--family", "bass", "--model", place.model)
    found = json.loads(run(*chosen, "--word", name, "--json").out)["families"]["bass"]["matches"]
    assert {match["name"] for match in found} == {name}
    assert run(*chosen, "--synth", "faust", "--json").out == run(*chosen, "--json").out
    done = run(*chosen, "--bank", "nowhere")
    assert done.status == 1
    assert "holds no preset that fits (bank nowhere)" in done.err
