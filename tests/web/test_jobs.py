"""Work in its turn, told as it goes on; and places for vectors: truths that need no server."""

from __future__ import annotations

import asyncio
import errno
import os
import re
import threading
from pathlib import Path

import numpy as np
import pytest

from synthmatch.errors import InputError
from synthmatch.web.jobs import DONE, ERROR, Job, Room, Told, as_stream
from synthmatch.web.layout import laid_out, placed
from synthmatch.web.limits import Limits, Refusal
from synthmatch.web.openapi import document


def room(waiting: int = 9, remembered: int = 9) -> Room:
    return Room("test", waiting, remembered, lambda: None)


def steps(job: Job) -> Told:
    for number in range(3):
        job.progress(number, 3)
    return {"sum": 3}


def outcome(job: Job) -> tuple[str, Told]:
    return asyncio.run(job.outcome())


def test_every_listener_hears_everything_in_order() -> None:
    async def listen(job: Job) -> list[tuple[int, str]]:
        return [(number, name) async for number, name, _ in job.events()]

    async def both(job: Job) -> list[list[tuple[int, str]]]:
        return await asyncio.gather(listen(job), listen(job))

    with room() as here:
        job = here.begin(steps)
        heard = asyncio.run(both(job))
        assert heard == [[(0, "progress"), (1, "progress"), (2, "progress"), (3, DONE)]] * 2
        assert asyncio.run(listen(job)) == heard[0]  # whoever comes late, too
        assert here.job(job.id) is job


def test_whoever_has_heard_the_last_event_waits_for_no_other() -> None:
    async def listen(job: Job, first: int) -> list[int]:
        return [number async for number, name, _ in job.events(first) if name]

    gate = threading.Event()
    with room() as here:
        held = here.begin(lambda job: steps(job) if gate.wait(60) else {})
        assert not held.is_over(9)  # nobody knows how many there will be
        gate.set()
        outcome(held)
        assert [held.is_over(first) for first in (0, 3, 4, 9)] == [False, False, True, True]
        assert asyncio.run(asyncio.wait_for(listen(held, 3), 60)) == [3]
        assert asyncio.run(asyncio.wait_for(listen(held, 4), 60)) == []


def test_one_job_is_done_at_a_time_and_no_more_wait_than_may() -> None:
    gate, inside = threading.Event(), []

    def wait(job: Job) -> Told:
        inside.append(job.id)
        gate.wait(60)
        return {}

    with room(waiting=2) as here:
        jobs = [here.begin(wait) for _ in range(3)]
        with pytest.raises(Refusal, match="try again"):
            here.begin(wait)
        assert len(inside) <= 1
        gate.set()
        assert [outcome(job)[0] for job in jobs] == [DONE] * 3
        assert inside == [job.id for job in jobs]


def test_a_stream_that_is_closed_stops_its_job() -> None:
    gate = threading.Event()

    def slow(job: Job) -> Told:
        job.progress(0, 2)
        gate.wait(60)
        job.progress(1, 2)
        return {}

    async def leave(job: Job) -> None:
        stream = as_stream(job, 0, job.cancel)
        assert (await anext(stream)).startswith("event: job\n")
        assert "event: progress\n" in await anext(stream)
        await stream.aclose()

    async def come_back(job: Job) -> list[str]:
        return [event.partition("event: ")[2].partition("\n")[0] async for event in as_stream(job, 1, job.cancel)]

    with room() as here:
        job = here.begin(slow)
        asyncio.run(leave(job))
        gate.set()
        assert outcome(job)[0] == ERROR
        assert asyncio.run(come_back(job)) == ["job", ERROR]  # as the API's description says
    described = document(Limits())["paths"]["/api/matches/{id}"]["get"]["description"]
    assert described.endswith(f"is given up when its stream is closed before it has ended; then `{ERROR}` is told.")


def test_what_goes_wrong_is_told_in_a_sentence() -> None:
    def wrong(_job: Job) -> Told:
        raise InputError("That song\nis odd.")

    def broken(_job: Job) -> Told:
        raise ZeroDivisionError("/a/path/of/ours")

    with room() as here:
        assert outcome(here.begin(wrong)) == (ERROR, {"error": "That song is odd.", "status": 422})
        name, what = outcome(here.begin(broken))
        assert (name, what["status"]) == (ERROR, 500)
        assert "path" not in what["error"]


@pytest.mark.parametrize(
    ("number", "status"),
    [(errno.ENOSPC, 507), (errno.EDQUOT, 507), (errno.EROFS, 409), (errno.EACCES, 409), (errno.EIO, 500)],
)
def test_what_a_disk_does_not_take_is_told_without_our_paths(number: int, status: int) -> None:
    refusal = Refusal.of(OSError(number, os.strerror(number), "/a/path/of/ours"))
    assert (refusal.status, "path" in refusal.sentence) == (status, False)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux alone has a disk that is always full")
def test_a_full_disk_is_told_in_a_sentence() -> None:
    def fill(_job: Job) -> Told:
        with Path("/dev/full").open("wb", buffering=0) as file:
            file.write(b"0")
        return {}

    with room() as here:
        name, what = outcome(here.begin(fill))
    assert (name, what["status"], "make room" in what["error"]) == (ERROR, 507, True)


def test_what_is_cancelled_before_its_turn_is_dropped() -> None:
    gate, dropped = threading.Event(), threading.Event()

    def hold(_job: Job) -> Told:
        gate.wait(60)
        return {}

    with room() as here:
        here.begin(hold)
        job = here.begin(steps, dropped.set)
        job.cancel()
        assert not dropped.is_set()
        gate.set()
        assert outcome(job)[0] == ERROR
    assert dropped.is_set()


def test_old_jobs_are_forgotten() -> None:
    with room(remembered=2) as here:
        jobs = [here.begin(steps) for _ in range(4)]
        for job in jobs:
            outcome(job)
        here.begin(steps)
        with pytest.raises(Refusal, match="no longer known"):
            here.job(jobs[0].id)


def unit(rows: int, seed: int = 0) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    vectors = np.random.default_rng(seed).standard_normal((rows, 16)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_the_same_vectors_have_the_same_places_and_neighbours_stay_together() -> None:
    centres = unit(4)
    vectors = np.concatenate([centre + 0.05 * unit(12, number) for number, centre in enumerate(centres)])
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    places = laid_out(vectors)
    assert places.shape == (48, 2)
    assert np.abs(places).max() <= 1
    np.testing.assert_array_equal(places, laid_out(vectors))
    nearest = [np.argsort(((places - place) ** 2).sum(axis=1))[1] for place in places]
    assert np.mean([row // 12 == other // 12 for row, other in enumerate(nearest)]) > 0.95


@pytest.mark.parametrize("rows", [0, 1, 2, 3, 7])
def test_few_sounds_have_places_as_well(rows: int) -> None:
    places = laid_out(unit(rows))
    assert places.shape == (rows, 2)
    assert np.isfinite(places).all()


def test_a_new_sound_stands_where_the_same_one_does() -> None:
    vectors, places = unit(50), unit(50, 1)[:, :2]
    for row in (3, 30):
        assert np.linalg.norm(placed(vectors[row], vectors, places) - places[row]) < 0.01


def test_the_description_is_whole() -> None:
    told = document(Limits())
    names = set(re.findall(r"#/components/schemas/(\w+)", str(told)))
    assert names == set(told["components"]["schemas"])
    for path, calls in told["paths"].items():
        wanted = set(re.findall(r"{(\w+)}", path))
        for call in calls.values():
            assert {each["name"] for each in call.get("parameters", []) if each["in"] == "path"} == wanted
