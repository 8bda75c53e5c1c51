"""How much of a training step is the making of its mixtures: ``python bench/training.py``; writes training.md.

Steps with the whole pipeline (plans, sound, log-mel, gradients) take turns with steps on the batches that these had,
ten by ten; the medians are compared. What was planned ahead while the cached steps ran doesn't count.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from synthmatch.files import write_text
from synthmatch.machine import keep_memory
from synthmatch.presets.families import FAMILIES
from synthmatch.training.config import Alterations, Recipe, read_recipe
from synthmatch.training.learning.distributed import Processes
from synthmatch.training.learning.trainer import Trainer
from synthmatch.training.mixing.ahead import AHEAD, plans
from synthmatch.training.mixing.batches import Mixer
from synthmatch.training.mixing.plans import Plan
from synthmatch.training.recorded.corpus import open_corpus
from synthmatch.training.recorded.notebank import LENGTH, REFERENCES, plan
from synthmatch.training.run import mixer_of, planners

TURN = 10  # steps of one kind before the other kind's turn
GOAL = 1.18
TABLE = Path(__file__).with_suffix(".md")


@dataclass(frozen=True)
class _Keys:
    pitches: tuple[int, ...]
    velocities: tuple[int, ...]


class MadeUpNotes:
    """A bank of noise that dies away, for machines on which nothing was recorded: what is in notes costs nothing."""

    def __init__(self, recipe: Recipe, each: int) -> None:
        self.presets = {family: [f"{number:06x}{place:06x}" for place in range(each)]
                        for number, family in enumerate(FAMILIES) if family in recipe.core}  # fmt: skip
        self.recorded = {}
        for family, ids in self.presets.items():
            for key in ids:
                notes = [each.notes[0] for each in plan(family, key, recipe.extra_notes)]
                self.recorded[key] = _Keys(tuple(n.pitch for n in notes), tuple(n.velocity for n in notes))
        noise = np.random.default_rng(0).standard_normal((REFERENCES + recipe.extra_notes, LENGTH))
        self._sound = (noise * np.exp(-np.arange(LENGTH) / 8000) * 6000).clip(-32767, 32767).astype(np.int16)

    def notes(self, state_id: str) -> npt.NDArray[np.int16]:  # noqa: ARG002 (everybody's are the same)
        """The same sound for everybody."""
        return self._sound


def main() -> None:
    """Measure, print, and write the table."""
    keep_memory()  # as `synthmatch train` does
    arguments = _arguments()
    recipe = read_recipe(arguments.recipe)
    if arguments.mixtures:
        recipe = replace(recipe, mixtures=arguments.mixtures)
    processes = Processes.join()
    if arguments.data:
        corpus = open_corpus(arguments.data, recipe.extra_notes, recipe.phrases)
        mixer, sound = mixer_of(corpus, recipe, processes.device, arguments.memory_gb), "recorded notes"
    else:
        # Of made-up notes there are those of core families alone; and steps alter nothing, only songs do.
        recipe = replace(recipe, core_share=1.0, distractors=0.0, alterations=Alterations())
        bank = MadeUpNotes(recipe, recipe.mixtures + recipe.mixtures // 4)
        mixer = Mixer(bank, bank.presets, {}, recipe, None, processes.device, arguments.memory_gb)
        sound = "made-up notes"
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(mixer, recipe, Path(folder))
        real, cached, made = _measure(trainer, arguments.steps, planners(processes))
    text = _table(arguments.recipe, mixer, sound, real, cached, made)
    print(text)
    if not arguments.dry:
        write_text(TABLE, text)


def _measure(trainer: Trainer, steps: int, writers: int) -> tuple[list[float], list[float], list[float]]:
    """Seconds of steps with the pipeline, on cached batches, and of making sound of a plan alone."""
    mixer, real, cached, made = trainer.mixer, [], [], []
    trainer.encoder.train()
    coming: Iterator[Plan] = plans(mixer.planner, 0, 10**9, writers)
    for each in islice(coming, 2):  # warms up
        trainer.take_step(mixer.play(each))
    ready = AHEAD * max(1, writers)
    while len(real) < steps:
        kept = []
        for turn in range(ready + TURN):
            began = _now(trainer)
            batch = mixer.play(next(coming))
            trainer.take_step(batch)
            if turn >= ready:
                real.append(_now(trainer) - began)
                kept.append(batch)
        for batch in kept:  # the same ones: songs take longer than the core families' mixtures
            began = _now(trainer)
            trainer.take_step(batch)
            cached.append(_now(trainer) - began)
        began = _now(trainer)
        mixer.play(next(coming))
        made.append(_now(trainer) - began)
    coming.close()  # type: ignore[attr-defined]
    return real, cached, made


def _now(trainer: Trainer) -> float:
    if trainer.device.type == "cuda":
        torch.cuda.synchronize(trainer.device)
    return time.perf_counter()


def _table(name: str, mixer: Mixer, sound: str, real: list[float], cached: list[float], made: list[float]) -> str:
    device = mixer.device
    gpu = device.type == "cuda"
    where = torch.cuda.get_device_name(device) if gpu else f"a CPU with {torch.get_num_threads()} thread(s)"
    whole, bare, mixing = (statistics.median(each) for each in (real, cached, made))
    recipe = mixer.recipe
    load = f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors" if hasattr(os, "getloadavg") else ""
    return "\n".join(
        [
            "# A training step",
            "",
            "`python bench/training.py` made this; see its first lines for how.",
            "",
            f"Recipe `{name}` ({recipe.mixtures} mixtures of {recipe.seconds:g} s), {where}, {load}; {sound}, "
            f"{mixer.residence.gigabytes:.1f} GB, {mixer.residence.place.value}; medians over {len(real)} steps.",
            "",
            "| what | figure |",
            "|---|---|",
            f"| a step with the whole pipeline | {1000 * whole:.0f} ms |",
            f"| a step on a cached batch | {1000 * bare:.0f} ms |",
            f"| ratio (goal: at most {GOAL}) | {whole / bare:.3f} |",
            f"| making a batch's sound, alone | {1000 * mixing:.0f} ms |",
            f"| mixtures a second | {recipe.mixtures / whole:.0f} |",
            "",
        ]
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Step time with the real pipeline against a step on a cached batch.")
    parser.add_argument("--recipe", default="released")
    parser.add_argument("--data", type=Path, help="a folder of recorded notes; made-up ones if not given")
    parser.add_argument("--mixtures", type=int, help="a step, instead of the recipe's")
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--memory-gb", type=float, default=14.0)
    parser.add_argument("--dry", action="store_true", help="print only")
    return parser.parse_args()


if __name__ == "__main__":
    main()
