"""A library that grows: what is added or removed counts at once, and costs no more for what is there.

Nothing is rendered here: sounds and vectors are made up, so that there can be many.
"""

from __future__ import annotations

import json
import sqlite3
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from synthmatch.cli import run
from synthmatch.files import content_hash
from synthmatch.library import index as annoy_index
from synthmatch.library import scrutiny
from synthmatch.library.checkup import Trouble
from synthmatch.library.choice import Choice
from synthmatch.library.facts import Facts
from synthmatch.library.library import Library
from synthmatch.library.store import StoredSound
from synthmatch.library.vectors import Embedded
from synthmatch.presets.bank import PresetBank
from synthmatch.presets.preset import Preset, State
from synthmatch.sound.descriptors import Measures
from synthmatch.sound.soundprint import NEAR_DB, Print, cell, distance, distances, near_cells
from synthmatch.trust import census
from synthmatch.trust.census import Heard

SPACES = ("bass", "lead", "timbre")
DIMENSION = 16
SHORT = Measures(brightness=1, attack=0, length=0.1, ring=-60, noise=-40, width=-60, movement=0)
SOUND = StoredSound((1.0,) * 5, (1, 2, 3, 4, 5), 1_000)


def bank(name: str, count: int, families: tuple[str, ...] = ("bass", "lead", "")) -> PresetBank:
    return PresetBank(
        tuple(
            Preset(f"{name} {slot}", State("made up", f"{name} {slot}".encode()), bank=name, file=Path(f"{name}.none"),
                   slot=slot, family=families[slot % len(families)])
            for slot in range(count)
        )
    )  # fmt: skip


def embedded(states: list[str]) -> Embedded:
    """Vectors that follow from the states' ids."""
    random = [np.random.default_rng(int(state, 16)) for state in states]
    vectors = np.stack([each.normal(size=(len(SPACES), 5, DIMENSION)) for each in random])
    vectors /= np.linalg.norm(vectors, axis=-1, keepdims=True)
    presence = np.stack([each.uniform(0, 0.3, size=len(SPACES) - 1) for each in random])
    return Embedded(tuple(states), vectors.astype(np.float16), presence.astype(np.float32))


def enter(library: Library, presets: PresetBank) -> None:
    """What adding does between rendering and settling."""
    states = sorted({preset.id for preset in presets})
    with library.rows.transaction():
        library.rows.put(presets)
        for state in states:
            library.rows.rendered(state, "made up", SOUND)
    library.vectors.add(embedded(states))


def add(library: Library, presets: PresetBank) -> None:
    enter(library, presets)
    library.finish()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with Library.create(tmp_path):
        Facts("made up", SPACES, DIMENSION).write(tmp_path / "library.json")
    return tmp_path


def queries(count: int) -> list[npt.NDArray[np.float32]]:
    made = np.random.default_rng(5).normal(size=(count, DIMENSION)).astype(np.float32)
    return list(made / np.linalg.norm(made, axis=1, keepdims=True))


def brute_force(
    library: Library, presets: list[Preset], space: str, query: npt.NDArray[np.float32], k: int
) -> list[tuple[str, float]]:
    """By comparing with everything that is listed under the family."""
    states = sorted({preset.id for preset in presets})
    said = embedded(states)
    under = {each.id for each in library.presets() if space == "timbre" or space in each.families}
    best = (said.vectors[:, SPACES.index(space)].astype(np.float32) @ query).max(axis=1)
    scores = sorted((-float(score), state) for state, score in zip(states, best, strict=True) if state in under)
    return [(state, -score) for score, state in scores[:k]]


def check(library: Library, presets: list[Preset]) -> None:
    assert len(library) == len({preset.id for preset in presets})
    for space in SPACES:
        for query in queries(4):
            found = [(listing.id, score) for listing, score in library.search(space, query, 10)]
            wanted = brute_force(library, presets, space, query, 10)
            assert [state for state, _ in found] == [state for state, _ in wanted]
            np.testing.assert_allclose([score for _, score in found], [score for _, score in wanted], atol=1e-5)


