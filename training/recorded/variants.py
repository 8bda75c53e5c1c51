"""Presets that no bank holds, made from those of the training side: without effects, with a few knobs moved,
crossed from two, or drawn at random from what a family's presets have.

Every choice is keyed by the seed and the parent's id, so that a second run makes the same variants.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from synthmatch.errors import TrainingError
from synthmatch.files import content_hash
from synthmatch.presets import faustsynth
from synthmatch.presets.catalogue import known_synth
from synthmatch.presets.formats import amsynth, zyn
from synthmatch.presets.knobs import panel_of
from synthmatch.presets.preset import State
from synthmatch.renderers.renderer import RenderResult
from synthmatch.renderers.synths import can_switch_effects_off
from synthmatch.training.recorded import instruments
from synthmatch.training.recorded.nearness import Neighbourhood, distance, print_of, recorded_print
from synthmatch.training.recorded.notebank import NoteBank
from synthmatch.training.recorded.shards import append_journal, read_journal
from synthmatch.training.split import Label

SAME_DB = 0.5
"""dB within which a variant is no other sound than its parent; a synth that varies from run to run comes as near."""
DONORS = 6
"""Presets whose knobs a random patch is drawn from."""


@dataclass(frozen=True)
class Counts:
    """How many variants of each kind are tried per preset.

    Args:
        dry: 1 for the preset without its own effects.
        perturbed: with a few knobs moved.
        crossed: with some sections of another preset of its synth and family.
        random: with each knob as it stands in one of several presets of its synth and family.
    """

    dry: int = 0
    perturbed: int = 0
    crossed: int = 0
    random: int = 0

    @classmethod
    def of(cls, count: int, random: int = 0) -> Counts:
        """So many perturbed and crossed ones each, and a dry one, if any."""
        return cls(min(count, 1), count, count, random)


@dataclass(frozen=True)
class Parent:
    """A preset of the training side that has a family."""

    state: State
    label: Label


@dataclass(frozen=True)
class Variant:
    """A preset made from others.

    Args:
        state: how it sounds.
        kind: a field of :class:`Counts`.
        family: its parents'.
        parents: their ids, the one that it resembles most first.
        effects: whether the synth's own effects stay on.
    """

    state: State
    kind: str
    family: str
    parents: tuple[str, ...]
    effects: bool = True

    @cached_property
    def id(self) -> str:
        """By which its sound is kept: the state's id, or one of its own where the state is a parent's."""
        return self.state.id if self.effects else content_hash(self.state.id.encode(), b"effects off")


Make = Callable[[Parent, Sequence[Parent], np.random.Generator], Variant | None]
"""(parent, all of its synth and family, randomness) -> a variant, or None where the synth has none of that kind."""


def make_variants(parents: Sequence[Parent], counts: Counts, seed: int = 0) -> dict[str, Variant]:
    """Variants of presets, by id, as yet unheard.

    Args:
        parents: all of the training side; what isn't among them is nobody's parent.
        counts: how many of each.
        seed: other seeds give other variants.
    """
    kin: dict[tuple[str, str], list[Parent]] = {}
    for parent in sorted(parents, key=lambda each: each.state.id):
        kin.setdefault((parent.state.synth, parent.label.family), []).append(parent)
    known = {parent.state.id for parent in parents}
    found: dict[str, Variant] = {}
    for family in kin.values():
        for parent in family:
            for variant in _children(parent, family, counts, seed):
                if variant.id not in known:
                    found.setdefault(variant.id, variant)
    return found


def _children(parent: Parent, kin: Sequence[Parent], counts: Counts, seed: int) -> Iterator[Variant]:
    for number, kind in enumerate(fields(Counts)):
        for turn in range(getattr(counts, kind.name)):
            rng = np.random.default_rng((seed, int(parent.state.id[:12], 16), number, turn))
            variant = KINDS[kind.name](parent, kin, rng)
            if variant is not None:
                yield variant


def _dry(parent: Parent, _kin: Sequence[Parent], _rng: np.random.Generator) -> Variant | None:
    state = parent.state
    if not can_switch_effects_off(known_synth(state.synth)) or not _HAS_EFFECTS.get(state.synth, _perhaps)(state):
        return None
    return Variant(state, "dry", parent.label.family, (state.id,), effects=False)


def _perturbed(parent: Parent, _kin: Sequence[Parent], rng: np.random.Generator) -> Variant | None:
    state, panel = parent.state, panel_of(parent.state)
    if panel is not None:
        return _made("perturbed", panel.perturbed(state, rng), [parent])
    if state.synth == zyn.SYNTH:
        return _made("perturbed", instruments.perturbed(state, rng), [parent])
    return None


def _crossed(parent: Parent, kin: Sequence[Parent], rng: np.random.Generator) -> Variant | None:
    group = _group(parent.state)
    others = [each for each in kin if each is not parent and group and _group(each.state) == group]
    if not others:
        return None
    other = others[int(rng.integers(len(others)))]
    panel = panel_of(parent.state)
    cross = instruments.crossed if panel is None else panel.crossed
    return _made("crossed", cross(parent.state, other.state, rng), [parent, other])


def _random(parent: Parent, kin: Sequence[Parent], rng: np.random.Generator) -> Variant | None:
    panel, group = panel_of(parent.state), _group(parent.state)
    others = [each for each in kin if each is not parent and _group(each.state) == group]
    if panel is None or len(others) < DONORS - 1:
        return None
    chosen = [parent, *(others[place] for place in rng.choice(len(others), DONORS - 1, replace=False))]
    return _made("random", panel.drawn([each.state for each in chosen], rng), chosen)


KINDS: Mapping[str, Make] = {"dry": _dry, "perturbed": _perturbed, "crossed": _crossed, "random": _random}
"""What makes each kind."""

_HAS_EFFECTS: Mapping[str, Callable[[State], bool]] = {
    amsynth.SYNTH: lambda state: amsynth.effects_off(state.parameters()) != state.parameters(),
    faustsynth.SYNTH: lambda state: any(faustsynth.values_of(state)[name] for name in faustsynth.EFFECTS_OFF),
    zyn.SYNTH: instruments.has_effects,
}


def _perhaps(_state: State) -> bool:
    return True


def _made(kind: str, state: State, parents: Sequence[Parent]) -> Variant | None:
    ids = tuple(each.state.id for each in parents)
    return None if state.id in ids else Variant(state, kind, parents[0].label.family, ids)


def _group(state: State) -> str:
    """Presets of one group can be crossed; "" for those that can't."""
    if state.synth == zyn.SYNTH:
        return instruments.group(state)
    panel = panel_of(state)
    return f"{state.synth} {len(panel.knobs)}" if panel else ""


