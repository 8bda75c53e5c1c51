"""Which families play in a song, learnt from songs after everything else is trained: the encoder's presence head, and
the ears that it has of its own, if any.

What presets are found by stays as it is. Without ears of its own the head makes do with what those hear, and songs
(:mod:`synthmatch.training.learning.songs`) cost no way back through a trunk.
"""

from __future__ import annotations

import copy
import math
import time
from bisect import bisect
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from synthmatch.errors import TrainingError
from synthmatch.networks.encoder import Encoder, EncoderConfig
from synthmatch.training.learning import statefile
from synthmatch.training.learning.distributed import ALONE, Processes
from synthmatch.training.learning.heads import Head
from synthmatch.training.learning.journal import Journal
from synthmatch.training.learning.trainer import LOGGED, fast_bfloat16, other_notes
from synthmatch.training.mixing.batches import Mixer

FIRST = 10  # steps whose summaries are measured; from then on what the head learns on keeps its scale
FIRST_SHARE, RISE = 0.05, 0.05  # of the steps up to a restart: the head learns by itself, then ears ever faster
RATE, EARS_RATE, DECAY = 1e-3, 5e-4, 0.05  # AdamW's: the head's rate, that of its ears
CLIPPED = 1.0  # the gradient's length
DROPPED = (0.1, 0.3)  # of the summary, and of the hidden features
KEPT = 0.997  # how much of their moving average the weights keep each step; the average is what is installed
CHECKPOINT_SECONDS = 110.0

Progress = Callable[[int, int, float], None]


@dataclass(frozen=True)
class Schedule:
    """How presence is learnt: in turns, each of which begins with whole learning rates.

    Args:
        steps: in all, of a mixer's songs each.
        restarts: the steps at which another turn begins.
        shares: by turn, how much what was learnt in it counts when the next one begins, and at the end; the rest is
            what was known before it. The mean of two such sets of weights often does better than either (after Izmailov
            et al., "Averaging Weights Leads to Wider Optima", 2018). If empty, a turn goes on with the weights of the
            last one, and with all that its optimiser remembers.
    """

    steps: int
    restarts: tuple[int, ...] = ()
    shares: tuple[float, ...] = ()

    def rates(self, step: int) -> tuple[float, float]:
        """Learning rates at a step, of the head and of its ears.

        Both fall to zero along half a cosine, before each restart, too. Ears learn nothing for a while, since at first
        the head doesn't know what they hear, and then rise to it; after a restart both rise at once.
        """
        edges = (0, *self.restarts, self.steps)
        turn = bisect(self.restarts, step)
        share = (step - edges[turn]) / (edges[turn + 1] - edges[turn])
        falling = 0.5 * (1 + math.cos(math.pi * share))
        risen = min(1.0, max(0.0, (share if turn else share - FIRST_SHARE) / RISE))
        return RATE * falling * (risen if turn else 1.0), EARS_RATE * falling * risen

    def share(self, step: int) -> float | None:
        """That of the turn that ends with a step; None if none does, or if nothing is to be done then."""
        edges = (*self.restarts, self.steps)
        return self.shares[edges.index(step)] if self.shares and step in edges else None


