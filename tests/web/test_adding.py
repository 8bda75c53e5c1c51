"""Files of presets that are sent to be added: which are kept, and how often they are listed."""

from __future__ import annotations

import asyncio
import io
import os
import threading
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from synthmatch.locking import write_lock
from synthmatch.web.jobs import Job, Told
from synthmatch.web.limits import Refusal
from synthmatch.web.studio import Studio


@pytest.mark.parametrize(
    ("name", "data", "status", "sentence"),
    [
        ("notes.txt", b"no presets", 415, "isn't a known preset file"),
        ("broken.faustpatch", b"no presets", 422, "broken"),
        ("../../.fxp", b"", 415, "isn't a known preset file"),
    ],
)
def test_a_bank_that_cannot_be_read_changes_nothing(
    client: TestClient, studio: Studio, name: str, data: bytes, status: int, sentence: str
) -> None:
    before = client.get("/api/library").json()
    answer = client.post("/api/library/add", files={"file": (name, data)})
    assert (answer.status_code, sentence in answer.json()["error"]) == (status, True), answer.text
    assert client.get("/api/library").json() == before
    assert kept_files(studio) == []


def kept_files(studio: Studio) -> list[Path]:
    """Files that were sent and lie in the library's folder."""
    return [file for file in (studio.matching._shelf.path / "sent").rglob("*") if file.is_file()]


def test_of_what_is_refused_no_file_is_kept(client: TestClient, studio: Studio, made: Any) -> None:
    good, bad = ("My Bank.faustpatch", made.bank.read_bytes()), ("broken.faustpatch", b"no presets")
    for other, fields in ((("notes.txt", b""), {}), (good, {"synth": "nonsense"})):
        answer = client.post("/api/library/add", files=[("file", good), ("file", other)], data=fields)
        assert answer.status_code in (415, 422)
        assert kept_files(studio) == []
    answer = client.post("/api/library/add", files=[("file", bad), ("file", good)])
    assert answer.json()["rendered"] == 3
    (kept,) = kept_files(studio)
    assert kept.read_bytes() == made.bank.read_bytes()


def test_nothing_and_strange_synths_are_refused(client: TestClient) -> None:
    assert client.post("/api/library/add").status_code == 422
    assert "no banks of nonsense" in client.post("/api/library/add", data={"synth": "nonsense"}).json()["error"]
    assert client.post("/api/library/add", data={"synth": "/etc"}).status_code == 422


def test_more_files_than_are_taken_at_once_are_refused_in_one_sentence(client: TestClient, studio: Studio) -> None:
    most = studio.limits.bank_files
    document = client.get("/openapi.json").json()["paths"]["/api/library/add"]["post"]
    form = document["requestBody"]["content"]["multipart/form-data"]["schema"]
    assert form["properties"]["file"]["maxItems"] == most
    assert f"At most {most} files and 20 MB at once." in document["description"]
    assert f'data-limit-files="{most}"' in client.get("/").text
    for number, status in ((most, 415), (most + 1, 400)):  # as many as may be are read, and found to be no presets
        answer = client.post("/api/library/add", files=[("file", ("notes.txt", b""))] * number)
        assert answer.status_code == status
    error = answer.json()["error"]
    assert error.endswith(f"; at most {most} files and 100 fields are taken at once.")
    error = client.post("/api/songs", files=[("file", ("song.flac", b""))] * 2).json()["error"]
    assert error.endswith("; at most 1 file and 100 fields are taken at once.")
    assert client.get("/api/nothing").json()["error"] == "Not Found."


def test_a_bank_that_is_sent_again_is_listed_once(client: TestClient, studio: Studio, made: Any) -> None:
    """To go on after the server was stopped, say."""
    bank = {"file": ("My Bank.faustpatch", made.bank.read_bytes())}
    assert client.post("/api/library/add", files=bank).json()["rendered"] == 3
    before = client.get("/api/library").json()
    assert client.post("/api/library/add", files=bank).json()["rendered"] == 0
    assert client.get("/api/library").json()["banks"] == before["banks"]
    assert len(kept_files(studio)) == 1
    other = {"file": ("Its Copy.faustpatch", made.bank.read_bytes())}  # another name is another bank
    assert client.post("/api/library/add", files=other).json()["rendered"] == 0
    assert len(client.get("/api/library").json()["banks"]) == len(before["banks"]) + 1


