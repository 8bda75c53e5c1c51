"""Several commands and one folder of recordings: `synthmatch train` and `synthmatch evaluate` share theirs."""

from dataclasses import replace

import numpy as np
import pytest

from synthmatch.errors import InputError, TrainingError
from synthmatch.notes import REFERENCE_NOTES
from synthmatch.presets import faustsynth
from synthmatch.presets.formats.faustpatch import FaustPatch
from synthmatch.presets.preset import Preset
from synthmatch.renderers.pool import RenderPool
from synthmatch.training.recorded.dataplan import DataPlan
from synthmatch.training.recorded.notebank import NoteBank
from synthmatch.training.recorded.recording import Recording, Session, gather
from synthmatch.training.recorded.shards import recording_into
from synthmatch.training.split import SIDES

STATES = [faustsynth.make_state({"filter_cutoff": cutoff}) for cutoff in (300.0, 9000.0)]


@pytest.fixture(scope="module")
def plans(tmp_path_factory):
    """For each state a plan for a bank of its own."""
    folder = tmp_path_factory.mktemp("banks")
    plans = []
    for number, state in enumerate(STATES):
        bank = folder / f"{number}.faustpatch"
        FaustPatch().write(bank, [Preset("Bass", state)])
        plans.append(DataPlan(0, synths=("faust",), banks=(bank,), own_only=True))
    return plans


def refuse(_):
    raise AssertionError("something is recorded")


def test_who_opened_a_folder_before_another_recorded_there_leaves_its_sound(plans, tmp_path):
    opened = [Recording(tmp_path / "data", plan) for plan in plans]
    with RenderPool(1) as pool:
        corpora = [recording.record(Session(pool)) for recording in opened]
        for plan, state, corpus in zip(plans, STATES, corpora, strict=True):
            alone = Recording(tmp_path / state.id, plan).record(Session(pool))
            assert set(corpus.labels) == {state.id}
            sound = NoteBank(tmp_path / "data" / "notes-0").notes(state.id)
            assert np.array_equal(sound, alone.notes.notes(state.id))


def test_so_does_a_bank_of_notes_by_itself(tmp_path):
    banks = [NoteBank(tmp_path) for _ in STATES]
    with RenderPool(1) as pool:
        for bank, state in zip(banks, STATES, strict=True):
            bank.record({state.id: state}, {state.id: REFERENCE_NOTES}, pool.render)
    found = NoteBank(tmp_path)
    assert set(found.recorded) == {state.id for state in STATES}
    for bank, state in zip(banks, STATES, strict=True):
        assert np.array_equal(bank.notes(state.id), found.notes(state.id))
    assert not np.array_equal(*(found.notes(state.id) for state in STATES))


def test_one_command_at_a_time_records_into_a_folder(plans, tmp_path):
    """Who finds everything there already goes on."""
    known = gather(tmp_path, plans[0], 1, for_benchmark=False)
    with recording_into(tmp_path):
        assert gather(tmp_path, plans[0], 1, for_benchmark=False).labels == known.labels
        for further in (plans[1], replace(plans[0], phrases=1, phrase_sides=SIDES)):
            with pytest.raises(TrainingError, match=r"Another command records into .*; wait for its end\.$"):
                gather(tmp_path, further, 1, for_benchmark=False)
    assert not (tmp_path / "phrases-1").exists()


def test_nobody_else_records_into_a_bank_of_notes(tmp_path):
    state = STATES[0]
    with recording_into(tmp_path), pytest.raises(TrainingError, match="Another command records into"):
        NoteBank(tmp_path).record({state.id: state}, {state.id: REFERENCE_NOTES}, refuse)


def test_where_nothing_is_recorded_no_folder_is_made(plans, tmp_path):
    gather(tmp_path / "data", plans[0], 1, for_benchmark=False, stop=lambda: True)
    NoteBank(tmp_path / "notes").record({}, {}, refuse)
    state = STATES[0]
    NoteBank(tmp_path / "notes").record({state.id: state}, {state.id: REFERENCE_NOTES}, refuse, stop=lambda: True)
    assert not list(tmp_path.iterdir())


def test_a_damaged_lock_is_not_taken_for_another_command(tmp_path):
    (tmp_path / "lock.sqlite").write_bytes(b"something else" * 100)
    with pytest.raises(InputError, match=r"lock\.sqlite is damaged; delete it"), recording_into(tmp_path):
        pass
