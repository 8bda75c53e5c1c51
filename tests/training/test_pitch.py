"""Training the transcriber: what it is taught is what is played, it learns it, and a stopped run goes on."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from synthmatch.audio import ENCODER_RATE
from synthmatch.errors import TrainingError
from synthmatch.networks.pianoroll import Roll, notes_of
from synthmatch.networks.pitchgram import HOP
from synthmatch.networks.transcriber import GRID, TranscriberConfig
from synthmatch.notes import Performance
from synthmatch.training import pitch
from synthmatch.training.config import Recipe
from synthmatch.training.learning.thresholds import fitted
from synthmatch.training.learning.trainer import fast_bfloat16
from synthmatch.training.mixing.batches import Mixer
from synthmatch.training.mixing.mixtures import stem
from synthmatch.training.pitch import STATE, Course, PitchTrainer
from synthmatch.training.recorded.corpus import Corpus
from synthmatch.training.scoring import transcripts

SMALL = TranscriberConfig(width=24, dilations=(1, 2, 4))
STEPS = 250
RECIPE = Recipe(
    seed=3,
    steps=STEPS,
    mixtures=2,
    seconds=1.5,
    extra_notes=2,
    core_share=1.0,
    warmup=5,
    learning_rate=1e-2,
    solo=0.0,
    solo_start=0.0,
    drop=0.0,
    ema=0.9,
)
COURSE = Course(SMALL, RECIPE, shift=0)


@pytest.fixture(scope="module")
def mixer(notes: Any) -> Mixer:
    return Mixer(notes.bank, notes.presets, {}, RECIPE)


def test_what_is_taught_is_what_is_played(mixer: Mixer, corpus: Corpus, tmp_path: Path) -> None:
    """Playing the scribe's notes with the same recordings makes the very stems of the plan."""
    trainer = PitchTrainer(mixer, corpus, COURSE, tmp_path)
    for step in range(3):
        plan = mixer.planner.plan(step)
        stems = mixer.stems(plan).numpy()
        for number, notes in enumerate(trainer.scribe.parts(plan)):
            key = mixer.planner.layout.ids[plan.labels.state[number]]
            recorded = corpus.notes.recorded[key].pitches
            assert {note.pitch for note in notes} <= set(recorded)
            again = stem(Performance(tuple(notes)), lambda note, key=key: corpus.notes.nearest(key, note), 1.5)
            peak, other = np.abs(again).max(), np.abs(stems[number]).max()
            assert np.allclose(again / peak, stems[number] / other, atol=2e-3)


def test_pictures_hold_each_familys_notes_and_all_of_them(mixer: Mixer, corpus: Corpus, tmp_path: Path) -> None:
    trainer = PitchTrainer(mixer, corpus, COURSE, tmp_path)
    plan = mixer.planner.plan(0)
    truth = trainer.scribe.truth(plan)
    assert truth.onsets.shape == truth.held.shape
    assert truth.onsets.shape[0] == 2
    assert truth.onsets.shape[3] == 1 + round(1.5 * ENCODER_RATE) // HOP
    assert np.array_equal(truth.onsets[:, :-1].max(axis=1), truth.onsets[:, -1])
    assert np.array_equal(truth.held[:, :-1].any(axis=(2, 3)), plan.labels.presence)


def slow_cells(scores: torch.Tensor, truth: Roll, counts: list[list[float]], shift: int, weight: float) -> float:
    """How likely each key was said to be as it is, cell by cell: of each output a mean, which counts as it is told."""
    total = 0.0
    for mixture, outputs in enumerate(scores.tolist()):
        for output, rows in enumerate(outputs):
            cells = []
            for row, frames in enumerate(rows):
                heard = range(shift, shift + len(rows))  # where what was drawn is, once it is moved
                drawn = truth[mixture, output, row - shift].tolist() if row in heard else [0.0] * len(frames)
                for score, down in zip(frames, drawn, strict=True):
                    chance = 1 / (1 + math.exp(-score if down else score))
                    cells.append(-math.log(chance) * (weight if down else 1.0))
            total += counts[mixture][output] * sum(cells) / len(cells)
    return total / sum(map(sum, counts))


