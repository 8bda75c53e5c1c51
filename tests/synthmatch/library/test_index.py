"""The index finds what a comparison with every vector finds."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from synthmatch.errors import LibraryError
from synthmatch.library import index as module
from synthmatch.library.index import PresetIndex


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Annoy files for sets small enough to be compared one by one."""
    monkeypatch.setattr(module, "EXACT", 5_000)


def clustered(count: int, notes: int = 5, dimension: int = 32, seed: int = 0) -> npt.NDArray[np.float16]:
    """Unit vectors in clusters, a state's notes near each other, as presets are."""
    random = np.random.default_rng(seed)
    centres = random.normal(size=(max(1, count // 20), 1, dimension))
    states = centres[random.integers(len(centres), size=count)] + 0.5 * random.normal(size=(count, 1, dimension))
    vectors = states + 0.3 * random.normal(size=(count, notes, dimension))
    return (vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)).astype(np.float16)


def brute_force(
    vectors: npt.NDArray[np.float16], rows: npt.NDArray[np.intp], query: npt.NDArray[np.float32], k: int
) -> list[tuple[int, float]]:
    scores = {int(row): max(float(note.astype(np.float32) @ query) for note in vectors[row]) for row in rows}
    return sorted(scores.items(), key=lambda pair: (-pair[1], pair[0]))[:k]


def queries(vectors: npt.NDArray[np.float16], count: int) -> npt.NDArray[np.float32]:
    random = np.random.default_rng(9)
    near = vectors[random.integers(len(vectors), size=count), 0].astype(np.float32)
    near += 0.1 * random.normal(size=near.shape).astype(np.float32)
    return near / np.linalg.norm(near, axis=-1, keepdims=True)


@pytest.mark.parametrize("count", [40, 3000])  # 200 vectors: exact; 15,000: Annoy
def test_search_equals_brute_force(tmp_path: Path, count: int) -> None:
    vectors = clustered(count)
    rows = np.arange(0, count, 2)
    index = PresetIndex(vectors, rows)
    index.build(tmp_path, "bass", "key")
    assert index.exact == (count * 5 // 2 <= module.EXACT)
    for query in queries(vectors, 20):
        found, expected = index.search(query, 10), brute_force(vectors, rows, query, 10)
        assert [row for row, _ in found] == [row for row, _ in expected]
        np.testing.assert_allclose([score for _, score in found], [score for _, score in expected], atol=1e-5)


def test_several_files_are_searched_as_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SHARD", 4_000)
    vectors = clustered(2500)
    index = PresetIndex(vectors, np.arange(2500))
    index.build(tmp_path, "bass", "key")
    assert len(list(tmp_path.glob("bass-*.ann"))) == 4
    for query in queries(vectors, 10):
        assert [row for row, _ in index.search(query, 5)] == [
            row for row, _ in brute_force(vectors, np.arange(2500), query, 5)
        ]


def test_the_same_vectors_give_the_same_bytes(tmp_path: Path) -> None:
    vectors = clustered(1500)
    for name in ("one", "two"):
        PresetIndex(vectors, np.arange(1500)).build(tmp_path / name, "bass", "key")
    first, second = ((tmp_path / name / "bass-0.ann").read_bytes() for name in ("one", "two"))
    assert first == second


def test_a_filter_is_exact_and_stays_within_the_rows() -> None:
    vectors = clustered(300)
    index = PresetIndex(vectors, np.arange(100, 200))
    query = queries(vectors, 1)[0]
    only = [7, 120, 150, 199, 250]
    assert [row for row, _ in index.search(query, 10, only)] == [
        row for row, _ in brute_force(vectors, np.array([120, 150, 199]), query, 10)
    ]
    assert index.search(query, 10, []) == []
    assert PresetIndex(vectors, np.array([], dtype=np.intp)).search(query, 3) == []


def test_a_state_finds_itself_once_with_cosine_one() -> None:
    vectors = clustered(200)
    index = PresetIndex(vectors, np.arange(200))
    found = index.search(vectors[17, 3].astype(np.float32), 200)
    assert found[0][0] == 17
    assert found[0][1] == pytest.approx(1, abs=2e-3)
    assert sorted(row for row, _ in found) == list(range(200))


def test_stale_and_damaged_files_are_refused_and_searches_stay_right(
    tmp_path: Path, flipped: Callable[[bytes, int], bytes]
) -> None:
    vectors = clustered(1500)
    rows = np.arange(1500)
    PresetIndex(vectors, rows).build(tmp_path, "bass", "key")
    query = queries(vectors, 1)[0]
    expected = [row for row, _ in brute_force(vectors, rows, query, 5)]
    path = tmp_path / "bass-0.ann"
    whole = path.read_bytes()

    fresh = PresetIndex(vectors, rows)
    with pytest.raises(LibraryError, match="older than its vectors"):
        fresh.open(tmp_path, "bass", "another key")
    assert fresh.exact
    with pytest.raises(LibraryError, match="older than its vectors"):
        PresetIndex(vectors, rows[1:]).open(tmp_path, "bass", "key")
    for damaged in (whole[:-1000], whole[: len(whole) // 2], b""):
        path.write_bytes(damaged)
        with pytest.raises(LibraryError, match=r"bass-0\.ann is .*damaged"):
            fresh.open(tmp_path, "bass", "key")
        assert [row for row, _ in fresh.search(query, 5)] == expected
    path.write_bytes(whole)
    directions = tmp_path / "bass.npy"
    header = directions.read_bytes()
    for bit in range(0, 640, 7):
        directions.write_bytes(flipped(header, bit))
        with suppress(LibraryError):
            fresh.open(tmp_path, "bass", "key")
        assert [row for row, _ in fresh.search(query, 5)] == expected
    path.unlink()
    with pytest.raises(LibraryError, match="missing"):
        fresh.open(tmp_path, "bass", "key")
    with pytest.raises(LibraryError, match="missing"):
        fresh.open(tmp_path, "lead", "key")


def test_vectors_of_few_dimensions_are_found_in_those(tmp_path: Path) -> None:
    """As presets' are: whatever is left out of the file counts in the score."""
    thin, turn = clustered(2000, dimension=12), np.linalg.qr(np.random.default_rng(3).normal(size=(48, 48)))[0][:12]
    rest = np.random.default_rng(4).normal(scale=0.02, size=(*thin.shape[:2], 48))
    whole = thin.astype(np.float64) @ turn + rest
    vectors = (whole / np.linalg.norm(whole, axis=-1, keepdims=True)).astype(np.float16)
    index = PresetIndex(vectors, np.arange(2000))
    index.build(tmp_path, "bass", "key")
    assert np.load(tmp_path / "bass.npy").shape == (48, 16)
    for query in queries(vectors, 20):
        found, expected = index.search(query, 10), brute_force(vectors, np.arange(2000), query, 10)
        assert [row for row, _ in found] == [row for row, _ in expected]


def test_what_is_gone_is_not_found_though_the_file_has_it(tmp_path: Path) -> None:
    vectors = clustered(1500)
    index = PresetIndex(vectors, np.arange(1500))
    index.build(tmp_path, "bass", "key")
    gone = np.zeros(1500, bool)
    for query in queries(vectors, 5):
        gone[:] = False
        gone[[row for row, _ in index.search(query, 10)]] = True
        left = brute_force(vectors, np.flatnonzero(~gone), query, 10)
        assert [row for row, _ in index.search(query, 10, gone=gone)] == [row for row, _ in left]


def test_though_all_around_is_gone_the_next_nearest_are_found(tmp_path: Path) -> None:
    vectors = clustered(1500)
    index = PresetIndex(vectors, np.arange(1500))
    index.build(tmp_path, "bass", "key")
    assert not index.exact
    gone = np.zeros(1500, bool)
    for query in queries(vectors, 5):
        gone[:] = False
        gone[[row for row, _ in brute_force(vectors, np.arange(1500), query, 400)]] = True
        left = brute_force(vectors, np.flatnonzero(~gone), query, 10)
        assert [row for row, _ in index.search(query, 10, gone=gone)] == [row for row, _ in left]


@pytest.mark.parametrize("query", [np.zeros(31, np.float32), np.full(32, np.nan, np.float32)])
def test_a_query_that_does_not_fit_is_refused(query: npt.NDArray[np.float32]) -> None:
    index = PresetIndex(clustered(10), np.arange(10))
    with pytest.raises(ValueError, match="can't be searched"):
        index.search(query, 3)
