"""Songs: what presence is taught by, and made true by.

Families are what people call presets, and of most presets nobody has said anything: their families were guessed from
their sound, well enough to mix by, not to learn families from. So these songs are played by presets whose family a
person stated, and by variants of them.
"""

from __future__ import annotations

from dataclasses import replace

import torch

from synthmatch.errors import TrainingError
from synthmatch.networks.encoder import Encoder, EncoderConfig
from synthmatch.training.config import Recipe
from synthmatch.training.mixing.batches import Mixer
from synthmatch.training.recorded.corpus import Corpus

TOGETHER = 48  # songs a step
SECONDS = 10.0
PARTS = 6  # at most, of each song
STRANGE = 0.75  # share of the songs with a sound that is nobody's part: two in three of these are drums
LIVE = 0.25  # share of the parts that are passages played live


def song_recipe(shape: EncoderConfig, families: tuple[str, ...], seed: int) -> Recipe:
    """A recipe whose every step is of songs: one to six parts of any families, and drums, noises and drones.

    Presets without a family aren't among what is nobody's part: nobody has told theirs, but they sound like one.

    Args:
        families: those that may play.
    """
    return Recipe(
        encoder=replace(shape.without_ears, presence=0),
        seed=seed,
        mixtures=TOGETHER,
        repeats=TOGETHER,
        seconds=SECONDS,
        core=families[:1],
        core_share=0.0,
        parts=PARTS,
        scattered=True,
        solo=0.0,
        solo_until=0,
        live=0.0,
        distractors=STRANGE,
    )


def song_mixer(
    encoder: Encoder, corpus: Corpus, recipe: Recipe, memory_gb: float, device: torch.device | None = None
) -> Mixer:
    """Makes the songs that teach presence.

    Args:
        corpus: the presets of the encoder's training.
        recipe: that of the encoder's training: its seed, degradations and alterations.
        memory_gb: see :class:`Mixer`.
        device: where songs are made and heard; the CPU if None.

    Raises:
        TrainingError: no preset of the training side has a stated family.
    """
    there = {family: corpus.players(family) for family in encoder.config.families}
    heard = tuple(family for family in encoder.config.families if there[family])
    if not heard:
        raise TrainingError("Nobody said the family of any preset that is trained on; add banks that name theirs.")
    asked = replace(
        song_recipe(encoder.config, heard, recipe.seed + 1),
        live=LIVE if corpus.phrases is not None else 0.0,
        degradations=recipe.degradations,
        alterations=recipe.alterations,
    )
    return Mixer(corpus.notes, there, corpus.clusters, asked, corpus.phrases, device, memory_gb, corpus.kits)
