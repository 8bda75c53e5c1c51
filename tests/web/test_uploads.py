"""Songs that are sent: which are refused, under which names they lie, and when they go."""

from __future__ import annotations

import asyncio
import shutil
import signal
import tempfile
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import numpy as np
import pytest
from starlette.testclient import TestClient

from synthmatch import audio
from synthmatch.audio import Clip
from synthmatch.web.jobs import DONE, ERROR, Job, Told
from synthmatch.web.limits import Refusal
from synthmatch.web.matching import Asked
from synthmatch.web.studio import Studio
from synthmatch.web.uploads import Song, Songs, shown_name


def test_a_song_that_is_too_long_is_refused(client: TestClient, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).standard_normal((1, 61 * 8000)).astype(np.float32) * np.float32(0.1)
    audio.write(tmp_path / "long.ogg", Clip(noise, 8000))
    with (tmp_path / "long.ogg").open("rb") as file:
        answer = client.post("/api/songs", files={"file": file})
    assert answer.status_code == 413
    assert "at most 1 are taken" in answer.json()["error"]


def test_a_song_that_is_too_wide_is_refused(made: Any, studio: Studio) -> None:
    with (
        Songs(replace(studio.limits, song_samples=100_000)) as songs,
        made.song.open("rb") as file,
        pytest.raises(Refusal, match="more than can be held"),
    ):
        songs.take(file, "wide.flac")


def test_what_is_no_sound_is_named_as_its_owner_does(client: TestClient) -> None:
    answer = client.post("/api/songs", files={"file": ("C:\\Users\\ana\\Notes.wav", b"no sound")})
    assert answer.status_code == 422
    assert answer.json()["error"].startswith("Notes.wav can't be read as sound")
    assert tempfile.gettempdir() not in answer.text
    assert client.post("/api/songs", data={"file": "/etc/passwd"}).status_code == 422


def test_uploads_lie_under_names_of_the_servers_own(studio: Studio, made: Any) -> None:
    with made.song.open("rb") as file:
        song = studio.songs.take(file, "../../../evil.sh")
    assert song.name == "evil.sh"
    assert "evil" not in str(song.path)
    assert song.path.parent == studio.songs._folder
    folder = song.path.parent
    studio.close()
    assert not folder.exists()


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="the system tells nobody that a terminal is closed")
@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_songs_are_gone_with_the_server_though_its_terminal_is_closed(
    made: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, serving: Callable[..., Any], name: str
) -> None:
    library, kept = shutil.copytree(made.library, tmp_path / "library"), tmp_path / "kept"
    kept.mkdir()
    monkeypatch.setenv("TMPDIR", str(kept))
    head = b'--x\r\nContent-Disposition: form-data; name="file"; filename="song.flac"\r\n\r\n'
    body = head + made.song.read_bytes() + b"\r\n--x--\r\n"
    with serving(library, made.model, end=signal.Signals[name]) as address:
        asked = Request(f"{address}api/songs", body, {"Content-Type": "multipart/form-data; boundary=x"})
        with urlopen(asked) as answer:
            assert answer.status == 201
        assert [file.stat().st_size for file in kept.glob("synthmatch-songs-*/*")] == [made.song.stat().st_size]
    assert list(kept.glob("synthmatch-*")) == []


@pytest.mark.parametrize("limit", ["songs", "songs_bytes"])
def test_old_songs_make_room(studio: Studio, made: Any, limit: str) -> None:
    most = {"songs": 2, "songs_bytes": round(2.5 * made.song.stat().st_size)}[limit]
    with Songs(replace(studio.limits, **{limit: most})) as songs:
        kept = []
        for number in range(3):
            with made.song.open("rb") as file:
                kept.append(songs.take(file, f"{number}.flac"))
        with pytest.raises(Refusal, match="no longer here"):
            songs.song(kept[0].id)
        assert not kept[0].path.exists()
        assert songs.song(kept[2].id) == kept[2]


@pytest.mark.parametrize("end", [DONE, ERROR])
def test_a_song_stays_until_its_match_has_ended(studio: Studio, made: Any, end: str) -> None:
    gate, songs = threading.Event(), studio.songs
    songs._limits = replace(studio.limits, songs=2)

    def hold(_job: Job) -> Told:
        gate.wait(60)
        return {}

    def take(name: str) -> Song:
        with made.song.open("rb") as file:
            return songs.take(file, name)

    studio.matching._room.begin(hold)
    first = take("first.flac")
    jobs = [studio.matching.begin(Asked(first)) for _ in range(2)]
    second, third = take("second.flac"), take("third.flac")
    assert [song.path.exists() for song in (first, second, third)] == [True, False, True]
    jobs.append(studio.matching.begin(Asked(third)))
    with pytest.raises(Refusal, match="send it again") as refused:
        take("fourth.flac")
    assert refused.value.status == 503
    assert set(songs._folder.iterdir()) == {first.path, third.path}
    if end == ERROR:
        for job in jobs:
            job.cancel()
    gate.set()
    assert [asyncio.run(job.outcome())[0] for job in jobs] == [end] * 3
    assert take("fifth.flac").path.exists()
    assert not first.path.exists()
    with pytest.raises(Refusal, match="no longer here"):
        studio.matching.begin(Asked(first))


def test_a_match_that_is_refused_keeps_no_song(studio: Studio, made: Any) -> None:
    songs, room = studio.songs, studio.matching._room
    songs._limits, room._waiting = replace(studio.limits, songs=1), -1
    with made.song.open("rb") as file:
        song = songs.take(file, "song.flac")
        with pytest.raises(Refusal, match="try again"):
            studio.matching.begin(Asked(song))
        file.seek(0)
        songs.take(file, "another.flac")
    assert not song.path.exists()


@pytest.mark.parametrize(
    ("name", "shown"),
    [("song.mp3", "song.mp3"), ("/etc/passwd", "passwd"), ("a\\b.wav", "b.wav"), ("\x00\n", "the song"),
     ("", "the song"), ("x" * 999, "x" * 120), ("<b>.wav", "<b>.wav")],
)  # fmt: skip
def test_names_are_one_short_line(name: str, shown: str) -> None:
    assert shown_name(name, "the song") == shown
