"""A choice among presets, as the API takes it and offers it: what the command line's options mean, and no more."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from synthmatch.library.choice import Choice
from synthmatch.library.library import Library
from synthmatch.library.listing import Listing
from synthmatch.matching.matcher import Matcher
from synthmatch.networks.encoder import Encoder
from synthmatch.web.choosing import FIELDS, choosable
from synthmatch.web.studio import Studio

FAMILIES = ["bass", "pad"]


def match(client: TestClient, song: Path, **fields: Any) -> Any:
    with song.open("rb") as file:
        return client.post("/api/match", files={"file": file}, data={"family": FAMILIES} | fields)


def names(answer: Any) -> set[str]:
    assert answer.status_code == 200, answer.text
    return {each["name"] for found in answer.json()["families"].values() for each in found["matches"]}


@pytest.mark.parametrize(
    ("fields", "choice"),
    [
        ({"tag": "dark"}, Choice(tags=("dark",))),
        ({"tag": ["slow-attack", "WIDE"]}, Choice(tags=("slow attack", "wide"))),
        ({"word": ["ba", "slow"]}, Choice(words=("ba", "slow"))),
        ({"synth": ["amsynth", "faust"], "bank": "Some", "word": "o"}, Choice(("faust",), ("some",), words=("o",))),
        ({"synth": "", "tag": ["", " "], "word": ""}, Choice()),
    ],
)
def test_a_match_keeps_to_the_choice(
    client: TestClient, made: Any, encoder: Encoder, fields: dict[str, Any], choice: Choice
) -> None:
    answer = match(client, made.song, k=9, **fields)
    with Library.open(made.library) as library:
        expected = Matcher(library, encoder).match(made.song, k=9, families=FAMILIES, choice=choice)
        assert names(answer) <= {each.name for each in library.presets(choice)}
    assert any(len(found) for found in expected)
    assert answer.json()["families"] == expected.to_json()["families"]


def test_it_is_what_the_command_line_finds(client: TestClient, made: Any) -> None:
    command = [sys.executable, "-m", "synthmatch", "match", str(made.song), "--library", str(made.library), "--json"]
    command += ["--model", str(made.model), *(f"--family={each}" for each in FAMILIES)]
    command += ["--synth", "faust", "--bank", "some", "--tag", "dark", "--tag", "wide", "--word", "pil"]
    told = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    answer = match(client, made.song, synth="faust", bank="some", tag=["dark", "wide"], word="pil").json()
    told["query"]["path"] = answer["query"]["path"]  # the client's own name of it
    assert answer == told
    assert [each["name"] for each in answer["families"]["bass"]["matches"]] == ["Pluck and Pillow"]


@pytest.mark.parametrize(
    ("fields", "status", "sentence"),
    [
        ({"tag": ["dark", "bright"]}, 409, "holds no preset that fits (tag dark and bright)"),
        ({"synth": "amsynth"}, 409, "holds no preset that fits (synth amsynth)"),
        ({"bank": "som"}, 409, "holds no preset that fits (bank som)"),
        ({"word": "mute"}, 409, "has a usable sound; `synthmatch library show` with that choice says why"),
        ({"word": ["a"] * 20, "tag": ["a"] * 21}, 422, "41 synths, banks, tags and words are too many"),
        ({"word": "x" * 301}, 422, "“word” is too long; at most 300 letters"),
        ({"word": ["x" * 300] * 40}, 409, "holds no preset that fits"),
        ({"word": ["a"] * 200}, 400, "Too many fields"),
    ],
)
def test_what_nothing_fits_and_what_is_too_much_is_said_in_a_sentence(
    client: TestClient, made: Any, fields: dict[str, Any], status: int, sentence: str
) -> None:
    answer = match(client, made.song, **fields)
    assert answer.status_code == status
    assert sentence in answer.json()["error"]
    assert names(match(client, made.song))  # and the next one is answered


def test_a_file_is_no_name(client: TestClient, made: Any) -> None:
    answer = client.post("/api/match", files={"tag": ("dark.wav", made.song.read_bytes())}, data={"family": "bass"})
    assert answer.status_code == 422  # it isn't the song either


def test_what_is_offered_is_there(client: TestClient, made: Any) -> None:
    told = client.get("/api/library").json()
    assert told["synths"] == [{"synth": "faust", "title": "synthmatch's own synth", "presets": 12}]
    with Library.open(made.library) as library:
        for offer in told["tags"]:
            assert offer["presets"] == len(library.presets(Choice(tags=(offer["tag"],)))) > 0
    assert [each["tag"] for each in told["tags"]][:4] == ["bright", "dark", "short", "long"]
    assert all(each["descriptor"] for each in told["tags"])
    for field, key, list_ in (("synth", "synth", "synths"), ("bank", "bank", "banks"), ("tag", "tag", "tags")):
        for each in told[list_]:
            assert names(match(client, made.song, **{field: each[key]}))


def test_tags_of_files_are_offered_beside_the_words_for_sounds() -> None:
    def listing(number: int, status: str, tags: tuple[str, ...], descriptors: tuple[str, ...]) -> Listing:
        about = (number, f"{number:020}", "A", "nobody-s", "B", Path("b.fxp"), number)
        return Listing(*about, status=status, tags=tags, descriptors=descriptors)

    told = choosable(
        [
            listing(0, "ready", ("Soft Pad", "Dark"), ("wide", "dark")),
            listing(1, "ready", ("soft-pad", "Analog", "analog"), ("bright",)),
            listing(2, "failed", ("Gone",), ()),
        ]
    )
    assert told["synths"] == [{"synth": "nobody-s", "title": "nobody-s", "presets": 2}]  # of a synth that isn't known
    assert [(each["tag"], each["presets"], each["descriptor"]) for each in told["tags"]] == [
        ("bright", 1, True), ("dark", 1, True), ("wide", 1, True), ("Analog", 1, False), ("Soft Pad", 2, False),
    ]  # fmt: skip


def test_fields_and_offers_are_described(client: TestClient, studio: Studio) -> None:
    document = client.get("/openapi.json").json()
    body = document["paths"]["/api/match"]["post"]["requestBody"]["content"]["multipart/form-data"]["schema"]
    for field, meaning in FIELDS.items():
        described = body["properties"][field]
        assert (described["type"], described["description"]) == ("array", meaning)
        assert described["items"]["maxLength"] == studio.limits.choice_letters
    assert f"At most {studio.limits.choices} " in document["paths"]["/api/match"]["post"]["description"]
    told, schema = client.get("/api/library").json(), document["components"]["schemas"]["Library"]["properties"]
    assert set(told) == set(schema)
    for key in ("synths", "tags"):
        assert list(told[key][0]) == list(schema[key]["items"]["properties"])
