import os
import sys
import tracemalloc

import numpy as np
import pytest
import soundfile

from synthmatch import audio
from synthmatch.audio import Clip, decibels, require_audible
from synthmatch.errors import AudioError


def tone(seconds=1.0, rate=44_100, channels=2, frequency=440):
    wave = 0.5 * np.sin(2 * np.pi * frequency * np.arange(round(seconds * rate)) / rate)
    return Clip(np.tile(wave.astype(np.float32), (channels, 1)), rate)


@pytest.mark.parametrize(("suffix", "error"), [(".wav", 0), (".flac", 2**-23), (".ogg", 0.1), (".mp3", 0.1)])
def test_what_is_written_is_read(tmp_path, suffix, error):
    clip = tone()
    path = tmp_path / f"tone{suffix}"
    audio.write(path, clip)
    again = audio.read(path)
    assert again.sample_rate == clip.sample_rate
    assert again.samples.shape[0] == 2
    assert abs(again.samples.shape[1] - clip.samples.shape[1]) <= 2400
    middle = slice(4000, 40_000)
    assert np.abs(again.samples[:, middle] - clip.samples[:, middle]).max() <= error


@pytest.mark.parametrize("rate", [8_000, 22_050, 48_000, 96_000])
def test_resampling_keeps_length_and_tone(rate):
    clip = tone(rate=rate)
    heard = clip.heard()
    assert len(heard) == pytest.approx(16_000, abs=1)
    expected = 0.5 * np.sin(2 * np.pi * 440 * np.arange(len(heard)) / 16_000)
    assert np.abs(heard - expected)[500:-500].max() < 1e-3


def test_resampling_lets_nothing_fold_back():
    assert np.abs(tone(frequency=12_000).heard())[500:-500].max() < 1e-4


def test_between_cuts_seconds():
    clip = tone(2.0)
    assert clip.between(0.5, 1.25).seconds == pytest.approx(0.75, abs=1e-4)
    assert (clip.between(0.5).samples == clip.samples[:, 22_050:]).all()


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".mp3", ".ogg"])
@pytest.mark.parametrize(("start", "end"), [(0, 3), (1.234, 2.5), (2.5, 9), (5, 6)])
def test_a_stretch_is_read_without_the_rest(tmp_path, suffix, start, end):
    noise = np.random.default_rng(0).standard_normal((2, 3 * 44_100)).astype(np.float32)
    path = tmp_path / f"song{suffix}"
    audio.write(path, Clip(noise * np.float32(0.1), 44_100))
    stretch, whole = audio.read_between(path, start, end), audio.read(path).between(start, end)
    assert stretch.sample_rate == 44_100
    np.testing.assert_allclose(stretch.samples, whole.samples, atol=1e-4)


def test_sound_is_held_once_while_it_is_read(tmp_path):
    path = tmp_path / "song.wav"
    audio.write(path, tone(60, channels=2))
    audio.read(path)  # what is imported for it doesn't count
    tracemalloc.start()
    clip = audio.read(path)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert clip.samples.flags.c_contiguous
    assert most < 1.2 * clip.samples.nbytes


def test_mono_is_the_mean():
    clip = Clip(np.array([[1.0, 0.0], [0.0, 0.5]], np.float32), 8000)
    assert clip.mono().tolist() == [0.5, 0.25]


def test_clips_have_channels():
    with pytest.raises(AudioError, match="shape"):
        Clip(np.zeros(5, np.float32), 8000)
    with pytest.raises(AudioError, match="sample rate"):
        Clip(np.zeros((1, 5), np.float32), 0)


def test_decibels():
    assert decibels(1) == 0
    assert decibels(0.1) == pytest.approx(-20)
    assert decibels(0) == -np.inf


def test_bad_files_are_named(tmp_path):
    with pytest.raises(AudioError, match=r"gone\.wav isn't there"):
        audio.read(tmp_path / "gone.wav")
    with pytest.raises(AudioError, match="is a folder"):
        audio.read(tmp_path)
    (tmp_path / "empty.wav").touch()
    with pytest.raises(AudioError, match=r"empty\.wav is empty"):
        audio.read(tmp_path / "empty.wav")
    (tmp_path / "text.wav").write_text("this is no sound")
    with pytest.raises(AudioError, match=r"text\.wav can't be read as sound"):
        audio.read(tmp_path / "text.wav")
    (tmp_path / "take.raw").write_bytes(bytes(44_100))
    for read in (audio.read, audio.measure, lambda path: audio.read_between(path, 0, 1)):
        with pytest.raises(AudioError, match=r"take\.raw can't be read as sound; give a WAV"):
            read(tmp_path / "take.raw")
    soundfile.write(tmp_path / "nan.wav", np.full((100, 1), np.nan), 8000, subtype="FLOAT")
    with pytest.raises(AudioError, match="not numbers"):
        audio.read(tmp_path / "nan.wav")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes with names")
