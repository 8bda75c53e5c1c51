"""The manifest: lines that come back as they were, and journals that were cut short anywhere."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

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


@given(entries)
def test_a_line_says_everything(written: Entry) -> None:
    line = written.line()
    assert "\n" not in line
    assert Entry.parse(line) == written


@pytest.mark.parametrize("line", ["", "{}", "[]", "3", '{"file": "a"}', "null", '{"file": "a", "performance": null}'])
def test_what_is_no_line(line: str) -> None:
    with pytest.raises(ValueError):
        Entry.parse(line)


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
    path, written = tmp_path / "manifest.jsonl", [entry(f"{number}.wav", status=RENDERED) for number in range(3)]
    whole = "".join(f"{each.line()}\n" for each in written).encode()
    ends = [place + 1 for place, byte in enumerate(whole) if byte == ord("\n")]
    for size in range(len(whole) + 1):
        path.write_bytes(whole[:size])
        found = list(Manifest(path).entries.values())
        complete = sum(end <= size + 1 for end in ends)  # a line's end alone may be what is missing
        assert found == written[:complete]


def test_zeros_that_a_power_cut_left_at_the_end_are_no_line(tmp_path: Path) -> None:
    path = tmp_path / "manifest.jsonl"
    whole = entry("a").line() + "\n"
    for cut in ("", entry("b").line()[:40]):
        path.write_bytes((whole + cut).encode() + bytes(300))
        assert list(Manifest(path).entries) == ["a"]


def test_what_was_cut_is_gone_before_anything_is_added(tmp_path: Path) -> None:
    path, first, second = tmp_path / "manifest.jsonl", entry("a.wav"), entry("b.wav")
    path.write_text(first.line() + "\n" + second.line()[:100], "utf-8")
    with Manifest(path) as manifest:
        manifest.begin(tmp_path)
        manifest.add(second)
    assert path.read_text("utf-8") == f"{first.line()}\n{second.line()}\n"


@pytest.mark.parametrize("text", ["mine", "mine\n", '{"my": "manifest"}', '{"file": "a.wav", "text": "hello"}\n'])
def test_a_manifest_of_somebody_else_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "manifest.jsonl"
    path.write_text(text, "utf-8")
    with pytest.raises(InputError, match=r"manifest\.jsonl isn't a manifest of synthmatch's \(line 1\)"):
        Manifest(path)
    assert path.read_text("utf-8") == text
