"""Batches against the slow loop of :mod:`synthmatch.training.mixing.mixtures`, note by note."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch

from synthmatch.audio import ENCODER_RATE
from synthmatch.notes import Note, Performance
from synthmatch.presets.families import FAMILIES, FAMILY_KEYS
from synthmatch.training.config import Alterations
from synthmatch.training.mixing.batches import Mixer, _add_at_once, _add_in_turn
from synthmatch.training.mixing.casting import NOBODY
from synthmatch.training.mixing.composer import compose_parts
from synthmatch.training.mixing.mixtures import FADE, LEVELS, mix_stems, stem
from synthmatch.training.mixing.plans import Events
from synthmatch.training.mixing.residence import Place
from synthmatch.training.parts import compose

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def recipe(tiny):
    return replace(tiny, seconds=3.0, drop=0.3, solo=0.2)


def heard_slowly(notes, mixer, plan, score, seconds):
    """Each mixture by ``stem`` and ``mix_stems``, from the same notes."""
    ids, families = mixer.planner.layout.ids, mixer.recipe.encoder.families
    out = []
    for mixture in range(mixer.recipe.mixtures):
        stems, gains = {}, {}
        for part in np.nonzero(plan.labels.mixture == mixture)[0]:
            family, state = families[plan.labels.family[part]], ids[plan.labels.state[part]]
            own = score.part == part
            played = [
                Note(start, int(pitch), 100, held)
                for start, pitch, held in zip(score.start[own], score.pitch[own], score.held[own], strict=True)
            ]
            stems[family] = stem(Performance(tuple(played), 0.0), partial(notes.bank.nearest, state), seconds)
            gains[family] = float(plan.level[part]) / LEVELS.get(family, 1.0)
        out.append(mix_stems(stems, gains))
    return np.stack(out)


@pytest.mark.parametrize("memory_gb", [14.0, 0.0])
def test_mixtures_are_those_of_the_slow_loop(notes, recipe, memory_gb, monkeypatch):
    scores = []

    def keep(*arguments):
        scores.append(compose_parts(*arguments))
        return scores[-1]

    monkeypatch.setattr("synthmatch.training.mixing.plans.compose_parts", keep)
    mixer = Mixer(notes.bank, notes.presets, {}, recipe, memory_gb=memory_gb)
    assert mixer.residence.place is (Place.MEMORY if memory_gb else Place.DISK)
    for step in range(5):
        plan = mixer.planner.plan(step)
        fast = mixer.play(plan).mixtures.numpy()
        slow = heard_slowly(notes, mixer, plan, scores[-1], recipe.seconds)
        assert fast.shape == slow.shape
        assert np.abs(slow).max() == pytest.approx(1)
        assert np.abs(fast - slow).max() < 1e-4


def test_references_are_those_of_the_bank(notes, recipe):
    mixer = Mixer(notes.bank, notes.presets, {}, replace(recipe, note_note_weight=1.0))
    plan = mixer.planner.plan(3)
    batch = mixer.play(plan)
    assert len(batch.partners) == len(batch.references) == len(batch.state)
    for state, reference, partner in zip(plan.labels.state, batch.references, batch.partners, strict=True):
        own = torch.from_numpy(notes.bank.references(mixer.planner.layout.ids[state]))
        first = [bool(torch.allclose(reference, each, atol=1e-6)) for each in own]
        second = [bool(torch.allclose(partner, each, atol=1e-6)) for each in own]
        assert any(first)
        assert any(second)
    assert not torch.equal(batch.references, batch.partners)


def test_one_reference_note_can_be_asked_for(notes, recipe):
    mixer = Mixer(notes.bank, notes.presets, {}, replace(recipe, references=(2,)))
    plan = mixer.planner.plan(0)
    for state, reference in zip(plan.labels.state, mixer.play(plan).references, strict=True):
        own = notes.bank.references(mixer.planner.layout.ids[state])
        assert np.allclose(reference.numpy(), own[2], atol=1e-6)


def test_a_gpu_would_add_pieces_as_a_cpu_does():
    rng = np.random.default_rng(0)
    length = np.sort(rng.integers(5, 40, 30))[::-1].copy()
    nothing = np.zeros(30, np.int64)
    events = Events(
        rng.integers(0, 4, 30), nothing, rng.integers(0, 60, 30), length, nothing.astype(np.bool_), np.ones(30)
    )
    sound = torch.randn(30, 40)
    one, other = torch.zeros(4, 100), torch.zeros(4, 100)
    _add_in_turn(one, events, sound)
    _add_at_once(other, events, sound)
    assert one.abs().max() > 1
    assert torch.allclose(one, other, atol=1e-5)


class Passages:
    """Ten seconds each: silence, then a rising line, so that every sample says where it is from."""

    def __init__(self, ids):
        quiet, line = np.zeros(80_000, np.int16), np.arange(80_000) // 4 + 10_000
        self.sound = {key: np.stack([np.concatenate([quiet, line]).astype(np.int16)] * 2) for key in ids}

    def __contains__(self, state_id):
        return state_id in self.sound

    def stems(self, state_id):
        return self.sound[state_id]


def test_pieces_are_faded_as_sample_by_sample(notes, recipe):
    length = np.array([400, 161, 160, 159, 100, 2, 1])
    opens = np.array([True, False, True, False, True, False, True])
    events = Events(*(np.zeros(7, np.int64) for _ in range(3)), length, opens, np.ones(7))
    sound = torch.randn(7, 400)
    expected = sound.clone()
    for row, (end, opened) in enumerate(zip(length.tolist(), opens.tolist(), strict=True)):
        for place in range(end):
            expected[row, place] *= min(1, (end - 1 - place) / max(min(160, end) - 1, 1))
            expected[row, place] *= min(1, place / 160) if opened else 1
    Mixer(notes.bank, notes.presets, {}, recipe)._fade(events, sound)
    for row, end in enumerate(length.tolist()):
        assert torch.allclose(sound[row, :end], expected[row, :end], atol=1e-6)


def test_live_passages_are_cropped_where_they_can_be_heard(notes, recipe):
    passages = Passages(notes.presets["bass"])
    mixer = Mixer(notes.bank, notes.presets, {}, replace(recipe, live=1.0, solo_start=0.0), passages)
    bass = recipe.encoder.families.index("bass")
    seen = 0
    for step in range(6):
        plan = mixer.planner.plan(step)
        stems = mixer.stems(plan).numpy()
        for part in np.nonzero(plan.labels.family == bass)[0]:
            crop = stems[part]
            seen += 1
            assert np.abs(crop).max() == pytest.approx(plan.level[part], rel=1e-5)
            inner = crop[round(FADE * ENCODER_RATE) + 1 : -round(FADE * ENCODER_RATE) - 1]
            sounding = np.nonzero(inner)[0]
            assert sounding[-1] - sounding[0] + 1 == len(sounding)
            steps = np.diff(inner[sounding])
            assert (steps >= 0).all()  # in order, forwards
    assert seen > 5


def test_the_share_of_live_stems_is_the_recipes(notes, recipe):
    passages = Passages([key for ids in notes.presets.values() for key in ids])
    mixer = Mixer(notes.bank, notes.presets, {}, replace(recipe, live=0.3), passages)
    plans = [mixer.planner.plan(step) for step in range(150)]
    live = sum(int(plan.events.opens.sum()) for plan in plans) / sum(len(plan.level) for plan in plans)
    assert 0.24 < live < 0.36


def test_distractors_are_heard_and_nobodys_part(notes, recipe):
    presets = {"bass": notes.presets["bass"], "lead": notes.presets["lead"], NOBODY: notes.presets["percussion"]}
    asked = replace(recipe, core=("bass", "lead"), distractors=1.0)
    mixer = Mixer(notes.bank, presets, {}, asked)
    without = Mixer(notes.bank, presets, {}, replace(asked, distractors=0.0))
    plan = mixer.planner.plan(1)
    assert len(plan.level) == len(plan.labels.mixture) + asked.mixtures
    batch, plain = mixer.play(plan), without.batch(1)
    assert not batch.presence[:, asked.encoder.families.index("percussion")].any()
    assert torch.equal(batch.presence, plain.presence)
    assert not torch.allclose(batch.mixtures, plain.mixtures)


def test_without_presets_of_no_family_strangers_are_the_distractors(notes, recipe):
    mixer = Mixer(notes.bank, notes.presets, {}, replace(recipe, distractors=0.5))
    plans = [mixer.planner.plan(step) for step in range(100)]
    strange = sum(len(plan.level) - len(plan.labels.mixture) for plan in plans)
    assert 0.4 < strange / (100 * recipe.mixtures) < 0.6
    batch = next(mixer.play(plan) for plan in plans if len(plan.level) > len(plan.labels.mixture))
    assert batch.mixtures.isfinite().all()
    assert batch.mixtures.abs().amax(1).allclose(torch.ones(recipe.mixtures))


@pytest.mark.parametrize("live", [0.0, 0.3])
def test_strangers_play_as_long_as_a_mixture_whatever_is_played_live(notes, recipe, live):
    """A beat of which every hit began anew by another's rhythm would be no beat."""
    passages = Passages([key for ids in notes.presets.values() for key in ids])
    mixer = Mixer(notes.bank, notes.presets, {}, replace(recipe, distractors=1.0, live=live), passages)
    for step in range(5):
        plan = mixer.planner.plan(step)
        strange = np.arange(len(plan.labels.mixture), len(plan.level))
        theirs = np.isin(plan.events.stem, strange)
        assert len(strange) == recipe.mixtures
        assert theirs.sum() == len(strange)
        assert plan.events.opens[theirs].all()
        assert (plan.events.length[theirs] == mixer.planner.plan(step).samples).all()
        assert plan.events.opens[~theirs].any() == (live > 0)


