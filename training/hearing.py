"""What hears sounds in the benchmark: the encoder, and the features that it has to beat."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from synthmatch.encoder import Encoder
from synthmatch.features import log_mel

Vectors = npt.NDArray[np.float32]

BATCH_SECONDS = 400.0
ANY = ""
"""The family of a query that names none."""


class Hearing(Protocol):
    """Turns sounds into vectors whose products say how close two sounds are."""

    name: str

    def query(self, audio: Tensor, family: str) -> Vectors:
        """Vectors (B, D) of mixtures or single sounds (B, T), asked for a family or for ``ANY``."""
        ...

    def reference(self, audio: Tensor, family: str) -> Vectors:
        """Vectors (B, D) of single notes (B, T) under a family or ``ANY``."""
        ...

    def settle(self, references: Vectors) -> None:
        """See all candidates once, before any product is taken."""
        ...

    def scores(self, queries: Vectors, references: Vectors) -> Vectors:
        """Closeness (Q, K) of queries (Q, D) to candidates (K, notes, D): that of the best note."""
        ...


def batches(audio: Tensor) -> Iterator[Tensor]:
    """Cut (B, T) along B so that memory stays bounded."""
    size = max(1, int(BATCH_SECONDS * 16_000 / audio.shape[1]))
    yield from torch.split(audio, size)


class EncoderHearing:
    """The encoder: cosine, the maximum over the reference notes."""

    def __init__(self, encoder: Encoder, name: str = "synthmatch") -> None:
        self.name = name
        self.encoder = encoder.eval()

    def _hear(self, audio: Tensor, family: str) -> Vectors:
        families = self.encoder.config.families
        slot = families.index(family) if family else len(families)
        with torch.inference_mode():
            parts = [self.encoder.embed(self.encoder.hear(part))[0][:, slot] for part in batches(audio)]
        return torch.cat(parts).float().numpy()

    def query(self, audio: Tensor, family: str) -> Vectors:
        return self._hear(audio, family)

    def reference(self, audio: Tensor, family: str) -> Vectors:
        return self._hear(audio, family)

    def settle(self, references: Vectors) -> None:
        pass

    def scores(self, queries: Vectors, references: Vectors) -> Vectors:
        count, notes, size = references.shape
        flat = queries @ references.reshape(-1, size).T
        best: Vectors = flat.reshape(len(queries), count, notes).max(axis=2)
        return best


class _Statistics:
    """Mean and deviation over time of some features; distance after scaling each to unit deviation over the
    candidates. Knows no families: what it hears of a mixture is the whole mixture."""

    name = ""

    def __init__(self) -> None:
        self._middle: Vectors = np.zeros(0, np.float32)
        self._spread: Vectors = np.ones(0, np.float32)

    def _features(self, audio: Tensor) -> Tensor:
        """(B, T) -> (B, features, N)."""
        raise NotImplementedError

    def query(self, audio: Tensor, family: str) -> Vectors:  # noqa: ARG002 (part of the protocol)
        vectors = []
        for part in batches(audio):
            features = self._features(part / part.abs().amax(dim=1, keepdim=True).clamp(min=1e-6))
            vectors.append(torch.cat([features.mean(-1), features.std(-1)], dim=1))
        return torch.cat(vectors).numpy()

    def reference(self, audio: Tensor, family: str) -> Vectors:
        return self.query(audio, family)

    def settle(self, references: Vectors) -> None:
        flat = references.reshape(-1, references.shape[-1])
        self._middle, self._spread = flat.mean(axis=0), flat.std(axis=0) + 1e-6

    def scores(self, queries: Vectors, references: Vectors) -> Vectors:
        first = torch.from_numpy((queries - self._middle) / self._spread)
        flat = references.reshape(-1, references.shape[-1])
        second = torch.from_numpy((flat - self._middle) / self._spread)
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
        basis = torch.cos(torch.pi / bands * torch.arange(1, 21)[:, None] * place[None]) * (2 / bands) ** 0.5
        return functional.normalize(basis, dim=1) @ mels


class Chance:
    """Random vectors, the same for the same seed."""

    name = "chance"

    def __init__(self, seed: int = 0) -> None:
        self._rng = np.random.default_rng(seed)

    def query(self, audio: Tensor, family: str) -> Vectors:  # noqa: ARG002 (part of the protocol)
        return self._rng.standard_normal((len(audio), 16)).astype(np.float32)

    def reference(self, audio: Tensor, family: str) -> Vectors:
        return self.query(audio, family)

    def settle(self, references: Vectors) -> None:
        pass

    def scores(self, queries: Vectors, references: Vectors) -> Vectors:
        drawn: Vectors = self._rng.random((len(queries), len(references)), dtype=np.float32)
        return drawn
