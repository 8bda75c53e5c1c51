"""The training loop: it knows steps, checkpoints and logs, and nothing of sound."""

from __future__ import annotations

import copy
import json
import math
import time
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from synthmatch.errors import TrainingError
from synthmatch.files import content_hash, write_text
from synthmatch.networks.encoder import Encoder
from synthmatch.training.config import Alterations, Recipe
from synthmatch.training.learning import statefile
from synthmatch.training.learning.distributed import ALONE, Processes
from synthmatch.training.learning.journal import Journal
from synthmatch.training.learning.objective import Losses, Memory, objective
from synthmatch.training.learning.soundalikes import find_soundalikes
from synthmatch.training.mixing.ahead import plans
from synthmatch.training.mixing.batches import Batch, Mixer
from synthmatch.training.mixing.plans import Plan

STATE = "state.safetensors"
CHECKPOINT_SECONDS = 110.0
PROGRESS_SECONDS = 0.5  # between two calls of progress: to tell a loss, a GPU has to be waited for
LOGGED = 20  # steps between two lines of the log
_LATER: dict[str, object] = {  # settings that came when runs were under way, each as it is while it is off
    "soundalikes": 0.0,
    "presence_restarts": (),
    "presence_shares": (),
    "presence_synths": (),
    "scattered": False,
    "alterations": asdict(Alterations()),
    "closer": 0,
    "deeper": 0,
    "finer": 0,
}
Progress = Callable[[int, int, Losses], None]


