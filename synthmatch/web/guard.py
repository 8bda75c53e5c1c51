"""Who may ask, how much they may send, and what a browser may do with the answers.

A page that anyone opens can make its browser send requests to this machine. So a request must name this server as its
host (a name that a stranger's site resolves to 127.0.0.1 isn't ours), must not come from another site, and, where the
server listens to other machines, must bring the token.
"""

from __future__ import annotations

import hmac
import json
import secrets
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from synthmatch.web.limits import Limits, Refusal

LOOPBACK = frozenset({"127.0.0.1", "localhost", "[::1]", "::1"})
"""The names of this machine that only it can use."""

_COOKIE = "synthmatch"
_OWN_SITE = frozenset({"same-origin", "none"})
_READING = frozenset({"GET", "HEAD"})

_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}


def policy(nonce: str) -> str:
    """The Content-Security-Policy: our own files, sounds that the page made, and nothing of anybody else's.

    Args:
        nonce: of the style sheets that the waveform makes for its own shadow.
    """
    return (
        f"default-src 'none'; script-src 'self'; style-src 'self' 'nonce-{nonce}'; img-src 'self' data: blob:;"
        " media-src 'self' blob:; connect-src 'self' blob:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    )


@dataclass(frozen=True)
class Guard:
    """Stands before the application.

    Args:
        app: what is guarded. The nonce of its pages' policy is ``scope["nonce"]``.
        token: what others than this machine must bring; "" if only this machine is listened to.
        limits: how much may be sent.
    """

    app: ASGIApp
    token: str
    limits: Limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or answer it here."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":
            return
        scope["nonce"] = nonce = secrets.token_urlsafe(16)
        dressed = _dressed(send, nonce)
        try:
            headers = Headers(scope=scope)
            self._check_size(headers)
            self._check_origin(scope, headers)
            entry = self._check_token(scope, headers)
        except Refusal as refusal:
            await _answer(refusal)(scope, receive, dressed)
            return
        if entry is not None:
            await entry(scope, receive, dressed)
            return
        counted = _Counted(receive, self.limits.upload_bytes)
        try:
            await self.app(scope, counted, dressed)
        except Refusal as refusal:  # too much came; nothing was answered yet, since the body is read first
            await _answer(refusal)(scope, receive, dressed)

    def _check_size(self, headers: Headers) -> None:
        told = headers.get("content-length", "0")
        if not told.isascii() or not told.isdigit() or int(told) > self.limits.upload_bytes:
            raise _too_much(self.limits.upload_bytes)

    def _check_origin(self, scope: Scope, headers: Headers) -> None:
        host = headers.get("host", "")
        if not self.token and _hostname(host) not in LOOPBACK:
            raise Refusal(421, "This server answers to 127.0.0.1 and localhost alone.")
        site = headers.get("sec-fetch-site")
        visits = headers.get("sec-fetch-mode") == "navigate" and scope["method"] in _READING and scope["path"] == "/"
        origin = headers.get("origin")
        # Browsers tell their site only to https and to this machine itself; of others, the origin alone says it.
        foreign = site is not None and site not in _OWN_SITE
        if origin is not None:
            foreign = foreign or _place(origin) != host
        if foreign and not visits:
            raise Refusal(403, "Requests from other sites are refused.")

    def _check_token(self, scope: Scope, headers: Headers) -> Response | None:
        """A redirection that lets a browser in which brings the token in the address, or None."""
        if not self.token:
            return None
        scheme, _, bearer = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and self._fits(bearer):
            return None
        if self._fits(_cookie(headers)):
            return None
        query = parse_qs(scope["query_string"].decode("latin-1"))
        if scope["path"] == "/" and self._fits(query.get("token", [""])[0]):
            entry = RedirectResponse("/", 303)
            # A strict one would not be sent where the address was a link of another site, a mail or a chat: what is
            # redirected counts as asked for by that. This one goes with nothing else that another site asks for.
            entry.set_cookie(_COOKIE, self.token, httponly=True, samesite="lax")
            return entry
        raise Refusal(401, "Open the address with the token that `synthmatch serve` printed, or send it as a bearer.")

    def _fits(self, brought: str) -> bool:
        return hmac.compare_digest(brought.encode(), self.token.encode())


@dataclass
class _Counted:
    """A request's body, as long as it is no longer than it may be."""

    receive: Receive
    left: int

    def __post_init__(self) -> None:
        self._limit = self.left

    async def __call__(self) -> Message:
        message = await self.receive()
        self.left -= len(message.get("body", b""))
        if self.left < 0:
            raise _too_much(self._limit)
        return message


def _too_much(limit: int) -> Refusal:
    return Refusal(413, f"That is too large; at most {limit / 1e6:.0f} MB are taken at once.")


def _answer(refusal: Refusal) -> Response:
    body = json.dumps(refusal.to_json(), ensure_ascii=False)
    # What is left of the request isn't read, so nothing else can follow on this connection.
    return Response(body, refusal.status, {"Connection": "close"}, "application/json")


def _dressed(send: Send, nonce: str) -> Send:
    """Adds the headers that every answer has."""

    async def dressed(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in _HEADERS.items():
                headers[name] = value
            headers["Content-Security-Policy"] = policy(nonce)
            headers.setdefault("Cache-Control", "no-store")
        await send(message)

    return dressed


def _place(origin: str) -> str | None:
    """Host and port of an origin; None for what has none, or isn't one at all."""
    try:
        return urlsplit(origin).netloc or None
    except ValueError:
        return None


def _hostname(host: str) -> str:
    name, colon, port = host.rpartition(":")
    return (name if colon and port.isdigit() else host).lower()


def _cookie(headers: Headers) -> str:
    """Ours, beside those of other programs on this host, at some of which ``SimpleCookie`` gives up."""
    return cookie_parser(headers.get("cookie", "")).get(_COOKIE, "")
