from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest

from synthmatch.audio import Clip
from synthmatch.sound.spectrogram import COLOURS, HIGHEST, LOWEST, constant_q, palette, picture, png

RATE = 44_100


def sine(hertz: float, seconds: float = 1.0, rate: int = RATE) -> Clip:
    time = np.arange(round(seconds * rate)) / rate
    return Clip(np.sin(2 * np.pi * hertz * time)[None].astype(np.float32), rate)


def decode(file: bytes) -> tuple[np.ndarray, np.ndarray]:
    """Pixels and palette of an indexed PNG without row filters; every checksum is checked."""
    assert file[:8] == b"\x89PNG\r\n\x1a\n"
    chunks, place = {}, 8
    while place < len(file):
        (length,) = struct.unpack_from(">I", file, place)
        kind, data = file[place + 4 : place + 8], file[place + 8 : place + 8 + length]
        assert struct.unpack_from(">I", file, place + 8 + length) == (zlib.crc32(kind + data),)
        chunks[kind] = data
        place += 12 + length
    assert list(chunks) == [b"IHDR", b"PLTE", b"IDAT", b"IEND"]
    width, height, *form = struct.unpack(">IIBBBBB", chunks[b"IHDR"])
    assert form == [8, 3, 0, 0, 0]
    rows = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), np.uint8).reshape(height, width + 1)
    assert not rows[:, 0].any()
    return rows[:, 1:], np.frombuffer(chunks[b"PLTE"], np.uint8).reshape(-1, 3)


def lightness(colour: np.ndarray) -> float:
    """CIE L* of an sRGB colour."""
    linear = np.where(colour > 10, ((colour / 255 + 0.055) / 1.055) ** 2.4, colour / 255 / 12.92)
    luminance = float(linear @ [0.2126, 0.7152, 0.0722])
    return 116 * luminance ** (1 / 3) - 16 if luminance > 0.008856 else 903.3 * luminance


def test_a_png_gives_back_its_pixels() -> None:
    pixels = np.random.default_rng(0).integers(0, COLOURS, (17, 23)).astype(np.uint8)
    read, colours = decode(png(pixels, palette()))
    assert np.array_equal(read, pixels)
    assert np.array_equal(colours, palette())


def test_colours_grow_lighter_by_even_steps() -> None:
    steps = np.diff([lightness(colour) for colour in palette().astype(float)])
    assert (steps > 0).all()
    # Magma is even by eye, not by L* alone: no step above twice the mean.
    assert steps.max() < 2 * steps.mean()


@pytest.mark.parametrize("hertz", [55, 110, 220, 440, 1000, 4000, 12_000])
def test_a_sine_is_drawn_at_its_pitch(hertz: float) -> None:
    power = constant_q(sine(hertz), 20, 96)
    loudest = power[:, 10].argmax()
    row_of = 95 * np.log(hertz / LOWEST) / np.log(16_000 / LOWEST)
    assert loudest == pytest.approx(row_of, abs=1.0)


@pytest.mark.parametrize("rate", [8_000, 22_050, 32_000, 44_100])
def test_a_pitch_stands_at_one_height_at_every_rate(rate: int) -> None:
    """And above half the rate, where a recording holds nothing, the picture is dark."""
    power = constant_q(sine(1000, rate=rate), 20, 96)
    assert power[:, 10].argmax() == pytest.approx(95 * np.log(1000 / LOWEST) / np.log(HIGHEST / LOWEST), abs=1.0)
    noise = np.random.default_rng(0).normal(0, 0.1, (1, rate)).astype(np.float32)
    loud = constant_q(Clip(noise, rate), 20, 96).min(axis=1) > 0
    assert np.array_equal(loud, np.geomspace(LOWEST, HIGHEST, 96) <= rate / 2)


def test_equal_sines_are_equally_bright_at_every_pitch() -> None:
    levels = [10 * np.log10(constant_q(sine(hertz), 20, 96)[:, 10].max()) for hertz in np.geomspace(60, 12_000, 25)]
    assert max(levels) - min(levels) < 4.0  # dB; most of it is where the sine falls between two rows


def test_an_attack_is_drawn_when_it_comes() -> None:
    samples = np.zeros((1, RATE), np.float32)
    samples[0, RATE // 4] = 1.0
    power = constant_q(Clip(samples, RATE), 100, 96)
    assert power[90].argmax() == pytest.approx(25, abs=1)


@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100, 96_000])
def test_any_rate_and_channels_give_a_picture(rate: int) -> None:
    clip = sine(440, rate=rate)
    stereo = Clip(np.repeat(clip.samples, 2, axis=0), rate)
    pixels, _ = decode(picture(stereo, 50, 40))
    assert pixels.shape == (40, 50)
    assert pixels.max() == COLOURS - 1
    assert picture(stereo, 50, 40) == picture(clip, 50, 40)


def test_loudness_does_not_change_the_picture() -> None:
    clip = sine(300)
    assert picture(clip.scaled(0.01)) == picture(clip)


@pytest.mark.parametrize("frames", [0, 1, 44_100])
def test_silence_is_black(frames: int) -> None:
    pixels, _ = decode(picture(Clip(np.zeros((1, frames), np.float32), RATE), 30, 20))
    assert not pixels.any()
