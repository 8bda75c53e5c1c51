"""Fine-tuning: an encoder learns the presets of a library in minutes, and keeps what it knew.

What a step hears is its own lesson, mixtures in which one part is a preset of the library, to be told from the others
(InfoNCE); and rehearsal, sounds that it knows. The frozen encoder it started from, its teacher, hears both: every
vector that isn't one by which a preset of the library is found is to stay where the teacher's is. So is presence, which
a library's labels can't teach; an encoder that has ears of its own for it keeps them as they are.
"""

from __future__ import annotations

import copy
import json
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from synthmatch.errors import TrainingError
from synthmatch.files import content_hash, require_place
from synthmatch.library.library import Library
from synthmatch.networks import checkpoint
from synthmatch.networks.encoder import Encoder
from synthmatch.training.finetuning.lessons import FineTuning, Lesson, Lessons
from synthmatch.training.finetuning.material import Progress, gather_material
from synthmatch.training.finetuning.objective import Losses, objective
from synthmatch.training.finetuning.owncheck import Found, examine
from synthmatch.training.learning import statefile
from synthmatch.training.learning.distributed import started
from synthmatch.training.learning.trainer import fast_bfloat16

CHECKPOINT_SECONDS = 60.0

StepProgress = Callable[[int, int, Losses], None]


@dataclass(frozen=True)
class FineTuned:
    """What came of it: the encoder's file, how many steps of how many are taken, the presets learnt, and how often
    they were found before and are now."""

    out: Path
    steps: int
    of: int
    presets: int
    before: Found
    after: Found

    def lines(self) -> list[str]:
        """The same for people."""
        left = "" if self.steps >= self.of else "; the same command goes on"
        notes = "the notes that were taught" if self.after.taught else "notes that weren't taught"
        return [
            f"{self.out}: an encoder after {self.steps} of {self.of} steps{left}.",
            f"How often one of the {self.presets} presets comes first / among the first five, asked for in"
            f" {self.after.mixtures} mixtures of {notes}:",
            f"  before: {self.before}",
            f"  now:    {self.after}",
            f"To use it: synthmatch library update --model {self.out}",
        ]


class FineTuner:
    """Takes the steps; stopped at any moment, it goes on from its last checkpoint as if it had not been stopped."""

    def __init__(self, base: Encoder, lessons: Lessons, folder: Path, device: torch.device | None = None) -> None:
        """Start a run in ``folder``, or take up the one that is there.

        Raises:
            TrainingError: the run in the folder is another one.
        """
        self.lessons, self.settings, self.folder = lessons, lessons.settings, folder
        self.device = device or torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.teacher = copy.deepcopy(base).to(self.device).eval().requires_grad_(False)
        self.encoder = copy.deepcopy(base).to(self.device).train().requires_grad_(True)
        self.optimizer = torch.optim.AdamW(
            self.encoder.parameters(), lr=self.settings.learning_rate, betas=(0.9, 0.98), weight_decay=0.0
        )
        self.step = 0
        self._run = run_id(base, lessons)
        self._resume()

    def run(self, progress: StepProgress | None = None, stop_at: int | None = None, until: float = math.inf) -> Encoder:
        """Take steps, and checkpoint.

        Args:
            progress: called with the step, how many there are, and its losses.
            stop_at: the step to stop at, if not the last one.
            until: what ``time.monotonic`` says when no further step is to be begun.

        Returns:
            The encoder with the share of what was learnt that is kept, on the processor, in evaluation mode.
        """
        last = min(self.settings.steps, stop_at or self.settings.steps)
        saved = time.monotonic()
        for model in (self.encoder, self.teacher):
            model.low_precision = fast_bfloat16(self.device)
        while self.step < last and time.monotonic() < until:
            losses = self.take_step(self.lessons.lesson(self.step))
            if progress:
                progress(self.step, self.settings.steps, losses)
            if time.monotonic() - saved > CHECKPOINT_SECONDS:
                self.checkpoint()
                saved = time.monotonic()
        self.checkpoint()
        done = between(self.teacher, self.encoder, self.settings.kept).cpu().eval()
        done.low_precision = False
        return done

    def take_step(self, lesson: Lesson) -> Losses:
        """One optimiser step on a lesson."""
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self.settings, self.step)
        losses = self.losses(lesson.to(self.device))
        self.optimizer.zero_grad(set_to_none=True)
        losses.total.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.encoder.parameters(), 1.0)
        self.optimizer.step()
        self.step += 1
        return losses

    def losses(self, lesson: Lesson) -> Losses:
        """The losses of a lesson on the run's device."""
        return objective(self.encoder, self.teacher, lesson, self.settings)

    def checkpoint(self) -> None:
        """Write everything that the next step depends on."""
        tensors = {f"encoder.{name}": value for name, value in self.encoder.state_dict().items()}
        facts = {"step": str(self.step), "run": self._run}
        statefile.write(self.folder / "state.safetensors", tensors, self.optimizer, facts)

    def _resume(self) -> None:
        path = self.folder / "state.safetensors"
        facts = statefile.facts_of(path)
        if facts is None:
            return
        if facts.get("run") != self._run:
            raise TrainingError(
                f"{self.folder} holds another run: of other presets, settings or another encoder; name another folder"
                " or delete this one."
            )
        state = statefile.read(path)
        self.encoder.load_state_dict(state.part("encoder."))
        state.restore(self.optimizer)
        self.step = int(facts["step"])