@pytest.mark.parametrize("shift", [-2, 0, 3])
def test_cells_cost_what_a_slow_loop_says(shift: int) -> None:
    for seed in range(5):
        rng = np.random.default_rng(seed)
        scores, truth = 2 * rng.normal(size=(2, 3, 7, 5)), (rng.random((2, 3, 7, 5)) < 0.3).astype(np.float32)
        counts, weight = rng.random((2, 3)), float(rng.uniform(1, 6))
        said, told = torch.tensor(scores), torch.tensor(counts, dtype=torch.float32)
        found = float(pitch._cells(said, truth, told, shift, weight))
        assert found == pytest.approx(slow_cells(said, truth, counts.tolist(), shift, weight), rel=1e-5)
        told[1, 2] = 0.0  # an output that doesn't count
        without = pitch._cells(said, truth, told, shift, weight)
        said[1, 2], truth[1, 2] = 9.0, 0.0
        assert torch.equal(pitch._cells(said, truth, told, shift, weight), without)


def test_a_step_costs_what_a_slow_loop_says(mixer: Mixer, corpus: Corpus, tmp_path: Path) -> None:
    """Beginnings and held keys, heard higher or lower with their notes; families that don't play count for less, and
    all of them together always."""
    course = replace(COURSE, shape=TranscriberConfig(width=8, dilations=(1,)), shift=2)
    trainer = PitchTrainer(mixer, corpus, course, tmp_path)
    shifts = set()
    for trainer.step in range(3):
        plan = mixer.planner.plan(trainer.step)
        shift = int(np.random.default_rng((RECIPE.seed, trainer.step)).integers(-2, 3))
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=fast_bfloat16(mixer.device)):
            onsets, held = trainer.model(trainer.sound(plan), shift)
        there = set(zip(plan.labels.mixture.tolist(), plan.labels.family.tolist(), strict=True))
        outputs = range(onsets.shape[1])
        counts = [
            [1.0 if (row, each) in there or each == outputs[-1] else 0.15 for each in outputs] for row in range(2)
        ]
        truth = trainer.scribe.truth(plan)
        expected = slow_cells(onsets, truth.onsets, counts, shift, 6.0) + slow_cells(
            held, truth.held, counts, shift, 2.0
        )
        assert float(trainer._loss(plan).detach()) == pytest.approx(expected, rel=1e-4)
        shifts.add(shift)
    assert shifts - {0}


def test_it_learns_a_few_mixtures_by_heart(mixer: Mixer, corpus: Corpus, tmp_path: Path) -> None:
    if not transcripts.is_installed():
        pytest.skip(transcripts.without())
    trainer = PitchTrainer(mixer, corpus, COURSE, tmp_path)
    plan = mixer.planner.plan(0)
    for _ in range(STEPS):
        trainer.take_step(plan)
    model, sound = trainer.result(), trainer.sound(plan)
    model.config = fitted(trainer, model, [plan])
    measured = []
    for number, played in enumerate(trainer.scribe.parts(plan)):
        onsets, held = model.probabilities(sound[plan.labels.mixture[number]].numpy())
        output = int(plan.labels.family[number])
        written = notes_of(onsets[output], held[output], GRID, model.config.reading(SMALL.families[output]))
        measured.append(transcripts.agreement(written, played).key)
    assert np.mean(measured) > 0.8, measured


def test_a_stopped_run_goes_on_as_if_it_had_not_been_stopped(mixer: Mixer, corpus: Corpus, tmp_path: Path) -> None:
    course = replace(COURSE, shape=TranscriberConfig(width=8, dilations=(1,)), shift=2)
    whole = PitchTrainer(mixer, corpus, course, tmp_path / "whole")
    whole.run(stop_at=4)
    PitchTrainer(mixer, corpus, course, tmp_path / "parts").run(stop_at=2)
    second = PitchTrainer(mixer, corpus, course, tmp_path / "parts")
    assert second.step == 2
    second.run(stop_at=4)
    for name, value in whole.result().state_dict().items():
        assert torch.allclose(value, second.result().state_dict()[name], atol=1e-6), name


def test_the_run_of_another_course_is_not_gone_on_with(mixer: Mixer, corpus: Corpus, tmp_path: Path) -> None:
    PitchTrainer(mixer, corpus, COURSE, tmp_path).checkpoint()
    assert (tmp_path / STATE).is_file()
    with pytest.raises(TrainingError, match="another course"):
        PitchTrainer(mixer, corpus, replace(COURSE, shift=1), tmp_path)


def test_what_cannot_be_trained_is_said_in_one_line(tmp_path: Path) -> None:
    said: list[str] = []
    words = ["--data", str(tmp_path), "--run", str(tmp_path)]
    assert pitch.main([*words, "--mixtures", "1"], said.append) == 1
    assert pitch.main(words, said.append) == 1
    if not torch.cuda.is_available():
        assert pitch.main([*words, "--device", "cuda"], said.append) == 1
        assert said.pop() == "There is no GPU here that torch can use; leave out --device."
    assert "2 mixtures a step" in said[0]
    assert "holds no recorded notes" in said[1]
