"""Files at the level asked for, that never clip, and whose bytes depend on the sound alone."""

from __future__ import annotations

import struct
import time
from pathlib import Path

import numpy as np
import pytest

from synthmatch import audio
from synthmatch.audio import Clip
from synthmatch.batch.mastering import NORMALISED_PEAK_DB, Format, Level, played, write
from synthmatch.errors import AudioError
from synthmatch.sound import loudness, samebytes

needs_loudness = pytest.mark.skipif(not loudness.is_installed(), reason="pyloudnorm is missing: pip install pyloudnorm")
STEP = 2.0**-23  # of 24 bits


def hit(peak: float, channels: int = 2, fade: float = 8_000, rate: int = 44_100) -> Clip:
    """A bright note that dies away, another one in each channel, with an exact peak."""
    time = np.arange(rate * 2)
    phases = np.random.default_rng(11).uniform(0, 2 * np.pi, (channels, 20))
    partials = np.arange(1, 21)[:, None]
    tones = np.sin(2 * np.pi * 220 * partials * time / rate + phases[:, :, None]) / partials
    wave = tones.sum(axis=1) * np.exp(-time / fade)
    return Clip((wave * (peak / np.abs(wave).max())).astype(np.float32), rate)


@pytest.mark.parametrize("form", Format)
@pytest.mark.parametrize("channels", [1, 2])
def test_a_sound_within_full_scale_keeps_its_level(form: Format, channels: int, tmp_path: Path) -> None:
    clip, path = hit(0.5, channels), tmp_path / f"hit{form.suffix}"
    sound, heard = write(path, clip, form)
    assert (sound.gain, sound.level) == (1.0, Level.AS_PLAYED.value)
    assert (sound.seconds, sound.sample_rate, sound.channels) == (2.0, 44_100, channels)
    assert heard.samples.shape == clip.samples.shape
    apart = np.abs(heard.samples - clip.samples).max()
    assert apart <= {Format.WAV: 0, Format.FLAC: STEP, Format.OGG: 0.1}[form]


@pytest.mark.parametrize("peak", [0.999_999_9, 1.0, 1.000_001, 1.5, 40.0])
@pytest.mark.parametrize("form", [Format.FLAC, Format.OGG])
def test_nothing_clips(form: Format, peak: float, tmp_path: Path) -> None:
    """One clipped sample would be off by more than rounding, once the gain is undone."""
    clip, path = hit(peak), tmp_path / f"loud{form.suffix}"
    sound, heard = write(path, clip, form)
    inside = audio.read(path)
    assert inside.peak <= 1.0
    assert sound.peak_db <= 0.0
    if form is Format.FLAC:
        assert np.abs(heard.samples - clip.samples).max() <= 2 * STEP / sound.gain
        assert (sound.level == Level.AS_PLAYED.value) == (peak <= 1.0)
    assert np.array_equal(heard.samples, played(path, sound).samples)


def test_a_float_file_needs_no_scaling(tmp_path: Path) -> None:
    clip = hit(40.0)
    sound, heard = write(tmp_path / "loud.wav", clip, Format.WAV)
    assert sound.gain == 1.0
    assert sound.peak_db == pytest.approx(20 * np.log10(40), abs=1e-4)
    assert np.array_equal(heard.samples, clip.samples)


@needs_loudness
@pytest.mark.parametrize("form", Format)
@pytest.mark.parametrize("peak", [1e-3, 0.3, 3.0])
@pytest.mark.parametrize("target", [-30.0, -24.0])
def test_a_normalised_file_measures_what_was_asked_for(
    form: Format, peak: float, target: float, tmp_path: Path
) -> None:
    import pyloudnorm

    path = tmp_path / f"hit{form.suffix}"
    sound, _ = write(path, hit(peak), form, target)
    inside = audio.read(path)
    measured = pyloudnorm.Meter(inside.sample_rate).integrated_loudness(inside.samples.T.astype(np.float64))
    assert sound.level == Level.NORMALISED.value
    assert measured == pytest.approx(target, abs=0.1)
    assert sound.loudness == pytest.approx(measured, abs=1e-6)


