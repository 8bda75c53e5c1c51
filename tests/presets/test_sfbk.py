"""The container of SoundFonts: golden bytes, and states that depend on nothing but the sound."""

from __future__ import annotations

import io
import random
import struct
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from synthmatch.errors import PresetError
from synthmatch.presets.formats.sfbk import INSTRUMENT, SAMPLE, Patch, Sample, Zone, encode
from synthmatch.presets.formats.sfreader import SoundFontReader
from synthmatch.presets.formats.soundfont import SoundFontFile, patch_of, state_of
from synthmatch.presets.preset import Preset, State

SAME_FOLDER = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
MODES, START, END, LOOP_END, KEYS = 54, 0, 1, 3, 43


def points(*values: int) -> bytes:
    return struct.pack(f"<{len(values)}h", *values)


def sample(data: bytes, kind: int = 1, link: int = 0) -> Sample:
    end = len(data) // (1 if kind & 16 else 2)
    return Sample(data, 0, end, 1, max(1, len(data) // 2), 22_050, 60, -3, link, kind)


def simple(data: bytes = points(1, 2, 3, 4), *generators: tuple[int, int]) -> Patch:
    """One zone, one instrument, one sample."""
    return Patch((Zone(((INSTRUMENT, 0),)),), ((Zone((*generators, (SAMPLE, 0))),),), (sample(data),))


def stereo() -> Patch:
    """Two zones after a global one, two instruments, three samples of which two are linked."""
    keys = (KEYS, 0x3C00), (KEYS, 0x7F3D)
    zones = Zone(((48, 30),), (b"modulator1",)), *(Zone((span, (INSTRUMENT, each))) for each, span in enumerate(keys))
    first = Zone(((MODES, 1),)), Zone(((17, 0xFE0C), (SAMPLE, 0)), (b"modulator2",)), Zone(((17, 500), (SAMPLE, 1)))
    samples = sample(points(5, 6, 7), 4, 1), sample(points(-5, -6, -7), 2, 0), sample(points(9))
    return Patch(tuple(zones), (first, (Zone(((SAMPLE, 2),)),)), samples)


def chunk(kind: bytes, content: bytes) -> bytes:
    return kind + struct.pack("<I", len(content)) + content


def test_golden_bytes() -> None:
    """What the standard says, written down by hand."""
    smpl = struct.pack("<4h", 1, 2, 3, 4) + bytes(92)
    tables = (
        chunk(
            b"phdr", struct.pack("<20s3H3I", b"", 0, 0, 0, 0, 0, 0) + struct.pack("<20s3H3I", b"EOP", 0, 0, 1, 0, 0, 0)
        ),
        chunk(b"pbag", struct.pack("<4H", 0, 0, 1, 0)),
        chunk(b"pmod", bytes(10)),
        chunk(b"pgen", struct.pack("<4H", 41, 0, 0, 0)),
        chunk(b"inst", struct.pack("<20sH20sH", b"", 0, b"EOI", 1)),
        chunk(b"ibag", struct.pack("<4H", 0, 0, 2, 0)),
        chunk(b"imod", bytes(10)),
        chunk(b"igen", struct.pack("<6H", 54, 1, 53, 0, 0, 0)),
        chunk(b"shdr", struct.pack("<20s5IBbHH", b"", 0, 4, 1, 4, 22_050, 60, -3, 0, 1) + b"EOS".ljust(46, b"\0")),
    )
    parts = (
        b"INFO" + chunk(b"ifil", struct.pack("<HH", 2, 1)),
        b"sdta" + chunk(b"smpl", smpl),
        b"pdta" + b"".join(tables),
    )
    golden = chunk(b"RIFF", b"sfbk" + b"".join(chunk(b"LIST", part) for part in parts))
    assert encode([("", simple(points(1, 2, 3, 4), (MODES, 1)))]) == golden
    assert patch_of(State("soundfont", golden)) == simple(points(1, 2, 3, 4), (MODES, 1))


# Made-up presets.

amounts = st.integers(0, 0xFFFF)
moves = st.tuples(st.sampled_from([START, END, 2, LOOP_END]), st.integers(-60, 60).map(lambda each: each & 0xFFFF))
others = st.tuples(st.sampled_from([8, 17, 33, 43, 44, 48, 51, 57]), amounts)
modes = st.tuples(st.just(MODES), st.sampled_from([0, 1, 3]))
generators = st.lists(moves | others | modes, max_size=4).map(tuple)
modulators = st.lists(st.binary(min_size=10, max_size=10), max_size=2).map(tuple)


@st.composite
def zones(draw: st.DrawFn, operator: int, count: int) -> tuple[Zone, ...]:
    playing = [
        Zone((*draw(generators), (operator, draw(st.integers(0, count - 1)))), draw(modulators))
        for _ in range(draw(st.integers(1, 3)))
    ]
    common = [Zone(draw(generators), draw(modulators))] if draw(st.booleans()) else []
    return (*common, *playing)


@st.composite
def samples(draw: st.DrawFn, count: int) -> Sample:
    data = draw(st.lists(st.integers(-32768, 32767), min_size=1, max_size=12))
    spot = st.integers(0, len(data))
    start, end = sorted((draw(spot), draw(spot)))
    kind, link = draw(st.sampled_from([1, 2, 4, 8])), draw(st.integers(0, count - 1))
    return Sample(
        points(*data), start, end, draw(spot), draw(spot), draw(amounts), 60, draw(st.integers(-9, 9)), link, kind
    )


@st.composite
def patches(draw: st.DrawFn) -> Patch:
    """Made-up presets, with instruments and samples in any order, some of which nothing plays."""
    instruments, count = draw(st.integers(1, 3)), draw(st.integers(1, 4))
    return Patch(
        draw(zones(INSTRUMENT, instruments)),
        tuple(draw(zones(SAMPLE, count)) for _ in range(instruments)),
        tuple(draw(samples(count)) for _ in range(count)),
    )


def reordered(patch: Patch, dice: random.Random) -> Patch:
    """The same preset with its instruments and samples in another order."""
    instruments, places = shuffled(len(patch.instruments), dice), shuffled(len(patch.samples), dice)

    def moved(group: Sequence[Zone], operator: int, order: dict[int, int]) -> tuple[Zone, ...]:
        return tuple(zone.renumbered(operator, order) for zone in group)

    inner = [moved(group, SAMPLE, places) for group in patch.instruments]
    return Patch(
        moved(patch.zones, INSTRUMENT, instruments),
        tuple(inner[old] for old, _ in sorted(instruments.items(), key=lambda pair: pair[1])),
        tuple(
            replace(patch.samples[old], link=places[patch.samples[old].link])
            for old, _ in sorted(places.items(), key=lambda pair: pair[1])
        ),
    )


def shuffled(count: int, dice: random.Random) -> dict[int, int]:
    order = list(range(count))
    dice.shuffle(order)
    return dict(enumerate(order))


def without_neighbours(patch: Patch) -> Patch:
    """The preset with none of the generators that reach into other samples."""
    return replace(
        patch,
        instruments=tuple(
            tuple(
                replace(zone, generators=tuple(each for each in zone.generators if each[0] > LOOP_END))
                for zone in group
            )
            for group in patch.instruments
        ),
        samples=tuple(
            replace(
                each,
                data=each.data[2 * each.start : 2 * each.end],
                start=0,
                end=each.end - each.start,
                loop_start=0,
                loop_end=0,
            )
            for each in patch.samples
        ),
    )


def states(*found: Patch) -> list[State]:
    reader = SoundFontReader(io.BytesIO(encode([("x", each) for each in found], "Title")), "x")
    return [state_of(reader.patch(slot)) for slot in range(len(found))]


@given(patches(), patches(), st.randoms(use_true_random=False))
def test_neither_order_nor_neighbours_change_a_state(first: Patch, second: Patch, dice: random.Random) -> None:
    first, second = without_neighbours(first), without_neighbours(second)
    one, other = states(first, second)
    assert states(reordered(second, dice), first, reordered(first, dice)) == [other, one, one]


@given(patches())
def test_reading_a_state_gives_the_state(patch: Patch) -> None:
    (state,) = states(patch)
    assert state_of(patch_of(state)) == state


@SAME_FOLDER
@given(
    st.lists(
        st.tuples(st.text("Abc é1-", min_size=1, max_size=20).map(str.strip).filter(bool), patches()),
        min_size=1,
        max_size=4,
    )
)
def test_reading_what_was_written_gives_the_same(tmp_path: Path, found: list[tuple[str, Patch]]) -> None:
    made = [
        Preset(name, state, "Bank")
        for (name, _), state in zip(found, states(*(each for _, each in found)), strict=True)
    ]
    SoundFontFile().write(tmp_path / "x.sf2", made)
    again, faults = SoundFontFile().read(tmp_path / "x.sf2")
    assert list(faults) == []
    assert [(each.name, each.state, each.bank) for each in again] == [(each.name, each.state, "Bank") for each in made]


def test_a_link_to_a_sample_that_is_not_played_is_cut() -> None:
    patch = stereo()
    left = replace(patch, instruments=(patch.instruments[0][:2], patch.instruments[1]))
    kept = patch_of(*states(left)).samples
    assert [(each.kind, each.link) for each in kept] == [(1, 0), (1, 0)]
    assert [each.data for each in kept] == [points(5, 6, 7), points(9)]


def test_what_a_zone_reaches_beyond_its_sample_is_kept() -> None:
    """It may begin before its sample and end after it; outside of the file there is silence."""
    neighbours = simple(points(*range(10, 50)))
    _, reaching = states(neighbours, simple(points(1, 2), (START, 0xFFCE), (END, 3)))
    (kept,) = patch_of(reaching).samples
    # 46 zeros lie between the two samples; the last 4 of the neighbour's points come before those.
    assert kept.data == points(46, 47, 48, 49, *[0] * 46, 1, 2, 0, 0, 0)
    assert (kept.start, kept.end) == (50, 52)
    beyond = patch_of(*states(simple(points(1, 2), (START, 0xFFFE), (END, 100)))).samples[0]
    assert beyond.data == points(0, 0, 1, 2, *[0] * 100)


def test_points_of_a_loop_matter_only_where_it_is_repeated() -> None:
    for flags, expected in ((0, points(1, 2)), (1, points(1, 2, 0, 0, 0))):
        kept = patch_of(*states(simple(points(1, 2), (MODES, flags), (LOOP_END, 3))))
        assert kept.samples[0].data == expected


def test_too_many_presets_for_one_file_are_refused() -> None:
    wide = replace(simple(), instruments=((Zone(tuple((8, n) for n in range(40_000))), Zone(((SAMPLE, 0),))),))
    with pytest.raises(PresetError, match="2 presets like these are too many"):
        encode([("a", wide), ("b", wide)])
