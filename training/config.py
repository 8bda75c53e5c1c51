"""Recipes: everything that decides a training run, as TOML."""

from __future__ import annotations

import math
import tomllib
from dataclasses import dataclass, field, fields, is_dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from synthmatch.errors import TrainingError
from synthmatch.networks.encoder import EncoderConfig
from synthmatch.notes import REFERENCE_NOTES
from synthmatch.presets.families import FAMILY_KEYS

_Kind = TypeVar("_Kind", EncoderConfig, "Alterations", "Degradations", "Recipe")

RECIPES = Path(__file__).parent / "recipes"


LOSSES = ("infonce", "triplet")


@dataclass(frozen=True)
class Degradations:
    """What is done to training mixtures so that they sound like records; all of it off by default.

    Args:
        share: of the mixtures to which each of the following is done, each drawn by itself.
        tilt_db: a tilt of the spectrum by up to this many dB, either way, from 60 Hz to 8 kHz.
        shelf_db: a low and a high shelf of up to this many dB, either way.
        drive_db: gain of up to this many dB into a soft limiter.
        reverb: how loud a short reverb is at most, against the dry sound.
        lowpass: the lowest frequency, in Hz, from which on nothing is left, as MP3 does it; 0 for never.
        noise_db: how far below the mixture noise lies at least; 0 for none.
        cents: the whole mixture is played slower or faster by up to this many cents.
    """

    share: float = 0.5
    tilt_db: float = 0.0
    shelf_db: float = 0.0
    drive_db: float = 0.0
    reverb: float = 0.0
    lowpass: float = 0.0
    noise_db: float = 0.0
    cents: float = 0.0

    @property
    def any(self) -> bool:
        """Whether anything is done at all."""
        return self.share > 0 and any(getattr(self, each.name) > 0 for each in fields(self) if each.name != "share")


@dataclass(frozen=True)
class Alterations:
    """What is done to each stem before it is mixed, so that it sounds as another preset of its family might.

    Args:
        share: of the stems to which each of the following is done, each drawn by itself.
        semitones: notes are played from recordings that lie up to so many away.
        bend_db: a filter that tilts the spectrum by up to this many dB, either way, and makes it uneven.
    """

    share: float = 0.5
    semitones: int = 0
    bend_db: float = 0.0

    @property
    def any(self) -> bool:
        """Whether anything is done at all."""
        return self.share > 0 and (self.semitones > 0 or self.bend_db > 0)


