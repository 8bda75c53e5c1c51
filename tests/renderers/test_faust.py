"""The built-in synth in sound: exactness, effects, the written program, and the truths of the factory bank."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from synthmatch.audio import Clip, decibels
from synthmatch.errors import PresetError, RenderError
from synthmatch.networks.features import mel_distance, sound_print
from synthmatch.notes import REFERENCE_NOTES, Note, Performance
from synthmatch.presets import faustsynth
from synthmatch.presets.catalogue import SYNTHS, Isolation
from synthmatch.presets.families import FAMILIES
from synthmatch.presets.formats.faustpatch import FaustPatch, FaustProgram
from synthmatch.presets.preset import Preset, State, encode_parameters
from synthmatch.renderers.faust import VOICES, FaustRenderer
from synthmatch.renderers.renderer import RenderSettings

ROW = SYNTHS["faust"]
SETTINGS = RenderSettings()
DRY = RenderSettings(effects=False)
CHORD = Performance(
    (Note(0.0, 48, 100, 0.4), Note(0.05, 60, 90, 0.6), Note(0.05, 64, 70, 0.3), Note(0.3, 67, 127, 0.05)), 0.3
)
CROWD = Performance(tuple(Note(0.02 * i, 40 + 2 * i, 90, 0.4) for i in range(VOICES + 4)), 0.1)


@pytest.fixture(scope="module")
def renderer() -> Iterator[FaustRenderer]:
    with FaustRenderer(ROW) as ready:
        yield ready


@pytest.fixture(scope="module")
def bank() -> list[Preset]:
    presets, broken = FaustPatch().read(faustsynth.factory_bank_path())
    assert not broken
    return list(presets)


@pytest.fixture(scope="module")
def heard(renderer: FaustRenderer, bank: list[Preset]) -> list[tuple[Clip, ...]]:
    """Every preset of the bank on the reference notes."""
    sounds = []
    for preset in bank:
        renderer.load(preset.state, SETTINGS)
        sounds.append(tuple(renderer.render(performance) for performance in REFERENCE_NOTES))
    return sounds


def play(renderer: FaustRenderer, state: State, settings: RenderSettings = SETTINGS) -> np.ndarray:
    renderer.load(state, settings)
    return renderer.render(CHORD).samples


def test_bank_has_enough_of_every_family(bank: list[Preset]) -> None:
    counts = Counter(preset.category for preset in bank)
    assert set(counts) == set(FAMILIES)
    assert min(counts.values()) >= 17
    assert len(bank) >= 204


def test_bank_lists_nothing_twice(bank: list[Preset]) -> None:
    assert len({preset.name.lower() for preset in bank}) == len(bank)
    assert len({preset.id for preset in bank}) == len(bank)
    assert not [preset.name for preset in bank if any(letter.isdigit() for letter in preset.name)]


def test_bank_needs_no_clamping(bank: list[Preset]) -> None:
    import json

    rows = json.loads(faustsynth.factory_bank_path().read_text(encoding="utf-8"))["presets"]
    for row, preset in zip(rows, bank, strict=True):
        values = preset.state.parameters()
        assert {name: values[name] for name in row["parameters"]} == row["parameters"], preset.name


def test_bank_peaks_lie_between_12_and_1_below_full_scale(bank: list[Preset], heard: list[tuple[Clip, ...]]) -> None:
    for preset, clips in zip(bank, heard, strict=True):
        loudest = decibels(max(clip.peak for clip in clips))
        assert -12 <= loudest <= -1, (preset.name, loudest)


def test_bank_sounds_on_every_reference_note(bank: list[Preset], heard: list[tuple[Clip, ...]]) -> None:
    for preset, clips in zip(bank, heard, strict=True):
        for clip, performance in zip(clips, REFERENCE_NOTES, strict=True):
            assert clip.samples.shape == (2, round(performance.seconds * SETTINGS.sample_rate))
            assert np.isfinite(clip.samples).all()
            assert decibels(clip.peak) > -42, preset.name


def test_bank_has_no_two_alike(bank: list[Preset], heard: list[tuple[Clip, ...]]) -> None:
    """Every pair is at least 3 dB apart."""
    prints = [sound_print(torch.from_numpy(np.stack([clip.heard() for clip in clips]))) for clips in heard]
    alike = []
    for second in range(1, len(prints)):
        distances = (torch.stack(prints[:second]) - prints[second]).abs().mean(dim=(1, 2, 3))
        first = int(distances.argmin())
        # The batch above is the distance of the definition.
        assert float(distances[first]) == pytest.approx(mel_distance(prints[first], prints[second]), abs=1e-3)
        if float(distances[first]) < 3:
            alike.append((bank[first].name, bank[second].name, float(distances[first])))
    assert not alike


def share_below(clips: tuple[Clip, ...], hertz: float) -> float:
    """Share of the power that lies below a frequency."""
    power = sum(np.abs(np.fft.rfft(clip.mono())) ** 2 for clip in clips)
    frequencies = np.fft.rfftfreq(clips[0].samples.shape[1], 1 / clips[0].sample_rate)
    return float(power[frequencies < hertz].sum() / power.sum())


def test_families_sound_like_themselves(bank: list[Preset], heard: list[tuple[Clip, ...]]) -> None:
    """On average: basses are lowest, pads swell, percussion and plucks die away."""
    low, start, end = Counter[str](), Counter[str](), Counter[str]()
    counts = Counter(preset.category for preset in bank)
    for preset, clips in zip(bank, heard, strict=True):
        family = preset.category
        envelope = np.abs(clips[2].mono()[: int(1.5 * SETTINGS.sample_rate)])
        whole = np.sqrt((envelope**2).mean())
        fifth = len(envelope) // 15
        low[family] += share_below(clips, 300) / counts[family]
        start[family] += np.sqrt((envelope[:fifth] ** 2).mean()) / whole / counts[family]
        end[family] += np.sqrt((envelope[-fifth:] ** 2).mean()) / whole / counts[family]
    assert max(low, key=lambda family: low[family]) == "bass"
    assert start["pad"] < 0.6 < 1.2 < start["percussion"]
    assert end["percussion"] < 0.4
    assert end["pluck"] < 0.6 < 0.9 < end["organ"]


def test_order_and_repetition_change_no_sample(renderer: FaustRenderer, bank: list[Preset]) -> None:
    assert renderer.isolation is Isolation.NOTHING
    chosen = bank[::12]
    first = {}
    for preset in chosen:
        with FaustRenderer(ROW) as fresh:
            first[preset.id] = play(fresh, preset.state)
    order = [*chosen, *chosen]
    random.Random(3).shuffle(order)
    for preset in order:
        assert np.array_equal(play(renderer, preset.state), first[preset.id]), preset.name
        renderer.render(CROWD)  # leaves every voice and effect ringing


def test_repeated_notes_and_stolen_voices_are_exact(renderer: FaustRenderer, bank: list[Preset]) -> None:
    renderer.load(bank[0].state, SETTINGS)
    once = renderer.render(CROWD).samples
    renderer.render(CHORD)
    assert np.array_equal(renderer.render(CROWD).samples, once)


def test_effects_off_changes_only_presets_that_use_them(renderer: FaustRenderer, bank: list[Preset]) -> None:
    kinds = Counter[bool]()
    for preset in bank[::5]:
        values = preset.state.parameters()
        uses = any(values[name] > 0 for name in faustsynth.EFFECTS_OFF)
        same = np.array_equal(play(renderer, preset.state), play(renderer, preset.state, DRY))
        assert same != uses, preset.name
        kinds[uses] += 1
    assert kinds[True] >= 5
    assert kinds[False] >= 5


def test_missing_parameters_have_defaults_and_excess_is_clamped(renderer: FaustRenderer) -> None:
    loose = State("faust", encode_parameters({"drive": 99.0}))
    assert np.array_equal(play(renderer, loose), play(renderer, faustsynth.make_state({"drive": 1})))


@pytest.mark.parametrize("corner", ["minimum", "maximum"])
def test_extreme_settings_stay_finite(renderer: FaustRenderer, corner: str) -> None:
    values = {row.name: getattr(row, corner) for row in faustsynth.parameters().values()}
    renderer.load(faustsynth.make_state(values), SETTINGS)
    assert np.isfinite(renderer.render(CROWD).samples).all()


def test_any_parameters_stay_finite(renderer: FaustRenderer) -> None:
    dice = random.Random(5)
    for _ in range(40):
        values = {row.name: dice.uniform(row.minimum, row.maximum) for row in faustsynth.parameters().values()}
        renderer.load(faustsynth.make_state(values | {"filter_resonance": 0.97, "string_decay": 10}), SETTINGS)
        assert np.isfinite(renderer.render(CHORD).samples).all(), values


def test_every_parameter_is_heard(renderer: FaustRenderer) -> None:
    """Each knob, turned from one end to the other, changes the sound of a patch in which all take part."""
    mean = {row.name: (row.minimum + row.maximum) / 2 for row in faustsynth.parameters().values()}
    busy = mean | {
        "level": -30.0,
        "osc1_octave": 0.0,
        "osc1_shape": 0.5,
        "osc2_shape": 2.5,
        "pulse_width": 0.2,
        "pitch_env": 12.0,
        "fm_index": 3.0,
        "filter_mode": 0.0,
        "filter_cutoff": 800.0,
        "filter_env": 3.0,
        "filter_attack": 0.05,
        "amp_attack": 0.05,
        "lfo_rate": 6.0,
        "lfo_delay": 0.1,
        "drive": 0.1,
        "delay_time": 0.1,
    }
    for row in faustsynth.parameters().values():
        low, high = (
            play(renderer, faustsynth.make_state(busy | {row.name: end})) for end in (row.minimum, row.maximum)
        )
        assert not np.allclose(low, high, atol=1e-5), row.name


def test_releases_ring_out(renderer: FaustRenderer) -> None:
    """A released voice falls by its own envelope: e^-3 in the release time, with no cut at a zero crossing."""
    state = faustsynth.make_state({"osc1_shape": 0, "amp_release": 0.6, "amp_sustain": 1, "filter_cutoff": 18000})
    renderer.load(state, SETTINGS)
    samples = renderer.render(Performance.single(48, 100, 0.5, 0.8)).samples[0]
    second = SETTINGS.sample_rate
    before, after = (np.abs(samples[int(start * second) : int((start + 0.05) * second)]).max() for start in (0.44, 1.1))
    assert after / before == pytest.approx(np.exp(-3), rel=0.05)


def test_written_program_sounds_like_the_preset(renderer: FaustRenderer, bank: list[Preset], tmp_path: Path) -> None:
    import dawdreamer

    for preset in bank[7::60]:
        path = tmp_path / "patch.dsp"
        FaustProgram().write(path, [preset])
        assert path is not None
        engine = dawdreamer.RenderEngine(SETTINGS.sample_rate, SETTINGS.block_size)
        processor = engine.make_faust_processor("written")
        processor.num_voices = VOICES
        assert processor.set_dsp_string(path.read_text(encoding="utf-8"))
        assert processor.compile()
        engine.load_graph([(processor, [])])
        for note in CHORD.notes:
            processor.add_midi_note(note.pitch, note.velocity, note.start, note.duration)
        engine.render(CHORD.seconds)
        written = np.array(engine.get_audio())
        expected = play(renderer, preset.state)[:, : written.shape[1]]
        assert written.shape[1] >= expected.shape[1] - 1
        assert np.abs(written - expected).max() < 1e-4, preset.name


def test_lengths_and_rates(renderer: FaustRenderer) -> None:
    state = faustsynth.make_state({})
    for rate in (16_000, 22_050, 44_100, 48_000):
        renderer.load(state, RenderSettings(sample_rate=rate))
        for performance in (Performance.single(60, 100, 0.1, 0.0), Performance.single(60, 100, 0.3333, 0.01234)):
            clip = renderer.render(performance)
            assert clip.sample_rate == rate
            assert clip.samples.shape == (2, round(performance.seconds * rate))


def test_refusals(renderer: FaustRenderer) -> None:
    with pytest.raises(PresetError, match="no parameter called dryve"):
        renderer.load(State("faust", encode_parameters({"dryve": 1.0})), SETTINGS)
    with pytest.raises(PresetError, match="amsynth"):
        renderer.load(State("amsynth", encode_parameters({"drive": 1.0})), SETTINGS)
    with FaustRenderer(ROW) as empty, pytest.raises(RenderError, match="load one first"):
        empty.render(CHORD)


def test_without_a_preset_it_plays_its_defaults(renderer: FaustRenderer) -> None:
    untouched = play(renderer, State("faust", b""))
    assert np.array_equal(untouched, play(renderer, faustsynth.make_state({})))
    assert np.abs(untouched).max() > 1e-2


def test_closing_twice_is_harmless_and_ends_it() -> None:
    renderer = FaustRenderer(ROW)
    renderer.load(faustsynth.make_state({}), SETTINGS)
    renderer.close()
    renderer.close()
    with pytest.raises(RenderError):
        renderer.render(CHORD)


def test_voices_that_are_played_again_sound_again(renderer: FaustRenderer, bank: list[Preset]) -> None:
    """Twenty equal notes, more than there are voices: the last ones are as loud as the first."""
    count, every = 20, 0.3
    notes = Performance(tuple(Note(every * turn, 60, 100, 0.2) for turn in range(count)), 0.1)
    size = round(every * SETTINGS.sample_rate)
    for preset in bank[::4]:
        renderer.load(preset.state, SETTINGS)
        played = renderer.render(notes).mono()[: count * size].reshape(count, size)
        peaks = np.abs(played).max(axis=1)
        # What rings on adds to later notes, and notes that swell are cut short: but none is missing.
        assert peaks[VOICES:].min() > 0.25 * peaks[0], preset.name


@pytest.mark.parametrize("start", [0.1, 4_410.4 / 44_100, 4_410.6 / 44_100, 0.15 * 3])
def test_a_note_is_played_on_the_nearest_samples(renderer: FaustRenderer, start: float) -> None:
    """Nothing in the synth runs freely: a note sounds the same, only later."""
    renderer.load(faustsynth.make_state({}), DRY)
    alone = renderer.render(Performance.single(60, 100, 0.25, 0.05)).samples
    later = renderer.render(Performance((Note(start, 60, 100, 0.25),), 0.05)).samples
    first = round(start * SETTINGS.sample_rate)
    assert later.shape[1] - first in (alone.shape[1], alone.shape[1] - 1)
    assert not later[:, :first].any()
    assert np.array_equal(later[:, first:], alone[:, : later.shape[1] - first])
