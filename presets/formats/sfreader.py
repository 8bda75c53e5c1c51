"""Reading SoundFonts, where every index is checked before it is followed.

Of a file's samples only those are read that a preset plays, so that files of gigabytes can be read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, BinaryIO, NamedTuple

from synthmatch.errors import PresetError
from synthmatch.presets.formats import riff
from synthmatch.presets.formats.sfbk import COMPRESSED, INSTRUMENT, MOST_RECORDS, RECORDS, SAMPLE, Patch, Sample, Zone

SIZE_LIMIT = 64 * 2**20
"""Bytes of samples above which a preset isn't read."""

_MOST_ZONES = 65_536  # of a preset and its instruments together; players lay out each in memory
_MODES, _LOOPS = 54, 1  # the generator that says how a sample is repeated, and its bit that says whether
_MOVES = (  # generators that move a sample's points, by 1 and by 32,768
    ("start", 0, 4),
    ("end", 1, 12),
    ("loop_start", 2, 45),
    ("loop_end", 3, 50),
)
_MONO, _ROM = 1, 0x8000
_SIDES = frozenset({2, 4, 8})  # right, left, linked

_Row = tuple[Any, ...]
_Span = tuple[int, int]


@dataclass(frozen=True)
class Listing:
    """Where a preset stands; bank 128 holds percussion kits, programs count from 0."""

    name: str
    bank: int
    program: int


class _Header(NamedTuple):
    """A record of the table of samples; see ``Sample``."""

    name: bytes
    start: int
    end: int
    loop_start: int
    loop_end: int
    rate: int
    pitch: int
    correction: int
    link: int
    kind: int

    @property
    def compressed(self) -> bool:
        return bool(self.kind & COMPRESSED)


