"""Who may ask, how much, and what an answer lets a browser do."""

from __future__ import annotations

import asyncio
import re
import shutil
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import HTTPCookieProcessor, build_opener, urlopen

import pytest
from starlette.testclient import TestClient

from synthmatch.web.app import create_app
from synthmatch.web.guard import LOOPBACK
from synthmatch.web.jobs import Job, Told
from synthmatch.web.serve import Address
from synthmatch.web.studio import Studio

TOKEN = "a token that nobody guesses"


@pytest.fixture
def afar(studio: Studio) -> Iterator[TestClient]:
    """A client on another machine, of a server that listens to it."""
    with TestClient(create_app(studio, TOKEN), base_url="http://studio.example:8765") as client:
        yield client


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "10.0.0.5:8765", ""])
def test_a_host_that_is_not_ours_is_refused(client: TestClient, host: str) -> None:
    assert client.get("/api/library", headers={"Host": host}).status_code == 421


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:8765", "localhost:1", "[::1]:8765"])
def test_this_machine_has_several_names(client: TestClient, host: str) -> None:
    assert client.get("/api/library", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:9999"},
        {"Origin": "http://["},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"},
        {"Sec-Fetch-Site": "same-origin", "Origin": "https://evil.example"},
    ],
)
def test_another_site_can_neither_write_nor_read(client: TestClient, headers: dict[str, str]) -> None:
    for path in ("/api/library/add", "/api/match", "/api/songs", "/api/matches/any/phrases"):
        assert client.post(path, headers=headers).status_code == 403
    for path in ("/api/library", "/api/map", "/api/matches/any/phrases/bass/1", "/static/frontend/main.js"):
        assert client.get(path, headers=headers).status_code == 403


def test_our_own_page_and_no_browser_at_all_get_in(client: TestClient) -> None:
    own = {"Sec-Fetch-Site": "same-origin", "Origin": "http://127.0.0.1"}
    assert client.post("/api/library/add", headers=own).status_code == 422
    assert client.post("/api/library/add", headers={"Origin": own["Origin"]}).status_code == 422
    assert client.post("/api/library/add").status_code == 422
    link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    assert client.get("/", headers=link).status_code == 200  # a link on another page is followed


