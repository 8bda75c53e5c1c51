"""The API: the same answers as the command line's, told as they are found."""

from __future__ import annotations

import io
import json
import re
import shutil
import tempfile
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from synthmatch import audio
from synthmatch.audio import Clip
from synthmatch.library.editions import changing
from synthmatch.library.library import Library
from synthmatch.matching.matcher import Matcher
from synthmatch.networks import checkpoint
from synthmatch.networks.encoder import Encoder
from synthmatch.sound.levels import LEVEL_DB
from synthmatch.web.app import Doors, create_app
from synthmatch.web.studio import Studio

FAMILIES = ["bass", "pad"]


def match(client: TestClient, song: Path, **fields: Any) -> Any:
    with song.open("rb") as file:
        return client.post("/api/match", files={"file": file}, data={"family": FAMILIES} | fields)


def events(text: str) -> list[tuple[str, Any]]:
    found = re.findall(r"^event: (\w+)\ndata: (.*)$", text, re.MULTILINE)
    return [(name, json.loads(data)) for name, data in found]


def test_a_match_is_what_the_matcher_says(client: TestClient, made: Any, encoder: Encoder) -> None:
    answer = match(client, made.song, k=3, start=1, end=5)
    assert answer.status_code == 200
    with Library.open(made.library) as library:
        expected = Matcher(library, encoder).match(made.song, k=3, families=FAMILIES, start=1, end=5).to_json()
    expected["query"]["path"] = made.song.name
    assert answer.json() == expected


def test_families_come_one_by_one_and_then_the_whole(client: TestClient, made: Any) -> None:
    with made.song.open("rb") as file:
        stream = {"Accept": "text/event-stream"}
        answer = client.post("/api/match", files={"file": file}, data={"family": FAMILIES}, headers=stream)
    told = events(answer.text)
    names = [name for name, _ in told]
    assert names[0] == "job"
    assert names[-1] == "done"
    assert names.index("presence") < names.index("family")
    families = {each.pop("family"): each for name, each in told if name == "family"}
    assert families == told[-1][1]["families"]
    assert [each["presence"] for each in families.values()] == sorted(
        (each["presence"] for each in families.values()), reverse=True
    )
    assert len(dict(told)["presence"]["families"]) == 12
    again = client.get(f"/api/matches/{told[0][1]['id']}")
    assert again.json() == told[-1][1]


def test_who_comes_back_after_the_last_event_is_told_that_there_is_no_more(client: TestClient, made: Any) -> None:
    """Else an EventSource, which comes back whenever a stream ends, would wait forever."""
    stream = {"Accept": "text/event-stream"}
    with made.song.open("rb") as file:
        answer = client.post("/api/match", files={"file": file}, headers=stream)
    place, numbers = answer.headers["location"], re.findall(r"^id: (\d+)$", answer.text, re.MULTILINE)
    rest = client.get(place, headers=stream | {"Last-Event-ID": numbers[-2]})
    assert (rest.status_code, [name for name, _ in events(rest.text)]) == (200, ["job", "done"])
    nothing = client.get(place, headers=stream | {"Last-Event-ID": numbers[-1]})
    assert (nothing.status_code, nothing.content) == (204, b"")
    whole = client.get(place, headers=stream | {"Last-Event-ID": "9" * 5000})  # more digits than Python reads
    assert whole.text == answer.text


def test_channels_that_cancel_out_are_named_to_a_browser_as_well(client: TestClient, made: Any, tmp_path: Path) -> None:
    """Whose JSON knows no infinity: in mono such a song has no level."""
    left = audio.read(made.song).samples[:1]
    audio.write(tmp_path / "wide.flac", Clip(np.concatenate([left, -left]), 44_100))
    with (tmp_path / "wide.flac").open("rb") as file:
        answer = client.post("/api/match", files={"file": file}, headers={"Accept": "text/event-stream"})
    assert "Infinity" not in answer.text
    told = events(answer.text)
    assert [name for name, _ in told] == ["job", "level", "error"]
    assert "The channels of wide.flac cancel each other out" in told[-1][1]["error"]


