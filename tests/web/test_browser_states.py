"""What the page says in each of its states: nothing close, trouble, a narrow screen."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from synthmatch import audio
from synthmatch.audio import Clip


def test_nothing_close_is_said_in_words(visit: Any, served: Any, made: Any) -> None:
    def where_far(*families: str) -> Any:
        """The page to which the server seems to say of these families that nothing is close."""
        there = visit(served.address)
        there.page.evaluate(
            """(far) => {
              const usual = window.fetch;
              const told = /("family": "(\\w+)", "presence": [^,]*, "nothing_close": )\\w+/g;
              window.fetch = async (path, settings) => {
                const answer = await usual(path, settings);
                if (path !== "/api/match" || !answer.ok) return answer;
                return new Response((await answer.text()).replace(told, (_, rest, key) => rest + far.includes(key)));
              };
            }""",
            families,
        )
        there.drop(made.song)
        there.found()
        return there

    assert where_far().page.locator("#far, .far").locator("visible=true").count() == 0
    page = where_far("pad").page
    assert page.locator("#part-pad .far").inner_text().startswith("Nothing close: ")
    assert page.locator("#part-bass .far").count() == 0
    assert page.inner_text("#status") == "Found presets for: Bass."
    assert page.locator("#far").is_hidden()  # the bass is close
    page.click("#chips [data-family=bass]")
    assert page.inner_text("#far").startswith("Nothing in your library comes close to this passage.")
    there = where_far("bass", "pad")
    assert there.page.locator("#far").is_visible()
    assert there.page.inner_text("#status") == "Nothing close was found."
    there.page.keyboard.press("1")  # the nearest ones are shown and heard all the same
    there.hears("#match-audio")


@pytest.mark.parametrize("data", [b"no sound at all", b""], ids=["text", "nothing"])
def test_what_is_wrong_stands_on_the_page(visit: Any, served: Any, data: bytes) -> None:
    page = visit(served.address).page
    page.set_input_files("#file", {"name": "notes.wav", "mimeType": "audio/wav", "buffer": data})
    page.wait_for_selector("#trouble:visible")
    assert "notes.wav can't be read as sound" in page.inner_text("#trouble")
    assert page.locator("#drop").is_visible()


def test_a_passage_that_is_none_is_refused_in_a_sentence(visit: Any, served: Any, made: Any) -> None:
    there = visit(served.address)
    there.drop(made.song)
    there.found()
    there.page.fill("#from", "4")
    there.page.fill("#to", "4")
    there.page.click("#passage [type=submit]")
    there.page.wait_for_selector("#trouble:visible")
    assert "is empty" in there.page.inner_text("#trouble")
    there.page.click("#whole")
    there.found()
    assert there.page.locator("#trouble").is_hidden()


def test_of_two_songs_the_last_one_is_shown(visit: Any, served: Any, made: Any, tmp_path: Path) -> None:
    """Though the first, a longer one say, takes longer to be sent."""
    there = visit(served.address)
    held: list[Any] = []
    there.page.route("**/api/songs", lambda route: route.continue_() if held else held.append(route))
    there.drop(made.song)
    there.catches(held)
    there.drop(shutil.copy(made.song, tmp_path / "other.flac"))
    there.found()
    with there.page.expect_response("**/api/songs"):
        held[0].continue_()
    there.page.wait_for_timeout(500)
    there.found()
    assert there.page.inner_text("#song-name") == "other.flac"
    assert there.page.locator("#trouble").is_hidden()


def test_a_file_that_is_refused_leaves_what_is_there(visit: Any, served: Any, made: Any) -> None:
    there = visit(served.address)
    page = there.page
    there.drop(made.song)
    there.found()
    page.keyboard.press("1")
    there.hears("#match-audio")
    page.set_input_files("#file", {"name": "notes.wav", "mimeType": "audio/wav", "buffer": b"no sound at all"})
    page.wait_for_selector("#trouble:visible")
    there.until("document.querySelector('#match-audio').paused")
    assert page.locator("#bar").is_visible()
    page.keyboard.press(" ")  # goes on
    there.hears("#match-audio")


def test_where_a_sound_does_not_come_no_other_is_heard_under_its_name(visit: Any, served: Any, made: Any) -> None:
    there = visit(served.address)
    page = there.page
    gone = True

    def answer(route: Any) -> None:
        if gone:
            route.fulfill(status=409, json={"error": "That sound is gone."})
        else:
            route.continue_()

    page.route("**/api/presets/*/sound", answer)
    there.drop(made.song)
    there.found()
    first, second = there.picks()[:2]
    gone = False
    page.keyboard.press("1")
    there.plays(first)
    gone = True
    for key in ("2", " ", "b", "b"):  # asked for again each time, but for the song
        page.keyboard.press(key)
        there.until(f"document.querySelector('.card.current').dataset.pick === '{second}'")
        page.wait_for_timeout(200)
        assert page.evaluate("document.querySelector('#match-audio').paused"), key
        assert page.inner_text("#trouble") == "That sound is gone."
    gone = False
    page.keyboard.press(" ")
    there.plays(second)
    assert page.locator("#trouble").is_hidden()


def test_presets_are_chosen_without_being_heard(visit: Any, served: Any, made: Any, tmp_path: Path) -> None:
    there = visit(served.address)
    page = there.page
    there.drop(made.song)
    there.found()
    for pick in there.picks()[:2]:
        page.check(f"[data-pick='{pick}'] input")
    assert page.inner_text("#bar-chosen") == "Download 2 chosen"
    assert page.locator("#bar-play, #bar-files, #ab").locator("visible=true").count() == 0
    folder = there.downloads(lambda: page.click("#bar-chosen"), tmp_path / "chosen")
    assert len(list(folder.rglob("*.faustpatch"))) == 2
    for pick in there.picks()[:2]:
        page.uncheck(f"[data-pick='{pick}'] input")
    assert page.locator("#bar").is_hidden()


def test_what_is_ticked_while_another_passage_is_heard_is_not_chosen_of_it(visit: Any, served: Any, made: Any) -> None:
    there = visit(served.address)
    page = there.page
    there.drop(made.song)
    there.found()
    held: list[Any] = []
    page.route("**/api/match", lambda route: held.append(route))
    page.fill("#to", "4")
    page.click("#passage [type=submit]")
    there.catches(held)
    page.check(f"[data-pick='{there.picks()[0]}'] input")
    held[0].continue_()
    there.until("!document.querySelector('#found').classList.contains('stale')")
    there.found()
    assert page.locator("input:checked").locator("visible=true").count() == 0
    assert page.locator("#bar-chosen").is_hidden()


def test_a_server_that_is_gone_is_named(visit: Any, served: Any, made: Any) -> None:
    there = visit(served.address)
    there.page.context.set_offline(True)
    there.page.set_input_files("#file", made.song)
    there.page.wait_for_selector("#trouble:visible")
    assert "synthmatch serve" in there.page.inner_text("#trouble")
    there.page.context.set_offline(False)
    there.page.set_input_files("#file", made.song)
    there.found()
    assert there.page.locator("#trouble").is_hidden()


def test_on_a_phone_nothing_is_cut_off(visit: Any, served: Any, made: Any) -> None:
    there = visit(served.address, 390, 844, has_touch=True)
    page = there.page
    page.set_input_files("#file", made.song)
    there.found()
    for view in ("find", "map", "library"):
        page.click(f"nav [data-view={view}]")
        assert page.evaluate("document.scrollingElement.scrollWidth") <= 390, view
    page.click("nav [data-view=find]")
    page.locator(".card:visible .play").first.tap()
    there.hears("#match-audio")
    small = page.evaluate(
        """() => [...document.querySelectorAll('button, .button, .chip')].filter((each) => each.offsetParent)
          .map((each) => [each.textContent || each.id, each.getBoundingClientRect().height])
          .filter(([, high]) => high < 32)"""
    )
    assert small == []  # what a finger can hit


def test_the_first_link_leaves_the_view_as_it_is(visit: Any, served: Any) -> None:
    there = visit(served.address)
    there.page.click("nav [data-view=library]")
    there.page.wait_for_selector("#view-library:visible")
    there.page.focus(".skip")
    there.page.keyboard.press("Enter")
    there.until("location.hash === '#main'")
    assert there.page.locator("#view-library").is_visible()


def test_another_song_is_chosen_by_keyboard(visit: Any, served: Any, made: Any, tmp_path: Path) -> None:
    there = visit(served.address)
    page = there.page
    page.on("filechooser", lambda _: None)  # asked for in good time: a key may be there before the wish to be told
    there.drop(made.song)
    there.found()
    page.focus("#file")
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Space")
    chooser.value.set_files(shutil.copy(made.song, tmp_path / "other.flac"))
    there.until("document.querySelector('#song-name').textContent === 'other.flac'")
    there.found()
    page.keyboard.press("1")  # though the field still has the keyboard
    there.hears("#match-audio")


def test_a_name_may_hold_what_javascript_takes_for_the_end_of_a_line(visit: Any, served: Any) -> None:
    told = visit(served.address).page.evaluate(
        """async () => {
          const { follow } = await import("/static/frontend/api.js");
          window.fetch = async () => new Response('event: done\\ndata: {"name": "one\\u2028two"}\\n\\n');
          return follow("/api/match", {}, () => {});
        }"""
    )
    assert told == {"name": "one\u2028two"}


def test_where_a_part_is_heard_best_is_said_of_a_passage_that_is_longer(
    visit: Any, served: Any, made: Any, tmp_path: Path
) -> None:
    song = audio.read(made.song)
    audio.write(tmp_path / "long.flac", Clip(np.tile(song.samples, 4), song.sample_rate))
    there = visit(served.address)
    there.drop(tmp_path / "long.flac")
    there.found()
    best = there.page.locator(".part header button").locator("visible=true")
    assert best.count() == 0  # ten seconds in the middle: all that is heard at once
    there.page.click("#whole")
    there.found()
    assert re.fullmatch(r"Heard best from \d:\d\d\.\d to \d:\d\d\.\d", best.first.inner_text())
    best.first.click()
    there.hears("#song-audio")
