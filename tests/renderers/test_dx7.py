"""The DX7 in sound: exactness in any order, chords, pitch, velocity, silence."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from synthmatch.errors import PluginMissing, PresetError, RenderError
from synthmatch.notes import REFERENCE_NOTES, Note, Performance
from synthmatch.presets.catalogue import SYNTHS
from synthmatch.presets.formats.dx7voice import INITIAL, PARAMETERS, SYNTH
from synthmatch.presets.formats.syx import DX7Sysex
from synthmatch.presets.preset import Preset, State
from synthmatch.renderers.dx7 import VOICES, DX7Renderer
from synthmatch.renderers.pool import RenderPool
from synthmatch.renderers.renderer import Isolation, RenderJob, RenderSettings
from synthmatch.renderers.synths import make_renderer

dexed = pytest.importorskip("dexed", reason="the DX7's engine isn't here: run pip install dexed-py")

ROW = SYNTHS[SYNTH]
SETTINGS = RenderSettings()
CHORD = Performance(
    (Note(0.0, 48, 100, 0.4), Note(0.05, 60, 90, 0.6), Note(0.05, 64, 70, 0.3), Note(0.3, 60, 127, 0.05)), 0.7
)
SOUNDS = st.tuples(*(st.integers(0, row.maximum) for row in PARAMETERS)).map(bytes)

_FAST, _ORGAN = (99, 99, 99, 70, 99, 99, 99, 0), (90, 90, 90, 80, 99, 99, 99, 0)
_STRUCK, _PLUCKED = (96, 35, 25, 55, 99, 75, 0, 0), (99, 60, 40, 70, 99, 80, 0, 0)
_SLOW = (45, 50, 50, 45, 99, 95, 95, 0)


def operator(
    level: int = 0,
    coarse: int = 1,
    envelope: tuple[int, ...] = _FAST,
    velocity: int = 0,
    fine: int = 0,
    detune: int = 7,
    tremolo: int = 0,
) -> bytes:
    """An operator without keyboard scaling."""
    return bytes((*envelope, 39, 0, 0, 0, 0, 0, tremolo, velocity, level, 0, coarse, fine, detune))


def voice(algorithm: int, *operators: bytes, feedback: int = 0, lfo: tuple[int, ...] = (35, 0, 0, 0, 1, 0, 3)) -> State:
    """A voice.

    Args:
        algorithm: 1 to 32, as the synth shows it.
        operators: from the first; those left out are silent.
        lfo: speed, delay, pitch and amplitude depth, key sync, wave, pitch sensitivity.
    """
    six = [*operators, *[operator()] * (6 - len(operators))]
    common = (99, 99, 99, 99, 50, 50, 50, 50, algorithm - 1, feedback, 1, *lfo, 24)
    return State(SYNTH, b"".join(reversed(six)) + bytes(common))


BANK = {
    "Tines": voice(
        5,
        *(operator(99, 1, _STRUCK, 2), operator(58, 14, _PLUCKED, 6), operator(95, 1, _STRUCK, 2, detune=9)),
        *(operator(79, 1, _STRUCK, 5), operator(90, 1, _STRUCK, 2, detune=4), operator(70, 1, _STRUCK, 5)),
        feedback=6,
    ),
    "Bass": voice(
        16, operator(99, 0, _PLUCKED, 3), operator(82, 0, _PLUCKED, 4), operator(75, 1, _PLUCKED), feedback=7
    ),
    "Drawbars": voice(32, *(operator(level, coarse, _ORGAN) for level, coarse in ((90, 1), (87, 2), (84, 3), (78, 6)))),
    "Bell": voice(5, operator(95, 1, _STRUCK), operator(80, 3, _STRUCK, fine=50), operator(85, 2, _STRUCK)),
    "Brass": voice(18, operator(99, 1, _SLOW, 2), operator(80, 1, _SLOW, 3), feedback=7, lfo=(33, 20, 8, 0, 0, 4, 3)),
    "Tremolo": voice(1, operator(99, 1, _STRUCK, tremolo=3), operator(60, 1), lfo=(5, 0, 0, 99, 0, 3, 0)),
    "Sample and hold": voice(1, operator(90), operator(70, 2), lfo=(60, 0, 99, 0, 0, 5, 7)),
    "Swell": voice(32, operator(99, 1, (99, 99, 99, 30, 0, 0, 0, 90)), operator(70, 2, _ORGAN)),
}


@pytest.fixture(scope="module")
def renderer() -> Iterator[DX7Renderer]:
    with DX7Renderer(ROW) as ready:
        yield ready


def play(renderer: DX7Renderer, state: State, what: Performance = CHORD, how: RenderSettings = SETTINGS) -> np.ndarray:
    renderer.load(state, how)
    return renderer.render(what).samples


def reference(state: State, performance: Performance, rate: int) -> np.ndarray:
    """Every note in full length from an engine of its own, added up."""
    mix = np.zeros(round(performance.seconds * rate))
    for note in performance.notes:
        engine = dexed.DexedSynth(rate)
        engine.load_patch(dexed.Patch.from_sysex(state.data + b"TEN LETTER"))
        start = round(note.start * rate)
        mix[start:] += engine.render(note.pitch, note.velocity, note.duration, (len(mix) - start) / rate)
    return (mix / 16).astype(np.float32)[None]


def pitch_of(samples: np.ndarray, rate: int) -> float:
    """The frequency of the strongest partial in Hz."""
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples)), 1 << 19))
    return float(np.argmax(spectrum)) * rate / (1 << 19)


def test_the_table_makes_one() -> None:
    with make_renderer(ROW) as made:
        assert isinstance(made, DX7Renderer)
        assert (made.synth, made.isolation) == (SYNTH, Isolation.NOTHING)


@pytest.mark.parametrize("name", BANK)
@pytest.mark.parametrize("rate", [16_000, 44_100, 48_000])
def test_a_chord_is_the_sum_of_its_notes(renderer: DX7Renderer, name: str, rate: int) -> None:
    heard = play(renderer, BANK[name], CHORD, RenderSettings(rate))
    assert heard.shape == (1, round(CHORD.seconds * rate))
    assert heard.dtype == np.float32
    assert np.array_equal(heard, reference(BANK[name], CHORD, rate))


NOTES = st.builds(
    Note, st.floats(0, 2, width=32), st.integers(0, 127), st.integers(1, 127), st.floats(1 / 1024, 1, width=32)
)


@given(SOUNDS, st.lists(NOTES, min_size=1, max_size=3), st.sampled_from([0.0, 0.5, 9.0]))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
def test_any_voice_plays_any_notes(renderer: DX7Renderer, sound: bytes, notes: list[Note], tail: float) -> None:
    state, performance = State(SYNTH, sound), Performance(tuple(notes), tail)
    heard = play(renderer, state, performance, RenderSettings(22_050))
    assert np.array_equal(heard, reference(state, performance, 22_050))


@pytest.mark.parametrize("name", BANK)
def test_a_long_tail_is_played_to_its_end(renderer: DX7Renderer, name: str) -> None:
    """Also where a tremolo stops the sound for a while, or where the sound only begins when the key is let go."""
    performance = Performance((Note(0.0, 60, 100, 0.3), Note(1.0, 67, 100, 0.1)), 30.0)
    heard = play(renderer, BANK[name], performance, RenderSettings(16_000))
    assert np.array_equal(heard, reference(BANK[name], performance, 16_000))


def test_neither_order_nor_repetition_matters(renderer: DX7Renderer) -> None:
    dice = random.Random(7)
    made = [State(SYNTH, bytes(dice.randint(0, row.maximum) for row in PARAMETERS)) for _ in range(40)]
    states = [*BANK.values(), *made]
    first = {}
    for state in states:
        with DX7Renderer(ROW) as fresh:
            first[state.id] = play(fresh, state)
    for state in dice.sample(states * 2, 2 * len(states)):
        assert np.array_equal(play(renderer, state), first[state.id])
        assert np.array_equal(renderer.render(CHORD).samples, first[state.id])


def test_another_sample_rate_in_between_changes_nothing(renderer: DX7Renderer) -> None:
    before = play(renderer, BANK["Tines"])
    other = play(renderer, BANK["Bell"], CHORD, RenderSettings(16_000))
    with DX7Renderer(ROW) as second:
        assert np.array_equal(play(second, BANK["Bell"], CHORD, RenderSettings(16_000)), other)
    assert np.array_equal(play(renderer, BANK["Tines"]), before)


def test_pool_in_any_order_and_with_any_number_of_workers(tmp_path: Path, renderer: DX7Renderer) -> None:
    """A bank on disk, its voices in other processes, and the same here: every sample agrees."""
    DX7Sysex().write(tmp_path / "mine.syx", [Preset(name, state) for name, state in BANK.items()])
    presets, faults = DX7Sysex().read(tmp_path / "mine.syx")
    assert not faults
    jobs = [RenderJob(preset.state, (CHORD, *REFERENCE_NOTES[:2])) for preset in presets]
    sounds = []
    for order, workers in ((jobs, 1), (jobs[::-1], 2), (random.Random(1).sample(jobs, len(jobs)), 2)):
        with RenderPool(workers) as pool:
            results = {result.job.key: result for result in pool.render(order)}
        assert [result.reason for result in results.values() if not result.ok] == []
        sounds.append([np.hstack([clip.samples for clip in results[job.key].clips]) for job in jobs])
    here = [np.hstack([play(renderer, job.state, each) for each in job.performances]) for job in jobs]
    for sound in sounds:
        for heard, expected in zip(sound, here, strict=True):
            assert np.array_equal(heard, expected)


def test_every_voice_sounds_different(renderer: DX7Renderer) -> None:
    sounds = [play(renderer, state) for state in (*BANK.values(), INITIAL)]
    assert min(float(np.abs(sound).max()) for sound in sounds) > 0.01
    for place, sound in enumerate(sounds):
        for other in sounds[:place]:
            assert float(np.abs(sound - other).max()) > 0.01


def test_the_state_without_data_is_the_initial_voice(renderer: DX7Renderer) -> None:
    assert np.array_equal(play(renderer, State(SYNTH, b"")), play(renderer, INITIAL))


@pytest.mark.parametrize("rate", [16_000, 44_100, 96_000])
@pytest.mark.parametrize("pitch", [33, 57, 69, 93])
def test_the_initial_voice_is_a_sine_of_the_notes_pitch(renderer: DX7Renderer, pitch: int, rate: int) -> None:
    sine = play(renderer, INITIAL, Performance.single(pitch, 100, 1.0, 0.0), RenderSettings(rate))[0]
    assert pitch_of(sine, rate) == pytest.approx(440 * 2 ** ((pitch - 69) / 12), rel=2e-3)
    assert float(np.abs(sine).max()) == pytest.approx(1 / 16, rel=1e-3)
    assert float(np.sqrt((sine[rate // 10 :] ** 2).mean())) == pytest.approx(1 / 16 / np.sqrt(2), rel=1e-2)


def test_velocity_makes_it_louder_where_the_voice_says_so(renderer: DX7Renderer) -> None:
    def peaks(state: State) -> list[float]:
        return [float(np.abs(play(renderer, state, Performance.single(60, v))).max()) for v in (20, 60, 100, 127)]

    touched = peaks(voice(1, operator(99, velocity=7)))
    assert touched == sorted(touched)
    assert touched[-1] > 8 * touched[0]
    assert len(set(peaks(voice(1, operator(99))))) == 1


def test_a_note_starts_at_its_sample_and_ends_with_its_key(renderer: DX7Renderer) -> None:
    start, held = 0.25, 0.5
    performance = Performance((Note(start, 69, 100, held),), 2.0)
    heard = play(renderer, voice(1, operator(99, envelope=(99, 99, 99, 80, 99, 99, 99, 0))), performance)[0]
    sounding = np.flatnonzero(heard)
    assert 0 <= sounding[0] - round(start * 44_100) < 64
    assert start + held < sounding[-1] / 44_100 < start + held + 0.2


@pytest.mark.parametrize("name", ["Tines", "Bass", "Drawbars", "Bell", "Brass"])
def test_voices_fall_silent_after_the_key_is_let_go(renderer: DX7Renderer, name: str) -> None:
    heard = play(renderer, BANK[name], Performance.single(60, 100, 0.5, 6.0))[0]
    assert np.abs(heard[:22_050]).max() > 0.01
    assert not heard[-44_100:].any()


def cut(state: State, note: Note, until: float, seconds: float) -> np.ndarray:
    """One note alone that ends in the middle of its sound."""
    whole = reference(state, Performance((note,), seconds - note.end), 44_100)
    whole[:, round(until * 44_100) :] = 0
    return whole


def test_a_seventeenth_key_takes_the_voice_of_the_oldest(renderer: DX7Renderer) -> None:
    crowd = Performance(tuple(Note(0.01 * i, 30 + 2 * i, 100, 1.0) for i in range(24)), 0.2)
    expected = sum(
        cut(INITIAL, note, crowd.notes[i + VOICES].start if i + VOICES < 24 else crowd.seconds, crowd.seconds)
        for i, note in enumerate(crowd.notes)
    )
    assert np.array_equal(play(renderer, INITIAL, crowd), expected)


def test_a_key_that_was_let_go_gives_way_before_one_that_is_held(renderer: DX7Renderer) -> None:
    drone = BANK["Swell"]
    held = [Note(0.01 * i, 36 + i, 100, 2.0) for i in range(15)]
    short, late = Note(0.02, 80, 100, 0.3), Note(1.0, 85, 100, 0.5)
    crowd = Performance((*held, short, late), 0.5)
    expected = sum(cut(drone, note, 1.0 if note is short else crowd.seconds, crowd.seconds) for note in crowd.notes)
    assert np.array_equal(play(renderer, drone, crowd), expected)


def test_there_are_no_effects_and_settling_costs_nothing(renderer: DX7Renderer) -> None:
    plain = play(renderer, BANK["Tines"])
    for how in (RenderSettings(effects=False), RenderSettings(settle=1.0), RenderSettings(block_size=64)):
        assert np.array_equal(play(renderer, BANK["Tines"], CHORD, how), plain)


def test_what_is_no_voice_is_refused(renderer: DX7Renderer) -> None:
    for wrong in (State("amsynth", INITIAL.data), State(SYNTH, INITIAL.data[:-1]), State(SYNTH, b"\xff" * 145)):
        with pytest.raises(PresetError, match="isn't a voice of the DX7"):
            renderer.load(wrong, SETTINGS)


def test_rates_at_which_the_engine_is_mute_are_refused(renderer: DX7Renderer) -> None:
    with pytest.raises(RenderError, match=r"can't be rendered at 12000 Hz; choose 16000 or more"):
        renderer.load(INITIAL, RenderSettings(12_000))


def test_it_must_be_loaded_first_and_can_be_closed_twice() -> None:
    made = DX7Renderer(ROW)
    with pytest.raises(RenderError, match="Load a state into DX7"):
        made.render(CHORD)
    before = play(made, BANK["Bell"])
    made.close()
    made.close()
    with pytest.raises(RenderError, match="Load a state into DX7"):
        made.render(CHORD)
    assert np.array_equal(play(made, BANK["Bell"]), before)


def test_without_dexed_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "dexed", None)  # as Python marks what can't be imported
    with pytest.raises(PluginMissing, match=r"DX7 can't be played.*pip install dexed-py"):
        DX7Renderer(ROW).load(INITIAL, SETTINGS)
