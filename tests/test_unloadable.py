"""A plugin that can't be loaded, for want of a library of the system or of room on the disk say, is no verdict on its
presets: whatever was to be made of them is made once it can be."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from synthmatch.batch.batch import render_bank
from synthmatch.batch.batchplan import RenderPlan
from synthmatch.library import intake
from synthmatch.library.library import Library
from synthmatch.networks.encoder import Encoder, EncoderConfig
from synthmatch.notes import REFERENCE_NOTES, Performance
from synthmatch.presets.bank import PresetBank
from synthmatch.presets.catalogue import Engine, Isolation, Parameter, Synth, synths, synths_file
from synthmatch.presets.formats.fxp import FxFile
from synthmatch.presets.formats.vst2 import Vst2File
from synthmatch.presets.ownsynths import write_synth
from synthmatch.presets.preset import State
from synthmatch.presets.randompatches import random_patches
from synthmatch.renderers.pool import RenderPool
from synthmatch.renderers.renderer import Failure, RenderJob, RenderResult
from synthmatch.training.recorded.notebank import NoteBank

COUNT = 3
limited = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit to the files that a process writes")
PARAMETERS = tuple(Parameter(name, 0.5) for name in ("Shape", "Colour", "Master Tune", "Wet", "Wet 2"))


@pytest.fixture
def needed(tmp_path: Path) -> Path:
    """The library without which the plugin of ``bank`` can't be loaded."""
    return tmp_path / "libneeded.so"


