"""Fine-tuning a small real encoder on a small real library of the built-in synth."""

from __future__ import annotations

import tracemalloc
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from synthmatch.errors import EncoderMismatch, TrainingError
from synthmatch.library.library import Library
from synthmatch.networks import checkpoint
from synthmatch.networks.encoder import RELEASED, Encoder, EncoderConfig
from synthmatch.notes import Note
from synthmatch.presets.bank import PresetBank
from synthmatch.presets.faustsynth import factory_bank_path, make_state, values_of
from synthmatch.renderers.pool import RenderPool
from synthmatch.training.finetuning import material as gathering
from synthmatch.training.finetuning.finetune import FineTuned, FineTuner, finetune
from synthmatch.training.finetuning.lessons import FineTuning, Lessons
from synthmatch.training.finetuning.material import HELD_OUT, REHEARSED_EXTRA, Material, gather_material
from synthmatch.training.finetuning.objective import kept_vectors
from synthmatch.training.finetuning.owncheck import examine
from synthmatch.training.recorded.notebank import NoteBank, plan
from synthmatch.training.split import Label

PRESETS = 12
SMALL = EncoderConfig(channels=(8, 8, 8), blocks=(1, 1, 1), width=16, layers=1, heads=2, dimension=16)
SETTINGS = FineTuning(
    steps=6,
    mixtures=4,
    others=4,
    rehearsed=4,
    built_in=24,
    seconds=1.0,
    warmup=2,
    learning_rate=1e-3,
    examined=8,
)


@dataclass(frozen=True)
class Place:
    """A base encoder's file, a library that it embedded, and where notes are recorded."""

    base: Path
    library: Path
    notes: Path
    own: frozenset[str]

    def finetune(self, folder: Path, settings: FineTuning = SETTINGS, stop_at: int | None = None) -> FineTuned:
        done = finetune(
            self.base, self.library, self.notes, folder, folder=folder, stop_at=stop_at, workers=1, settings=settings
        )
        assert done is not None
        return done


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    folder = tmp_path_factory.mktemp("own")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        encoder = Encoder(SMALL).eval()
    encoder.save(folder / "base.safetensors", {"trained_on": ["somebody else's"]})
    bank = PresetBank.read(factory_bank_path())
    own = sorted(bank, key=lambda preset: preset.id)[-PRESETS:]
    with Library.create(folder / "library") as library, RenderPool(1) as pool:
        library.add(PresetBank(tuple(own)), encoder=encoder, pool=pool)
    return Place(
        folder / "base.safetensors", folder / "library", folder / "notes", frozenset(preset.id for preset in own)
    )


@pytest.fixture(scope="module")
def material(place: Place) -> Material:
    base, facts = checkpoint.load(place.base)
    with Library.open(place.library) as library:
        return gather_material(library, base, facts["trained_on"], place.notes, 1, built_in=SETTINGS.built_in)


@pytest.fixture
def tuner(place: Place, material: Material, tmp_path: Path) -> FineTuner:
    base, _ = checkpoint.load(place.base)
    return FineTuner(base, Lessons(material, SMALL.families, SETTINGS), tmp_path / "run", torch.device("cpu"))


def weights(encoder: Encoder) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in encoder.state_dict().items()}


def test_what_is_learnt_is_the_librarys_and_the_rest_is_rehearsed(place: Place, material: Material) -> None:
    assert {each.id for each in material.own} == place.own
    assert material.known
    assert not place.own & {each.id for each in material.known}


def test_a_note_that_is_held_out_is_never_played_in_a_lesson(material: Material) -> None:
    for each in material.own:
        assert each.examined
        for pitch in range(24, 96, 5):
            taught, held = (each.play(Note(0, pitch, 90, 2.5), held_out) for held_out in (False, True))
            rows = [each.sound[row].astype(np.float32) / np.float32(32767) for row in HELD_OUT]
            assert any(np.array_equal(held, row[: len(held)]) for row in rows)
            assert not any(np.array_equal(taught, row[: len(taught)]) for row in rows)


