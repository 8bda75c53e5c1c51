"""Batches that are stopped, damaged, repeated and changed: nothing is rendered twice, nothing is out of date."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

from synthmatch.batch.batch import SCRATCH, render_bank
from synthmatch.batch.batchplan import RenderPlan
from synthmatch.batch.manifest import FAILED, NAME, RENDERED, Entry, Manifest
from synthmatch.batch.mastering import Format
from synthmatch.errors import InputError
from synthmatch.files import file_hash
from synthmatch.library.choice import Choice
from synthmatch.notes import Performance
from synthmatch.presets import faustsynth
from synthmatch.presets.bank import Fault, PresetBank
from synthmatch.presets.formats import native_format
from synthmatch.presets.preset import Preset
from synthmatch.renderers.pool import Pool, RenderPool
from synthmatch.renderers.renderer import Failure, RenderJob, RenderResult
from synthmatch.sound.soundprint import DEPTH_DB

PLAN = RenderPlan(Performance.single(60, 100, 0.4, 0.2))


class Counting:
    """A real pool that counts what it is asked for."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.jobs: list[RenderJob] = []

    def render(self, jobs: Iterable[RenderJob]) -> Iterator[RenderResult]:
        for result in self.pool.render(jobs):
            if result.job.state.data:  # what a synth plays without a preset is heard each time
                self.jobs.append(result.job)
            yield result

    def close(self) -> None:
        self.pool.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


@pytest.fixture
def counting(pool: RenderPool) -> Counting:
    return Counting(pool)


def lines(folder: Path) -> list[Entry]:
    return list(Manifest(folder / NAME).entries.values())


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a folder."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def few(bank: PresetBank, count: int = 3) -> PresetBank:
    return PresetBank(bank.presets[:count])


def test_a_second_run_renders_nothing(bank: PresetBank, counting: Counting, tmp_path: Path) -> None:
    first = render_bank(bank, PLAN, tmp_path, counting)
    before, counting.jobs = contents(tmp_path), []
    second = render_bank(bank, PLAN, tmp_path, counting)
    assert counting.jobs == []
    assert contents(tmp_path) == before
    assert (second.written, second.kept) == (0, 9)
    assert second.trust == first.trust
    assert second.trust.repeats[0].exact == 2


