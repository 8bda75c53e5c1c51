"""The map of a library: drawn once, of what whoever asks has before them, and anew when that has changed."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from synthmatch.files import write_text
from synthmatch.library.editions import changing, edition
from synthmatch.library.library import Library
from synthmatch.networks.encoder import Encoder
from synthmatch.presets.bank import PresetBank
from synthmatch.renderers.pool import RenderPool
from synthmatch.web import atlas
from synthmatch.web.app import create_app
from synthmatch.web.jobs import Job, Told
from synthmatch.web.layout import Floats
from synthmatch.web.limits import Refusal
from synthmatch.web.studio import Studio

PATIENCE = 60  # seconds: how slow a machine may be

_ENDLESS = """
import sys, threading
from pathlib import Path

from synthmatch.library.library import Library
from synthmatch.web import atlas
from synthmatch.web.limits import Limits

begun = threading.Event()

def forever(_vectors):
    begun.set()
    threading.Event().wait()

atlas.laid_out = forever
with atlas.Atlas(Limits()) as maps, Library.open(Path(sys.argv[1])) as library:
    assert maps.plan(library) is None
    begun.wait()
"""


def test_the_map_is_drawn_once_and_the_song_stands_on_it(
    client: TestClient, studio: Studio, made: Any, drawn: Any
) -> None:
    told = drawn(client)
    assert len(told["points"]) == 12
    assert all(-1 <= point["x"] <= 1 and -1 <= point["y"] <= 1 for point in told["points"])
    kept = studio.matching._shelf.path / "map.npz"
    before = kept.stat().st_mtime_ns
    assert client.get("/api/map").json() == told
    with made.song.open("rb") as file:
        answer = client.post("/api/match", files={"file": file}, headers={"Accept": "text/event-stream"})
    told_place = re.search(r"^event: place\ndata: (.*)$", answer.text, re.MULTILINE)
    key = re.search(r'^event: job\ndata: {"id": "(.*)"}$', answer.text, re.MULTILINE)
    assert told_place is not None
    assert key is not None
    place = json.loads(told_place.group(1))
    assert -1 <= place["x"] <= 1
    assert client.get(f"/api/matches/{key.group(1)}/place").json() == place  # asked when there was no map yet
    assert kept.stat().st_mtime_ns == before


@pytest.mark.parametrize("kept", [0.5, 0.0], ids=["half", "nothing"])
def test_a_damaged_map_is_drawn_again(
    client: TestClient, studio: Studio, made: Any, encoder: Encoder, drawn: Any, kept: float
) -> None:
    """By the next server: this one has it."""
    told, path = drawn(client), studio.matching._shelf.path / "map.npz"
    data = path.read_bytes()
    path.write_bytes(data[: int(kept * len(data))])
    with (
        Studio(studio.matching._shelf.path, encoder, studio.limits) as later,
        TestClient(create_app(later), base_url="http://127.0.0.1") as other,
    ):
        with made.song.open("rb") as file:
            assert other.post("/api/match", files={"file": file}).status_code == 200
        assert drawn(other) == told
    assert path.read_bytes() == data


def test_while_presets_are_added_there_is_the_map_of_before(
    client: TestClient, studio: Studio, made: Any, encoder: Encoder, drawn: Any
) -> None:
    path = studio.matching._shelf.path
    assert client.get("/api/library").json()["matchable"] == 12  # as it stays open until the addition has ended
    before = edition(path)
    with Library.open(path) as other, RenderPool(1) as pool:
        other.add(PresetBank.read(made.bank), encoder=encoder, pool=pool)
    write_text(path / "edition", before)  # that it has ended isn't told yet
    assert len(drawn(client)["points"]) == 12
    write_text(path / "edition", "another\n")
    assert len(drawn(client)["points"]) == 15


def test_sounds_that_were_rendered_anew_are_another_map(client: TestClient, studio: Studio, drawn: Any) -> None:
    """Though their presets are the same."""
    before, path = drawn(client), studio.matching._shelf.path
    with Library.open(path) as other, changing(path), other.rows.transaction():
        ((state, heard),) = other.rows.heard_of([before["points"][0]["id"]]).items()
        other.rows.heard(state, replace(heard, digest="another"))
    after = drawn(client)
    assert after["key"] != before["key"]
    assert [each["id"] for each in after["points"]] == [each["id"] for each in before["points"]]


def test_until_it_is_drawn_each_who_asks_is_refused_anew(client: TestClient, studio: Studio, drawn: Any) -> None:
    """An exception that is raised again and again would keep what it was raised amid."""
    gate = threading.Event()

    def hold(_job: Job) -> Told:
        gate.wait(60)
        return {}

    studio.atlas._room.begin(hold)
    refused = []
    with Library.open(studio.matching._shelf.path) as library:
        for _ in range(2):
            with pytest.raises(Refusal, match="is being drawn") as caught:
                studio.atlas.to_json(library)
            refused.append(caught.value)
    assert refused[0] is not refused[1]
    answer = client.get("/api/map")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    gate.set()
    assert len(drawn(client)["points"]) == 12


def test_on_the_map_of_an_empty_library_nothing_has_a_place(client: TestClient, studio: Studio, made: Any) -> None:
    with made.song.open("rb") as file:
        place = client.post("/api/match", files={"file": file}).headers["location"]
    with Library.open(studio.matching._shelf.path) as other:
        other.remove(bank="some")
    answer = client.get(f"{place}/place")
    assert (answer.status_code, "is empty" in answer.json()["error"]) == (409, True)
    assert client.get("/api/map").json()["points"] == []


def test_a_program_ends_though_its_map_is_never_drawn(made: Any) -> None:
    """As `synthmatch serve` does at Ctrl-C: t-SNE can't be stopped, and may have minutes to go."""
    subprocess.run([sys.executable, "-c", _ENDLESS, str(made.library)], check=True, timeout=PATIENCE)


def test_what_is_drawn_after_the_end_is_not_written(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, gate = threading.Event(), threading.Event()

    def slow(vectors: Floats) -> Floats:
        begun.set()
        gate.wait(PATIENCE)
        return np.zeros((len(vectors), 2), np.float32)

    monkeypatch.setattr(atlas, "laid_out", slow)
    path = studio.matching._shelf.path
    with Library.open(path) as library:
        assert studio.atlas.plan(library) is None
        assert begun.wait(PATIENCE)
        studio.close()
        with pytest.raises(Refusal, match="is ending"):
            studio.matching.warm()
    gate.set()
    studio.atlas._room._thread.join()
    assert not (path / "map.npz").exists()
