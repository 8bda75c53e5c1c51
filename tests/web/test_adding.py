"""Files of presets that are sent to be added: which are kept, and how often they are listed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from synthmatch.library.store import write_lock
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