@dataclass(frozen=True)
class Recipe:
    """A training run.

    Args:
        encoder: the shape of the network.
        seed: every random choice is keyed by (seed, step), so a resumed run is the same run.
        steps: optimiser steps.
        mixtures: mixtures a step.
        repeats: how often a step's mixtures may hold one preset; families too small for that are never mixed.
        seconds: length of a training mixture.
        extra_notes: notes recorded of each preset beside the reference notes.
        core_share: share of the steps that mix ``core`` families; the others draw ``parts`` at random.
        parts: families of those other steps, whose mixtures hold any number of them, each number as likely; 0 for
            as many as ``core`` has, dropped like them.
        scattered: whether each of those mixtures draws its families by itself, of all there are. Else a step's mixtures
            share them: contrastive losses tell a part from those of its family in the other mixtures.
        core: the families of the paper's mixtures.
        drop: probability that a mixture lacks a part.
        solo: share of the mixtures that keep one part alone, which teaches single sounds.
        solo_start, solo_until: that share is ``solo_start`` at step 0 and falls in a line to ``solo`` at step
            ``solo_until``: parts in mixtures are learnt faster by whoever knows the sounds.
        gain_db: parts are up to this much louder or softer than the protocol says.
        learning_rate, warmup, weight_decay: AdamW's, with a cosine fall to zero.
        restarts: the steps, in rising order, at which the learning rate begins anew, warm-up and all: it falls to
            zero before each (after Loshchilov and Hutter, "SGDR", 2017), so that a run can be ended there.
        soundalikes: from the first restart on, the share of the families' columns in a step that are made of groups of
            presets which the encoder hardly told apart when the learning rate began anew
            (:mod:`synthmatch.training.learning.soundalikes`), instead of any presets.
        temperature: of the contrastive losses.
        memory: reference vectors of earlier steps kept per family as further negatives; 0 for none.
        memory_from: the step from which they count.
        presence_weight, timbre_weight: of these losses beside the mixture's.
        context_from: the step from which the encoder's ``context`` learns; until then it lets everything through as it
            is, so that what is simpler is learnt first.
        presence_steps: steps after these, of as many songs each, that teach the presence head alone
            (:mod:`synthmatch.training.learning.presence`); for encoders whose ``presence`` is above 0.
        presence_restarts: those of them at which their learning rates begin anew.
        presence_shares: for each of these turns, the last one included, how much what was learnt in it counts when
            the next one begins; the rest is what was known before
            (:class:`synthmatch.training.learning.presence.Schedule`). If empty, all of it.
        presence_synths: further synths whose presets play in those songs; nothing is found by them.
        synths: the synths whose presets are trained on; all of them if empty.
        phrases: passages of each preset that are recorded as the synth plays them.
        variants: perturbed and crossed ones that are made and recorded of each preset, each, and a dry one.
        everything: whether to train on all that was ever recorded in the folder of recordings, whatever is installed
            here, and to record nothing.
        live: the share of the stems that are passages played live, where some were recorded of the preset.
        references: which of the reference notes a part is compared with; one of them is drawn.
        distractors: probability that a mixture holds a sound that is nobody's part: a preset without a family, or
            a stranger (:mod:`synthmatch.training.mixing.strangers`).
        loss: of ``LOSSES``, for everything that is compared.
        margin: of the triplet loss.
        stem_share: the share of the parts whose stem is heard alone, too.
        mixture_stem_weight, stem_note_weight: of the losses between those stems, their mixtures and references.
        note_note_weight: of the loss between two reference notes of one preset.
        ema: how much of their moving average the weights keep each step, which is what is saved; 0 for none.
        half: whether the encoder is saved in 16-bit numbers.
        degradations: see :class:`Degradations`.
        alterations: see :class:`Alterations`; those of the songs that teach presence alone.
    """

    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    degradations: Degradations = field(default_factory=Degradations)
    alterations: Alterations = field(default_factory=Alterations)
    seed: int = 1
    steps: int = 5000
    mixtures: int = 48
    repeats: int = 1
    seconds: float = 5.0
    extra_notes: int = 6
    core_share: float = 0.7
    parts: int = 0
    scattered: bool = False
    core: tuple[str, ...] = ("percussion", "bass", "lead")
    drop: float = 0.2
    solo: float = 0.15
    solo_start: float = 0.6
    solo_until: int = 800
    gain_db: float = 3.0
    learning_rate: float = 1e-3
    warmup: int = 100
    weight_decay: float = 0.02
    restarts: tuple[int, ...] = ()
    soundalikes: float = 0.0
    temperature: float = 0.07
    memory: int = 0
    memory_from: int = 2000
    presence_weight: float = 0.3
    timbre_weight: float = 0.5
    context_from: int = 0
    presence_steps: int = 0
    presence_restarts: tuple[int, ...] = ()
    presence_shares: tuple[float, ...] = ()
    presence_synths: tuple[str, ...] = ()
    synths: tuple[str, ...] = ()
    phrases: int = 0
    variants: int = 0
    everything: bool = False
    live: float = 0.5
    references: tuple[int, ...] = (0, 1, 2, 3, 4)
    distractors: float = 0.0
    loss: str = "infonce"
    margin: float = 1.0
    stem_share: float = 0.0
    mixture_stem_weight: float = 0.0
    stem_note_weight: float = 0.0
    note_note_weight: float = 0.0
    ema: float = 0.0
    half: bool = False

    def __post_init__(self) -> None:
        if self.steps < 1 or self.mixtures < 2 or self.repeats < 1:
            raise TrainingError("A recipe needs at least 1 step, 2 mixtures a step and 1 repeat.")
        if any(end <= begin for begin, end in pairwise((0, *self.restarts, self.steps))):
            raise TrainingError("A recipe's restarts are steps before its last one, each later than the one before.")
        if self.soundalikes and not self.restarts:
            raise TrainingError("A recipe's soundalikes are looked for at its restarts; name some.")
        if self.presence_restarts and any(
            end <= begin for begin, end in pairwise((0, *self.presence_restarts, self.presence_steps))
        ):
            raise TrainingError(
                "A recipe's presence_restarts are of its presence_steps, each later than the one before."
            )
        if self.presence_shares and len(self.presence_shares) != len(self.presence_restarts) + 1:
            raise TrainingError("A recipe's presence_shares are as many as its presence_restarts, and one for the end.")
        if not self.core:
            raise TrainingError("A recipe's core names no family; name those that its core_share of the steps mix.")
        unknown = set(self.core) - set(self.encoder.families)
        if unknown:
            raise TrainingError(f"A recipe's core names {', '.join(sorted(unknown))}, which the encoder lacks.")
        if self.loss not in LOSSES:
            raise TrainingError(f"A recipe's loss is {self.loss}; choose one of {', '.join(LOSSES)}.")
        if not self.references or not set(self.references) <= set(range(len(REFERENCE_NOTES))):
            raise TrainingError(f"A recipe's references are numbers up to {len(REFERENCE_NOTES) - 1}, at least one.")
        if self.presence_steps and not self.encoder.presence:
            raise TrainingError("A recipe has presence_steps, but its encoder's presence is 0; set it, to 256 say.")
        if self.encoder.listener and not self.presence_steps:
            raise TrainingError("A recipe's encoder has a listener, which nothing teaches; set presence_steps.")
        if self.encoder.closer and not self.encoder.listener:
            raise TrainingError("A recipe's encoder hears closer, but has no listener that would; set listener.")
        if self.encoder.deeper and not self.encoder.listener:
            raise TrainingError("A recipe's encoder goes deeper, but has no listener that would; set listener.")
        if self.encoder.finer and not self.encoder.listener:
            raise TrainingError("A recipe's encoder hears finer, but has no listener that would; set listener.")
        if self.context_from and not 0 < self.context_from < self.steps:
            raise TrainingError("A recipe's context_from is a step before its last one.")
        if self.context_from and not self.encoder.context:
            raise TrainingError("A recipe has context_from, but its encoder's context is 0; set it, to 2 say.")
        if self.memory and self.encoder.shared:
            raise TrainingError("A recipe's memory is kept by family, and a shared encoder has none; set one of them.")
        if self.note_note_weight and len(set(self.references)) < 2:
            raise TrainingError("A recipe's note_note_weight compares two notes; give references two or more numbers.")
        if not 0 <= self.ema < 1:
            raise TrainingError(f"A recipe's ema is {self.ema}; it must be at least 0 and below 1.")


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
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise TrainingError(f"{path} isn't TOML ({error}); mend it.") from error
    for table in ("encoder", "degradations", "alterations"):
        if not isinstance(values.setdefault(table, {}), dict):
            raise TrainingError(f"{path} sets {table}, which is a table of settings; see docs/training.md.")
    encoder = _build(EncoderConfig, values["encoder"], path)
    _require_shape(encoder, path)
    degradations = _build(Degradations, values["degradations"], path)
    alterations = _build(Alterations, values["alterations"], path)
    tables = {"encoder": encoder, "degradations": degradations, "alterations": alterations}
    return _build(Recipe, {**values, **tables}, path)


