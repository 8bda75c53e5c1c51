"""Listens to a song, window by window: which families are in it, and what to look for."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from synthmatch import audio
from synthmatch.audio import ENCODER_RATE, SILENCE_DB, Clip, Samples, require_audible
from synthmatch.errors import AudioError, InputError
from synthmatch.library.choice import EVERYTHING, Choice

if TYPE_CHECKING:
    from synthmatch.networks.encoder import Encoder

WINDOW = 10.0
"""Seconds that the encoder hears at a time."""
STEP = 5.0
"""Seconds from one window's beginning to the next one's."""
BEST = 3
"""Windows whose vectors are averaged: those in which the family is surest to play."""
PRESENT = 0.4
"""Probability from which a family is shown without being asked for: on songs, about as many as there are."""
_CANCELLED = 1e-3  # of a passage's peak, that must be left in mono
_BATCH = 8  # windows encoded at a time

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Query:
    """What to match.

    Args:
        clip: the sound.
        start, end: the passage to listen to, in seconds; to the clip's end if ``end`` is None.
        families: the families asked for; those that are heard, if none is named.
        name: what messages and JSON call it: a path.
        choice: the presets among which matches are looked for.
        begins, ends: the seconds of the song between which the clip lies, where it is no more than a passage of it, in
            which ``start`` and ``end`` lie. All seconds, also of what is found, count from the song's beginning.
        length: of the whole song, in seconds; the clip's if None.
    """

    clip: Clip
    start: float = 0.0
    end: float | None = None
    families: tuple[str, ...] = ()
    name: str = "the clip"
    choice: Choice = EVERYTHING
    begins: float = 0.0
    ends: float | None = None
    length: float | None = None

    @classmethod
    def read(
        cls,
        path: Path | str,
        start: float = 0.0,
        end: float | None = None,
        families: tuple[str, ...] = (),
        choice: Choice = EVERYTHING,
    ) -> Query:
        """A query about a sound file, of which nothing but the passage is decoded.

        Raises:
            AudioError: see :func:`synthmatch.audio.read`.
            InputError: ``start`` and ``end`` don't lie in the file, in that order.
        """
        path, name = Path(path), str(path)
        audio.require_file(path)
        length = audio.measure(path).seconds
        last = _require_inside(name, length, start, end)
        if (start, end) == (0.0, None) or not length:
            return cls(audio.read(path), start, end, families, name, choice)
        clip = audio.read_between(path, start, last)
        return cls(clip, start, end, families, name, choice, start, min(last, length), length)

    @property
    def seconds(self) -> float:
        """The length of the song."""
        return self.clip.seconds if self.length is None else self.length

    def between(self, start: float, end: float) -> Clip:
        """From one second of the song to another, as far as the clip has it: the same samples as of the whole song."""
        rate = self.clip.sample_rate
        first, last = (max(0, round(second * rate) - round(self.begins * rate)) for second in (start, end))
        return Clip(self.clip.samples[:, first:last], rate)

    def passage(self) -> Clip:
        """The part to listen to.

        Raises:
            InputError: ``start`` and ``end`` don't lie in the song, in that order, or not in what was read of it.
            AudioError: it is too short, or silent.
        """
        end = _require_inside(self.name, self.seconds, self.start, self.end)
        self._require_read(min(end, self.seconds))
        passage = self.between(self.start, end)
        whole = passage.seconds == self.seconds
        require_audible(passage, self.name if whole else f"The passage of {self.name}")
        return passage

    def _require_read(self, end: float) -> None:
        """Refuse a passage of which the clip has but a part, or nothing: what is heard is to be what is answered for.

        By what was to be read rather than by the clip's length: some files end before they say.
        """
        if self.ends is not None and not self.begins <= self.start <= end <= self.ends:
            raise InputError(
                f"Of {self.name} the passage from {self.begins} s to {self.ends} s was read, in which the one from"
                f" {self.start} s to {end} s doesn't lie; read the file again, with that passage."
            )


def _require_inside(name: str, seconds: float, start: float, end: float | None) -> float:
    """Where the passage of a song that long ends, which must lie in it; a song of no length has none to check."""
    if math.isfinite(start) and start >= seconds > 0:
        raise InputError(f"{name} ends at {seconds:.2f} s, before the passage at {start} s starts.")
    end = seconds if end is None else end
    if seconds > 0 and not (math.isfinite(end) and 0 <= start < end):
        raise InputError(
            f"The passage from {start} s to {end} s of {name} is empty;"
            " the start must lie before the end, neither below 0."
        )
    return end


@dataclass(frozen=True)
class Heard:
    """What the encoder says about a passage: probabilities and a query vector per family, and the timbre.

    Args:
        families: F keys, in the encoder's order.
        presence: (F,) probabilities. vectors: (F, D). timbre: (D,). All vectors of unit length.
        surest: (F + 1, 2), from when to when each family, and the timbre, was heard most surely; seconds.
    """

    families: tuple[str, ...]
    presence: Floats
    vectors: Floats
    timbre: Floats
    surest: npt.NDArray[np.float64]

    @property
    def present(self) -> tuple[str, ...]:
        """The families that are probably there (presence of at least ``PRESENT``), and always the surest one."""
        shown = {self.families[int(self.presence.argmax())]}
        shown |= {family for family, chance in zip(self.families, self.presence, strict=True) if chance >= PRESENT}
        return tuple(family for family in self.families if family in shown)

    def when(self, query: Query, place: int) -> tuple[float, float]:
        """From when to when a family (or, at -1, the timbre) was heard most surely, in seconds of the query's clip."""
        begin, end = (query.start + self.surest[place]).tolist()
        return begin, end


