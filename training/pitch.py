"""Trains the transcriber on mixtures whose notes are known: ``python -m synthmatch.training.pitch --data DIR --run DIR
--minutes N``. The same command goes on where it stopped; whenever it stops, what was learnt so far is written.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from synthmatch.errors import SynthmatchError, TrainingError
from synthmatch.files import require_place
from synthmatch.machine import keep_memory
from synthmatch.networks.pianoroll import Roll
from synthmatch.networks.transcriber import GRID, Transcriber, TranscriberConfig
from synthmatch.training.config import Degradations, Recipe
from synthmatch.training.learning import statefile
from synthmatch.training.learning.journal import Journal
from synthmatch.training.learning.thresholds import fitted
from synthmatch.training.learning.trainer import fast_bfloat16
from synthmatch.training.mixing.ahead import plans
from synthmatch.training.mixing.augment import treat
from synthmatch.training.mixing.batches import Mixer, len_of, mix
from synthmatch.training.mixing.plans import Plan
from synthmatch.training.mixing.rolls import Scribe
from synthmatch.training.recorded.corpus import Corpus, open_corpus
from synthmatch.training.run import mixer_of

STATE = "pitch.safetensors"
OUT = "notes.safetensors"
UNFINISHED = 3

_SAVED = 110.0  # seconds between two checkpoints
_LOGGED = 20  # steps between two lines of the log
_STEADY = 300  # steps from which on the learning rate falls
_FITTED = 6  # steps that were never taken, on whose mixtures thresholds are fitted

MIXTURES = Recipe(
    seed=7,
    steps=15000,
    mixtures=8,
    seconds=5.0,
    core_share=0.6,
    parts=5,
    phrases=3,
    live=0.3,
    solo_until=300,
    distractors=0.15,
    gain_db=6.0,
    learning_rate=5e-3,
    warmup=50,
    ema=0.999,
    degradations=Degradations(
        share=0.3, tilt_db=6.0, shelf_db=6.0, drive_db=12.0, reverb=0.3, lowpass=5000.0, noise_db=25.0
    ),
)
"""What is mixed, by the rules of the encoder's training, and how long; no mixture is played slower or faster, which
would move its notes."""


@dataclass(frozen=True)
class Course:
    """A transcriber's training.

    Args:
        shape: of the network.
        mixtures: what is mixed, the number of steps, and the optimiser's settings.
        shift: semitones by which a step's mixtures are heard higher or lower at most, with their notes: recordings
            have a few pitches each, and every key is to be learnt.
        onset_weight, held_weight: how much more a key that goes down, or is down, counts than one that doesn't: there
            are few of them.
        absent_weight: how much a family that doesn't play counts beside one that does: who asks for its notes has
            heard it.
    """

    shape: TranscriberConfig = field(default_factory=TranscriberConfig)
    mixtures: Recipe = MIXTURES
    shift: int = 3
    onset_weight: float = 6.0
    held_weight: float = 2.0
    absent_weight: float = 0.15


class PitchTrainer:
    """Trains a transcriber; stopped at any moment, it goes on from its last checkpoint as if it had not been stopped.

    ``folder`` holds ``pitch.safetensors`` (weights, their average, optimiser) and ``log.jsonl``.
    """

    def __init__(self, mixer: Mixer, corpus: Corpus, course: Course, folder: Path) -> None:
        """Start a run in ``folder``, or take up the one that is there.

        Args:
            mixer: of the corpus, by ``course.mixtures``.

        Raises:
            CheckpointError: what is there is damaged.
            TrainingError: the run in the folder is another course's.
        """
        self.mixer, self.course, self.folder = mixer, course, folder
        recipe = course.mixtures
        families = len(course.shape.families)
        self.scribe = Scribe(mixer.planner.layout, corpus.notes, corpus.phrases, families, GRID)
        torch.manual_seed(recipe.seed)
        self.model = Transcriber(course.shape).to(mixer.device)
        self.optimizer = torch.optim.AdamW(
            self.model.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay
        )
        self.average = {name: value.detach().clone() for name, value in self.model.named_parameters()}
        self.step = 0
        self._resume()

    def run(self, until: float = math.inf, stop_at: int | None = None, say: Callable[[str], object] = str) -> None:
        """Train to the last step, to ``stop_at``, or until ``time.monotonic`` says so, and checkpoint there."""
        last = min(self.course.mixtures.steps, stop_at or self.course.mixtures.steps)
        self.model.train()
        saved = time.monotonic()
        with Journal(self.folder, self.step) as journal, closing(plans(self.mixer.planner, self.step, last)) as coming:
            while self.step < last and time.monotonic() < until:
                begun = time.monotonic()
                loss = self.take_step(next(coming))
                if self.step % _LOGGED == 0:
                    row = {"loss": round(loss, 5), "lr": round(rate(self.course.mixtures, self.step - 1), 6)}
                    journal.write(self.step, row, {})
                    say(f"step {self.step} of {last}: loss {loss:.4f}, {time.monotonic() - begun:.2f} s a step")
                if time.monotonic() - saved > _SAVED:
                    self.checkpoint()
                    saved = time.monotonic()
        self.checkpoint()

    def take_step(self, plan: Plan) -> float:
        """One optimiser step on a plan's mixtures; returns its loss."""
        for group in self.optimizer.param_groups:
            group["lr"] = rate(self.course.mixtures, self.step)
        loss = self._loss(plan)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.step += 1
        kept = min(self.course.mixtures.ema, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            now = [value.detach() for value in self.model.parameters()]
            torch._foreach_lerp_(list(self.average.values()), now, 1 - kept)
        return float(loss.detach())

    def result(self) -> Transcriber:
        """What was learnt so far, by the average of its weights: a copy on the CPU, in evaluation mode."""
        done = copy.deepcopy(self.model)
        done.load_state_dict(self.average)
        return done.cpu().eval()

    def _loss(self, plan: Plan) -> Tensor:
        """Cross-entropy of every cell of every output; those of families that don't play count less."""
        most = self.course.shift
        shift = int(np.random.default_rng((self.course.mixtures.seed, self.step)).integers(-most, most + 1))
        truth = self.scribe.truth(plan)
        device = self.mixer.device
        with torch.autocast(device.type, torch.bfloat16, enabled=fast_bfloat16(device)):
            onsets, held = self.model(self.sound(plan), shift)
        plays = np.pad(plan.labels.presence, ((0, 0), (0, 1)), constant_values=True)  # of all together, something does
        counts = torch.from_numpy(np.where(plays, 1.0, self.course.absent_weight).astype(np.float32)).to(device)
        return _cells(onsets, truth.onsets, counts, shift, self.course.onset_weight) + _cells(
            held, truth.held, counts, shift, self.course.held_weight
        )

    def sound(self, plan: Plan) -> Tensor:
        """A plan's mixtures, (B, T)."""
        stems = self.mixer.stems(plan)
        where = torch.from_numpy(plan.mixture_of).to(self.mixer.device)
        mixtures = mix(stems, where, len_of(plan.mixtures, plan.rank))
        return treat(mixtures, plan.treatment) if plan.treatment is not None else mixtures

    def checkpoint(self) -> None:
        """Write everything that the next step depends on."""
        tensors = {f"model.{name}": value for name, value in self.model.state_dict().items()}
        tensors |= {f"average.{name}": value for name, value in self.average.items()}
        facts = {"course": _described(self.course), "step": str(self.step)}
        statefile.write(self.folder / STATE, tensors, self.optimizer, facts)

    def _resume(self) -> None:
        facts = statefile.facts_of(self.folder / STATE)
        if facts is None:
            return
        if facts.get("course") != _described(self.course):
            raise TrainingError(f"{self.folder} holds a run of another course; name another folder or delete this one.")
        state = statefile.read(self.folder / STATE)
        self.model.load_state_dict(state.part("model."))
        state.restore(self.optimizer)
        for name, value in state.part("average.").items():
            self.average[name].copy_(value)
        self.step = int(facts["step"])


def rate(recipe: Recipe, step: int) -> float:
    """The learning rate: a linear rise over the warm-up, and from ``_STEADY`` steps on a fall by the inverse square
    root, which doesn't ask how many steps there will be: whenever a run is stopped, its average is a finished one."""
    return recipe.learning_rate * min(1.0, (step + 1) / recipe.warmup, math.sqrt(_STEADY / max(1, step)))


def _cells(scores: Tensor, truth: Roll, counts: Tensor, shift: int, weight: float) -> Tensor:
    """Weighted cross-entropy of (B, F + 1, P, N), with the truth moved up by ``shift`` rows.

    Args:
        counts: (B, F + 1), how much each output counts.
        weight: how much more a cell counts where the truth is 1.
    """
    wanted = torch.from_numpy(truth).to(scores.device)
    wanted = functional.pad(wanted, (0, 0, shift, -shift))
    cells = functional.binary_cross_entropy_with_logits(
        scores.float(), wanted, pos_weight=torch.tensor(weight, device=scores.device), reduction="none"
    )
    return (cells.mean(dim=(2, 3)) * counts).sum() / counts.sum()


def _described(course: Course) -> str:
    return json.dumps(asdict(course), sort_keys=True)


def arguments() -> argparse.ArgumentParser:
    """What the command takes."""
    parser = argparse.ArgumentParser(prog="python -m synthmatch.training.pitch", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of recordings, of training.record")
    parser.add_argument("--run", type=Path, required=True, help="folder of the checkpoint and the log")
    parser.add_argument("--out", type=Path, help=f"the transcriber to write; {OUT} in the run's folder if not given")
    parser.add_argument("--minutes", type=float, help="after which it stops, to go on another time")
    parser.add_argument("--steps", type=int, default=MIXTURES.steps, help="of the whole course")
    parser.add_argument("--mixtures", type=int, default=MIXTURES.mixtures, help="a step")
    parser.add_argument("--width", type=int, default=TranscriberConfig().width, help="features of the network")
    parser.add_argument("--phrases", type=int, default=MIXTURES.phrases, help="played live, of each preset; 0 for none")
    parser.add_argument("--memory-gb", type=float, default=4.0, help="above it, recordings stay on disk")
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"), help="where to compute")
    return parser


def main(words: Sequence[str] | None = None, say: Callable[[str], object] | None = None) -> int:
    """Train; returns 0 when the last step is done, ``UNFINISHED`` when the time was up before, 1 after an error."""
    given = arguments().parse_args(words)
    say = say or (lambda text: sys.stdout.write(text + "\n") and sys.stdout.flush())
    until = time.monotonic() + 60 * given.minutes if given.minutes is not None else math.inf
    try:
        if given.device == "cuda" and not torch.cuda.is_available():
            raise TrainingError("There is no GPU here that torch can use; leave out --device.")
        out = given.out or given.run / OUT
        require_place(given.run, folder=True)
        require_place(out)
        recipe = replace(MIXTURES, steps=given.steps, mixtures=given.mixtures, phrases=given.phrases)
        corpus = open_corpus(given.data, recipe.extra_notes, recipe.phrases)
        mixer = mixer_of(corpus, recipe, torch.device(given.device), given.memory_gb)
        there = mixer.residence
        say(f"{len(mixer.planner.layout.ids)} presets, {there.gigabytes:.1f} GB, {there.place.value}")
        if corpus.notice:
            say(corpus.notice)
        course = Course(TranscriberConfig(width=given.width), recipe)
        trainer = PitchTrainer(mixer, corpus, course, given.run)
        trainer.run(until, say=say)
        heard = sorted(mixer.heard - corpus.parents.keys())
        model = trainer.result()
        model.config = fitted(trainer, model, [mixer.planner.plan(recipe.steps + each) for each in range(_FITTED)])
        model.save(out, {"steps": trainer.step, "of": recipe.steps, "trained_on": heard})
    except (SynthmatchError, OSError) as error:  # a full disk, say
        say(str(error))
        return 1
    say(f"{out}: a transcriber after {trainer.step} of {recipe.steps} steps")
    return 0 if trainer.step >= recipe.steps else UNFINISHED


if __name__ == "__main__":
    keep_memory()
    sys.exit(main())