def between(base: Encoder, tuned: Encoder, share: float) -> Encoder:
    """A new encoder, whose weights lie between those of two: at 0 the first one's, at 1 the second one's.

    Halfway, fine-tuned weights know most of what they learnt, and have forgotten less than half of what they would have
    (after Wortsman et al., "Robust fine-tuning of zero-shot models", 2022; ``docs/train-your-synth.md`` has figures).
    """
    mean = copy.deepcopy(tuned)
    before = dict(base.named_parameters())
    with torch.no_grad():
        for name, weight in mean.named_parameters():
            weight.copy_(torch.lerp(before[name], weight, share))
    return mean


def run_id(base: Encoder, lessons: Lessons) -> str:
    """Hash of everything that decides what comes of a run."""
    settings = json.dumps(asdict(lessons.settings), sort_keys=True).encode()
    return content_hash(settings, base.fingerprint.encode(), lessons.material.fingerprint.encode())


def learning_rate(settings: FineTuning, step: int) -> float:
    """A linear rise over the warm-up, then half a cosine down to zero at the last step."""
    if step < settings.warmup:
        return settings.learning_rate * (step + 1) / settings.warmup
    done = (step - settings.warmup) / max(1, settings.steps - settings.warmup)
    return settings.learning_rate * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))


def finetune(
    base: Path,
    library: Path | None,
    data: Path,
    runs: Path,
    folder: Path | None = None,
    out: Path | None = None,
    minutes: float | None = None,
    stop_at: int | None = None,
    workers: int | None = None,
    recorded: Progress | None = None,
    stepped: StepProgress | None = None,
    settings: FineTuning | None = None,
) -> FineTuned | None:
    """Teach an encoder the presets of a library that it hasn't heard yet.

    Args:
        base: the encoder's file; it must have embedded the library.
        library: its folder; the one in synthmatch's home if None.
        data: where notes are recorded; a stopped recording goes on there.
        runs: where runs are kept; each one's folder is named by what is learnt and by whom.
        folder: that of this run, if it isn't to be one in ``runs``.
        out: the encoder to write; ``encoder.safetensors`` in the run's folder if None.
        minutes: record nothing and begin no step later than this after the call; a later call goes on. What is
            measured at the end comes on top.
        stop_at: the step to stop at; a later call goes on.
        workers: host processes that record.
        recorded, stepped: called as notes are recorded and steps are taken.
        settings: by default those of :class:`FineTuning`.

    Returns:
        What came of it; None if the time was over before a step could be taken, so that nothing is written.

    Raises:
        CheckpointError, LibraryError: the encoder or the library can't be read.
        EncoderMismatch, TrainingError: see :func:`gather_material`; or ``folder`` holds another run, or several
            processes were started.
        InputError: the encoder or the run can't be written there.
    """
    if started() > 1:  # several would record in one folder, over each other
        raise TrainingError("One process fine-tunes; start it without torchrun.")
    until = time.monotonic() + 60 * minutes if minutes is not None else math.inf
    for place in filter(None, (folder, out)):
        require_place(place, folder=place is folder)
    settings = settings or FineTuning()
    encoder, facts = checkpoint.load(base)
    heard = set(facts.get("trained_on", ()))
    learnt = set(
        facts.get("learnt", heard)
    )  # what was only heard, in songs or to keep what is known, can be learnt yet
    with Library.open(library) as opened:
        material = gather_material(
            opened, encoder, learnt, data, workers, recorded, settings.built_in, lambda: time.monotonic() >= until
        )
    if time.monotonic() >= until:  # not all may be recorded, and what isn't would be learnt by fewer notes
        return None
    lessons = Lessons(material, encoder.config.families, settings)
    folder = folder or runs / f"own-{run_id(encoder, lessons)[:8]}"
    tuner = FineTuner(encoder, lessons, folder)
    tuned = tuner.run(stepped, stop_at, until)
    before, after = (examine(each, material, settings) for each in (encoder, tuned))
    out = out or folder / "encoder.safetensors"
    told = {
        "base": encoder.fingerprint,
        "settings": asdict(settings),
        "steps": tuner.step,
        "learnt": sorted(learnt | {each.id for each in material.own}),
        "trained_on": sorted(heard | {each.id for each in (*material.own, *material.known)}),
        "found": {"before": asdict(before), "after": asdict(after)},
    }
    tuned.save(out, told)
    return FineTuned(out, tuner.step, settings.steps, len(material.own), before, after)
