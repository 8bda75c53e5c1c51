"""What is heard through the host is what the real plugin makes of the preset's files."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from synthmatch.audio import Clip, Samples, decibels
from synthmatch.notes import Note, Performance
from synthmatch.presets.catalogue import SYNTHS
from synthmatch.presets.formats import formats_of
from synthmatch.presets.formats.amsynth import effects_off, make_state
from synthmatch.presets.preset import Preset, State
from synthmatch.renderers.pool import RenderPool, render_one
from synthmatch.renderers.renderer import RenderJob, RenderSettings
from synthmatch.renderers.synths import is_installed, require_plugin

pytestmark = pytest.mark.plugin

# A host that knows nothing of synthmatch, except how to start ZynAddSubFX's random numbers over.
HOST = """
import ctypes, sys
import dawdreamer, numpy
plugin, preset, out = sys.argv[1:]
library = ctypes.CDLL(plugin)
def seed():
    if "Zyn" in plugin:
        ctypes.c_uint32.in_dll(library, "_ZN3zyn10prng_stateE").value = 0x1234
seed()
engine = dawdreamer.RenderEngine(44100, 512)
processor = engine.make_plugin_processor("plugin", plugin)
engine.load_graph([(processor, [])])
seed()
assert processor.load_preset(preset)
seed()
engine.render(2.0)
processor.add_midi_note(48, 100, 0.0, 0.5)
engine.render(0.8)
numpy.save(out, engine.get_audio())
"""
PERFORMANCE = Performance.single(48, 100, 0.5, 0.2)


def rendered(jobs: Sequence[RenderJob]) -> list[tuple[Clip, ...]]:
    """Each job's clips, in the order of the jobs."""
    with RenderPool(2) as pool:
        clips = {result.job.key: result.clips for result in pool.render(jobs)}
    assert all(clips.values())
    return [clips[job.key] for job in jobs]


def hosted(preset: Preset, folder: Path) -> Samples:
    """The sound of the file that is written for plugin hosts, in a fresh one."""
    row = SYNTHS[preset.synth]
    form = formats_of(row)[1]
    file = folder / f"preset{form.suffix}"
    form.write(file, [preset])
    out = folder / "sound.npy"
    environment = {"HOME": str(folder), "OMP_NUM_THREADS": "1"}
    plugin = require_plugin(row)
    command = [sys.executable, "-c", HOST, str(plugin), str(file), str(out)]
    subprocess.run(command, env=environment, check=True, capture_output=True)
    sound: Samples = np.load(out)
    return sound


