"""The transcriber: a small network that hears a song and writes down what each family plays in it.

What it writes are the keys that were pressed, since that is what a preset has to be played on. A preset that sounds
an octave above its keys is written an octave below its sound, as far as its timbre gives that away.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from synthmatch.audio import Clip, Samples
from synthmatch.errors import CheckpointError
from synthmatch.networks import checkpoint, pitchgram
from synthmatch.networks.blocks import ChannelNorm
from synthmatch.networks.pianoroll import VOICES, Grid, Reading, notes_of
from synthmatch.notes import Note
from synthmatch.presets.families import FAMILIES, FAMILY_KEYS

RELEASED = Path(__file__).parent.parent / "models" / "notes.safetensors"

GRID = Grid(pitchgram.LOWEST, pitchgram.PITCHES, pitchgram.FRAMES_A_SECOND)

EVERYTHING = "any"
"""The output for all families together: what one hears of a sound whose family nobody names."""

LONGEST = 30.0
"""Seconds that are heard at most at a time: more would take memory in proportion."""

KIND = "synthmatch transcriber"
"""What its files say that they are."""
_RARE = -4.0  # log-odds that a key goes down, before anything is learnt


@dataclass(frozen=True)
class TranscriberConfig:
    """The shape of a transcriber.

    Args:
        families: those that it writes down, in the order of its outputs; after them comes ``EVERYTHING``.
        width: features of each pitch and frame.
        dilations: frames between what each block looks at: a block each.
        onset, held: probabilities below which no key goes down, and none is down.
        surest, fading: how sure a beginning must be beside the surest one around it, and how sure a key must remain
            (:class:`synthmatch.networks.pianoroll.Reading`); fitted after training.
        surest_of_all: the former for ``EVERYTHING``.
    """

    families: tuple[str, ...] = FAMILY_KEYS
    width: int = 32
    dilations: tuple[int, ...] = (1, 2, 4, 1)
    onset: float = 0.1
    held: float = 0.02
    surest: float = 0.5
    fading: float = 0.4
    surest_of_all: float = 0.6

    @property
    def outputs(self) -> tuple[str, ...]:
        """The keys of all outputs."""
        return (*self.families, EVERYTHING)

    def reading(self, key: str) -> Reading:
        """How the notes of an output are read: a family that plays no chords plays one note at a time."""
        family = FAMILIES.get(key)
        voices = 1 if family and not family.chords else VOICES
        surest = self.surest_of_all if key == EVERYTHING else self.surest
        return Reading(self.onset, self.held, surest, self.fading, voices=voices)


class _Block(nn.Module):
    """Residual block over pitches and frames."""

    def __init__(self, width: int, dilation: int) -> None:
        super().__init__()
        self.norm = ChannelNorm(width)
        self.spread = nn.Conv2d(width, width, 3, padding=(1, dilation), dilation=(1, dilation))
        self.mix = nn.Conv2d(width, width, 1)
        nn.init.zeros_(self.mix.weight)  # starts as the identity
        nn.init.zeros_(self.mix.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:  # (B, C, P, N) -> the same
        out: Tensor = x + self.mix(functional.relu(self.spread(self.norm(x))))
        return out


class _Context(nn.Module):
    """What the whole clip has at each pitch and its neighbours up to an octave away, told to every frame: a note
    belongs to the part whose other notes sound like it."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = ChannelNorm(width)
        self.near = nn.Conv1d(2 * width, width, 25, padding=12)
        self.all = nn.Linear(2 * width, width)

    def forward(self, x: Tensor) -> Tensor:  # (B, C, P, N) -> the same
        heard = self.norm(x)
        summary = torch.cat([heard.mean(dim=3), heard.amax(dim=3)], dim=1)  # (B, 2C, P)
        told: Tensor = self.near(summary) + self.all(summary.mean(dim=2))[:, :, None]
        return x + functional.relu(told)[..., None]