class PresenceTrainer:
    """Trains presence alone; stopped at any moment, it goes on from its last checkpoint.

    The head learns on summaries of mean 0 and spread 1, as the first songs measure them; :meth:`install` puts that into
    its weights. Ears begin as those of the encoder, and learn once the head knows what they hear.
    """

    def __init__(
        self, encoder: Encoder, mixer: Mixer, schedule: Schedule, folder: Path, processes: Processes = ALONE
    ) -> None:
        """
        Args:
            encoder: trained, on the CPU; changed by :meth:`install` alone.
            mixer: makes the songs of any step, and decides where everything is computed.
            schedule: how many steps, and at which rates.
            folder: keeps ``presence.safetensors``, of which one of the same encoder and schedule is taken up, and
                ``presence.jsonl``, with the loss and both learning rates every ``LOGGED`` steps.
            processes: those that share each step's songs; the first one writes.

        Raises:
            TrainingError: the encoder has no presence head, or the processes don't find the same songs and run.
        """
        if encoder.presence_hidden is None:
            raise TrainingError("The encoder has no presence head to be trained alone; its `presence` is 0.")
        self.encoder, self.mixer, self.schedule, self.processes = encoder, mixer, schedule, processes
        self.step = 0
        hidden, device = encoder.presence_hidden, mixer.device
        torch.manual_seed(mixer.recipe.seed)
        self.head = Head(hidden.in_features, hidden.out_features, len(encoder.config.families)).to(device)
        self.pupil = copy.deepcopy(encoder).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.pupil.requires_grad_(False).low_precision = fast_bfloat16(device)
        if self.pupil.listener is not None:
            self.pupil.listener.requires_grad_(True)
        groups = [{"params": [weight for _, weight in self._learning(name)]} for name in ("head", "ears")]
        self.optimizer = torch.optim.AdamW(groups, weight_decay=DECAY)
        self.average = {name: weight.detach().clone() for name, weight in self._learning()}
        # Of a turn that is weighed: what was known before it.
        self.before = {name: weight.clone() for name, weight in self.average.items()} if schedule.shares else {}
        self.sums = torch.zeros(3, hidden.in_features, dtype=torch.float64, device=device)  # count, sum, sum of squares
        self._path = folder / "presence.safetensors"
        self._facts = {
            "encoder": encoder.fingerprint,
            "schedule": f"{schedule} {FIRST_SHARE} {RISE} {RATE} {EARS_RATE}",
            "kept": str(KEPT),
        }
        notes = mixer.planner.layout.fingerprint
        self.begun_with = notes
        """The songs' notes that the run began with, those of the mixer unless they have changed since."""
        self._resume()
        if not processes.same(f"{self.step} {notes} {self._facts['encoder']}"):
            raise TrainingError("The processes that train together don't find the same songs or the same run.")

    def run(
        self,
        progress: Progress | None = None,
        until: float = math.inf,
        said: Callable[[str], None] | None = None,
    ) -> bool:
        """Train to the last step, or until ``time.monotonic`` says so; whether the last step was taken.

        Args:
            progress: called after each step with (steps so far, all, loss).
            said: called with a sentence if the songs' notes aren't those that the run began with.
        """
        changed = other_notes(self._path.parent, self.begun_with, self.mixer)
        if changed and said and self.processes.first and self.step < self.schedule.steps:
            said(changed)
        saved = time.monotonic()
        with Journal(self._path.parent, self.step, "presence") if self.processes.first else nullcontext() as journal:
            while self.step < self.schedule.steps and not self.processes.agree(time.monotonic() >= until):
                rates = self.schedule.rates(self.step)
                loss = self.take_step()
                if journal is not None and self.step % LOGGED == 0:
                    journal.write(self.step, {"loss": loss, "head_rate": rates[0], "ears_rate": rates[1]}, {})
                if progress is not None:
                    progress(self.step, self.schedule.steps, loss)
                if time.monotonic() - saved > CHECKPOINT_SECONDS:
                    self.checkpoint()
                    saved = time.monotonic()
        self.checkpoint()
        self.processes.wait()  # whoever goes on from the checkpoint finds it
        return self.step >= self.schedule.steps

    def take_step(self) -> float:
        """Hear the songs of a step and learn from them; the loss.

        Of several processes each hears its share of them. The head learns from all songs in every process.
        """
        plan = self.mixer.planner.plan(self.step).share(self.processes.rank, self.processes.world)
        batch = self.mixer.play(plan)
        rates = self.schedule.rates(self.step)
        for group, rate in zip(self.optimizer.param_groups, rates, strict=True):
            group["lr"] = rate
        with torch.set_grad_enabled(rates[1] > 0 and self.pupil.listener is not None):
            heard = self.processes.gather(self.pupil.listen(batch.mixtures), batch.mixtures_of)
        if self.step < FIRST:
            rows = heard.detach().double()
            self.sums += torch.stack([torch.ones_like(rows), rows, rows.square()]).sum(dim=1)
        torch.manual_seed(self.mixer.recipe.seed * 1_000_003 + self.step)  # what is dropped, the same after a resume
        centre, spread = self._measure()
        said = self.head((heard - centre) / spread, DROPPED)
        loss = functional.binary_cross_entropy_with_logits(said, batch.presence.float())
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        if rates[1] > 0:
            self.processes.add_gradients(weight for _, weight in self._learning("ears"))
        torch.nn.utils.clip_grad_norm_((weight for _, weight in self._learning()), CLIPPED)
        self.optimizer.step()
        self.step += 1
        kept = min(KEPT, self.step / (self.step + 10))  # the first weights are soon forgotten
        with torch.no_grad():
            for name, weight in self._learning():
                self.average[name].lerp_(weight, 1 - kept)
        share = self.schedule.share(self.step)
        if share is not None:
            self._end_turn(share)
        return float(loss.detach())

    def _end_turn(self, share: float) -> None:
        """Go on from the mean of what was known before a turn and what was learnt in it; the optimiser forgets the way
        to either."""
        with torch.no_grad():
            for name, weight in self._learning():
                self.before[name].lerp_(self.average[name], share)
                self.average[name].copy_(self.before[name])
                weight.copy_(self.before[name])
        self.optimizer.state.clear()

    def install(self) -> None:
        """Give the encoder the head, and its ears, as they are now on average."""
        hidden = self.encoder.presence_hidden
        assert hidden is not None
        head = copy.deepcopy(self.head)
        head.load_state_dict(self._averaged("head."))
        weight, bias = head.folded(*self._measure())
        with torch.no_grad():
            hidden.weight.copy_(weight)
            hidden.bias.copy_(bias)
            self.encoder.presence_weight.copy_(head.out.weight)
            self.encoder.presence_bias.copy_(head.out.bias)
        if self.encoder.listener is not None:
            self.encoder.listener.load_state_dict(self._averaged("ears."))

    def checkpoint(self) -> None:
        """Write everything that the next step depends on."""
        if not self.processes.first:
            return
        averages = {f"average.{name}": weight for name, weight in self.average.items()}
        before = {f"before.{name}": weight for name, weight in self.before.items()}
        tensors = {"sums": self.sums, **dict(self._learning()), **averages, **before}
        facts = {**self._facts, "step": str(self.step), "notes": self.begun_with}
        statefile.write(self._path, tensors, self.optimizer, facts)

    def _resume(self) -> None:
        facts = statefile.facts_of(self._path) or {}
        if {key: facts.get(key) for key in self._facts} != self._facts:
            return  # none, or of an encoder that has been trained on since
        state = statefile.read(self._path)
        self.sums.copy_(state.tensors["sums"])
        with torch.no_grad():
            for name, weight in self._learning():
                weight.copy_(state.tensors[name])
                self.average[name].copy_(state.tensors[f"average.{name}"])
            for name, weight in self.before.items():
                weight.copy_(state.tensors[f"before.{name}"])
        state.restore(self.optimizer)
        self.step = int(facts["step"])
        self.begun_with = facts.get("notes", self.begun_with)

    def _learning(self, part: str = "") -> Iterator[tuple[str, Tensor]]:
        """Whatever is learnt, by name, that of one part if it is named: "head", or "ears", which may be none."""
        parts = {"head": self.head, "ears": self.pupil.listener}
        for name in (part,) if part else parts:
            module = parts[name]
            if module is not None:
                yield from module.named_parameters(name)

    def _averaged(self, prefix: str) -> dict[str, Tensor]:
        return {key.removeprefix(prefix): weight for key, weight in self.average.items() if key.startswith(prefix)}

    def _measure(self) -> tuple[Tensor, Tensor]:
        """Mean and spread of summaries, as measured so far."""
        count, total, squares = self.sums
        mean = total / count
        spread = (squares / count - mean.square()).clamp(min=0).sqrt()
        return mean.float(), spread.float() + 1e-3


def with_ears(encoder: Encoder, shape: EncoderConfig) -> Encoder:
    """The same encoder, with ears of its own for presence that hear at first what they heard before: those that it has,
    or else those by which it tells presets apart.

    Args:
        shape: whose ``closer``, ``deeper`` and ``finer`` say what they hear beside that. Of narrow bands new ears begin
            by making nothing, and blocks that are new begin by changing nothing.
    """
    asked = replace(encoder.config, listener=True, closer=shape.closer, deeper=shape.deeper, finer=shape.finer)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)  # every process of a run grows the same, and so does a run that goes on
        grown = Encoder(asked)
    known = encoder.state_dict()
    ears = {
        f"listener.{name}": weight
        for name, weight in known.items()
        if name.startswith(("trunk.", "attention.", "context."))
    }
    grown.load_state_dict(grown.state_dict() | ears | known)
    return grown.eval()