@pytest.fixture
def bank(
    running_plugin: Callable[..., Path], needed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> PresetBank:
    """A bank of a compiled synth, whose library is put away."""
    monkeypatch.setenv("SYNTHMATCH_HOME", str(tmp_path / "home"))
    plugin = running_plugin(needs=needed)
    needed.rename(needed.with_suffix(".away"))
    row = Synth("runner", "Runner", Engine.PLUGIN, (".fxp",), "", Isolation.FORK, str(plugin), "RunS")
    row = replace(row, parameters=PARAMETERS, settle=0.1)
    write_synth(synths_file(), row)
    Vst2File(".fxb").write(tmp_path / "some.fxb", random_patches(row, COUNT))
    return PresetBank.read(tmp_path / "some.fxb")


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    config = EncoderConfig(channels=(8, 8, 8), blocks=(1, 1, 1), width=16, layers=1, heads=2, dimension=24)
    return Encoder(config).eval()


def come_back(library: Path) -> None:
    """As ``apt install`` does."""
    library.with_suffix(".away").rename(library)


def upgrade(library: Path) -> None:
    """As ``apt upgrade`` does that brings another build of the plugin, and not the library that it needs."""
    library.rename(library.with_suffix(".away"))
    plugin = Path(synths()["runner"].plugin)
    plugin.write_bytes(plugin.read_bytes() + b"another build")


def run_full(folder: Path, patch: pytest.MonkeyPatch, blocks: int = 0) -> None:
    """Let hosts write no files, or none above so many blocks, as on a full disk: a real limit, theirs alone."""
    python = folder / "python"
    python.write_text(f'#!/bin/sh\nulimit -f {blocks}\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    patch.setattr(sys, "executable", str(python))


class FillingPool(RenderPool):
    """Its disk is full when it has done the first of what it is asked for."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        super().__init__(1)
        self._folder, self._patch = folder, patch

    def render(self, jobs: Iterable[RenderJob]) -> Iterator[RenderResult]:
        yield from super().render(jobs)
        if not (self._folder / "python").exists():
            run_full(self._folder, self._patch)
        for pid in self.pids():
            os.kill(pid, signal.SIGKILL)


def test_a_pool_says_that_nothing_was_tried(bank: PresetBank) -> None:
    with RenderPool(1) as pool:
        results = list(pool.render(RenderJob(preset.state, REFERENCE_NOTES[:1]) for preset in bank))
    assert [result.failure for result in results] == [Failure.MISSING] * COUNT


def test_a_library_takes_the_bank_in_when_it_is_added_again(
    bank: PresetBank, needed: Path, tmp_path: Path, encoder: Encoder
) -> None:
    with Library.create(tmp_path / "library") as library:
        with RenderPool(1) as pool:
            report = library.add(bank, encoder=encoder, pool=pool)
        assert (report.rendered, len(report.trust.failures)) == (0, COUNT)
        assert report.trust.lines()[0] == f"Not tried, since their synth can't be loaded ({COUNT} presets):"
        assert library.estimate(bank).new_states == COUNT
        come_back(needed)
        with RenderPool(1) as pool:
            report = library.add(bank, encoder=encoder, pool=pool)
        assert (report.rendered, report.trust.failures, len(library)) == (COUNT, (), COUNT)


def test_a_library_keeps_the_sounds_of_before(bank: PresetBank, needed: Path, tmp_path: Path, encoder: Encoder) -> None:
    """Of a build of the plugin that could be loaded: of the next one, nothing can be tried."""
    come_back(needed)
    with Library.create(tmp_path / "library") as library:
        with RenderPool(1) as pool:
            before = library.add(bank, encoder=encoder, pool=pool)
        kept = library.rows.states(), library.rows.measures(), library.vectors.presence.tolist(), library.fingerprint
        upgrade(needed)
        with RenderPool(1) as pool:
            report = library.add(bank, encoder=encoder, pool=pool)
        now = library.rows.states(), library.rows.measures(), library.vectors.presence.tolist(), library.fingerprint
        assert now == kept
        assert (report.rendered, report.known, report.trust.repeats) == (0, COUNT, before.trust.repeats)
        assert {each.failure for each in report.trust.failures} == {Failure.MISSING.value}
        assert report.trust.lines()[0] == f"Not tried, since their synth can't be loaded ({COUNT} presets):"
        assert (library.verify(), len(library)) == ([], COUNT)
        assert all(library.sound(preset.id) for preset in bank)
        assert library.estimate(bank).new_states == COUNT
        come_back(needed)
        with RenderPool(1) as pool:
            report = library.add(bank, encoder=encoder, pool=pool)
        assert (report.rendered, report.trust.failures, len(library)) == (COUNT, (), COUNT)
        assert library.rows.states().keys() == kept[0].keys()
        assert all(row.renderer != kept[0][state].renderer for state, row in library.rows.states().items())
        assert (library.verify(), library.estimate(bank).new_states) == ([], 0)


class Ended(Exception):
    """Stands for the end of a process, wherever it is raised."""


def test_a_library_that_was_left_in_the_middle_of_another_build_has_no_vectors_of_the_first(
    bank: PresetBank, needed: Path, tmp_path: Path, encoder: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    come_back(needed)
    with Library.create(tmp_path / "library") as library:
        with RenderPool(1) as pool:
            library.add(bank, encoder=encoder, pool=pool)
        segments = {path.name for path in library.vectors.folder.glob("segment-*")}
    upgrade(needed)
    come_back(needed)

    def end(_: Library) -> None:
        raise Ended

    with monkeypatch.context() as patch, Library.open(tmp_path / "library") as library, RenderPool(1) as pool:
        patch.setattr(intake, "settle", end)
        with pytest.raises(Ended):
            library.add(bank, encoder=encoder, pool=pool)
    with Library.open(tmp_path / "library") as library, RenderPool(1) as pool:
        assert library.estimate(bank).new_states == 0  # their sound is there
        assert library.add(bank, encoder=encoder, pool=pool).rendered == 0
        assert segments.isdisjoint(path.name for path in library.vectors.folder.glob("segment-*"))
        assert (library.verify(), len(library)) == ([], COUNT)


def test_a_batch_that_goes_on_makes_their_files(bank: PresetBank, needed: Path, tmp_path: Path) -> None:
    plan, out = RenderPlan(Performance.single(60, 100, 0.4, 0.2)), tmp_path / "out"
    with RenderPool(1) as pool:
        assert len(render_bank(bank, plan, out, pool).trust.failures) == COUNT
    come_back(needed)
    with RenderPool(1) as pool:
        report = render_bank(bank, plan, out, pool)
    assert report.trust.failures == ()
    assert [(out / entry.file).is_file() for entry in report.entries] == [True] * COUNT


def test_a_batch_keeps_the_files_of_before(bank: PresetBank, needed: Path, tmp_path: Path) -> None:
    """Of a build of the plugin that could be loaded: of the next one, nothing can be tried."""
    plan, out = RenderPlan(Performance.single(60, 100, 0.4, 0.2)), tmp_path / "out"
    come_back(needed)
    with RenderPool(1) as pool:
        render_bank(bank, plan, out, pool)
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    upgrade(needed)
    for each in (plan, replace(plan, performance=Performance.single(48, 100, 0.4, 0.2))):
        with RenderPool(1) as pool:
            report = render_bank(bank, each, out, pool)
        assert {path.name: path.read_bytes() for path in out.iterdir()} == before
        assert (report.written, report.kept, report.untried, report.others) == (0, 0, COUNT, 0)
        assert {entry.failure for entry in report.entries} == {Failure.MISSING.value}
        assert len(report.trust.failures) == COUNT
        left = f"{COUNT} files of an earlier run left there, since their synth can't be loaded now."
        assert left in report.lines()
    come_back(needed)
    with RenderPool(1) as pool:
        report = render_bank(bank, plan, out, pool)
    assert (report.written, report.untried, report.trust.failures) == (COUNT, 0, ())


def test_a_recording_notes_nothing_of_them(bank: PresetBank, needed: Path, tmp_path: Path) -> None:
    states = {preset.id: preset.state for preset in bank}
    plans = dict.fromkeys(states, REFERENCE_NOTES)
    notes = NoteBank(tmp_path / "notes")
    with RenderPool(1) as pool:
        notes.record(states, plans, pool.render)
    assert not notes.recorded
    come_back(needed)
    with RenderPool(1) as pool:
        notes.record(states, plans, pool.render)
    assert all(key in notes for key in states)


@limited
def test_a_host_without_room_is_no_verdict(
    bank: PresetBank, needed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, encoder: Encoder
) -> None:
    come_back(needed)
    with Library.create(tmp_path / "library") as library:
        with monkeypatch.context() as patch, RenderPool(1) as pool:
            run_full(tmp_path, patch)
            failures = library.add(bank, encoder=encoder, pool=pool).trust.failures
        assert {each.failure for each in failures} == {Failure.MISSING.value}
        remedy = f"make room in {tempfile.gettempdir()}, or name another folder in TMPDIR."
        assert {each.reason for each in failures} == {
            f"No process can be made ready for Runner (File too large); {remedy}"
        }
        with RenderPool(1) as pool:
            report = library.add(bank, encoder=encoder, pool=pool)
        assert (report.rendered, report.trust.failures) == (COUNT, ())


@limited
def test_a_state_that_cannot_be_handed_over_was_not_tried(
    bank: PresetBank, needed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    come_back(needed)
    run_full(tmp_path, monkeypatch, blocks=2)
    state = State("runner", FxFile("RunS", bytes(100_000)).encode())
    with RenderPool(1) as pool:
        large, small = pool.render([RenderJob(state, REFERENCE_NOTES[:1]), RenderJob(bank.presets[0].state)])
    assert (large.failure, small.failure) == (Failure.MISSING, None)
    words = f"runner can't be handed state {state.id} (File too large); make room in {tempfile.gettempdir()}, or"
    assert large.reason.startswith(words)


@limited
def test_a_second_time_without_room_says_nothing_of_the_first(
    bank: PresetBank, needed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, encoder: Encoder
) -> None:
    come_back(needed)
    plan, out = RenderPlan(Performance.single(60, 100, 0.4, 0.2)), tmp_path / "out"
    with Library.create(tmp_path / "library") as library:
        with monkeypatch.context() as patch, FillingPool(tmp_path, patch) as pool:
            report = library.add(bank, encoder=encoder, pool=pool)
        assert (report.rendered, report.trust.repeats) == (COUNT, ())
        with RenderPool(1) as pool:
            (repeats,) = library.add(bank, encoder=encoder, pool=pool).trust.repeats
        assert repeats.exact == repeats.tried > 0
    (tmp_path / "python").unlink()
    with monkeypatch.context() as patch, FillingPool(tmp_path, patch) as pool:
        assert render_bank(bank, plan, out, pool).trust.repeats == ()
    with RenderPool(1) as pool:
        (repeats,) = render_bank(bank, plan, out, pool).trust.repeats
    assert repeats.exact == repeats.tried > 0
