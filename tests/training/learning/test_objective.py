"""Each part of the objective against a loop over mixtures, stems and notes."""

import math
from dataclasses import replace
from itertools import product

import pytest
import torch

from synthmatch.networks.encoder import Encoder
from synthmatch.training.learning.objective import Memory, objective
from synthmatch.training.mixing.batches import Mixer

KEPT = 5  # vectors of earlier steps, of each family: less than two steps bring
FURTHER = ("mixture_stem_weight", "stem_note_weight", "note_note_weight")


@pytest.fixture(scope="module")
def recipe(tiny):
    return replace(
        tiny,
        mixtures=4,
        memory=0,
        drop=0.2,
        solo=0.2,
        solo_start=0.2,
        stem_share=0.7,
        mixture_stem_weight=0.1,
        stem_note_weight=0.2,
        note_note_weight=0.3,
    )


@pytest.fixture(scope="module")
def clusters(notes):
    """Two presets of each family are near-duplicates."""
    return {key: f"pair-{family}" for family, ids in notes.presets.items() for key in ids[:2]}


def nothing_kept(recipe):
    return Memory(12, recipe.memory, recipe.encoder.dimension, torch.device("cpu"))


def found(notes, recipe, clusters, step=0, memory=None, use_memory=False):
    """The losses of a step, and what the encoder hears in it: vectors, and presence."""
    torch.manual_seed(0)
    encoder = Encoder(recipe.encoder)
    batch = Mixer(notes.bank, notes.presets, clusters, recipe).batch(step)
    with torch.no_grad():
        encoder.presence_weight.normal_()
        losses = objective(encoder, batch, memory or nothing_kept(recipe), recipe, use_memory)
        names = ("mixtures", "references", "partners", "stems")
        heard = {name: encoder.embed(getattr(batch, name)) for name in names if len(getattr(batch, name))}
    return losses, batch, {name: both[0] for name, both in heard.items()}, {key: both[1] for key, both in heard.items()}


def looped(queries, recipe):
    """The loss that a recipe names, one pair or triplet at a time.

    Each query is two lists of cosines: with what it looks for, and with what counts against it.
    """
    each = []
    for right, wrong in queries:
        if recipe.loss == "triplet":
            terms = [max(0.0, recipe.margin - own + other) for own, other in product(right, wrong)]
        else:
            odds = [sum(math.exp((other - own) / recipe.temperature) for other in wrong) for own in right]
            terms = [-math.log(1 / (1 + against)) for against in odds]
        if terms:
            each.append(sum(terms) / len(terms))
    return sum(each) / len(each) if each else 0.0


def slowly(queries, keys, recipe):
    """The loss of (vector, preset, cluster) against (vector, preset, cluster)."""
    told = []
    for vector, state, cluster in queries:
        right = [float(vector @ key[0]) for key in keys if key[1] == state]
        wrong = [float(vector @ key[0]) for key in keys if key[1] != state and key[2] != cluster]
        told.append((right, wrong))
    return looped(told, recipe)


def mean(values):
    return sum(values) / len(values)


def entries(vectors, rows, batch, family, at=None):
    """(vector in a family's space, preset, cluster) of some parts; ``at`` says where their vectors are."""
    at = at or {row: row for row in rows}
    return [(vectors[at[row], family], int(batch.state[row]), int(batch.cluster[row])) for row in rows]


def by_family(batch, rows):
    families = {}
    for row in rows:
        families.setdefault(int(batch.family[row]), []).append(row)
    return families


def missed(logits, truth):
    """Binary cross-entropy, cell by cell: minus the logarithm of the probability of what is so."""
    sure = [[1 / (1 + math.exp(-logit)) for logit in row] for row in logits.tolist()]
    return mean(
        [
            -math.log(p if so else 1 - p)
            for row, own in zip(sure, truth, strict=True)
            for p, so in zip(row, own, strict=True)
        ]
    )


def presence_of(batch, said):
    """Families in mixtures, and of references, which are each of one part; half and half."""
    families = range(said["mixtures"].shape[1])
    held = {(int(row), int(family)) for row, family in zip(batch.mixture, batch.family, strict=True)}
    mixtures = [[(row, family) in held for family in families] for row in range(len(batch.mixtures))]
    references = [[family == int(own) for family in families] for own in batch.family]
    return 0.5 * missed(said["mixtures"], mixtures) + 0.5 * missed(said["references"], references)


def timbre_of(batch, heard, recipe):
    """Mixtures of one part against all references, whatever the family."""
    of = batch.mixture.tolist()
    alone = [part for part, row in enumerate(of) if of.count(row) == 1]
    mixed = entries(heard["mixtures"], alone, batch, -1, {part: of[part] for part in alone})
    return slowly(mixed, entries(heard["references"], range(len(of)), batch, -1), recipe)


def by_family_of(batch, heard, recipe, kept=None):
    """Mixtures against references, and those that are kept of earlier steps; references against mixtures."""
    each = []
    of = dict(enumerate(batch.mixture.tolist()))
    for family, rows in by_family(batch, of).items():
        mixed = entries(heard["mixtures"], rows, batch, family, of)
        single = entries(heard["references"], rows, batch, family)
        old = kept.get(family, []) if kept else []
        each.append(0.5 * slowly(mixed, single + old, recipe) + 0.5 * slowly(single, mixed, recipe))
    return mean(each)


