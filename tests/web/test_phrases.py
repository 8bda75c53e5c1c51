"""Matches that play the song's own notes: rendered by the built-in synth, as the command line would have them."""

from __future__ import annotations

import asyncio
import io
import json
import re
import threading
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from synthmatch import audio
from synthmatch.audio import Clip
from synthmatch.library.library import Library
from synthmatch.matching.auditions import audition
from synthmatch.matching.parts import Score, parts_of
from synthmatch.midi import read_midi, write_midi
from synthmatch.networks import transcriber
from synthmatch.notes import Note, Performance
from synthmatch.sound.levels import sounding_level
from synthmatch.web.jobs import as_stream
from synthmatch.web.limits import Refusal
from synthmatch.web.phrasing import Sheet
from synthmatch.web.studio import Studio
from synthmatch.web.takes import Takes

MELODY = Performance((Note(0.0, 45, 100, 0.5), Note(1.0, 52, 90, 0.5), Note(2.5, 50, 100, 0.5)))
FAMILIES = ["bass", "pad"]


@pytest.fixture
def midi(tmp_path: Path) -> Path:
    write_midi(tmp_path / "song.mid", MELODY)
    return tmp_path / "song.mid"


def match(client: TestClient, song: Path, **fields: Any) -> str:
    """The address of a match."""
    with song.open("rb") as file:
        answer = client.post("/api/match", files={"file": file}, data={"family": FAMILIES, "k": 3} | fields)
    assert answer.status_code == 200, answer.text
    return str(answer.headers["location"])


def render(client: TestClient, place: str, midi: Path | None, **fields: Any) -> Any:
    files = {"file": (midi.name, midi.read_bytes())} if midi else None
    return client.post(f"{place}/phrases", files=files, data=fields)


def follow(client: TestClient, place: str, midi: Path, **fields: Any) -> list[tuple[str, Any]]:
    files = {"file": ("My Song.mid", midi.read_bytes())}
    answer = client.post(f"{place}/phrases", files=files, data=fields, headers={"Accept": "text/event-stream"})
    found = re.findall(r"^event: (\w+)\ndata: (.*)$", answer.text, re.MULTILINE)
    return [(name, json.loads(data)) for name, data in found]


def test_phrases_are_told_as_they_are_heard_and_are_those_of_the_command_line(
    client: TestClient, studio: Studio, made: Any, midi: Path, tmp_path: Path
) -> None:
    place = match(client, made.song, start=1, end=5)
    told = follow(client, place, midi, family="bass")
    names = [name for name, _ in told]
    assert names[:4] == ["job", "stretch", "score", "part"]
    assert dict(told)["score"] == {"parts": [{"number": 1, "title": "part 1"}]}
    assert dict(told)["stretch"] == {"start": 1, "end": 5}
    assert dict(told)["part"]["origin"] == "Your notes: My Song.mid, part 1."
    assert [what["family"] for name, what in told if name == "part"] == ["bass"]
    phrases = [what for name, what in told if name == "phrase"]
    assert sorted(each["rank"] for each in phrases) == [1, 2, 3]
    assert names[-1] == "done"
    assert told[-1][1]["families"]["bass"]["phrases"] == [
        {key: each[key] for key in ("rank", "level", "reason")} for each in phrases
    ]
    result = studio.matching.answer(place.rpartition("/")[2]).result
    with Library.open(made.library) as library:
        parts = parts_of(audio.read(made.song).between(1, 5), 1, ["bass"], Score.read(midi), None)
        expected = audition(library, result, parts)
    for found in result.family("bass"):
        sound = client.get(f"{place}/phrases/bass/{found.rank}")
        assert (sound.status_code, sound.headers["content-type"]) == (200, "audio/flac")
        (tmp_path / "sound.flac").write_bytes(sound.content)
        heard, clip = audio.read(tmp_path / "sound.flac"), expected.of("bass", found).clip
        assert clip is not None
        assert heard.seconds == pytest.approx(4, abs=0.01)
        np.testing.assert_allclose(heard.samples, clip.samples, atol=1e-5)
        assert float(sound.headers["synthmatch-level"]) == pytest.approx(sounding_level(clip), abs=0.01)
    assert client.get(f"{place}/phrases/pad/1").status_code == 404  # not asked for