def test_a_lesson_says_what_it_holds(material: Material) -> None:
    lesson = Lessons(material, SMALL.families, SETTINGS).lesson(3)
    presets = (*material.own, *material.known)
    assert lesson.lessons == SETTINGS.mixtures
    assert len(lesson.mixtures) == SETTINGS.mixtures + SETTINGS.rehearsed
    assert torch.equal(lesson.taught[lesson.place], lesson.preset)
    assert len(set(lesson.taught.tolist())) == len(lesson.taught)
    for number, found in zip(lesson.taught.tolist(), lesson.found.tolist(), strict=True):
        assert {key for key, yes in zip(SMALL.families, found, strict=True) if yes} == set(presets[number].families)
    assert all(lesson.found[place, family] for place, family in zip(lesson.place, lesson.family, strict=True))
    asked = {int(lesson.preset[lesson.mixture == row][0]) for row in range(lesson.lessons)}
    assert all(number < len(material.own) for number in asked)


def test_a_lesson_depends_on_seed_and_step_alone(material: Material) -> None:
    first, again = (Lessons(material, SMALL.families, SETTINGS).lesson(2) for _ in range(2))
    other = Lessons(material, SMALL.families, SETTINGS).lesson(3)
    assert torch.equal(first.mixtures, again.mixtures)
    assert torch.equal(first.references, again.references)
    assert not torch.equal(first.mixtures, other.mixtures)


def test_an_untouched_encoder_is_where_its_teacher_is(tuner: FineTuner) -> None:
    losses = tuner.losses(tuner.lessons.lesson(0))
    assert float(losses.drift) == pytest.approx(0, abs=1e-5)
    assert float(losses.presence) == pytest.approx(0, abs=1e-5)


def test_presence_with_ears_of_its_own_stays_as_it_is(material: Material, tmp_path: Path) -> None:
    grown = Encoder(replace(SMALL, presence=8, listener=True)).eval()
    with torch.no_grad():
        grown.presence_weight.normal_()
    tuner = FineTuner(grown, Lessons(material, SMALL.families, SETTINGS), tmp_path / "run", torch.device("cpu"))
    lesson = tuner.lessons.lesson(0)
    assert float(tuner.take_step(lesson).presence) == 0
    before, after = (each.embed(lesson.mixtures) for each in (tuner.teacher, tuner.encoder))
    assert not torch.equal(before[0], after[0])
    assert torch.equal(before[1], after[1])


def test_the_losses_in_mixtures_are_those_of_a_slow_loop(tuner: FineTuner) -> None:
    lesson = tuner.lessons.lesson(1)
    with torch.no_grad():
        mixed = tuner.encoder.embed(lesson.mixtures)[0]
        single = tuner.encoder.embed(lesson.references)[0]
    total = 0.0
    parts = [part for part, number in enumerate(lesson.preset.tolist()) if number < PRESETS]
    for query in parts:
        family, preset = int(lesson.family[query]), int(lesson.preset[query])
        vector = mixed[lesson.mixture[query], family]
        own, others, asking = 0.0, [], []
        for row, number in enumerate(lesson.taught.tolist()):
            score = float(vector @ single[row, family]) / SETTINGS.temperature
            if number == preset:
                own = score
            elif bool(lesson.found[row, family]) and lesson.cluster[number] != lesson.cluster[preset]:
                others.append(score)
        for other in parts:
            if int(lesson.family[other]) == family and lesson.cluster[lesson.preset[other]] != lesson.cluster[preset]:
                key = single[lesson.place[query], family]
                asking.append(float(key @ mixed[lesson.mixture[other], family]) / SETTINGS.temperature)
        for against in (others, asking):
            total += 0.5 * (float(np.logaddexp.reduce([own, *against])) - own)
    assert float(tuner.losses(lesson).own) == pytest.approx(total / len(parts), rel=1e-4)


