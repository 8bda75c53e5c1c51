"""VST 2 preset files: a plugin's chunk as a program (.fxp, ``FPCh``) or as a bank (.fxb, ``FBCh``).

Every number is big-endian. The kinds that list plain parameter values (``FxCk``, ``FxBk``) are told apart and
refused: neither amsynth nor ZynAddSubFX writes them.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

from synthmatch.errors import PresetError

_MAGIC = b"CcnK"
_HEADER = struct.Struct(">4si4si4sii")  # magic, size, kind, format version, plugin id, its version, programs
_SIZE = struct.Struct(">i")


@dataclass(frozen=True)
class _Kind:
    """One row: how long the field between header and chunk is, and the file's suffix."""

    tag: bytes
    suffix: str
    gap: int


_PROGRAM = _Kind(b"FPCh", ".fxp", 28)  # the gap holds the program's name
_BANK = _Kind(b"FBCh", ".fxb", 128)
_KINDS = {kind.tag: kind for kind in (_PROGRAM, _BANK)}
_PLAIN = {b"FxCk": "a list of parameter values", b"FxBk": "a bank of parameter values"}


@dataclass(frozen=True)
class FxFile:
    """What a VST 2 preset file holds.

    Args:
        plugin: the plugin's four-letter id, such as ``"ZASF"``.
        chunk: the plugin's own bytes.
        bank: whether it is a bank (.fxb) rather than a program (.fxp).
        name: a program's name, at most 27 bytes of ASCII; other characters become "?", the rest is cut
            off. Banks have none.
        plugin_version: as the plugin counts, 0 to 2**31 - 1.
    """

    plugin: str
    chunk: bytes = field(repr=False)
    bank: bool = False
    name: str = ""
    plugin_version: int = 1

    @property
    def suffix(self) -> str:
        """``".fxb"`` or ``".fxp"``."""
        return (_BANK if self.bank else _PROGRAM).suffix

    def encode(self) -> bytes:
        """The file's bytes.

        Raises:
            PresetError: the plugin's id isn't four ASCII characters.
        """
        plugin = self.plugin.encode("ascii", "replace")
        if len(plugin) != 4 or not self.plugin.isascii():
            raise PresetError(f"A VST plugin's id has four ASCII characters; {self.plugin!r} hasn't.")
        kind = _BANK if self.bank else _PROGRAM
        name = b"" if self.bank else self.name.encode("ascii", "replace")[: kind.gap - 1]
        size = _HEADER.size - 8 + kind.gap + _SIZE.size + len(self.chunk)
        header = _HEADER.pack(_MAGIC, size, kind.tag, 1, plugin, self.plugin_version, 1)
        return header + name.ljust(kind.gap, b"\0") + _SIZE.pack(len(self.chunk)) + self.chunk

    @classmethod
    def decode(cls, data: bytes, source: str) -> FxFile:
        """Read a file's bytes.

        Args:
            data: the whole file.
            source: what errors call it, such as its path.

        Raises:
            PresetError: not a VST 2 preset file, of a kind without a chunk, or cut short.
        """
        if len(data) < _HEADER.size or not data.startswith(_MAGIC):
            raise PresetError(f"{source} isn't a VST preset file; name an .fxp or .fxb that a host saved.")
        _, _, tag, _, plugin, version, _ = _HEADER.unpack_from(data)
        if tag in _PLAIN:
            raise PresetError(f"{source} holds {_PLAIN[tag]}; only files with a plugin's chunk can be read.")
        if tag not in _KINDS:
            raise PresetError(f"{source} is a VST preset file of an unknown kind, {tag!r}; save it again.")
        kind = _KINDS[tag]
        start = _HEADER.size + kind.gap + _SIZE.size
        if len(data) < start:
            raise PresetError(f"{source} is cut short; copy it again.")
        (length,) = _SIZE.unpack_from(data, start - _SIZE.size)
        if not 0 <= length <= len(data) - start:
            raise PresetError(f"{source} is cut short: {len(data) - start} of {length} bytes are there.")
        name = data[_HEADER.size : _HEADER.size + kind.gap] if kind is _PROGRAM else b""
        return cls(
            plugin.decode("latin-1"),
            data[start : start + length],
            kind is _BANK,
            name.split(b"\0", 1)[0].decode("latin-1"),
            version,
        )
