"""The page in a real Chromium, with a real server behind it: what a user does, from the drop to the synth."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from synthmatch.notes import Performance
from synthmatch.presets.bank import PresetBank
from synthmatch.renderers.pool import render_one
from synthmatch.renderers.renderer import RenderJob
from synthmatch.web import page as front

bundled = pytest.mark.skipif(not front.is_bundled(), reason="the page has no waveform: run `make web`, which needs npm")


def presets_in(folder: Path) -> list[Any]:
    return [preset for file in sorted(folder.rglob("*.faustpatch")) for preset in PresetBank.read(file)]


def named_and_pressed(page: Any, button: str) -> tuple[str, str]:
    """What is said of a button that is pressed for as long as something sounds: its name is the same all the while."""
    return page.get_attribute(button, "aria-label"), page.get_attribute(button, "aria-pressed")


def test_from_the_drop_to_the_synth(visit: Any, served: Any, made: Any, tmp_path: Path) -> None:
    there = visit(served.address)
    page = there.page
    there.drop(made.song)
    there.found()
    assert page.locator("#chips .chip").count() == 12
    chances = [int(text.split()[0]) for text in page.locator("#chips b").all_inner_texts()]
    assert chances == sorted(chances, reverse=True)
    page.keyboard.press("2")
    there.hears("#match-audio")
    card = page.locator(".card.current")
    assert card.locator(".play").get_attribute("aria-pressed") == "true"
    assert named_and_pressed(page, "#bar-play") == ("Play", "true")
    assert named_and_pressed(page, "#song-play") == ("Play the passage", "false")
    assert re.match(r"[a-z]+ \((field|name|folder|sound)\)", card.locator(".sounds").inner_text())
    page.keyboard.press("b")  # the song instead
    there.hears("#song-audio")
    assert named_and_pressed(page, "#song-play") == ("Play the passage", "true")
    assert page.evaluate("document.querySelector('#match-audio').paused")
    volumes = page.evaluate("['song', 'match'].map((each) => document.querySelector(`#${each}-audio`).volume)")
    assert max(volumes) == 1
    assert 0 < min(volumes) <= 1
    page.keyboard.press("b")
    there.hears("#match-audio")
    page.keyboard.press(" ")
    there.until("document.querySelector('#match-audio').paused")
    page.check(".card.current input")
    page.check(f"[data-pick='{there.picks()[0]}'] input")
    chosen = presets_in(there.downloads(lambda: page.click("#bar-chosen"), tmp_path / "chosen"))
    assert len(chosen) == 2
    (preset,) = presets_in(there.downloads(lambda: card.locator("a").click(), tmp_path / "one"))
    assert preset.id == card.get_attribute("data-id")
    assert render_one(RenderJob(preset.state, (Performance.single(60, 100),))).ok  # its synth opens and plays it


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have but one address of their own")
def test_the_address_with_the_token_may_be_a_link_of_another_site(
    visit: Any, served: Any, made: Any, tmp_path: Path, serving: Callable[..., Any]
) -> None:
    library = shutil.copytree(made.library, tmp_path / "library")
    with serving(library, made.model, "127.0.0.2") as address:  # a site of its own, which asks for the token
        page = visit(served.address).page
        page.evaluate(
            """(address) => {
              const link = document.createElement("a");
              Object.assign(link, { href: address, id: "away", textContent: "There" });
              document.querySelector("#main").prepend(link);
            }""",
            address,
        )
        page.click("#away")
        page.wait_for_url(f"{address.partition('?')[0]}")
        page.wait_for_selector("#drop:visible")


def test_the_switch_pressed_twice_at_once_ends_where_it_began(visit: Any, served: Any, made: Any) -> None:
    there = visit(served.address)
    there.drop(made.song)
    there.found()
    there.page.keyboard.press("1")
    there.hears("#match-audio")
    # Both presses are over before the browser tells that the song had begun.
    there.page.evaluate(
        """() => {
          for (let press = 0; press < 2; press += 1) {
            document.body.dispatchEvent(new KeyboardEvent("keydown", { key: "b", bubbles: true }));
          }
        }"""
    )
    there.page.wait_for_timeout(300)
    there.hears("#match-audio")
    assert there.page.evaluate("document.querySelector('#song-audio').paused")


def test_the_keyboard_is_enough(visit: Any, served: Any, made: Any, tmp_path: Path) -> None:
    there = visit(served.address)
    page = there.page
    page.on("filechooser", lambda _: None)  # asked for in good time: a key may be there before the wish to be told

    def tab_to(selector: str) -> None:
        for _ in range(150):
            if page.evaluate("(selector) => document.activeElement.matches(selector)", selector):
                return
            page.keyboard.press("Tab")
        pytest.fail(f"the Tab key doesn't lead to {selector}")

    tab_to("#file")
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Space")
    chooser.value.set_files(made.song)
    there.found()
    page.evaluate("document.activeElement.blur()")
    tab_to("#from")
    page.keyboard.press("Control+a")
    page.keyboard.type("1.5")
    with page.expect_response("**/api/match") as answer:
        page.keyboard.press("Enter")
    assert answer.value.status == 200
    there.found()
    assert page.inner_text("#song-about") == "0:01.5 to 0:06.0 of 0:06.0"
    tab_to("#whole")  # out of the field, where digits are digits
    picks = there.picks()
    first, other = picks[0].split(":")[0], next(pick for pick in picks if pick.split(":")[0] != picks[0].split(":")[0])
    for key, pick in (
        ("2", f"{first}:2"),
        ("ArrowRight", f"{first}:3"),
        ("ArrowLeft", f"{first}:2"),
        ("ArrowDown", other),
    ):
        page.keyboard.press(key)
        there.plays(pick)
    page.keyboard.press("c")
    page.keyboard.press("b")
    there.hears("#song-audio")
    page.keyboard.press("Escape")
    there.until("document.querySelector('#song-audio').paused")
    tab_to("#bar-chosen")
    assert len(presets_in(there.downloads(lambda: page.keyboard.press("Enter"), tmp_path))) == 1
    tab_to("nav [data-view=map]")
    page.keyboard.press("Enter")
    there.until("Boolean(document.querySelector('#map').dataset.key)")
    tab_to("#map")
    page.keyboard.press("ArrowRight")
    page.wait_for_selector("#map-label:visible")
    there.hears("#match-audio")


@bundled
def test_a_passage_is_marked_on_the_waveform(visit: Any, served: Any, made: Any) -> None:
    there = visit(served.address)
    page = there.page
    there.drop(made.song)
    there.found()
    there.until("!document.querySelector('#song-audio').controls")  # the waveform has taken over
    assert (page.input_value("#from"), page.input_value("#to")) == ("0.0", "6.0")
    page.fill("#to", "1")
    page.click("#passage [type=submit]")
    there.found()
    box = page.locator("#waveform").bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 40)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.6, box["y"] + 40, steps=4)
    with page.expect_response("**/api/match") as answer:
        page.mouse.move(box["x"] + box["width"] * 0.75, box["y"] + 40, steps=4)
        page.mouse.up()
    assert answer.value.status == 200
    assert 2.7 < float(page.input_value("#from")) < 3.3
    assert 4.2 < float(page.input_value("#to")) < 4.8
    there.found()


def test_without_the_waveform_two_fields_and_the_browsers_player_serve(visit: Any, served: Any, made: Any) -> None:
    there = visit(served.address)
    page = there.page
    page.route("**/waveform*.js", lambda route: route.abort())
    page.set_input_files("#file", made.song)
    there.found()
    assert page.locator("#song-audio").is_visible()
    assert page.locator("#waveform").is_hidden()
    page.fill("#from", "2")
    page.fill("#to", "4.5")
    with page.expect_response("**/api/match") as answer:
        page.click("#passage [type=submit]")
    assert answer.value.status == 200
    assert page.inner_text("#song-about") == "0:02.0 to 0:04.5 of 0:06.0"
    there.found()
    song = page.locator("#song-audio")
    song.evaluate("each => { each.currentTime = 4.6; each.play(); }")  # as its own button does: beyond the passage
    there.until("document.querySelector('#song-audio').currentTime > 5.2")
    song.evaluate("each => each.pause()")
    page.click("#song-play")
    there.hears("#song-audio")
    there.until("document.querySelector('#song-audio').paused")
    assert 4.5 <= song.evaluate("each => each.currentTime") < 5.2


def test_without_the_bundle_the_page_is_made_of_its_own_modules(visit: Any, served: Any, made: Any) -> None:
    """As where npm is missing: what the server then sends is that page, with these modules."""
    there = visit("about:blank")
    page = there.page

    def unbundled(route: Any) -> None:
        answer = route.fetch()
        route.fulfill(response=answer, body=answer.text().replace("/static/bundle/", "/static/frontend/"))

    page.route(served.address, unbundled)
    page.goto(served.address)
    there.drop(made.song)
    there.found()
    page.locator("#song-audio").evaluate("each => each.play()")  # as its own button does
    there.hears("#song-audio")
    page.keyboard.press("1")
    there.hears("#match-audio")
    assert page.locator("#from").is_editable()
    assert page.evaluate("performance.getEntriesByType('resource').every(({ name }) => !name.includes('bundle'))")


def test_the_map_shows_every_sound_and_plays_it(visit: Any, served: Any, made: Any) -> None:
    there = visit(served.address)
    page = there.page
    page.set_input_files("#file", made.song)
    there.found()
    page.click("nav [data-view=map]")
    there.until("Boolean(document.querySelector('#map').dataset.key)")
    page.focus("#map")
    page.keyboard.press("ArrowRight")
    page.wait_for_selector("#map-label:visible")
    assert page.inner_text("#map-label") != ""
    there.hears("#match-audio")
    heard = page.inner_text("#bar-name")
    label, box = page.locator("#map-label").bounding_box(), page.locator("#map").bounding_box()
    page.keyboard.press("ArrowLeft")
    there.until(f"document.querySelector('#bar-name').textContent !== {heard!r}")
    # The label stands 14 pixels right of and below its dot, unless the map ends there: pointing at the dot plays it.
    if (
        label["x"] + label["width"] < box["x"] + box["width"] - 5
        and label["y"] + label["height"] < box["y"] + box["height"] - 5
    ):
        page.mouse.move(label["x"] - 14, label["y"] - 14, steps=3)
        there.until(f"document.querySelector('#bar-name').textContent === {heard!r}")
        there.hears("#match-audio")
    page.click("#legend .chip >> nth=0")
    assert page.locator("#legend .chip >> nth=0").get_attribute("aria-pressed") == "false"
    page.check("#fold")
