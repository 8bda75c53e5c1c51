"""A picture of a sound: log-frequency spectrogram, even colours, PNG. Numpy and zlib do all of it."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import numpy.typing as npt

from synthmatch.audio import Clip, Samples

LOWEST, HIGHEST = 40.0, 16_000.0
"""Frequencies of the picture's bottom and top rows, in Hz."""

DEPTH = 66.0
"""dB below the loudest point at which everything is drawn as silence."""

COLOURS = 64
"""Shades in the palette: more aren't told apart, and each costs bytes."""

_CYCLES = 24.0  # periods of a row's frequency that its window holds, as far as the sizes below allow
_SIZES = (10, 11, 12, 13)  # windows of 2**size samples: short for high rows, long for low ones
_OVERSAMPLING = 2  # analysis frames per column, so that no attack falls between two

# Magma (Smith and van der Walt, CC0) at nine even steps: lightness grows evenly for every eye.
_MAGMA = ("000004", "1d1147", "51127c", "832681", "b73779", "e75263", "fc8961", "fec488", "fcfdbf")

Indexed = npt.NDArray[np.uint8]


def palette(colours: int = COLOURS) -> Indexed:
    """Shades from silent to loud, shape (colours, 3), red-green-blue, each 0 to 255."""
    anchors = np.array([list(bytes.fromhex(anchor)) for anchor in _MAGMA], dtype=np.float64)
    wanted = np.linspace(0, len(anchors) - 1, colours)
    shades = [np.interp(wanted, np.arange(len(anchors)), channel) for channel in anchors.T]
    return np.stack(shades, axis=1).round().astype(np.uint8)


def constant_q(clip: Clip, width: int, height: int) -> npt.NDArray[np.float64]:
    """Power by time and log frequency; low rows are heard through long windows, high rows through short ones.

    Args:
        clip: any length, rate and number of channels; an empty one counts as silence.
        width, height: columns (even over the clip's length) and rows (even in octaves).

    Returns:
        (height, width), lowest frequency first; silence in rows above half the clip's rate. A sine gives the same
        power in every row that it can hit.
    """
    samples = clip.mono()
    rows = np.geomspace(LOWEST, HIGHEST, height)  # whatever the rate: a pitch stands at one height in all pictures
    wanted = np.clip(np.log2(_CYCLES * clip.sample_rate / rows), _SIZES[0], _SIZES[-1])
    power = np.zeros((height, width))
    for size in _SIZES:
        share = np.clip(1 - np.abs(wanted - size), 0, None)  # neighbouring sizes cross-fade: no seam
        filters = _filters(rows, clip.sample_rate, 2**size) * share[:, None]
        spectrum = _frames(samples, width * _OVERSAMPLING, 2**size)
        power += (filters @ spectrum).reshape(height, width, _OVERSAMPLING).mean(axis=2)
    return power


def _filters(rows: npt.NDArray[np.float64], rate: int, window: int) -> npt.NDArray[np.float64]:
    """Triangles between neighbouring rows, at least one bin to each side, none for rows above half the rate; shape
    (rows, window // 2 + 1)."""
    step = rows[1] / rows[0] if len(rows) > 1 else 2.0
    bins = np.fft.rfftfreq(window, 1 / rate)[None, :]
    side = np.maximum(rows * (step - 1), rate / window)[:, None]
    triangles: npt.NDArray[np.float64] = np.clip(1 - np.abs(bins - rows[:, None]) / side, 0, None)
    return triangles * (rows <= rate / 2)[:, None]


def _frames(samples: Samples, count: int, window: int) -> npt.NDArray[np.float64]:
    """Power spectra around ``count`` even moments, shape (window // 2 + 1, count)."""
    padded = np.pad(samples, window // 2 + 1)
    starts = ((np.arange(count) + 0.5) * len(samples) / count).astype(np.int64)
    hann = np.hanning(window).astype(np.float32)
    cut = padded[starts[:, None] + np.arange(window)[None, :]] * hann
    spectra = np.fft.rfft(cut, axis=1) * (2 / hann.sum())
    return np.asarray(np.abs(spectra) ** 2, dtype=np.float64).T


def picture(clip: Clip, width: int = 400, height: int = 96) -> bytes:
    """Draw a sound as PNG: time to the right, pitch upwards, brighter is louder.

    Args:
        clip: any sound; silence comes out black.
        width, height: pixels.

    Returns:
        The file's bytes.
    """
    power = constant_q(clip, width, height)
    loudest = max(float(power.max()), 1e-12)
    decibels = 10 * np.log10(np.maximum(power / loudest, 1e-12))
    shade = np.clip(1 + decibels / DEPTH, 0, 1) * (COLOURS - 1)
    return png(np.flipud(shade.round().astype(np.uint8)), palette())


def png(pixels: Indexed, colours: Indexed) -> bytes:
    """Pack indexed pixels as a PNG file.

    Args:
        pixels: (height, width), each the index of a colour.
        colours: (1 to 256, 3).
    """
    height, width = pixels.shape
    header = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)  # 8 bits a pixel, indexed, not interlaced
    rows = np.pad(pixels, ((0, 0), (1, 0))).tobytes()  # each row begins with its filter: 0, none
    parts = (
        _chunk(b"IHDR", header),
        _chunk(b"PLTE", colours.tobytes()),
        _chunk(b"IDAT", zlib.compress(rows, 6)),
        _chunk(b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
