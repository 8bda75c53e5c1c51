import math

import pytest
import torch

from synthmatch.networks.features import (
    FLOOR_DB,
    HOP,
    WINDOW,
    log_mel,
    mel_distance,
    mel_filters,
    mel_power,
    sound_print,
    sounding_distance,
)

RATE = 16_000


def tone(frequency, seconds=0.5):
    return torch.sin(2 * math.pi * frequency * torch.arange(int(RATE * seconds)) / RATE)[None]


def test_filters_are_averages_and_leave_no_band_empty():
    for bands, window in ((40, WINDOW), (64, WINDOW), (80, WINDOW), (256, 4096)):
        filters = mel_filters(bands, window=window)
        assert filters.shape == (bands, window // 2 + 1)
        assert torch.allclose(filters.sum(1), torch.ones(bands))
        assert (filters >= 0).all()


def test_bands_are_the_filters_share_of_the_power():
    sound = torch.randn(2, 8_000)
    for bands, window, hop in ((3, WINDOW, HOP), (64, WINDOW, HOP), (250, 4096, 640)):
        padded = torch.nn.functional.pad(sound, (window // 2, window // 2))
        frames = padded.unfold(1, window, hop) * torch.hann_window(window)
        power = torch.fft.rfft(frames).abs().square() * (2 / (window / 2)) ** 2
        expected = torch.einsum("mk,bnk->bmn", mel_filters(bands, window=window), power)
        assert torch.allclose(mel_power(sound, bands, window, hop), expected, rtol=1e-4, atol=1e-9)


@pytest.mark.parametrize("frequency", [60, 200, 1000, 3000, 7000])
def test_a_tone_is_loudest_in_the_band_that_holds_it(frequency):
    """The band's centre is the nearest on the mel scale."""
    mel = 2595 * math.log10(1 + frequency / 700)
    low, high = (2595 * math.log10(1 + edge / 700) for edge in (30, 8000))
    expected = (mel - low) / (high - low) * 65 - 1
    loudest = int(log_mel(tone(frequency))[0].mean(1).argmax())
    assert abs(loudest - expected) <= 1.5


def test_the_number_of_frames():
    for length in (1, HOP - 1, HOP, 16_000):
        assert mel_power(torch.zeros(1, length)).shape[2] == 1 + length // HOP
        assert mel_power(torch.zeros(1, length), 256, 4096, 640).shape == (1, 256, 1 + length // 640)


def test_ten_times_the_amplitude_is_twenty_decibels():
    quiet, loud = log_mel(tone(1000) * 0.05), log_mel(tone(1000) * 0.5)
    assert (loud - quiet).max() == pytest.approx(20, abs=0.1)


def test_silence_lies_on_the_floor():
    assert torch.allclose(log_mel(torch.zeros(1, 4000)), torch.tensor(FLOOR_DB), atol=1e-3)


def test_a_sound_print_does_not_know_the_level():
    notes = torch.cat([tone(300), tone(900) * 0.3])
    assert mel_distance(sound_print(notes), sound_print(notes * 0.01)) < 1e-2


def test_distances_are_symmetric_and_zero_for_the_same():
    first, second = sound_print(tone(300)), sound_print(tone(450))
    assert mel_distance(first, first) == 0
    assert mel_distance(first, second) == mel_distance(second, first) > 1


def test_short_sounds_differ_where_they_sound():
    """Two different clicks in a long silence: alike over all of it, and far apart where either sounds."""
    clicks = torch.zeros(2, RATE)
    clicks[0, :400] = tone(300)[0, :400]
    clicks[1, :400] = tone(3000)[0, :400]
    first, second = sound_print(clicks[:1]), sound_print(clicks[1:])
    assert sounding_distance(first, second) > 5 * mel_distance(first, second)