def test_songs_hold_any_number_of_parts_each_as_likely(notes, recipe):
    asked = replace(recipe, core=("bass", "lead"), core_share=0.0, parts=3, solo=0.0, solo_start=0.0)
    planner = Mixer(notes.bank, notes.presets, {}, asked).planner
    held = np.concatenate([np.bincount(planner.plan(step).labels.mixture) for step in range(400)])
    shares = np.bincount(held, minlength=4) / len(held)
    assert shares[0] == 0
    assert np.allclose(shares[1:], 1 / 3, atol=0.05)


def test_scattered_songs_draw_families_of_their_own(notes, recipe):
    asked = replace(recipe, core=("bass",), core_share=0.0, parts=2, scattered=True, solo=0.0, solo_start=0.0)
    planner = Mixer(notes.bank, notes.presets, {}, asked).planner
    labels = [planner.plan(step).labels for step in range(200)]
    casts = [frozenset(each.family[each.mixture == row].tolist()) for each in labels for row in range(asked.mixtures)]
    shares = {cast: casts.count(cast) / len(casts) for cast in casts}
    assert len(planner.families) == 3
    assert set(shares) == {frozenset(cast) for cast in ({0}, {1}, {2}, {0, 1}, {0, 2}, {1, 2})}
    assert np.allclose(list(shares.values()), 1 / 6, atol=0.03)  # one part and two are as likely, and so is each family
    together = np.mean([len(set(each.family.tolist())) for each in labels])
    assert together > 2.5  # of the families of a step, of which none of its songs has more than two