class Transcriber(nn.Module):
    """Sound -> beginnings and held keys of each family."""

    def __init__(self, config: TranscriberConfig | None = None) -> None:
        super().__init__()
        self.config = config or TranscriberConfig()
        width, count = self.config.width, 2 * len(self.config.outputs)
        rows = pitchgram.STEPS  # of a semitone, which become one
        self.enter = nn.Conv2d(pitchgram.CHANNELS, width, (rows, 3), stride=(rows, 1), padding=(0, 1))
        half = (len(self.config.dilations) + 1) // 2
        blocks = [_Block(width, dilation) for dilation in self.config.dilations]
        self.blocks = nn.Sequential(*blocks[:half], _Context(width), *blocks[half:], ChannelNorm(width))
        self.out = nn.Conv2d(width, count, 1)
        # Which keys a family plays at all.
        self.range = nn.Parameter(torch.full((count, pitchgram.PITCHES, 1), _RARE))

    def forward(self, audio: Tensor, shift: int = 0) -> tuple[Tensor, Tensor]:
        """The log-odds that a key goes down, and that it is down.

        Args:
            audio: (B, T), 16 kHz; T is the same for the whole batch. Levels don't matter.
            shift: semitones by which everything is heard higher than it is.

        Returns:
            Twice (B, F + 1, ``PITCHES``, N), in the order of ``config.outputs``.
        """
        with torch.autocast(audio.device.type, enabled=False):  # sound needs more digits than a network
            heard = pitchgram.pitchgram(audio)
        if torch.is_autocast_enabled(audio.device.type):  # before it grows, rather than after
            heard = heard.to(torch.get_autocast_dtype(audio.device.type))
        heard = pitchgram.harmonics(heard, shift)
        x = self.enter(heard.contiguous(memory_format=torch.channels_last))
        scores: Tensor = self.out(self.blocks(x)) + self.range
        onsets, held = scores.chunk(2, dim=1)
        return onsets, held

    def probabilities(self, heard: Samples) -> tuple[Samples, Samples]:
        """Beginnings and held keys of each output, (F + 1, ``PITCHES``, N) each, from 0 to 1.

        Args:
            heard: (n,), 16 kHz, at most ``LONGEST`` seconds.
        """
        with torch.inference_mode():
            onsets, held = self.eval()(torch.from_numpy(np.ascontiguousarray(heard))[None])
        return onsets[0].sigmoid().numpy(), held[0].sigmoid().numpy()

    def transcribe(self, clip: Clip) -> dict[str, tuple[Note, ...]]:
        """What each family plays in the first ``LONGEST`` seconds of a clip; under ``EVERYTHING``, all together.

        Every family is asked, whether it is heard or not; one that isn't there may be given notes of others.
        """
        onsets, held = self.probabilities(clip.between(0, LONGEST).heard())
        return {
            key: notes_of(begun, down, GRID, self.config.reading(key))
            for key, begun, down in zip(self.config.outputs, onsets, held, strict=True)
        }

    def save(self, path: Path, facts: dict[str, Any]) -> None:
        """Write it in 16-bit numbers, wholly or not at all; ``facts`` are JSON values about how it came to be."""
        tensors = {name: tensor.half() for name, tensor in self.state_dict().items()}
        checkpoint.write(path, KIND, tensors, asdict(self.config), facts)

    @classmethod
    def load(cls, path: Path) -> Transcriber:
        """Read one, in evaluation mode.

        Raises:
            CheckpointError: missing, damaged, or of another kind or version.
        """
        tensors, config, _ = checkpoint.read(path, KIND, "synthmatch.training.pitch")
        try:
            made = cls(TranscriberConfig(**config))
            made.load_state_dict({name: tensor.float() for name, tensor in tensors.items()})
        except (TypeError, RuntimeError) as error:
            raise CheckpointError(f"{path} doesn't fit the transcriber in its header; copy it again.") from error
        return made.eval()

    @classmethod
    def released(cls) -> Transcriber:
        """The one that comes with synthmatch.

        Raises:
            CheckpointError: none does.
        """
        if not RELEASED.is_file():
            raise CheckpointError(
                "This copy of synthmatch comes without a transcriber, so notes can't be estimated; "
                "give them as a MIDI file.",
                remedy="midi",
            )
        return cls.load(RELEASED)
