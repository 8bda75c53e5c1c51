"""The server's addresses, and what is done at each."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from urllib.parse import quote

from anyio.to_thread import run_sync
from starlette.applications import Starlette
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, ExceptionHandler, Receive, Scope, Send

from synthmatch.errors import SynthmatchError
from synthmatch.files import content_hash
from synthmatch.web import forms, page
from synthmatch.web.choosing import FIELDS, choice_of
from synthmatch.web.guard import Guard
from synthmatch.web.jobs import DONE, Job, as_stream
from synthmatch.web.limits import Refusal
from synthmatch.web.matching import Asked
from synthmatch.web.openapi import document
from synthmatch.web.phrasing import Sheet
from synthmatch.web.presets import Heard, Zipped
from synthmatch.web.studio import Studio
from synthmatch.web.uploads import Song

_EVENT_ID = re.compile(r"[0-9]{1,9}")  # no job tells more; any other is none of ours
_PIECE = 2**16  # bytes of a zip that are sent at a time

Handler = Callable[[Request], Awaitable[Response]]


def create_app(studio: Studio, token: str = "") -> ASGIApp:
    """The application, guarded.

    Args:
        studio: closed when the application ends.
        token: what every request must bring; "" for this machine alone.
    """

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        yield
        await run_sync(studio.close)

    doors = Doors(studio)
    app = Starlette(
        routes=[Route(path, handler, methods=[method]) for method, path, handler in doors.routes()],
        exception_handlers=_HANDLERS,
        lifespan=lifespan,
    )
    return Guard(app, token, studio.limits)


@dataclass(frozen=True)
class Doors:
    """What is done at each address."""

    studio: Studio

    def routes(self) -> tuple[tuple[str, str, Handler], ...]:
        """(method, path, handler); ``openapi`` describes those below ``/api``."""
        return (
            ("GET", "/", self.page),
            ("GET", "/static/{name:path}", self.static),
            ("GET", "/openapi.json", self.openapi),
            ("POST", "/api/songs", self.take_song),
            ("POST", "/api/match", self.match),
            ("GET", "/api/matches/{id}", self.found),
            ("GET", "/api/matches/{id}/files", self.match_files),
            ("GET", "/api/matches/{id}/place", self.place),
            ("POST", "/api/matches/{id}/phrases", self.play),
            ("GET", "/api/matches/{id}/phrases/{family}/{rank}", self.phrase),
            ("GET", "/api/presets/{id}/sound", self.sound),
            ("GET", "/api/presets/{id}/files", self.preset_files),
            ("GET", "/api/library", self.library),
            ("POST", "/api/library/add", self.add),
            ("GET", "/api/library/add/{id}", self.addition),
            ("GET", "/api/map", self.map),
        )

    async def page(self, request: Request) -> Response:
        """The page."""
        return HTMLResponse(page.page(self.studio.limits, self.studio.families, request.scope["nonce"]))

    async def static(self, request: Request) -> Response:
        """A file of the page."""
        asset = page.assets().get(request.path_params["name"])
        if asset is None:
            raise Refusal(404, "There's nothing of that name.")
        return Response(asset.data, media_type=asset.kind, headers={"Cache-Control": "no-cache"})

    async def openapi(self, _request: Request) -> Response:
        """What the API takes and gives."""
        return JSONResponse(document(self.studio.limits))

    async def take_song(self, request: Request) -> Response:
        """Keep a song."""
        async with forms.sent(request) as form:
            song = await self._sent_song(form)
        return JSONResponse(song.to_json(), 201)

    async def match(self, request: Request) -> Response:
        """Match a song that is sent, or was."""
        async with forms.sent(request) as form:
            key = forms.text(form, "song")
            song = self.studio.songs.song(key) if key else await self._sent_song(form)
            asked = Asked(
                song,
                forms.number(form, "start") or 0.0,
                forms.number(form, "end"),
                forms.texts(form, "family"),
                forms.whole(form, "k", 5),
                forms.text(form, "single") in ("1", "true", "on"),
                choice_of({field: forms.texts(form, field) for field in FIELDS}, self.studio.limits),
            )
        job = self.studio.matching.begin(asked)
        return await _told(job, request, {"Location": f"/api/matches/{job.id}"}, given_up=job.cancel)

    async def found(self, request: Request) -> Response:
        """A match again."""
        return await _told(self.studio.matching.job(request.path_params["id"]), request, {})

    async def match_files(self, request: Request) -> Response:
        """The files of a match's presets."""
        key = request.path_params["id"]
        result = self.studio.matching.answer(key).result
        picks = [forms.pick(text) for text in request.query_params.getlist("pick")]
        return _Zip(await self.studio.presets.match_files(result, picks, self.studio.takes.writer(key)))

    async def place(self, request: Request) -> Response:
        """Where a match's passage is on the map."""
        timbre = self.studio.matching.answer(request.path_params["id"]).timbre
        place = self.studio.atlas.place_to_json
        return JSONResponse(await self.studio.presets.ask(lambda library: place(library, timbre)))

    async def play(self, request: Request) -> Response:
        """Render a match's presets on the song's notes."""
        key = request.path_params["id"]
        answer = self.studio.matching.answer(key)
        async with forms.sent(request) as form:
            families = forms.texts(form, "family")
            job = self.studio.phrasing.begin(key, answer, families, await self._sheet(form))
        return await _told(job, request, {}, given_up=job.cancel)

    async def phrase(self, request: Request) -> Response:
        """A match's phrase."""
        family, rank = forms.pick(f"{request.path_params['family']}:{request.path_params['rank']}")
        return _heard(await run_sync(self.studio.takes.sound, (request.path_params["id"], family, rank)))

    async def sound(self, request: Request) -> Response:
        """A preset's reference notes."""
        heard = await self.studio.presets.sound(request.path_params["id"])
        # Asked for again each time, since a preset that was rendered anew has another sound at the same address.
        caching = {"Cache-Control": "private, no-cache", "ETag": f'"{content_hash(heard.flac)}"'}
        if request.headers.get("if-none-match") == caching["ETag"]:
            return Response(status_code=304, headers=caching)
        return _heard(heard, caching)

    async def preset_files(self, request: Request) -> Response:
        """One preset's files."""
        return _Zip(await self.studio.presets.preset_files(request.path_params["id"]))

    async def library(self, _request: Request) -> Response:
        """What is in the library."""
        return JSONResponse(await self.studio.overview())

    async def add(self, request: Request) -> Response:
        """Add banks."""
        adding = self.studio.adding
        async with forms.sent(request, self.studio.limits.bank_files) as form:
            synths = forms.texts(form, "synth")
            files = [each for each in form.getlist("file") if isinstance(each, UploadFile) and each.filename]
            job = await run_sync(adding.take, synths, [(each.file, each.filename or "") for each in files])
        return await _told(job, request, {"Location": f"/api/library/add/{job.id}"})

    async def addition(self, request: Request) -> Response:
        """How far an addition is."""
        return await _told(self.studio.adding.job(request.path_params["id"]), request, {})

    async def map(self, _request: Request) -> Response:
        """The map of the library."""
        return JSONResponse(await self.studio.presets.ask(self.studio.atlas.to_json))

    async def _sent_song(self, form: FormData) -> Song:
        file = form.get("file")
        if not isinstance(file, UploadFile) or not file.filename:
            raise Refusal(422, "Send a sound file as the field “file”.")
        return await run_sync(self.studio.songs.take, file.file, file.filename)

    async def _sheet(self, form: FormData) -> Sheet | None:
        file, most = form.get("file"), self.studio.limits.midi_bytes
        chosen: dict[str, str] = {}
        for family, part in map(forms.part, forms.texts(form, "part")):
            if chosen.setdefault(family, part) != part:
                raise Refusal(422, f"{family} plays one part, not {chosen[family][:40]} and {part[:40]}.")
        if not isinstance(file, UploadFile) or not file.filename:
            if chosen:
                raise Refusal(422, "The field “part” chooses a part of a MIDI file; send that as the field “file”.")
            return None
        if (file.size or 0) > most:
            raise Refusal(413, f"That MIDI file is too large; at most {most / 1e6:g} MB are taken.")
        return Sheet(await file.read(), file.filename, chosen, forms.number(form, "begins") or 0.0)


