"""The manifest: lines that come back as they were, and journals that were cut short anywhere."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthmatch.batch.manifest import FAILED, RENDERED, Entry, Manifest
from synthmatch.batch.mastering import Sound
from synthmatch.errors import InputError
from synthmatch.notes import Note, Performance
from synthmatch.renderers.renderer import RenderSettings

numbers = st.floats(allow_nan=False, allow_infinity=False)
sounds = st.builds(Sound, loudness=st.none() | numbers, gain=numbers, peak_db=numbers, seconds=numbers)
entries = st.builds(
    Entry,
    file=st.text(),
    name=st.text(),
    performance=st.builds(
        Performance,
        st.lists(
            st.builds(Note, st.floats(0, 9), st.integers(0, 127), st.integers(1, 127), st.floats(0.01, 9)), min_size=1
        ).map(tuple),
        st.floats(0, 9),
    ),
    settings=st.builds(RenderSettings, settle=st.none() | st.floats(0, 9)),
    normalise=st.none() | numbers,
    sound=st.none() | sounds,
    spread=st.none() | numbers,
)


def entry(file: str, **changes: object) -> Entry:
    planned = Entry(
        file=file,
        preset="0123",
        name="Lead\nÄ  ",  # U+2028 ends a line for Python, not for JSON Lines
        bank="bank",
        synth="faust",
        source="/banks/bank.faustpatch",
        source_hash="4567",
        slot=3,
        family="lead",
        label_source="name",
        performance=Performance.single(60, 100),
        settings=RenderSettings(),
        renderer="89ab",
        job="cdef",
        normalise=None,
    )
    return replace(planned, **changes)  # type: ignore[arg-type]


def written(folder: Path, entries: list[Entry]) -> bytes:
    """The file that a manifest writes of entries."""
    manifest = Manifest(folder / "manifest.jsonl")
    manifest.write(entries, folder)
    return manifest.path.read_bytes()


@given(entries)
def test_a_line_says_everything(told: Entry) -> None:
    with TemporaryDirectory() as folder:
        notes, line, rest = written(Path(folder), [told]).split(b"\n")
        assert (notes[:16], line[:9], rest) == (b'{"performance": ', b'{"file": ', b"")
        assert list(Manifest(Path(folder) / "manifest.jsonl").entries.values()) == [told]


def test_notes_stand_once_and_are_held_once(tmp_path: Path) -> None:
    song = Performance(tuple(Note(place / 10, 60, 100, 0.1) for place in range(2000)))
    told = [entry(f"{number}.wav", performance=song) for number in range(100)]
    told.append(entry("other.wav"))
    journal = tmp_path / "manifest.jsonl"
    with Manifest(journal) as manifest:
        manifest.begin(tmp_path)
        for each in told:
            manifest.add(each)
    assert journal.read_bytes() == written(tmp_path, told)
    assert journal.stat().st_size < 3 * 40 * 2000
    found = list(Manifest(journal).entries.values())
    assert found == told
    assert len({id(each.performance) for each in found}) == 2


def test_a_manifest_whose_every_line_has_the_notes_is_read_and_written_anew(tmp_path: Path) -> None:
    """As they were at first."""
    told = [entry(f"{number}.wav", status=RENDERED) for number in range(2)]
    new = written(tmp_path, told)
    notes, *lines = (json.loads(line) for line in new.splitlines())
    del notes["performance"]
    old = tmp_path / "manifest.jsonl"
    old.write_text("".join(json.dumps(line | {"performance": notes}) + "\n" for line in lines), "utf-8")
    with Manifest(old) as manifest:
        assert list(manifest.entries.values()) == told
        assert len({id(each.performance) for each in manifest.entries.values()}) == 1
        manifest.begin(tmp_path)
    assert old.read_bytes() == new


@pytest.mark.parametrize(
    "line",
    [
        *("{}", "[]", "3", '{"file": "a"}', "null", '{"file": "a", "performance": null}'),
        *('{"performance": "0123"}', '{"performance": "0123", "notes": [[0, 200, 1, 1]], "tail": 0}'),
        entry("a").line(),  # whose performance isn't told
    ],
)
def test_what_is_no_line(line: str, tmp_path: Path) -> None:
    (tmp_path / "manifest.jsonl").write_text(line + "\n", "utf-8")
    with pytest.raises(InputError, match=r"isn't a manifest of synthmatch's \(line 1\)"):
        Manifest(tmp_path / "manifest.jsonl")


def test_a_later_line_stands_in_for_an_earlier_one(tmp_path: Path) -> None:
    path = tmp_path / "manifest.jsonl"
    with Manifest(path) as manifest:
        manifest.begin(tmp_path)
        manifest.add(entry("a.wav", status=FAILED))
        manifest.add(entry("b.wav", status=RENDERED))
        manifest.add(entry("a.wav", status=RENDERED))
    assert [each.status for each in Manifest(path).entries.values()] == [RENDERED, RENDERED]
    assert list(Manifest(path).entries) == ["a.wav", "b.wav"]


def test_a_journal_may_be_cut_anywhere(tmp_path: Path) -> None:
    path, told = tmp_path / "manifest.jsonl", [entry(f"{number}.wav", status=RENDERED) for number in range(3)]
    told[2] = replace(told[2], performance=Performance.single(48, 100))
    whole = written(tmp_path, told)
    ends = [place + 1 for place, byte in enumerate(whole) if byte == ord("\n")]
    del ends[3], ends[0]  # of notes
    for size in range(len(whole) + 1):
        path.write_bytes(whole[:size])
        found = list(Manifest(path).entries.values())
        complete = sum(end <= size + 1 for end in ends)  # a line's end alone may be what is missing
        assert found == told[:complete]


def test_zeros_that_a_power_cut_left_at_the_end_are_no_line(tmp_path: Path) -> None:
    path = tmp_path / "manifest.jsonl"
    whole = written(tmp_path, [entry("a")])
    for cut in ("", entry("b").line()[:40]):
        path.write_bytes(whole + cut.encode() + bytes(300))
        assert list(Manifest(path).entries) == ["a"]


def test_what_was_cut_is_gone_before_anything_is_added(tmp_path: Path) -> None:
    path, first, second = tmp_path / "manifest.jsonl", entry("a.wav"), entry("b.wav")
    both = written(tmp_path, [first, second])
    path.write_bytes(both[:-200])
    with Manifest(path) as manifest:
        assert list(manifest.entries.values()) == [first]
        manifest.begin(tmp_path)
        manifest.add(second)
    assert path.read_bytes() == both


@pytest.mark.parametrize("text", ["mine", "mine\n", '{"my": "manifest"}', '{"file": "a.wav", "text": "hello"}\n'])
def test_a_manifest_of_somebody_else_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "manifest.jsonl"
    path.write_text(text, "utf-8")
    with pytest.raises(InputError, match=r"manifest\.jsonl isn't a manifest of synthmatch's \(line 1\)"):
        Manifest(path)
    assert path.read_text("utf-8") == text
