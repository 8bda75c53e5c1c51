"""Vectors survive whatever stops a run, and what is added costs no more for what is there."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from synthmatch.library import segments, vectors
from synthmatch.library.segments import Places, Segment
from synthmatch.library.vectors import Embedded, VectorStore

SPACES = ("bass", "lead", "timbre")


def batch(*ids: str) -> Embedded:
    """Vectors that say which state they belong to."""
    random = np.random.default_rng([ord(letter) for each in ids for letter in each])
    vectors = random.normal(size=(len(ids), 3, 2, 4))
    vectors /= np.linalg.norm(vectors, axis=-1, keepdims=True)
    return Embedded(ids, vectors.astype(np.float16), random.uniform(size=(len(ids), 2)).astype(np.float32))


def store(path: Path) -> VectorStore:
    return VectorStore(path / "vectors", SPACES, 2, 4)


def same(found: VectorStore, state: str, wanted: Embedded) -> bool:
    row, theirs = found.rows[state], wanted.ids.index(state)
    return bool(np.array_equal(found.presence[row], wanted.presence[theirs])) and all(
        np.array_equal(found.space(name)[row], wanted.vectors[theirs, place]) for place, name in enumerate(SPACES)
    )


def everything(*states: str) -> dict[str, tuple[bool, bool] | None]:
    return dict.fromkeys(states, (True, False))


def folders(path: Path) -> list[str]:
    """What is there, without what makes names unlike all others."""
    return sorted(re.sub(r"(segment-\d+)-\w+", r"\1", each.name) for each in (path / "vectors").iterdir())


def segment(path: Path, number: int) -> Path:
    (found,) = (path / "vectors").glob(f"segment-{number:08d}-*")
    return found


def test_parts_and_segments_say_the_same(tmp_path: Path) -> None:
    first, second = batch("c", "a"), batch("b", "d", "e")
    writer = store(tmp_path)
    writer.add(first)
    writer.add(second)
    for _ in range(2):
        found = store(tmp_path)
        assert found.ids == ("a", "b", "c", "d", "e")
        assert len(found) == 5
        assert found.holds({"a", "e", "unknown"}) == {"a", "e"}
        assert all(same(found, state, each) for each in (first, second) for state in each.ids)
        writer.settle(everything("a", "b", "c", "d", "e", "unknown"))
    assert folders(tmp_path) == ["segment-00000001", "segments.json"]
    writer.settle(everything("b", "e") | dict.fromkeys(["a", "c", "d"]))
    found = store(tmp_path)
    assert found.ids == ("b", "e")
    assert same(found, "e", second)
    assert found.unsettled == []


def test_what_changes_costs_a_segment_of_its_own(tmp_path: Path) -> None:
    writer = store(tmp_path)
    writer.add(batch("a", "b", "c"))
    writer.settle(everything("a", "b", "c"))
    before = (segment(tmp_path, 1) / "vectors.npy").stat()
    writer.add(batch("d"))
    writer.settle({"b": (False, True), "c": None, "d": (True, True)})
    after = (segment(tmp_path, 1) / "vectors.npy").stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)
    found = store(tmp_path)
    assert found.ids == ("a", "b", "d")
    assert same(found, "b", batch("a", "b", "c"))
    marks = {
        name: each.found[row].tolist()
        for each in found.segments
        if each.found is not None
        for row in each.alive.tolist()
        for name in each.names(np.array([row]))
    }
    assert marks == {"a": [True, False], "b": [False, True], "d": [True, True]}
    writer.settle({"a": (True, False)})  # as it is
    assert folders(tmp_path) == ["segment-00000001", "segment-00000002", "segments.json"]


def test_killed_between_the_new_list_and_the_end_of_the_old_files(tmp_path: Path) -> None:
    first = batch("a", "b")
    writer = store(tmp_path)
    writer.add(first)
    (part,) = (tmp_path / "vectors").glob("part-*")
    data = part.read_bytes()
    writer.settle(everything("a", "b"))
    part.write_bytes(data)  # as if it had never been deleted
    (tmp_path / "vectors" / ".segment-half").mkdir()
    (tmp_path / "vectors" / "segment-00000002-half").mkdir()  # written, and never listed
    (tmp_path / "vectors" / "segment-00000002-half" / "ids.npy").write_bytes(b"half")
    found = store(tmp_path)
    assert found.ids == ("a", "b")
    found.settle({"a": None})
    assert folders(tmp_path) == ["segment-00000001", "segments.json"]
    assert store(tmp_path).ids == ("b",)  # what is gone stays so, part or not
    assert same(found, "b", first)


@pytest.mark.parametrize("stop", ["segment", "gone", "list"])
def test_stopped_at_any_step_nothing_is_lost_or_doubled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop: str
) -> None:
    writer = store(tmp_path)
    writer.add(batch("a", "b", "c"))
    writer.settle(everything("a", "b", "c"))
    writer.add(batch("d", "e"))
    changes = everything("d", "e") | {"a": None}

    def fail(*_: object) -> None:
        raise KeyboardInterrupt

    owner, name = {
        "segment": (segments, "write"),
        "gone": (segments, "write_gone"),
        "list": (vectors._Listed, "write"),
    }[stop]
    monkeypatch.setattr(owner, name, fail)
    with pytest.raises(KeyboardInterrupt):
        writer.settle(changes)
    monkeypatch.undo()
    found = store(tmp_path)
    assert found.ids == ("a", "b", "c", "d", "e")
    found.settle(changes)
    assert store(tmp_path).ids == ("b", "c", "d", "e")
    assert [
        state for state in "bcde" if not same(found, state, batch("a", "b", "c") if state in "bc" else batch("d", "e"))
    ] == []


def test_segments_stay_few_and_a_state_is_seldom_written_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segments, "SMALLEST", 2)
    written: list[int] = []
    original = segments.write

    def counted(folder: Path, number: int, sources: Sequence[Segment], rows: Sequence[Places]) -> Path:
        written.append(sum(map(len, rows)))
        return original(folder, number, sources, rows)

    monkeypatch.setattr(segments, "write", counted)
    writer = store(tmp_path)
    for turn in range(64):
        states = (f"{turn:03}x", f"{turn:03}y")
        writer.add(batch(*states))
        writer.settle(everything(*states))
        assert len(writer.segments) <= 3 * 4  # fewer than FAN in each of log4(64) + 1 tiers
    assert len(writer) == 128
    assert sum(written) <= 128 * 4  # once a tier
    for turn in range(0, 64, 7):
        assert same(writer, f"{turn:03}y", batch(f"{turn:03}x", f"{turn:03}y"))
    writer.settle(dict.fromkeys(writer.ids[1:]))
    assert len(writer.segments) == 1
    assert writer.ids == ("000x",)


def test_a_reader_goes_on_while_segments_are_merged(tmp_path: Path) -> None:
    writer = store(tmp_path)
    for name in "abc":
        writer.add(batch(name))
        writer.settle(everything(name))
    reader = store(tmp_path)
    writer.add(batch("d"))
    writer.settle(everything("d"))
    assert len(writer.segments) == 1  # FAN of them became one
    assert reader.ids == ("a", "b", "c")
    assert all(same(reader, name, batch(name)) for name in "abc")
    reader.reload()
    assert reader.ids == ("a", "b", "c", "d")


def test_a_reader_sees_what_becomes_a_segment_while_it_looks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = store(tmp_path)
    writer.add(batch("a", "b"))
    original = vectors._Listed.read

    def settled_meanwhile(path: Path) -> vectors._Listed:
        """What the list says before the parts that it doesn't name are gone."""
        said = original(path)
        monkeypatch.undo()
        writer.settle(everything("a", "b"))
        return said

    monkeypatch.setattr(vectors._Listed, "read", settled_meanwhile)
    reader = store(tmp_path)
    assert folders(tmp_path) == ["segment-00000001", "segments.json"]
    assert reader.ids == ("a", "b")
    assert same(reader, "b", batch("a", "b"))


