"""What a key does where the keyboard is, in a real Chromium."""

from __future__ import annotations

from typing import Any

PAUSED = "document.querySelector('#match-audio').paused"


def test_space_plays_the_card_whose_button_has_the_keyboard(visit: Any, served: Any, made: Any) -> None:
    there = visit(served.address)
    page = there.page
    there.drop(made.song)
    there.found()
    _, second, third = there.picks()[:3]
    page.focus(f"[data-pick='{second}'] .play")
    page.keyboard.press(" ")
    there.plays(second)
    page.keyboard.press(" ")  # it is at hand now
    there.until(PAUSED)
    page.keyboard.press(" ")
    there.plays(second)
    page.focus(f"[data-pick='{third}'] .play")
    page.keyboard.press(" ")  # though another one is at hand
    there.plays(third)


def test_space_scrolls_where_there_is_nothing_to_play(visit: Any, served: Any, made: Any) -> None:
    there = visit(served.address, 1280, 300)
    page = there.page
    there.drop(made.song)
    there.found()
    page.click("nav [data-view=library]")
    page.wait_for_selector("#banks-table table")
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press(" ")
    there.until("window.scrollY > 0")
    assert page.evaluate("document.querySelector('#song-audio').paused")
    page.click("nav [data-view=find]")
    page.keyboard.press("1")
    there.hears("#match-audio")
    page.click("nav [data-view=library]")
    page.focus("#banks-table")  # a region that scrolls by itself
    page.keyboard.press(" ")
    page.wait_for_timeout(200)
    assert not page.evaluate(PAUSED)
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press(" ")  # what is at hand stands in the bar, in each view
    there.until(PAUSED)


def test_what_the_map_plays_is_paused_and_stopped_where_it_has_the_keyboard(visit: Any, served: Any) -> None:
    there = visit(f"{served.address}#map")
    page = there.page
    there.until("Boolean(document.querySelector('#map').dataset.key)")
    page.focus("#map")
    page.keyboard.press("ArrowRight")
    there.hears("#match-audio")
    page.keyboard.press(" ")
    there.until(PAUSED)
    page.keyboard.press(" ")
    there.hears("#match-audio")
    page.keyboard.press("Escape")
    there.until(PAUSED)
    assert page.evaluate("document.querySelector('#match-audio').currentTime") == 0
    page.keyboard.press("Enter")  # the map's own
    there.hears("#match-audio")