class SoundFontReader:
    """The presets of a SoundFont.

    Args:
        file: open as long as patches are read from it.
        source: what errors call it, such as its path.

    Raises:
        PresetError: not a SoundFont, cut short, or without one of its tables.
        OSError: the file can't be read.
    """

    def __init__(self, file: BinaryIO, source: str) -> None:
        self._file = file
        found = _find(file, source)
        self._smpl = found["smpl"]
        self._rows = {name: self._table(found[name], name, source) for name in RECORDS}
        self._instruments: dict[int, tuple[Zone, ...]] = {}
        kinds = ("bag", "gen", "mod")
        self._left = {each: sum(len(self._rows[each[0] + kind]) for kind in kinds) for each in ("phdr", "inst")}
        self._counted: set[tuple[str, int]] = set()
        self.title = _text(self._bytes(found["INAM"].start, min(found["INAM"].size, 256))) if "INAM" in found else ""
        """The bank's name, or ""."""
        self.listings = tuple(Listing(_text(row[0]), row[2], row[1]) for row in self._rows["phdr"][:-1])
        """Every preset, in the file's order."""

    def patch(self, slot: int) -> Patch:
        """Read a preset with everything that it plays.

        Args:
            slot: its place in ``listings``.

        Raises:
            PresetError: it points out of the file, plays nothing, or more than ``SIZE_LIMIT`` bytes of samples.
            OSError: the file can't be read.
        """
        instruments: dict[int, int] = {}
        samples: dict[int, int] = {}
        zones = tuple(zone.renumbered(INSTRUMENT, instruments) for zone in self._owned("phdr", 3, slot))
        played = tuple(
            tuple(zone.renumbered(SAMPLE, samples) for zone in self._instrument(number)) for number in instruments
        )
        counts = [sum(1 for zone in instrument for _ in zone.named(SAMPLE)) for instrument in played]
        if sum(counts[number] for zone in zones for number in zone.named(INSTRUMENT)) > _MOST_ZONES:
            raise PresetError(f"it has more than {_MOST_ZONES:,} zones, which no player takes.")
        if not samples:
            raise PresetError("no zone of it plays a sample.")
        return Patch(zones, played, self._samples(samples, played))

    def _table(self, chunk: riff.Chunk, name: str, source: str) -> list[_Row]:
        record = RECORDS[name]
        size = min(chunk.size // record.size, MOST_RECORDS + 1) * record.size
        data = self._bytes(chunk.start, size)
        if not size or len(data) < size:
            raise PresetError(f"{source} is cut short within its table {name}; copy it again.")
        return list(record.iter_unpack(data))

    def _bytes(self, start: int, size: int) -> bytes:
        self._file.seek(start)
        return self._file.read(size)

    def _instrument(self, number: int) -> tuple[Zone, ...]:
        if number not in self._instruments:
            self._instruments[number] = self._owned("inst", 1, number)
        return self._instruments[number]

    def _owned(self, owners: str, place: int, number: int) -> tuple[Zone, ...]:
        """The zones of a preset or an instrument; see :meth:`_zones`. All presets together have no more records than
        the file, nor have all instruments: where they overlap, a small file could fill the memory, or take hours."""
        known = (owners, number) in self._counted
        if self._left[owners] < 0 and not known:
            raise PresetError("its instruments overlap." if owners == "inst" else "its presets overlap.")
        zones = tuple(self._zones(owners, place, number))
        if not known:
            self._counted.add((owners, number))
            self._left[owners] -= sum(1 + len(zone.generators) + len(zone.modulators) for zone in zones)
        return zones

    def _zones(self, owners: str, place: int, number: int) -> Iterator[Zone]:
        """The zones of a preset or an instrument.

        Args:
            owners: the table in which it stands.
            place: which of a record's numbers names the first zone.
            number: which record.
        """
        rows = self._rows[owners]
        if number + 1 >= len(rows):
            raise PresetError(f"it plays instrument {number} of {len(rows) - 1}.")
        bags, generators, modulators = (self._rows[owners[0] + kind] for kind in ("bag", "gen", "mod"))
        first, last = rows[number][place], rows[number + 1][place]
        if not first <= last < len(bags):
            raise PresetError("its list of zones is damaged.")
        for (generator, modulator), (generators_end, modulators_end) in pairwise(bags[first : last + 1]):
            if not (generator <= generators_end <= len(generators) and modulator <= modulators_end <= len(modulators)):
                raise PresetError("one of its zones is damaged.")
            own = tuple((kind, amount) for kind, amount in generators[generator:generators_end])
            yield Zone(own, tuple(row[0] for row in modulators[modulator:modulators_end]))

    def _samples(self, order: Mapping[int, int], instruments: Sequence[Sequence[Zone]]) -> tuple[Sample, ...]:
        """Samples by their numbers in the file.

        Args:
            order: the number of each in ``instruments``.
        """
        headers = [self._header(number) for number in order]
        spans = _reach(headers, instruments)
        if sum(end - start for start, end in set(spans)) * 2 > SIZE_LIMIT:
            raise PresetError(f"its samples have more than {SIZE_LIMIT >> 20} MiB.")
        data: dict[tuple[_Span, bool], bytes] = {}  # read once, however many samples are made of it
        for header, span in zip(headers, spans, strict=True):
            if (span, header.compressed) not in data:
                data[span, header.compressed] = self._stream(span) if header.compressed else self._points(*span)
        return tuple(
            _sample(header, span, data[span, header.compressed], order)
            for header, span in zip(headers, spans, strict=True)
        )

    def _header(self, number: int) -> _Header:
        rows = self._rows["shdr"]
        if number + 1 >= len(rows):
            raise PresetError(f"it plays sample {number} of {len(rows) - 1}.")
        header = _Header(*rows[number])
        if header.kind & _ROM:
            raise PresetError(f"sample {number} is in the memory of a sound card, not in the file.")
        if not header.start <= header.end <= self._smpl.size // (1 if header.compressed else 2):
            raise PresetError(f"sample {number} lies outside the file.")
        return header

    def _stream(self, span: _Span) -> bytes:
        data = self._bytes(self._smpl.start + span[0], span[1] - span[0])
        if not data.startswith(b"OggS"):
            raise PresetError("one of its samples is compressed in an unknown way.")
        return data

    def _points(self, start: int, end: int) -> bytes:
        """16-bit points from one to another; what lies outside the file is silence."""
        count = self._smpl.size // 2
        first, last = _between(start, 0, count), _between(end, 0, count)
        data = self._bytes(self._smpl.start + 2 * first, 2 * (last - first))
        before = _between(0, start, end) - start
        return (bytes(2 * before) + data).ljust(2 * (end - start), b"\0")


def _sample(header: _Header, span: _Span, data: bytes, order: Mapping[int, int]) -> Sample:
    linked = header.kind & ~COMPRESSED in _SIDES and header.link in order
    link, kind = (order[header.link], header.kind) if linked else (0, _MONO | header.kind & COMPRESSED)
    start, end = span
    if header.compressed:
        loop = header.loop_start, header.loop_end
    else:
        loop = _between(header.loop_start, start, end) - start, _between(header.loop_end, start, end) - start
    bounds = header.start - start, header.end - start, *loop
    return Sample(data, *bounds, header.rate, header.pitch, header.correction, link, kind)


def _find(file: BinaryIO, source: str) -> dict[str, riff.Chunk]:
    """Where the tables, the samples and the title lie."""
    size = file.seek(0, 2)
    whole = next(riff.chunks(file, 0, size), None)
    if whole is None or whole.kind != b"sfbk":
        raise PresetError(f"{source} isn't a SoundFont; name an .sf2 or .sf3 file that a player opens.")
    found: dict[str, riff.Chunk] = {}
    for part in riff.chunks(file, whole.start, size):
        if part.kind in (b"INFO", b"sdta", b"pdta"):
            for chunk in riff.chunks(file, part.start, min(part.end, size)):
                found.setdefault(chunk.kind.decode("latin-1"), chunk)
    missing = sorted({"smpl", *RECORDS} - found.keys())
    if missing:
        raise PresetError(f"{source} is cut short: it lacks {', '.join(missing)}; copy it again.")
    return found


def _reach(headers: Sequence[_Header], instruments: Sequence[Sequence[Zone]]) -> list[_Span]:
    """What must be kept of each sample: from its first to its last point, and what its zones reach beyond.

    Zones may move the points between which a sample is played and repeated, even into the samples around it.
    """
    spans = [(header.start, header.end) for header in headers]
    for instrument in instruments:
        common = {} if not instrument or any(instrument[0].named(SAMPLE)) else dict(instrument[0].generators)
        for zone in instrument:
            values = common | dict(zone.generators)
            for number in zone.named(SAMPLE):
                if not headers[number].compressed:
                    reached = *spans[number], *_moved(headers[number], values)
                    spans[number] = min(reached), max(reached)
    return spans


def _moved(header: _Header, values: Mapping[int, int]) -> Iterator[int]:
    """The points of a sample as it has them and as a zone moves them; those of the loop only where it is repeated."""
    for name, fine, coarse in _MOVES if values.get(_MODES, 0) & _LOOPS else _MOVES[:2]:
        point: int = getattr(header, name)
        yield point
        yield point + _signed(values.get(fine, 0)) + (_signed(values.get(coarse, 0)) << 15)


def _between(value: int, low: int, high: int) -> int:
    return min(max(value, low), high)


def _signed(amount: int) -> int:
    return amount - ((amount & 0x8000) << 1)


def _text(field: bytes) -> str:
    return field.split(b"\0", 1)[0].decode("latin-1").strip()