def test_stems_are_the_parts_alone(notes, recipe):
    mixer = Mixer(notes.bank, notes.presets, {}, replace(recipe, stem_share=1.0, gain_db=0.0))
    batch = mixer.batch(4)
    assert torch.equal(batch.heard, torch.arange(len(batch.family)))
    total = torch.zeros_like(batch.mixtures).index_add_(0, batch.mixture, batch.stems)
    total /= total.abs().amax(1, keepdim=True)
    assert torch.allclose(total, batch.mixtures, atol=1e-5)


@pytest.mark.parametrize("world", [2, 3])
def test_shares_of_a_plan_are_the_whole(notes, recipe, world):
    altered = Alterations(share=0.5, semitones=3, bend_db=9.0)
    asked = replace(recipe, stem_share=0.5, note_note_weight=1.0, distractors=0.5, alterations=altered)
    presets = {**notes.presets, NOBODY: notes.presets["lead"]}
    mixer = Mixer(notes.bank, presets, {}, asked)
    plan = mixer.planner.plan(2)
    whole, shares = mixer.play(plan), [mixer.play(plan.share(rank, world)) for rank in range(world)]
    for name in ("mixtures", "references", "partners", "stems"):
        joined = torch.cat([getattr(share, name) for share in shares])
        assert torch.allclose(joined, getattr(whole, name), atol=1e-6)
        counts = {"partners": "parts_of", "references": "parts_of"}.get(name, f"{name}_of")
        assert tuple(len(getattr(share, name)) for share in shares) == getattr(shares[0], counts)
    assert all(torch.equal(share.state, whole.state) for share in shares)


