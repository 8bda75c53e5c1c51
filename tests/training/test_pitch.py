"""Training the transcriber: what it is taught is what is played, it learns it, and a stopped run goes on."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from synthmatch.audio import ENCODER_RATE
from synthmatch.errors import TrainingError
from synthmatch.pianoroll import notes_of
from synthmatch.training import pitch, transcripts
from synthmatch.training.batches import Mixer
from synthmatch.training.config import Recipe
from synthmatch.training.mixtures import stem
from synthmatch.training.pitch import Course, PitchTrainer
from synthmatch.training.recording import Corpus
from synthmatch.transcriber import GRID, Transcriber, TranscriberConfig, reading_of

SMALL = TranscriberConfig(width=24, dilations=(1, 2, 4))


def recipe(**changes: Any) -> Recipe:
    few = Recipe(seed=3, steps=250, mixtures=2, seconds=1.5, extra_notes=2, core_share=1.0, warmup=5, phrases=0)
    return replace(few, learning_rate=1e-2, solo=0.0, solo_start=0.0, ema=0.9, drop=0.0, **changes)


@pytest.fixture
def mixer(notes: Any) -> Mixer:
    return Mixer(notes.bank, notes.presets, {}, recipe())


@pytest.fixture
def course() -> Course:
    return Course(SMALL, recipe(), shift=0)


def test_what_is_taught_is_what_is_played(mixer: Mixer, corpus: Corpus, course: Course, tmp_path: Path) -> None:
    """Playing the scribe's notes with the same recordings makes the very stems of the plan."""
    trainer = PitchTrainer(mixer, corpus, course, tmp_path)
    plan = mixer.planner.plan(0)
    stems = mixer.stems(plan).numpy()
    for number, notes in enumerate(trainer.scribe.parts(plan)):
        key = mixer.planner.layout.ids[plan.labels.state[number]]
        assert {note.pitch for note in notes} <= set(corpus.notes.recorded[key].pitches)
        again = np.zeros(plan.samples, np.float32)
        for note in notes:
            sound = corpus.notes.nearest(key, note)
            first = round(note.start * ENCODER_RATE)
            again[first : first + len(sound)] += sound[: plan.samples - first]
        peak = np.abs(again).max()
        if peak > 0:
            likeness = float(np.corrcoef(again, stems[number])[0, 1])
            assert likeness > 0.99


def test_it_learns_a_few_mixtures_by_heart(mixer: Mixer, corpus: Corpus, course: Course, tmp_path: Path) -> None:
    pytest.importorskip("mir_eval", reason=transcripts.WITHOUT)
    trainer = PitchTrainer(mixer, corpus, course, tmp_path)
    plan = mixer.planner.plan(0)
    for _ in range(250):
        trainer.take_step(plan)
    model = trainer.result()
    sound = trainer._sound(plan)
    parts = trainer.scribe.parts(plan)
    measured = []
    for number, played in enumerate(parts):
        onsets, held = model.probabilities(sound[plan.labels.mixture[number]].numpy())
        output = int(plan.labels.family[number])
        written = notes_of(onsets[output], held[output], GRID, reading_of(SMALL.families[output]))
        measured.append(transcripts.agreement(written, played).key)
    assert np.mean(measured) > 0.8, measured
