"""The container of VST 2 preset files: a program (.fxp) or a bank (.fxb), as parameter values or as a plugin's chunk.

Every number is big-endian. What a chunk means is the plugin's own affair: see ``vst2``.
"""

from __future__ import annotations

import codecs
import struct
from dataclasses import dataclass, field

from synthmatch.errors import PresetError

_MAGIC = b"CcnK"
_HEADER = struct.Struct(">4si4si4sii")  # magic, size, kind, format version, plugin id, its version, count
_SIZE = struct.Struct(">i")
_NAME = 28  # bytes of a program's name, the last of them zero
_RESERVED = 128  # bytes between a bank's header and its content
_LARGEST_COUNT = 100_000  # programs or parameters; no plugin comes near
_LARGEST_VALUE = 3.4028234663852886e38  # float32's
SIZE_LIMIT = 256 * 2**20
"""Bytes above which a file isn't read: plugins that keep samples in their chunks reach some tens of megabytes."""

_PROGRAM_VALUES, _PROGRAM_CHUNK = b"FxCk", b"FPCh"
_BANK_VALUES, _BANK_CHUNK = b"FxBk", b"FBCh"


@dataclass(frozen=True)
class FxProgram:
    """A program as parameter values: float32, 0 to 1, in the plugin's order."""

    name: str
    values: tuple[float, ...]

    @property
    def is_whole(self) -> bool:
        """Whether all values are numbers that float32 holds; a bank that is read may have programs of which some
        aren't."""
        return all(abs(value) <= _LARGEST_VALUE for value in self.values)  # which NaN isn't, either


@dataclass(frozen=True)
class FxFile:
    """What a VST 2 preset file holds: either ``programs`` or a ``chunk``.

    Args:
        plugin: the plugin's four-letter id, such as ``"ZASF"``.
        chunk: the plugin's own bytes; None if the file holds values.
        programs: one for a program file, any number for a bank; empty if the file holds a chunk.
        bank: whether it is a bank (.fxb) rather than a program (.fxp).
        name: of a program with a chunk, at most 27 bytes of UTF-8; the rest is cut off. Banks have none.
        plugin_version: as the plugin counts, an int32.
    """

    plugin: str
    chunk: bytes | None = field(default=None, repr=False)
    programs: tuple[FxProgram, ...] = field(default=(), repr=False)
    bank: bool = False
    name: str = ""
    plugin_version: int = 1

    @property
    def suffix(self) -> str:
        """``".fxb"`` or ``".fxp"``."""
        return ".fxb" if self.bank else ".fxp"

    def encode(self) -> bytes:
        """The file's bytes.

        Raises:
            PresetError: the plugin's id isn't four characters, a value isn't a number that float32 holds, or a
                program file doesn't hold exactly one program.
        """
        if not self.bank:
            return self._encode_program()
        if self.chunk is not None:
            content = _SIZE.pack(len(self.chunk)) + self.chunk
            return _wrap(_BANK_CHUNK, self._plugin(), self.plugin_version, 1, bytes(_RESERVED) + content)
        inner = b"".join(self._program(each) for each in self.programs)
        count = len(self.programs)
        return _wrap(_BANK_VALUES, self._plugin(), self.plugin_version, count, bytes(_RESERVED) + inner)

    def _encode_program(self) -> bytes:
        if self.chunk is not None:
            content = _padded(self.name) + _SIZE.pack(len(self.chunk)) + self.chunk
            return _wrap(_PROGRAM_CHUNK, self._plugin(), self.plugin_version, 1, content)
        if len(self.programs) != 1:
            raise PresetError(f"An .fxp file holds exactly one program, not {len(self.programs)}.")
        return self._program(self.programs[0])

    def _program(self, program: FxProgram) -> bytes:
        if not program.is_whole:
            raise PresetError(f"The program {program.name!r} holds values that aren't numbers; save it again.")
        values = struct.pack(f">{len(program.values)}f", *program.values)
        content = _padded(program.name) + values
        return _wrap(_PROGRAM_VALUES, self._plugin(), self.plugin_version, len(program.values), content)

    def _plugin(self) -> bytes:
        plugin = self.plugin.encode("latin-1", "ignore")
        if len(plugin) != 4 or len(self.plugin) != 4:
            raise PresetError(f"A VST 2 plugin's id has four characters of Latin-1; {self.plugin!r} hasn't.")
        return plugin

    @classmethod
    def decode(cls, data: bytes, source: str) -> FxFile:
        """Read a file's bytes.

        Args:
            data: the whole file.
            source: what errors call it, such as its path.

        Raises:
            PresetError: not a VST 2 preset file, cut short, or a program whose values aren't all numbers; a bank may
                hold such programs beside others (:attr:`FxProgram.is_whole`).
        """
        if len(data) < _HEADER.size or not data.startswith(_MAGIC):
            raise PresetError(f"{source} isn't a VST preset file; name an .fxp or .fxb that a host saved.")
        _, _, kind, _, plugin, version, count = _HEADER.unpack_from(data)
        identity = plugin.decode("latin-1")
        if kind == _PROGRAM_CHUNK:
            name = _text(data[_HEADER.size : _HEADER.size + _NAME])
            return cls(identity, _chunk(data, _HEADER.size + _NAME, source), name=name, plugin_version=version)
        if kind == _BANK_CHUNK:
            chunk = _chunk(data, _HEADER.size + _RESERVED, source)
            return cls(identity, chunk, bank=True, plugin_version=version)
        if kind == _PROGRAM_VALUES:
            program, _ = _program(data, 0, source)
            if not program.is_whole:
                raise PresetError(f"{source} holds values that aren't numbers; save it again.")
            return cls(identity, programs=(program,), plugin_version=version)
        if kind == _BANK_VALUES:
            programs = _programs(data, count, source)
            return cls(identity, programs=programs, bank=True, plugin_version=version)
        raise PresetError(f"{source} is a VST preset file of an unknown kind, {kind!r}; save it again.")


