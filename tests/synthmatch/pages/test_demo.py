from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from synthmatch.commands.commandline import cli
from synthmatch.errors import LibraryError, RenderError
from synthmatch.library.library import Library
from synthmatch.matching.matcher import Matcher
from synthmatch.networks.encoder import Encoder
from synthmatch.pages.demo import CORE, SEED, DemoSummary, Stage, draw, run_demo
from synthmatch.presets.bank import PresetBank
from synthmatch.presets.faustsynth import factory_bank_path
from synthmatch.presets.preset import Preset
from synthmatch.renderers.pool import RenderPool
from synthmatch.training.split import side_of


def some_of_each_family(test: int, others: int) -> PresetBank:
    """Presets of the factory bank: so many per family from the test side, so many from the others."""
    chosen: list[Preset] = []
    for family in CORE:
        presets = [preset for preset in PresetBank.read(factory_bank_path()) if preset.family == family]
        chosen += [preset for preset in presets if side_of(preset.id) == "test"][:test]
        chosen += [preset for preset in presets if side_of(preset.id) != "test"][:others]
    return PresetBank(tuple(chosen))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, encoder: Encoder, pool: RenderPool) -> Iterator[Library]:
    with Library.create(tmp_path_factory.mktemp("demo") / "library") as library:
        library.add(some_of_each_family(2, 2), encoder=encoder, pool=pool)
        yield library


@pytest.fixture(scope="module")
def shown(place: Library, encoder: Encoder, pool: RenderPool, tmp_path_factory: pytest.TempPathFactory) -> DemoSummary:
    out = tmp_path_factory.mktemp("page") / "demo.html"
    return run_demo(place, Matcher(place, encoder), out, mixtures=2, pool=pool)


def test_only_test_presets_play_and_none_twice_before_all_have(place: Library) -> None:
    drawn = draw(place, mixtures=2)
    for family in CORE:
        players = [mixture.players[family] for mixture in drawn]
        assert all(side_of(player.id) == "test" for player in players)
        assert all(player.family == family for player in players)
        assert len({player.id for player in players}) == 2


def test_what_an_encoder_learnt_from_does_not_play(place: Library) -> None:
    heard = {player.id for mixture in draw(place, mixtures=1) for player in mixture.players.values()}
    again = {player.id for mixture in draw(place, mixtures=4, heard=heard) for player in mixture.players.values()}
    assert len(heard) == len(CORE)
    assert not heard & again


def test_a_seed_gives_the_same_mixtures_and_another_seed_others(place: Library) -> None:
    first, again, other = draw(place, 1), draw(place, 1), draw(place, 2)
    assert [each.parts for each in first] == [each.parts for each in again]
    assert [each.players for each in first] == [each.players for each in again]
    assert [each.parts for each in first] != [each.parts for each in other]
    assert all(part.seconds == pytest.approx(10.0) for each in first for part in each.parts.values())


def test_the_page_shows_every_part_with_truth_and_three_matches(shown: DemoSummary) -> None:
    page = shown.path.read_text(encoding="utf-8")
    assert page.count("<audio ") == 2 * (1 + 3 * 4)
    assert page.count("The truth</strong>") == 6
    assert len(shown.parts) == shown.tally.parts == 6
    for part in shown.parts:
        assert part.truth in page
        assert [match.rank for match in part.matches] == [1, 2, 3]
    assert str(shown.tally) in page


def test_the_command_on_the_page_makes_that_page(shown: DemoSummary) -> None:
    written = re.search(r"synthmatch (demo [^<]*)<", shown.path.read_text(encoding="utf-8"))
    assert written is not None
    name, *words = shlex.split(written[1])
    asked = cli.commands[name].make_context(name, words).params
    assert (asked["seed"], asked["mixtures"]) == (SEED, len({part.mixture for part in shown.parts}))


def test_what_is_said_is_what_was_found(shown: DemoSummary, place: Library) -> None:
    found = 0
    for part in shown.parts:
        truth = draw(place, mixtures=2)[part.mixture - 1].players[part.family]
        ranks = [match.rank for match in part.matches if match.preset.id == truth.id]
        expected = {1: "Found first", 2: "Found second", 3: "Found third"}.get(ranks[0] if ranks else 0, "Missed")
        assert part.verdict.startswith(expected)
        found += bool(ranks)
    assert shown.tally.shown == found
    rank = re.search(r"in place (\d+) of (\d+)", str(shown))
    assert rank is None or 3 < int(rank[1]) <= int(rank[2]) <= len(place)


def test_a_second_run_finds_the_same(
    shown: DemoSummary, place: Library, encoder: Encoder, pool: RenderPool, tmp_path: Path
) -> None:
    steps: list[tuple[int, int]] = []
    early: list[tuple[int, str]] = []
    again = run_demo(
        place,
        Matcher(place, encoder),
        tmp_path / "demo.html",
        mixtures=2,
        pool=pool,
        progress=lambda done, total: steps.append((done, total)),
        matched=lambda _, result: early.append((len(steps), result.family("bass")[0].preset.name)),
    )
    assert replace(again, path=shown.path) == shown
    assert (tmp_path / "demo.html").read_bytes() == shown.path.read_bytes()
    assert steps[:6] == [(1, 3), (2, 3), (3, 3)] * 2
    # Each mixture's matches are told as soon as its three parts have been played.
    first = [part.matches[0].preset.name for part in shown.parts if part.family == "bass"]
    assert early == [(3, first[0]), (6, first[1])]


def test_a_library_without_test_presets_is_refused(library: Library, tmp_path: Path, encoder: Encoder) -> None:
    with pytest.raises(LibraryError, match=r"no test preset of the family percussion.*library add"):
        run_demo(library, Matcher(library, encoder), tmp_path / "demo.html", mixtures=1)
    assert not list(tmp_path.glob("*.html"))


def test_presets_that_make_no_sound_are_named(place: Library, encoder: Encoder, tmp_path: Path) -> None:
    with RenderPool(1, timeout=1e-4) as hasty, pytest.raises(RenderError, match="mixture 1"):
        run_demo(place, Matcher(place, encoder), tmp_path / "demo.html", mixtures=1, pool=hasty)
    assert not (tmp_path / "demo.html").exists()


def test_stems_are_the_presets_own_sound_on_the_notes(place: Library, pool: RenderPool) -> None:
    mixture = draw(place, mixtures=1)[0]
    stage = Stage(place, pool, None)
    stage.play([(mixture.players[family], mixture.parts[family]) for family in CORE])
    for family in CORE:
        samples, reason = stage.heard(mixture.players[family], mixture.parts[family])
        assert reason == ""
        assert samples is not None
        assert samples.shape == (441_000,)
        assert samples[-1] == 0  # faded, not cut
        assert np.abs(samples).max() > 0.001
