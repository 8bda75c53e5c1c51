"""What a form brings: its fields as values, or a sentence that says what is wrong with them."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.requests import Request

from synthmatch.matching.results import ANY
from synthmatch.presets.families import FAMILY_KEYS
from synthmatch.web.limits import Refusal
from synthmatch.web.presets import Pick
from synthmatch.words import counted

_FIELDS = 100  # that one form may bring


@asynccontextmanager
async def sent(request: Request, files: int = 1) -> AsyncIterator[FormData]:
    """The form of a request; its files are there until the context ends.

    Args:
        files: that it may bring.

    Raises:
        Refusal: it brings more, or can't be read.
    """
    try:
        form = await request.form(max_files=files, max_fields=_FIELDS)
    except HTTPException as error:
        most = f"at most {counted(files, 'file')} and {_FIELDS} fields are taken at once"
        raise Refusal(error.status_code, f"That form can't be taken ({error.detail.rstrip('.')}); {most}.") from error
    try:
        yield form
    finally:
        await form.close()


def text(form: FormData, field: str) -> str:
    """A field's text; "" if it has none."""
    value = form.get(field, "")
    return value if isinstance(value, str) else ""


def texts(form: FormData, field: str) -> tuple[str, ...]:
    """Every text of a field that may be given again."""
    return tuple(each for each in form.getlist(field) if isinstance(each, str))


def number(form: FormData, field: str) -> float | None:
    """A field's number of seconds; None if it has none.

    Raises:
        Refusal: it has something else, or one that isn't finite.
    """
    given = text(form, field)
    if not given:
        return None
    try:
        found = float(given)
    except ValueError:
        found = math.nan
    if not math.isfinite(found):
        raise Refusal(422, f"The field “{field}” isn't a number of seconds.")
    return found


def whole(form: FormData, field: str, otherwise: int) -> int:
    """A field's whole number, 0 to 99,999; ``otherwise`` if it has none.

    Raises:
        Refusal: it has something else.
    """
    given = text(form, field)
    if given and not (given.isascii() and given.isdigit() and len(given) < 6):
        raise Refusal(422, f"The field “{field}” isn't a whole number.")
    return int(given) if given else otherwise


def pick(given: str) -> Pick:
    """A family and a rank, as "bass:1".

    Raises:
        Refusal: it is something else.
    """
    family, _, rank = given.rpartition(":")
    if not (rank.isascii() and rank.isdigit() and len(rank) < 6):
        raise Refusal(422, f"A preset is picked by its family and rank, as bass:1; {given[:40]!r} isn't.")
    return family, int(rank)


def part(given: str) -> tuple[str, str]:
    """A family and the number or name of the part that it plays, as "bass=2".

    Raises:
        Refusal: it is something else.
    """
    family, _, chosen = given.partition("=")
    if family not in (*FAMILY_KEYS, ANY) or not chosen:
        raise Refusal(422, f"A part is chosen by a family and its number or name, as bass=2; {given[:40]!r} isn't.")
    return family, chosen
