"""Whole banks into folders: names, levels, and nobody's files overwritten."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from synthmatch import audio
from synthmatch.batch import batch
from synthmatch.batch.batch import SCRATCH, _working, render_bank
from synthmatch.batch.batchplan import Effects, RenderPlan, survey
from synthmatch.batch.manifest import NAME, RENDERED, Entry, Manifest
from synthmatch.batch.mastering import Format, Level
from synthmatch.errors import AudioError, FolderBusy, InputError
from synthmatch.files import file_hash
from synthmatch.locking import write_lock
from synthmatch.notes import Performance
from synthmatch.phrases import chord
from synthmatch.presets import faustsynth
from synthmatch.presets.bank import PresetBank
from synthmatch.presets.catalogue import SYNTHS
from synthmatch.presets.formats import native_format
from synthmatch.presets.preset import Preset
from synthmatch.renderers.pool import RenderPool
from synthmatch.renderers.renderer import RenderJob
from synthmatch.renderers.synths import bank_folders, is_installed

PLAN = RenderPlan(Performance.single(60, 100, 0.4, 0.2))


def lines(folder: Path) -> list[Entry]:
    return list(Manifest(folder / NAME).entries.values())


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a folder."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def few(bank: PresetBank, count: int = 3) -> PresetBank:
    return PresetBank(bank.presets[:count])


def test_the_manifest_tells_the_truth_about_every_file(bank: PresetBank, pool: RenderPool, tmp_path: Path) -> None:
    report = render_bank(bank, PLAN, tmp_path / "out", pool)
    entries = lines(tmp_path / "out")
    assert entries == list(report.entries)
    assert [entry.file for entry in entries] == [f"{preset.name}.flac" for preset in bank]  # in the bank's order
    assert set(contents(tmp_path / "out")) == {NAME, *(entry.file for entry in entries)}
    jobs = {job.key: job for job in (RenderJob(preset.state, (PLAN.performance,)) for preset in bank)}
    for preset, entry in zip(bank, entries, strict=True):
        path = tmp_path / "out" / entry.file
        clip = audio.read(path)
        assert entry.sound is not None
        assert (entry.status, entry.sound.hash, entry.sound.level) == (RENDERED, file_hash(path), "as played")
        assert (entry.sound.seconds, entry.sound.sample_rate, entry.sound.channels) == (clip.seconds, 44_100, 2)
        assert entry.sound.peak_db == audio.decibels(clip.peak)
        assert (entry.preset, entry.name, entry.bank, entry.synth) == (preset.id, preset.name, "nine", "faust")
        assert (entry.source, entry.slot, entry.source_hash) == (str(preset.file), preset.slot, file_hash(preset.file))
        assert (entry.family, entry.label_source) == (preset.family, preset.label_source)
        assert entry.performance == PLAN.performance
        assert jobs[entry.job].state == preset.state
    assert sum(entry.spread == 0.0 for entry in entries) == 2  # the sample that was rendered twice
    assert (report.written, report.kept, report.sounds) == (9, 0, 9)


@pytest.mark.parametrize("form", Format)
def test_a_file_plays_what_the_synth_played(form: Format, bank: PresetBank, pool: RenderPool, tmp_path: Path) -> None:
    some = few(bank)
    render_bank(some, replace(PLAN, form=form), tmp_path, pool)
    jobs = {RenderJob(preset.state, (PLAN.performance,)): preset for preset in some}
    for result in pool.render(jobs):
        (clip,) = result.clips
        heard = audio.read(tmp_path / f"{jobs[result.job].name}{form.suffix}")
        assert heard.samples.shape == clip.samples.shape
        allowed = {Format.WAV: 0.0, Format.FLAC: 2.0**-23, Format.OGG: 0.25 * clip.peak}[form]
        assert np.abs(heard.samples - clip.samples).max() <= allowed


def test_a_loud_preset_does_not_clip_and_the_others_keep_their_level(pool: RenderPool, tmp_path: Path) -> None:
    source = tmp_path / "levels.faustpatch"
    presets = [Preset(name, faustsynth.make_state({"level": level})) for name, level in (("soft", -20), ("loud", 24))]
    native_format("faust").write(source, presets)
    plan = replace(PLAN, performance=chord((48, 55, 60), 127, 0.4, 0.2))
    report = render_bank(PresetBank.read(source), plan, tmp_path / "flac", pool)
    render_bank(PresetBank.read(source), replace(plan, form=Format.WAV), tmp_path / "wav", pool)
    soft, loud = report.entries
    assert soft.sound is not None
    assert loud.sound is not None
    assert (soft.sound.gain, soft.sound.level) == (1.0, Level.AS_PLAYED.value)
    assert loud.sound.level == Level.SCALED_DOWN.value
    truth, heard = audio.read(tmp_path / "wav" / "loud.wav"), audio.read(tmp_path / "flac" / "loud.flac")
    assert truth.peak > 1
    assert heard.peak <= 1
    assert np.abs(heard.samples / loud.sound.gain - truth.samples).max() <= 2.0**-22 / loud.sound.gain
    assert "1 file would have clipped and got scaled down; the manifest says by how much." in report.lines()


def test_with_and_without_effects(pool: RenderPool, tmp_path: Path) -> None:
    source = tmp_path / "wet.faustpatch"
    values = {"osc1_shape": 1, "reverb_mix": 0.8}
    native_format("faust").write(source, [Preset("Hall", faustsynth.make_state(values))])
    bank = PresetBank.read(source)
    report = render_bank(bank, replace(PLAN, effects=Effects.BOTH), tmp_path / "both", pool)
    assert [entry.file for entry in report.entries] == ["Hall.flac", "Hall (effects off).flac"]
    wet, dry = (audio.read(tmp_path / "both" / entry.file) for entry in report.entries)
    assert np.abs(wet.samples - dry.samples).max() > 0.01
    native_format("faust").write(source, [Preset("Hall", faustsynth.make_state(values | {"reverb_mix": 0}))])
    render_bank(PresetBank.read(source), PLAN, tmp_path / "dry", pool)
    assert np.array_equal(audio.read(tmp_path / "dry" / "Hall.flac").samples, dry.samples)
    alone = render_bank(bank, replace(PLAN, effects=Effects.OFF), tmp_path / "both", pool)
    assert (alone.written, alone.kept, alone.others) == (0, 1, 1)


def test_the_order_and_the_number_of_workers_change_nothing(bank: PresetBank, pool: RenderPool, tmp_path: Path) -> None:
    render_bank(bank, PLAN, tmp_path / "one", pool)
    with RenderPool(2) as two:
        render_bank(PresetBank(bank.presets[::-1]), PLAN, tmp_path / "two", two)
    assert lines(tmp_path / "one") == lines(tmp_path / "two")[::-1]
    first, second = contents(tmp_path / "one"), contents(tmp_path / "two")
    assert sorted(first.pop(NAME).splitlines()) == sorted(second.pop(NAME).splitlines())
    assert first == second


def test_files_of_others_are_never_overwritten(bank: PresetBank, pool: RenderPool, tmp_path: Path) -> None:
    mine = tmp_path / f"{bank.presets[1].name}.flac"
    mine.write_bytes(b"mine")
    (tmp_path / "notes.txt").write_bytes(b"mine, too")
    with pytest.raises(InputError, match=r"is there and isn't named in .*manifest\.jsonl; move it"):
        render_bank(bank, PLAN, tmp_path, pool)
    assert contents(tmp_path) == {mine.name: b"mine", "notes.txt": b"mine, too"}
    mine.unlink()
    render_bank(few(bank), PLAN, tmp_path, pool)
    assert (tmp_path / "notes.txt").read_bytes() == b"mine, too"


def test_another_bank_of_the_same_names_is_refused(
    bank_writer: Callable[..., PresetBank], pool: RenderPool, tmp_path: Path
) -> None:
    render_bank(bank_writer(tmp_path / "first.faustpatch", 2), PLAN, tmp_path / "out", pool)
    before = contents(tmp_path / "out")
    with pytest.raises(InputError, match=r"is a sound of the bank first \(faust\); choose another folder"):
        render_bank(bank_writer(tmp_path / "second.faustpatch", 2), PLAN, tmp_path / "out", pool)
    assert contents(tmp_path / "out") == before


def test_another_bank_of_the_same_name_is_refused(
    bank_writer: Callable[..., PresetBank], pool: RenderPool, tmp_path: Path
) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    first, second = tmp_path / "a" / "Bass.faustpatch", tmp_path / "b" / "Bass.faustpatch"
    render_bank(bank_writer(first, 2), PLAN, tmp_path / "out", pool)
    before = contents(tmp_path / "out")
    names = [Preset(preset.name, faustsynth.make_state({"level": -3})) for preset in PresetBank.read(first)]
    native_format("faust").write(second, names)
    said = rf"is a sound of {first}, which {second} would replace; choose another folder"
    with pytest.raises(InputError, match=said):
        survey(PresetBank.read(second), PLAN, tmp_path / "out")
    with pytest.raises(InputError, match=said):
        render_bank(PresetBank.read(second), PLAN, tmp_path / "out", pool)
    assert contents(tmp_path / "out") == before
    first.unlink()  # moved, and edited
    survey(PresetBank.read(second), PLAN, tmp_path / "out")
    first.symlink_to(second)  # another name of the same file
    assert render_bank(PresetBank.read(second), PLAN, tmp_path / "out", pool).written == 2


def test_presets_of_one_bank_and_name_may_change_places(pool: RenderPool, tmp_path: Path) -> None:
    """A file for each preset: what is called Lead.flac is another file's once one is put before it."""
    form, folder = native_format("faust"), tmp_path / "Leads"
    folder.mkdir()
    for file, level in (("2", -3), ("1", -6)):
        form.write(folder / f"{file}.faustpatch", [Preset("Lead", faustsynth.make_state({"level": level}))])
        bank = PresetBank(tuple(replace(each, bank="Leads") for each in PresetBank.read(folder)))
        report = render_bank(bank, PLAN, tmp_path / "out", pool)
    assert [entry.file for entry in report.entries] == ["Lead.flac", "Lead (2).flac"]
    assert [Path(entry.source).stem for entry in report.entries] == ["1", "2"]


