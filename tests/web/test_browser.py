"""The page in a real Chromium, with a real server behind it: what a user does, from the drop to the plugin."""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
import time
import zipfile
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from synthmatch.notes import Performance
from synthmatch.presets.bank import PresetBank
from synthmatch.renderers.pool import render_one
from synthmatch.renderers.renderer import RenderJob
from synthmatch.web import page as front

sync_api = pytest.importorskip("playwright.sync_api", reason="pip install playwright to test the page in a browser")

CHROMIUM = shutil.which("chromium")
PATIENCE = 120_000  # milliseconds: how slow a machine may be

bundled = pytest.mark.skipif(not front.is_bundled(), reason="the page has no waveform: run `make web`, which needs npm")


@pytest.fixture(scope="module")
def address(made: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("served")
    shutil.copytree(made.library, folder / "library")
    command = [sys.executable, "-m", "synthmatch", "serve", "--no-browser", "--port", "0"]
    command += ["--library", str(folder / "library"), "--model", str(made.model)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line.startswith("The page: http://127.0.0.1:"), line
    yield line.split()[-1]
    process.terminate()
    _, errors = process.communicate(timeout=60)
    assert "Traceback" not in errors, errors


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if CHROMIUM is None:
        pytest.skip("there is no chromium: install Debian's package of that name to test the page in a browser")
    flags = ["--autoplay-policy=no-user-gesture-required", "--mute-audio", "--no-sandbox"]
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Any, address: str) -> Iterator[Any]:
    """The page, on which nothing is reported that a developer would want to know."""
    context = browser.new_context(viewport={"width": 1280, "height": 860}, accept_downloads=True)
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda message: message.type == "error" and complaints.append(message.text))
    page.goto(address)
    yield page
    context.close()
    expected = ("Failed to load resource: the server responded with a status of 4", "net::ERR_FAILED", "status of 503")
    assert [each for each in complaints if not any(text in each for text in expected)] == []


def drop(page: Any, file: Path) -> None:
    """Drag a file in, as a file manager does."""
    data = b64encode(file.read_bytes()).decode()
    transfer = page.evaluate_handle(
        """([name, data]) => {
          const transfer = new DataTransfer();
          transfer.items.add(new File([Uint8Array.from(atob(data), (each) => each.charCodeAt(0))], name));
          return transfer;
        }""",
        [file.name, data],
    )
    page.dispatch_event("body", "dragover", {"dataTransfer": transfer})
    page.dispatch_event("body", "drop", {"dataTransfer": transfer})


def found(page: Any) -> None:
    """Wait for what is found."""
    page.wait_for_selector(".card:visible")
    page.wait_for_selector("#progress", state="hidden")


def until(page: Any, expression: str) -> None:
    """Wait for something to be true. Playwright's own way evaluates a string in the page, whose policy forbids it."""
    deadline = time.monotonic() + PATIENCE / 1000
    while not page.evaluate(expression):
        assert time.monotonic() < deadline, f"never true: {expression}"
        page.wait_for_timeout(50)


def moves(page: Any, audio: str) -> None:
    """Wait until it is heard."""
    element = f"document.querySelector('{audio}')"
    until(page, f"{element}.currentTime > 0.2 && !{element}.paused")


def presets_of(archive: bytes, folder: Path) -> list[Any]:
    with zipfile.ZipFile(io.BytesIO(archive)) as files:
        files.extractall(folder)
    return [preset for file in sorted(folder.rglob("*.faustpatch")) for preset in PresetBank.read(file)]


def test_from_the_drop_to_the_plugin(page: Any, made: Any, tmp_path: Path) -> None:
    drop(page, made.song)
    found(page)
    assert page.locator("#chips .chip").count() == 12
    chances = [int(text.split()[0]) for text in page.locator("#chips b").all_inner_texts()]
    assert chances == sorted(chances, reverse=True)
    page.keyboard.press("2")
    moves(page, "#match-audio")
    card = page.locator(".card.current")
    assert card.locator(".play").get_attribute("aria-pressed") == "true"
    page.keyboard.press("b")  # the song instead
    moves(page, "#song-audio")
    assert page.evaluate("document.querySelector('#match-audio').paused")
    volumes = page.evaluate("['song', 'match'].map((each) => document.querySelector(`#${each}-audio`).volume)")
    assert max(volumes) == 1
    assert 0 < min(volumes) <= 1
    page.keyboard.press("b")
    moves(page, "#match-audio")
    page.keyboard.press(" ")
    until(page, "document.querySelector('#match-audio').paused")
    page.keyboard.press("c")
    page.keyboard.press("ArrowRight")
    until(page, "document.querySelectorAll('.card.current .play[aria-keyshortcuts=\"3\"]').length === 1")
    page.keyboard.press("c")
    with page.expect_download() as download:
        page.click("#bar-chosen")
    chosen = presets_of(Path(download.value.path()).read_bytes(), tmp_path / "chosen")
    assert len(chosen) == 2
    with page.expect_download() as download:
        card.locator("a").click() if card.count() else page.click("#bar-files")
    (preset,) = presets_of(Path(download.value.path()).read_bytes(), tmp_path / "one")
    assert preset.id == page.locator(".card.current").get_attribute("data-id")
    assert render_one(RenderJob(preset.state, (Performance.single(60, 100),))).ok  # its synth opens and plays it


