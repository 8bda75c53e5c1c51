"""`synthmatch match`: what it prints and writes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mido
import numpy as np
import pytest

from synthmatch import audio
from synthmatch.library.choice import Choice
from synthmatch.library.library import Library
from synthmatch.midi import read_midi, write_midi
from synthmatch.networks import transcriber
from synthmatch.notes import Note, Performance
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
        assert set(family) == {"presence", "nothing_close", "surest", "matches"}
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


def test_the_table_is_printed_though_the_page_cannot_be_written(
    place: Any, run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A preset's reference notes are lost, which the page alone needs where no others are known."""
    monkeypatch.setattr(transcriber, "RELEASED", Path("none.safetensors"))
    asked = ("match", place.song, "-k", 1, "--family", "bass", "--model", place.model)
    table = run(*asked).out
    with Library.open(place.library) as library:
        found = json.loads(run(*asked, "--json").out)["families"]["bass"]["matches"][0]["id"]
        library.sounds.delete_sound(found)
    done = run(*asked, "--report", "page.html")
    assert (done.status, done.out) == (1, table)
    assert "synthmatch library repair" in done.err
    assert "written" not in done.err


def test_where_nothing_is_found_it_is_told_what_could_be(place: Any, run: Callable[..., Any]) -> None:
    """The library holds a family of which no preset fits the choice, and nothing is written of it."""
    with Library.open(place.library) as library:
        listing = library.presets()[0]
        (lacking, *_) = (family for family in library.families if family not in listing.families)
    asked = ("match", place.song, "--model", place.model, "--word", listing.name, "--out", "found")
    done = run(*asked, "--family", lacking)
    assert done.status == 0
    held = ", ".join(listing.families)
    assert f"({Choice(words=(listing.name,))}) in the library {place.library} is found under {held} alone" in done.err
    assert f"ask for one of these with --family {listing.families[0]}." in done.err
    assert "written" not in done.err
    assert not Path("found").exists()
    found = run(*asked, "--family", lacking, "--family", listing.families[0])
    assert found.err == "written: found\n"


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


def test_nothing_close_is_said_wherever_matches_are(
    place: Any, run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("synthmatch.matching.results.CLOSE", {"bass": 1.01, "pad": -1.0})
    words = ("match", place.song, "-k", 2, *ALWAYS, "--model", place.model)
    table = run(*words).out
    headings = {line.partition(":")[0]: line for line in table.splitlines() if line.startswith(("Bass: ", "Pad: "))}
    far = {key: line.endswith(", but nothing close to it") for key, line in headings.items()}
    assert far == {"Bass": True, "Pad": False}
    families = json.loads(run(*words, "--json", "--report", "page.html").out)["families"]
    assert {key: family["nothing_close"] for key, family in families.items()} == {"bass": True, "pad": False}
    assert Path("page.html").read_text(encoding="utf-8").count("Nothing close: ") == 1


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


def test_of_a_passage_nothing_else_is_decoded(place: Any, run: Callable[..., Any]) -> None:
    """What is wrong with the song before it and after it doesn't matter; the times are the song's."""
    song = audio.read(place.song)
    for second in (0.5, 5.5):
        song.samples[:, round(second * song.sample_rate)] = np.nan
    audio.write(Path("holed.wav"), song)
    asked = ("match", "holed.wav", *ALWAYS, "--model", place.model, "--json", "--report", "page.html")
    assert "not numbers" in run(*asked).err
    document = json.loads(run(*asked, "--start", 1, "--end", 5).out)
    assert document["query"] == {"path": "holed.wav", "start": 1.0, "end": 5.0}
    assert "holed.wav, 1.0 to 5.0 s" in Path("page.html").read_text(encoding="utf-8")
    whole = run("match", place.song, *ALWAYS, "--model", place.model, "--json", "--start", 1, "--end", 5).out
    assert document["families"] == json.loads(whole)["families"]


@pytest.fixture
def midi(place: Any) -> Path:  # noqa: ARG001 (for its current folder)
    path = Path("song.mid")
    write_midi(path, Performance((Note(0.0, 45, 100, 0.5), Note(0.5, 52, 100, 0.5)), 0.0))
    return path


def test_found_presets_play_the_notes_of_a_midi_file(place: Any, run: Callable[..., Any], midi: Path) -> None:
    given = ("--midi", midi, "--part", "bass=1", "--out", "found", "--previews", "wav", "--report", "page.html")
    done = run("match", place.song, "-k", 2, "--end", 3, "--family", "bass", "--model", place.model, *given, "--json")
    assert done.status == 0, done.err
    (family,) = json.loads(done.out)["families"].values()
    for match in family["matches"]:
        folder = Path(match["files"][0]).parent
        assert audio.read(folder / "phrase.wav").seconds == pytest.approx(3.0, abs=0.01)
        assert [note.pitch for note in read_midi(folder / "phrase.mid").notes] == [45, 52]
    page = Path("page.html").read_text(encoding="utf-8")
    assert "Your notes: song.mid, part 1." in page
    assert page.count("data:audio") == 1 + len(family["matches"])


@pytest.mark.parametrize("more", [("--report", "page.html"), ("--out", "found", "--previews", "wav"), ("--rerank", 3)])
def test_without_a_transcriber_it_says_once_what_to_do(
    place: Any, run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, more: tuple[str, ...]
) -> None:
    """The matches come all the same, in the encoder's order."""
    monkeypatch.setattr(transcriber, "RELEASED", Path("none.safetensors"))
    asked = ("match", place.song, "-k", 3, "--end", 3, *ALWAYS, "--model", place.model, "--json")
    plain, done = json.loads(run(*asked).out), run(*asked, *more)
    assert done.status == 0
    sentence = "so notes can't be estimated; give them as a MIDI file."
    assert done.err.count(sentence) == 1
    for family, found in json.loads(done.out)["families"].items():
        assert [match["id"] for match in found["matches"]] == [
            match["id"] for match in plain["families"][family]["matches"]
        ]
        assert not [file for match in found["matches"] for file in match["files"] if "phrase" in file]
    if "page.html" in more:
        assert "give them as a MIDI file." in Path("page.html").read_text(encoding="utf-8")


def test_reranking_keeps_the_matches_in_another_order(place: Any, run: Callable[..., Any], midi: Path) -> None:
    asked = ("match", place.song, "--end", 3, "--family", "bass", "--model", place.model, "--json")
    plain, turned = (
        json.loads(run(*asked, *more).out)["families"]["bass"]["matches"]
        for more in (("-k", 8), ("-k", 8, "--midi", midi, "--part", "bass=1", "--rerank", 8))
    )
    assert [match["rank"] for match in turned] == list(range(1, 9))
    assert [match["id"] for match in turned] != [match["id"] for match in plain]
    assert {match["id"]: match["score"] for match in turned} == {match["id"]: match["score"] for match in plain}


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("--previews", "flac"), "--out"),
        (("--midi", "song.mid"), "--report, --previews or --rerank"),
        (("--part", "bass=1", "--report", "page.html"), "--midi"),
        (("--midi", "song.mid", "--part", "bass", "--report", "page.html"), "FAMILY=PART"),
        (("--midi", "song.mid", "--part", "kazoo=1", "--report", "page.html"), "FAMILY=PART"),
        (("--midi", "song.mid", "--midi-start", "nan", "--report", "page.html"), "no second of a song"),
        (("--midi-start", "0", "--report", "page.html"), "name the file with --midi"),
        (("--midi", "song.mid", "--part", "bass=1", "--part", "bass=2", "--report", "page.html"), "not 1 and 2"),
    ],
)
@pytest.mark.usefixtures("midi")
def test_options_that_lack_another_are_wrong_usage(
    place: Any, run: Callable[..., Any], words: tuple[str, ...], reason: str
) -> None:
    done = run("match", place.song, "--model", place.model, *words)
    assert done.status == 2
    assert reason in done.err
    assert not Path("page.html").exists()