def slow_statistics(family, seconds, count):
    out = []
    for seed in range(count):
        part = compose(np.random.default_rng(seed), (family,), seconds)[family]
        out.append([(note.start, note.pitch, note.duration) for note in part.notes])
    return out


@pytest.mark.parametrize("family", ["percussion", "bass", "lead", "pad", "effects"])
def test_many_parts_at_once_have_the_distributions_of_one_at_a_time(family):
    count, seconds = 1200, 8.0
    number = FAMILY_KEYS.index(family)
    score = compose_parts(np.random.default_rng(0), np.arange(count), np.full(count, number), seconds)
    slow = slow_statistics(family, seconds, count)
    flat = np.array([note for part in slow for note in part])
    sizes = np.array([len(part) for part in slow])
    fast_sizes = np.bincount(score.part, minlength=count)
    assert fast_sizes.min() >= 1
    pairs = [
        (fast_sizes, sizes),
        (score.start, flat[:, 0]),
        (score.pitch, flat[:, 1]),
        (score.held, flat[:, 2]),
    ]
    for fast, slowly in pairs:
        for share in (0.05, 0.25, 0.5, 0.75, 0.95):
            # A quantile of one is about that quantile of the other; ties make it an interval.
            edge = np.quantile(slowly, share)
            assert np.mean(fast < edge) - 0.05 < share < np.mean(fast <= edge) + 0.05
    assert (score.start + score.held <= seconds + 1e-9).all()
    low, high = FAMILIES[family].low, FAMILIES[family].high
    assert low <= score.pitch.min() <= score.pitch.max() <= high


def test_parts_of_a_mixture_share_key_and_tempo():
    mixture, families = np.repeat(np.arange(40), 2), np.tile([FAMILY_KEYS.index(key) for key in ("bass", "lead")], 40)
    score = compose_parts(np.random.default_rng(1), mixture, families, 30.0)
    for number in range(40):
        own = np.isin(score.part, (2 * number, 2 * number + 1))
        assert len(np.unique(score.pitch[own] % 12)) <= 7
        inside = own & (score.start + score.held < 29.9)
        beats = score.held[inside] / score.held[inside].min()
        assert np.allclose(np.log2(beats), np.round(np.log2(beats)), atol=1e-6)


def test_chords_hold_a_pitch_once():
    count = 300
    score = compose_parts(np.random.default_rng(2), np.arange(count), np.full(count, FAMILY_KEYS.index("pad")), 10.0)
    voices = np.stack([score.part, np.round(score.start * 1e6), score.pitch], axis=1)
    assert len(np.unique(voices, axis=0)) == len(voices)
    assert 2.5 < len(voices) / len(np.unique(voices[:, :2], axis=0)) <= 3
