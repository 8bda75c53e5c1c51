"""SoundFonts in sound: the same as the whole file's, exact in time and order, whoever renders."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from synthmatch.audio import Clip
from synthmatch.errors import PresetError, RenderError
from synthmatch.notes import REFERENCE_NOTES, Note, Performance
from synthmatch.presets.catalogue import SYNTHS
from synthmatch.presets.formats.sfbk import INSTRUMENT, SAMPLE, Patch, Sample, Zone
from synthmatch.presets.formats.soundfont import SoundFontFile, state_of
from synthmatch.presets.preset import Preset, State
from synthmatch.renderers.pool import RenderPool
from synthmatch.renderers.renderer import Failure, Isolation, RenderJob, RenderSettings
from synthmatch.renderers.soundfont import VOICES, SoundFontRenderer
from synthmatch.renderers.synths import is_installed

ROW = SYNTHS["soundfont"]
TIM = Path("/usr/share/sounds/sf2/TimGM6mb.sf2")
RATE = 44_100
SETTINGS = RenderSettings(RATE)
CHORD = Performance(
    (
        *(Note(0.0, 48, 100, 0.4), Note(0.05, 60, 90, 0.6), Note(0.05, 64, 70, 0.3)),
        *(Note(0.3, 67, 127, 0.05), Note(0.31, 36, 30, 0.5), Note(0.4, 60, 90, 0.1)),
    ),
    0.3,
)
MODES, VELOCITIES, KEYS, RELEASE = 54, 44, 43, 38

if not is_installed(ROW):
    pytest.skip(f"TinySoundFont isn't here: {ROW.remedy}", allow_module_level=True)


@pytest.fixture(scope="module")
def tim() -> Sequence[Preset]:
    if not TIM.exists():
        pytest.skip(f"{TIM} isn't there: install Debian's timgm6mb-soundfont")
    return SoundFontFile().read(TIM)[0]


@pytest.fixture(scope="module")
def renderer() -> Iterator[SoundFontRenderer]:
    with SoundFontRenderer(ROW) as ready:
        yield ready


def play(
    renderer: SoundFontRenderer, state: State, performance: Performance = CHORD, settings: RenderSettings = SETTINGS
) -> np.ndarray:
    renderer.load(state, settings)
    return renderer.render(performance).samples


def tone(values: Sequence[float], *generators: tuple[int, int], pitch: int = 60, loop: int = 0) -> Patch:
    """A preset that plays full-scale fractions as they are at ``pitch``, and repeats the last ``loop`` of them."""
    data = np.round(np.array(values) * 32_767).astype("<i2").tobytes()
    sample = Sample(data, 0, len(values), len(values) - loop, len(values), RATE, pitch, 0, 0, 1)
    modes = ((MODES, 1),) if loop else ()
    return Patch((Zone(((INSTRUMENT, 0),)),), ((Zone((*generators, *modes, (SAMPLE, 0))),),), (sample,))


# The same as the whole file.


def whole_file(preset: Preset, bank: int, program: int, performance: Performance) -> np.ndarray:
    """A preset chosen from the whole file by its numbers, played by the library's own sequence of calls."""
    import tinysoundfont

    player = tinysoundfont.Synth(samplerate=RATE)
    player.program_select(0, player.sfload(str(preset.file), max_voices=VOICES), bank, program, bank == 128)
    events = [(round(note.start * RATE), note.velocity, note.pitch) for note in performance.notes]
    events += [(round(note.end * RATE), 0, note.pitch) for note in performance.notes]
    parts, now = [], 0
    for moment, velocity, pitch in sorted(events):
        if moment > now:
            parts.append(np.frombuffer(player.generate(moment - now), np.float32))
        now = moment
        if velocity:
            player.noteon(0, pitch, velocity)
        else:
            player.noteoff(0, pitch)
    parts.append(np.frombuffer(player.generate(round(performance.seconds * RATE) - now), np.float32))
    return np.concatenate(parts).reshape(-1, 2).T


def numbers(preset: Preset) -> tuple[int, int]:
    """Bank and program as the file has them."""
    record = TIM.read_bytes().index(b"phdr") + 8 + 38 * preset.slot + 20
    program, bank = np.frombuffer(TIM.read_bytes()[record : record + 4], "<u2").tolist()
    return bank, program