def _build(kind: type[_Kind], values: dict[str, Any], path: Path) -> _Kind:
    unknown = set(values) - {each.name for each in fields(kind)}
    if unknown:
        raise TrainingError(f"{path} sets {', '.join(sorted(unknown))}, which isn't known; see docs/training.md.")
    frozen: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}
    hints = get_type_hints(kind)
    for name, value in frozen.items():
        if not is_dataclass(value):  # a table, which is built by now
            _require(name, value, hints[name], path)
    return kind(**frozen)


_ONE = {bool: "true or false", int: "a whole number", float: "a number", str: "a word in quotes"}
_SEVERAL = {int: "a list of whole numbers", float: "a list of numbers", str: "a list of words in quotes"}

_RANGES: dict[str, tuple[float, float]] = {
    **dict.fromkeys(("core_share", "drop", "solo", "solo_start", "live", "distractors"), (0, 1)),
    **dict.fromkeys(("stem_share", "presence_shares", "share", "soundalikes"), (0, 1)),
    **dict.fromkeys(("channels", "width", "heads", "dimension", "bands", "family"), (1, math.inf)),
    "seconds": (1, math.inf),
    "temperature": (0.001, math.inf),
}
"""What a number may be, where 0 is too little or anything is too much."""


def _require(name: str, value: Any, hint: Any, path: Path) -> None:
    """Refuse a value of another kind than a setting's, or no number that makes sense."""
    several = get_origin(hint) is tuple
    kind = get_args(hint)[0] if several else hint
    parts = value if isinstance(value, tuple) else (value,)
    fits = all(type(part) in ((int, float) if kind is float else (kind,)) for part in parts)
    if not fits or several != isinstance(value, tuple):
        raise TrainingError(f"{path} sets {name} to {value}; it is {(_SEVERAL if several else _ONE)[kind]}.")
    low, high = _RANGES.get(name, (0, math.inf))
    if kind in (int, float) and not all(low <= part <= high for part in parts):
        most = f"from {low:g} to {high:g}" if high < math.inf else f"at least {low:g}"
        raise TrainingError(f"{path} sets {name} to {value}; it must be {most}.")


def _require_shape(config: EncoderConfig, path: Path) -> None:
    """Refuse a shape that no network can have."""
    wrong = {
        f"families are of {', '.join(FAMILY_KEYS)}": not set(config.families) <= set(FAMILY_KEYS),
        "bands are a multiple of 8": config.bands % 8 > 0,
        "channels and blocks are three numbers each": {len(config.channels), len(config.blocks)} != {3},
        "closer is a multiple of half of the bands": config.closer % max(1, config.bands // 2) > 0,
        "heads divide width": config.width % config.heads > 0,
    }
    for rule, broken in wrong.items():
        if broken:
            raise TrainingError(f"{path} shapes an encoder that can't be: {rule}.")