def test_a_pipe_is_no_empty_file(tmp_path):
    os.mkfifo(tmp_path / "song.wav")
    with pytest.raises(AudioError, match=r"song\.wav is a device or a pipe; name a sound file\."):
        audio.read(tmp_path / "song.wav")


def test_a_file_that_does_not_say_how_long_it_is_is_named(tmp_path):
    """As `ffmpeg -f flac -` writes it, which can't go back to its beginning: how many samples follow is 0 there."""
    path = tmp_path / "piped.flac"
    soundfile.write(path, np.full((8000, 1), 0.1), 8000)
    data = bytearray(path.read_bytes())
    data[21] &= 0xF0
    data[22:26] = bytes(4)
    path.write_bytes(data)
    for read in (audio.read, audio.measure, lambda each: audio.read_between(each, 0, 0.5)):
        with pytest.raises(AudioError, match=r"piped\.flac doesn't say how long it is"):
            read(path)


def test_a_file_that_is_shorter_than_it_says_is_read_as_far_as_it_goes(tmp_path):
    whole, path = tone(10), tmp_path / "damaged.flac"
    audio.write(path, whole)
    data = path.read_bytes()
    most = bytearray(data)
    most[21] |= 0x0F
    most[22:26] = b"\xff" * 4  # 2^36 - 1 samples
    for damaged, said in (
        (most, r"says that it lasts 432\.9 hours, which don't fit into memory"),
        (data[:-9000], r"is damaged after \d s"),
    ):
        path.write_bytes(damaged)
        with pytest.raises(AudioError, match=rf"damaged\.flac {said}; export it again, or name a passage"):
            audio.read(path)
        assert np.abs(audio.read_between(path, 1, 2).samples - whole.between(1, 2).samples).max() <= 2**-23


@pytest.mark.skipif(sys.platform != "linux", reason="other file systems have Unicode alone")
def test_a_name_that_is_no_text_is_told_as_far_as_it_is(tmp_path):
    song = tmp_path / os.fsdecode("café.wav".encode("latin-1"))
    soundfile.write(tmp_path / "plain.wav", np.full((8000, 1), 0.1), 8000)
    (tmp_path / "plain.wav").rename(song)
    with pytest.raises(AudioError, match=r"caf\?\.wav has letters in its path that aren't Unicode; rename it\."):
        audio.read(song)


def test_a_stretch_of_a_bad_file_is_named_too(tmp_path):
    (tmp_path / "notes.wav").write_bytes(b"no sound")
    for name in ("notes.wav", "none.wav"):
        with pytest.raises(AudioError, match=name):
            audio.read_between(tmp_path / name, 0, 1)


def test_inaudible_queries_are_refused():
    with pytest.raises(AudioError, match=r"0\.10 s of sound"):
        require_audible(tone(0.1), "song.wav")
    with pytest.raises(AudioError, match="silent"):
        require_audible(tone().scaled(1e-5), "song.wav")
    require_audible(tone(), "song.wav")


def test_a_write_that_fails_leaves_what_was_there(tmp_path):
    path = tmp_path / "tone.flac"
    audio.write(path, tone())
    before = path.read_bytes()
    with pytest.raises(Exception, match=r".+"):
        audio.write(path, Clip(np.zeros((1, 10), np.float32), 44_100), subtype="NO_SUCH_SUBTYPE")
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("suffix", "rate"), [(".flac", 65_537), (".flac", 96_001), (".ogg", 200_001), (".mp3", 96_000)]
)
def test_a_rate_that_a_format_does_not_take_is_no_fault_of_the_disk(tmp_path, suffix, rate):
    clip = Clip(np.zeros((1, 10), np.float32), rate)
    with pytest.raises(AudioError, match=rf"^A \{suffix} file can't have a sample rate of {rate} Hz; choose .*\.wav"):
        audio.write(tmp_path / f"tone{suffix}", clip)
    assert not any(tmp_path.iterdir())
    audio.write(tmp_path / "tone.wav", clip)


@pytest.mark.parametrize("suffix", [".flac", ".ogg", ".wav"])
@pytest.mark.parametrize("rate", [8_000, 44_100, 65_535, 96_000, 192_000])
def test_rates_that_a_format_takes(suffix, rate):
    audio.require_rate(suffix, rate)
