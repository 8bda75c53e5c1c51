"""Presets whose knobs were moved are brought back, with real synths and a small real encoder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from synthmatch.audio import Clip
from synthmatch.errors import AudioError, InputError, LibraryError, PresetError, RenderError
from synthmatch.library.library import Library
from synthmatch.library.vectors import Embedded
from synthmatch.matching.matcher import Matcher
from synthmatch.networks.encoder import Encoder
from synthmatch.notes import Note, Performance
from synthmatch.presets import faustsynth
from synthmatch.presets.bank import PresetBank
from synthmatch.presets.catalogue import SYNTHS
from synthmatch.presets.formats import amsynth
from synthmatch.presets.preset import Preset, State
from synthmatch.presets.randompatches import random_patches
from synthmatch.refining import evolution, starts
from synthmatch.refining.likeness import Part
from synthmatch.refining.partnotes import passage
from synthmatch.refining.refinement import LONGEST, Effort, Refinement, Stop, can_be_refined, refine
from synthmatch.refining.starts import named_start, nearest_start, save
from synthmatch.refining.tryout import Tryout
from synthmatch.refining.turning import Board, tidied
from synthmatch.renderers import synths
from synthmatch.renderers.pool import RenderPool
from synthmatch.renderers.renderer import RenderJob
from synthmatch.renderers.synths import is_installed

pytest.importorskip("cma", reason="needs cma: pip install cma")

LONG = Performance((Note(0.0, 48, 100, 20.0),))
NOTES = Performance((Note(0.0, 48, 100, 0.4), Note(0.5, 60, 80, 0.3)), 0.2)
FEW = Effort(seconds=3000, renders=160)

TRUE = Preset("Plain", faustsynth.make_state({"filter_cutoff": 900, "noise_level": 0.05, "amp_decay": 0.2}), "some")
MOVED = replace(
    TRUE, state=faustsynth.make_state({"filter_cutoff": 9000, "noise_level": 0.6, "amp_decay": 0.2, "drive": 0.5})
)


def play(preset: Preset, pool: RenderPool) -> Clip:
    (result,) = pool.render([RenderJob(preset.state, (NOTES,))])
    assert result.ok, result.reason
    return result.clips[0]


@pytest.fixture(scope="module")
def part(pool: RenderPool) -> Clip:
    return play(TRUE, pool)


@pytest.fixture(scope="module")
def refined(part: Clip, pool: RenderPool, encoder: Encoder) -> Refinement:
    return refine(MOVED, part, NOTES, pool=pool, encoder=encoder, effort=FEW)


def test_a_preset_whose_knobs_were_moved_comes_nearer(refined: Refinement, part: Clip, encoder: Encoder) -> None:
    assert refined.fall > 0.3
    assert refined.preset.state != MOVED.state
    assert refined.preset.name == "Plain refined"
    assert refined.after == Part(part, encoder).distance(refined.preview)
    assert refined.stop is Stop.BUDGET
    assert refined.renders <= 160
    assert refined.unusable == 0


def test_the_preview_is_how_the_preset_sounds(refined: Refinement, pool: RenderPool) -> None:
    assert np.array_equal(play(refined.preset, pool).samples, refined.preview.samples)


@pytest.mark.parametrize("start", [6.1, 7.1])
def test_ten_seconds_are_no_more_than_ten(start: float, pool: RenderPool, encoder: Encoder) -> None:
    """Though 16.1 - 6.1 is; the clip is silent, which is what is said then."""
    heard, notes = passage(Clip(np.zeros((1, 20 * 22_050), np.float32), 22_050), LONG, start, start + 10)
    assert notes.seconds > LONGEST
    with pytest.raises(AudioError, match="silent"):
        refine(MOVED, heard, notes, pool=pool, encoder=encoder)


def test_what_is_not_turned_keeps_its_value_to_the_last_digit() -> None:
    other = Preset("Other", amsynth.make_state({"osc1_waveform": 2, "filter_cutoff": 0.123456789}))
    for preset in (*PresetBank.read(faustsynth.factory_bank_path()), other):
        board = Board.of(preset)
        places = board.places()
        assert board.at(places) == preset.state
        places[0] = 0.5 if places[0] != 0.5 else 0.25
        assert board.moved(board.at(places)) == [0]


def test_the_moves_are_the_difference(refined: Refinement) -> None:
    values = faustsynth.values_of(MOVED.state)
    assert all(values[move.knob] == move.before for move in refined.moves)
    assert faustsynth.make_state(values | {move.knob: move.after for move in refined.moves}) == refined.preset.state
    assert not {"level", "amp_velocity"} & {move.knob for move in refined.moves}


def test_the_seed_alone_decides(part: Clip, encoder: Encoder) -> None:
    few = Effort(seconds=3000, renders=130, seed=5)
    with RenderPool(2) as pool:
        first = refine(MOVED, part, NOTES, pool=pool, encoder=encoder, effort=few)
    with RenderPool(1) as pool:
        again = refine(MOVED, part, NOTES, pool=pool, encoder=encoder, effort=few)
        other = refine(MOVED, part, NOTES, pool=pool, encoder=encoder, effort=replace(few, seed=6))
    assert first.preset == again.preset
    assert first.after == again.after
    assert other.preset != first.preset


def test_what_is_there_already_stays(part: Clip, pool: RenderPool, encoder: Encoder) -> None:
    result = refine(TRUE, part, NOTES, pool=pool, encoder=encoder, effort=FEW)
    assert result.preset is TRUE
    assert result.before == result.after
    assert result.moves == ()
    assert result.renders == 1
    assert result.stop is Stop.CONVERGED
    assert result.fall == 0


@pytest.mark.parametrize("knobs", [("lfo_rate",), ("lfo_rate", "lfo_shape")])
@pytest.mark.parametrize("known", [False, True])
def test_knobs_that_moved_in_vain_are_put_back(
    part: Clip, pool: RenderPool, encoder: Encoder, knobs: tuple[str, ...], known: bool
) -> None:
    """Those of the vibrato, whose depth is 0; whether one or two of them, and whether the rest was played already."""
    values = faustsynth.values_of(TRUE.state)
    vain = (faustsynth.make_state(values | dict.fromkeys(knobs, 1 + step / 100)) for step in range(200))
    best = next(state for state in vain if state.id < TRUE.state.id)  # of two that are equally near it counts
    tryout = Tryout(Part(part, encoder), [NOTES], pool, Effort(seconds=3000))
    before = tryout.begin(MOVED)
    tryout.play([best, TRUE.state] if known else [best])
    assert tryout.best.state == best
    tidy = tidied(Board.of(MOVED), tryout, before)
    assert tidy.state == TRUE.state
    assert np.array_equal(tidy.clip.samples, part.samples)


def test_the_nearest_reading_is_taken(part: Clip, pool: RenderPool, encoder: Encoder) -> None:
    higher = Performance(tuple(replace(note, pitch=note.pitch + 12) for note in NOTES.notes), NOTES.tail)
    result = refine(TRUE, part, (higher, NOTES), pool=pool, encoder=encoder, effort=FEW)
    assert result.notes == NOTES
    assert result.preset is TRUE


def test_a_part_inside_a_mixture(part: Clip, pool: RenderPool, encoder: Encoder) -> None:
    time = np.arange(part.samples.shape[1]) / part.sample_rate
    mixture = Clip(part.samples + np.float32(0.05) * np.sin(2 * np.pi * 1500 * time).astype(np.float32), 44_100)
    few = Effort(seconds=3000, renders=60)
    result = refine(MOVED, mixture, NOTES, pool=pool, encoder=encoder, family="bass", alone=False, effort=few)
    assert result.after.total < result.before.total
    assert result.remaining == ()
    with pytest.raises(InputError, match="In a mixture a part is found by its family; name one"):
        refine(MOVED, mixture, NOTES, pool=pool, encoder=encoder, alone=False)


@pytest.mark.parametrize("at_once", [0, 1])
def test_a_saved_preset_opens_and_nothing_is_overwritten(
    refined: Refinement, tmp_path: Path, pool: RenderPool, at_once: int
) -> None:
    for _ in range(at_once):
        save(refined, tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    files = save(refined, tmp_path)
    assert files[0].parent.name == ("Plain refined 2" if at_once else "Plain refined")
    assert all(path.read_bytes() == data for path, data in before.items())
    (again,) = PresetBank.read(next(file for file in files if file.suffix == ".faustpatch")).presets
    assert again.state == refined.preset.state
    assert again.name == "Plain refined"
    assert np.array_equal(play(again, pool).samples, refined.preview.samples)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted({file.parent.name for file in (*before, *files)})


def test_nothing_is_saved_where_nothing_is_new(refined: Refinement, tmp_path: Path) -> None:
    with pytest.raises(PresetError, match="Nothing closer than Plain was found, so nothing is written"):
        save(replace(refined, preset=refined.start), tmp_path / "out")
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="file is a file; name a folder"):
        save(refined, tmp_path / "file")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_what_can_not_be_refined_is_refused(part: Clip, pool: RenderPool, encoder: Encoder) -> None:
    zyn = Preset("Bells", State("zynaddsubfx", b"<ZynAddSubFX-data/>"))
    assert not can_be_refined(zyn)
    assert not can_be_refined(random_patches(replace(SYNTHS["kars"], parameters=SYNTHS["kars"].parameters[:1]), 1)[0])
    with pytest.raises(PresetError, match="Bells can't be refined, since a preset of ZynAddSubFX doesn't lay"):
        refine(zyn, part, NOTES, pool=pool, encoder=encoder)
    with pytest.raises(InputError, match=r"The notes last 11\.0 s; choose a passage of at most 10 s"):
        refine(TRUE, part, Performance.single(60, 100, 10.0, 1.0), pool=pool, encoder=encoder)
    with pytest.raises(AudioError, match="What is heard of the part is silent"):
        refine(TRUE, part.scaled(0), NOTES, pool=pool, encoder=encoder)
    with pytest.raises(InputError, match="There is no family 'kazoo'"):
        refine(TRUE, part, NOTES, pool=pool, encoder=encoder, family="kazoo")
    silent = replace(TRUE, state=faustsynth.make_state({"osc1_level": 0, "amp_sustain": 0, "level": -48}))
    with pytest.raises(RenderError, match="Plain can't be refined: faust makes no sound"):
        refine(silent, part, NOTES, pool=pool, encoder=encoder)


@pytest.mark.parametrize("values", [{"seconds": 0}, {"seconds": float("nan")}, {"renders": 1}, {"seed": -1}])
def test_an_effort_is_within_reason(values: dict[str, float]) -> None:
    with pytest.raises(InputError):
        Effort(**values)  # type: ignore[arg-type]


def test_without_cma_nothing_is_played(part: Clip, encoder: Encoder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evolution, "find_spec", lambda _: None)
    with RenderPool(1) as pool:
        monkeypatch.setattr(pool, "render", None)  # whoever called it would find nothing to call
        with pytest.raises(InputError, match=r"pip install cma"):
            refine(TRUE, part, NOTES, pool=pool, encoder=encoder)


def test_a_start_is_named_by_id_or_file(library: Library, bank: PresetBank, tmp_path: Path) -> None:
    first = library.presets()[0]
    assert named_start(library, first.id).state == bank.presets[0].state
    with pytest.raises(LibraryError, match="holds no preset"):
        named_start(library, "0" * 20)
    with pytest.raises(LibraryError, match=r"missing\.fxp isn't there; name a preset file"):
        named_start(library, str(tmp_path / "missing.fxp"))
    with pytest.raises(PresetError, match="doesn't name one preset: it holds 9 presets"):
        named_start(None, str(bank.presets[0].file))


def test_a_start_is_the_nearest_that_can_be_refined(
    library: Library, encoder: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many are nearer; which ones can be is said by a stand-in here."""
    matcher, clip = Matcher(library, encoder), library.sound(library.presets()[3].id)[2]
    refinable: set[str] = set()
    monkeypatch.setattr(starts, "_SEARCHED", 1)
    monkeypatch.setattr(starts, "can_be_refined", lambda preset: preset.state.id in refinable)
    for family in ("", "bass"):
        result = matcher.match(clip, k=len(library), families=[family] if family else None, single=True)
        refinable.clear()
        with pytest.raises(LibraryError, match=rf"No {family} ?preset in .*library can be refined; add banks of"):
            nearest_start(matcher, clip, family)
        for place in (-1, 1, 0):
            refinable.add(result.family(family or "any")[place].preset.id)
            assert nearest_start(matcher, clip, family).state.id == result.family(family or "any")[place].preset.id


