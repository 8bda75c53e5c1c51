"""`synthmatch match`: what it prints and writes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from synthmatch.presets.bank import PresetBank

ALWAYS = ("--family", "bass", "--family", "pad")


def test_json_stands_alone_on_stdout(place: Any, run: Callable[..., Any]) -> None:
    done = run("match", place.song, "-k", 3, *ALWAYS, "--model", place.model, "--json", "--end", 4)
    assert (done.status, done.err) == (0, "")
    document = json.loads(done.out)
    assert set(document) == {"query", "model", "library", "families"}
    assert document["query"] == {"path": str(place.song), "start": 0.0, "end": 4.0}
    assert set(document["families"]) == {"bass", "pad"}
    for family in document["families"].values():
        assert set(family) == {"presence", "matches"}
        assert 0 <= family["presence"] <= 1
        assert [match["rank"] for match in family["matches"]] == list(range(1, len(family["matches"]) + 1))
        for match in family["matches"]:
            assert set(match) == {
                *("rank", "score", "id", "name", "synth", "bank", "family", "label_source", "tags", "descriptors"),
                "files",
            }
            assert -1 <= match["score"] <= 1
            assert match["files"] == []


def test_out_holds_a_folder_per_match_and_its_files_load(place: Any, run: Callable[..., Any]) -> None:
    done = run("match", place.song, "-k", 2, *ALWAYS, "--model", place.model, "--out", "found", "--json")
    assert done.status == 0
    assert done.err == "written: found\n"
    document = json.loads(done.out)
    for family in ("bass", "pad"):
        folders = sorted(Path("found", family).iterdir())
        assert [folder.name.partition("-")[0] for folder in folders] == ["1", "2"]
        for folder, match in zip(folders, document["families"][family]["matches"], strict=True):
            assert sorted(match["files"]) == sorted(str(file) for file in folder.iterdir())
            assert {"parameters.json", "preview.flac"} <= {file.name for file in folder.iterdir()}
            (native,) = folder.glob("*.faustpatch")
            assert [preset.id for preset in PresetBank.read(native)] == [match["id"]]


def test_a_table_per_family(place: Any, run: Callable[..., Any]) -> None:
    document = json.loads(run("match", place.song, *ALWAYS, "--model", place.model, "--json").out)
    done = run("match", place.song, *ALWAYS, "--model", place.model)
    assert done.status == 0
    for heading in ("\nBass: ", "\nPad: ", "score", "preset", "synth", "bank", "file"):
        assert heading in done.out
    lines = done.out.splitlines()
    for family in document["families"].values():
        for match in family["matches"]:
            (line,) = (line for line in lines if match["name"] in line and f"{match['score']:.2f} " in line)
            assert line.split()[0] == str(match["rank"])
            assert str(place.bank) in line


def test_the_table_names_the_folders_that_were_written(place: Any, run: Callable[..., Any]) -> None:
    lines = run("match", place.song, "-k", 2, *ALWAYS, "--model", place.model, "--out", "found").out.splitlines()
    named = sorted(line.partition("  found")[2] for line in lines if "  found" in line)
    assert sorted(f"/{folder.relative_to('found')}" for folder in Path("found").glob("*/*")) == named
    assert named


def test_a_single_sound_is_compared_with_everything(place: Any, run: Callable[..., Any]) -> None:
    done = run("match", place.song, "--single", "-k", 8, "--model", place.model, "--json")
    (matches,) = (family["matches"] for family in json.loads(done.out)["families"].values())
    assert len(matches) == 8
    assert "Closest of all presets" in run("match", place.song, "--single", "--model", place.model).out


def test_the_report_carries_its_sounds(place: Any, run: Callable[..., Any]) -> None:
    done = run("match", place.song, "-k", 2, *ALWAYS, "--model", place.model, "--report", "page.html", "--json")
    assert done.status == 0
    page = Path("page.html").read_text(encoding="utf-8")
    names = [match["name"] for each in json.loads(done.out)["families"].values() for match in each["matches"]]
    assert len(names) == 4
    assert all(name in page for name in names)
    assert page.count("data:audio") >= 3  # the passage, and every preset that was found
    assert "http://" not in page.replace("http://www.w3.org", "")


@pytest.mark.parametrize("start", [0.0, 2.0])
def test_a_passage_is_what_is_heard(place: Any, run: Callable[..., Any], start: float) -> None:
    done = run("match", place.song, "--start", start, "--end", start + 2, "--model", place.model, "--json")
    assert json.loads(done.out)["query"] == {"path": str(place.song), "start": start, "end": start + 2}
