"""Recipes: everything that decides a training run, as TOML."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

from synthmatch.encoder import EncoderConfig
from synthmatch.errors import TrainingError

_Kind = TypeVar("_Kind", EncoderConfig, "Recipe")

RECIPES = Path(__file__).parent / "recipes"


@dataclass(frozen=True)
class Recipe:
    """A training run.

    Args:
        encoder: the shape of the network.
        seed: every random choice is keyed by (seed, step), so a resumed run is the same run.
        steps: optimiser steps.
        mixtures: mixtures a step.
        seconds: length of a training mixture.
        extra_notes: notes recorded of each preset beside the reference notes.
        core_share: share of the steps that mix ``core`` families; the others draw as many at random.
        core: the families of the paper's mixtures.
        drop: probability that a mixture lacks a part.
        solo: share of the mixtures that keep one part alone, which teaches single sounds.
        solo_start, solo_until: that share is ``solo_start`` at step 0 and falls in a line to ``solo`` at step
            ``solo_until``: parts in mixtures are learnt faster by whoever knows the sounds.
        gain_db: parts are up to this much louder or softer than the protocol says.
        learning_rate, warmup, weight_decay: AdamW's, with a cosine fall to zero.
        temperature: of the contrastive losses.
        memory: reference vectors of earlier steps kept per family as further negatives; 0 for none.
        memory_from: the step from which they count.
        presence_weight, timbre_weight: of these losses beside the mixture's.
    """

    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    seed: int = 1
    steps: int = 5000
    mixtures: int = 48
    seconds: float = 5.0
    extra_notes: int = 6
    core_share: float = 0.7
    core: tuple[str, ...] = ("percussion", "bass", "lead")
    drop: float = 0.2
    solo: float = 0.15
    solo_start: float = 0.6
    solo_until: int = 800
    gain_db: float = 3.0
    learning_rate: float = 1e-3
    warmup: int = 100
    weight_decay: float = 0.02
    temperature: float = 0.07
    memory: int = 0
    memory_from: int = 2000
    presence_weight: float = 0.3
    timbre_weight: float = 0.5

    def __post_init__(self) -> None:
        if self.steps < 1 or self.mixtures < 2:
            raise TrainingError("A recipe needs at least 1 step and 2 mixtures a step.")
        unknown = set(self.core) - set(self.encoder.families)
        if unknown:
            raise TrainingError(f"A recipe's core names {', '.join(sorted(unknown))}, which the encoder lacks.")


def read_recipe(name: str) -> Recipe:
    """Read a recipe of the package by name, or any file by path.

    Raises:
        TrainingError: there's none, or it names something that recipes don't have.
    """
    path = RECIPES / f"{name}.toml" if (RECIPES / f"{name}.toml").exists() else Path(name)
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        known = ", ".join(sorted(each.stem for each in RECIPES.glob("*.toml")))
        raise TrainingError(f"There's no recipe called {name}; name a TOML file or one of: {known}.") from error
    except tomllib.TOMLDecodeError as error:
        raise TrainingError(f"{path} isn't TOML ({error}); mend it.") from error
    encoder = _build(EncoderConfig, values.pop("encoder", {}), path)
    return _build(Recipe, {**values, "encoder": encoder}, path)


def _build(kind: type[_Kind], values: dict[str, Any], path: Path) -> _Kind:
    unknown = set(values) - {each.name for each in fields(kind)}
    if unknown:
        raise TrainingError(f"{path} sets {', '.join(sorted(unknown))}, which isn't known; see docs/training.md.")
    frozen: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}
    return kind(**frozen)
