"""Vital in sound: exactness through the pool, phrases, effects, glides, and states that it refuses."""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from synthmatch.audio import Samples, decibels
from synthmatch.errors import PresetError, RenderError
from synthmatch.notes import REFERENCE_NOTES, Note, Performance
from synthmatch.presets.catalogue import SYNTHS
from synthmatch.presets.formats.vital import VitalPreset
from synthmatch.presets.preset import Preset, State
from synthmatch.renderers.pool import RenderPool
from synthmatch.renderers.renderer import Failure, Isolation, RenderJob, RenderSettings
from synthmatch.renderers.synths import make_renderer
from synthmatch.renderers.vital import VitalRenderer

vita = pytest.importorskip("vita", reason="Vital's engine isn't here: run pip install vita")

ROW = SYNTHS["vital"]
SETTINGS = RenderSettings()
DRY = RenderSettings(effects=False)
NOTE = Performance.single(60, 100, 0.5, 0.5)
PHRASE = Performance(
    (Note(0.0, 48, 100, 0.4), Note(0.05, 60, 90, 0.6), Note(0.05, 64, 70, 0.3), Note(0.3, 60, 127, 0.05)), 0.7
)
RATE = SETTINGS.sample_rate

Make = Callable[..., State]


@pytest.fixture(scope="module")
def initial() -> dict[str, Any]:
    """What Vital saves untouched, as one of its versions in use would."""
    document: dict[str, Any] = json.loads(vita.Synth().to_json())
    return document | {"synth_version": "1.5.5"}


