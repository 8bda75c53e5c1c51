"""The view of the library: what is added, how far that is, and what is said where it isn't; in a real Chromium."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any


def test_a_bank_is_added_with_progress_and_gone_when_another_command_removes_it(
    visit: Any, served: Any, made: Any
) -> None:
    there = visit(served.address)
    page = there.page
    page.click("nav [data-view=library]")
    page.wait_for_selector("#failures :text('Mute')")
    page.set_input_files("#banks", made.bank)
    page.wait_for_selector("#adding:visible")
    there.until("document.querySelector('#adding-text').textContent.startsWith('3 sounds added')")
    page.wait_for_selector("#banks-table th:has-text('more')")
    remove = [sys.executable, "-m", "synthmatch", "library", "remove", "more", "--library", str(served.library)]
    subprocess.run(remove, check=True, capture_output=True)
    page.evaluate("window.dispatchEvent(new Event('focus'))")  # as when somebody comes back to the window
    page.wait_for_selector("#banks-table th:has-text('more')", state="detached")


def test_what_cannot_be_sent_at_once_is_not_sent(visit: Any, served: Any) -> None:
    """The server refuses what is too much before it is read, which looks to a browser as if no server were there."""
    there = visit(f"{served.address}#library")
    page = there.page
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))

    def refused(*sizes: int) -> str:
        files = [
            {"name": f"{size}.fxp", "mimeType": "application/octet-stream", "buffer": bytes(size)} for size in sizes
        ]
        page.set_input_files("#banks", files)
        page.wait_for_selector("#library-trouble:visible")
        sentence: str = page.inner_text("#library-trouble")
        page.evaluate("document.querySelector('#library-trouble').hidden = true")
        return sentence

    assert refused(*[1] * 201).startswith("201 files are too many; at most 200 are taken at once")
    page.evaluate("document.body.dataset.limitBytes = 2_000_000")
    assert refused(1, 3_000_000).startswith("3000000.fxp is too large; at most 2 MB are taken here")
    assert refused(1_100_000, 1_200_000).startswith("These files are too large together; at most 2 MB")
    assert not [url for url in asked if "/api/library/add" in url]


def test_why_the_library_cannot_be_shown_stands_in_the_view_that_is_open(visit: Any, served: Any) -> None:
    there = visit(served.address)
    page = there.page
    page.wait_for_selector("#library-count b", state="attached")  # what is asked at the beginning has come
    sentence = "The library is gone; put it back."
    page.route("**/api/library", lambda route: route.fulfill(status=409, json={"error": sentence}))
    page.click("nav [data-view=library]")
    page.wait_for_selector("#library-trouble:visible")
    assert page.inner_text("#library-trouble") == sentence
    page.unroute("**/api/library")
    page.evaluate("window.dispatchEvent(new Event('focus'))")  # as when somebody comes back to the window
    page.wait_for_selector("#library-trouble", state="hidden")
    page.wait_for_selector("#failures :text('Mute')")


# What the page hears of its additions, which are numbered as they were asked for, is what a test tells.
TOLD = """() => {
  const usual = window.fetch;
  const streams = window.streams = [];
  window.fetch = (path, settings) => path.startsWith("/api/library/add")
    ? Promise.resolve(new Response(new ReadableStream({ start: (stream) => streams.push(stream) })))
    : usual(path, settings);
  window.tell = (number, name, data) => streams[number].enqueue(
    new TextEncoder().encode(`event: ${name}\\ndata: ${JSON.stringify(data)}\\n\\n`));
}"""


def test_of_two_additions_neither_hides_what_is_said_of_the_other(visit: Any, served: Any, made: Any) -> None:
    there = visit(f"{served.address}#library")
    page = there.page

    def tell(number: int, name: str, **data: object) -> None:
        page.evaluate("([number, name, data]) => window.tell(number, name, data)", [number, name, data])

    def add(number: int) -> None:
        page.set_input_files("#banks", made.bank)
        there.until(f"window.streams.length === {number}")

    def says(text: str) -> None:
        there.until(f"document.querySelector('#adding-text').textContent === {text!r}")
        assert page.locator("#adding").is_visible()

    page.evaluate(TOLD)
    add(1)
    tell(0, "progress", done=1, total=4, remark="")
    says("1 of 4 presets")
    add(2)
    says("1 of 4 presets")
    tell(0, "error", error="That bank is broken.")
    page.wait_for_selector("#library-trouble:visible")
    says("Reading the presets …")
    tell(1, "progress", done=2, total=3, remark="")
    says("2 of 3 presets")
    tell(1, "done", rendered=3, known=0, seconds=1)
    says("3 sounds added, 0 were known already, in 1 s.")
    assert page.inner_text("#library-trouble") == "That bank is broken."
    add(3)
    assert page.locator("#library-trouble").is_hidden()


def test_an_addition_that_was_lost_sight_of_is_shown_again(visit: Any, served: Any) -> None:
    """Though the library is as it was."""
    there = visit(f"{served.address}#library")
    page = there.page
    page.wait_for_selector("#failures :text('Mute')")
    page.route("**/api/library", lambda route: route.fulfill(json={**route.fetch().json(), "adding": ["one"]}))
    asked: list[str] = []

    def follow(route: Any) -> None:
        asked.append(route.request.url)
        if len(asked) == 1:
            route.abort()
        else:
            data = {"rendered": 3, "known": 0, "seconds": 1}
            page.unroute("**/api/library")  # it has ended
            route.fulfill(body=f"event: done\ndata: {json.dumps(data)}\n\n")

    page.route("**/api/library/add/one", follow)
    page.evaluate("window.dispatchEvent(new Event('focus'))")  # as when somebody comes back to the window
    there.until("document.querySelector('#adding-text').textContent.startsWith('3 sounds added')")
    assert "doesn't answer" in page.inner_text("#library-trouble")
    assert page.locator("#adding").is_visible()