def test_what_finds_ones_own_presets_may_move_and_nothing_else(tuner: FineTuner) -> None:
    lesson = tuner.lessons.lesson(2)
    slots = len(SMALL.families) + 1
    mixed, single = kept_vectors(lesson, slots)
    free = set()
    for part, (row, family, number) in enumerate(
        zip(lesson.mixture.tolist(), lesson.family.tolist(), lesson.preset.tolist(), strict=True)
    ):
        if number < PRESETS:
            free.add((row, family))
            if lesson.mixture.tolist().count(row) == 1:
                free.add((row, slots - 1))
        assert bool(single[lesson.place[part], family]) == (number >= PRESETS)
    assert {(row, slot) for row, slot in (~mixed).nonzero().tolist()} == free
    assert single[len(lesson.taught) :].all()
    assert single[:, -1].tolist() == [number >= PRESETS for number in lesson.taught.tolist()] + [True] * (
        len(lesson.references) - len(lesson.taught)
    )


def test_presets_are_learnt_and_little_else_changes(place: Place, material: Material, tmp_path: Path) -> None:
    """A lesson taken again and again is learnt; the stronger the teacher, the less of what is rehearsed moves."""
    base, _ = checkpoint.load(place.base)
    moved = []
    for weight in (0.0, 30.0):
        settings = replace(SETTINGS, steps=1000, warmup=1, learning_rate=5e-3, drift_weight=weight)
        tuner = FineTuner(base, Lessons(material, SMALL.families, settings), tmp_path / str(weight))
        lesson = tuner.lessons.lesson(0)
        losses = [tuner.take_step(lesson) for _ in range(40)]
        moved.append(float(losses[-1].drift))
        if weight == 0:
            assert float(losses[-1].own) < 0.6 * float(losses[0].own)
    assert moved[1] < 0.3 * moved[0]


def test_a_stopped_run_goes_on_as_if_it_had_not_been_stopped(place: Place, tmp_path: Path) -> None:
    whole = place.finetune(tmp_path / "whole")
    half = place.finetune(tmp_path / "stopped", stop_at=3)
    assert (half.steps, half.of) == (3, SETTINGS.steps)
    assert "goes on" in half.lines()[0]
    resumed = place.finetune(tmp_path / "stopped")
    assert resumed.steps == SETTINGS.steps
    first, second = (weights(Encoder.load(done.out)) for done in (whole, resumed))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert resumed.after == whole.after


def test_nothing_is_recorded_or_written_when_the_time_is_over(place: Place, tmp_path: Path) -> None:
    notes, out = tmp_path / "notes", tmp_path / "mine.safetensors"
    done = finetune(
        place.base, place.library, notes, tmp_path / "runs", out=out, minutes=1e-6, workers=1, settings=SETTINGS
    )
    assert done is None
    assert not NoteBank(notes).recorded
    assert not out.exists()
    assert not (tmp_path / "runs").exists()


def test_the_file_says_what_it_is_and_the_library_takes_it(place: Place, tmp_path: Path) -> None:
    done = place.finetune(tmp_path)
    base, _ = checkpoint.load(place.base)
    tuned, facts = checkpoint.load(done.out)
    assert facts["base"] == base.fingerprint != tuned.fingerprint
    assert set(facts["learnt"]) >= place.own
    assert place.own | {"somebody else's"} <= set(facts["trained_on"])
    assert done.presets == PRESETS
    assert done.before.mixtures == SETTINGS.examined
    assert not done.before.taught