@bundled
def test_a_passage_is_marked_on_the_waveform(page: Any, made: Any) -> None:
    drop(page, made.song)
    found(page)
    until(page, "!document.querySelector('#song-audio').controls")  # the waveform has taken over
    box = page.locator("#waveform").bounding_box()
    whole = page.input_value("#from"), page.input_value("#to")
    assert whole == ("0.0", "6.0")
    page.click("#whole")  # nothing changes: the region covers the song
    page.fill("#from", "0")
    page.fill("#to", "1")
    page.click("#passage [type=submit]")
    found(page)
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 40)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.6, box["y"] + 40, steps=4)
    with page.expect_response("**/api/match") as answer:
        page.mouse.move(box["x"] + box["width"] * 0.75, box["y"] + 40, steps=4)
        page.mouse.up()
    assert answer.value.status == 200
    assert 2.7 < float(page.input_value("#from")) < 3.3
    assert 4.2 < float(page.input_value("#to")) < 4.8
    found(page)


def test_without_the_waveform_two_fields_and_the_browsers_player_serve(page: Any, made: Any) -> None:
    page.route("**/waveform*.js", lambda route: route.abort())
    page.set_input_files("#file", made.song)
    found(page)
    assert page.locator("#song-audio").is_visible()
    assert page.locator("#waveform").is_hidden()
    page.fill("#from", "2")
    page.fill("#to", "4.5")
    with page.expect_response("**/api/match") as answer:
        page.click("#passage [type=submit]")
    assert answer.value.status == 200
    assert page.inner_text("#song-about") == "0:02.0 to 0:04.5 of 0:06.0"
    found(page)


def test_the_map_shows_every_sound_and_plays_it(page: Any, made: Any) -> None:
    page.set_input_files("#file", made.song)
    found(page)
    page.click("nav [data-view=map]")
    until(page, "Boolean(document.querySelector('#map').dataset.key)")
    page.focus("#map")
    page.keyboard.press("ArrowRight")
    page.wait_for_selector("#map-label:visible")
    assert page.inner_text("#map-label") != ""
    moves(page, "#match-audio")
    page.click("#legend .chip >> nth=0")
    assert page.locator("#legend .chip >> nth=0").get_attribute("aria-pressed") == "false"
    page.check("#fold")


def test_a_bank_is_added_with_progress(page: Any, made: Any) -> None:
    page.click("nav [data-view=library]")
    assert "Mute" in page.locator("#failures").inner_text()
    page.set_input_files("#banks", made.bank)
    page.wait_for_selector("#adding:visible")
    until(page, "document.querySelector('#adding-text').textContent.startsWith('3 sounds added')")
    page.wait_for_selector("#banks-table th:has-text('more')")


@pytest.mark.parametrize("data", [b"no sound at all", b""], ids=["text", "nothing"])
def test_what_is_wrong_stands_on_the_page(page: Any, data: bytes) -> None:
    page.set_input_files("#file", {"name": "notes.wav", "mimeType": "audio/wav", "buffer": data})
    page.wait_for_selector("#trouble:visible")
    assert "notes.wav can't be read as sound" in page.inner_text("#trouble")
    assert page.locator("#drop").is_visible()


def test_on_a_phone_nothing_is_cut_off(browser: Any, address: str, made: Any) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True)
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    page.goto(address)
    page.set_input_files("#file", made.song)
    found(page)
    for view in ("find", "map", "library"):
        page.click(f"nav [data-view={view}]")
        assert page.evaluate("document.scrollingElement.scrollWidth") <= 390, view
    page.click("nav [data-view=find]")
    page.locator(".card:visible .play").first.tap()
    moves(page, "#match-audio")
    small = page.evaluate(
        """() => [...document.querySelectorAll('button, .button, .chip')].filter((each) => each.offsetParent)
          .map((each) => [each.textContent || each.id, each.getBoundingClientRect().height])
          .filter(([, high]) => high < 32)"""
    )
    assert small == []  # what a finger can hit
    context.close()
