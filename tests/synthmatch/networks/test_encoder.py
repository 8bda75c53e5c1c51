import json
import math
from dataclasses import replace

import pytest
import torch
from safetensors.torch import save_file

from synthmatch.errors import CheckpointError
from synthmatch.networks.checkpoint import load
from synthmatch.networks.ears import CLOSER_HOP, CLOSER_WINDOW
from synthmatch.networks.encoder import RELEASED, Encoder, EncoderConfig
from synthmatch.networks.features import relative_mel
from synthmatch.presets.families import FAMILY_KEYS

SMALL = EncoderConfig(channels=(8, 8, 16), blocks=(1, 1, 1), width=16, layers=1, heads=2, dimension=12)


SHAPES = {
    "linear presence": SMALL,
    "presence of its own": replace(SMALL, presence=8),
    "context": replace(SMALL, context=2),
    "a listener": replace(SMALL, presence=8, context=1, listener=True),
    "a listener that hears closer": replace(SMALL, presence=8, listener=True, closer=128),
    "a deeper listener": replace(SMALL, presence=8, listener=True, deeper=2, finer=1),
}


@pytest.fixture(scope="module", params=SHAPES.values(), ids=SHAPES)
def small(request):
    torch.manual_seed(0)
    encoder = Encoder(request.param).eval()
    with torch.no_grad():
        for weight in encoder.parameters():  # blocks start as the identity: make every weight count
            weight.add_(0.05 * torch.randn_like(weight))
    return encoder


@pytest.fixture(scope="module")
def sounds():
    torch.manual_seed(1)
    return torch.randn(5, 24_000) * torch.linspace(1, 0.1, 24_000)


def test_shapes_and_lengths(small, sounds):
    with torch.inference_mode():
        vectors, presence = small.encode_query(sounds)
        timbre = small.encode_timbre(sounds)
    assert vectors.shape == (5, len(FAMILY_KEYS), 12)
    assert presence.shape == (5, len(FAMILY_KEYS))
    assert timbre.shape == (5, 12)
    assert torch.allclose(vectors.norm(dim=-1), torch.ones(5, len(FAMILY_KEYS)), atol=1e-5)
    assert torch.allclose(timbre.norm(dim=-1), torch.ones(5), atol=1e-5)


def test_the_other_clips_of_a_batch_change_nothing(small, sounds):
    with torch.inference_mode():
        together = small.encode_query(sounds)
        alone = [small.encode_query(sounds[row : row + 1]) for row in range(5)]
    for row, (vectors, presence) in enumerate(alone):
        assert torch.allclose(together[0][row], vectors[0], atol=1e-5)
        assert torch.allclose(together[1][row], presence[0], atol=1e-4)


def test_the_level_changes_nothing(small, sounds):
    with torch.inference_mode():
        for loud, soft in zip(small.embed(sounds), small.embed(sounds * 0.01), strict=True):
            assert torch.allclose(loud, soft, atol=1e-4)


def test_context_begins_as_nothing_and_then_lets_frames_hear_all_others(sounds):
    torch.manual_seed(0)
    plain = Encoder(SMALL).eval()
    torch.manual_seed(0)
    grown = Encoder(replace(SMALL, context=2)).eval()
    heard = plain.hear(sounds[:1])
    other = heard.clone()
    other[..., -10:] = heard[..., :10]  # a second after the first frame
    with torch.inference_mode():
        assert torch.equal(plain.features(heard), grown.features(heard))
        assert torch.equal(grown.features(heard)[..., 0], grown.features(other)[..., 0])
        for weight in grown.context.parameters():
            weight.add_(0.1 * torch.randn_like(weight))
        assert not torch.allclose(grown.features(heard)[..., 0], grown.features(other)[..., 0], atol=1e-4)


def test_silence_and_single_samples_give_finite_vectors(small):
    with torch.inference_mode():
        for sound in (torch.zeros(1, 16_000), torch.ones(1, 1)):
            vectors, presence = small.encode_query(sound)
            assert vectors.isfinite().all()
            assert presence.isfinite().all()


def test_families_have_heads_of_their_own(small, sounds):
    with torch.inference_mode():
        vectors = small.encode_reference(sounds[:1])[0]
    cosines = vectors @ vectors.T
    assert (cosines - torch.eye(len(vectors))).abs().max() < 0.999


def test_vectors_are_the_same_with_presence_and_without(small, sounds):
    with torch.inference_mode():
        assert torch.equal(small.vectors(sounds), small.embed(sounds)[0])
        assert torch.equal(small.encode_reference(sounds), small.encode_query(sounds)[0])
        assert torch.equal(small.encode_preset(sounds)[0], small.vectors(sounds))


