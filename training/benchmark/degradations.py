"""What a mixture goes through before somebody hears it: MP3, a limiter, a reverb, an equaliser.

Sound is mono, shape (n,), float32, at ``ENCODER_RATE``; what comes out has the same length and isn't delayed.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from synthmatch import audio
from synthmatch.audio import ENCODER_RATE, Clip, Samples
from synthmatch.files import write_bytes
from synthmatch.training.arrays import Floats

Degrade = Callable[[Samples, np.random.Generator], Samples]

KILOBITS = 128
CEILING_DB = -1.0
EQ_DB = 6.0

_RING = 1.0  # seconds of silence in which filters ring out, so that nothing comes round to the beginning


def mp3_round_trip(samples: Samples, kilobits: int = KILOBITS) -> Samples:
    """What is left after an MP3 at a constant rate, in thousands of bits a second."""
    clip = Clip(samples[None], ENCODER_RATE)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mixture.mp3"
        write_bytes(path, audio.mp3(clip, kilobits))
        heard = audio.read(path).heard()
    out = np.zeros_like(samples)
    length = min(len(out), len(heard))
    out[:length] = heard[:length]
    return out


def limiter(samples: Samples, drive_db: float, ceiling_db: float = CEILING_DB, reach: float = 0.005) -> Samples:
    """Raise the level by ``drive_db`` and keep every sample below the ceiling.

    The gain looks ``reach`` seconds ahead and back: the smallest gain needed there, then its mean over as long.
    Each of those smallest gains was taken over a stretch that holds the sample in the middle, so their mean is
    never above what that sample needs.
    """
    driven = torch.from_numpy(samples * np.float32(10 ** (drive_db / 20)))
    ceiling = 10 ** (ceiling_db / 20)
    needed = torch.clamp(ceiling / driven.abs().clamp(min=1e-9), max=1.0)[None, None]
    side = round(reach * ENCODER_RATE)
    padded = functional.pad(needed, (2 * side, 2 * side), value=1.0)
    smallest = -functional.max_pool1d(-padded, 2 * side + 1, stride=1)
    gain = functional.avg_pool1d(smallest.double(), 2 * side + 1, stride=1)[0, 0]
    # Rounding to float32 may add half a bit: the ceiling holds to the last one.
    out: Samples = (driven * gain).float().clamp(-ceiling, ceiling).numpy()
    return out


def reverb(samples: Samples, rng: np.random.Generator, decay: float, wet_db: float, before: float = 0.01) -> Samples:
    """Add the sound of a room: convolution with noise that falls by 60 dB in ``decay`` seconds.

    Args:
        wet_db: energy of the room's response below that of the direct sound.
        before: seconds between the direct sound and the room's.
    """
    first = round(before * ENCODER_RATE)
    length = round(decay * ENCODER_RATE)
    room = rng.standard_normal(length) * 10 ** (-3 * np.arange(length) / length)
    room *= 10 ** (wet_db / 20) / math.sqrt(float(np.sum(room**2)))
    response = np.concatenate([[1.0], np.zeros(first - 1), room])
    return _filtered(samples, lambda size: np.fft.rfft(response, size), len(response))


@dataclass(frozen=True)
class Band:
    """A second-order filter of an equaliser, as Robert Bristow-Johnson's Audio EQ Cookbook has it.

    Args:
        kind: "peak", "low shelf" or "high shelf".
        hertz: its centre, or the middle of its slope.
        gain_db: at the centre, or beyond the slope.
        q: of a peak, how narrow it is; 0.71 gives a shelf the steepest slope without a bump.
    """

    kind: str
    hertz: float
    gain_db: float
    q: float = math.sqrt(0.5)

    def coefficients(self) -> tuple[Floats, Floats]:
        """Numerator and denominator (b0, b1, b2), (a0, a1, a2) of its transfer function."""
        a = 10 ** (self.gain_db / 40)
        turn = 2 * math.pi * self.hertz / ENCODER_RATE
        cos, alpha = math.cos(turn), math.sin(turn) / (2 * self.q)
        if self.kind == "peak":
            above = (1 + alpha * a, -2 * cos, 1 - alpha * a)
            below = (1 + alpha / a, -2 * cos, 1 - alpha / a)
            return np.array(above), np.array(below)
        # A high shelf is a low shelf whose spectrum is turned round: cos changes its sign, and so do b1 and a1.
        sign = {"low shelf": 1, "high shelf": -1}[self.kind]
        c, slope = sign * cos, 2 * math.sqrt(a) * alpha
        up, down = a + 1 - (a - 1) * c, a + 1 + (a - 1) * c
        above = (a * (up + slope), sign * 2 * a * (a - 1 - (a + 1) * c), a * (up - slope))
        below = (down + slope, -sign * 2 * (a - 1 + (a + 1) * c), down - slope)
        return np.array(above), np.array(below)

    def response(self, size: int) -> npt.NDArray[np.complex128]:
        """Its frequency response at the ``size // 2 + 1`` bins of a transform of ``size`` samples."""
        above, below = self.coefficients()
        out: npt.NDArray[np.complex128] = np.fft.rfft(above, size) / np.fft.rfft(below, size)
        return out


def equaliser(samples: Samples, bands: Sequence[Band]) -> Samples:
    """Send sound through filters, one after the other."""

    def response(size: int) -> npt.NDArray[np.complex128]:
        out: npt.NDArray[np.complex128] = np.prod([band.response(size) for band in bands], axis=0)
        return out

    return _filtered(samples, response, round(_RING * ENCODER_RATE))


def _filtered(samples: Samples, response: Callable[[int], npt.NDArray[np.complex128]], ring: int) -> Samples:
    size = 1 << (len(samples) + ring - 1).bit_length()
    spectrum = np.fft.rfft(samples.astype(np.float64), size) * response(size)
    out: Samples = np.fft.irfft(spectrum, size)[: len(samples)].astype(np.float32)
    return out


def _mp3(samples: Samples, rng: np.random.Generator) -> Samples:  # noqa: ARG001 (a row of the table)
    return mp3_round_trip(samples)


def _limited(samples: Samples, rng: np.random.Generator) -> Samples:
    return limiter(samples, drive_db=rng.uniform(6, 12))


def _in_a_room(samples: Samples, rng: np.random.Generator) -> Samples:
    return reverb(samples, rng, decay=rng.uniform(0.6, 2.0), wet_db=rng.uniform(-9, -3))


def _equalised(samples: Samples, rng: np.random.Generator) -> Samples:
    low, middle, high = rng.uniform(-EQ_DB, EQ_DB, size=3)
    centre = math.exp(rng.uniform(math.log(300), math.log(3000)))
    bands = (Band("low shelf", 150, low), Band("peak", centre, middle, 1.0), Band("high shelf", 5000, high))
    return equaliser(samples, bands)


DEGRADATIONS: dict[str, Degrade] = {"MP3": _mp3, "limiter": _limited, "reverb": _in_a_room, "EQ": _equalised}
"""What the suite ``degraded`` does to its mixtures, in turn."""