class Trainer:
    """Trains an encoder by a recipe; stopped at any moment, it goes on from its last checkpoint as if it
    had not been stopped.

    ``folder`` holds ``state.safetensors`` (weights, their average, optimiser, memory), ``run.json`` (the recipe
    and the step), ``log.jsonl``, and TensorBoard's files.
    """

    def __init__(self, mixer: Mixer, recipe: Recipe, folder: Path, processes: Processes = ALONE) -> None:
        """Start a run in ``folder``, or take up the one that is there; it computes where the mixer does.

        Args:
            processes: those that share each step's mixtures; the first one writes.

        Raises:
            TrainingError: the run in the folder follows another recipe, or the processes don't find the same run
                and notes.
        """
        self.mixer, self.recipe, self.folder, self.processes = mixer, recipe, folder, processes
        self.device = mixer.device
        torch.manual_seed(recipe.seed)
        # Ears of presence's own learn afterwards, from songs (presence.py).
        placed = Encoder(recipe.encoder.without_ears).to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.encoder: Encoder = placed
        self.encoder.low_precision = fast_bfloat16(self.device)
        self.optimizer = torch.optim.AdamW(
            self.encoder.parameters(), lr=recipe.learning_rate, betas=(0.9, 0.98), weight_decay=recipe.weight_decay
        )
        size = recipe.encoder
        self.memory = Memory(len(size.families), recipe.memory, size.dimension, self.device)
        self.average = {k: v.detach().clone() for k, v in self.encoder.named_parameters()} if recipe.ema else {}
        self.step = 0
        self.begun_with = mixer.planner.layout.fingerprint
        """The notes that the run began with, those of the mixer unless they have changed since."""
        self._resume()
        if not processes.same(f"{self.step} {mixer.planner.layout.fingerprint}"):
            raise TrainingError(
                "The processes that train together don't find the same notes or the same run; "
                "name folders that all of them share.",
                remedy="shared",
            )

    def run(
        self,
        progress: Progress | None = None,
        stop_at: int | None = None,
        until: float = math.inf,
        planners: int = 0,
        said: Callable[[str], None] | None = None,
    ) -> Encoder:
        """Train to the recipe's last step, or to ``stop_at`` of them, or for some time, and checkpoint there.

        Args:
            progress: called about twice a second, and after the last step.
            stop_at: the step to stop at.
            until: what ``time.monotonic`` says when no further step is to be begun.
            planners: processes that write plans; with 0 a thread does.
            said: called with a sentence if the log isn't all that it could be, or the notes aren't those that the run
                began with.

        Returns:
            A copy of the encoder on the CPU, in evaluation mode; see :meth:`result`.
        """
        last = min(self.recipe.steps, stop_at or self.recipe.steps)
        self.encoder.train()
        if self.processes.first:
            with Journal(self.folder, self.step) as journal:
                changed = other_notes(self.folder, self.begun_with, self.mixer) if self.step < last else ""
                for notice in filter(None, (journal.notice, changed)):
                    if said:
                        said(notice)
                self._steps(last, until, planners, progress, journal)
        else:
            self._steps(last, until, planners, None, None)
        self.checkpoint()
        self.processes.wait()  # whoever goes on from the checkpoint finds it
        return self.result()

    def _steps(
        self, last: int, until: float, planners: int, progress: Progress | None, journal: Journal | None
    ) -> None:
        saved = shown = logged = time.monotonic()
        told = self.step
        with closing(self._plans(last, planners)) as coming:
            while self.step < last and not self.processes.agree(time.monotonic() >= until):
                plan = next(coming).share(self.processes.rank, self.processes.world)
                losses = self.take_step(self.mixer.play(plan))
                now = time.monotonic()
                if progress and (now - shown > PROGRESS_SECONDS or self.step == last):
                    progress(self.step, self.recipe.steps, losses)
                    shown = now
                if journal and self.step % LOGGED == 0:
                    speed = (self.step - told) * self.recipe.mixtures / max(now - logged, 1e-9)
                    self._log(journal, losses, speed)
                    told, logged = self.step, now
                if now - saved > CHECKPOINT_SECONDS:
                    self.checkpoint()
                    saved = now

    def _plans(self, last: int, planners: int) -> Generator[Plan, None, None]:
        """The plans of the steps that are left; before the first one of a turn, soundalikes are looked for."""
        planner = self.mixer.planner
        while self.step < last:
            if self.recipe.soundalikes and self.step in self.recipe.restarts:
                judge = self.result().to(self.device)
                judge.low_precision = self.encoder.low_precision
                planner.casting.soundalikes = find_soundalikes(judge, self.mixer, self.processes)
            ends = min(edge for edge in (*self.recipe.restarts, last) if edge > self.step)
            with closing(plans(planner, self.step, min(ends, last), planners)) as coming:
                yield from coming

    def take_step(self, batch: Batch) -> Losses:
        """One optimiser step on a batch, which should be the mixer's for this step."""
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self.recipe, self.step)
        use_memory = self.step >= self.recipe.memory_from
        losses = objective(self.encoder, batch, self.memory, self.recipe, use_memory, self.processes)
        self.optimizer.zero_grad(set_to_none=True)
        losses.total.backward()  # type: ignore[no-untyped-call]
        self.processes.add_gradients(self.encoder.parameters())
        if self.step < self.recipe.context_from:
            self.encoder.context.zero_grad(set_to_none=True)  # the optimiser passes over what has no gradient
        torch.nn.utils.clip_grad_norm_(self.encoder.parameters(), 1.0)
        self.optimizer.step()
        self.step += 1
        self._add_to_average()
        return losses

    def result(self) -> Encoder:
        """The encoder so far, or the average of its weights if the recipe keeps one: a copy on the CPU, in
        evaluation mode."""
        done = copy.deepcopy(self.encoder)
        if self.average:
            done.load_state_dict(self.average, strict=False)  # buffers aren't averaged
        done.low_precision = False
        return done.cpu().eval()

    def _add_to_average(self) -> None:
        if not self.average:
            return
        # Young averages forget faster, or they would keep the first weights for long.
        kept = min(self.recipe.ema, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            now = [value.detach() for value in self.encoder.parameters()]
            torch._foreach_lerp_(list(self.average.values()), now, 1 - kept)

    def checkpoint(self) -> None:
        """Write everything that the next step depends on."""
        if not self.processes.first:
            return
        tensors: dict[str, Tensor] = {f"encoder.{k}": v for k, v in self.encoder.state_dict().items()}
        tensors |= self.memory.state()
        tensors |= {f"average.{name}": value for name, value in self.average.items()}
        found = self.mixer.planner.casting.soundalikes
        tensors |= {f"soundalikes.{family}": torch.from_numpy(table) for family, table in found.items()}
        facts = {"step": str(self.step), "recipe": _recipe_hash(self.recipe), "notes": self.begun_with}
        statefile.write(self.folder / STATE, tensors, self.optimizer, facts)
        write_text(self.folder / "run.json", json.dumps({"step": self.step, "recipe": asdict(self.recipe)}, indent=1))

    def _resume(self) -> None:
        facts = statefile.facts_of(self.folder / STATE)
        if facts is None:
            return
        if facts.get("recipe") != _recipe_hash(self.recipe):  # a run of fine-tuning follows none
            raise TrainingError(f"{self.folder} holds a run of another recipe; name another folder or delete this one.")
        state = statefile.read(self.folder / STATE)
        self.encoder.load_state_dict(state.part("encoder."))
        state.restore(self.optimizer)
        self.memory.restore(state.tensors)
        for name, value in state.part("average.").items():
            self.average[name].copy_(value)
        self.step = int(facts["step"])
        self.begun_with = facts.get("notes", self.begun_with)
        if self.begun_with == self.mixer.planner.layout.fingerprint:  # else they are numbers of other presets
            found = {family: table.numpy() for family, table in state.part("soundalikes.").items()}
            self.mixer.planner.casting.soundalikes = found

    def _log(self, journal: Journal, losses: Losses, speed: float) -> None:
        row = {"lr": learning_rate(self.recipe, self.step - 1)}
        row |= {name: round(value, 4) for name, value in losses.numbers().items()}
        journal.write(self.step, row, {"mixtures a second": speed})


def steps_taken(folder: Path) -> int:
    """How many steps the run in a folder has taken by its last checkpoint; 0 if there's none."""
    return int((statefile.facts_of(folder / STATE) or {}).get("step", 0))


def other_notes(folder: Path, begun_with: str, mixer: Mixer) -> str:
    """A sentence if a run in a folder goes on with other notes than those that it began with, or nothing.

    Args:
        begun_with: their fingerprint.
    """
    if begun_with == mixer.planner.layout.fingerprint:
        return ""
    return (
        f"The recorded presets aren't those that the run in {folder} began with: it goes on with what is there now, and"
        " becomes another than it would have been."
    )


def learning_rate(recipe: Recipe, step: int) -> float:
    """A linear rise over the warm-up, then half a cosine down to zero at the last step; again from each restart on."""
    edges = (0, *recipe.restarts, recipe.steps)
    begin, end = next(pair for pair in pairwise(edges) if step < pair[1] or pair[1] == recipe.steps)
    since = step - begin
    if since < recipe.warmup:
        return recipe.learning_rate * (since + 1) / recipe.warmup
    done = (since - recipe.warmup) / max(1, end - begin - recipe.warmup)
    return recipe.learning_rate * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))


def fast_bfloat16(device: torch.device) -> bool:
    """Whether bfloat16 is faster here than float32."""
    if device.type == "cuda":  # which older GPUs emulate, more slowly than they compute in float32
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return bool(torch.cpu._is_avx512_bf16_supported()) if device.type == "cpu" else False


def _recipe_hash(recipe: Recipe) -> str:
    return content_hash(json.dumps(_told(asdict(recipe)), sort_keys=True).encode())


def _told(values: dict[str, Any]) -> dict[str, Any]:
    """Settings, in tables within as well, without those that are off and that runs under way may not know."""
    kept = {key: value for key, value in values.items() if key not in _LATER or value != _LATER[key]}
    return {key: _told(value) if isinstance(value, dict) else value for key, value in kept.items()}