def _wrap(kind: bytes, plugin: bytes, version: int, count: int, content: bytes) -> bytes:
    size = _HEADER.size - 8 + len(content)
    return _HEADER.pack(_MAGIC, size, kind, 1, plugin, version, count) + content


def _padded(name: str) -> bytes:
    whole = name.encode("utf-8", "replace")[: _NAME - 1].decode("utf-8", "ignore")  # no half of a character
    return whole.encode("utf-8").ljust(_NAME, b"\0")


def _text(field_: bytes) -> str:
    """In no stated encoding: newer hosts write UTF-8, which may end within a letter, and older ones Latin-1."""
    letters = field_.split(b"\0", 1)[0]
    full = len(letters) >= _NAME - 1
    try:
        return codecs.getincrementaldecoder("utf-8")().decode(letters, final=not full).strip()
    except UnicodeDecodeError:
        return letters.decode("latin-1").strip()


def _chunk(data: bytes, place: int, source: str) -> bytes:
    start = place + _SIZE.size
    if len(data) < start:
        raise PresetError(f"{source} is cut short; copy it again.")
    (length,) = _SIZE.unpack_from(data, place)
    if not 0 <= length <= len(data) - start:
        raise PresetError(f"{source} is cut short: {len(data) - start} of {length} bytes are there.")
    return data[start : start + length]


def _programs(data: bytes, count: int, source: str) -> tuple[FxProgram, ...]:
    if not 0 <= count <= _LARGEST_COUNT:
        raise PresetError(f"{source} says that it holds {count} programs; save it again.")
    place = _HEADER.size + _RESERVED
    if len(data) < place:
        raise PresetError(f"{source} is cut short; copy it again.")
    programs = []
    for _ in range(count):
        program, place = _program(data, place, source)
        programs.append(program)
    return tuple(programs)


def _program(data: bytes, place: int, source: str) -> tuple[FxProgram, int]:
    """The program of values that begins at ``place``, and where it ends."""
    start = place + _HEADER.size + _NAME
    if len(data) < start:
        raise PresetError(f"{source} is cut short; copy it again.")
    magic, _, kind, _, _, _, count = _HEADER.unpack_from(data, place)
    if magic == _MAGIC and kind == _PROGRAM_CHUNK:
        raise PresetError(f"{source} has a chunk where a program's values belong, at byte {place}; save it again.")
    if magic != _MAGIC or kind != _PROGRAM_VALUES or not 0 <= count <= _LARGEST_COUNT:
        raise PresetError(f"{source} is damaged: at byte {place} no program begins; copy it again.")
    end = start + 4 * count
    if len(data) < end:
        raise PresetError(f"{source} is cut short: {len(data) - start} of {4 * count} bytes are there.")
    values = struct.unpack_from(f">{count}f", data, start)
    return FxProgram(_text(data[place + _HEADER.size : start]), values), end
