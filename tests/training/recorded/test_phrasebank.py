import numpy as np
import pytest

from synthmatch.presets.bank import PresetBank
from synthmatch.presets.families import FAMILIES
from synthmatch.presets.faustsynth import factory_bank_path
from synthmatch.renderers.pool import RenderPool
from synthmatch.training.recorded.phrasebank import LENGTH, SECONDS, PhraseBank, phrase_job, phrases

ID = "0123456789abcdef0123"


@pytest.fixture(scope="module")
def presets():
    found = {}
    for preset in PresetBank.read(factory_bank_path()):
        found.setdefault(preset.family, preset)
    return [found["bass"], found["pad"]]


@pytest.fixture(scope="module")
def bank(presets, tmp_path_factory):
    bank = PhraseBank(tmp_path_factory.mktemp("phrases"))
    record(bank, presets)
    return bank


def record(bank, presets, render=None, stop=None, count=2):
    rows = {preset.id: preset for preset in presets}

    def job(key):
        return phrase_job(rows[key].state, phrases(rows[key].family, key, count))

    if render is not None:
        bank.record_jobs(list(rows), job, render, stop=stop)
        return
    with RenderPool(1) as pool:
        bank.record_jobs(list(rows), job, pool.render, stop=stop)


@pytest.mark.parametrize("family", FAMILIES)
def test_phrases_last_ten_seconds_and_keep_to_the_family(family):
    for each in phrases(family, ID, 3):
        assert each.seconds == pytest.approx(SECONDS)
        assert all(FAMILIES[family].low <= note.pitch <= FAMILIES[family].high for note in each.notes)


def test_phrases_depend_on_the_state_alone_and_more_of_them_begin_alike():
    assert phrases("lead", ID, 3)[:2] == phrases("lead", ID, 2)
    assert phrases("lead", ID, 2) != phrases("lead", ID[::-1], 2)
    first, second = phrases("lead", ID, 2)
    assert first.notes != second.notes


def test_a_bank_that_is_opened_again_says_what_was_played(bank, presets):
    again = PhraseBank(bank.folder)
    for preset in presets:
        assert again.stems(preset.id).shape == (2, LENGTH)
        assert again.stems(preset.id).dtype == np.int16
        assert np.abs(again.stems(preset.id).astype(int)).max() == 32767
        assert again.notes(preset.id) == phrases(preset.family, preset.id, 2)


def test_what_is_kept_is_what_the_synth_played(bank, presets):
    preset = presets[0]
    with RenderPool(1) as pool:
        (result,) = pool.render([phrase_job(preset.state, bank.notes(preset.id))])
    heard = np.stack([clip.heard()[:LENGTH] for clip in result.clips])
    assert np.abs(heard / np.abs(heard).max() - bank.stems(preset.id) / 32767).max() < 1e-4


def test_a_stopped_recording_goes_on(presets, tmp_path):
    asked = iter((False, True))
    record(PhraseBank(tmp_path), presets, stop=lambda: next(asked), count=1)
    assert set(PhraseBank(tmp_path).recorded) == {presets[0].id}
    played = []

    def count(jobs):
        with RenderPool(1) as pool:
            for result in pool.render(jobs):
                played.append(result.job.state.id)
                yield result

    record(PhraseBank(tmp_path), presets, count, count=1)
    assert played == [presets[1].id]
    assert set(PhraseBank(tmp_path).recorded) == {preset.id for preset in presets}


@pytest.mark.parametrize("cut", [1, 20, 60])
def test_a_line_that_a_kill_cut_costs_one_preset(bank, presets, tmp_path, cut):
    for file in bank.folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    journal = tmp_path / "phrases.jsonl"
    journal.write_bytes(journal.read_bytes()[:-cut])
    torn = PhraseBank(tmp_path)
    assert list(torn.recorded) == list(bank.recorded)[:-1]
    record(torn, presets)
    whole = PhraseBank(tmp_path)
    assert set(whole.recorded) == set(bank.recorded)
    for preset in presets:
        assert (whole.stems(preset.id) == bank.stems(preset.id)).all()
