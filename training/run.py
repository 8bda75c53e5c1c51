"""One command from banks to weights: record, train, and write an encoder that says what it heard."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch

from synthmatch.files import require_place
from synthmatch.machine import processors
from synthmatch.networks import checkpoint
from synthmatch.networks.encoder import Encoder
from synthmatch.training.config import Alterations, Recipe, read_recipe
from synthmatch.training.learning.calibration import calibrate_presence
from synthmatch.training.learning.classifier import fit_families
from synthmatch.training.learning.distributed import Processes
from synthmatch.training.learning.presence import PresenceTrainer, Schedule, with_ears
from synthmatch.training.learning.presence import Progress as PresenceProgress
from synthmatch.training.learning.songs import song_mixer
from synthmatch.training.learning.trainer import Progress as StepProgress
from synthmatch.training.learning.trainer import Trainer, steps_taken
from synthmatch.training.mixing.batches import Mixer
from synthmatch.training.mixing.casting import NOBODY
from synthmatch.training.recorded.corpus import Corpus, open_corpus
from synthmatch.training.recorded.dataplan import FROZEN, DataPlan
from synthmatch.training.recorded.recording import Progress, Recording, gather
from synthmatch.training.recorded.variants import Counts

MEMORY_GB = 14.0
PLANNERS = 2  # processes that write plans for a GPU: one of a thousand mixtures takes about 10 ms


@dataclass(frozen=True, eq=False)
class _Run:
    """What came of the steps.

    Args:
        encoder: as they left it.
        step: how many were taken.
        learnt: the presets that were parts of mixtures.
        heard: those, and those that were nobody's part in them.
    """

    encoder: Encoder
    step: int
    learnt: frozenset[str]
    heard: frozenset[str]


@dataclass(frozen=True)
class Trained:
    """How far a run is.

    Args:
        taken: steps so far.
        of: all that the recipe asks for.
        written: whether this process has written an encoder; none does if the time was over before, be it while
            the presence head learnt, after the last step.
        first: whether this is the only process, or the one that writes.
    """

    taken: int
    of: int
    written: bool
    first: bool

    def __str__(self) -> str:
        beyond = ", but not all that teach presence" if self.taken >= self.of and not self.written else ""
        return f"{self.taken} of {self.of} steps{beyond}"


def mixer_of(corpus: Corpus, recipe: Recipe, device: torch.device | None = None, memory_gb: float = MEMORY_GB) -> Mixer:
    """Mixtures of the presets on the training side, labelled ones and heard ones alike; of none that is altered, since
    it would be another preset then.

    Args:
        device: where mixtures are made; the CPU if None.
        memory_gb: see :class:`Mixer`.
    """
    wanted = (*recipe.encoder.families, NOBODY)
    corpus = corpus.of(found_among(recipe))
    presets = {family: corpus.ids("train", family) for family in wanted}
    plain = replace(recipe, alterations=Alterations())
    return Mixer(corpus.notes, presets, corpus.clusters, plain, corpus.phrases, device, memory_gb)


def train(
    recipe_name: str,
    data: Path,
    folder: Path,
    out: Path,
    workers: int | None = None,
    stop_at: int | None = None,
    minutes: float | None = None,
    memory_gb: float = MEMORY_GB,
    recorded: Progress | None = None,
    stepped: StepProgress | None = None,
    taught: PresenceProgress | None = None,
    said: Callable[[str], None] | None = None,
) -> Trained:
    """Train by a recipe; what was recorded or trained before goes on where it was.

    Started by `torchrun`, each process trains on its share of every step, and the first one records and writes.

    Args:
        recipe_name: a recipe of the package, or a TOML file.
        data: where recorded notes are kept.
        folder: where the run keeps its checkpoint and log.
        out: the encoder's file, written when the recipe's last step (or ``stop_at``) is done.
        workers: host processes that record.
        stop_at: the step to stop at; a later call goes on.
        minutes: record nothing and begin no step later than this after the call; a later call goes on. If something
            is left then, no encoder is written.
        memory_gb: what notes may take, in 10^9 bytes, on the device or in memory; if there are more, they stay on
            disk.
        recorded, stepped, taught: called as notes are recorded, steps are taken, and the presence head learns.
        said: called with a sentence that a user may want to read.

    Returns:
        How far it is.

    Raises:
        InputError: the encoder or the run can't be written there.
        TrainingError: no banks, or a recipe that doesn't fit.
    """
    until = math.inf if minutes is None else time.monotonic() + 60 * minutes
    recipe = read_recipe(recipe_name)
    require_place(folder, folder=True)
    require_place(out)
    with Processes.join() as processes:
        corpus = _corpus(recipe, data, workers, recorded, until, processes)
        if processes.agree(time.monotonic() >= until):  # not all may be recorded
            return Trained(steps_taken(folder), recipe.steps, False, processes.first)
        mixer = mixer_of(corpus, recipe, processes.device, memory_gb)
        if said and processes.first:
            for sentence in _notices(recipe, corpus, mixer):
                said(sentence)
        trainer = Trainer(mixer, recipe, folder, processes)
        encoder = trainer.run(stepped, stop_at, until, planners(processes), said)
        learnt = frozenset(key for ids in mixer.presets.values() for key in ids)
        run = _Run(encoder, trainer.step, learnt, mixer.heard)
        del mixer, trainer  # songs need the memory that their sound takes
        if processes.device.type == "cuda":
            torch.cuda.empty_cache()  # what is kept for steps to come counts as taken when songs are placed
        done = run.step >= min(recipe.steps, stop_at or recipe.steps)
        if done and recipe.presence_steps and run.step == recipe.steps:
            if recipe.encoder.listener:
                run = replace(run, encoder=with_ears(encoder, recipe.encoder))
            songs = song_mixer(run.encoder, corpus, recipe, memory_gb, processes.device)
            progress = taught if processes.first else None
            done = _teach(run.encoder, songs, recipe, folder, processes, progress, until, said)
    written = done and processes.first
    if written:
        _write(run, corpus, recipe, recipe_name, out)
    return Trained(run.step, recipe.steps, written, processes.first)


def _notices(recipe: Recipe, corpus: Corpus, mixer: Mixer) -> Iterator[str]:
    """What a user may want to know of what is learnt from, in sentences."""
    yield f"Notes are {mixer.residence.place.value}: {mixer.residence.gigabytes:.1f} GB."
    if corpus.notice:
        yield corpus.notice
    alone = [family for family in recipe.encoder.families if family not in mixer.presets]
    if alone:
        yield (
            f"How presets of the families {', '.join(alone)} are found isn't learnt: of each there are fewer than"
            f" a step's mixtures divided by the recipe's repeats ({recipe.mixtures} / {recipe.repeats})."
        )
    missing = set(heard_at_all(recipe)) - {label.synth for label in corpus.labels.values()}
    if missing:
        names = ", ".join(sorted(missing))
        yield f"Nothing is recorded of {names}, which the recipe learns from; it goes without. See `synthmatch doctor`."


def _teach(
    encoder: Encoder,
    songs: Mixer,
    recipe: Recipe,
    folder: Path,
    processes: Processes,
    taught: PresenceProgress | None,
    until: float,
    said: Callable[[str], None] | None,
) -> bool:
    """Have an encoder learn presence; whether there was time for all of it."""
    schedule = Schedule(recipe.presence_steps, recipe.presence_restarts, recipe.presence_shares)
    teacher = PresenceTrainer(encoder, songs, schedule, folder, processes)
    done = teacher.run(taught, until, said)
    if done:
        teacher.install()
    return done


def found_among(recipe: Recipe) -> tuple[str, ...]:
    """The synths by whose presets an encoder learns to find some; all if none is named."""
    return recipe.synths or (() if recipe.everything else FROZEN)


def heard_at_all(recipe: Recipe) -> tuple[str, ...]:
    """Those, and the synths whose presets play in songs besides; all if none is named."""
    found = found_among(recipe)
    return tuple(dict.fromkeys((*found, *recipe.presence_synths))) if found else ()


def data_plan(recipe: Recipe) -> DataPlan:
    """What a recipe's first call records: of its synths alone, so that the others needn't be installed."""
    return DataPlan(
        notes=recipe.extra_notes,
        phrases=recipe.phrases,
        variants=Counts.of(recipe.variants),
        synths=heard_at_all(recipe) or FROZEN,
    )


def _corpus(
    recipe: Recipe, data: Path, workers: int | None, recorded: Progress | None, until: float, processes: Processes
) -> Corpus:
    """What there is of the recipe's synths. The first process records what isn't there yet, until the time is over;
    the others wait, and read what it has written: two that record in one folder would write over each other."""
    if recipe.everything:
        return open_corpus(data, recipe.extra_notes, recipe.phrases).of(heard_at_all(recipe))
    wanted = data_plan(recipe)
    if not processes.first:
        processes.wait()
        return Recording(data, wanted).corpus().of(wanted.synths)
    corpus = gather(data, wanted, workers, recorded, for_benchmark=False, stop=lambda: time.monotonic() >= until)
    processes.wait()
    return corpus.of(wanted.synths)


def planners(processes: Processes) -> int:
    """How many processes write plans: a GPU takes a step in the time of a few plans, a CPU in that of many."""
    if processes.device.type == "cpu":
        return 0
    return max(1, min(PLANNERS, processors() // processes.world - 1))


def _write(run: _Run, corpus: Corpus, recipe: Recipe, recipe_name: str, out: Path) -> None:
    """Fit what is fitted at the end, and write the encoder with what there is to know about it."""
    found = corpus.of(found_among(recipe))
    agreement = fit_families(run.encoder, found)
    if recipe.presence_weight or recipe.presence_steps:
        calibrate_presence(run.encoder, found)
    if recipe.half:
        run.encoder.half().float()  # what is in memory is what will be read
    families = run.encoder.config.families
    # Families too small to be mixed are learnt by the heads all the same.
    heard = run.heard.union(*(corpus.players(family) for family in families))
    facts = {
        "recipe": recipe_name,
        "settings": asdict(recipe),
        "steps": run.step,
        "family_agreement": agreement,
        "trained_on": sorted(heard - corpus.parents.keys()),
        "learnt": sorted(run.learnt - corpus.parents.keys()),  # to be found; the others were heard beside them
        "variants": len(heard & corpus.parents.keys()),  # of those presets; they have no side of their own
    }
    checkpoint.save(out, run.encoder, facts, half=recipe.half)