@pytest.mark.parametrize("presets", ["amsynth_presets", "zyn_presets"])
def test_the_written_host_file_sounds_like_the_preset(
    presets: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    found: Sequence[Preset] = request.getfixturevalue(presets)[:4]
    ours = rendered([RenderJob(preset.state, (PERFORMANCE,)) for preset in found])
    for preset, (clip,) in zip(found, ours, strict=True):
        theirs = hosted(preset, tmp_path)
        assert clip.peak > 1e-3
        shared = theirs[:, : clip.samples.shape[1]]
        np.testing.assert_allclose(clip.samples, shared, rtol=0, atol=1e-4, err_msg=preset.name)


@pytest.mark.parametrize("seconds", [0.1, 0.25, 1 / 3, 1.23456])
@pytest.mark.usefixtures("amsynth_presets")
def test_clips_have_exactly_the_length_of_their_performance(seconds: float) -> None:
    performances = (Performance.single(60, 100, seconds, 0.0),)
    for rate in (44_100, 22_050):
        job = RenderJob(make_state({}), performances, RenderSettings(rate, settle=0.0))
        (clip,) = render_one(job).clips
        assert clip.sample_rate == rate
        assert clip.samples.shape == (2, round(seconds * rate))


@pytest.mark.parametrize("presets", ["amsynth_presets", "zyn_presets"])
def test_each_note_sounds_that_begins_where_the_one_before_ends(presets: str, request: pytest.FixtureRequest) -> None:
    """These moments are whole samples, of which sums of seconds make a little more or less. The truth is what sounds if
    each key is let go ten samples earlier."""
    starts = [place * 0.15 for place in range(9)]
    touching = tuple(Note(start, 60, 100, end - start) for start, end in pairwise(starts))
    apart = tuple(replace(note, duration=0.15 - 10 / 44_100) for note in touching)
    played = Performance(touching, 0.1), Performance(apart, 0.1)
    found: Sequence[Preset] = request.getfixturevalue(presets)
    for preset, clips in zip(found, rendered([RenderJob(each.state, played) for each in found]), strict=True):
        for note in touching:
            heard, truth = (decibels(clip.between(note.start + 0.05, note.end).peak) for clip in clips)
            assert heard > truth - 12, (preset.name, note)


def test_effects_off_is_the_sound_of_the_dry_parameters(amsynth_presets: Sequence[Preset]) -> None:
    wet = make_state({**amsynth_presets[0].state.parameters(), "reverb_wet": 0.8, "distortion_crunch": 0.5})
    dry = make_state(effects_off(wet.parameters()))
    without = RenderSettings(effects=False)
    (with_effects,), (switched,), (parameters,) = rendered(
        [
            RenderJob(wet, (PERFORMANCE,)),
            RenderJob(wet, (PERFORMANCE,), without),
            RenderJob(dry, (PERFORMANCE,)),
        ]
    )
    assert np.array_equal(switched.samples, parameters.samples)
    assert np.abs(switched.samples - with_effects.samples).max() > 1e-2


def test_effects_off_drops_an_instruments_effects(zyn_presets: Sequence[Preset]) -> None:
    wet = next(preset.state for preset in zyn_presets if b"<INSTRUMENT_EFFECTS>" in preset.state.data)
    head, rest = wet.data.split(b"<INSTRUMENT_EFFECTS>")
    dry = State(wet.synth, head + rest.split(b"</INSTRUMENT_EFFECTS>")[1])
    (switched,), (stripped,) = rendered(
        [RenderJob(wet, (PERFORMANCE,), RenderSettings(effects=False)), RenderJob(dry, (PERFORMANCE,))]
    )
    np.testing.assert_allclose(switched.samples, stripped.samples, rtol=0, atol=1e-6)


def test_nothing_of_the_performance_before_is_heard(zyn_presets: Sequence[Preset]) -> None:
    late = Performance((Note(0.4, 60, 100, 0.2),), 0.0)
    pair = (Performance.single(36, 127, 0.5, 0.0), late)  # let go at the very end: it must not sound for ever
    jobs = [
        RenderJob(preset.state, pair, RenderSettings(settle=settle)) for settle in (0.0, 0.1) for preset in zyn_presets
    ]
    before = [decibels(second.between(0, 0.4).peak) for _, second in rendered(jobs)]
    leaked, settled = before[: len(zyn_presets)], before[len(zyn_presets) :]
    assert max(leaked) > -20
    assert max(settled) < -90


@pytest.mark.usefixtures("amsynth_presets")
def test_a_state_with_values_that_are_no_numbers_is_refused() -> None:
    result = render_one(RenderJob(State("amsynth", b'{"amp_attack":NaN}')))
    assert "aren't numbers" in result.reason
    assert "died" not in result.reason


@pytest.mark.skipif(not is_installed(SYNTHS["nekobi"]), reason=f"Nekobi isn't there: {SYNTHS['nekobi'].remedy}")
@pytest.mark.parametrize("rate", [16_000, 44_100, 48_000, 96_000])
def test_nekobi_is_in_tune_at_every_sample_rate(rate: int) -> None:
    performance = Performance.single(69, 100, 0.8, 0.23456)
    (clip,) = render_one(RenderJob(State("nekobi", b""), (performance,), RenderSettings(rate))).clips
    assert (clip.sample_rate, clip.samples.shape) == (rate, (1, round(performance.seconds * rate)))
    held = clip.between(0.2, 0.7).mono()
    spectrum = np.abs(np.fft.rfft(held * np.hanning(len(held)), 8 * len(held)))
    assert spectrum.argmax() / 4 == pytest.approx(440, abs=1)  # four bins a hertz