def test_the_zip_also_holds_what_was_rendered(client: TestClient, made: Any, midi: Path, tmp_path: Path) -> None:
    place = match(client, made.song)
    assert render(client, place, midi, family="bass").status_code == 200
    with zipfile.ZipFile(io.BytesIO(client.get(f"{place}/files?pick=bass:2&pick=pad:1").content)) as archive:
        names = archive.namelist()
        archive.extractall(tmp_path / "out")
    assert [Path(name).parent.name[0] for name in names if name.endswith("/phrase.flac")] == ["2"]
    (keys,), (sound,) = (tmp_path / "out").rglob("phrase.mid"), (tmp_path / "out").rglob("phrase.flac")
    assert [note.pitch for note in read_midi(keys).notes] == [45, 52, 50]
    (tmp_path / "played.flac").write_bytes(client.get(f"{place}/phrases/bass/2").content)
    np.testing.assert_array_equal(audio.read(sound).samples, audio.read(tmp_path / "played.flac").samples)


def test_what_was_rendered_on_the_same_notes_is_not_rendered_again(
    client: TestClient, studio: Studio, made: Any, midi: Path
) -> None:
    place = match(client, made.song)
    first = render(client, place, midi, family="bass").json()
    numbers = {take.path.name for take in studio.takes._takes.values()}
    told = follow(client, place, midi, family=FAMILIES)
    assert {"progress"} & {name for name, _ in told[: len(told) // 2]} == set()  # those that were there come first
    assert numbers < {take.path.name for take in studio.takes._takes.values()}
    write_midi(midi, Performance((Note(0.0, 60, 100, 1.0),)))
    other = render(client, place, midi, family="bass").json()
    assert not numbers & {take.path.name for take in studio.takes._takes.values()}
    assert (first["families"]["bass"]["notes"], other["families"]["bass"]["notes"]) == (3, 1)


def test_without_a_transcriber_a_sentence_asks_for_a_midi_file(
    client: TestClient, made: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transcriber, "RELEASED", tmp_path / "none")
    place = match(client, made.song)
    told = render(client, place, None).json()["families"]
    for family in FAMILIES:
        assert told[family]["origin"].startswith("This copy of synthmatch comes without a transcriber")
        assert told[family]["origin"].endswith("give them as a MIDI file.")
    assert all(part["phrases"] == [] for part in told.values())


def test_what_the_file_does_not_have_is_estimated_from_the_passage(
    client: TestClient, made: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[Clip] = []

    def estimate(clip: Clip) -> dict[str, tuple[Note, ...]]:
        heard.append(clip)
        return {"bass": (Note(0.5, 40, 100, 1.0),), "pad": ()}

    monkeypatch.setattr("synthmatch.web.phrasing.released", estimate)
    told = render(client, match(client, made.song, start=2, end=5), None).json()["families"]
    assert told["bass"]["origin"] == "1 note, estimated from the sound."
    assert (told["bass"]["estimated"], told["pad"]["phrases"]) == (True, [])
    assert "could be made out" in told["pad"]["origin"]
    expected = audio.read(made.song).between(2, 5)
    np.testing.assert_allclose(heard[0].samples, expected.samples, atol=1e-6)


@pytest.mark.parametrize(
    ("data", "fields", "status", "sentence"),
    [
        (b"no notes", {}, 422, "Song.mid can't be read as a MIDI file"),
        (b"", {}, 422, "Song.mid is empty or cut short"),
        (b"MThd\0\0\0\6\0\0\0\0\0\0", {}, 422, "counts frames"),
        (b"MThd\0\0\0\6\0\0\0\1\1\x80MTrk\0\0\0\4\0\xff\x2f\0", {}, 422, "Song.mid holds no notes"),
        (b"0" * 1_000_001, {}, 413, "at most 1 MB"),
        (None, {"part": "bass=9"}, 422, "Song.mid has no part called '9'"),
        (None, {"part": "kazoo=1"}, 422, "as bass=2"),
        (None, {"part": "lead=1"}, 422, "chosen for lead, which isn't to play"),
        (None, {"part": ["bass=1", "bass=2"]}, 422, "not 1 and 2"),
        (None, {"part": "../x"}, 422, "as bass=2"),
        (None, {"begins": "soon"}, 422, "number of seconds"),
        (None, {"family": "lead"}, 422, "isn't among the families"),
        (None, {"family": "../../etc"}, 422, "isn't among the families"),
    ],
)
def test_what_cannot_be_played_is_said_and_loses_nothing(
    client: TestClient,
    studio: Studio,
    made: Any,
    midi: Path,
    data: bytes | None,
    fields: Any,
    status: int,
    sentence: Any,
) -> None:
    place = match(client, made.song, k=1, family="bass")
    assert render(client, place, midi).status_code == 200
    before = dict(studio.takes._takes)
    file = {"file": ("C:\\Ana\\Song.mid", midi.read_bytes() if data is None else data)}
    answer = client.post(f"{place}/phrases", files=file, data=fields)
    assert (answer.status_code, sentence in answer.json()["error"]) == (status, True), answer.text
    assert "/tmp" not in answer.text
    assert dict(studio.takes._takes) == before


def test_asking_anew_gives_up_what_was_asked_before_and_leaves_no_plugin_open(
    client: TestClient, studio: Studio, made: Any, midi: Path
) -> None:
    key = match(client, made.song, k=9).rpartition("/")[2]
    before = _rendering()  # other tests keep pools of their own
    answer, sheet = studio.matching.answer(key), Sheet(midi.read_bytes(), "Song.mid")
    jobs = [studio.phrasing.begin(key, answer, FAMILIES, sheet) for _ in range(3)]
    ends = [asyncio.run(job.outcome()) for job in jobs]
    assert [name for name, _ in ends] == ["error", "error", "done"]
    assert "Stopped" in ends[0][1]["error"]
    assert _rendering() <= before


def test_a_song_stays_until_its_phrases_are_rendered(client: TestClient, studio: Studio, made: Any, midi: Path) -> None:
    gate = threading.Event()
    studio.songs._limits = replace(studio.limits, songs=1)
    key = match(client, made.song, k=1).rpartition("/")[2]
    studio.phrasing._room.begin(lambda _job: {"waited": gate.wait(60)})
    sheet = Sheet(midi.read_bytes(), "Song.mid")
    job = studio.phrasing.begin(key, studio.matching.answer(key), ["bass"], sheet)
    with made.song.open("rb") as file:
        answer = client.post("/api/songs", files={"file": file})
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    gate.set()
    assert asyncio.run(job.outcome())[0] == "done"
    with made.song.open("rb") as file:
        assert client.post("/api/songs", files={"file": file}).status_code == 201


def _rendering() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name == "synthmatch-render"}


def test_a_client_that_leaves_is_not_rendered_for(client: TestClient, studio: Studio, made: Any, midi: Path) -> None:
    key = match(client, made.song, k=9).rpartition("/")[2]
    job = studio.phrasing.begin(key, studio.matching.answer(key), FAMILIES, Sheet(midi.read_bytes(), "Song.mid"))

    async def leave() -> None:
        stream = as_stream(job, 0, job.cancel)
        while "event: part\n" not in await anext(stream):
            pass
        await stream.aclose()

    asyncio.run(leave())
    assert asyncio.run(job.outcome())[0] == "error"


def test_too_much_to_play_is_refused(client: TestClient, studio: Studio, made: Any, midi: Path) -> None:
    studio.phrasing._limits = replace(studio.limits, phrases=5, notes=2)
    place = match(client, made.song)
    assert render(client, place, midi).status_code == 413  # six matches
    answer = render(client, place, midi, family="bass")
    assert (answer.status_code, "More than 2 notes of bass" in answer.json()["error"]) == (413, True)


def test_old_phrases_make_room(studio: Studio) -> None:
    clip = Clip(np.random.default_rng(0).standard_normal((1, 8000)).astype(np.float32) * np.float32(0.1), 8000)
    with Takes(replace(studio.limits, takes_bytes=60_000)) as takes:
        kept = [takes.keep(("match", "bass", rank), clip, MELODY) for rank in (1, 2, 3)]
        assert [take.path.exists() for take in kept] == [False, True, True]
        with pytest.raises(Refusal, match="no longer here"):
            takes.sound(("match", "bass", 1))
        assert takes.take(("match", "bass", 3), MELODY) == kept[2]
        assert takes.take(("match", "bass", 3), replace(MELODY, tail=2.0)) is None
    assert not kept[2].path.parent.exists()


def test_a_choice_without_a_file_and_a_match_that_is_none_are_refused(
    client: TestClient, studio: Studio, made: Any
) -> None:
    answer = render(client, match(client, made.song), None, part="bass=1")
    assert (answer.status_code, "send that" in answer.json()["error"]) == (422, True)
    assert render(client, "/api/matches/nothing", None).status_code == 404
    place = match(client, made.song)
    studio.songs._songs.clear()  # as when others have taken its room
    answer = render(client, place, None)
    assert (answer.status_code, "send it again" in answer.json()["error"]) == (404, True)
    assert client.get("/api/matches/nothing/phrases/bass/1").status_code == 404


def test_a_preset_that_cannot_be_rendered_says_why(client: TestClient, studio: Studio, made: Any, midi: Path) -> None:
    place = match(client, made.song)
    lost = studio.matching.answer(place.rpartition("/")[2]).result.family("bass")[1].preset.id
    for file in (studio.matching._shelf.path / "files").rglob(f"{lost}*"):
        file.unlink()
    phrases = render(client, place, midi, family="bass").json()["families"]["bass"]["phrases"]
    reasons = {each["rank"]: each["reason"] for each in phrases}
    assert reasons[2]
    assert [reasons[1], reasons[3]] == ["", ""]
    assert client.get(f"{place}/phrases/bass/2").status_code == 404
