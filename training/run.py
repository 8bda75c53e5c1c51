"""One command from banks to weights: record, train, and write an encoder that says what it heard."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from synthmatch.training.batches import Mixer
from synthmatch.training.classifier import fit_families
from synthmatch.training.config import Recipe, read_recipe
from synthmatch.training.recording import Corpus, Progress, gather
from synthmatch.training.trainer import Progress as StepProgress
from synthmatch.training.trainer import Trainer


def mixer_of(corpus: Corpus, recipe: Recipe) -> Mixer:
    """Mixtures of the presets on the training side, labelled ones and heard ones alike."""
    presets = {family: corpus.ids("train", family) for family in recipe.encoder.families}
    clusters = {key: label.cluster for key, label in corpus.labels.items()}
    return Mixer(corpus.notes, presets, clusters, recipe)


def train(
    recipe_name: str,
    data: Path,
    folder: Path,
    out: Path,
    workers: int | None = None,
    stop_at: int | None = None,
    recorded: Progress | None = None,
    stepped: StepProgress | None = None,
) -> int:
    """Train by a recipe; what was recorded or trained before goes on where it was.

    Args:
        recipe_name: a recipe of the package, or a TOML file.
        data: where recorded notes are kept.
        folder: where the run keeps its checkpoint and log.
        out: the encoder's file, written when the recipe's last step (or ``stop_at``) is done.
        workers: host processes that record.
        stop_at: the step to stop at; a later call goes on.
        recorded, stepped: called as notes are recorded and steps are taken.

    Returns:
        The number of steps taken so far.

    Raises:
        TrainingError: no banks, or a recipe that doesn't fit.
    """
    recipe = read_recipe(recipe_name)
    corpus = gather(data, recipe.extra_notes, workers, recorded, for_benchmark=False)
    mixer = mixer_of(corpus, recipe)
    trainer = Trainer(mixer, recipe, folder)
    encoder = trainer.run(stepped, stop_at)
    agreement = fit_families(encoder, corpus)
    heard = sorted({key for ids in mixer.presets.values() for key in ids})
    facts = {
        "recipe": recipe_name,
        "settings": asdict(recipe),
        "steps": trainer.step,
        "family_agreement": agreement,
        "trained_on": heard,
    }
    encoder.save(out, facts)
    return trainer.step