def test_a_song_is_sent_once_and_matched_often(client: TestClient, made: Any) -> None:
    with made.song.open("rb") as file:
        song = client.post("/api/songs", files={"file": ("Meine Ballade.flac", file)})
    assert song.status_code == 201
    assert song.json()["name"] == "Meine Ballade.flac"
    assert song.json()["seconds"] == pytest.approx(6, abs=0.01)
    for start, end in ((0, 3), (2, 6)):
        answer = client.post("/api/match", data={"song": song.json()["id"], "start": start, "end": end})
        assert answer.json()["query"] == {"path": "Meine Ballade.flac", "start": start, "end": end}


def test_weights_are_hashed_once_for_a_library_and_again_when_it_has_changed(
    client: TestClient, studio: Studio, made: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which takes as long as to listen."""
    hash_weights = checkpoint.fingerprint
    hashed: list[Encoder] = []

    def counted(encoder: Encoder) -> str:
        hashed.append(encoder)
        return hash_weights(encoder)

    monkeypatch.setattr(checkpoint, "fingerprint", counted)
    first = match(client, made.song, k=9).json()
    hashed.clear()
    assert match(client, made.song, k=9).json() == first
    assert hashed == []
    with changing(studio.matching._shelf.path):  # another process, in which the same is done to the same library
        pass
    for _ in range(2):
        assert match(client, made.song, k=9).json() == first
        assert len(hashed) == 1


def test_the_zip_holds_what_match_out_writes(client: TestClient, made: Any, encoder: Encoder, tmp_path: Path) -> None:
    answer = match(client, made.song, k=2)
    place = answer.headers["location"]
    with Library.open(made.library) as library:
        matcher = Matcher(library, encoder)
        matcher.export(matcher.match(made.song, k=2, families=FAMILIES), tmp_path / "out")
    written = {file.relative_to(tmp_path / "out").as_posix(): file.read_bytes()
               for file in (tmp_path / "out").rglob("*") if file.is_file()}  # fmt: skip

    def unpacked(query: str) -> dict[str, bytes]:
        files = client.get(f"{place}/files{query}")
        assert files.headers["content-type"] == "application/zip"
        with zipfile.ZipFile(io.BytesIO(files.content)) as archive:
            return {name: archive.read(name) for name in archive.namelist()}

    assert unpacked("") == written
    one = {name: data for name, data in written.items() if name.startswith("pad/2-")}
    assert unpacked("?pick=pad:2") == one != {}
    assert client.get(f"{place}/files?pick=pad:9").status_code == 404
    assert client.get(f"{place}/files?pick=../../etc").status_code == 422


def test_a_lone_preset_names_the_zip_though_nothing_is_found_of_another_family(
    client: TestClient, studio: Studio, made: Any
) -> None:
    place = match(client, made.song, k=1).headers["location"]
    job = studio.matching.job(place.rpartition("/")[2])
    first, second = job.result.result.families
    # As for a choice among presets of which none is of the surer family.
    job.result = replace(job.result, result=replace(job.result.result, families=(replace(first, matches=()), second)))
    files = client.get(f"{place}/files")
    assert files.status_code == 200, files.text
    with zipfile.ZipFile(io.BytesIO(files.content)) as archive:
        assert {Path(name).parts[0] for name in archive.namelist()} == {second.family}


def test_a_preset_plays_at_one_level_and_comes_as_files(client: TestClient, made: Any, tmp_path: Path) -> None:
    with Library.open(made.library) as library:
        preset = library.presets()[0]
        seconds = library.preview(preset.id).seconds
    sound = client.get(f"/api/presets/{preset.id}/sound")
    assert sound.headers["content-type"] == "audio/flac"
    (tmp_path / "sound.flac").write_bytes(sound.content)
    assert audio.read(tmp_path / "sound.flac").seconds == pytest.approx(seconds)
    assert -40 < float(sound.headers["synthmatch-level"]) <= LEVEL_DB + 0.1
    with zipfile.ZipFile(io.BytesIO(client.get(f"/api/presets/{preset.id}/files").content)) as archive:
        assert "parameters.json" in archive.namelist()
    for what in ("sound", "files"):
        assert client.get(f"/api/presets/{'0' * 20}/{what}").status_code == 409


def test_a_preset_that_was_rendered_anew_plays_its_new_sound(client: TestClient, studio: Studio) -> None:
    path = studio.matching._shelf.path
    with Library.open(path) as other:
        one, two = (each.id for each in other.presets()[:2])
        before = client.get(f"/api/presets/{one}/sound")
        known = {"If-None-Match": before.headers["etag"]}
        assert "no-cache" in before.headers["cache-control"]
        assert client.get(f"/api/presets/{one}/sound", headers=known).status_code == 304
        told = client.get("/api/library").json()["edition"]
        with changing(path), other.rows.transaction():
            other.rows.rendered(one, "another", other.sounds.write(one, other.sound(two)))
    after = client.get(f"/api/presets/{one}/sound", headers=known)
    assert after.status_code == 200
    assert after.content != before.content
    assert client.get("/api/library").json()["edition"] != told  # by which the page knows


def test_a_zip_is_sent_whole_or_not_at_all_and_nothing_of_it_stays(
    client: TestClient, studio: Studio, made: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = match(client, made.song, k=2).headers["location"]
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    for part in ("bytes=0-99", "bytes=999999999-", "bytes=?", "lines=1-2"):
        files = client.get(f"{place}/files?pick=pad:1", headers={"Range": part})
        assert (files.status_code, files.headers["accept-ranges"]) == (200, "none")
        assert int(files.headers["content-length"]) == len(files.content)
        zipfile.ZipFile(io.BytesIO(files.content)).testzip()
    monkeypatch.setattr(studio.presets, "_limits", replace(studio.limits, exports=3))
    answer = client.get(f"{place}/files")
    assert (answer.status_code, "choose at most 3" in answer.json()["error"]) == (413, True)
    assert list(tmp_path.glob("synthmatch-*")) == []


def test_an_encoder_is_asked_for_the_families_that_it_knows(encoder: Encoder, made: Any, tmp_path: Path) -> None:
    few = Encoder(replace(encoder.config, families=("bass", "pad", "lead"))).eval()
    shutil.copytree(made.library, tmp_path / "library")
    with Library.open(tmp_path / "library") as library:
        library.update(few)
    with (
        Studio(tmp_path / "library", few) as studio,
        TestClient(create_app(studio), base_url="http://127.0.0.1") as client,
    ):
        found = re.search(r'data-families="([^"]*)"', client.get("/").text)
        assert found is not None
        answer = match(client, made.song, family=found.group(1).split())
        assert set(answer.json()["families"]) == set(few.config.families)


def test_the_library_tells_what_is_in_it_and_what_failed(client: TestClient) -> None:
    told = client.get("/api/library").json()
    assert (told["matchable"], told["presets"]) == (12, 13)
    assert [bank["bank"] for bank in told["banks"]] == ["some"]
    (failure,) = told["failures"]
    assert (failure["name"], failure["failure"]) == ("Mute", "silent")
    assert failure["reason"]
    assert {"synth": "faust", "title": "the built-in synth"}.keys() == told["addable"][0].keys()
    assert ".faustpatch" in told["suffixes"]


def test_a_bank_that_is_sent_goes_by_its_own_name(client: TestClient, studio: Studio, made: Any) -> None:
    with made.bank.open("rb") as file:
        form = {"file": ("../../My Bank.faustpatch", file)}
        answer = client.post("/api/library/add", files=form, headers={"Accept": "text/event-stream"})
    told = events(answer.text)
    assert [name for name, _ in told][:2] == ["job", "estimate"]
    assert {"done": 3, "total": 3, "remark": ""} in [what for name, what in told if name == "progress"]
    assert told[-1][0] == "done", told[-1]
    assert (told[-1][1]["rendered"], told[-1][1]["matchable"]) == (3, 15)
    assert "My Bank" in [bank["bank"] for bank in client.get("/api/library").json()["banks"]]
    # What matches looks at is the same library.
    assert match(client, made.song, k=9).json()["library"] == client.get("/api/library").json()["library"]
    kept = [file.name for file in (studio.matching._shelf.path / "sent").rglob("*.faustpatch")]
    assert len(kept) == 1
    assert "Bank" not in kept[0]


def test_what_other_processes_change_is_seen_at_once(
    client: TestClient, studio: Studio, made: Any, tmp_path: Path
) -> None:
    before = match(client, made.song, k=9).json()
    path = studio.matching._shelf.path
    with Library.open(path) as other:
        other.remove(bank="some")
    assert client.get("/api/library").json()["matchable"] == 0
    assert "is empty" in match(client, made.song).json()["error"]
    # Moved away, and another in its place: that is a change as well.
    path.rename(tmp_path / "old")
    shutil.copytree(made.library, path)
    with Library.open(path) as other:
        other.update(studio.matching._encoder)
    assert match(client, made.song, k=9).json()["families"] == before["families"]


def test_a_match_ends_though_the_library_changes_meanwhile(
    client: TestClient, studio: Studio, made: Any, drawn: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    find, path = Matcher.find, studio.matching._shelf.path

    def found(*asked: Any) -> Any:
        yield from find(*asked)
        with Library.open(path) as other:
            other.remove(bank="some")

    expected = match(client, made.song).json()["families"]
    monkeypatch.setattr(Matcher, "find", found)
    drawn(client)
    answer = match(client, made.song)
    assert answer.status_code == 200, answer.text
    assert answer.json()["families"] == expected


def test_a_library_that_another_encoder_embedded_meanwhile_is_not_matched(
    client: TestClient, studio: Studio, made: Any
) -> None:
    with Library.open(studio.matching._shelf.path) as other:
        other.update(Encoder(replace(Encoder.load(made.model).config, dimension=12)).eval())
    answer = match(client, made.song)
    assert (answer.status_code, "start `synthmatch serve` again" in answer.json()["error"]) == (409, True)


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"start": 9}, "before the passage"),
        ({"start": 3, "end": 2}, "is empty"),
        ({"start": "nan"}, "number of seconds"),
        ({"k": 0}, "at least 1"),
        ({"k": 1000}, "too many"),
        ({"k": "many"}, "whole number"),
        ({"family": "noise"}, "There is no family"),
    ],
)
def test_what_cannot_be_answered_is_said_in_a_sentence(
    client: TestClient, made: Any, fields: dict[str, object], sentence: str
) -> None:
    answer = match(client, made.song, **fields)
    assert answer.status_code == 422
    assert sentence in answer.json()["error"]


def test_what_is_served_is_what_is_described(client: TestClient, studio: Studio) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    told = {(method.upper(), path) for path, calls in paths.items() for method in calls}
    assert told == {(method, path) for method, path, _ in Doors(studio).routes() if path.startswith("/api")}


def test_a_match_has_what_is_described(client: TestClient, made: Any) -> None:
    schemas = client.get("/openapi.json").json()["components"]["schemas"]
    families = schemas["MatchResult"]["properties"]["families"]["additionalProperties"]
    described = families["properties"]["matches"]["items"]["properties"]
    for found in match(client, made.song).json()["families"].values():
        for each in found["matches"]:
            assert list(each) == list(described)
            assert each["label_source"] in described["label_source"]["enum"]
            assert set(each["descriptors"]) <= set(described["descriptors"]["items"]["enum"])


def test_an_empty_library_says_what_to_do(encoder: Encoder, made: Any, tmp_path: Path) -> None:
    with (
        Studio(tmp_path / "new", encoder) as studio,
        TestClient(create_app(studio), base_url="http://localhost") as client,
    ):
        assert client.get("/api/library").json()["matchable"] == 0
        answer = match(client, made.song)
        assert answer.status_code == 409
        assert "is empty" in answer.json()["error"]
        assert client.get("/api/map").json()["points"] == []  # at once: there's nothing to draw