def test_a_file_where_the_folder_of_a_bank_is_to_be(
    bank_writer: Callable[..., PresetBank], pool: RenderPool, tmp_path: Path
) -> None:
    banks = [bank_writer(tmp_path / f"{name}.faustpatch", 1) for name in ("Bass", "Lead")]
    bank, out = PresetBank(tuple(preset for each in banks for preset in each)), tmp_path / "out"
    out.mkdir()
    (out / "Lead").write_bytes(b"mine")
    for attempt in (lambda: survey(bank, PLAN, out), lambda: render_bank(bank, PLAN, out, pool)):
        with pytest.raises(InputError, match=r"Lead is a file, where the folder of the bank Lead \(faust\) is to be"):
            attempt()
    assert contents(out) == {"Lead": b"mine"}


def test_a_folder_that_cannot_be_used(bank: PresetBank, pool: RenderPool, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(InputError, match="file is a file; name a folder"):
        render_bank(bank, PLAN, tmp_path / "file", pool)
    (tmp_path / "busy" / SCRATCH).mkdir(parents=True)
    with (
        write_lock(tmp_path / "busy" / SCRATCH),
        pytest.raises(InputError, match=r"Another run is writing into .*busy"),
    ):
        render_bank(bank, PLAN, tmp_path / "busy", pool)
    scratch = tmp_path / "out" / SCRATCH
    scratch.mkdir(parents=True)
    (scratch / "lock.sqlite").write_bytes(b"something else" * 100)
    said = rf"^{scratch} can't be used \(file is not a database\); delete it, nothing finished is in it\.$"
    with pytest.raises(InputError, match=said):
        render_bank(bank, PLAN, tmp_path / "out", pool)
    with pytest.raises(AudioError, match="choose one from -60 to 0"):
        render_bank(bank, replace(PLAN, normalise=3.0), tmp_path / "never", pool)
    assert not (tmp_path / "never").exists()


@pytest.mark.skipif(os.name == "nt", reason="Windows deletes nothing that is open, so the lock goes first there")
def test_no_other_run_begins_before_the_last_ones_folder_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused: list[Path] = []

    def removing(folder: Path, ignore_errors: bool) -> None:
        with pytest.raises(FolderBusy, match="Another synthmatch is writing"), write_lock(folder):
            pass
        refused.append(folder)
        remove(folder, ignore_errors)

    remove = shutil.rmtree
    monkeypatch.setattr(shutil, "rmtree", removing)
    with _working(tmp_path) as scratch:
        assert refused == []
    assert refused == [scratch]
    assert list(tmp_path.iterdir()) == []


def test_a_lock_whose_folder_went_in_that_moment_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    @contextlib.contextmanager
    def late(folder: Path) -> Iterator[None]:
        with write_lock(folder):
            shutil.rmtree(folder, ignore_errors=True)  # another run's end
            yield

    monkeypatch.setattr(batch, "write_lock", late)
    with pytest.raises(InputError, match="Another run is writing into"), _working(tmp_path):
        pass


def test_the_report_as_json_is_json(bank: PresetBank, pool: RenderPool, tmp_path: Path) -> None:
    report = render_bank(few(bank), PLAN, tmp_path, pool)
    document = json.loads(json.dumps(report.to_json()))
    assert document["written"] == 3
    assert document["levels"]["as played"] == 3
    assert document["trust"]["presets"] == 3
    assert Manifest(Path(document["manifest"])).entries.keys() == {entry.file for entry in report.entries}


@pytest.mark.plugin
def test_real_plugins_in_one_run(pool: RenderPool, tmp_path: Path) -> None:
    rows = [SYNTHS[synth] for synth in ("amsynth", "zynaddsubfx")]
    if not all(is_installed(row) and bank_folders(row) for row in rows):
        pytest.skip("amsynth and ZynAddSubFX aren't both on this machine: install Debian's packages to test them")
    (amsynth, zyn) = (sorted(file for folder in bank_folders(row) for file in folder.rglob("*")) for row in rows)
    bass = [file for file in zyn if file.suffix == ".xiz" and file.parent.name == "Bass"][:2]
    bank = PresetBank.read(*bass, next(file for file in amsynth if file.suffix == ".bank"))
    bank = PresetBank(bank.presets[:4])
    plan = replace(PLAN, effects=Effects.BOTH, normalise=-24.0)
    report = render_bank(bank, plan, tmp_path, pool)
    assert (report.written, report.sounds) == (8, 8), report.lines()
    assert {Path(entry.file).parent.name for entry in report.entries} == {preset.bank for preset in bank}
    for entry in report.entries:
        assert entry.sound is not None
        assert entry.sound.loudness is not None
        assert entry.sound.level == "peak-limited" or entry.sound.loudness == pytest.approx(-24, abs=0.05)
        assert entry.sound.peak_db <= -1
    assert all(each.exact == each.tried for each in report.trust.repeats)
    before = contents(tmp_path)
    assert render_bank(bank, plan, tmp_path, pool).kept == 8
    assert contents(tmp_path) == before
