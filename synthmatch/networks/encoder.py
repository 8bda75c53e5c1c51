"""The encoder: one trunk hears sound; small heads make a unit vector per family of it, and one of timbre."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from synthmatch.networks.ears import CLOSER_HOP, CLOSER_WINDOW, Listener, Trunk, context_of
from synthmatch.networks.features import relative_mel
from synthmatch.presets.families import FAMILY_KEYS

if TYPE_CHECKING:
    from collections.abc import Mapping

RELEASED = Path(__file__).parent.parent / "models" / "released.safetensors"


@dataclass(frozen=True)
class EncoderConfig:
    """The shape of an encoder.

    Args:
        families: the families that it tells apart, in the order of its outputs.
        bands: mel bands of its input; a multiple of 8.
        channels: of the three stages of its trunk.
        blocks: residual blocks in each stage.
        width: features per frame after the trunk.
        layers: residual blocks over time after the trunk.
        heads: attention heads per family; divides ``width``.
        dimension: length of the vectors that come out.
        shared: whether one head serves all families and timbre: then their vectors are the same.
        presence: features of the hidden layer by which presence is judged, from what all heads heard; with 0 there's
            none, and each family is judged by its own head.
        family: features of the hidden layer by which the family of a single preset is judged, from the same.
        context: blocks after the trunk in which every frame hears all others.
        listener: whether presence has a trunk and attention of its own, which needn't tell presets apart; for encoders
            whose ``presence`` is above 0.
        closer: mel bands that the listener hears beside the others, through a window four times as long, which tells
            the partials of a chord apart; a multiple of half of ``bands``, or 0 for none.
        deeper: residual blocks that the listener has beyond those of the trunk: so many over bands, and as many over
            frames.
        finer: residual blocks that it has, besides, in either stage before the third.
    """

    families: tuple[str, ...] = FAMILY_KEYS
    bands: int = 64
    channels: tuple[int, int, int] = (32, 64, 128)
    blocks: tuple[int, int, int] = (1, 2, 2)
    width: int = 256
    layers: int = 2
    heads: int = 4
    dimension: int = 128
    shared: bool = False
    presence: int = 0
    family: int = 128
    context: int = 0
    listener: bool = False
    closer: int = 0
    deeper: int = 0
    finer: int = 0

    @property
    def without_ears(self) -> EncoderConfig:
        """The same shape, where presence has no ears of its own."""
        return replace(self, listener=False, closer=0, deeper=0, finer=0)

    @property
    def summary(self) -> int:
        """How many features presence and family are judged by (:func:`summary`)."""
        return (self.slots + 3) * self.width

    @property
    def slots(self) -> int:
        """How many heads there are: one per family, and the last for timbre; or one for everything."""
        return 1 if self.shared else len(self.families) + 1


class Encoder(nn.Module):
    """Sound -> vectors that lie close together where the timbres do.

    Every method takes mono sound at 16 kHz as (B, T), float32, with one T for the whole batch (never pad:
    silence that isn't in the recording changes what is heard). Levels don't matter: each clip is measured
    against its own loudest band. Vectors have unit length; their products are cosines.
    """

    def __init__(self, config: EncoderConfig | None = None) -> None:
        super().__init__()
        self.config = config or EncoderConfig()
        self.path: Path | None = None
        """The file that it was read from."""
        self.low_precision = False
        """Whether the trunk computes in bfloat16, for training; the heads never do, since cosines of good
        matches differ by less than it can tell."""
        families = len(self.config.families)
        slots = self.config.slots
        width, heads = self.config.width, self.config.heads
        self.trunk = Trunk(self.config)
        self.attention = nn.Conv1d(width, slots * heads, 1)
        shape = (slots, 2 * width, self.config.dimension)
        self.projection = nn.Parameter(torch.randn(shape) * (2 * width) ** -0.5)
        hidden = self.config.presence
        self.presence_hidden = nn.Linear(self.config.summary, hidden) if hidden else None
        self.presence_weight = nn.Parameter(torch.zeros(families, hidden or 2 * width))
        self.presence_bias = nn.Parameter(torch.full((families,), -1.0))
        # Buffers: fitted once the rest is trained, and left alone by the optimiser.
        self.family_hidden_weight: Tensor
        self.family_hidden_bias: Tensor
        self.family_weight: Tensor
        self.family_bias: Tensor
        self.register_buffer("family_hidden_weight", torch.zeros(self.config.family, self.config.summary))
        self.register_buffer("family_hidden_bias", torch.zeros(self.config.family))
        self.register_buffer("family_weight", torch.zeros(families, self.config.family))
        self.register_buffer("family_bias", torch.zeros(families))
        # Last: other weights begin as they would without them.
        self.context = context_of(self.config)
        self.listener = Listener(self.config) if self.config.listener else None

    def hear(self, audio: Tensor) -> Tensor:
        """The input of the trunk: log-mel relative to the clip's loudest band.

        Args:
            audio: (B, T).

        Returns:
            (B, bands, N), between 0 (80 dB below the loudest) and 4.
        """
        return relative_mel(audio, self.config.bands)

    def embed(self, audio: Tensor) -> tuple[Tensor, Tensor]:
        """Everything at once.

        Args:
            audio: (B, T).

        Returns:
            Unit vectors (B, F + 1, D), the last one of timbre, and presence logits (B, F).
        """
        heard = self.hear(audio)
        features = self.features(heard)
        attended = self.attend(features)
        pooled = _pooled(features, attended)
        if self.presence_hidden is None:
            own = pooled if self.config.shared else pooled[:, :-1]  # a shared head's stands for every family
            presence = (own * self.presence_weight).sum(-1) + self.presence_bias
        else:
            judged = summary(features, attended) if self.listener is None else self._judged(heard, audio)
            hidden = functional.relu(self.presence_hidden(judged))
            presence = functional.linear(hidden, self.presence_weight, self.presence_bias)
        return self._vectors(pooled), presence

    def vectors(self, audio: Tensor) -> Tensor:
        """The vectors of :meth:`embed` alone: presence costs as much again where it has ears of its own."""
        features = self.features(self.hear(audio))
        return self._vectors(_pooled(features, self.attend(features)))

    def _vectors(self, pooled: Tensor) -> Tensor:
        """Unit vectors (B, F + 1, D) of what :func:`_pooled` gives; a shared head's stands in every place."""
        vectors = functional.normalize(torch.einsum("bsc,scd->bsd", pooled, self.projection), dim=-1)
        return vectors.expand(-1, len(self.config.families) + 1, -1)

    def features(self, heard: Tensor) -> Tensor:
        """What trunk and context make of the log-mel from :meth:`hear`: (B, bands, N) -> (B, C, N / 4)."""
        with self._precision(heard.device):
            out: Tensor = self.context(self.trunk(heard[:, None])).float()
        return out

    def _precision(self, device: torch.device) -> torch.autocast:
        return torch.autocast(device.type, torch.bfloat16, enabled=self.low_precision)

    def attend(self, features: Tensor) -> Tensor:
        """What each head makes of the trunk's features: (B, C, N) -> (B, slots, C)."""
        return self._attend(self, features)

    def _attend(self, ears: Encoder | Listener, features: Tensor) -> Tensor:
        batch, width, frames = features.shape
        heads, slots = self.config.heads, self.config.slots
        weights = ears.attention(features).softmax(dim=-1).view(batch, slots, heads, frames)
        parts = features.view(batch, heads, width // heads, frames)
        return torch.einsum("bshn,bhcn->bshc", weights, parts).reshape(batch, slots, width)

    def listen(self, audio: Tensor) -> Tensor:
        """By what the presence of (B, T) is judged (:func:`summary`): by ears of its own if there are some."""
        return self._judged(self.hear(audio), audio)

    def _judged(self, heard: Tensor, audio: Tensor) -> Tensor:
        if self.listener is None:
            features = self.features(heard)
            return summary(features, self.attend(features))
        bands = self.config.closer
        closer = relative_mel(audio, bands, CLOSER_WINDOW, CLOSER_HOP) if bands else None
        with self._precision(audio.device):
            features = self.listener(heard, closer).float()
        return summary(features, self._attend(self.listener, features))

    def encode_query(self, audio: Tensor) -> tuple[Tensor, Tensor]:
        """For each family that a mixture may hold, the vector that its preset would have.

        Args:
            audio: (B, T).

        Returns:
            Vectors (B, F, D) and presence logits (B, F).
        """
        vectors, presence = self.embed(audio)
        return vectors[:, :-1], presence

    def encode_reference(self, audio: Tensor) -> Tensor:
        """A preset's vector under each family's projection, from one of its notes.

        Args:
            audio: (B, T), one note each.

        Returns:
            (B, F, D).
        """
        return self.vectors(audio)[:, :-1]

    def encode_timbre(self, audio: Tensor) -> Tensor:
        """One space for everything: near-duplicates, maps, single sounds without a family.

        Args:
            audio: (B, T).

        Returns:
            (B, D).
        """
        return self.vectors(audio)[:, -1]

    def encode_preset(self, audio: Tensor) -> tuple[Tensor, Tensor]:
        """Everything that a library keeps of a preset, from one of its notes.

        Args:
            audio: (B, T), one note each.

        Returns:
            Vectors (B, F + 1, D), the last one of timbre; and to which family the preset belongs, probabilities
            (B, F) that add up to 1: one of them, however many mixtures hold each, which is what tells this from
            presence.
        """
        features = self.features(self.hear(audio))
        attended = self.attend(features)
        hidden = functional.relu(
            functional.linear(summary(features, attended), self.family_hidden_weight, self.family_hidden_bias)
        )
        families = functional.linear(hidden, self.family_weight, self.family_bias).softmax(dim=-1)
        return self._vectors(_pooled(features, attended)), families

    @property
    def fingerprint(self) -> str:
        """Hash of the shape and of every weight: libraries name the encoder that embedded them by it.

        Of the weights as they are now, so it is never that of other ones; and computed each time that it is asked for,
        which takes about as long as to hear a window. Who asks often keeps what was said.
        """
        from synthmatch.networks.checkpoint import fingerprint

        return fingerprint(self)

    def save(self, path: Path, facts: Mapping[str, object] | None = None) -> None:
        """Write shape and weights (see :func:`synthmatch.networks.checkpoint.save`)."""
        from synthmatch.networks.checkpoint import save

        save(path, self, facts or {})

    @classmethod
    def load(cls, path: Path | str) -> Encoder:
        """Read an encoder, ready to embed.

        Raises:
            CheckpointError: missing, damaged, or of another kind or version.
        """
        from synthmatch.networks.checkpoint import load

        return load(Path(path))[0]

    @classmethod
    def released(cls) -> Encoder:
        """The encoder that comes with the package."""
        return cls.load(RELEASED)


def summary(features: Tensor, heard: Tensor) -> Tensor:
    """By what presence and family are judged: what every head heard, and how features lie over time.

    Args:
        features: (B, C, N), of the trunk.
        heard: (B, slots, C), from :meth:`Encoder.attend`.

    Returns:
        (B, (slots + 3) * C).
    """
    spread = features.std(dim=-1, correction=0)
    return torch.cat([heard.flatten(1), features.mean(dim=-1), spread, features.amax(dim=-1)], dim=1)


def _pooled(features: Tensor, attended: Tensor) -> Tensor:
    """What each head heard, (B, slots, C), beside the mean of all frames: (B, slots, 2 C)."""
    overall = features.mean(dim=-1)[:, None].expand_as(attended)
    return torch.cat([attended, overall], dim=-1)