def test_presence_with_ears_of_its_own_hears_by_them_alone(sounds):
    torch.manual_seed(0)
    encoder = Encoder(replace(SMALL, presence=8, listener=True)).eval()
    with torch.no_grad():
        for weight in encoder.parameters():
            weight.add_(0.05 * torch.randn_like(weight))
        vectors, presence = encoder.encode_query(sounds)
        for weight in encoder.trunk.parameters():
            weight.add_(0.1)
        other_vectors, same_presence = encoder.encode_query(sounds)
        for weight in encoder.listener.trunk.parameters():
            weight.add_(0.1)
        same_vectors, other_presence = encoder.encode_query(sounds)
    assert torch.equal(presence, same_presence)
    assert torch.equal(other_vectors, same_vectors)
    assert not torch.allclose(vectors, other_vectors)
    assert not torch.allclose(presence, other_presence)


def test_tones_of_one_band_are_told_apart_by_who_hears_closer():
    torch.manual_seed(0)
    encoder = Encoder(replace(SMALL, presence=8, listener=True, closer=256)).eval()
    time = torch.arange(48_000) / 16_000
    sounds = torch.stack([torch.sin(2 * math.pi * hertz * time) for hertz in (404, 416)])
    loudest, closer = (
        each.mean(-1).argmax(1).tolist()
        for each in (encoder.hear(sounds), relative_mel(sounds, 256, CLOSER_WINDOW, CLOSER_HOP))
    )
    assert loudest[0] == loudest[1]
    assert closer[0] < closer[1]
    with torch.inference_mode():
        before = encoder.listen(sounds)
        encoder.listener.closer.look.weight.normal_()
        after = encoder.listen(sounds)
    assert not torch.allclose(before, after, atol=1e-3)


def test_an_encoder_comes_back_from_its_file_with_its_facts(small, sounds, tmp_path):
    path = tmp_path / "encoder.safetensors"
    small.save(path, {"steps": 3, "trained_on": ["a", "b"]})
    again, facts = load(path)
    assert facts == {"steps": 3, "trained_on": ["a", "b"]}
    assert again.config == small.config
    assert again.fingerprint == small.fingerprint
    with torch.inference_mode():
        assert torch.equal(again.encode_timbre(sounds), small.encode_timbre(sounds))


def test_one_changed_weight_changes_the_fingerprint(small, tmp_path):
    small.save(tmp_path / "a.safetensors")
    other = Encoder.load(tmp_path / "a.safetensors")
    with torch.no_grad():
        next(other.parameters()).view(-1)[0] += 1e-3
    assert other.fingerprint != small.fingerprint


def test_files_that_hold_no_encoder_are_named(small, tmp_path):
    with pytest.raises(CheckpointError, match="isn't there"):
        Encoder.load(tmp_path / "nothing.safetensors")
    path = tmp_path / "text.safetensors"
    path.write_text("not weights")
    with pytest.raises(CheckpointError, match="isn't a whole safetensors file"):
        Encoder.load(path)
    save_file({"x": torch.zeros(1)}, path)
    with pytest.raises(CheckpointError, match="doesn't hold a synthmatch encoder"):
        Encoder.load(path)
    save_file({"x": torch.zeros(1)}, path, metadata={"format": "synthmatch encoder", "version": "99"})
    with pytest.raises(CheckpointError, match="version 99"):
        Encoder.load(path)
    header = {"format": "synthmatch encoder", "version": "1", "config": json.dumps({"dimension": 4})}
    save_file({"x": torch.zeros(1)}, path, metadata=header)
    with pytest.raises(CheckpointError, match="doesn't fit"):
        Encoder.load(path)
    small.save(path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match="isn't a whole safetensors file"):
        Encoder.load(path)


def test_a_checkpoint_that_cannot_be_read_now_is_not_called_damaged(small, tmp_path):
    """Nobody is to delete, or copy again, what is whole."""
    resource = pytest.importorskip("resource", reason="the system limits no open files")
    path = tmp_path / "whole.safetensors"
    small.save(path)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (1, hard))  # whoever may read everything can't open this either
    try:
        with pytest.raises(
            CheckpointError, match=r"whole\.safetensors can't be read \(Too many open files\); see to it"
        ):
            Encoder.load(path)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert Encoder.load(path).fingerprint == small.fingerprint
    with pytest.raises(CheckpointError, match=r"can't be read \(File name too long\)"):
        Encoder.load(tmp_path / ("d" * 300))


def test_the_released_encoder_is_small_and_says_what_it_heard():
    encoder, facts = load(RELEASED)
    assert RELEASED.stat().st_size <= 16_000_000
    assert encoder.config.families == FAMILY_KEYS
    assert facts["recipe"] == "released"
    assert facts["steps"] == facts["settings"]["steps"]
    assert len(facts["trained_on"]) > 1000
