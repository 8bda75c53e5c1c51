import shutil

import numpy as np
import pytest

from synthmatch.audio import ENCODER_RATE
from synthmatch.errors import TrainingError
from synthmatch.notes import REFERENCE_NOTES, Note
from synthmatch.presets.families import FAMILIES
from synthmatch.presets.preset import State
from synthmatch.renderers.renderer import Failure, RenderResult
from synthmatch.training.recorded.notebank import LENGTH, REFERENCES, NoteBank, plan


def test_plans_begin_with_the_reference_notes_and_stay_in_range():
    for key, family in FAMILIES.items():
        planned = plan(key, "0123456789abcdef0123", 6)
        assert planned[:REFERENCES] == REFERENCE_NOTES
        assert len(planned) == REFERENCES + 6
        assert all(family.low <= each.notes[0].pitch <= family.high for each in planned[REFERENCES:])


def test_a_benchmark_plan_holds_every_pitch_of_the_range_once():
    pitches = [each.notes[0].pitch for each in plan("bass", "0" * 20, None)[REFERENCES:]]
    assert pitches == list(range(FAMILIES["bass"].low, FAMILIES["bass"].high + 1))


def test_plans_depend_on_the_state_alone():
    assert plan("lead", "ab" * 10, 5) == plan("lead", "ab" * 10, 5)
    assert plan("lead", "ab" * 10, 5) != plan("lead", "cd" * 10, 5)


def test_notes_are_found_again_after_reopening(notes):
    again = NoteBank(notes.bank.folder)
    assert again.recorded == notes.bank.recorded
    for key in again.recorded:
        assert (again.notes(key) == notes.bank.notes(key)).all()
        assert again.notes(key).shape == (REFERENCES + 2, LENGTH)
        assert again.references(key).shape == (REFERENCES, round(REFERENCE_NOTES[0].seconds * ENCODER_RATE))
        assert np.abs(again.notes(key)).max() == 32767


@pytest.mark.parametrize("kept", [0, 60, -100, None], ids=["nothing", "half of its head", "most", "no file"])
def test_sound_that_is_damaged_is_named(notes, tmp_path, kept):
    """As by a copy that was interrupted."""
    folder = shutil.copytree(notes.bank.folder, tmp_path / "notes")
    again = NoteBank(folder)
    path = folder / "notes-0.npy"
    data = path.read_bytes()
    path.unlink()
    if kept is not None:
        path.write_bytes(data[:kept])
    with pytest.raises(TrainingError, match=r"notes-0\.npy is missing or damaged; copy it again"):
        again.notes(next(key for key in again.recorded if key in again))


def test_what_is_recorded_is_not_recorded_again(notes):
    def refuse(jobs):
        for job in jobs:
            raise AssertionError(f"{job.state.id} was rendered again")
        return iter(())

    notes.bank.record(dict.fromkeys(notes.bank.recorded), {}, refuse)


def test_presets_that_took_too_long_are_tried_again_and_silent_ones_are_not(tmp_path):
    states = {name: State("faust", name.encode()) for name in ("slow", "silent")}
    failures = {states["slow"]: Failure.TIMEOUT, states["silent"]: Failure.SILENT}
    asked = []

    def fail(jobs):
        for job in jobs:
            asked.append(job.state)
            yield RenderResult(job, failure=failures[job.state], reason="no sound")

    plans = {state.id: REFERENCE_NOTES for state in states.values()}
    for _ in range(2):
        NoteBank(tmp_path).record({state.id: state for state in states.values()}, plans, fail)
    assert asked == [states["slow"], states["silent"], states["slow"]]
    assert states["silent"].id not in NoteBank(tmp_path)


def test_the_nearest_note_is_the_nearest_pitch(notes):
    key = notes.presets["lead"][0]
    row = notes.bank.recorded[key]
    for place, (pitch, velocity) in enumerate(zip(row.pitches, row.velocities, strict=True)):
        first = list(zip(row.pitches, row.velocities, strict=True)).index((pitch, velocity))
        if first == place:
            expected = notes.bank.notes(key)[place] / np.float32(32767)
            assert (notes.bank.nearest(key, Note(0.0, pitch, velocity, 9.0)) == expected).all()
    low = notes.bank.nearest(key, Note(0.0, 0, 100, 9.0))
    assert (low == notes.bank.notes(key)[int(np.argmin(row.pitches))] / np.float32(32767)).all()


def test_a_damaged_journal_is_named(tmp_path):
    (tmp_path / "notes.jsonl").write_text('{"id": "a", "shard"\n')
    with pytest.raises(TrainingError, match=r"notes\.jsonl, line 1, is damaged"):
        NoteBank(tmp_path)