def test_a_preset_alone_sounds_as_in_its_file(renderer: SoundFontRenderer, tim: Sequence[Preset]) -> None:
    """But for rounding: the player counts its place from the file's first sample, in floating point."""
    chosen = [each for each in tim if each.category in ("kit", "program 1", "program 4", "program 45", "program 105")]
    assert len(chosen) == 12
    for preset in chosen:
        bank, program = numbers(preset)
        for performance in (CHORD, *REFERENCE_NOTES[::3]):
            there = whole_file(preset, bank, program, performance)
            assert np.abs(there).max() > 0.001, preset.name
            here = play(renderer, preset.state, performance)
            np.testing.assert_allclose(here, there, rtol=0, atol=5e-6, err_msg=preset.name)


def test_percussion_is_the_same_in_any_bank(tim: Sequence[Preset], tmp_path: Path) -> None:
    """Why a state keeps neither bank nor program."""
    kit = next(each for each in tim if each.category == "kit")
    SoundFontFile().write(tmp_path / "x.sf2", [tim[0]] * 130 + [kit])
    copied = replace(kit, file=tmp_path / "x.sf2")
    melodic = whole_file(copied, 1, 2, CHORD)
    drums = whole_file(kit, *numbers(kit), CHORD)
    np.testing.assert_allclose(melodic, drums, rtol=0, atol=5e-6)


# Exact in time and order.


def test_neither_order_nor_repetition_changes_a_sample(renderer: SoundFontRenderer, tim: Sequence[Preset]) -> None:
    assert ROW.isolation is Isolation.NOTHING
    chosen = tim[::17]
    first = {}
    for preset in chosen:
        with SoundFontRenderer(ROW) as fresh:
            first[preset.id] = play(fresh, preset.state)
    for preset in (*reversed(chosen), *chosen[::2], *chosen):
        assert np.array_equal(play(renderer, preset.state), first[preset.id]), preset.name
        assert np.array_equal(renderer.render(CHORD).samples, first[preset.id]), preset.name


def test_nothing_of_one_performance_rings_into_the_next(renderer: SoundFontRenderer) -> None:
    renderer.load(state_of(tone([1, 0, 1, 0], (RELEASE, 5_000), loop=4)), SETTINGS)
    cut = renderer.render(Performance.single(60, 127, 0.1, 0.1)).samples
    assert np.abs(cut[:, -100:]).max() > 0.1
    late = renderer.render(Performance((Note(0.2, 60, 127, 0.1),))).samples
    assert np.array_equal(late[:, : round(0.2 * RATE)], np.zeros((2, round(0.2 * RATE))))


@pytest.mark.parametrize("rate", [16_000, 22_050, 44_100, 48_000])
def test_notes_begin_on_their_sample(renderer: SoundFontRenderer, rate: int) -> None:
    state = state_of(tone([1.0, -0.5, 0.25]))
    starts = (0.0, 0.0101, 0.0333, 0.25, 0.25003)
    notes = tuple(Note(start, 60, 127, 0.1) for start in starts)
    alone = play(renderer, state, Performance(notes[:1], 0.0), RenderSettings(rate))[:, :50]
    sound = play(renderer, state, Performance(notes, 0.0), RenderSettings(rate))
    assert alone[0, 0] > 0.4
    assert sound.shape == (2, round(0.35003 * rate))
    expected = np.zeros_like(sound)
    for start in starts:
        expected[:, round(start * rate) :][:, :50] += alone
    np.testing.assert_allclose(sound, expected, rtol=0, atol=1e-6)


def test_a_key_that_is_let_go_stops_its_loop(renderer: SoundFontRenderer) -> None:
    sound = play(renderer, state_of(tone([1, 1], loop=2)), Performance.single(60, 127, 0.5, 0.5))
    # Half of the power in each channel, once the player's filter has settled.
    assert np.abs(sound[:, 100 : round(0.5 * RATE)] - np.sqrt(0.5)).max() < 1e-5
    assert np.abs(sound[:, round(0.55 * RATE) :]).max() < 1e-3
    assert np.abs(sound[:, round(0.9 * RATE) :]).max() == 0


def test_a_note_shorter_than_a_sample_ends_all_the_same(renderer: SoundFontRenderer) -> None:
    sound = play(renderer, state_of(tone([1, 1], loop=2)), Performance.single(60, 127, 1e-6, 0.5))
    assert np.abs(sound[:, round(0.4 * RATE) :]).max() == 0


def test_an_octave_up_is_twice_as_fast(renderer: SoundFontRenderer) -> None:
    wave = np.sin(np.arange(100) * (2 * np.pi / 100))
    sound = play(renderer, state_of(tone(wave.tolist(), loop=100)), Performance.single(72, 127, 1.0, 0.0))
    spectrum = np.abs(np.fft.rfft(sound[0]))
    assert int(spectrum.argmax()) == 2 * RATE // 100