async def _told(
    job: Job, request: Request, headers: Mapping[str, str], given_up: Callable[[], None] = lambda: None
) -> Response:
    """A job's events as they come, if the client asks for that, or what came of it.

    Args:
        given_up: called when a client leaves who listened.
    """
    if "text/event-stream" in request.headers.get("accept", ""):
        last = request.headers.get("last-event-id", "")
        first = int(last) + 1 if _EVENT_ID.fullmatch(last) else 0
        if job.is_over(first):
            return Response(status_code=204)  # or an EventSource would ask again and again
        return StreamingResponse(as_stream(job, first, given_up), 200, headers, "text/event-stream")
    name, what = await job.outcome()
    return JSONResponse(what, 200 if name == DONE else what["status"], headers)


class _Zip(StreamingResponse):
    """A zip that is sent in one piece and deleted, whatever becomes of that. Each request has one of its own, so what
    was interrupted can't be gone on with: no part of it is to be had."""

    def __init__(self, zipped: Zipped) -> None:
        self._path, self._file = zipped.path, zipped.path.open("rb")
        headers = {
            "Accept-Ranges": "none",
            "Content-Length": str(zipped.path.stat().st_size),
            "Content-Disposition": f"attachment; filename*=utf-8''{quote(zipped.name)}",
        }
        super().__init__(iter(partial(self._file.read, _PIECE), b""), headers=headers, media_type="application/zip")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._file.close()
            self._path.unlink(missing_ok=True)


async def _refused(_request: Request, error: Exception) -> Response:
    if isinstance(error, HTTPException):
        error = Refusal(error.status_code, f"{error.detail.rstrip('.')}.")
    refusal = Refusal.of(error)
    headers = {"Retry-After": "5"} if refusal.status == 503 else None
    return JSONResponse(refusal.to_json(), refusal.status, headers)


async def _not_stored(request: Request, error: Exception) -> Response:
    if Refusal.of(error).status == 500:
        raise error  # nothing that the disk has to do with: the terminal is to show where it was
    return await _refused(request, error)


async def _left(_request: Request, _error: Exception) -> Response:
    """Nobody is there to read it; in the terminal an upload that was cancelled is no error."""
    return Response(status_code=499)


_HANDLERS: Mapping[type[Exception], ExceptionHandler] = {
    Refusal: _refused,
    SynthmatchError: _refused,
    HTTPException: _refused,
    OSError: _not_stored,
    ClientDisconnect: _left,
    Exception: _refused,
}


def _heard(heard: Heard, caching: Mapping[str, str] | None = None) -> Response:
    headers = {"Synthmatch-Level": f"{heard.level:.2f}", "Cache-Control": "no-store", **(caching or {})}
    return Response(heard.flac, media_type="audio/flac", headers=headers)
