"""Pictures of the page in each of its states, at two widths and in both themes: to be looked at, and mended.

``python tools/screenshots.py OUT --library LIBRARY --song SONG`` serves the library and writes
``OUT/STATE-WIDTH-THEME.png``. The library with failures is a small one that is made for the picture.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Route, ViewportSize

CHROMIUM = "/usr/bin/chromium"  # Debian's
WIDTHS = {1280: 860, 390: 844}
THEMES: tuple[Literal["dark", "light"], ...] = ("dark", "light")
_WAIT = 120_000  # milliseconds

LetGo = Callable[[], None]
"""What to do when the picture is taken."""


@dataclass(frozen=True)
class Place:
    """What the pictures are taken of: the pages of a full library, an empty one, one with failures; and a song."""

    full: str
    empty: str
    failing: str
    song: Path


def empty(page: Page, place: Place) -> None:
    """A library without presets."""
    page.goto(place.empty)
    page.wait_for_selector("#empty:visible")


def idle(page: Page, place: Place) -> None:
    """Before a song."""
    page.goto(place.full)
    page.wait_for_selector("#drop")


def analysing(page: Page, place: Place) -> LetGo:
    """While a song is heard: the match is held back."""
    held: list[Route] = []
    page.goto(place.full)
    page.route("**/api/match", lambda route: held.append(route))
    page.set_input_files("#file", place.song)
    page.wait_for_selector("#progress:visible")
    page.wait_for_selector("#waveform:visible", timeout=_WAIT)
    page.wait_for_timeout(1500)
    return lambda: held.pop().abort()


def results(page: Page, place: Place) -> None:
    """What was found."""
    page.goto(place.full)
    page.set_input_files("#file", place.song)
    page.wait_for_selector(".card:visible", timeout=_WAIT)
    page.wait_for_selector("#waveform:visible", timeout=_WAIT)
    page.wait_for_selector("#progress", state="hidden", timeout=_WAIT)
    page.wait_for_timeout(1500)


def choosing(page: Page, place: Place) -> None:
    """Presets of one synth that sound so."""
    results(page, place)
    page.click("#choice summary")
    page.check("#choice-synths input")
    with page.expect_response("**/api/match"):
        page.click("#choice-tags [value=dark]")
    page.wait_for_selector("#progress", state="hidden", timeout=_WAIT)
    page.wait_for_timeout(1500)


def unfit(page: Page, place: Place) -> None:
    """A choice that no preset fits."""
    results(page, place)
    page.click("#choice summary")
    page.click("#choice-tags [value=bright]")
    page.fill("#choice-words", "kazoo")
    page.wait_for_selector("#trouble:visible", timeout=_WAIT)


def far(page: Page, place: Place) -> None:
    """A song to which a small library holds nothing close."""
    page.goto(place.failing)
    page.set_input_files("#file", place.song)
    page.wait_for_selector(".far:visible", timeout=_WAIT)
    page.wait_for_selector("#waveform:visible", timeout=_WAIT)
    page.wait_for_timeout(1500)


def playing(page: Page, place: Place) -> None:
    """One match plays, another is chosen."""
    results(page, place)
    page.keyboard.press("2")
    page.locator(".card:visible input").first.check()
    while not page.evaluate("document.querySelector('#match-audio').currentTime > 1"):
        page.wait_for_timeout(50)


def error(page: Page, place: Place) -> None:
    """A file that is no sound."""
    page.goto(place.full)
    page.set_input_files("#file", {"name": "notes.wav", "mimeType": "audio/wav", "buffer": b"no sound at all"})
    page.wait_for_selector("#trouble:visible", timeout=_WAIT)


def library(page: Page, place: Place) -> None:
    """What is in the library, and what failed."""
    page.goto(f"{place.failing}#library")
    page.wait_for_selector("#banks-table tr", timeout=_WAIT)


def chart(page: Page, place: Place) -> None:
    """The map, with the song on it."""
    results(page, place)
    page.goto(f"{place.full}#map")
    while not page.evaluate("Boolean(document.querySelector('#map').dataset.key)"):
        page.wait_for_timeout(100)
    page.locator("#map").press("ArrowRight")
    page.wait_for_timeout(1500)


STATES: dict[str, Callable[[Page, Place], LetGo | None]] = {
    "empty": empty,
    "idle": idle,
    "analysing": analysing,
    "results": results,
    "playing": playing,
    "choosing": choosing,
    "unfit": unfit,
    "far": far,
    "error": error,
    "library": library,
    "map": chart,
}


@contextmanager
def served(library: Path) -> Iterator[str]:
    """The address of a library's page."""
    command = [sys.executable, "-m", "synthmatch", "serve", "--no-browser", "--port", "0", "--library", str(library)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield process.stdout.readline().split()[-1]
    finally:
        process.terminate()
        process.wait()


def write_failing(folder: Path) -> Path:
    """A bank of the built-in synth in which two presets make no sound."""
    from synthmatch.presets.bank import PresetBank
    from synthmatch.presets.faustsynth import factory_bank_path, make_state
    from synthmatch.presets.formats import native_format
    from synthmatch.presets.preset import Preset

    silent = (Preset(f"Mute {number}", make_state({"osc1_level": 0, "level": -40 - number})) for number in (4, 8))
    path = folder / "My bank.faustpatch"
    native_format("faust").write(path, [*PresetBank.read(factory_bank_path()).presets[::40], *silent])
    return path


def take(browser: Browser, place: Place, out: Path, states: list[str]) -> None:
    """Write the pictures of some states."""
    for width, height in WIDTHS.items():
        for theme in THEMES:
            for state in states:
                size: ViewportSize = {"width": width, "height": height}
                context = browser.new_context(viewport=size, color_scheme=theme, has_touch=width < 600)
                page = context.new_page()
                let_go = STATES[state](page, place)
                page.screenshot(path=out / f"{state}-{width}-{theme}.png", full_page=state != "playing")
                if let_go is not None:
                    let_go()
                context.close()


def main() -> None:
    """Parse, serve, take."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--library", type=Path, required=True)
    parser.add_argument("--song", type=Path, required=True)
    parser.add_argument("--state", choices=STATES, action="append", help="only this state; repeatable")
    parser.add_argument("--chromium", default=CHROMIUM)
    chosen = parser.parse_args()
    chosen.out.mkdir(parents=True, exist_ok=True)
    from playwright.sync_api import sync_playwright

    flags = ["--autoplay-policy=no-user-gesture-required", "--mute-audio", "--no-sandbox"]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        broken = folder / "failing"
        add = [sys.executable, "-m", "synthmatch", "library", "add", write_failing(folder), "--library", broken]
        subprocess.run(add, check=True, capture_output=True)
        with (
            served(chosen.library) as full,
            served(folder / "library") as bare,
            served(broken) as failing,
            sync_playwright() as playwright,
        ):
            browser = playwright.chromium.launch(executable_path=chosen.chromium, args=flags)
            take(browser, Place(full, bare, failing, chosen.song), chosen.out, chosen.state or list(STATES))


if __name__ == "__main__":
    main()
