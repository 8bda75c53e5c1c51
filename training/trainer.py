"""The training loop: it knows steps, checkpoints and logs, and nothing of sound."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from synthmatch.encoder import Encoder
from synthmatch.errors import TrainingError
from synthmatch.files import atomic_path, content_hash, write_text
from synthmatch.training.batches import Batch, Mixer
from synthmatch.training.config import Recipe
from synthmatch.training.objective import Losses, Memory, objective

CHECKPOINT_SECONDS = 110.0
Progress = Callable[[int, int, Losses], None]


class Trainer:
    """Trains an encoder by a recipe; stopped at any moment, it goes on from its last checkpoint as if it
    had not been stopped.

    ``folder`` holds ``state.safetensors`` (weights, optimiser, memory), ``run.json`` (the recipe and the
    step) and ``log.jsonl``.
    """

    def __init__(self, mixer: Mixer, recipe: Recipe, folder: Path, device: torch.device | None = None) -> None:
        """Start a run in ``folder``, or take up the one that is there.

        Raises:
            TrainingError: the run in the folder follows another recipe.
        """
        self.mixer, self.recipe, self.folder = mixer, recipe, folder
        self.device = device or torch.device("cuda" if torch.cuda.is_available() else "cpu")
        torch.manual_seed(recipe.seed)
        placed = Encoder(recipe.encoder).to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.encoder: Encoder = placed
        self.encoder.low_precision = fast_bfloat16(self.device)
        self.optimizer = torch.optim.AdamW(
            self.encoder.parameters(), lr=recipe.learning_rate, betas=(0.9, 0.98), weight_decay=recipe.weight_decay
        )
        size = recipe.encoder
        self.memory = Memory(len(size.families), recipe.memory, size.dimension, self.device)
        self.step = 0
        self._resume()

    def run(self, progress: Progress | None = None, stop_at: int | None = None) -> Encoder:
        """Train to the recipe's last step, or to ``stop_at`` of them, and checkpoint there.

        Returns:
            The encoder, in evaluation mode.
        """
        last = min(self.recipe.steps, stop_at or self.recipe.steps)
        saved = time.monotonic()
        self.encoder.train()
        with ThreadPoolExecutor(1) as ahead:  # the next batch is composed while this one is learnt from
            coming = ahead.submit(self.mixer.batch, self.step)
            while self.step < last:
                batch = coming.result()
                if self.step + 1 < last:
                    coming = ahead.submit(self.mixer.batch, self.step + 1)
                losses = self.take_step(batch)
                if progress:
                    progress(self.step, self.recipe.steps, losses)
                if self.step % 20 == 0:
                    self._log(losses)
                if time.monotonic() - saved > CHECKPOINT_SECONDS:
                    self.checkpoint()
                    saved = time.monotonic()
        self.checkpoint()
        self.encoder.low_precision = False
        return self.encoder.eval()

    def take_step(self, batch: Batch) -> Losses:
        """One optimiser step on a batch, which should be the mixer's for this step."""
        batch = batch.to(self.device)
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self.recipe, self.step)
        use_memory = self.step >= self.recipe.memory_from
        losses = objective(self.encoder, batch, self.memory, self.recipe, use_memory)
        self.optimizer.zero_grad(set_to_none=True)
        losses.total.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.encoder.parameters(), 1.0)
        self.optimizer.step()
        self.step += 1
        return losses

    def checkpoint(self) -> None:
        """Write everything that the next step depends on."""
        tensors: dict[str, Tensor] = {f"encoder.{k}": v for k, v in self.encoder.state_dict().items()}
        for number, values in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{number}.{name}": value for name, value in values.items()}
        tensors |= self.memory.state()
        with atomic_path(self.folder / "state.safetensors") as temporary:
            facts = {"step": str(self.step), "recipe": _recipe_hash(self.recipe)}
            save_file({k: v.cpu().contiguous() for k, v in tensors.items()}, temporary, metadata=facts)
        write_text(self.folder / "run.json", json.dumps({"step": self.step, "recipe": asdict(self.recipe)}, indent=1))

    def _resume(self) -> None:
        path = self.folder / "state.safetensors"
        if not path.exists():
            return
        from safetensors import safe_open

        with safe_open(path, framework="pt") as file:
            facts = file.metadata()
        if facts["recipe"] != _recipe_hash(self.recipe):
            raise TrainingError(
                f"{self.folder} holds a run of another recipe; name another folder or delete this one."
            )
        tensors = load_file(path, device=str(self.device))
        weights = {k.removeprefix("encoder."): v for k, v in tensors.items() if k.startswith("encoder.")}
        self.encoder.load_state_dict(weights)
        kept: dict[int, dict[str, Tensor]] = {}
        for key, value in tensors.items():
            if key.startswith("optimizer."):
                _, number, name = key.split(".")
                kept.setdefault(int(number), {})[name] = value
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": kept, "param_groups": groups})
        self.memory.restore(tensors)
        self.step = int(facts["step"])

    def _log(self, losses: Losses) -> None:
        row = {"step": self.step, "lr": learning_rate(self.recipe, self.step - 1)}
        row |= {name: round(float(value.detach()), 4) for name, value in vars(losses).items()}
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "log.jsonl").open("a", encoding="utf-8") as log:
            log.write(json.dumps(row) + "\n")


def learning_rate(recipe: Recipe, step: int) -> float:
    """A linear rise over the warm-up, then half a cosine down to zero at the last step."""
    if step < recipe.warmup:
        return recipe.learning_rate * (step + 1) / recipe.warmup
    done = (step - recipe.warmup) / max(1, recipe.steps - recipe.warmup)
    return recipe.learning_rate * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))


def fast_bfloat16(device: torch.device) -> bool:
    """Whether bfloat16 is faster here than float32."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    return bool(torch.cpu._is_avx512_bf16_supported()) if device.type == "cpu" else False


def _recipe_hash(recipe: Recipe) -> str:
    return content_hash(json.dumps(asdict(recipe), sort_keys=True).encode())
