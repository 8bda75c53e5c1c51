"""The presence head: who teaches it, that it goes on where it stopped, and that nothing else changes."""

import json
import math
from dataclasses import replace
from functools import partial
from itertools import pairwise

import numpy as np
import pytest
import torch

from synthmatch.errors import TrainingError
from synthmatch.networks.encoder import Encoder, EncoderConfig
from synthmatch.training.learning.presence import PresenceTrainer, Schedule, with_ears
from synthmatch.training.learning.songs import song_mixer
from synthmatch.training.mixing.strangers import Company
from synthmatch.training.recorded.corpus import Corpus

SONG = 2.0


@pytest.fixture(scope="module")
def taught(corpus):
    """A corpus all of whose presets are on the training side."""
    labels = {key: replace(label, side="train") for key, label in corpus.labels.items()}
    return Corpus(labels, corpus.notes, corpus.scales)


@pytest.fixture(autouse=True)
def short(monkeypatch):
    monkeypatch.setattr("synthmatch.training.learning.songs.SECONDS", SONG)
    monkeypatch.setattr("synthmatch.training.learning.songs.TOGETHER", 12)
    monkeypatch.setattr("synthmatch.training.mixing.batches.Company", partial(Company, count=12))


@pytest.fixture(params=[None, 0, 128], ids=["head alone", "ears of its own", "ears that hear closer"])
def encoder(tiny, request):
    torch.manual_seed(0)
    made = Encoder(replace(tiny.encoder, presence=16)).eval()
    return made if request.param is None else with_ears(made, EncoderConfig(closer=request.param))


def trainer(encoder, taught, tiny, folder, *schedule):
    return PresenceTrainer(encoder, song_mixer(encoder, taught, tiny, 1.0), Schedule(*(schedule or (8,))), folder)


def test_only_presets_of_stated_families_and_their_variants_play(taught):
    first, second, third, *_ = [key for key, label in taught.labels.items() if label.family == "bass"]
    labels = dict(taught.labels)
    labels[second] = replace(labels[second], source="sound")
    labels["child"] = replace(labels[first], id="child", source="perturbed")
    labels["guessed"] = replace(labels[first], id="guessed", source="crossed")
    labels[third] = replace(labels[third], side="valid")
    known = Corpus(labels, taught.notes, taught.scales, None, {"child": (first,), "guessed": (first, second)})
    said = known.players("bass")
    assert {first, "child"} <= set(said)
    assert not {second, third, "guessed"} & set(said)


def test_a_preset_without_a_family_is_not_taught_as_nobodys(taught, encoder, tiny):
    nameless = next(key for key, label in taught.labels.items() if label.family == "bass")
    labels = {**taught.labels, nameless: replace(taught.labels[nameless], family="", source="")}
    heard = song_mixer(encoder, Corpus(labels, taught.notes, taught.scales), tiny, 1.0).planner.layout.ids
    assert nameless not in heard
    assert any(key.startswith("stranger") for key in heard)


def test_without_stated_families_there_is_nothing_to_learn(taught, encoder, tiny):
    labels = {key: replace(label, source="sound") for key, label in taught.labels.items()}
    with pytest.raises(TrainingError, match="Nobody said the family"):
        song_mixer(encoder, Corpus(labels, taught.notes, taught.scales), tiny, 1.0)


def test_what_is_installed_says_what_the_averaged_head_said_and_no_vector_changes(taught, encoder, tiny, tmp_path):
    teacher = trainer(encoder, taught, tiny, tmp_path)
    teacher.run()
    songs = teacher.mixer.batch(100).mixtures
    with torch.no_grad():
        before, _ = encoder.embed(songs)
        teacher.install()
        after, logits = encoder.embed(songs)
        for name, weight in teacher._learning():
            weight.copy_(teacher.average[name])
        teacher.pupil.low_precision = False
        centre, spread = teacher._measure()
        said = teacher.head((teacher.pupil.listen(songs) - centre) / spread)
    assert torch.allclose(logits, said, atol=1e-4)
    assert torch.equal(before, after)


