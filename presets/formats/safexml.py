"""XML that strangers wrote: parsed without entities, which can read other files or grow without bound."""

from __future__ import annotations

import re
from xml.etree.ElementTree import Element, ParseError

import defusedxml.ElementTree
from defusedxml import DefusedXmlException

from synthmatch.errors import PresetError

_MOST_TAGS = 1_000_000  # 14,230 in Debian's largest instrument; a tag of 4 bytes takes 300 of memory
_NOT_XML = re.compile("[^\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def parse_xml(data: bytes, source: str) -> Element:
    """The root element of a document. A DOCTYPE is allowed; entities in it aren't.

    Args:
        data: the whole document, of a size that the caller has limited.
        source: what errors call it, such as its path.

    Raises:
        PresetError: it isn't well-formed, defines entities, or has more than a million tags.
    """
    if data.count(b"<") > _MOST_TAGS:
        raise PresetError(f"{source} has more than {_MOST_TAGS:,} XML tags; no preset does.")
    try:
        root: Element = defusedxml.ElementTree.fromstring(data)
    except DefusedXmlException as error:
        raise PresetError(f"{source} defines entities, which no preset needs; save it again.") from error
    except (ParseError, ValueError, LookupError) as error:
        raise PresetError(f"{source} isn't valid XML ({error}).") from error
    return root


def unprintable(text: str) -> str:
    """The first character of a text that no XML document can hold, or ""."""
    found = _NOT_XML.search(text)
    return found[0] if found else ""