def test_a_midi_file_without_the_part_is_refused(place: Any, run: Callable[..., Any], midi: Path) -> None:
    done = run("match", place.song, "--model", place.model, "--midi", midi, "--part", "bass=7", "--report", "page.html")
    assert done.status == 1
    assert "song.mid has no part called '7'" in done.err
    assert not Path("page.html").exists()


def test_a_part_that_nothing_plays_is_said(place: Any, run: Callable[..., Any], midi: Path) -> None:
    asked = ("match", place.song, "--end", 3, "--family", "lead", "--model", place.model, "--midi", midi, "-k", 1)
    done = run(*asked, "--part", "bass=1", "--part", "any=1", "--rerank", 2)
    assert done.status == 0, done.err
    assert "chosen for bass, since no bass is shown; ask with --family bass." in done.err
    assert "chosen for a sound of any family; match it with --single." in done.err
    assert "Nothing plays" not in run(*asked, "--part", "lead=1", "--rerank", 2).err


def test_notes_that_fit_no_family_are_said(place: Any, run: Callable[..., Any]) -> None:
    """Two tracks without a name, as many programs write them, tell nothing; they aren't what is played unasked."""
    file = mido.MidiFile()
    for pitch in (40, 72):
        strike, lift = (mido.Message(kind, note=pitch, time=time) for kind, time in (("note_on", 0), ("note_off", 480)))
        file.tracks.append(mido.MidiTrack([strike, lift]))
    file.save("song.mid")
    asked = ("match", place.song, "--end", 3, *ALWAYS, "--model", place.model, "--midi", "song.mid", "-k", 1)
    sentence = "song.mid doesn't tell which of its parts plays {}, so none does; choose with --part {}=NUMBER: 1 (no "
    done = run(*asked, "--report", "page.html")
    assert done.status == 0, done.err
    assert any(sentence.format(*both) in done.err for both in (("bass, pad", "bass"), ("pad, bass", "pad")))
    assert sentence.format("pad", "pad") in run(*asked, "--part", "bass=1", "--report", "page.html").err
    assert "doesn't tell" not in run(*asked, "--part", "bass=1", "--part", "pad=2", "--report", "page.html").err