def judged(head, summaries):
    """Probabilities (songs, F) by a head's weights, song by song; each summary is of mean 0 and spread 1."""
    hidden, out = ((layer.weight.detach().numpy(), layer.bias.detach().numpy()) for layer in (head.hidden, head.out))
    rows = [out[0] @ np.maximum(0, hidden[0] @ row + hidden[1]) + out[1] for row in summaries]
    return [[1 / (1 + math.exp(-logit)) for logit in row] for row in rows]


def test_the_loss_of_songs_is_that_of_a_slow_loop(taught, encoder, tiny, tmp_path, monkeypatch):
    """How likely the head said it was that each family plays, or doesn't, song by song; it hears summaries by the mean
    and spread of those of the first steps."""
    monkeypatch.setattr("synthmatch.training.learning.presence.FIRST", 2)
    monkeypatch.setattr("synthmatch.training.learning.presence.DROPPED", (0.0, 0.0))
    teacher, measured = trainer(encoder, taught, tiny, tmp_path), []
    for step in range(4):
        batch = teacher.mixer.batch(step)
        heard = teacher.pupil.listen(batch.mixtures).detach().double().numpy()
        measured += list(heard) if step < 2 else []
        held = set(zip(batch.mixture.tolist(), batch.family.tolist(), strict=True))
        missed = [
            -math.log(sure if (song, family) in held else 1 - sure)
            for song, row in enumerate(
                judged(teacher.head, (heard - np.mean(measured, 0)) / (np.std(measured, 0) + 1e-3))
            )
            for family, sure in enumerate(row)
        ]
        assert teacher.take_step() == pytest.approx(sum(missed) / len(missed), rel=1e-4)


def test_the_average_is_that_of_a_plain_loop(taught, encoder, tiny, tmp_path):
    teacher = trainer(encoder, taught, tiny, tmp_path)
    expected = {name: weight.detach().clone() for name, weight in teacher._learning()}
    for step in range(1, 9):
        teacher.take_step()
        kept = min(0.997, step / (step + 10))
        for name, weight in teacher._learning():
            expected[name] = kept * expected[name] + (1 - kept) * weight.detach()
    for name, weight in teacher.average.items():
        assert torch.allclose(weight, expected[name], atol=1e-6)


def test_a_stopped_run_logs_what_one_does_that_never_stopped(encoder, taught, tiny, tmp_path, monkeypatch):
    monkeypatch.setattr("synthmatch.training.learning.presence.LOGGED", 2)
    trainer(encoder, taught, tiny, tmp_path / "whole").run()
    stopped = trainer(encoder, taught, tiny, tmp_path / "stopped")
    for _ in range(5):
        stopped.take_step()
    stopped.checkpoint()
    told = tmp_path / "stopped" / "presence.jsonl"
    told.write_text('{"step": 4, "loss": 0.0}\n{"step": 6, "loss": 0.0}\n')  # the last one of a step that is lost
    trainer(encoder, taught, tiny, tmp_path / "stopped").run()
    rows = {
        name: [json.loads(line) for line in (tmp_path / name / "presence.jsonl").read_text().splitlines()]
        for name in ("whole", "stopped")
    }
    assert [row["step"] for row in rows["whole"]] == [2, 4, 6, 8]
    assert [row["step"] for row in rows["stopped"]] == [4, 6, 8]
    assert rows["stopped"][1:] == rows["whole"][2:]
    assert [row["head_rate"] for row in rows["whole"]] == [Schedule(8).rates(step)[0] for step in (1, 3, 5, 7)]


def test_ears_begin_as_the_encoders_own_and_change_nothing_by_that(tiny):
    torch.manual_seed(0)
    plain = Encoder(replace(tiny.encoder, presence=16, context=1)).eval()
    with torch.no_grad():
        for weight in plain.parameters():
            weight.add_(0.05 * torch.randn_like(weight))
    sounds = torch.randn(2, 24_000)
    with torch.inference_mode():
        expected = plain.encode_query(sounds)
        for shape in ({}, {"closer": 128}, {"deeper": 2}, {"finer": 1}):
            found = with_ears(plain, replace(plain.config, **shape)).encode_query(sounds)
            assert all(torch.equal(mine, theirs) for mine, theirs in zip(found, expected, strict=True))


