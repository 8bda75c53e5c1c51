"""The report that `match --report` writes, opened as a file in a real Chromium: one file, which needs no server."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from synthmatch.cli import run

PLAYING = "[...document.querySelectorAll('audio')].filter((each) => !each.paused).length"
WIDTHS = "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"


@pytest.fixture(scope="module")
def report(made: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "what was found.html"
    asked = ["match", made.song, "--library", made.library, "--model", made.model, "--report", path]
    assert run([str(each) for each in asked]) == 0
    return path


@pytest.mark.parametrize("width", [1280, 390])
def test_it_fits_a_desk_and_a_telephone(width: int, visit: Callable[..., Any], report: Path) -> None:
    page = visit(report.as_uri(), width).page
    content, window = page.evaluate(WIDTHS)
    assert content <= window
    pictures = "[...document.querySelectorAll('img')].map((each) => each.naturalWidth)"
    assert min(page.evaluate(pictures)) > 0


def test_its_sounds_are_heard_one_at_a_time(visit: Callable[..., Any], report: Path) -> None:
    there = visit(report.as_uri())
    page = there.page
    song, first, second = (page.locator(".sound .play").nth(number) for number in range(3))
    song.click()
    there.until("document.querySelectorAll('audio')[0].currentTime > 0.2")
    assert song.get_attribute("aria-pressed") == "true"
    first.click()
    there.until("document.querySelectorAll('audio')[1].currentTime > 0.2")
    assert page.evaluate(PLAYING) == 1
    assert song.get_attribute("aria-pressed") == "false"
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    there.until("document.querySelectorAll('audio')[2].currentTime > 0.2")
    assert (first.get_attribute("aria-pressed"), second.get_attribute("aria-pressed")) == ("false", "true")
    page.keyboard.press("Escape")
    assert page.evaluate(PLAYING) == 0


def test_it_asks_for_nothing_from_elsewhere(visit: Callable[..., Any], report: Path) -> None:
    page = visit("about:blank").page
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(report.as_uri())
    page.locator(".sound .play").first.click()
    page.wait_for_timeout(200)
    assert {url.partition(":")[0] for url in asked} <= {"file", "data", "blob"}