def test_each_velocity_plays_its_own_zone(renderer: SoundFontRenderer) -> None:
    """Velocities reach the player as fractions; none of them may fall into the zone of its neighbour."""
    low, high = tone([0.5]), tone([-0.5])
    for border in range(1, 127):
        zones = Zone(((VELOCITIES, border << 8), (SAMPLE, 0))), Zone(((VELOCITIES, 127 << 8 | border + 1), (SAMPLE, 1)))
        state = state_of(Patch(low.zones, (zones,), (*low.samples, *high.samples)))
        renderer.load(state, SETTINGS)
        below, above = (renderer.render(Performance.single(60, each)).samples[0, 0] for each in (border, border + 1))
        assert below > 0 > above, border


def test_keys_without_a_zone_are_silent(renderer: SoundFontRenderer) -> None:
    state = state_of(tone([1, 1], (KEYS, 50 << 8 | 40), loop=2))
    assert play(renderer, state, Performance.single(45, 100)).any()
    assert not play(renderer, state, Performance.single(60, 100)).any()


def test_more_notes_than_voices_do_no_harm(renderer: SoundFontRenderer) -> None:
    crowd = Performance(tuple(Note(0.0001 * n, n % 128, 100, 0.2) for n in range(VOICES + 200)), 0.1)
    state = state_of(tone([0.001, 0.001], loop=2))
    assert np.array_equal(play(renderer, state, crowd), play(renderer, state, crowd))


# Compressed samples.


def test_compressed_samples_sound_as_they_did_before(renderer: SoundFontRenderer) -> None:
    soundfile = pytest.importorskip("soundfile")
    wave = 0.5 * np.sin(np.arange(RATE // 2) * (2 * np.pi / 100)) * np.linspace(1, 0, RATE // 2)
    file = io.BytesIO()
    soundfile.write(file, wave, RATE, format="OGG", subtype="VORBIS", compression_level=0.0)
    plain = tone(wave.tolist())
    stream = file.getvalue()
    packed = replace(plain, samples=(replace(plain.samples[0], data=stream, end=len(stream), loop_start=0, kind=17),))
    once = Performance.single(60, 127, 1.0, 0.5)
    before, after = play(renderer, state_of(plain), once), play(renderer, state_of(packed), once)
    # Neither noise where it was unpacked wrongly, nor a click where the stream ends.
    assert np.abs(before - after).max() < 0.01
    assert np.abs(before).max() > 0.3


# Whoever renders.


def test_pools_of_any_size_and_order_agree(tim: Sequence[Preset]) -> None:
    chosen = tim[::23]
    jobs = [RenderJob(preset.state, (CHORD, REFERENCE_NOTES[2])) for preset in chosen]
    sounds: list[dict[str, tuple[Clip, ...]]] = []
    for workers, order in ((1, jobs), (1, jobs[::-1]), (2, jobs[3:] + jobs[:3])):
        with RenderPool(workers) as pool:
            results = list(pool.render(order))
        assert [result.reason for result in results if not result.ok] == []
        sounds.append({result.job.key: result.clips for result in results})
    with SoundFontRenderer(ROW) as alone:
        for preset, job in zip(chosen, jobs, strict=True):
            here = play(alone, preset.state)
            for each in sounds:
                assert np.array_equal(each[job.key][0].samples, here), preset.name


def test_a_pool_tells_what_is_wrong_with_a_preset() -> None:
    jobs = [
        RenderJob(State("soundfont", b"RIFF and nothing more")),
        RenderJob(State("soundfont", b"")),
        RenderJob(state_of(tone([0.0]))),
        RenderJob(state_of(tone([1, -1], loop=2))),
    ]
    with RenderPool(1) as pool:
        results = {result.job.key: result for result in pool.render(jobs)}
    damaged, empty, silent, good = (results[job.key] for job in jobs)
    assert (damaged.failure, empty.failure) == (Failure.REFUSED, Failure.REFUSED)
    assert "isn't a SoundFont" in damaged.reason
    assert "Without a SoundFont there is no sound" in empty.reason
    assert (silent.failure, good.failure) == (Failure.SILENT, None)


def test_states_of_others_are_refused(renderer: SoundFontRenderer) -> None:
    with pytest.raises(PresetError, match="isn't a preset of a SoundFont"):
        renderer.load(State("amsynth", b"{}"), SETTINGS)
    with pytest.raises(RenderError, match="before a preset was loaded"):
        renderer.render(CHORD)


def test_nothing_sounds_after_closing() -> None:
    renderer = SoundFontRenderer(ROW)
    renderer.load(state_of(tone([1.0])), SETTINGS)
    renderer.close()
    renderer.close()
    with pytest.raises(RenderError, match="before a preset was loaded"):
        renderer.render(CHORD)