def test_a_start_is_of_a_synth_that_can_play_here(
    library: Library, encoder: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though two are nearer, having the very sound: one of a plugin that isn't on this machine, one of a synth that
    isn't known any more."""
    plain = library.presets()[3]
    clip = library.sound(plain.id)[2]
    copies = [
        Preset("Away", amsynth.make_state({}), bank="others", file=Path("a.bank"), slot=1),
        Preset("Unknown", State("forgotten", b"\0"), bank="others", file=Path("a.bank"), slot=2),
    ]
    row = library.vectors.rows[plain.id]
    vectors = np.stack([library.vectors.space(space)[row] for space in library.spaces])[None]
    with library.rows.transaction():
        library.rows.put(copies)
    for copy in copies:
        library.sounds.write_state(copy.state)
        library.rows.rendered(copy.id, "", library.sounds.write(copy.id, library.sound(plain.id)))
        library.vectors.add(Embedded((copy.id,), vectors, library.vectors.presence[row][None]))
    library.rows.failed(plain.id, "", "silent", "")
    library.finish()
    monkeypatch.delenv("VST_PATH", raising=False)
    monkeypatch.setattr(synths, "_FOLDERS", {})  # where plugins are looked for
    matcher = Matcher(library, encoder)
    nearest = matcher.match(clip, k=2, single=True).families[0].matches
    assert {match.preset.synth for match in nearest} == {"amsynth", "forgotten"}
    assert nearest_start(matcher, clip).synth == "faust"
    library.remove(bank="nine")
    with pytest.raises(LibraryError, match="can be refined on this machine, which lacks amsynth, forgotten; add banks"):
        nearest_start(matcher, clip)
    assert nearest_start(matcher, clip, elsewhere=True).synth == "amsynth"


@pytest.mark.plugin
def test_amsynth_comes_nearer_and_its_files_hold_it(pool: RenderPool, encoder: Encoder, tmp_path: Path) -> None:
    if not is_installed(SYNTHS["amsynth"]):
        pytest.skip("amsynth isn't here: install Debian's package amsynth")
    true = Preset("Saw", amsynth.make_state({"filter_cutoff": 0.4, "filter_resonance": 0.3, "amp_release": 0.1}))
    moved = replace(true, state=amsynth.make_state({"filter_cutoff": 1.4, "osc1_waveform": 1, "amp_release": 0.1}))
    result = refine(moved, play(true, pool), NOTES, pool=pool, encoder=encoder, effort=FEW)
    assert result.fall > 0.15
    files = save(result, tmp_path)
    for suffix in (".bank", ".fxp"):
        (again,) = PresetBank.read(next(file for file in files if file.suffix == suffix)).presets
        assert again.state == result.preset.state


@pytest.mark.plugin
def test_a_plugin_whose_presets_are_bare_values_comes_nearer(
    pool: RenderPool, encoder: Encoder, tmp_path: Path
) -> None:
    if not is_installed(SYNTHS["nekobi"]):
        pytest.skip("Nekobi isn't here: install Debian's package dpf-plugins-vst")
    true, other = random_patches(SYNTHS["nekobi"], 2)
    result = refine(other, play(true, pool), NOTES, pool=pool, encoder=encoder, effort=FEW)
    assert result.fall > 0.15
    (again,) = PresetBank.read(save(result, tmp_path)[0]).presets
    assert again.state == result.preset.state