def test_a_table_from_before_there_were_segments(tmp_path: Path) -> None:
    wanted = batch("a", "b", "c")
    table = tmp_path / "vectors" / "table-000007"
    table.mkdir(parents=True)
    (table / "ids.json").write_text(json.dumps(wanted.ids))
    np.save(table / "presence.npy", wanted.presence)
    for place, name in enumerate(SPACES):
        np.save(table / f"{name}.npy", wanted.vectors[:, place])
    old = store(tmp_path)
    assert old.ids == ("a", "b", "c")
    assert old.unsettled == ["a", "b", "c"]
    assert all(same(old, state, wanted) for state in "abc")
    whole = (table / "lead.npy").read_bytes()
    (table / "lead.npy").write_bytes(b"")
    assert f"{table} is damaged" in store(tmp_path).damage
    (table / "lead.npy").write_bytes(whole)
    old.settle(everything("a", "c") | {"b": None})
    assert folders(tmp_path) == ["segment-00000001", "segments.json"]
    assert store(tmp_path).ids == ("a", "c")
    assert same(old, "c", wanted)


def test_damage_costs_its_own_states_alone(tmp_path: Path) -> None:
    writer = store(tmp_path)
    writer.add(batch("a"))
    (part,) = (tmp_path / "vectors").glob("part-*")
    writer.add(batch("b"))
    part.write_bytes(part.read_bytes()[:100])
    assert store(tmp_path).ids == ("b",)
    writer.add(batch("d"))
    writer.settle(everything("b", "d"))
    writer.add(batch("c"))
    writer.settle(everything("c") | {"d": None})
    (gone,) = segment(tmp_path, 1).glob("gone-*.npy")
    np.save(gone, np.array([2]))  # a row that there isn't
    for name, nonsense in ((gone.name, gone.read_bytes()), ("ids.npy", b""), ("vectors.npy", b"nonsense")):
        (segment(tmp_path, 1) / name).write_bytes(nonsense)
        found = store(tmp_path)
        assert found.ids == ("c",)
        assert f"{segment(tmp_path, 1)} is damaged" in found.damage
    found.settle({"c": None})
    assert f"{segment(tmp_path, 1)} is damaged" in found.damage  # an add doesn't hide it
    found.settle({}, mend=True)
    assert found.damage == ""
    assert folders(tmp_path) == ["segments.json"]
    (tmp_path / "vectors" / "segments.json").write_text("{")
    assert "segments.json is damaged" in store(tmp_path).damage


