"""The presence head: who teaches it, that it goes on where it stopped, and that nothing else changes."""

from dataclasses import replace

import pytest
import torch

from synthmatch.errors import TrainingError
from synthmatch.networks.encoder import Encoder, summary
from synthmatch.training.learning.presence import PresenceTrainer, song_mixer
from synthmatch.training.recorded.recording import Corpus

SONG = 2.0


@pytest.fixture(scope="module")
def taught(corpus):
    """A corpus all of whose presets are on the training side."""
    labels = {key: replace(label, side="train") for key, label in corpus.labels.items()}
    return Corpus(labels, corpus.notes, corpus.scales)


@pytest.fixture(autouse=True)
def short(monkeypatch):
    monkeypatch.setattr("synthmatch.training.learning.presence.SECONDS", SONG)
    monkeypatch.setattr("synthmatch.training.learning.presence.TOGETHER", 12)


@pytest.fixture
def encoder(tiny):
    torch.manual_seed(0)
    return Encoder(replace(tiny.encoder, presence=16)).eval()


def trainer(encoder, taught, tiny, folder, steps=8):
    return PresenceTrainer(encoder, song_mixer(encoder, taught, tiny, 1.0), steps, folder)


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


def test_without_stated_families_there_is_nothing_to_learn(taught, encoder, tiny):
    labels = {key: replace(label, source="sound") for key, label in taught.labels.items()}
    with pytest.raises(TrainingError, match="Nobody said the family"):
        song_mixer(encoder, Corpus(labels, taught.notes, taught.scales), tiny, 1.0)


def test_what_is_installed_says_what_the_head_said_and_no_vector_changes(taught, encoder, tiny, tmp_path):
    teacher = trainer(encoder, taught, tiny, tmp_path)
    teacher.run()
    songs = teacher.mixer.batch(100).mixtures
    with torch.no_grad():
        before, _ = encoder.embed(encoder.hear(songs))
        features = encoder.features(encoder.hear(songs))
        centre, spread = teacher._measure()
        within = (summary(features, encoder.attend(features)) - centre) / spread
        said = teacher.head(within)
        teacher.install()
        after, logits = encoder.embed(encoder.hear(songs))
    assert torch.allclose(logits, said, atol=1e-4)
    assert torch.equal(before, after)


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
    for mine, theirs in zip(other.head.parameters(), whole.head.parameters(), strict=True):
        assert torch.equal(mine, theirs)


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
        PresenceTrainer(Encoder(tiny.encoder), song_mixer(encoder, taught, tiny, 1.0), 8, tmp_path)
