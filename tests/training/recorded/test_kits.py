"""Drum kits: none of the benchmark's is learnt from, by whatever name; what is recorded of others is what sounds."""

from dataclasses import replace

import numpy as np
import pytest

from synthmatch.presets.bank import PresetBank
from synthmatch.presets.catalogue import SYNTHS
from synthmatch.renderers.pool import RenderPool
from synthmatch.renderers.synths import bank_folders, is_installed
from synthmatch.training.recorded.corpus import open_corpus
from synthmatch.training.recorded.dataplan import DataPlan
from synthmatch.training.recorded.drums import CLOSED, DRUMS, KICK, OPEN, SNARE, SOUNDFONT, installed_kits
from synthmatch.training.recorded.kits import PITCHES, ROLES, KitGate, kit_job, mixed_kit
from synthmatch.training.recorded.notebank import LENGTH, NoteBank
from synthmatch.training.recorded.recording import Recording, Session
from synthmatch.training.recorded.shards import recording_into
from synthmatch.training.recorded.stock import stock


@pytest.fixture(scope="module")
def font():
    """Debian's SoundFont, on whose kits the benchmark's songs are beaten."""
    row = SYNTHS["soundfont"]
    there = [folder / SOUNDFONT for folder in bank_folders(row) if (folder / SOUNDFONT).exists()]
    if not is_installed(row) or not there:
        pytest.skip("no SoundFont here: install Debian's timgm6mb-soundfont and tinysoundfont")
    return there[0]


@pytest.fixture(scope="module")
def kits(font, tmp_path_factory):
    """Its kits, recorded as another SoundFont's would be."""
    states = {preset.id: preset.state for preset in PresetBank.read(font) if preset.category == "kit"}
    bank = NoteBank(tmp_path_factory.mktemp("kits"))
    with RenderPool(1) as pool, recording_into(bank.folder):
        bank.record_jobs(list(states), lambda key: kit_job(states[key]), pool.render)
    return bank


def test_the_benchmark_s_kits_are_neither_presets_nor_kits_of_the_stock(font):
    names = {preset.id: preset.category for preset in PresetBank.read(font)}
    found = stock(DataPlan(synths=("soundfont",)))
    assert "kit" in names.values()
    assert not {key for key, category in names.items() if category == "kit"} & set(found.states)
    assert not set(names) & set(found.kits)
    assert found.labels


def test_another_file_s_kits_are_in_stock_and_those_with_a_hit_of_the_benchmark_s_are_refused(font, tmp_path):
    copied = tmp_path / "mine.sf2"
    copied.write_bytes(font.read_bytes())
    plan = DataPlan(notes=0, synths=("soundfont",), banks=(copied,), own_only=True)
    kept = {preset.id for preset in PresetBank.read(copied) if preset.category == "kit"}
    recording = Recording(tmp_path / "data", plan)
    assert set(stock(plan).kits) == kept
    assert "drum kits: " in " ".join(map(str, recording.estimate(1)))
    few = dict(list(recording.states.items())[:1])
    recording.states = few
    recording.labels = {key: recording.labels[key] for key in few}
    with RenderPool(1) as pool:
        corpus = recording.record(Session(pool))
    assert corpus.kits.ids == []
    reasons = {row.failure for row in corpus.kits.recorded.values()}
    assert set(corpus.kits.recorded) == kept
    assert all("holds a hit of the benchmark's kit" in reason for reason in reasons)
    assert recording.estimate(1) == ()
    assert set(open_corpus(tmp_path / "data", 0).kits.recorded) == kept


def test_a_kit_is_refused_for_one_hit_alone_however_loud_it_is(font):
    mine, *others = installed_kits()
    states = {preset.name: preset.state for preset in PresetBank.read(font) if preset.category == "kit"}
    with RenderPool(1) as pool:
        (result,) = pool.render([kit_job(states[mine.name])])
    gate = KitGate([replace(mine, hits={KICK: mine.hits[KICK]})])
    assert mine.name in gate.refusal("", result)
    quiet = tuple(replace(clip, samples=clip.samples * np.float32(0.1)) for clip in result.clips)
    assert mine.name in gate.refusal("", replace(result, clips=quiet))
    backwards = {KICK: np.ascontiguousarray(mine.hits[KICK][::-1])}
    assert KitGate([replace(mine, hits=backwards)]).refusal("", result) == ""
    assert others


def test_a_mixed_kit_s_drums_are_hits_that_may_stand_for_them(kits):
    assert set(ROLES) == set(DRUMS)
    hits = {(pitch, hit.tobytes()) for key in kits.ids for pitch, hit in zip(PITCHES, kits.notes(key), strict=True)}
    several = set()
    for seed in range(20):
        kit = mixed_kit(np.random.default_rng(seed), kits)
        again = mixed_kit(np.random.default_rng(seed), kits)
        for role in (KICK, SNARE, CLOSED, OPEN):
            hit = np.rint(kit.hits[role] * 32767).astype(np.int16)
            assert hit.shape == (LENGTH,)
            assert any((pitch, hit.tobytes()) in hits for pitch in ROLES[role])
            assert np.abs(kit.hits[role]).max() > 0.01
            assert np.array_equal(kit.hits[role], again.hits[role])
            several.add((role, hit.tobytes()))
    assert len(several) > 20
