"""Numbers, and names that strangers gave, in lines of text."""

from __future__ import annotations

import re

# Control characters, which a terminal obeys; what parts lines and paragraphs, and so tears a table's rows; and what
# turns the direction of the text after it. Others without a picture stay: scripts and emoji join letters with them.
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def counted(number: int, what: str) -> str:
    """A number of things.

    Args:
        what: one of them, a word that takes an "s".

    >>> counted(1, "preset"), counted(2, "preset")
    ('1 preset', '2 presets')
    """
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def printable(text: str) -> str:
    """A text as one line that a terminal shows and doesn't obey. Presets' names are as their files give them, and those
    are written by strangers: a line break, an escape or a turn of direction in them is replaced by U+FFFD.

    >>> printable("Bass\\n\\x1b[2J")
    'Bass��[2J'
    """
    return _UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", text)