@pytest.fixture(scope="module")
def make(initial: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Make:
    """Makes a state that differs from the initial one by some settings, through a file."""
    path = tmp_path_factory.mktemp("vital") / "made.vital"

    def state(modulations: Sequence[tuple[str, str]] = (), **changes: float) -> State:
        rows = [{"source": source, "destination": destination} for source, destination in modulations]
        assert changes.keys() <= initial["settings"].keys()
        settings = initial["settings"] | changes | {"modulations": rows}
        path.write_text(json.dumps(initial | {"settings": settings}))
        return VitalPreset().read(path)[0][0].state

    return state


@pytest.fixture(scope="module")
def states(make: Make) -> list[State]:
    """Patches that differ in what they use: random phases, noise, modulations, each kind of effect."""
    return [
        make(),
        make(osc_1_unison_voices=7, osc_1_unison_detune=5),
        make(sample_on=1, osc_1_on=0, filter_1_on=1, filter_1_cutoff=80),
        make([("lfo_1", "osc_1_transpose"), ("random_1", "osc_1_level")], modulation_1_amount=0.3, osc_2_on=1),
        make(chorus_on=1, phaser_on=1, flanger_on=1, env_1_release=1.3),
        make(reverb_on=1, delay_on=1, distortion_on=1, distortion_drive=20, compressor_on=1, eq_on=1),
        State("vital", b""),
    ]


def play(state: State, *performances: Performance, settings: RenderSettings = SETTINGS) -> list[Samples]:
    with VitalRenderer(ROW) as renderer:
        renderer.load(state, settings)
        return [renderer.render(performance).samples for performance in performances]


def frequency(samples: Samples) -> float:
    """That of the strongest partial, in Hz."""
    mono = samples.mean(axis=0)
    power = np.abs(np.fft.rfft(mono * np.hanning(len(mono)), 1 << 18))
    return float(power.argmax() * RATE / (1 << 18))


def loudness(samples: Samples) -> float:
    """Root of the mean square, in dB."""
    return decibels(float(np.sqrt((samples.astype(np.float64) ** 2).mean())))


def test_order_and_workers_change_no_sample(states: list[State]) -> None:
    assert ROW.isolation is Isolation.FORK
    jobs = [RenderJob(state, (NOTE, PHRASE)) for state in states]
    found: dict[str, list[bytes]] = {state.id: [] for state in states}
    dice = random.Random(5)
    for workers in (1, 2):
        order = dice.sample(jobs, len(jobs))
        with RenderPool(workers) as pool:
            for result in pool.render(order):
                assert result.ok, result.reason
                found[result.job.state.id].append(b"".join(clip.samples.tobytes() for clip in result.clips))
    assert all(len(sounds) == 2 and len(set(sounds)) == 1 for sounds in found.values())
    first = {state.id: found[state.id][0] for state in states}
    untouched = first.pop(State("vital", b"").id)
    assert untouched == first[states[0].id]  # whose file says the same
    assert len(set(first.values())) == len(states) - 1


def test_a_worker_that_is_new_plays_the_same(states: list[State]) -> None:
    job = RenderJob(states[1], (NOTE,))
    sounds = set()
    for _ in range(2):
        with RenderPool(1) as pool:
            (result,) = pool.render([job])
            sounds.add(result.clips[0].samples.tobytes())
    assert len(sounds) == 1


def test_pitch_velocity_and_silence_after_release(make: Make) -> None:
    state = make(velocity_track=1)
    low, high, soft = play(
        state, Performance.single(57, 110, 1.0, 1.0), Performance.single(69, 110, 1.0, 1.0),
        Performance.single(57, 40, 1.0, 1.0),
    )  # fmt: skip
    assert frequency(low[:, :RATE]) == pytest.approx(220, rel=0.003)
    assert frequency(high[:, :RATE]) == pytest.approx(440, rel=0.003)
    assert loudness(low) > loudness(soft) + 3
    for sound in (low, high, soft):
        assert loudness(sound[:, : RATE // 2]) > -40
        assert np.abs(sound[:, -RATE // 4 :]).max() < 1e-4


def test_lengths_and_rates(make: Make) -> None:
    for rate in (16_000, 22_050, 44_100, 48_000):
        with VitalRenderer(ROW) as renderer:
            renderer.load(make(), RenderSettings(rate))
            for performance in (NOTE, Performance.single(60, 100, 0.3333, 0.01234), Performance.single(60, 9, 1e-6)):
                clip = renderer.render(performance)
                assert clip.sample_rate == rate
                assert clip.samples.shape == (2, round(performance.seconds * rate))
                assert clip.peak > 1e-4


def test_preparing_for_another_rate_changes_nothing(states: list[State]) -> None:
    with VitalRenderer(ROW) as renderer:
        renderer.prepare(RenderSettings(48_000))
        renderer.load(states[0], SETTINGS)
        assert renderer.render(NOTE).samples.shape == (2, RATE)


def test_nothing_is_faded_out_at_the_end(make: Make) -> None:
    (sound,) = play(make(env_1_sustain=1), Performance.single(60, 100, 1.0, 0.0))
    before, end = sound[:, -1500:-500], sound[:, -1000:]
    assert np.abs(end).max() == pytest.approx(np.abs(before).max(), rel=0.05)
    assert np.abs(sound[:, -170:]).max() > 0.8 * np.abs(before).max()  # a period of middle C


def test_a_key_held_for_no_time_is_let_go(make: Make) -> None:
    (sound,) = play(make(), Performance.single(60, 127, 1e-7, 1.0))
    assert np.abs(sound[:, -RATE // 4 :]).max() < 1e-4


def test_notes_of_a_phrase_lie_where_they_are_written(make: Make) -> None:
    notes = Performance((Note(0.5, 69, 100, 0.2), Note(1.5, 57, 100, 0.2)), 0.5)
    (sound,) = play(make(), notes)
    parts = sound.reshape(2, -1, RATE // 10)  # tenths of a second
    sounding = np.flatnonzero(np.abs(parts).max(axis=(0, 2)) > 1e-3)
    assert {5, 6, 15, 16} <= set(sounding) <= {5, 6, 7, 15, 16, 17}
    assert frequency(sound[:, RATE // 2 : RATE]) == pytest.approx(440, rel=0.01)
    assert frequency(sound[:, 3 * RATE // 2 : 2 * RATE]) == pytest.approx(220, rel=0.01)


def test_a_chord_is_the_sum_of_its_notes(make: Make) -> None:
    """Exactly so in a patch in which nothing is random."""
    state = make(osc_1_random_phase=0, osc_1_phase=0)
    notes = tuple(Note(0.0, pitch, 90, 0.5) for pitch in (48, 52, 55))
    chord, *single = play(state, Performance(notes, 0.5), *(Performance((note,), 0.5) for note in notes))
    assert np.abs(chord - sum(single)).max() < 1e-5 * np.abs(chord).max()


@pytest.mark.parametrize("release", [0.3, 2.0])
def test_the_first_note_sounds_like_the_second(make: Make, release: float) -> None:
    """No knob is still on its way from where it stood before the preset was loaded, and no voice rings on."""
    still = {"osc_1_random_phase": 0.0, "osc_1_phase": 0.0}
    state = make(**still, env_1_release=release, filter_1_on=1, filter_1_cutoff=30, osc_1_level=0.2)
    first, second, third = play(state, NOTE, NOTE, NOTE)
    assert np.abs(first - second).max() < 1e-5 * np.abs(first).max()
    assert np.array_equal(second, third)


def test_notes_that_ring_on_are_heard_to_their_end(make: Make) -> None:
    """A long release under later notes isn't cut where the first look at it ends."""
    state = make(osc_1_random_phase=0, osc_1_phase=0, env_1_release=1.7, env_1_sustain=1)  # 8 s
    first, second = Note(0.0, 48, 127, 0.2), Note(9.0, 60, 1, 0.1)
    alone, both = play(state, Performance((first,), 9.0), Performance((first, second), 0.1))
    count = 9 * RATE
    assert loudness(alone[:, 4 * RATE : 5 * RATE]) > -60
    assert np.abs(alone[:, :count] - both[:, :count]).max() < 1e-4


@pytest.mark.parametrize("effect", ["none", "reverb", "delay", "chorus", "flanger", "phaser", "compressor"])
def test_nothing_of_the_performance_before_is_heard(make: Make, effect: str) -> None:
    """A patch that begins with half a second of nothing is silent there, whatever rang before."""
    switches = {} if effect == "none" else {f"{effect}_on": 1.0}
    state = make(**switches, env_1_delay=0.9, env_1_release=2.0, reverb_decay_time=4, delay_feedback=0.95)
    performance = Performance.single(60, 127, 1.0, 0.5)
    for sound in play(state, performance, performance, performance):
        assert np.abs(sound[:, : RATE // 2]).max() < 1e-4
        assert np.abs(sound[:, -RATE // 4 :]).max() > 0.05


def test_a_patch_of_one_voice_lets_go_at_the_next_note(make: Make) -> None:
    notes = (Note(0.0, 45, 100, 2.0), Note(0.5, 69, 100, 0.5))
    mono, poly = (play(make(polyphony=voices), Performance(notes, 0.5))[0] for voices in (1, 8))

    def low(sound: Samples) -> float:
        power = np.abs(np.fft.rfft(sound[0, RATE : 2 * RATE])) ** 2
        return float(power[100:120].sum())

    assert low(mono) < 1e-3 * low(poly)
    assert loudness(mono[:, RATE * 6 // 10 : RATE]) > -40
    together = Performance(tuple(Note(0.0, pitch, 100, 0.5) for pitch in (45, 57, 69)), 0.5)
    (last,) = play(make(polyphony=1), together)
    assert frequency(last[:, : RATE // 2]) == pytest.approx(440, rel=0.01)


def test_glides_start_from_the_note_before_in_the_same_phrase(make: Make) -> None:
    state = make(portamento_force=1, portamento_time=0.0)  # a second
    phrase = Performance((Note(0.0, 45, 100, 0.3), Note(0.4, 69, 100, 0.3)), 0.3)
    single = Performance.single(69, 100, 0.3, 0.3)
    apart, together, again = play(state, single, phrase, single)
    second = round(0.4 * RATE)
    glide = together[:, second : second + RATE // 10]
    assert frequency(glide) < 200
    for sound in (apart, again):
        assert frequency(sound[:, : RATE // 10]) == pytest.approx(440, rel=0.02)


@pytest.mark.parametrize("effect", ["chorus", "compressor", "delay", "distortion", "eq", "flanger", "phaser", "reverb"])
def test_effects_can_be_left_out(make: Make, effect: str) -> None:
    still = {"osc_1_random_phase": 0.0, "distortion_drive": 20.0, "eq_low_gain": 12.0}
    patch = make(**still, **{f"{effect}_on": 1.0})
    (plain,) = play(make(**still), NOTE)
    assert np.array_equal(play(patch, NOTE, settings=DRY)[0], plain)
    assert np.abs(play(patch, NOTE)[0] - plain).max() > 0.01


def test_the_filter_among_the_effects_stays(make: Make) -> None:
    state = make(osc_1_random_phase=0, filter_fx_on=1, filter_fx_cutoff=40)
    assert np.array_equal(play(state, NOTE)[0], play(state, NOTE, settings=DRY)[0])


def test_vital_takes_the_state_as_it_was_written(make: Make) -> None:
    """What the engine says it holds is what the file said: no setting is lost on the way through a state."""
    state = make([("lfo_1", "osc_1_transpose")], osc_1_level=0.25, filter_1_on=1, filter_1_cutoff=71.5)
    synth = vita.Synth()
    assert synth.load_json(state.data.decode())
    held = json.loads(synth.to_json())["settings"]
    said = json.loads(state.data)["settings"]
    assert held.keys() == said.keys()
    for key, value in said.items():
        if not isinstance(value, dict | list):
            assert held[key] == pytest.approx(value, rel=1e-6, abs=1e-6), key
    assert held["modulations"][:2] == [*said["modulations"], {"source": "", "destination": ""}]
    assert held["sample"]["length"] == said["sample"]["length"]


def test_a_written_file_sounds_like_its_preset(states: list[State], tmp_path: Path) -> None:
    path = tmp_path / "written.vital"
    VitalPreset().write(path, [Preset("Written", states[5])])
    synth = vita.Synth()
    assert synth.load_preset(str(path))
    assert synth.get_controls()["distortion_drive"].value() == 20
    assert VitalPreset().read(path)[0][0].state == states[5]


@pytest.mark.parametrize(
    "data",
    [
        b"{",
        b"\xff",
        b"[]",
        b'{"settings":{},"synth_version":"1.0.7"}',
        b'{"settings":{"volume":"loud"},"synth_version":"1.0.7"}',
    ],
)
def test_states_that_it_refuses(data: bytes, make: Make) -> None:
    with VitalRenderer(ROW) as renderer:
        with pytest.raises(RenderError, match="Vital refused the state"):
            renderer.load(State("vital", data), SETTINGS)
        with pytest.raises(RenderError, match="Load a state into Vital"):
            renderer.render(NOTE)
        renderer.load(make(), SETTINGS)
        assert renderer.render(NOTE).peak > 0.01


def test_the_pool_goes_on_after_states_that_it_refuses(make: Make) -> None:
    jobs = [RenderJob(State("vital", b"{"), (NOTE,)), RenderJob(make(), (NOTE,))]
    with RenderPool(1) as pool:
        bad, good = sorted(pool.render(jobs), key=lambda result: result.ok)
    assert (bad.failure, good.ok) == (Failure.REFUSED, True), bad.reason
    assert "read its file again" in bad.reason


def test_the_rest_of_the_process_still_computes_with_tiny_numbers(make: Make) -> None:
    play(make(), NOTE)
    assert sys.float_info.min / 4 > 0
    assert np.float32(1e-40) * np.float32(0.5) > 0


def test_refusals_and_closing() -> None:
    renderer = make_renderer(ROW)
    with pytest.raises(RenderError, match="Load a state into Vital before"):
        renderer.render(NOTE)
    with pytest.raises(PresetError, match="state of amsynth can't be loaded into Vital"):
        renderer.load(State("amsynth", b"{}"), SETTINGS)
    renderer.load(State("vital", b""), SETTINGS)
    assert renderer.render(REFERENCE_NOTES[0]).peak > 0.01
    renderer.close()
    renderer.close()
    with pytest.raises(RenderError, match="Load a state into Vital before"):
        renderer.render(NOTE)