def test_what_is_added_is_found_at_once_and_what_is_removed_is_gone(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(annoy_index, "EXACT", 300)  # some segments with Annoy files, some without
    monkeypatch.setattr(annoy_index, "CANDIDATES", 200)
    banks = [bank(f"bank{number}", 60) for number in range(6)]
    with Library.open(folder) as library:
        for number, each in enumerate(banks):
            add(library, each)
            check(library, [preset for some in banks[: number + 1] for preset in some])
        assert library.remove(bank="bank1") == 60
        left = [preset for number, some in enumerate(banks) if number != 1 for preset in some]
        check(library, left)
        # In another family now: found there, and only there where presence doesn't say otherwise.
        add(library, bank("bank2", 60, ("lead", "bass", "lead")))
        check(library, left)
        problems = {each.trouble for each in library.verify()}
        assert not problems & {Trouble.VECTORS, Trouble.INDEX}
    with Library.open(folder) as library:
        check(library, left)


def test_a_bank_touches_no_segment_that_is_there(folder: Path) -> None:
    with Library.open(folder) as library:
        add(library, bank("large", 300))
        add(library, bank("larger", 301))
        before = {path: path.stat().st_mtime_ns for path in library.vectors.folder.glob("*/*.npy")}
        add(library, bank("small", 10))
        library.remove(bank="small")
        add(library, bank("other", 3))
        after = {path: path.stat().st_mtime_ns for path in library.vectors.folder.glob("*/*.npy")}
        assert after.items() >= before.items()


def test_removed_and_killed_before_the_vectors_went(folder: Path) -> None:
    banks = bank("stays", 30), bank("goes", 30)
    with Library.open(folder) as library:
        for each in banks:
            add(library, each)
        with library.rows.transaction():
            _, states = library.rows.drop(bank="goes")
            library.rows.drop_unlisted(states)
    with Library.open(folder) as library:
        assert len(library.vectors) == 60
        check(library, list(banks[0]))
        library.finish()
        assert len(library.vectors) == 30
        check(library, list(banks[0]))


def test_added_and_killed_before_the_vectors_were_settled(folder: Path) -> None:
    banks = bank("first", 30), bank("second", 30)
    with Library.open(folder) as library:
        add(library, banks[0])
        enter(library, banks[1])
    with Library.open(folder) as library:
        check(library, [preset for some in banks for preset in some])
        assert library.rows.unsettled() == sorted(preset.id for preset in banks[1])
        unsettled = library.fingerprint
        library.finish()
        assert library.fingerprint == unsettled
        assert library.rows.unsettled() == []
        check(library, [preset for some in banks for preset in some])


def test_a_reader_is_not_disturbed(folder: Path) -> None:
    banks = [bank(f"bank{number}", 5) for number in range(4)]
    with Library.open(folder) as writer:
        for each in banks[:3]:
            add(writer, each)
        with Library.open(folder) as reader:
            add(writer, banks[3])  # merges all four
            assert len(writer.vectors.segments) == 1
            found = [listing.id for listing, _ in reader.search("timbre", queries(1)[0], 15)]
            assert sorted(found) == sorted(preset.id for some in banks[:3] for preset in some)
            writer.remove(bank="bank0")
            left = {listing.bank for listing, _ in reader.search("timbre", queries(1)[0], 15)}
            assert left == {"bank1", "bank2"}


def test_a_library_from_before_there_were_segments(folder: Path) -> None:
    presets = bank("old", 40)
    with Library.open(folder) as library:
        enter(library, presets)
    said = embedded(sorted(preset.id for preset in presets))
    vectors = folder / "vectors" / "made up"
    for part in vectors.glob("*"):
        part.unlink()
    table = vectors / "table-000003"
    table.mkdir(parents=True)
    (table / "ids.json").write_text(json.dumps(said.ids))
    np.save(table / "presence.npy", said.presence)
    for place, name in enumerate(SPACES):
        np.save(table / f"{name}.npy", said.vectors[:, place])
    connection = sqlite3.connect(folder / "library.sqlite")
    connection.executescript("DROP TABLE unsettled; DROP TABLE cells; PRAGMA user_version = 0;")
    connection.close()
    facts = json.loads((folder / "library.json").read_text())
    (folder / "library.json").write_text(json.dumps(facts | {"format": 1}))
    with Library.open(folder) as library:
        check(library, list(presets))
        new = bank("new", 4)
        add(library, new)
        check(library, [*presets, *new])
    assert not table.exists()
    assert json.loads((folder / "library.json").read_text())["format"] == 2


def test_a_library_from_before_sounds_were_measured(folder: Path) -> None:
    presets = bank("old", 9)
    with Library.open(folder) as library:
        add(library, presets)
    connection = sqlite3.connect(folder / "library.sqlite")
    connection.executescript("DROP TABLE measures; PRAGMA user_version = 1;")
    connection.close()
    states = sorted(preset.id for preset in presets)
    with Library.open(folder) as library:
        assert library.rows.unsettled() == []  # nothing else is done again
        assert library.rows.unmeasured() == states
        library.rows.measured(states[0], SHORT)
    with Library.open(folder) as library:
        assert library.rows.unmeasured() == states[1:]
        assert library.rows.measures() == library.rows.measures_of(states) == {states[0]: SHORT}
        ((listing, _),) = library.search("timbre", queries(1)[0], 9, choice=Choice(tags=("short",)))
        assert listing.id == states[0]
        library.remove(bank="old")
        assert library.rows.measures() == {}


@pytest.mark.parametrize("choice", [Choice(synths=("Made-Up",)), Choice(banks=("BANK1",)), Choice(words=("1",))])
def test_a_choice_is_searched_exactly_in_every_segment(
    folder: Path, monkeypatch: pytest.MonkeyPatch, choice: Choice
) -> None:
    monkeypatch.setattr(annoy_index, "EXACT", 300)
    monkeypatch.setattr(annoy_index, "CANDIDATES", 1)
    banks = [bank(f"bank{number}", 80) for number in range(3)]
    with Library.open(folder) as library:
        for each in banks:
            add(library, each)
        enter(library, bank("bank1 again", 5))  # not in a segment yet
        meant = {each.id for each in library.presets(choice)}
        assert meant == library.listings.chosen(choice)
        library.remove(bank="bank2")
        left = {each.id for each in library.presets(choice)}
        everything = [preset for name in (*banks[:2], bank("bank1 again", 5)) for preset in name]
        for space in SPACES:
            wanted = brute_force(library, [each for each in everything if each.id in left], space, queries(1)[0], 10)
            found = library.search(space, queries(1)[0], 10, choice=choice)
            assert [each.id for each, _ in found] == [state for state, _ in wanted]


def prints(count: int) -> list[Print]:
    """Some alike, some the same, most neither."""
    random = np.random.default_rng(3)
    centres = random.integers(0, 200, size=(count // 4, 1)) + random.integers(-60, 60, size=(count // 4, 1_320))
    near = [centres[place % len(centres)] + random.integers(-6, 7, size=1_320) for place in range(count)]
    near[-1] = near[0]
    return [np.clip(each, 0, 240).astype(np.uint8) for each in near]


def test_near_prints_lie_in_near_cells() -> None:
    some = prints(40)
    pairs = [(one, other) for one in some for other in some if distance(one, other) <= NEAR_DB]
    assert len(pairs) > 2 * len(some)
    assert all(cell(other) in near_cells(one) for one, other in pairs)
    assert len({cell(each) for each in some}) > 5
    np.testing.assert_allclose(
        distances(some[0], [*some, some[0][:100]]), [*(distance(some[0], each) for each in some), np.inf]
    )


def test_what_sounds_alike_is_found_without_looking_at_everything(folder: Path) -> None:
    banks = bank("one", 40), bank("two", 12)
    heard = {preset.id: Heard(each, content_hash(each.tobytes()))
             for preset, each in zip([*banks[0], *banks[1]], prints(52), strict=True)}  # fmt: skip
    with Library.open(folder) as library:
        for each in banks:
            add(library, each)
        for state, one in heard.items():
            library.rows.heard(state, one)
        assert library.rows.all_heard().keys() == heard.keys()
        found = scrutiny.report(library, banks[1], {})
    same, near = census.group(heard)
    new = {preset.id for preset in banks[1]}
    linked = {state for group in near if new & set(group) for state in group}
    assert same
    assert linked
    assert {each.id for group in found.near for each in group} >= linked
    # Ours first: a text that names a few of a group is to name those that were just added.
    assert all(group[0].bank == "two" for group in found.same)
    for group in found.near:
        banks_after = [each.bank for each in group[1:]]
        assert banks_after == sorted(banks_after, reverse=True)
    assert len(found.same) == len([group for group in same if new & set(group)])


def test_a_bank_that_is_called_like_a_synth_is_what_is_removed(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As it is what `show` shows; the synth's other banks stay."""
    with Library.open(folder) as library:
        for name in ("made up", "two"):
            add(library, bank(name, 3))
    assert run(["library", "remove", "made up", "--library", str(folder)]) == 0
    assert capsys.readouterr().out == "made up: 3 presets removed.\n"
    with Library.open(folder) as library:
        assert [each.bank for each in library.presets()] == ["two"] * 3
    assert run(["library", "remove", "made up", "--library", str(folder)]) == 0
    with Library.open(folder) as library:
        assert not library.presets()


def test_a_bank_that_several_synths_have_is_removed_of_the_one_that_is_chosen(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one = bank("both", 3)
    states = (State("another", preset.state.data) for preset in one)
    other = [replace(preset, state=state, file=Path("x")) for preset, state in zip(one, states, strict=True)]
    with Library.open(folder) as library:
        add(library, one)
        add(library, PresetBank(tuple(other)))
    command = ["library", "remove", "both", "--library", str(folder)]
    assert run(command) == 1
    assert "another, made up each have a bank both; choose one of them (--synth)." in capsys.readouterr().err
    assert run([*command, "--synth", "none"]) == 1
    assert "holds no presets of both of none" in capsys.readouterr().err
    with Library.open(folder) as library:
        assert len(library.presets()) == 6
    assert run([*command, "--synth", "made up"]) == 0
    with Library.open(folder) as library:
        assert [each.synth for each in library.presets()] == ["another"] * 3
    assert run(command) == 0
