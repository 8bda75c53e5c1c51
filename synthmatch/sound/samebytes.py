"""The same sound as the same bytes: takes the moment of writing out of sound files.

libsndfile writes the time of day into WAV files of floats (their ``PEAK`` chunk) and a random serial number into
Ogg files. Neither is sound, and both would make every file new.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

_REVERSED = bytes(int(f"{value:08b}"[::-1], 2) for value in range(256))
_PAGE = struct.Struct("<4sBBqIIIB")  # Ogg: mark, version, kind, position, serial number, page, checksum, segments
_CHUNK = struct.Struct("<4sI")  # RIFF: name, bytes


def settle(path: Path) -> None:
    """Rewrite a sound file that was just written, so that its bytes depend on its sound alone.

    Files of other kinds than WAV and Ogg stay as they are; FLAC has nothing of the sort.
    """
    change = _CHANGES.get(path.suffix.lower())
    if change is not None:
        data = bytearray(path.read_bytes())
        change(data)
        path.write_bytes(data)


def _settle_wav(data: bytearray) -> None:
    place = 12
    while place + _CHUNK.size <= len(data):
        name, size = _CHUNK.unpack_from(data, place)
        if name == b"PEAK":
            struct.pack_into("<I", data, place + _CHUNK.size + 4, 0)  # after the version
        place += _CHUNK.size + size + size % 2


def _settle_ogg(data: bytearray) -> None:
    place = 0
    while place + _PAGE.size <= len(data):
        mark, version, kind, position, _, page, _, segments = _PAGE.unpack_from(data, place)
        if mark != b"OggS":
            raise ValueError(f"no Ogg page at byte {place}")
        body = place + _PAGE.size + segments
        end = body + sum(data[place + _PAGE.size : body])
        _PAGE.pack_into(data, place, mark, version, kind, position, 1, page, 0, segments)
        checksum = ogg_checksum(bytes(data[place:end]))
        _PAGE.pack_into(data, place, mark, version, kind, position, 1, page, checksum, segments)
        place = end


def ogg_checksum(page: bytes) -> int:
    """The checksum of an Ogg page whose own field for it holds zeros.

    A CRC-32 with zlib's polynomial, with the bits of every byte, and those of the result, the other way round.
    """
    mirrored = zlib.crc32(page.translate(_REVERSED), 0xFFFF_FFFF) ^ 0xFFFF_FFFF
    return int(f"{mirrored:032b}"[::-1], 2)


_CHANGES: Mapping[str, Callable[[bytearray], None]] = MappingProxyType({".wav": _settle_wav, ".ogg": _settle_ogg})
