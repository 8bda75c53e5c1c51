"""Small SoundFonts that would fill the memory, were they believed."""

from __future__ import annotations

import struct
import tracemalloc
from pathlib import Path

from synthmatch.presets.formats.sfbk import INSTRUMENT, SAMPLE, Patch, Sample, Zone, encode
from synthmatch.presets.formats.soundfont import SoundFontFile, patch_of


def test_a_span_that_many_samples_share_is_read_once(tmp_path: Path) -> None:
    """Otherwise some kilobytes of headers make gigabytes of the same sound."""
    data, count = bytes(2**20), 100
    samples = tuple(Sample(data, 0, len(data) // 2, 0, 1, 22_050 + number, 60, 0, 0, 1) for number in range(count))
    instrument = tuple(Zone(((SAMPLE, number),)) for number in range(count))
    path = tmp_path / "x.sf2"
    path.write_bytes(encode([("Many", Patch((Zone(((INSTRUMENT, 0),)),), (instrument,), samples))]))
    tracemalloc.start()
    try:
        (preset,), _ = SoundFontFile().read(path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(patch_of(preset.state).samples) == count
    assert peak < 16 * 2**20


def tangle(whole: bytearray, first: int, record: int, count: int, zones: int) -> None:
    """Give every other record of a table all zones there are: where the first zone of each stands is overwritten."""
    for number in range(count):
        struct.pack_into("<H", whole, first + record * number, 0 if number % 2 == 0 else zones)


def test_presets_that_overlap_are_refused(tmp_path: Path) -> None:
    """Otherwise each of 32,767 presets may have every zone of the file, and they are read for hours."""
    count, zones = 40, 10
    sample = Sample(bytes(4), 0, 2, 0, 1, 22_050, 60, 0, 0, 1)
    patch = Patch((Zone(((INSTRUMENT, 0),)),) * zones, ((Zone(((SAMPLE, 0),)),),), (sample,))
    whole = bytearray(encode([(f"Tangle {number}", patch) for number in range(count)]))
    first = whole.index(b"phdr") + 8 + 24  # the first zone of the first preset
    tangle(whole, first, 38, count, count * zones)
    path = tmp_path / "x.sf2"
    path.write_bytes(whole)
    presets, faults = SoundFontFile().read(path)
    reasons = [fault.rpartition(": ")[2] for fault in faults]
    assert len(presets) <= 2
    assert reasons.count("its presets overlap.") >= count // 2 - 2
    assert set(reasons) == {"its presets overlap.", "its list of zones is damaged."}


def test_instruments_that_overlap_are_refused(tmp_path: Path) -> None:
    """Otherwise each of 65,535 instruments may have every zone of the file."""
    count, zones = 40, 10
    played = tuple(Zone(((INSTRUMENT, number),)) for number in range(0, count, 2))
    instruments = ((Zone(((SAMPLE, 0),)),) * zones,) * count
    sample = Sample(bytes(4), 0, 2, 0, 1, 22_050, 60, 0, 0, 1)
    whole = bytearray(encode([("Tangle", Patch(played, instruments, (sample,)))]))
    first = whole.index(b"inst") + 8 + 20  # the first zone of the first instrument
    tangle(whole, first, 22, count, count * zones)
    path = tmp_path / "x.sf2"
    path.write_bytes(whole)
    presets, faults = SoundFontFile().read(path)
    assert (len(presets), [fault.rpartition(": ")[2] for fault in faults]) == (0, ["its instruments overlap."])