@needs_loudness
@pytest.mark.parametrize("form", Format)
def test_the_peak_goes_before_the_loudness(form: Format, tmp_path: Path) -> None:
    path = tmp_path / f"click{form.suffix}"
    sound, _ = write(path, hit(0.2, fade=100), form, -12.0)
    ceiling = 10 ** (NORMALISED_PEAK_DB / 20)
    assert sound.level == Level.PEAK_LIMITED.value
    assert 0.7 * ceiling < audio.read(path).peak <= ceiling
    assert sound.loudness is not None
    assert sound.loudness < -12.0


@pytest.mark.parametrize("form", Format)
def test_the_same_sound_gives_the_same_bytes(form: Format, tmp_path: Path) -> None:
    first, _ = write(tmp_path / f"one{form.suffix}", hit(0.5), form)
    time.sleep(1.1)  # WAV files are stamped with the second
    second, _ = write(tmp_path / f"two{form.suffix}", hit(0.5), form)
    assert first == second
    third, _ = write(tmp_path / f"two{form.suffix}", hit(0.4999), form)
    assert third.hash != first.hash


def test_settling_changes_no_sample_and_twice_is_once(tmp_path: Path) -> None:
    for form in Format:
        path = tmp_path / f"hit{form.suffix}"
        audio.write(path, hit(0.5))
        before = audio.read(path).samples
        samebytes.settle(path)
        once = path.read_bytes()
        samebytes.settle(path)
        assert path.read_bytes() == once
        assert np.array_equal(audio.read(path).samples, before)


def test_the_checksum_is_the_one_that_ogg_files_have(tmp_path: Path) -> None:
    """libsndfile's own first page, read before anything is changed."""
    path = tmp_path / "hit.ogg"
    audio.write(path, hit(0.5))
    page = bytearray(path.read_bytes()[: 27 + 1 + 30])  # the page of Vorbis's identification: one segment of 30 bytes
    (stored,) = struct.unpack_from("<I", page, 22)
    struct.pack_into("<I", page, 22, 0)
    assert samebytes.ogg_checksum(bytes(page)) == stored


def test_minutes_of_ogg_can_be_written(tmp_path: Path) -> None:
    long = Clip(np.tile(hit(0.5).samples, (1, 90)), 44_100)
    sound, heard = write(tmp_path / "long.ogg", long, Format.OGG)
    assert sound.seconds == 180.0
    assert heard.samples.shape == long.samples.shape


@needs_loudness
def test_a_vorbis_peak_that_hardly_follows_the_gain_gets_below_the_limit_all_the_same(tmp_path: Path) -> None:
    """Square waves: what Vorbis leaves out of them rings at the edges."""
    time = np.arange(88_200) / 44_100
    for pitch in (32.7, 65.4, 98.0, 130.8):
        wave = (np.sign(np.sin(2 * np.pi * pitch * time)) * np.exp(-40 * (time % 0.5))).astype(np.float32)
        sound, _ = write(tmp_path / "square.ogg", Clip(np.stack([wave, wave]), 44_100), Format.OGG, -8.0)
        assert sound.level == Level.PEAK_LIMITED.value
        assert sound.peak_db <= NORMALISED_PEAK_DB


@pytest.mark.parametrize(("form", "pitch", "peak"), [(Format.OGG, 21_000, 0.5), (Format.FLAC, 440, 1e-8)])
def test_a_sound_of_which_a_format_leaves_nothing_is_refused(
    form: Format, pitch: float, peak: float, tmp_path: Path
) -> None:
    """A whistle for bats, and one that is quieter than 24 bits can tell."""
    time = np.arange(44_100) / 44_100
    wave = (peak * np.hanning(len(time)) * np.sin(2 * np.pi * pitch * time)).astype(np.float32)
    with pytest.raises(AudioError, match=f"Written as {form.value}, nothing of it is left; choose WAV"):
        write(tmp_path / f"whistle{form.suffix}", Clip(wave[None], 44_100), form)
    assert write(tmp_path / "whistle.wav", Clip(wave[None], 44_100), Format.WAV)[0].peak_db < 0


@pytest.mark.parametrize("form", Format)
def test_a_full_disk_is_no_fault_of_the_preset(form: Format, tmp_path: Path) -> None:
    """A limit to what a file may hold stands for the disk: it ends a write in the middle as well."""
    resource = pytest.importorskip("resource", reason="only Unix limits the size of files; nothing to do")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8_192, limits[1]))
    try:
        with pytest.raises(OSError, match="can't be written"):
            write(tmp_path / f"hit{form.suffix}", hit(0.5), form)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert list(tmp_path.iterdir()) == []
