"""Vectors survive whatever stops a run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from synthmatch.vectors import Embedded, VectorStore

SPACES = ("bass", "lead", "timbre")


def batch(*ids: str) -> Embedded:
    """Vectors that say which state they belong to."""
    random = np.random.default_rng([ord(each[0]) for each in ids])
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


def test_parts_and_table_say_the_same(tmp_path: Path) -> None:
    first, second = batch("c", "a"), batch("b", "d", "e")
    writer = store(tmp_path)
    writer.add(first)
    writer.add(second)
    for _ in range(2):
        found = store(tmp_path)
        assert sorted(found.ids) == ["a", "b", "c", "d", "e"]
        assert all(same(found, state, each) for each in (first, second) for state in each.ids)
        writer.compact({"a", "b", "c", "d", "e", "unknown"})
    assert store(tmp_path).ids == ("a", "b", "c", "d", "e")
    assert sorted(path.name for path in (tmp_path / "vectors").iterdir()) == ["table-000001"]
    writer.compact({"b", "e"})
    found = store(tmp_path)
    assert found.ids == ("b", "e")
    assert same(found, "e", second)
    assert found.version != ""


def test_killed_between_the_new_table_and_the_end_of_the_old_parts(tmp_path: Path) -> None:
    first = batch("a", "b")
    writer = store(tmp_path)
    writer.add(first)
    (part,) = (tmp_path / "vectors").glob("part-*")
    data = part.read_bytes()
    writer.compact({"a", "b"})
    part.write_bytes(data)  # as if it had never been deleted
    (tmp_path / "vectors" / ".table-half").mkdir()
    found = store(tmp_path)
    assert found.ids == ("a", "b")
    found.compact({"a", "b"})
    assert [path.name for path in (tmp_path / "vectors").iterdir()] == ["table-000002"]
    assert same(found, "b", first)


def test_a_damaged_part_costs_its_own_states_alone(tmp_path: Path) -> None:
    writer = store(tmp_path)
    writer.add(batch("a"))
    (part,) = (tmp_path / "vectors").glob("part-*")
    writer.add(batch("b"))
    part.write_bytes(part.read_bytes()[:100])
    assert store(tmp_path).ids == ("b",)


def test_vectors_of_another_shape_are_refused_or_called_damage(tmp_path: Path) -> None:
    writer = store(tmp_path)
    with pytest.raises(ValueError, match="don't fit"):
        writer.add(Embedded(("a",), np.zeros((1, 3, 2, 5), np.float16), np.zeros((1, 2), np.float32)))
    with pytest.raises(ValueError, match="2 ids"):
        Embedded(("a", "b"), np.zeros((1, 3, 2, 4), np.float16), np.zeros((1, 2), np.float32))
    writer.add(batch("a"))
    writer.compact({"a"})
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
    writer.compact({"a", "b", "c", "d"})
    assert writer.unfit() == ["c", "d"]
