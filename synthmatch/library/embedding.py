"""Stored notes -> vectors, in batches, behind whatever else goes on."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import TYPE_CHECKING, Self

import numpy as np

from synthmatch.audio import ENCODER_RATE, SILENCE_DB, Clip, Samples
from synthmatch.library.vectors import Embedded, VectorStore
from synthmatch.notes import REFERENCE_NOTES, Performance

if TYPE_CHECKING:
    from synthmatch.networks.encoder import Encoder

BATCH = 16
"""States embedded at a time: a killed run embeds at most two batches again."""

GATHERED = 1_024
"""States in parts before a segment is made of them: whoever opens the library reads its parts into memory, 17 kB a
state, several times over."""

TIMBRE = "timbre"
"""The space that all families share."""


def spaces(encoder: Encoder) -> tuple[str, ...]:
    """The spaces in which an encoder places a preset: one per family, then timbre."""
    return (*encoder.config.families, TIMBRE)


def by_default(encoder: Encoder | None) -> Encoder:
    """That encoder, or the released one if None: what None means wherever an encoder may be named."""
    if encoder is not None:
        return encoder
    from synthmatch.networks.encoder import Encoder

    return Encoder.released()


def embed(encoder: Encoder, ids: Sequence[str], sounds: Sequence[Sequence[Clip]]) -> Embedded:
    """Embed the reference notes of some states.

    A note that is silent (out of the preset's range) says nothing: the loudest note's vectors stand in
    for it, and it doesn't count for the family.

    Args:
        ids: n states.
        sounds: for each of them, one clip per reference note.
    """
    import torch

    heard = [
        np.stack([_fitted(notes[place], performance) for notes in sounds])
        for place, performance in enumerate(REFERENCE_NOTES)
    ]  # per note (n, T)
    with torch.inference_mode():
        notes, families = zip(*(encoder.encode_preset(torch.from_numpy(note)) for note in heard), strict=True)
        presence = torch.stack(families, dim=1).numpy()  # (n, R, F)
        vectors = torch.stack(notes, dim=2).numpy()  # (n, S, R, D)
    peaks = np.stack([np.abs(note).max(axis=1) for note in heard], axis=1)  # (n, R)
    audible = peaks > 10 ** (SILENCE_DB / 20)
    loudest = peaks.argmax(axis=1)
    audible[np.arange(len(ids)), loudest] = True
    source = np.where(audible, np.arange(peaks.shape[1]), loudest[:, None])  # (n, R)
    vectors = np.take_along_axis(vectors, source[:, None, :, None], axis=2)
    mean = (presence * audible[:, :, None]).sum(axis=1) / audible.sum(axis=1, keepdims=True)
    return Embedded(tuple(ids), vectors.astype(np.float16), mean.astype(np.float32))


def _fitted(clip: Clip, performance: Performance) -> Samples:
    """What the encoder hears of a note, in exactly the performance's length: renderers differ by a block's
    rounding, and one batch has one length."""
    length = round(performance.seconds * ENCODER_RATE)
    heard = clip.heard()[:length]
    return np.pad(heard, (0, length - len(heard)))


class Embedder:
    """Embeds what it is given in batches, in a thread of its own, into a store.

    A context manager: leaving it without an error embeds what is left; with one, the batch in hand is
    finished and the rest dropped (their sound is stored; the next run embeds them).

    Args:
        done: called in the caller's thread with the number of states that were just embedded.
        gather: called in the caller's thread whenever ``GATHERED`` states have come as parts; nothing is embedded
            meanwhile.
    """

    def __init__(
        self, encoder: Encoder, store: VectorStore, done: Callable[[int], None], gather: Callable[[], None]
    ) -> None:
        self._encoder = encoder
        self._store = store
        self._done = done
        self._gather = gather
        self._parted = len(store.unsettled)  # by runs that were stopped
        self._waiting: list[tuple[str, Sequence[Clip]]] = []
        self._running: deque[Future[int]] = deque()
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="embed")

    def put(self, state: str, notes: Sequence[Clip]) -> None:
        """Take a state's notes; waits if the encoder is two batches behind."""
        self._waiting.append((state, notes))
        if len(self._waiting) >= BATCH:
            self._submit()
        self._collect(at_most=2)
        if self._parted >= GATHERED:
            self._collect(at_most=0)
            self._gather()
            self._parted = 0

    def _submit(self) -> None:
        batch, self._waiting = self._waiting, []
        if batch:
            self._running.append(self._thread.submit(self._embed, batch))

    def _embed(self, batch: list[tuple[str, Sequence[Clip]]]) -> int:
        ids, sounds = zip(*batch, strict=True)
        self._store.add(embed(self._encoder, ids, sounds))
        return len(batch)

    def _collect(self, at_most: int) -> None:
        while self._running and (len(self._running) > at_most or self._running[0].done()):
            embedded = self._running.popleft().result()
            self._parted += embedded
            self._done(embedded)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._submit()
                self._collect(at_most=0)
        finally:
            self._thread.shutdown(wait=True, cancel_futures=True)