def shared_of(batch, heard, recipe):
    """One vector a mixture against references of all families, and the other way round."""
    mixed, single, of = heard["mixtures"][:, 0], heard["references"][:, 0], batch.mixture.tolist()
    mixtures, parts = range(len(mixed)), range(len(single))
    cosine = [[float(mixed[row] @ single[part]) for part in parts] for row in mixtures]
    clusters = [{int(batch.cluster[part]) for part in parts if of[part] == row} for row in mixtures]
    apart = [[int(batch.cluster[part]) not in clusters[row] for part in parts] for row in mixtures]
    asked = [
        (
            [cosine[row][part] for part in parts if of[part] == row],
            [cosine[row][part] for part in parts if apart[row][part]],
        )
        for row in mixtures
    ]
    asking = [([cosine[of[part]][part]], [cosine[row][part] for row in mixtures if apart[row][part]]) for part in parts]
    return 0.5 * looped(asked, recipe) + 0.5 * looped(asking, recipe)


def check(losses, recipe, terms):
    """Every part is what the loops say, and so is their weighted sum."""
    total = sum(
        (1.0 if name == "mixture" else getattr(recipe, f"{name}_weight")) * value for name, value in terms.items()
    )
    assert losses.numbers() == pytest.approx(terms | {"total": total}, abs=1e-4)


@pytest.mark.parametrize("loss", ["infonce", "triplet"])
def test_every_part_equals_a_slow_loop(notes, recipe, clusters, loss):
    asked = replace(recipe, loss=loss, repeats=2 if loss == "triplet" else 1)
    singles = 0
    for step in range(4):
        losses, batch, heard, said = found(notes, asked, clusters, step)
        parts = range(len(batch.family))
        mixture_of = {row: int(batch.mixture[row]) for row in parts}
        stem_of = {int(row): place for place, row in enumerate(batch.heard)}
        terms = {name: [] for name in ("note_note", "mixture_stem", "stem_note")}
        for family, rows in by_family(batch, parts).items():
            single = entries(heard["references"], rows, batch, family)
            terms["note_note"].append(slowly(entries(heard["partners"], rows, batch, family), single, asked))
        for family, rows in by_family(batch, stem_of).items():
            mixed = entries(heard["mixtures"], rows, batch, family, mixture_of)
            stems = entries(heard["stems"], rows, batch, family, stem_of)
            every = [row for row in parts if int(batch.family[row]) == family]
            single = entries(heard["references"], every, batch, family)
            terms["mixture_stem"].append(0.5 * slowly(mixed, stems, asked) + 0.5 * slowly(stems, mixed, asked))
            terms["stem_note"].append(slowly(stems, single, asked))
        means = {name: mean(values) for name, values in terms.items()}
        means["mixture"] = by_family_of(batch, heard, asked)
        means |= {"presence": presence_of(batch, said), "timbre": timbre_of(batch, heard, asked)}
        check(losses, asked, means)
        singles += len(batch.alone)
    assert singles  # of mixtures of one part, without which timbre is nothing


def test_what_is_kept_of_earlier_steps_counts_against_mixtures_and_not_against_references(notes, recipe, clusters):
    """The newest references of each family, as they were heard then, and none of a near-duplicate. At first they are
    only collected."""
    asked = replace(recipe, memory=KEPT, stem_share=0.0, **dict.fromkeys(FURTHER, 0.0))
    memory, kept = nothing_kept(asked), {}
    for step in range(6):
        losses, batch, heard, said = found(notes, asked, clusters, step, memory, use_memory=step > 1)
        without = by_family_of(batch, heard, asked)
        mixture = by_family_of(batch, heard, asked, kept if step > 1 else None)
        assert (mixture > without + 0.01) == (step > 1)
        means = {"mixture": mixture, "presence": presence_of(batch, said), "timbre": timbre_of(batch, heard, asked)}
        check(losses, asked, means)
        for family, rows in by_family(batch, range(len(batch.family))).items():
            old = [(vector, None, cluster) for vector, _, cluster in entries(heard["references"], rows, batch, family)]
            kept[family] = (kept.get(family, []) + old)[-KEPT:]


def test_what_a_recipe_does_not_weigh_is_not_computed(notes, recipe, clusters):
    plain = replace(recipe, stem_share=0.0, **dict.fromkeys(FURTHER, 0.0))
    losses, batch, *_ = found(notes, plain, clusters)
    assert losses.further == {}
    assert len(batch.stems) == len(batch.partners) == 0


@pytest.mark.parametrize("loss", ["infonce", "triplet"])
def test_a_shared_head_compares_all_families_at_once(notes, recipe, clusters, loss):
    """A mixture's one vector is to be near to the references of all its parts."""
    shared = replace(recipe.encoder, shared=True)
    asked = replace(recipe, encoder=shared, loss=loss, stem_share=0.0, **dict.fromkeys(FURTHER, 0.0))
    for step in range(4):
        losses, batch, heard, said = found(notes, asked, clusters, step)
        assert torch.equal(heard["mixtures"][:, 0], heard["mixtures"][:, -1])
        means = {"presence": presence_of(batch, said), "timbre": timbre_of(batch, heard, asked)}
        check(losses, asked, means | {"mixture": shared_of(batch, heard, asked)})
