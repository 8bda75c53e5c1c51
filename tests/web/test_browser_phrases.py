"""The switch between reference notes and the song's phrase, in a real Chromium."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mido
import pytest

from synthmatch import audio
from synthmatch.midi import read_midi, write_midi
from synthmatch.notes import Note, Performance

SOURCE = "document.querySelector('#match-audio').src"


@pytest.fixture
def midi(tmp_path: Path) -> Path:
    notes = (Note(0.0, 45, 100, 1.0), Note(2.0, 52, 90, 1.0), Note(4.0, 50, 100, 1.0))
    write_midi(tmp_path / "Lines.mid", Performance(notes))
    return tmp_path / "Lines.mid"


def say_rendered(there: Any) -> None:
    """Wait until each card that is shown has its phrase."""
    words = "[...document.querySelectorAll('.part:not([hidden]) .phrase')].map((each) => each.textContent)"
    there.until(f"{words}.every((each) => each.startsWith('♪'))")


def test_cards_play_the_songs_phrase_once_it_is_rendered(
    visit: Any, served: Any, made: Any, midi: Path, tmp_path: Path
) -> None:
    there = visit(served.address)
    page = there.page
    there.drop(made.song)
    there.found()
    page.keyboard.press("1")
    there.hears("#match-audio")
    reference = page.evaluate(SOURCE)
    assert page.locator(".phrase").locator("visible=true").count() == 0
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("p")
    page.set_input_files("#midi", midi)
    say_rendered(there)
    assert page.locator("#part-bass .origin").inner_text() == "Your notes: Lines.mid, part 1."
    page.keyboard.press("2")
    there.plays("bass:2")
    assert page.evaluate(SOURCE) != reference
    assert page.inner_text("#bar-about").endswith("the song's phrase")
    assert page.evaluate("document.querySelector('#match-audio').duration") == pytest.approx(6, abs=0.1)
    there.until("document.querySelector('#match-audio').currentTime > 1.5")
    page.keyboard.press("b")  # the song goes on where the phrase was
    there.hears("#song-audio")
    assert page.evaluate("document.querySelector('#song-audio').currentTime") > 1.5
    page.keyboard.press("b")
    there.hears("#match-audio")
    assert page.evaluate("document.querySelector('#match-audio').currentTime") > 1.5
    files = there.downloads(lambda: page.click("#bar-files"), tmp_path / "files")
    (keys,), (sound,) = files.rglob("phrase.mid"), files.rglob("phrase.flac")
    assert [note.pitch for note in read_midi(keys).notes] == [45, 52, 50]
    assert audio.read(sound).seconds == pytest.approx(6, abs=0.1)
    page.click("#chips [data-family=lead]")  # another part is asked for when it is shown
    say_rendered(there)
    page.click("#play-reference")
    page.keyboard.press("1")
    there.plays("bass:1")
    assert page.evaluate("document.querySelector('#match-audio').duration") == pytest.approx(10, abs=0.5)


def test_a_preset_of_the_passage_before_plays_nothing_of_another(
    visit: Any, served: Any, made: Any, midi: Path
) -> None:
    there = visit(served.address)
    page = there.page

    def mark(start: str, end: str) -> None:
        page.fill("#from", start)
        page.fill("#to", end)
        page.click("#passage [type=submit]")
        there.found()
        say_rendered(there)

    there.drop(made.song)
    there.found()
    page.click("#play-phrase")
    page.set_input_files("#midi", midi)
    mark("0", "3")
    page.keyboard.press("1")
    there.plays(there.picks()[0])
    assert page.inner_text("#bar-about").endswith("the song's phrase")
    name = page.inner_text("#bar-name")
    mark("2", "4")
    page.keyboard.press("b")  # the moment of that phrase isn't in what is marked
    there.hears("#song-audio")
    assert 2 <= page.evaluate("document.querySelector('#song-audio').currentTime") <= 4
    page.keyboard.press("p")
    page.keyboard.press("p")  # the phrases that there are now are those of other presets
    there.until("document.querySelector('#bar-about').textContent.endsWith('reference notes')")
    assert page.inner_text("#bar-name") == name
    page.keyboard.press("b")
    there.hears("#match-audio")
    assert page.evaluate("document.querySelector('#match-audio').duration") == pytest.approx(10, abs=0.5)


def test_another_part_of_the_file_is_chosen(visit: Any, served: Any, made: Any, tmp_path: Path) -> None:
    file = mido.MidiFile()
    for name in ("Bass", "Solo"):
        keys = (mido.Message("note_on", note=50, time=0), mido.Message("note_off", note=50, time=960))
        file.tracks.append(mido.MidiTrack([mido.MetaMessage("track_name", name=name), *keys]))
    file.save(tmp_path / "Two.mid")
    there = visit(served.address)
    page = there.page
    there.drop(made.song)
    there.found()
    page.click("#play-phrase")
    page.set_input_files("#midi", tmp_path / "Two.mid")
    there.until("document.querySelector('#part-bass .origin').textContent.startsWith('Your notes: Two.mid, part 1')")
    page.select_option("#part-pad select", "2")
    there.until("document.querySelector('#part-pad .origin').textContent.startsWith('Your notes: Two.mid, part 2')")
    say_rendered(there)
    assert page.input_value("#part-pad select") == "2"


def test_without_a_file_notes_are_estimated(visit: Any, served: Any, made: Any) -> None:
    there = visit(served.address)
    page = there.page
    there.drop(made.song)
    there.found()
    page.click("#play-phrase")
    there.until("document.querySelector('#part-bass .origin').textContent !== ''")
    assert page.locator("#phrases-trouble").is_hidden()
    page.keyboard.press("1")  # what can be heard is
    there.plays("bass:1")


def test_a_file_that_is_no_midi_is_named(visit: Any, served: Any, made: Any) -> None:
    there = visit(served.address)
    page = there.page
    there.drop(made.song)
    there.found()
    page.click("#play-phrase")
    page.set_input_files("#midi", {"name": "notes.mid", "mimeType": "audio/midi", "buffer": b"no notes"})
    there.until("document.querySelector('#phrases-trouble').textContent.startsWith('notes.mid can')")
    page.click("#midi-none")
    there.until("!document.querySelector('#phrases-trouble').textContent.startsWith('notes.mid can')")
