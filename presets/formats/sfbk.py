"""The container of SoundFonts: nine tables that lead from presets by instruments to samples, and the samples.

A preset consists of zones, each of which plays an instrument on a range of keys and velocities; an instrument
consists of zones, each of which plays a sample. Samples are 16 bits wide in version 2 (what some files keep beyond,
in a chunk ``sm24``, isn't read), and may be Ogg Vorbis streams in version 3.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from synthmatch.errors import PresetError
from synthmatch.presets.formats import riff

RECORDS: Mapping[str, struct.Struct] = {
    "phdr": struct.Struct("<20sHHHIII"),  # name, program, bank, first zone, and three that mean nothing
    "pbag": struct.Struct("<HH"),  # first generator and first modulator of a zone
    "pmod": struct.Struct("<10s"),
    "pgen": struct.Struct("<HH"),  # what it sets, and to what
    "inst": struct.Struct("<20sH"),  # name, first zone
    "ibag": struct.Struct("<HH"),
    "imod": struct.Struct("<10s"),
    "igen": struct.Struct("<HH"),
    "shdr": struct.Struct("<20s5IBbHH"),  # a Header
}
"""The tables, in their order; each ends with a record that only says where the last but one ends."""

INSTRUMENT, SAMPLE = 41, 53
"""The generators that name an instrument or a sample."""

MOST_RECORDS = 0xFFFF
"""Records of a table that an index of 16 bits can reach."""

COMPRESSED = 0x30
"""The bits of a sample's kind that say it is an Ogg Vorbis stream."""

_GUARD = bytes(46 * 2)  # the zeros that must follow each sample, so that players may read a little too far
_VERSIONS = {False: (2, 1), True: (3, 0)}  # by whether there are compressed samples
_PROGRAMS = 128  # of a bank; bank 128 is for percussion, so presets go into those below
_LARGEST = 2**32 - 2**26  # bytes of samples, and room for everything else
_NAME = 20


@dataclass(frozen=True)
class Zone:
    """What holds on a range of keys and velocities.

    Args:
        generators: (what is set, to what), each 0 to 65,535; the last usually names an instrument or a sample.
        modulators: ten bytes each.
    """

    generators: tuple[tuple[int, int], ...]
    modulators: tuple[bytes, ...] = ()

    def named(self, operator: int) -> Iterator[int]:
        """The numbers of the instruments or samples that it plays."""
        return (amount for kind, amount in self.generators if kind == operator)

    def renumbered(self, operator: int, order: dict[int, int]) -> Zone:
        """The zone with the numbers of instruments or samples replaced by those in ``order``; to which new ones
        are added as they come."""
        generators = tuple(
            (kind, order.setdefault(amount, len(order)) if kind == operator else amount)
            for kind, amount in self.generators
        )
        return replace(self, generators=generators)


@dataclass(frozen=True)
class Sample:
    """A sample.

    Args:
        data: 16-bit points, from the first to the last that any zone reaches; or an Ogg Vorbis stream.
        start, end: what is played of it, in points; of a stream, in bytes.
        loop_start, loop_end: what is repeated, in points; of a stream, once it is unpacked.
        rate: points a second.
        pitch: the MIDI note at which it was recorded; 255 for none.
        correction: cents by which that is wrong.
        link: the number of the other channel's sample.
        kind: 1 mono, 2 right, 4 left, 8 linked; and 16 for a stream.
    """

    data: bytes = field(repr=False)
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
        """Whether ``data`` is an Ogg Vorbis stream."""
        return bool(self.kind & COMPRESSED)


@dataclass(frozen=True)
class Patch:
    """A preset without its name and numbers: its zones, instruments and samples, by order of first use."""

    zones: tuple[Zone, ...]
    instruments: tuple[tuple[Zone, ...], ...]
    samples: tuple[Sample, ...]