_RENDER = """
import sys
from pathlib import Path
from synthmatch.batch.batch import render_bank
from synthmatch.batch.batchplan import RenderPlan
from synthmatch.notes import Performance
from synthmatch.presets.bank import PresetBank
from synthmatch.renderers.pool import RenderPool

if __name__ == "__main__":
    with RenderPool(1) as pool:
        render_bank(PresetBank.read(sys.argv[1]), RenderPlan(Performance.single(60, 100, 0.4, 0.2)),
                    Path(sys.argv[2]), pool)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is what other systems have")
@pytest.mark.parametrize("enough", [1, 7])
def test_a_killed_run_goes_on_and_ends_as_if_undisturbed(
    enough: int, bank_writer: Callable[..., PresetBank], counting: Counting, tmp_path: Path
) -> None:
    source, killed, whole = tmp_path / "bank.faustpatch", tmp_path / "killed", tmp_path / "whole"
    bank = bank_writer(source, 14)
    run = subprocess.Popen([sys.executable, "-c", _RENDER, str(source), str(killed)])
    deadline = time.monotonic() + 120
    while len(list(killed.glob("*.flac"))) < enough and run.poll() is None and time.monotonic() < deadline:
        time.sleep(0.002)
    os.kill(run.pid, signal.SIGKILL)
    assert run.wait() == -signal.SIGKILL
    there = {path.name for path in killed.glob("*.flac")}
    assert enough <= len(there) < 14

    report = render_bank(bank, PLAN, killed, counting)
    assert report.kept == len(there)
    assert report.written == 14 - len(there)
    assert len(counting.jobs) == 14 - len(there) + 2
    undisturbed = render_bank(bank, PLAN, whole, counting.pool)
    assert contents(killed) == contents(whole)
    assert report.trust == undisturbed.trust


def test_a_run_that_was_stopped_anywhere_ends_as_if_undisturbed(
    bank: PresetBank, counting: Counting, tmp_path: Path
) -> None:
    """Every state that a kill can leave: the journal cut short, its last file not yet there, something unfinished."""
    some = few(bank)
    render_bank(some, PLAN, tmp_path, counting)
    whole, entries = contents(tmp_path), lines(tmp_path)
    journal = whole[NAME]
    notes, *ends = [place + 1 for place, byte in enumerate(journal) if byte == ord("\n")]
    cuts = ((0, 0), (0, 20), (0, notes), (0, notes + 20), (1, ends[0]), (1, ends[0] + 7), (1, ends[1]))
    for kept, cut in (*cuts, (2, ends[1]), (2, ends[2])):
        for entry in entries[kept:]:
            (tmp_path / entry.file).unlink()
        (tmp_path / NAME).write_bytes(journal[:cut])
        (tmp_path / SCRATCH).mkdir()
        (tmp_path / SCRATCH / "sound.flac").write_bytes(b"fLaC, and no more")
        counting.jobs = []
        render_bank(some, PLAN, tmp_path, counting)
        assert contents(tmp_path) == whole, (kept, cut)
        again = {job.key for job in counting.jobs}
        assert again >= {entry.job for entry in entries[kept:]}
        assert not any(entry.job in again for entry in entries[:kept] if entry.spread is None)


def test_a_damaged_file_is_made_again_and_no_other(bank: PresetBank, counting: Counting, tmp_path: Path) -> None:
    some = few(bank)
    render_bank(some, PLAN, tmp_path, counting)
    before = contents(tmp_path)
    chosen = next(entry for entry in lines(tmp_path) if entry.spread is None)
    data = bytearray(before[chosen.file])
    data[-10] ^= 1
    (tmp_path / chosen.file).write_bytes(data)
    counting.jobs = []
    report = render_bank(some, PLAN, tmp_path, counting)
    assert [job.key for job in counting.jobs] == [chosen.job]
    assert (report.written, report.kept) == (1, 2)
    assert contents(tmp_path) == before


def test_other_notes_or_levels_are_rendered_again_in_place(
    bank: PresetBank, counting: Counting, tmp_path: Path
) -> None:
    some = few(bank)
    render_bank(some, PLAN, tmp_path, counting)
    for plan in (replace(PLAN, performance=Performance.single(48, 100, 0.4, 0.2)), replace(PLAN, sample_rate=22_050)):
        report = render_bank(some, plan, tmp_path, counting)
        assert (report.written, report.kept, report.others) == (3, 0, 0)
        alone = tmp_path.parent / f"alone at {plan.sample_rate}"
        render_bank(some, plan, alone, counting)
        assert contents(tmp_path) == contents(alone)


def test_files_of_another_format_are_kept_and_still_named(bank: PresetBank, counting: Counting, tmp_path: Path) -> None:
    some = few(bank)
    render_bank(some, PLAN, tmp_path, counting)
    report = render_bank(some, replace(PLAN, form=Format.WAV), tmp_path, counting)
    assert (report.written, report.kept, report.others) == (3, 0, 3)
    assert [Path(entry.file).suffix for entry in lines(tmp_path)] == [".wav"] * 3 + [".flac"] * 3
    assert all(file_hash(tmp_path / each.file) == each.sound.hash for each in lines(tmp_path) if each.sound)
    (tmp_path / lines(tmp_path)[3].file).unlink()
    assert render_bank(some, replace(PLAN, form=Format.WAV), tmp_path, counting).others == 2


def test_a_bank_stays_where_its_files_are_whatever_is_rendered_with_it(
    bank_writer: Callable[..., PresetBank], counting: Counting, tmp_path: Path
) -> None:
    one, two = (bank_writer(tmp_path / f"{name}.faustpatch", 2, first) for name, first in (("one", 0), ("two", 2)))
    out, names = tmp_path / "out", [preset.name for preset in one]
    render_bank(one, PLAN, out, counting)
    before, counting.jobs = contents(out), []
    both = render_bank(PresetBank(one.presets + two.presets), PLAN, out, counting)
    assert (both.written, both.kept, both.others) == (2, 2, 0)
    assert {job.state.id for job in counting.jobs} <= {preset.id for preset in two}
    assert [entry.file for entry in both.entries] == [
        *(f"{name}.flac" for name in names),
        *(f"two/{preset.name}.flac" for preset in two),
    ]
    assert all(contents(out)[file] == data for file, data in before.items() if file != NAME)
    after, counting.jobs = contents(out), []
    for each in (two, one, PresetBank(two.presets + one.presets)):
        report = render_bank(each, PLAN, out, counting)
        assert (report.written, report.kept + report.others) == (0, 4)
    assert counting.jobs == []
    assert contents(out).keys() == after.keys()


def test_presets_of_the_same_sound_are_rendered_once(counting: Counting, tmp_path: Path) -> None:
    source, state = tmp_path / "twice.faustpatch", faustsynth.make_state({"fm_index": 3})
    native_format("faust").write(source, [Preset("One", state), Preset("Two", state), Preset("one", state)])
    report = render_bank(PresetBank.read(source), PLAN, tmp_path / "out", counting)
    assert len(counting.jobs) == 2  # the second time for comparison
    assert [entry.file for entry in report.entries] == ["One.flac", "Two.flac", "one (2).flac"]
    assert len({(tmp_path / "out" / entry.file).read_bytes() for entry in report.entries}) == 1
    assert report.trust.presets - report.trust.sounds == 2


def test_a_preset_that_fails_is_listed_and_not_tried_again_unasked(counting: Counting, tmp_path: Path) -> None:
    source = tmp_path / "some.faustpatch"
    silent = faustsynth.make_state({"osc1_level": 0, "level": -48})
    native_format("faust").write(source, [Preset("Fine", faustsynth.make_state({})), Preset("Mute", silent)])
    bank = PresetBank(PresetBank.read(source).presets, (Fault(Path("broken.xiz"), "broken.xiz is cut short."),))
    first = render_bank(bank, PLAN, tmp_path / "out", counting)
    fine, mute = lines(tmp_path / "out")
    assert (fine.status, mute.status, mute.failure, mute.sound) == (RENDERED, FAILED, "silent", None)
    assert "makes no sound" in mute.reason
    assert [each.name for each in first.trust.failures] == ["Mute"]
    assert first.trust.faults == bank.faults
    before, counting.jobs = contents(tmp_path / "out"), []
    second = render_bank(bank, PLAN, tmp_path / "out", counting)
    assert counting.jobs == []
    assert (second.written, second.kept, second.failed_before) == (0, 1, 1)
    assert second.trust == first.trust
    assert "1 file failed in an earlier run; not tried again." in second.lines()
    third = render_bank(bank, replace(PLAN, retry=True), tmp_path / "out", counting)
    assert [job.state.id for job in counting.jobs] == [mute.preset]
    assert (third.kept, third.failed_before) == (1, 0)
    assert contents(tmp_path / "out") == before


def test_what_failed_stays_known_whatever_else_is_rendered_into_the_folder(counting: Counting, tmp_path: Path) -> None:
    source = tmp_path / "some.faustpatch"
    silent = faustsynth.make_state({"osc1_level": 0, "level": -48})
    native_format("faust").write(source, [Preset("Fine Bass", faustsynth.make_state({})), Preset("Mute Lead", silent)])
    bank, out = PresetBank.read(source), tmp_path / "out"
    render_bank(bank, PLAN, out, counting)
    for plan in (replace(PLAN, form=Format.WAV), replace(PLAN, choice=Choice(words=("bass",)))):
        render_bank(bank, plan, out, counting)
        assert {entry.file for entry in lines(out) if entry.status == FAILED} >= {"Mute Lead.flac"}
    counting.jobs = []
    again = render_bank(bank, PLAN, out, counting)
    assert counting.jobs == []
    assert (again.kept, again.failed_before, again.others) == (1, 1, 1)

    other = tmp_path / "other.faustpatch"
    native_format("faust").write(other, [Preset("Mute Lead", faustsynth.make_state({"osc1_shape": 1}))])
    (out / "Mute Lead.flac").write_bytes(b"mine")
    with pytest.raises(InputError, match=r"Mute Lead\.flac is there and isn't named"):
        render_bank(bank, replace(PLAN, retry=True), out, counting)
    (out / "Mute Lead.flac").unlink()
    assert render_bank(PresetBank.read(other), PLAN, out, counting).written == 1  # no file stands in its way


def test_a_preset_that_fails_now_leaves_no_sound_of_before(counting: Counting, tmp_path: Path) -> None:
    source = tmp_path / "some.faustpatch"
    for level in (0.8, 0):
        state = faustsynth.make_state({"osc1_level": level, "level": -48 if level == 0 else 0})
        native_format("faust").write(source, [Preset("Lead", state)])
        report = render_bank(PresetBank.read(source), PLAN, tmp_path / "out", counting)
    assert report.sounds == 0
    assert set(contents(tmp_path / "out")) == {NAME}


class Unsteady(Counting):
    """A real pool, but what a preset plays the second time it keeps to itself."""

    def render(self, jobs: Iterable[RenderJob]) -> Iterator[RenderResult]:
        before = {job.key for job in self.jobs}
        for result in super().render(jobs):
            again = result.job.key in before
            yield replace(result, clips=(), failure=Failure.SILENT, reason="No sound.") if again else result


def test_a_preset_that_fails_the_second_time_is_not_repeatable(
    bank: PresetBank, pool: RenderPool, tmp_path: Path
) -> None:
    report = render_bank(few(bank), PLAN, tmp_path / "out", Unsteady(pool))
    (repeats,) = report.trust.repeats
    assert (repeats.tried, repeats.exact, repeats.spread) == (2, 0, DEPTH_DB)
    assert sorted(filter(None, (entry.spread for entry in lines(tmp_path / "out")))) == [DEPTH_DB] * 2


def test_a_run_that_stops_before_a_failure_is_noted_leaves_no_sound_of_before(
    counting: Counting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Noted as failed with the file still there, it would be there for ever."""
    source = tmp_path / "some.faustpatch"
    native_format("faust").write(source, [Preset("Lead", faustsynth.make_state({}))])
    render_bank(PresetBank.read(source), PLAN, tmp_path / "out", counting)
    silent = faustsynth.make_state({"osc1_level": 0, "level": -48})
    native_format("faust").write(source, [Preset("Lead", silent)])
    unlink = Path.unlink

    def stop(path: Path, missing_ok: bool = False) -> None:
        if path.name == "Lead.flac":
            raise KeyboardInterrupt
        unlink(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", stop)
    with pytest.raises(KeyboardInterrupt):
        render_bank(PresetBank.read(source), PLAN, tmp_path / "out", counting)
    monkeypatch.undo()
    report = render_bank(PresetBank.read(source), PLAN, tmp_path / "out", counting)
    assert [entry.failure for entry in report.entries] == ["silent"]
    assert set(contents(tmp_path / "out")) == {NAME}
