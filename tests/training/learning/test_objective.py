"""Each part of the objective against a loop over mixtures, stems and notes."""

from dataclasses import replace

import pytest
import torch

from synthmatch.networks.encoder import Encoder
from synthmatch.training.learning.losses import contrast
from synthmatch.training.learning.objective import Memory, objective
from synthmatch.training.mixing.batches import Mixer


@pytest.fixture(scope="module")
def recipe(tiny):
    return replace(
        tiny,
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


def found(notes, recipe, clusters, step=0):
    torch.manual_seed(0)
    encoder = Encoder(recipe.encoder)
    batch = Mixer(notes.bank, notes.presets, clusters, recipe).batch(step)
    memory = Memory(12, 0, recipe.encoder.dimension, torch.device("cpu"))
    with torch.no_grad():
        losses = objective(encoder, batch, memory, recipe, use_memory=False)
        names = ("mixtures", "references", "partners", "stems")
        heard = {name: encoder.embed(getattr(batch, name))[0] for name in names if len(getattr(batch, name))}
    return losses, batch, heard


def slowly(queries, keys, recipe):
    """InfoNCE of (vector, preset, cluster) against (vector, preset, cluster), one pair at a time."""
    each = []
    for query, state, cluster in queries:
        score = [float(query @ key[0]) / recipe.temperature for key in keys]
        own = [s for s, key in zip(score, keys, strict=True) if key[1] == state]
        others = [s for s, key in zip(score, keys, strict=True) if key[2] != cluster]
        against = sum(torch.tensor(s).double().exp() for s in others)
        terms = [-torch.log(torch.tensor(s).double().exp() / (torch.tensor(s).double().exp() + against)) for s in own]
        if terms:
            each.append(float(sum(terms) / len(terms)))
    return sum(each) / len(each)


def entries(vectors, rows, batch, family, at=None):
    """(vector in a family's space, preset, cluster) of some parts; ``at`` says where their vectors are."""
    at = at or {row: row for row in rows}
    return [(vectors[at[row], family], int(batch.state[row]), int(batch.cluster[row])) for row in rows]


def by_family(batch, rows):
    families = {}
    for row in rows:
        families.setdefault(int(batch.family[row]), []).append(row)
    return families


def test_every_part_equals_a_slow_loop(notes, recipe, clusters):
    for step in range(3):
        losses, batch, heard = found(notes, recipe, clusters, step)
        parts = range(len(batch.family))
        mixture_of = {row: int(batch.mixture[row]) for row in parts}
        stem_of = {int(row): place for place, row in enumerate(batch.heard)}
        terms = {name: [] for name in ("mixture", "mixture_stem", "stem_note", "note_note")}
        for family, rows in by_family(batch, parts).items():
            mixed = entries(heard["mixtures"], rows, batch, family, mixture_of)
            single = entries(heard["references"], rows, batch, family)
            partners = entries(heard["partners"], rows, batch, family)
            terms["mixture"].append(0.5 * slowly(mixed, single, recipe) + 0.5 * slowly(single, mixed, recipe))
            terms["note_note"].append(slowly(partners, single, recipe))
        for family, rows in by_family(batch, stem_of).items():
            mixed = entries(heard["mixtures"], rows, batch, family, mixture_of)
            stems = entries(heard["stems"], rows, batch, family, stem_of)
            every = [row for row in parts if int(batch.family[row]) == family]
            single = entries(heard["references"], every, batch, family)
            terms["mixture_stem"].append(0.5 * slowly(mixed, stems, recipe) + 0.5 * slowly(stems, mixed, recipe))
            terms["stem_note"].append(slowly(stems, single, recipe))
        means = {name: sum(values) / len(values) for name, values in terms.items()}
        assert losses.numbers() == pytest.approx(losses.numbers() | means, abs=1e-4)
        total = float(losses.mixture + recipe.presence_weight * losses.presence + recipe.timbre_weight * losses.timbre)
        total += sum(getattr(recipe, f"{name}_weight") * means[name] for name in means if name != "mixture")
        assert float(losses.total) == pytest.approx(total, abs=1e-4)


def test_what_a_recipe_does_not_weigh_is_not_computed(notes, recipe, clusters):
    plain = replace(recipe, stem_share=0.0, mixture_stem_weight=0.0, stem_note_weight=0.0, note_note_weight=0.0)
    losses, batch, _ = found(notes, plain, clusters)
    assert losses.further == {}
    assert len(batch.stems) == len(batch.partners) == 0


def test_a_shared_head_compares_all_families_at_once(notes, recipe, clusters):
    """A mixture's one vector is to be near to the references of all its parts."""
    asked = replace(
        recipe, encoder=replace(recipe.encoder, shared=True), loss="triplet", margin=1.0, timbre_weight=0.0, drop=0.0
    )
    losses, batch, heard = found(notes, asked, clusters)
    mixed, single = heard["mixtures"], heard["references"]
    assert torch.equal(mixed[:, 0], mixed[:, -1])
    positive = torch.zeros(len(mixed), len(single), dtype=torch.bool)
    allowed = torch.ones_like(positive)
    for part in range(len(single)):
        positive[batch.mixture[part], part] = True
    for row in range(len(mixed)):
        own = batch.cluster[positive[row]]
        allowed[row] = ~torch.isin(batch.cluster, own)
    compare = contrast("triplet", 0.07, 1.0)
    both = compare(mixed[:, 0], single[:, 0], positive, allowed) + compare(
        single[:, 0], mixed[:, 0], positive.T, allowed.T
    )
    assert float(losses.mixture) == pytest.approx(0.5 * float(both), abs=1e-5)
