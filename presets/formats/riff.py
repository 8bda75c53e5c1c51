"""Chunks of RIFF files: four letters, a little-endian size, that many bytes, and one more where the size is odd."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

_HEADER = struct.Struct("<4sI")
_LISTS = frozenset({b"RIFF", b"LIST"})
_MOST = 1_000  # chunks of one list that are looked at; files of real programs have some tens


@dataclass(frozen=True)
class Chunk:
    """Where a chunk lies.

    Args:
        kind: its four letters; of a list, those of what it lists, such as ``b"pdta"``.
        start, end: the bytes of its content in the file; ``end`` may lie beyond the file's.
    """

    kind: bytes
    start: int
    end: int

    @property
    def size(self) -> int:
        """Bytes of its content."""
        return self.end - self.start


def chunks(file: BinaryIO, start: int, end: int) -> Iterator[Chunk]:
    """The first thousand chunks between two places of a file; what is too short for another is ignored."""
    for _ in range(_MOST):
        if start + _HEADER.size > end:
            return
        file.seek(start)
        header = file.read(_HEADER.size)
        if len(header) < _HEADER.size:
            return
        kind, size = _HEADER.unpack(header)
        start += _HEADER.size
        if kind in _LISTS:
            yield Chunk(file.read(4), min(start + 4, start + size), start + size)
        else:
            yield Chunk(kind, start, start + size)
        start += size + size % 2


def pack(kind: bytes, *parts: bytes) -> bytes:
    """A chunk as bytes."""
    size = sum(map(len, parts))
    return b"".join((_HEADER.pack(kind, size), *parts, bytes(size % 2)))


def pack_list(kind: bytes, *parts: bytes, outer: bytes = b"LIST") -> bytes:
    """A list of packed chunks as bytes; ``outer`` is ``b"RIFF"`` for the file itself."""
    return pack(outer, kind, *parts)