def test_whoever_grows_ears_grows_the_same(tiny):
    """Else two processes would teach two networks, and a run that was stopped couldn't go on."""
    plain = Encoder(replace(tiny.encoder, presence=16))
    found = set()
    for seed in (1, 2):
        torch.manual_seed(seed)
        found.add(with_ears(plain, EncoderConfig(closer=128, deeper=2, finer=1)).fingerprint)
        assert torch.initial_seed() == seed
    assert len(found) == 1


def test_ears_that_grow_go_on_from_what_they_learnt(tiny):
    torch.manual_seed(0)
    known = with_ears(Encoder(replace(tiny.encoder, presence=16)), EncoderConfig(closer=128, deeper=1))
    with torch.no_grad():
        for weight in known.parameters():
            weight.add_(0.05 * torch.randn_like(weight))
    grown = with_ears(known, EncoderConfig(closer=128, deeper=2, finer=2))
    sounds = torch.randn(2, 24_000)
    with torch.inference_mode():
        assert torch.equal(grown.listen(sounds), known.listen(sounds))


def test_ears_learn_once_the_head_knows_what_they_hear_and_the_encoders_own_never(taught, encoder, tiny, tmp_path):
    teacher = trainer(encoder, taught, tiny, tmp_path, 40)
    begun = {name: weight.clone() for name, weight in teacher.pupil.state_dict().items()}
    changed = set()
    for step in range(40):
        teacher.take_step()
        changed = {name for name, weight in teacher.pupil.state_dict().items() if not torch.equal(weight, begun[name])}
        assert bool(changed) == (encoder.config.listener and Schedule(40).rates(step)[1] > 0)
    assert changed == {name for name in begun if name.startswith("listener.")}


def test_rates_rise_after_a_while_and_fall_to_nothing():
    head, ears = zip(*(Schedule(400).rates(step) for step in range(401)), strict=True)
    assert head[0] == 1e-3
    assert list(head) == sorted(head, reverse=True)
    assert set(ears[:21]) == {0.0}
    assert all(first < then for first, then in pairwise(ears[20:40]))
    assert list(ears[40:]) == sorted(ears[40:], reverse=True)
    assert max(head[-1], ears[-1]) < 1e-12


def test_rates_begin_anew_at_a_restart_and_rise_at_once():
    head, ears = zip(*(Schedule(500, (300,)).rates(step) for step in range(501)), strict=True)
    assert (head[:300], ears[:300]) == tuple(zip(*(Schedule(300).rates(step) for step in range(300)), strict=True))
    assert head[300] == ears[300] == 0
    assert all(first < then for rates in (head, ears) for first, then in pairwise(rates[300:310]))
    assert list(head[310:]) == sorted(head[310:], reverse=True)
    assert head[310] == pytest.approx(2 * ears[310]) == pytest.approx(1e-3, rel=0.01)
    assert max(head[-1], ears[-1]) < 1e-12


def test_the_steps_follow_the_restarts(taught, encoder, tiny, tmp_path):
    teacher = trainer(encoder, taught, tiny, tmp_path, 10, (4,))
    for step in range(10):
        teacher.take_step()
        assert [group["lr"] for group in teacher.optimizer.param_groups] == list(Schedule(10, (4,)).rates(step))


def test_what_a_turn_teaches_counts_by_its_share(taught, encoder, tiny, tmp_path):
    """What came before counts for the rest, and the next turn knows nothing of the way there."""
    plain = trainer(encoder, taught, tiny, tmp_path / "plain", 10, (4,))
    begun = {name: weight.detach().clone() for name, weight in plain._learning()}
    for _ in range(4):
        plain.take_step()
    mixed = trainer(encoder, taught, tiny, tmp_path / "mixed", 10, (4,), (0.25, 0.0))
    for _ in range(4):
        mixed.take_step()
    middle = {name: 0.75 * begun[name] + 0.25 * plain.average[name] for name in begun}
    for name, weight in mixed._learning():
        assert torch.allclose(weight, middle[name], atol=1e-6)
        assert torch.equal(mixed.average[name], weight)
    assert plain.optimizer.state
    assert not mixed.optimizer.state
    mixed.run()
    assert all(torch.equal(weight, mixed.average[name]) for name, weight in mixed._learning())
    assert all(torch.allclose(weight, middle[name], atol=1e-6) for name, weight in mixed._learning())  # a share of 0