def test_one_wrong_bit_in_a_header_is_damage_or_nothing(tmp_path: Path, flipped: Callable[[bytes, int], bytes]) -> None:
    whole = batch("aaa", "bbb", "ccc")
    writer = store(tmp_path)
    writer.add(whole)
    (part,) = (tmp_path / "vectors").glob("part-*")
    data = part.read_bytes()
    for bit in range(0, 800, 7):
        part.write_bytes(flipped(data, bit))
        assert store(tmp_path).ids in ((), whole.ids)
    part.write_bytes(data)
    writer.settle(everything(*whole.ids))
    writer.settle({"bbb": None})
    for path in segment(tmp_path, 1).iterdir():
        data, damaged = path.read_bytes(), 0
        for bit in range(0, 640, 7):
            path.write_bytes(flipped(data, bit))
            found = store(tmp_path)
            damaged += bool(found.damage)
            assert found.damage or found.ids == ("aaa", "ccc")
            assert all(same(found, state, whole) for state in found.ids)
        path.write_bytes(data)
        assert damaged > 80


def test_a_list_that_cannot_be_read_gives_no_segment_up(tmp_path: Path) -> None:
    first = batch("a", "b", "c")
    writer = store(tmp_path)
    writer.add(first)
    writer.settle(everything("a", "b", "c"))
    path = tmp_path / "vectors" / "segments.json"
    whole = path.read_text()
    path.write_text("")  # as after a power cut
    writer.add(batch("d"))
    writer.settle(everything("d") | {"a": None})
    assert segment(tmp_path, 1).is_dir()
    assert f"{path} is damaged" in writer.damage
    assert writer.ids == ("d",)
    path.write_text(whole)  # as when a shared disk failed once
    found = store(tmp_path)
    assert (found.ids, found.damage) == (("a", "b", "c", "d"), "")
    assert same(found, "b", first)
    path.write_text("")
    found.settle(everything("d"), mend=True)
    assert (found.ids, found.damage) == (("d",), "")
    assert store(tmp_path).damage == ""
    assert folders(tmp_path) == ["segment-00000001", "segments.json"]


def test_vectors_of_another_shape_are_refused_or_called_damage(tmp_path: Path) -> None:
    writer = store(tmp_path)
    with pytest.raises(ValueError, match="don't fit"):
        writer.add(Embedded(("a",), np.zeros((1, 3, 2, 5), np.float16), np.zeros((1, 2), np.float32)))
    with pytest.raises(ValueError, match="2 ids"):
        Embedded(("a", "b"), np.zeros((1, 3, 2, 4), np.float16), np.zeros((1, 2), np.float32))
    writer.add(batch("a"))
    writer.settle(everything("a"))
    assert writer.damage == ""
    other = VectorStore(tmp_path / "vectors", SPACES, 2, 5)
    assert "(1, 2, 4) instead of (1, 2, 5)" in other.damage
    assert other.ids == ()


def test_unfit_names_what_is_not_of_unit_length(tmp_path: Path) -> None:
    good, bad = batch("a", "b"), batch("c", "d")
    bad.vectors[0, 1, 0] *= np.float16(1.5)
    bad.vectors[1, 2, 1, 3] = np.nan
    writer = store(tmp_path)
    writer.add(good)
    writer.add(bad)
    writer.settle(everything("a", "b", "c", "d"))
    assert writer.unfit() == ["c", "d"]