def test_of_an_addition_that_fails_no_file_is_kept_unless_it_is_listed(
    client: TestClient, studio: Studio, made: Any
) -> None:
    bank = {"file": ("My Bank.faustpatch", made.bank.read_bytes())}
    for expected in (0, 1):
        with write_lock(studio.matching._shelf.path):
            assert "Another" in client.post("/api/library/add", files=bank).json()["error"]
        assert len(kept_files(studio)) == expected
        assert client.post("/api/library/add", files=bank).status_code == 200


def held(studio: Studio) -> threading.Event:
    """Additions wait until this is set."""
    gate = threading.Event()

    def hold(_job: Job) -> Told:
        gate.wait(60)
        return {}

    studio.adding._room.begin(hold)
    return gate


def sent(studio: Studio, data: bytes, name: str = "My Bank.faustpatch") -> Job:
    return studio.adding.take([], [(io.BytesIO(data), name)])


def test_of_additions_that_never_begin_no_file_is_kept(studio: Studio, made: Any) -> None:
    gate = held(studio)
    jobs = [sent(studio, made.bank.read_bytes()) for _ in range(2)]
    assert len(kept_files(studio)) == 1
    for job in jobs:
        job.cancel()
    gate.set()
    assert ["Stopped" in asyncio.run(job.outcome())[1]["error"] for job in jobs] == [True, True]
    assert kept_files(studio) == []


def test_of_an_addition_to_a_library_that_is_gone_no_file_is_kept(studio: Studio, made: Any) -> None:
    (studio.matching._shelf.path / "library.json").unlink()
    assert "no library" in asyncio.run(sent(studio, made.bank.read_bytes()).outcome())[1]["error"]
    assert kept_files(studio) == []


def test_a_file_stays_for_the_addition_that_comes_after_one_that_fails(studio: Studio, made: Any) -> None:
    gate = held(studio)
    with write_lock(studio.matching._shelf.path):
        first, second = (sent(studio, made.bank.read_bytes()) for _ in range(2))
        with pytest.raises(Refusal, match="known preset file"):
            studio.adding.take([], [(io.BytesIO(made.bank.read_bytes()), "My Bank.faustpatch"), (io.BytesIO(), "x")])
        third = held(studio)
        gate.set()
        for job in (first, second):
            assert "Another" in asyncio.run(job.outcome())[1]["error"]
    assert kept_files(studio) == []  # nobody needs it any more
    again = sent(studio, made.bank.read_bytes())
    third.set()
    assert asyncio.run(again.outcome())[1]["rendered"] == 3


def test_a_file_that_is_lost_goes_by_its_own_name(studio: Studio, made: Any) -> None:
    gate = held(studio)
    job = sent(studio, made.bank.read_bytes())
    kept_files(studio)[0].unlink()
    gate.set()
    error = asyncio.run(job.outcome())[1]["error"]
    assert "My Bank" in error
    assert str(studio.matching._shelf.path) not in error


def test_a_name_may_be_longer_than_is_shown(client: TestClient, studio: Studio, made: Any) -> None:
    for number in range(2):  # they differ beyond what is shown
        bank = {"file": (f"{'x' * 150}{number}.faustpatch", made.bank.read_bytes())}
        answer = client.post("/api/library/add", files=bank)
        assert answer.status_code == 200, answer.text
    assert len(kept_files(studio)) == 2
    assert f"{'x' * 120}" in [bank["bank"] for bank in client.get("/api/library").json()["banks"]]


def test_a_library_that_can_only_be_read_takes_no_files(
    client: TestClient, studio: Studio, made: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)  # as for whoever isn't root
    answer = client.post("/api/library/add", files={"file": ("My Bank.faustpatch", made.bank.read_bytes())})
    assert (answer.status_code, "only be read" in answer.json()["error"]) == (409, True)
    assert kept_files(studio) == []
