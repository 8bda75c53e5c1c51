"""Makes training mixtures sound like records, on the training device: filters, reverb, drive, noise, tuning."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from synthmatch.audio import ENCODER_RATE
from synthmatch.training.arrays import Bools, Floats, Ints
from synthmatch.training.config import Degradations
from synthmatch.training.mixing.alteration import smooth_size

Numbers = npt.NDArray[np.float32]

TAIL = ENCODER_RATE // 2  # samples of reverb
NOISE = 30 * ENCODER_RATE  # samples of noise from which pieces are taken
LOW_SHELF, HIGH_SHELF = 200.0, 3000.0  # Hz
TILT = (60.0, 8000.0)  # Hz between which a tilt is a straight line over octaves
TOP = 7900.0  # the highest frequency, in Hz, at which a low-pass is set
STEEP = 16  # exponent of the low-pass: about 96 dB an octave
QUIETER = 20.0  # dB by which noise may lie below what the recipe says


@dataclass(frozen=True, eq=False)
class Treatment:
    """What is done to each of B mixtures; everything is (B,), and 0 leaves a mixture as it is.

    Args:
        tilt, low, high, drive: dB.
        wet: level of the reverb against the dry sound.
        decay: seconds in which it falls by 60 dB.
        lowpass: Hz.
        noise: level against the mixture's.
        place: where the piece of noise is taken from.
        cents: how much higher the mixture sounds.
    """

    tilt: Numbers
    low: Numbers
    high: Numbers
    drive: Numbers
    wet: Numbers
    decay: Numbers
    lowpass: Numbers
    noise: Numbers
    place: Ints
    cents: Numbers

    @property
    def filtered(self) -> Bools:
        """Of which mixtures the spectrum is changed."""
        changes = (self.tilt, self.low, self.high, self.wet, self.lowpass)
        out: Bools = np.any([values != 0 for values in changes], axis=0)
        return out

    def of(self, rows: slice | Ints) -> Treatment:
        """That of some of the mixtures."""
        return Treatment(**{name: value[rows] for name, value in vars(self).items()})


def draw(rng: np.random.Generator, kinds: Degradations, count: int) -> Treatment:
    """Decide what happens to each of some mixtures."""

    def some(values: Floats, wanted: float) -> Numbers:
        chosen = rng.random(count) < (kinds.share if wanted > 0 else 0.0)
        return np.where(chosen, values, 0.0).astype(np.float32)

    def around(most: float) -> Numbers:
        return some(rng.uniform(-most, most, count), most)

    below = kinds.noise_db + rng.uniform(0, QUIETER, count)
    return Treatment(
        around(kinds.tilt_db),
        around(kinds.shelf_db),
        around(kinds.shelf_db),
        some(rng.uniform(0, kinds.drive_db, count), kinds.drive_db),
        some(rng.uniform(0, kinds.reverb, count), kinds.reverb),
        rng.uniform(0.1, 0.5, count).astype(np.float32),
        some(rng.uniform(min(kinds.lowpass, TOP), TOP, count), kinds.lowpass),
        some(10 ** (-below / 20), kinds.noise_db),
        rng.integers(NOISE, size=count),
        around(kinds.cents),
    )


def treat(audio: Tensor, treatment: Treatment) -> Tensor:
    """Do it: mixtures (B, T) -> (B, T), each at its peak of 1 again (silence stays silence).

    Each thing is done to those mixtures alone for which it was drawn: with the released recipe to one in seven.
    """
    out = audio.clone()
    for changed, change in (
        (treatment.cents != 0, _retuned),
        (treatment.drive != 0, _driven),
        (treatment.filtered, _filtered),
        (treatment.noise != 0, _with_noise),
    ):
        rows = np.nonzero(changed)[0]
        if len(rows):
            where = torch.from_numpy(rows).to(audio.device)
            out[where] = change(out[where], treatment.of(rows))
    return _at_peak(out)


def _column(values: Numbers | Ints, like: Tensor) -> Tensor:
    return torch.from_numpy(values).to(like.device)[:, None]


def _at_peak(audio: Tensor) -> Tensor:
    return audio / audio.abs().amax(dim=1, keepdim=True).clamp(min=1e-9)


@lru_cache(maxsize=4)
def _noise(device: torch.device) -> Tensor:
    """White noise of unit power, the same on every device."""
    drawn = np.random.default_rng(0).standard_normal(NOISE, dtype=np.float32)
    return torch.from_numpy(drawn).to(device)


def _retuned(audio: Tensor, treatment: Treatment) -> Tensor:
    """Played faster or slower, by interpolating between samples; what is missing at the end is silence."""
    samples, cents = audio.shape[1], _column(treatment.cents, audio)
    times = torch.arange(samples, device=audio.device, dtype=torch.float64) * 2 ** (cents.double() / 1200)
    before = times.floor()
    share = (times - before).float()
    first = before.long().clamp(max=samples - 1)
    second = (first + 1).clamp(max=samples - 1)
    mixed = audio.gather(1, first) * (1 - share) + audio.gather(1, second) * share
    return torch.where(times <= samples - 1, mixed, 0.0)


def _driven(audio: Tensor, treatment: Treatment) -> Tensor:
    """Into a soft limiter, a hyperbolic tangent, whose loudest output stays 1."""
    gain = 10 ** (_column(treatment.drive, audio) / 20)
    return torch.tanh(gain * _at_peak(audio)) / torch.tanh(gain)


def _with_noise(audio: Tensor, treatment: Treatment) -> Tensor:
    level = audio.square().mean(dim=1, keepdim=True).sqrt()
    places = _column(treatment.place, audio) + torch.arange(audio.shape[1], device=audio.device)
    return audio + _column(treatment.noise, audio) * level * _noise(audio.device)[places % NOISE]


def _filtered(audio: Tensor, treatment: Treatment) -> Tensor:
    """Tilt, shelves, low-pass and reverb as one product of spectra."""
    samples = audio.shape[1]
    size = smooth_size(samples + TAIL)

    hertz = torch.linspace(0, ENCODER_RATE / 2, size // 2 + 1, device=audio.device)[None]
    low, high = (math.log2(edge) for edge in TILT)
    slope = 2 * (hertz.clamp(*TILT).log2() - low) / (high - low) - 1  # -1 to 1
    shelf_low = 1 / (1 + (hertz / LOW_SHELF).square())
    shelf_high = 1 - 1 / (1 + (hertz / HIGH_SHELF).square())
    decibels = _column(treatment.tilt, audio) / 2 * slope
    decibels = decibels + _column(treatment.low, audio) * shelf_low + _column(treatment.high, audio) * shelf_high
    edge = _column(treatment.lowpass, audio)
    passed = torch.where(edge > 0, 1 / (1 + (hertz / edge.clamp(min=1.0)) ** STEEP), 1.0)
    response = (10 ** (decibels / 20) * passed).to(torch.complex64)
    wet = np.nonzero(treatment.wet)[0]
    if len(wet):
        response[torch.from_numpy(wet).to(audio.device)] *= 1 + torch.fft.rfft(
            _reverb(treatment.of(wet), audio.device), size
        )
    filtered: Tensor = torch.fft.irfft(torch.fft.rfft(audio, size) * response, size)
    return filtered[:, :samples]


def _reverb(treatment: Treatment, device: torch.device) -> Tensor:
    """(B, TAIL), noise that dies away, at the level asked for."""
    time = torch.arange(TAIL, device=device)[None] / ENCODER_RATE
    decay = _column(treatment.decay, time)
    tail = _noise(device)[None, :TAIL] * 10 ** (-3 * time / decay)
    return _column(treatment.wet, time) * tail / tail.square().sum(dim=1, keepdim=True).sqrt()
