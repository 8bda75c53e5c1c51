"""What hears sounds in the benchmark: the encoder, and the features that it has to beat."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from synthmatch.audio import ENCODER_RATE
from synthmatch.encoder import Encoder
from synthmatch.features import log_mel

Vectors = npt.NDArray[np.float32]

BATCH_SECONDS = 400.0
ANY = ""
"""The family of a query that names none."""


class Hearing(Protocol):
    """Turns sounds into vectors, and vectors into how close two sounds are."""

    name: str

    def hear(self, audio: Tensor) -> Vectors:
        """Mixtures or notes (B, T) at 16 kHz as vectors (B, S, D), one in each of S spaces."""
        ...

    def space(self, family: str) -> int:
        """The number of the space in which a family, or ``ANY``, is searched."""
        ...

    def scores(self, queries: Vectors, references: Vectors) -> Vectors:
        """Closeness (Q, K) of queries (Q, D) to candidates (K, notes, D): that of the best note."""
        ...


def batches(audio: Tensor) -> Iterator[Tensor]:
    """Cut (B, T) along B so that memory stays bounded."""
    size = max(1, int(BATCH_SECONDS * ENCODER_RATE / audio.shape[1]))
    yield from torch.split(audio, size)


class EncoderHearing:
    """The encoder: a space per family and one of timbre; cosine, the maximum over the reference notes."""

    def __init__(self, encoder: Encoder, name: str = "synthmatch") -> None:
        self.name = name
        self.encoder = encoder.eval()

    def hear(self, audio: Tensor) -> Vectors:
        with torch.inference_mode():
            parts = [self.encoder.embed(self.encoder.hear(part))[0] for part in batches(audio)]
        return torch.cat(parts).numpy()

    def space(self, family: str) -> int:
        families = self.encoder.config.families
        return families.index(family) if family else len(families)

    def scores(self, queries: Vectors, references: Vectors) -> Vectors:
        count, notes, size = references.shape
        flat = queries @ references.reshape(-1, size).T
        best: Vectors = flat.reshape(len(queries), count, notes).max(axis=2)
        return best


class _Statistics:
    """Mean and deviation over time of some features; distance after scaling each to unit deviation over the
    candidates. Knows no families: what it hears of a mixture is the whole mixture."""

    name = ""

    def _features(self, audio: Tensor) -> Tensor:
        """(B, T) -> (B, features, N)."""
        raise NotImplementedError

    def hear(self, audio: Tensor) -> Vectors:
        vectors = []
        for part in batches(audio):
            features = self._features(part / part.abs().amax(dim=1, keepdim=True).clamp(min=1e-6))
            vectors.append(torch.cat([features.mean(-1), features.std(-1)], dim=1))
        return torch.cat(vectors)[:, None].numpy()

    def space(self, family: str) -> int:  # noqa: ARG002 (part of the protocol)
        return 0

    def scores(self, queries: Vectors, references: Vectors) -> Vectors:
        flat = references.reshape(-1, references.shape[-1])
        middle, spread = flat.mean(axis=0), flat.std(axis=0) + 1e-6
        first, second = (torch.from_numpy((each - middle) / spread) for each in (queries, flat))
        distance = torch.cdist(first, second).reshape(len(queries), *references.shape[:2])
        return (-distance.amin(dim=2)).numpy()


class LogMelHearing(_Statistics):
    """64 log-mels."""

    name = "log-mel"

    def _features(self, audio: Tensor) -> Tensor:
        return log_mel(audio)


class MfccHearing(_Statistics):
    """20 cepstral coefficients of the log-mels (type II cosine transform, the first one left out: level)."""

    name = "MFCC"

    def _features(self, audio: Tensor) -> Tensor:
        mels = log_mel(audio)
        bands = mels.shape[1]
        place = torch.arange(bands) + 0.5
        basis = torch.cos(torch.pi / bands * torch.arange(1, 21)[:, None] * place[None])
        return functional.normalize(basis, dim=1) @ mels


class Chance:
    """Scores drawn by lot, the same for the same seed."""

    name = "chance"

    def __init__(self, seed: int = 0) -> None:
        self._rng = np.random.default_rng(seed)

    def hear(self, audio: Tensor) -> Vectors:
        return np.zeros((len(audio), 1, 1), np.float32)

    def space(self, family: str) -> int:  # noqa: ARG002 (part of the protocol)
        return 0

    def scores(self, queries: Vectors, references: Vectors) -> Vectors:
        drawn: Vectors = self._rng.random((len(queries), len(references)), dtype=np.float32)
        return drawn