def test_other_machines_need_the_token(afar: TestClient) -> None:
    for path in (
        "/",
        "/api/library",
        "/openapi.json",
        "/static/frontend/main.js",
        "/?token=guess",
        "/api/matches/any/phrases/bass/1",
    ):
        answer = afar.get(path)
        assert answer.status_code == 401
        assert TOKEN not in answer.text
    assert afar.get("/api/library", headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 200
    assert afar.get("/api/library", headers={"Authorization": f"Basic {TOKEN}"}).status_code == 401
    assert afar.get("/api/library", headers={"Cookie": "synthmatch=guess"}).status_code == 401


def test_a_page_on_another_machine_may_send(afar: TestClient) -> None:
    """Its browser doesn't tell the site where there is no https, but the origin whenever it sends."""
    asked = {"Authorization": f"Bearer {TOKEN}", "Origin": "http://studio.example:8765"}
    assert afar.post("/api/library/add", headers=asked).status_code == 422
    for origin in ("http://studio.example", "http://evil.example:8765", "null"):
        assert afar.post("/api/library/add", headers={**asked, "Origin": origin}).status_code == 403


def test_who_listens_to_all_machines_prints_an_address_that_they_can_open(
    made: Any, tmp_path: Path, serving: Callable[..., AbstractContextManager[str]]
) -> None:
    if Address("0.0.0.0").reached == socket.gethostname():
        pytest.skip("this machine is in no network, so no other one can reach it")
    library = shutil.copytree(made.library, tmp_path / "library")
    with serving(library, made.model, "0.0.0.0") as place:
        address = urlsplit(place)
        assert address.hostname not in {"0.0.0.0", *LOOPBACK}
        with pytest.raises(HTTPError, match=r"401|403"):
            urlopen(f"http://{address.netloc}/api/library")
        with build_opener(HTTPCookieProcessor()).open(place) as page:
            assert (page.status, urlsplit(page.url).query) == (200, "")


@pytest.mark.parametrize(
    ("host", "here"), [("0.0.0.0", "127.0.0.1"), ("::", "::1"), ("192.0.2.7", "192.0.2.7"), ("studio", "studio")]
)
def test_a_browser_on_this_machine_opens_an_address_that_there_is(host: str, here: str) -> None:
    address = Address(host)
    assert address.here == here
    assert (address.reached == host) is not address.everywhere


def test_the_address_with_the_token_lets_a_browser_in(afar: TestClient) -> None:
    entry = afar.get(f"/?token={TOKEN}", follow_redirects=False)
    assert (entry.status_code, entry.headers["location"]) == (303, "/")  # the token leaves the address
    cookie = entry.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert afar.get("/").status_code == 200
    assert afar.post("/api/library/add", headers={"Origin": "http://studio.example:8765"}).status_code == 422
    foreign = {"Origin": "http://evil.example"}
    for path in ("/api/library/add", "/api/match", "/api/songs", "/api/matches/any/phrases"):
        assert afar.post(path, headers=foreign).status_code == 403  # not even with the cookie
    for path in ("/api/library", "/static/frontend/main.js"):
        for headers in (foreign, {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}):
            assert afar.get(path, headers=headers).status_code == 403


@pytest.mark.parametrize("other", ['foo={"a": 1}', "foo", "a b=c", "@:=x", "=", "ä=ö", 'foo="', "synth=match"])
def test_cookies_of_other_programs_lock_nobody_out(afar: TestClient, other: str) -> None:
    """Those of all ports of a host come to each of them."""
    own = afar.get(f"/?token={TOKEN}", follow_redirects=False).headers["set-cookie"].partition(";")[0]
    afar.cookies.clear()
    for sent in (own, f"{other}; {own}", f"{own}; {other}", f"{other};{own};{other}"):
        assert afar.get("/api/library", headers={"Cookie": sent.encode()}).status_code == 200, sent
    assert afar.get("/api/library", headers={"Cookie": other.encode()}).status_code == 401


@pytest.mark.parametrize("path", ["/", "/api/library", "/api/nothing", "/static/frontend/main.js", "/openapi.json"])
def test_every_answer_is_strict(client: TestClient, path: str) -> None:
    answer = client.get(path)
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self' 'nonce-")
    assert "unsafe" not in policy
    assert "http" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["referrer-policy"] == "no-referrer"


def test_the_page_keeps_to_its_own_policy(client: TestClient) -> None:
    answer = client.get("/")
    assert not re.search(r"<script(?![^>]*\bsrc=)", answer.text)
    assert not re.search(r"\son\w+=|\sstyle=|<style|javascript:", answer.text)
    assert not re.search(r"(?:src|href|action)=\"(?:https?:)?//", answer.text)  # nothing from elsewhere
    nonce = re.search(r"data-nonce=\"([^\"]+)\"", answer.text)
    assert nonce is not None
    assert f"'nonce-{nonce.group(1)}'" in answer.headers["content-security-policy"]
    assert client.get("/").text != answer.text  # another one each time


@pytest.mark.parametrize(
    "path",
    [
        "/static/../app.py", "/static/%2e%2e/app.py", "/static/frontend/../../app.py", "/static//etc/passwd",
        "/static/frontend/%2e%2e%2f%2e%2e%2fapp.py", "/static/frontend/page.html", "/static/",
        "/api/presets/..%2f..%2flibrary/sound", "/api/presets/library.sqlite/files", "/api/matches/..%2f/files",
        "/api/matches/..%2f/phrases/bass/1", "/api/matches/x/phrases/..%2f..%2f/1", "/api/matches/x/phrases/bass/9",
    ],
)  # fmt: skip
def test_no_path_of_a_request_reaches_the_disk(client: TestClient, path: str) -> None:
    assert client.get(path).status_code in (404, 409)


def test_too_much_is_refused_before_it_is_read(client: TestClient, studio: Studio) -> None:
    limit = studio.limits.upload_bytes
    assert client.post("/api/songs", headers={"Content-Length": str(limit + 1)}).status_code == 413
    assert client.post("/api/songs", headers={"Content-Length": "-1"}).status_code == 413
    boundary = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n'
    parts = (each for each in [boundary, *[b"0" * 1_000_000] * (limit // 1_000_000 + 1)])
    endless = client.post("/api/songs", content=parts, headers={"Content-Type": "multipart/form-data; boundary=x"})
    assert endless.status_code == 413


def test_who_leaves_while_sending_is_no_error(studio: Studio) -> None:
    """Else each upload that is cancelled would be a page of the terminal."""
    headers = [(b"host", b"127.0.0.1"), (b"content-type", b"multipart/form-data; boundary=x")]
    scope = {"type": "http", "method": "POST", "path": "/api/songs", "query_string": b"", "headers": headers}
    received = [{"type": "http.request", "body": b"--x", "more_body": True}, {"type": "http.disconnect"}]
    told: list[Any] = []

    async def receive() -> Any:
        return received.pop(0)

    async def send(message: Any) -> None:
        told.append(message)

    asyncio.run(create_app(studio)(scope, receive, send))
    assert told[0]["status"] == 499


def test_who_asks_for_more_than_can_wait_is_told_when_to_ask_again(
    client: TestClient, studio: Studio, made: Any
) -> None:
    gate, room = threading.Event(), studio.matching._room
    room._waiting = 0

    def hold(_job: Job) -> Told:
        gate.wait(60)
        return {}

    asyncio.run(next(iter(room._jobs.values())).outcome())  # the first one warms the encoder
    room.begin(hold)
    with made.song.open("rb") as file:
        answer = client.post("/api/match", files={"file": file})
    gate.set()
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert "try again" in answer.json()["error"]