def test_no_preset_of_the_benchmark_is_learnt(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    held = min(place.own)
    monkeypatch.setattr(gathering, "frozen", lambda: {held: Label(held, "faust", "bass", "name", held, "test")})
    base, _ = checkpoint.load(place.base)
    with Library.open(place.library) as library:
        found = gather_material(library, base, (), place.notes, 1, built_in=0)
    assert {each.id for each in found.own} == place.own - {held}


def test_no_twin_of_a_preset_of_the_benchmark_is_learnt(
    place: Place, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As in another edition of a bank, where it has another id."""
    bank = sorted(PresetBank.read(factory_bank_path()), key=lambda preset: preset.id)[-PRESETS:]
    values = values_of(bank[0].state)
    twin = replace(bank[0], state=make_state({**values, "amp_release": values["amp_release"] * 1.001}), slot=999)
    base, _ = checkpoint.load(place.base)
    with Library.create(tmp_path / "library") as library, RenderPool(1) as pool:
        library.add(PresetBank((*bank, twin)), encoder=base, pool=pool)
        monkeypatch.setattr(gathering, "is_installed", lambda _: False)  # nothing needs to be recorded
        for side in ("train", "test"):
            known = {bank[0].id: Label(bank[0].id, "faust", "bass", "name", bank[0].id, side)}
            monkeypatch.setattr(gathering, "frozen", lambda known=known: known)
            found = gather_material(library, base, (), tmp_path / "notes", 1, built_in=0)
            left = {each.id for each in (*bank, twin)} - {each.id for each in found.own}
            assert left == ({bank[0].id, twin.id} if side == "test" else set())


def test_without_the_synth_the_librarys_own_notes_serve(
    place: Place, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(gathering, "is_installed", lambda _: False)
    base, _ = checkpoint.load(place.base)
    with Library.open(place.library) as library:
        found = gather_material(library, base, (), tmp_path / "notes", 1, built_in=0)
    assert {each.id for each in found.own} == place.own
    assert not any(each.examined for each in found.own)
    assert examine(base, found, SETTINGS).taught


def test_a_patch_that_was_rehearsed_gets_all_notes_when_it_is_to_be_learnt(place: Place, tmp_path: Path) -> None:
    states = {each.id: each.state for each in PresetBank.read(factory_bank_path()) if each.id in place.own}
    bank = NoteBank(tmp_path)
    with RenderPool(1) as pool:
        bank.record(states, {key: plan("bass", key, REHEARSED_EXTRA) for key in states}, pool.render)
    base, _ = checkpoint.load(place.base)
    with Library.open(place.library) as library:
        found = gather_material(library, base, (), tmp_path, 1, built_in=0)
    assert {each.id for each in found.own} == place.own
    assert all(each.examined for each in found.own)
    assert NoteBank(tmp_path).recorded.keys() == place.own


def test_many_presets_are_measured_in_little_memory(place: Place, material: Material) -> None:
    base, _ = checkpoint.load(place.base)
    many = tuple(replace(each, id=f"{turn} {each.id}") for turn in range(8) for each in material.known[:12])
    crowd = Material(material.own, many)
    found = []
    tracemalloc.start()
    try:
        found.append(examine(base, crowd, SETTINGS))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert found[0].candidates == PRESETS + len(many)
    notes = found[0].candidates * material.own[0].references.nbytes
    assert peak < 0.5 * notes


def test_an_empty_library_is_refused(place: Place, tmp_path: Path) -> None:
    with Library.create(tmp_path / "library"):
        pass
    with pytest.raises(TrainingError, match=r"holds 0 presets .* add a bank"):
        finetune(place.base, tmp_path / "library", place.notes, tmp_path / "runs")


def test_a_library_of_another_encoder_is_refused(place: Place, tmp_path: Path) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        Encoder(SMALL).save(tmp_path / "other.safetensors")
    with pytest.raises(EncoderMismatch, match="synthmatch library update"):
        finetune(tmp_path / "other.safetensors", place.library, place.notes, tmp_path / "runs")


def test_several_processes_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which would record in one folder, and train the same."""
    monkeypatch.setenv("WORLD_SIZE", "2")  # as torchrun says it
    with pytest.raises(TrainingError, match="without torchrun"):
        finetune(RELEASED, tmp_path / "library", tmp_path / "notes", tmp_path / "runs")
    assert not any(tmp_path.iterdir())


def test_a_folder_with_another_run_is_refused(place: Place, tmp_path: Path) -> None:
    place.finetune(tmp_path, stop_at=1)
    with pytest.raises(TrainingError, match="holds another run"):
        place.finetune(tmp_path, replace(SETTINGS, seed=7))
