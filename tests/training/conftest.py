from dataclasses import dataclass

import pytest

from synthmatch.networks.encoder import EncoderConfig
from synthmatch.presets.bank import PresetBank
from synthmatch.presets.faustsynth import factory_bank_path
from synthmatch.renderers.pool import RenderPool
from synthmatch.training.config import Recipe
from synthmatch.training.recorded.corpus import Corpus
from synthmatch.training.recorded.notebank import NoteBank, plan
from synthmatch.training.split import Label

FAMILIES = ("percussion", "bass", "lead")
EACH = 4

TINY = Recipe(
    encoder=EncoderConfig(channels=(4, 8, 8), width=16, layers=1, heads=2, dimension=8),
    steps=6,
    mixtures=3,
    seconds=1.5,
    extra_notes=2,
    core_share=1.0,
    warmup=2,
    memory=8,
    memory_from=2,
)


@dataclass(frozen=True)
class Notes:
    bank: NoteBank
    presets: dict[str, list[str]]


@pytest.fixture(scope="session")
def tiny():
    """A recipe that takes its steps in no time."""
    return TINY


@pytest.fixture(scope="session")
def notes(tmp_path_factory):
    """Notes of a few presets of the factory bank, really rendered."""
    chosen = {family: [] for family in FAMILIES}
    for preset in PresetBank.read(factory_bank_path()):
        if len(chosen.get(preset.family, range(EACH))) < EACH:
            chosen[preset.family].append(preset)
    bank = NoteBank(tmp_path_factory.mktemp("notes"))
    states = {preset.id: preset.state for presets in chosen.values() for preset in presets}
    plans = {preset.id: plan(family, preset.id, 2) for family, presets in chosen.items() for preset in presets}
    with RenderPool(1) as pool:
        bank.record(states, plans, pool.render)
    return Notes(bank, {family: [preset.id for preset in presets] for family, presets in chosen.items()})


@pytest.fixture(scope="session")
def corpus(notes):
    """The small bank as a benchmark: every preset is a labelled test preset."""
    labels = {
        key: Label(key, "faust", family, "field", key, "test") for family, ids in notes.presets.items() for key in ids
    }
    return Corpus(labels, notes.bank, notes.bank)
