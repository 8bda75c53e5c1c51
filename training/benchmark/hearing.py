"""What hears sounds in the benchmark: the encoder, and what it has to beat."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from synthmatch.audio import ENCODER_RATE
from synthmatch.errors import TrainingError
from synthmatch.networks.encoder import Encoder
from synthmatch.networks.features import log_mel
from synthmatch.presets.families import FAMILY_KEYS

Vectors = npt.NDArray[np.float32]

BATCH_SECONDS = 400.0


@dataclass(frozen=True, eq=False)
class Heard:
    """What was heard of B sounds.

    Args:
        vectors: (B, S, D), one in each of S spaces.
        presence: (B, F), the log-odds that a family is there; None from who can't tell.
    """

    vectors: Vectors
    presence: Vectors | None = None

    @classmethod
    def joined(cls, parts: Sequence[Heard]) -> Heard:
        """Several as one, in order; at least one."""
        presence = [part.presence for part in parts if part.presence is not None]
        return cls(np.concatenate([part.vectors for part in parts]), np.concatenate(presence) if presence else None)


class Hearing(Protocol):
    """Turns sounds into vectors, and vectors into how close two sounds are.

    The families of presence are those of ``FAMILY_KEYS``, in their order.
    """

    name: str

    def hear(self, audio: Tensor, presence: bool = True) -> Heard:
        """Hear mixtures or notes (B, T) at 16 kHz; without ``presence``, which nobody asks of notes, for less."""
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
    """The encoder: a space per family and one of timbre; cosine, the maximum over the reference notes.

    Args:
        notes: the numbers of the reference notes that count; all of them if None.

    Raises:
        TrainingError: it lacks one of the families.
    """

    def __init__(self, encoder: Encoder, name: str = "synthmatch", notes: Sequence[int] | None = None) -> None:
        missing = set(FAMILY_KEYS) - set(encoder.config.families)
        if missing:
            raise TrainingError(
                f"{name} knows nothing of {', '.join(sorted(missing))}; evaluate an encoder with all families."
            )
        self.name = name
        self.encoder = encoder.eval()
        self._families = [encoder.config.families.index(key) for key in FAMILY_KEYS]
        self._notes = notes
        self._tells = bool(encoder.presence_weight.any())  # a recipe may teach no presence

    def hear(self, audio: Tensor, presence: bool = True) -> Heard:
        with torch.inference_mode():
            if not (presence and self._tells):
                return Heard(torch.cat([self.encoder.vectors(part) for part in batches(audio)]).numpy())
            parts = [self.encoder.embed(part) for part in batches(audio)]
        vectors, said = (torch.cat(each).numpy() for each in zip(*parts, strict=True))
        return Heard(vectors, said[:, self._families])

    def space(self, family: str) -> int:
        families = self.encoder.config.families
        return families.index(family) if family else len(families)

    def scores(self, queries: Vectors, references: Vectors) -> Vectors:
        chosen = references if self._notes is None else references[:, list(self._notes)]
        count, notes, size = chosen.shape
        flat = queries @ chosen.reshape(-1, size).T
        best: Vectors = flat.reshape(len(queries), count, notes).max(axis=2)
        return best


class _Statistics:
    """Mean and deviation over time of some features; distance after scaling each to unit deviation over the
    candidates. Knows no families: what it hears of a mixture is the whole mixture."""

    name = ""

    def _features(self, audio: Tensor) -> Tensor:
        """(B, T) -> (B, features, N)."""
        raise NotImplementedError

    def hear(self, audio: Tensor, presence: bool = True) -> Heard:  # noqa: ARG002 (it can't tell)
        vectors = []
        for part in batches(audio):
            features = self._features(part / part.abs().amax(dim=1, keepdim=True).clamp(min=1e-6))
            vectors.append(torch.cat([features.mean(-1), features.std(-1)], dim=1))
        return Heard(torch.cat(vectors)[:, None].numpy())

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
    """Scores drawn by lot, the same whenever as many are drawn; of presence, the same for everything."""

    name = "chance"

    def __init__(self, seed: int = 0) -> None:
        self._seed = seed

    def hear(self, audio: Tensor, presence: bool = True) -> Heard:  # noqa: ARG002 (it costs nothing)
        return Heard(np.zeros((len(audio), 1, 1), np.float32), np.zeros((len(audio), len(FAMILY_KEYS)), np.float32))

    def space(self, family: str) -> int:  # noqa: ARG002 (part of the protocol)
        return 0

    def scores(self, queries: Vectors, references: Vectors) -> Vectors:
        shape = len(queries), len(references)
        drawn: Vectors = np.random.default_rng((self._seed, *shape)).random(shape, dtype=np.float32)
        return drawn
