"""How near a sound comes to a part: what a preset is measured by while it is brought closer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from synthmatch.audio import Clip
from synthmatch.errors import InputError
from synthmatch.sound.spectra import REGIONS, Spectra, hidden_distance, regional_differences, spectral_distance

if TYPE_CHECKING:
    from synthmatch.networks.encoder import Encoder

TIMBRE_DB = 10.0
"""What a cosine of 0 to the part's vector weighs, in dB of spectral distance: presets of one family differ by 5 to
15 dB and by cosines of 0.3 to 0.9, so that neither of the two decides alone."""

_HEARD_DB = 1.5  # a difference in a region that is worth a word

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Distance:
    """How far a sound is from a part.

    Args:
        spectral: mean difference of the spectra in dB (``spectra``).
        timbre: 1 less the cosine of the encoder's vectors, 0 to 2.
    """

    spectral: float
    timbre: float

    @property
    def total(self) -> float:
        """Both in one number, in dB: what is made small."""
        return self.spectral + TIMBRE_DB * self.timbre

    def to_json(self) -> dict[str, float]:
        """All three, rounded."""
        parts = {"total": self.total, "spectral": self.spectral, "timbre": self.timbre}
        return {name: round(value, 4) for name, value in parts.items()}


class Part:
    """A part that sounds are compared with.

    Args:
        clip: its sound, audible; not longer than the encoder hears at a time.
        encoder: what else compares.
        family: of the part; without one sounds are compared by timbre alone.
        alone: whether nothing else sounds in the clip. In a mixture a sound has to show in the spectrum wherever it is
            loud itself, and the encoder listens for the family.

    Raises:
        InputError: a mixture without a family, or one that the encoder doesn't know.
    """

    def __init__(self, clip: Clip, encoder: Encoder, family: str = "", *, alone: bool = True) -> None:
        families = encoder.config.families
        if not family and not alone:
            raise InputError("In a mixture a part is found by its family; name one, or say that the sound is alone.")
        if family and family not in families:
            raise InputError(f"There is no family {family!r}; choose among {', '.join(families)}.")
        self.seconds = clip.seconds
        self.alone = alone
        self._encoder = encoder
        self._space = families.index(family) if family else -1
        self._spectra = Spectra.of(clip)
        self._vector = self._hear(clip)

    def distance(self, clip: Clip) -> Distance:
        """How far a sound is from the part; both begin at the same time."""
        clip = fitted(clip, self.seconds)
        measure = spectral_distance if self.alone else hidden_distance
        spectral = measure(self._spectra, Spectra.of(clip))
        return Distance(spectral, 1.0 - float(self._vector @ self._hear(clip)))

    def regions(self, clip: Clip) -> tuple[tuple[str, float], ...]:
        """By region of the spectrum, how much too loud (above 0) or too soft a sound is, in dB; nothing for a
        mixture, whose other parts nobody can subtract."""
        if not self.alone:
            return ()
        apart = regional_differences(self._spectra, Spectra.of(fitted(clip, self.seconds)))
        return tuple((name, level) for (name, _, _), level in zip(REGIONS, apart, strict=True))

    def _hear(self, clip: Clip) -> Floats:
        import torch

        with torch.inference_mode(), _one_thread():
            vector: Floats = self._encoder.vectors(torch.from_numpy(clip.heard()[None]))[0, self._space].numpy()
        return vector


@contextmanager
def _one_thread() -> Iterator[None]:
    """Leave the other processors to those that render: a clip as short as this is heard as fast by one thread, and
    torch's threads, waiting for each other, would take up to five times as long where all processors are busy."""
    import torch

    count = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(count)


def fitted(clip: Clip, seconds: float) -> Clip:
    """The clip's beginning, followed by silence if it is shorter than ``seconds``."""
    length = round(seconds * clip.sample_rate)
    samples = clip.samples[:, :length]
    return Clip(np.pad(samples, ((0, 0), (0, length - samples.shape[1]))), clip.sample_rate)


def regions_in_words(remaining: Iterable[tuple[str, float]]) -> tuple[str, ...]:
    """What a musician would say of :meth:`Part.regions`; what is hardly heard is left out."""
    heard = ((name, level) for name, level in remaining if abs(level) >= _HEARD_DB)
    return tuple(f"{abs(level):.0f} dB too {'loud' if level > 0 else 'soft'} {name}" for name, level in heard)