def encode(patches: Sequence[tuple[str, Patch]], title: str = "") -> bytes:
    """A SoundFont.

    Args:
        patches: presets and their names, of which 20 bytes of Latin-1 are kept (other characters become "?").
            They become the programs of bank 0, 1 and so on. What they share of samples is written once.
        title: the bank's name; "" leaves everything out that only editors show.

    Returns:
        A file of version 3 if any sample is compressed, else of version 2.

    Raises:
        PresetError: they are too many for one file.
    """
    tables: dict[str, list[tuple[object, ...]]] = {name: [] for name in RECORDS}
    pool = _Pool(any(sample.compressed for _, patch in patches for sample in patch.samples))
    for slot, (name, patch) in enumerate(patches):
        instruments, samples = len(tables["inst"]), len(tables["shdr"])
        bank, program = divmod(slot, _PROGRAMS)
        tables["phdr"].append((_packed(name), program, bank, len(tables["pbag"]), 0, 0, 0))
        _add_zones(tables, "p", patch.zones, instruments)
        for instrument in patch.instruments:
            tables["inst"].append((_packed(name), len(tables["ibag"])))
            _add_zones(tables, "i", instrument, samples)
        for sample in patch.samples:
            label = _packed(f"sample {len(tables['shdr']) + 1}") if title else b""
            tables["shdr"].append((label, *pool.place(sample), sample.link + samples, sample.kind))
    _end(tables)
    if max(map(len, tables.values())) > MOST_RECORDS or slot >= _PROGRAMS**2 or len(pool.data) > _LARGEST:
        raise PresetError(f"{len(patches)} presets like these are too many for one SoundFont; write several.")
    packed = [riff.pack(key.encode(), *(RECORDS[key].pack(*row) for row in rows)) for key, rows in tables.items()]
    return riff.pack_list(
        b"sfbk",
        riff.pack_list(b"INFO", *_info(pool.compressed, title)),
        riff.pack_list(b"sdta", riff.pack(b"smpl", bytes(pool.data))),
        riff.pack_list(b"pdta", *packed),
        outer=b"RIFF",
    )


class _Pool:
    """The samples of a file, one after the other; those that are the same are there once."""

    def __init__(self, compressed: bool) -> None:
        self.compressed = compressed
        # TinySoundFont plays on for a point into what follows a stream; behind the last one it puts the whole
        # pool once more, so that must begin with silence.
        self.data = bytearray(_GUARD if compressed else b"")
        self._places: dict[bytes, int] = {}

    def place(self, sample: Sample) -> tuple[int, ...]:
        """The middle of a sample's header: from its start in the file to its correction."""
        at = self._places.get(sample.data)
        if at is None:
            at = self._places[sample.data] = len(self.data)
            self.data += sample.data
            self.data += bytes(len(sample.data) % 2) + _GUARD
        first = at if sample.compressed else at // 2
        loop = 0 if sample.compressed else first  # of a stream it counts from the stream's own start
        bounds = first + sample.start, first + sample.end, loop + sample.loop_start, loop + sample.loop_end
        return *bounds, sample.rate, sample.pitch, sample.correction


def _add_zones(tables: dict[str, list[tuple[object, ...]]], side: str, zones: Sequence[Zone], first: int) -> None:
    """Add zones of a preset ("p") or an instrument ("i").

    Args:
        first: the number in the file of the instrument or sample that the zones call 0.
    """
    linked = {"p": INSTRUMENT, "i": SAMPLE}[side]
    for zone in zones:
        tables[side + "bag"].append((len(tables[side + "gen"]), len(tables[side + "mod"])))
        tables[side + "gen"] += [(kind, amount + first * (kind == linked)) for kind, amount in zone.generators]
        tables[side + "mod"] += [(each,) for each in zone.modulators]


def _end(tables: dict[str, list[tuple[object, ...]]]) -> None:
    """Add the record that ends each table."""
    tables["phdr"].append((b"EOP", 0, 0, len(tables["pbag"]), 0, 0, 0))
    tables["inst"].append((b"EOI", len(tables["ibag"])))
    tables["shdr"].append((b"EOS", *(0,) * 9))
    for side in "pi":
        tables[side + "bag"].append((len(tables[side + "gen"]), len(tables[side + "mod"])))
        tables[side + "gen"].append((0, 0))
        tables[side + "mod"].append((bytes(10),))


def _info(compressed: bool, title: str) -> Iterator[bytes]:
    yield riff.pack(b"ifil", struct.pack("<HH", *_VERSIONS[compressed]))
    if title:
        yield riff.pack(b"isng", b"EMU8000\0")  # what it must say: the synth that the numbers are meant for
        yield riff.pack(b"INAM", title.encode("latin-1", "replace")[:255] + b"\0")


def _packed(name: str) -> bytes:
    return name.encode("latin-1", "replace")[:_NAME]