def hear(encoder: Encoder, query: Query, progress: Callable[[int, int], None] | None = None) -> Heard:
    """Listen to a query's passage.

    Args:
        progress: called with (done, total) windows.

    Raises:
        AudioError, InputError: see :meth:`Query.passage`.
    """
    import torch

    passage = query.passage()
    sound = passage.heard()
    if np.abs(sound).max() < _CANCELLED * passage.peak:
        raise AudioError(
            f"The channels of {query.name} cancel each other out, and songs are heard in mono;"
            " give a file with one of them alone."
        )
    places = window_places(sound)
    vectors, logits, levels = [], [], []
    with torch.inference_mode():
        for first in range(0, len(places), _BATCH):
            cut = _cut(sound, places[first : first + _BATCH])
            batch_vectors, batch_logits = encoder.embed(torch.from_numpy(cut))
            vectors.append(batch_vectors)
            logits.append(batch_logits)
            levels.append(np.sqrt((cut**2).mean(axis=1)))  # timbre has no presence: louder windows count more
            if progress is not None:
                progress(first + len(cut), len(places))
        every = torch.cat(vectors).numpy()  # (W, F + 1, D)
        said = torch.cat(logits)  # (W, F)
        presence = said.sigmoid().numpy()
    weights = np.concatenate([presence, np.concatenate(levels)[:, None]], axis=1)
    pooled = pool_windows(every, weights)
    begins = np.array(places)[weights.argmax(axis=0)]
    surest = np.stack([begins, begins + cut.shape[1]], axis=1) / ENCODER_RATE  # all windows are of one length
    whole = torch.from_numpy(song_presence(said.numpy())).sigmoid().numpy()
    return Heard(encoder.config.families, whole, pooled[:-1], pooled[-1], surest)


def song_presence(logits: Floats) -> Floats:
    """What is said of a whole song: the log-odds that a family plays anywhere in it.

    Its odds are the mean of its windows' odds. The surest window's would grow with every further window that might be
    wrong: of songs of a minute, as many families again as there are would be taken for heard (``bench/longsongs.py``).

    Args:
        logits: (W, F), of its windows.

    Returns:
        (F,); of a single window, what is said of that.
    """
    surest = logits.max(axis=0)
    mean: Floats = surest + np.log(np.exp(logits - surest).mean(axis=0))
    return mean


def windows(heard: Samples) -> Samples:
    """Cut what the encoder hears into windows.

    Args:
        heard: (n,) at ``ENCODER_RATE``, not silent.

    Returns:
        (W, ``WINDOW`` seconds), every ``STEP`` seconds, the last one aligned to the end and the silent ones
        left out; or (1, n) if the sound is no longer than one window.
    """
    return _cut(heard, window_places(heard))


def window_places(heard: Samples) -> list[int]:
    """The samples at which the windows of :func:`windows` begin, W of them."""
    length, step = round(WINDOW * ENCODER_RATE), round(STEP * ENCODER_RATE)
    if len(heard) <= length:
        return [0]
    starts = [*range(0, len(heard) - length, step), len(heard) - length]
    peaks = [float(np.abs(heard[start : start + length]).max()) for start in starts]
    audible = [start for start, peak in zip(starts, peaks, strict=True) if peak >= 10 ** (SILENCE_DB / 20)]
    # Mono and resampled, a passage that just passed for audible may fall below: its loudest window stays.
    return audible or [starts[int(np.argmax(peaks))]]


def _cut(heard: Samples, places: Sequence[int]) -> Samples:
    length = min(len(heard), round(WINDOW * ENCODER_RATE))
    return np.stack([heard[start : start + length] for start in places])


def pool_windows(vectors: Floats, weights: Floats) -> Floats:
    """One query vector per space: the weighted mean of its ``BEST`` surest windows, of unit length.

    Args:
        vectors: (W, S, D) of unit length.
        weights: (W, S), at least 0.

    Returns:
        (S, D).
    """
    best = np.argsort(-weights, axis=0, kind="stable")[:BEST]  # (W', S)
    chosen = np.take_along_axis(vectors, best[:, :, None], axis=0)
    share = np.take_along_axis(weights, best, axis=0) + np.float32(1e-9)
    mean = (chosen * share[:, :, None]).sum(axis=0) / share.sum(axis=0)[:, None]
    length = np.linalg.norm(mean, axis=-1, keepdims=True)
    # Windows that cancel out leave no direction: the surest one then speaks alone.
    pooled: Floats = np.where(length > 1e-3, mean / np.maximum(length, 1e-3), chosen[0]).astype(np.float32)
    return pooled