@pytest.mark.parametrize("stop", [3, 4, 5])
def test_turns_that_are_weighed_go_on_as_if_they_had_not_stopped(taught, encoder, tiny, tmp_path, stop):
    schedule = (8, (4,), (0.7, 0.5))
    whole = trainer(encoder, taught, tiny, tmp_path / "whole", *schedule)
    whole.run()
    half = trainer(encoder, taught, tiny, tmp_path / "half", *schedule)
    for _ in range(stop):
        half.take_step()
    half.checkpoint()
    other = trainer(encoder, taught, tiny, tmp_path / "half", *schedule)
    assert other.step == stop
    other.run()
    for name, weight in other._learning():
        assert torch.equal(weight, dict(whole._learning())[name])


def test_a_run_of_another_schedule_is_not_taken_up(taught, encoder, tiny, tmp_path):
    trainer(encoder, taught, tiny, tmp_path, 10, (4,)).run()
    assert trainer(encoder, taught, tiny, tmp_path, 10, (4,)).step == 10
    assert trainer(encoder, taught, tiny, tmp_path, 10, (5,)).step == 0
    assert trainer(encoder, taught, tiny, tmp_path, 10, (4,), (1.0, 0.5)).step == 0


def test_a_stopped_run_goes_on_as_if_it_had_not_stopped(taught, encoder, tiny, tmp_path):
    trainer(encoder, taught, tiny, tmp_path / "whole").run()
    half = trainer(encoder, taught, tiny, tmp_path / "half")
    for _ in range(5):
        half.take_step()
    half.checkpoint()
    other = trainer(encoder, taught, tiny, tmp_path / "half")
    assert other.step == 5
    assert other.run()
    whole = trainer(encoder, taught, tiny, tmp_path / "whole")
    assert whole.step == 8
    for (name, mine), (_, theirs) in zip(other._learning(), whole._learning(), strict=True):
        assert torch.equal(mine, theirs)
        assert torch.equal(other.average[name], whole.average[name])


def test_a_run_says_when_it_goes_on_with_other_songs(taught, encoder, tiny, tmp_path):
    said = []
    half = trainer(encoder, taught, tiny, tmp_path)
    for _ in range(5):
        half.take_step()
    half.checkpoint()
    trainer(encoder, taught, tiny, tmp_path).run(until=0, said=said.append)
    assert not said
    fewer = Corpus(dict(list(taught.labels.items())[1:]), taught.notes, taught.scales)
    other = trainer(encoder, fewer, tiny, tmp_path)
    assert other.step == 5
    assert other.run(said=said.append)
    assert other.run(said=said.append)  # which goes on with nothing
    (sentence,) = said
    assert sentence.startswith(f"The recorded presets aren't those that the run in {tmp_path} began with")


def test_a_head_of_another_encoder_is_not_taken_up(taught, encoder, tiny, tmp_path):
    trainer(encoder, taught, tiny, tmp_path).run()
    with torch.no_grad():
        encoder.attention.bias.add_(0.1)
    assert trainer(encoder, taught, tiny, tmp_path).step == 0


def test_what_it_is_told_it_learns(taught, encoder, tiny, tmp_path):
    losses = []
    trainer(encoder, taught, tiny, tmp_path, 120).run(lambda *told: losses.append(told[2]))
    assert sum(losses[-20:]) < 0.7 * sum(losses[:20])


def test_an_encoder_without_such_a_head_is_refused(taught, encoder, tiny, tmp_path):
    with pytest.raises(TrainingError, match="no presence head"):
        PresenceTrainer(Encoder(tiny.encoder), song_mixer(encoder, taught, tiny, 1.0), Schedule(8), tmp_path)
