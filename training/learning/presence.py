"""The encoder's presence head: which families play in a song, learnt from songs after everything else is trained.

Families are what people call presets, and of most presets nobody has said anything: their families were guessed from
their sound, well enough to mix by, not to learn families from. So these songs are played by presets whose family a
person stated, and by variants of them. The rest of the encoder stays as it is, and songs cost no way back through it.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from synthmatch.errors import TrainingError
from synthmatch.networks.encoder import Encoder, EncoderConfig, summary
from synthmatch.training.config import Recipe
from synthmatch.training.learning import statefile
from synthmatch.training.learning.heads import Head
from synthmatch.training.learning.trainer import fast_bfloat16
from synthmatch.training.mixing.batches import Mixer
from synthmatch.training.mixing.plans import NOBODY
from synthmatch.training.recorded.recording import Corpus

TOGETHER = 48  # songs a step
SECONDS = 10.0
PARTS = 6  # at most, of each song
STRANGE = 0.6  # share of the songs with a sound that is nobody's part
LIVE = 0.25  # share of the parts that are passages played live
FIRST = 10  # steps whose summaries are measured; from then on what the head learns on keeps its scale
RATE, DECAY = 1e-3, 0.05  # AdamW's
DROPPED = (0.1, 0.3)  # of the summary, and of the hidden features
CHECKPOINT_SECONDS = 110.0

Progress = Callable[[int, int, float], None]


def song_recipe(shape: EncoderConfig, families: tuple[str, ...], seed: int) -> Recipe:
    """A recipe whose every step is of songs: one to six parts of any families, of which some are nobody's.

    Args:
        families: those that may play.
    """
    return Recipe(
        encoder=replace(shape, presence=0),
        seed=seed,
        mixtures=TOGETHER,
        repeats=TOGETHER,
        seconds=SECONDS,
        core=families[:1],
        core_share=0.0,
        parts=PARTS,
        solo=0.0,
        solo_until=0,
        live=0.0,
        distractors=STRANGE,
    )


def song_mixer(encoder: Encoder, corpus: Corpus, recipe: Recipe, memory_gb: float) -> Mixer:
    """Makes the songs that teach presence.

    Args:
        corpus: the presets of the encoder's training.
        recipe: that of the encoder's training: its seed and degradations.

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
    )
    presets = {**there, NOBODY: corpus.ids("train", NOBODY)}
    return Mixer(corpus.notes, presets, corpus.clusters, asked, corpus.phrases, memory_gb=memory_gb)


class PresenceTrainer:
    """Trains the presence head alone; stopped at any moment, it goes on from its last checkpoint.

    The head learns on summaries of mean 0 and spread 1, as the first songs measure them; :meth:`install` puts that into
    its weights.
    """

    def __init__(self, encoder: Encoder, mixer: Mixer, steps: int, folder: Path) -> None:
        """
        Args:
            encoder: trained, on the CPU; changed by :meth:`install` alone.
            mixer: makes the songs of any step.
            steps: of ``TOGETHER`` songs each.
            folder: keeps ``presence.safetensors``; one of the same encoder and steps is taken up.
        """
        if encoder.presence_hidden is None:
            raise TrainingError("The encoder has no presence head to be trained alone; its `presence` is 0.")
        self.encoder, self.mixer, self.steps = encoder, mixer, steps
        self.step = 0
        hidden = encoder.presence_hidden
        torch.manual_seed(mixer.recipe.seed)
        self.head = Head(hidden.in_features, hidden.out_features, len(encoder.config.families))
        self.optimizer = torch.optim.AdamW(self.head.parameters(), lr=RATE, weight_decay=DECAY)
        self.sums = torch.zeros(3, hidden.in_features, dtype=torch.float64)  # count, sum, sum of squares
        self._path = folder / "presence.safetensors"
        self._facts = {"encoder": encoder.fingerprint, "steps": str(steps)}
        self._resume()

    def run(self, progress: Progress | None = None, until: float = math.inf) -> bool:
        """Train to the last step, or until ``time.monotonic`` says so; whether the last step was taken.

        Args:
            progress: called after each step with (steps so far, all, loss).
        """
        saved = time.monotonic()
        while self.step < self.steps and time.monotonic() < until:
            loss = self.take_step()
            if progress is not None:
                progress(self.step, self.steps, loss)
            if time.monotonic() - saved > CHECKPOINT_SECONDS:
                self.checkpoint()
                saved = time.monotonic()
        self.checkpoint()
        return self.step >= self.steps

    def take_step(self) -> float:
        """Hear the songs of a step and learn from them; the loss."""
        batch = self.mixer.batch(self.step)
        heard = self._summary(batch.mixtures)
        if self.step < FIRST:
            rows = heard.double()
            self.sums += torch.stack([torch.ones_like(rows), rows, rows.square()]).sum(dim=1)
        torch.manual_seed(self.mixer.recipe.seed * 1_000_003 + self.step)  # what is dropped, the same after a resume
        for group in self.optimizer.param_groups:
            group["lr"] = RATE * 0.5 * (1 + math.cos(math.pi * self.step / self.steps))
        centre, spread = self._measure()
        said = self.head((heard - centre) / spread, DROPPED)
        loss = functional.binary_cross_entropy_with_logits(said, batch.presence.float())
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        self.step += 1
        return float(loss.detach())

    def install(self) -> None:
        """Give the encoder the head as it is now."""
        hidden = self.encoder.presence_hidden
        assert hidden is not None
        weight, bias = self.head.folded(*self._measure())
        with torch.no_grad():
            hidden.weight.copy_(weight)
            hidden.bias.copy_(bias)
            self.encoder.presence_weight.copy_(self.head.out.weight)
            self.encoder.presence_bias.copy_(self.head.out.bias)

    def checkpoint(self) -> None:
        """Write everything that the next step depends on."""
        tensors = {"sums": self.sums} | {f"head.{key}": value for key, value in self.head.state_dict().items()}
        statefile.write(self._path, tensors, self.optimizer, {**self._facts, "step": str(self.step)})

    def _resume(self) -> None:
        facts = statefile.facts_of(self._path) or {}
        if {key: facts.get(key) for key in self._facts} != self._facts:
            return  # none, or of an encoder that has been trained on since
        state = statefile.read(self._path)
        self.sums.copy_(state.tensors["sums"])
        self.head.load_state_dict(state.part("head."))
        state.restore(self.optimizer)
        self.step = int(facts["step"])

    def _summary(self, audio: Tensor) -> Tensor:
        """(B, T) -> (B, (slots + 3) * C), in the precision that is fastest here, as the trunk was trained."""
        self.encoder.low_precision = fast_bfloat16(audio.device)
        try:
            with torch.no_grad():
                features = self.encoder.features(self.encoder.hear(audio))
                return summary(features, self.encoder.attend(features))
        finally:
            self.encoder.low_precision = False

    def _measure(self) -> tuple[Tensor, Tensor]:
        """Mean and spread of summaries, as measured so far."""
        count, total, squares = self.sums
        mean = total / count
        spread = (squares / count - mean.square()).clamp(min=0).sqrt()
        return mean.float(), spread.float() + 1e-3
