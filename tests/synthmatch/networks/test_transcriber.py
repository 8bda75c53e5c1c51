"""The spectrogram by pitch, and the network that reads it."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from synthmatch.audio import ENCODER_RATE, Clip
from synthmatch.errors import CheckpointError
from synthmatch.networks import checkpoint, pitchgram, transcriber
from synthmatch.networks.encoder import Encoder
from synthmatch.networks.pitchgram import HARMONICS, HOP, LOWEST, STEPS, WINDOWS
from synthmatch.networks.transcriber import EVERYTHING, Transcriber, TranscriberConfig
from synthmatch.notes import Note
from synthmatch.presets.families import FAMILY_KEYS
from synthmatch.training.split import side_of

SMALL = TranscriberConfig(width=8, dilations=(1, 2))


def tone(pitch: float, seconds: float = 1.0, level: float = 0.5) -> torch.Tensor:
    """A sine, (1, T)."""
    times = torch.arange(round(seconds * ENCODER_RATE)) / ENCODER_RATE
    return level * torch.sin(2 * math.pi * 440 * 2 ** ((pitch - 69) / 12) * times)[None]


def saw(pitch: int, seconds: float = 1.0) -> torch.Tensor:
    """Eight partials of a saw, (1, T)."""
    partials = (tone(pitch + 12 * math.log2(number), seconds) / number for number in range(1, 9))
    return torch.stack(list(partials)).sum(0)


@pytest.fixture(scope="module")
def small() -> Transcriber:
    torch.manual_seed(0)
    model = Transcriber(SMALL).eval()
    with torch.no_grad():
        for block in model.blocks:
            if hasattr(block, "mix"):
                block.mix.weight.normal_(std=0.1)
    return model


@pytest.mark.parametrize("pitch", [69, 60, 84])
def test_a_sine_stands_on_its_row_for_every_harmonic(pitch: int) -> None:
    spectrum = pitchgram.pitchgram(tone(pitch))
    stacked = pitchgram.harmonics(spectrum)[0, :, :, spectrum.shape[-1] // 2]
    for place, multiple in enumerate(HARMONICS):
        rows = stacked[place * pitchgram.LAYERS]  # through the longest window
        wanted = STEPS * (pitch - LOWEST) + 1 - round(12 * STEPS * math.log2(multiple))
        if 0 <= wanted < len(rows):
            assert int(rows.argmax()) == wanted


def test_the_lowest_basses_are_told_apart() -> None:
    """A semitone apart at 41 Hz, by harmonics: a saw's, as basses have them."""

    first, second = (pitchgram.harmonics(pitchgram.pitchgram(saw(pitch)))[0, :, :, 25] for pitch in (28, 29))
    layers = [place * pitchgram.LAYERS for place, multiple in enumerate(HARMONICS) if multiple >= 1]
    for stacked, pitch in ((first, 28), (second, 29)):
        salience = stacked[layers].sum(0)[1::STEPS]
        assert int(salience[:24].argmax()) == pitch - LOWEST


@pytest.mark.parametrize("shift", [-3, 2])
def test_a_shift_is_what_playing_higher_looks_like(shift: int) -> None:
    moved = pitchgram.harmonics(pitchgram.pitchgram(tone(64)), shift)[0, :, :, 25]
    higher = pitchgram.harmonics(pitchgram.pitchgram(tone(64 + shift)))[0, :, :, 25]
    assert int(moved[2 * pitchgram.LAYERS // 2].argmax()) == int(higher[2 * pitchgram.LAYERS // 2].argmax())


def test_levels_do_not_matter_and_silence_is_silence() -> None:
    loud, soft = (pitchgram.pitchgram(tone(60, level=level)) for level in (0.9, 0.009))
    assert torch.allclose(loud, soft, atol=1e-3)
    assert not pitchgram.pitchgram(torch.zeros(1, 8000)).any()


def test_a_beginning_shows_where_it_is() -> None:
    sound = torch.cat([torch.zeros(1, 8000), tone(69, 0.5)], dim=1)
    rises = pitchgram.pitchgram(sound)[0, len(WINDOWS) + 1].sum(0)  # through the shortest window
    assert abs(int(rises.argmax()) - 8000 // HOP) <= 1


def test_neither_the_batch_nor_the_level_changes_what_is_heard(small: Transcriber) -> None:
    sounds = torch.cat([tone(pitch) for pitch in (40, 60, 80)])
    with torch.inference_mode():
        together, _ = small(sounds)
        alone = torch.cat([small(sound[None])[0] for sound in sounds])
        louder, _ = small(0.1 * sounds)
    assert torch.allclose(together, alone, atol=1e-4)
    assert torch.allclose(together, louder, atol=1e-2)


def test_outputs_are_every_family_and_everything(small: Transcriber) -> None:
    clip = Clip(tone(60, 1.5).numpy(), ENCODER_RATE)
    assert tuple(small.transcribe(clip)) == (*FAMILY_KEYS, EVERYTHING)
    onsets, held = small.probabilities(clip.heard())
    assert onsets.shape == held.shape == (len(FAMILY_KEYS) + 1, pitchgram.PITCHES, 1 + 24_000 // HOP)
    assert 0 <= onsets.min() <= onsets.max() <= 1


def test_it_comes_back_from_its_file(small: Transcriber, tmp_path: Path) -> None:
    small.save(tmp_path / "notes.safetensors", {"steps": 3})
    again = Transcriber.load(tmp_path / "notes.safetensors")
    heard = tone(60)[0].numpy()
    for was, now in zip(small.probabilities(heard), again.probabilities(heard), strict=True):
        assert np.allclose(was, now, atol=0.02)  # 16-bit numbers


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    Encoder().save(tmp_path / "encoder.safetensors")
    with pytest.raises(CheckpointError, match="doesn't hold a synthmatch transcriber"):
        Transcriber.load(tmp_path / "encoder.safetensors")
    with pytest.raises(CheckpointError, match="isn't there"):
        Transcriber.load(tmp_path / "none.safetensors")


def test_without_a_released_one_it_is_said_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(transcriber, "RELEASED", tmp_path / "none.safetensors")
    with pytest.raises(CheckpointError, match="give them as a MIDI file"):
        Transcriber.released()


def test_the_released_one_is_small_and_has_heard_no_test_preset() -> None:
    assert transcriber.RELEASED.stat().st_size <= 4_000_000
    assert Transcriber.released().config.families == FAMILY_KEYS
    _, _, facts = checkpoint.read(transcriber.RELEASED, transcriber.KIND, "synthmatch.training.pitch")
    assert len(facts["trained_on"]) > 1000
    assert {side_of(key) for key in facts["trained_on"]} <= {"train"}


def test_the_released_one_writes_down_a_plain_melody() -> None:
    """Six notes of decaying saws, half a second each: it gets most of their keys, and invents few."""
    keys = (60, 64, 67, 65, 62, 59)
    times = torch.arange(8000) / ENCODER_RATE
    sound = torch.cat([torch.exp(-3 * times) * saw(key, 0.5)[0] for key in keys])
    notes = Transcriber.released().transcribe(Clip(0.2 * sound[None].numpy(), ENCODER_RATE))[EVERYTHING]
    played = [Note(0.5 * place, key, 100, 0.5) for place, key in enumerate(keys)]
    right = [each for each in played if any(n.pitch == each.pitch and abs(n.start - each.start) < 0.06 for n in notes)]
    assert len(right) >= 4, notes
    assert len(notes) <= 9, notes
