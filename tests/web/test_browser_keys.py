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
