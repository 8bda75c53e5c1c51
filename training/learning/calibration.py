"""Makes what an encoder says of presence true as a probability: of the songs of which it says 0.7, seven in ten."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional

from synthmatch.networks.encoder import Encoder
from synthmatch.training.learning.songs import LIVE, TOGETHER, song_recipe
from synthmatch.training.mixing.batches import Mixer
from synthmatch.training.recorded.corpus import Corpus

SONGS = 960
SEED = 100_003
"""Of songs, and of the strangers in them: another one than any recipe's, or they would be old friends."""
HELD = 0.002
"""How strongly scales are held near 1 and shifts near 0: a family of few presets says little about either."""


def calibrate_presence(encoder: Encoder, corpus: Corpus, seed: int = SEED) -> float:
    """Scale and shift each family's presence logit so that songs of valid presets are judged rightly (Platt, 1999).

    Neither order nor average precision changes; the heads' weights take the scales in. Families of which the valid
    side has no labelled preset stay as they are.

    Args:
        encoder: trained; changed in place.
        seed: of the songs, and of the strangers in them.

    Returns:
        The mean binary cross-entropy on these songs, after it; 0 if there were none.
    """
    there = {key: corpus.ids("valid", key, stated=True) for key in encoder.config.families}
    there = {key: ids for key, ids in there.items() if ids}
    if not there:
        return 0.0
    logits, truth = _judged(encoder, corpus, there, seed)
    heard = torch.tensor([key in there for key in encoder.config.families])
    scale, shift = _platt(logits, truth, heard)
    with torch.no_grad():
        encoder.presence_weight.mul_(scale[:, None])
        encoder.presence_bias.mul_(scale).add_(shift)
    after = (logits * scale + shift)[:, heard]
    return float(functional.binary_cross_entropy_with_logits(after, truth[:, heard]))


def _judged(encoder: Encoder, corpus: Corpus, there: dict[str, list[str]], seed: int) -> tuple[Tensor, Tensor]:
    """What is said of songs and what is so, (SONGS, F) each."""
    live = LIVE if corpus.phrases is not None else 0.0
    asked = replace(song_recipe(encoder.config, tuple(there), seed), live=live)
    mixer = Mixer(corpus.notes, there, corpus.clusters, asked, corpus.phrases)
    logits, truth = [], []
    with torch.no_grad():
        for step in range(SONGS // TOGETHER):
            batch = mixer.batch(step)
            logits.append(encoder.encode_query(batch.mixtures)[1])
            truth.append(batch.presence.float())
    return torch.cat(logits), torch.cat(truth)


def _platt(logits: Tensor, truth: Tensor, heard: Tensor) -> tuple[Tensor, Tensor]:
    """Scales, all above 0, and shifts, (F,) each; 1 and 0 for families that weren't heard."""
    free = torch.zeros(2, logits.shape[1], requires_grad=True)
    optimizer = torch.optim.LBFGS([free], max_iter=100, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        total = _missed(free, logits, truth, heard)
        total.backward()  # type: ignore[no-untyped-call]
        return total

    optimizer.step(loss)  # type: ignore[no-untyped-call]
    scale, shift = free.detach()
    return torch.where(heard, scale.exp(), 1.0), torch.where(heard, shift, 0.0)


def _missed(free: Tensor, logits: Tensor, truth: Tensor, heard: Tensor) -> Tensor:
    """What calibration minimises: binary cross-entropy of the families that were heard, and how far all families are
    moved.

    Args:
        free: (2, F), logarithms of scales, and shifts.
        logits, truth: (songs, F).
        heard: (F,), True where a family was.
    """
    said = logits * free[0].exp() + free[1]
    missed = functional.binary_cross_entropy_with_logits(said[:, heard], truth[:, heard])
    return missed + HELD * free.square().sum() / logits.shape[1]