class VariantGate:
    """Keeps variants that sound like something new, and writes down what they are.

    A variant is refused where it is near a preset of the test or valid side, or the same as a parent. Where it is
    near a preset of the training side, mostly a parent, it joins its cluster; else it has one of its own.
    """

    def __init__(
        self, variants: Mapping[str, Variant], labels: Mapping[str, Label], bank: NoteBank, journal: Path
    ) -> None:
        """
        Args:
            variants: by id.
            labels: of all presets.
            bank: holds the presets' notes.
            journal: to which the labels of what is kept are added.
        """
        self._variants, self._labels, self._bank, self._journal = variants, labels, bank, journal
        self._forbidden = Neighbourhood(bank, [key for key, label in labels.items() if label.side != "train"])
        self._familiar = Neighbourhood(bank, [key for key, label in labels.items() if label.side == "train"])
        self._kept: list[VariantLabel] = []

    def refusal(self, key: str, result: RenderResult) -> str:
        """See :meth:`Gate.refusal`."""
        variant, shape = self._variants[key], print_of(result.clips)
        near = self._forbidden.near(shape)
        if near:
            return f"It sounds nearly like {near}, which training mustn't hear."
        for parent in variant.parents:
            if parent in self._bank and distance(recorded_print(self._bank, parent), shape) < SAME_DB:
                return f"It sounds like its parent {parent}."
        near = self._familiar.near(shape)
        cluster = self._labels[near].cluster if near else key
        label = Label(key, variant.state.synth, variant.family, variant.kind, cluster, "train")
        self._kept.append(VariantLabel(label, variant.parents))
        return ""

    def commit(self) -> None:
        """See :meth:`Gate.commit`."""
        append_journal(self._journal, [{**asdict(each.label), "parents": each.parents} for each in self._kept])
        self._kept = []


@dataclass(frozen=True)
class VariantLabel:
    """What is known of a variant that was kept.

    Args:
        label: its source is the variant's kind, its side always "train".
        parents: their ids.
    """

    label: Label
    parents: tuple[str, ...]


def placed(variants: Mapping[str, VariantLabel], labels: Mapping[str, Label]) -> dict[str, VariantLabel]:
    """Variants, by id, as they stand beside presets as these are known by now.

    A bank that came after a variant may have put a parent, or the preset whose cluster it joined, on another side: then
    nothing may be learnt from it, and it is left out. Or that cluster may have got another name, which is the variant's
    too.

    Args:
        labels: of all presets.
    """
    found = {}
    for key, row in variants.items():
        cluster = row.label.cluster
        kin = {each: labels[each] for each in (*row.parents, cluster) if each in labels}
        if all(label.side == "train" for label in kin.values()):
            name = kin[cluster].cluster if cluster in kin else cluster  # one by itself, as the variant's own is
            found[key] = replace(row, label=replace(row.label, cluster=name))
    return found


def read_variants(journal: Path) -> dict[str, VariantLabel]:
    """What a gate wrote down, by id.

    Raises:
        TrainingError: the file is damaged.
    """
    found = {}
    for values in read_journal(journal):
        parents = values.pop("parents", ())
        try:
            found[str(values["id"])] = VariantLabel(Label(**values), parents)
        except (TypeError, KeyError) as error:
            raise TrainingError(f"{journal} isn't of this version; delete {journal.parent}.") from error
    return found
