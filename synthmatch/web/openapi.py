"""The API as OpenAPI 3.1 describes it: what ``/openapi.json`` answers."""

from __future__ import annotations

from typing import Any

from synthmatch._version import __version__
from synthmatch.matching.results import ANY
from synthmatch.presets.families import FAMILY_KEYS
from synthmatch.sound.descriptors import WORDS
from synthmatch.web.choosing import FIELDS
from synthmatch.web.limits import Limits

Schema = dict[str, Any]


def document(limits: Limits) -> Schema:
    """The whole document."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "synthmatch",
            "version": __version__,
            "license": {"name": "GPL-3.0-or-later", "identifier": "GPL-3.0-or-later"},
            "description": "A song in; for each part in it the closest presets of a library out. Answers are those of "
            "`synthmatch match --json` and `synthmatch library add --json`. Errors are one sentence.",
        },
        "paths": _paths(limits),
        "components": {
            "schemas": _schemas(),
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{}, {"token": []}],
    }


def _paths(limits: Limits) -> Schema:
    song = {"type": "string", "format": "binary", "description": "WAV, FLAC, MP3 or OGG"}
    match = {
        "file": song,
        "song": {"type": "string", "description": "Instead of a file: the id of one that was sent."},
        "start": {"type": "number", "minimum": 0, "description": "Listen from this second on."},
        "end": {"type": "number", "description": "Listen up to this second."},
        "family": {"type": "array", "items": {"enum": list(FAMILY_KEYS)}, "description": "By default, those heard."},
        "k": {"type": "integer", "minimum": 1, "maximum": limits.matches, "default": 5},
        "single": {"type": "boolean", "description": "The sound is one instrument alone."},
        **{
            field: _list({"type": "string", "maxLength": limits.choice_letters}) | {"description": meaning}
            for field, meaning in FIELDS.items()
        },
    }
    bank = {
        "synth": {"type": "array", "items": {"type": "string"}, "description": "Of this machine: its banks."},
        "file": _list({"type": "string", "format": "binary"})
        | {"maxItems": limits.bank_files, "description": "Preset files."},
    }
    pick = {
        "name": "pick",
        "in": "query",
        "schema": {"type": "array", "items": {"type": "string", "pattern": "^[a-z]+:[0-9]+$"}},
        "description": "A family and a rank, as bass:1; repeatable. All matches, if none is picked.",
    }
    phrases = {
        "file": {
            "type": "string",
            "format": "binary",
            "description": "A MIDI file; without one, notes are estimated.",
        },
        "begins": {"type": "number", "default": 0, "description": "The second of the song at which that begins."},
        "part": {
            "type": "array",
            "items": {"type": "string", "pattern": "^[a-z]+=.+$"},
            "description": "A family's part of the MIDI file, by number or track's name, as bass=2; repeatable.",
        },
        "family": {"type": "array", "items": {"enum": _KEYS}, "description": "By default, all of the match."},
    }
    size = f"At most {limits.upload_bytes / 1e6:.0f} MB and {limits.song_seconds / 60:g} minutes. {_ROOM}"
    banks = f"At most {limits.bank_files} files and {limits.upload_bytes / 1e6:.0f} MB at once. {_ADDING}"
    choice = f"At most {limits.choices} synths, banks, tags and words; 409 where no preset fits them."
    return {
        "/api/songs": {"post": _call("Keep a song", {201: _json("Song")}, body={"file": song}, detail=size)},
        "/api/match": {
            "post": _call("Match a song", {200: _told("MatchResult")}, body=match, detail=f"{choice} {_ROOM} {_EVENTS}")
        },
        "/api/matches/{id}": {
            "get": _call("A match again", {200: _told("MatchResult"), 204: {}}, [_ID], detail=f"{_AGAIN} {_GIVEN_UP}")
        },
        "/api/matches/{id}/files": {
            "get": _call(
                "The files of a match's presets, as `synthmatch match --out` writes them", {200: _ZIP}, [_ID, pick]
            )
        },
        "/api/matches/{id}/place": {
            "get": _call("Where its passage is on the map", {200: _json("Place")}, [_ID], detail=_MAP)
        },
        "/api/matches/{id}/phrases": {
            "post": _call(
                "Render a match's presets on the notes of its passage",
                {200: _told("Phrases")},
                [_ID],
                phrases,
                f"{_PLAYING} At most {limits.phrases} at once, and {limits.midi_bytes / 1e6:g} MB of MIDI file.",
            )
        },
        "/api/matches/{id}/phrases/{family}/{rank}": {
            "get": _call("A phrase that was rendered", {200: {"audio/flac": {}}}, [_ID, _FAMILY, _RANK], detail=_LEVEL)
        },
        "/api/presets/{id}/sound": {
            "get": _call("A preset's reference notes", {200: {"audio/flac": {}}}, [_ID], detail=_LEVEL)
        },
        "/api/presets/{id}/files": {"get": _call("One preset's files", {200: _ZIP}, [_ID])},
        "/api/library": {"get": _call("What is in the library", {200: _json("Library")})},
        "/api/library/add": {"post": _call("Add banks", {200: _told("Added")}, body=bank, detail=banks)},
        "/api/library/add/{id}": {
            "get": _call("How far an addition is", {200: _told("Added"), 204: {}}, [_ID], detail=_AGAIN)
        },
        "/api/map": {"get": _call("The map of the library", {200: _json("Map")}, detail=_MAP)},
    }


_ID = {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}
_KEYS = [*FAMILY_KEYS, ANY]
_FAMILY = {"name": "family", "in": "path", "required": True, "schema": {"enum": _KEYS}}
_RANK = {"name": "rank", "in": "path", "required": True, "schema": {"type": "integer", "minimum": 1}}
_ZIP: Schema = {"application/zip": {}}
_ROOM = "503 where songs whose matches or phrases wait leave no room for another."
_EVENTS = (
    "With `Accept: text/event-stream`, server-sent events: `job` (its id), `progress` (windows heard), `level` (of the "
    "passage, in dB), `presence` (of every family), `family` (one with its matches), `place` (on the map), then `done` "
    "(the result) or `error`. Closing the stream gives the match up. The header Location names the match."
)
_PLAYING = (
    "With `Accept: text/event-stream`, server-sent events: `job`, `stretch` (what is played, in seconds of the song), "
    "`score` (the parts of the file), "
    "`part` (of every family: where its notes come from, or why there are none), `phrase` (of every match, as soon as "
    "it can be played, or why it can't), `progress`, then `done` (all of it) or `error`. Closing the stream gives it "
    "up, as does asking anew for the same match. What was rendered on the same notes isn't rendered again."
)
_ADDING = (
    "With `Accept: text/event-stream`, server-sent events: `job`, `estimate`, `progress` (presets), then `done` (the "
    "report of `synthmatch library add --json`) or `error`. It goes on when the stream is closed."
)
_AGAIN = (
    "With `Accept: text/event-stream` and `Last-Event-ID`, what was told after that event; 204 where nothing was, and "
    "nothing will be."
)
_GIVEN_UP = "A match is given up when its stream is closed before it has ended; then `error` is told."
_LEVEL = "The header Synthmatch-Level is its level in dB of full scale, measured where it sounds."
_MAP = "503 while it is being drawn, which happens once for a library."


def _call(
    summary: str,
    answers: dict[int, Schema],
    parameters: list[Schema] | None = None,
    body: Schema | None = None,
    detail: str = "",
) -> Schema:
    responses: Schema = {str(status): {"description": summary, "content": answer} for status, answer in answers.items()}
    responses["default"] = {"description": "What is wrong, and what to do", "content": _json("Error")}
    call: Schema = {"summary": summary, "responses": responses}
    if detail:
        call["description"] = detail
    if parameters:
        call["parameters"] = parameters
    if body:
        call["requestBody"] = {"content": {"multipart/form-data": {"schema": {"type": "object", "properties": body}}}}
    return call


def _json(name: str) -> Schema:
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{name}"}}}


def _told(name: str) -> Schema:
    return _json(name) | {"text/event-stream": {}}


def _object(**properties: Schema) -> Schema:
    return {"type": "object", "properties": properties, "required": list(properties)}


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def _schemas() -> Schema:
    text, number, whole = {"type": "string"}, {"type": "number"}, {"type": "integer"}
    chance = {"type": "number", "minimum": 0, "maximum": 1}
    label = {"enum": ["field", "name", "folder", "sound", ""], "description": "What says which family it is."}
    described = {"label_source": label, "tags": _list(text), "descriptors": _list({"enum": list(WORDS)})}
    match = _object(
        rank=whole, score=number, id=text, name=text, synth=text, bank=text, family=text, **described, files=_list(text)
    )
    preset = _object(id=text, name=text, synth=text, bank=text, failure=text, reason=text)
    bank = _object(synth=text, bank=text, presets=whole, ready=whole, pending=whole, failed=whole)
    point = _object(id=text, name=text, synth=text, bank=text, family=text, x=number, y=number, group=whole)
    keys = {"enum": _KEYS}
    level = {"type": ["number", "null"], "description": "In dB of full scale; null where there is no phrase."}
    return {
        "Error": _object(error=text, status=whole),
        "Song": _object(id=text, name=text, seconds=number),
        "MatchResult": _object(
            query=_object(path=text, start=number, end=number),
            model=text,
            library=text,
            families={
                "type": "object",
                "propertyNames": keys,
                "additionalProperties": _object(
                    presence=chance,
                    nothing_close={"type": "boolean"},
                    surest=_object(start=number, end=number),
                    matches=_list(match),
                ),
            },
        ),
        "Phrases": _object(
            stretch=_object(start=number, end=number),
            score=_list(_object(number=whole, title=text)),
            families={
                "type": "object",
                "propertyNames": keys,
                "additionalProperties": _object(
                    origin=text,
                    estimated={"type": "boolean"},
                    notes=whole,
                    phrases=_list(_object(rank=whole, level=level, reason=text)),
                ),
            },
        ),
        "Library": _object(
            library=text,
            edition=text | {"description": "Another one after each change, of the sounds as well."},
            presets=whole,
            matchable=whole,
            banks=_list(bank),
            synths=_list(_object(synth=text, title=text, presets=whole)),
            tags=_list(_object(tag=text, presets=whole, descriptor={"type": "boolean"})),
            failures=_list(preset),
            adding=_list(text),
            addable=_list(_object(synth=text, title=text)),
            suffixes=_list(text),
        ),
        "Added": _object(
            library=text,
            matchable=whole,
            rendered=whole,
            known=whole,
            seconds=number,
            vanished=_list(text),
            trust={"type": "object"},
        ),
        "Place": _object(x=number, y=number),
        "Map": _object(key=text, points=_list(point)),
    }
