"""Sound in memory and in files: the only module that knows soundfile and soxr."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from synthmatch.errors import AudioError

if TYPE_CHECKING:
    import soundfile

Samples = npt.NDArray[np.float32]

ENCODER_RATE = 16_000
"""Samples a second that the encoder hears."""

SHORTEST_QUERY = 0.25
"""Seconds below which nothing can be said about a sound."""

SILENCE_DB = -70.0
"""Peak level, in dB of full scale, below which a sound counts as silent."""

_ENDLESS = 2**63 - 1  # the frames that libsndfile tells of a file that says none
_PART = 65_536  # samples read or written at a time
_SUBTYPES = {".flac": "PCM_24", ".wav": "FLOAT", ".ogg": "VORBIS", ".mp3": "MPEG_LAYER_III"}
_FASTEST_VORBIS = 200_000  # samples a second; asked for more, libsndfile ends the process
# What soundfile raises of a file that isn't sound. Its own errors are RuntimeErrors; a TypeError says that a file whose
# name ends in .raw has no sample rate.
_UNREADABLE = (OSError, RuntimeError, TypeError)


@dataclass(frozen=True, slots=True, eq=False)
class Clip:
    """A stretch of sound.

    Args:
        samples: float32, shape (channels, n), full scale at 1.
        sample_rate: samples a second.
    """

    samples: Samples
    sample_rate: int

    def __post_init__(self) -> None:
        if self.samples.ndim != 2:
            raise AudioError(f"A clip needs samples of shape (channels, n), not {self.samples.shape}.")
        if self.sample_rate <= 0:
            raise AudioError(f"A clip's sample rate is {self.sample_rate}; it must be above 0.")
        if self.samples.dtype != np.float32:
            object.__setattr__(self, "samples", self.samples.astype(np.float32))

    @property
    def seconds(self) -> float:
        """Length in seconds."""
        return float(self.samples.shape[1] / self.sample_rate)

    @property
    def peak(self) -> float:
        """Largest absolute sample; 0 for an empty clip, NaN if any sample is NaN."""
        # Not the largest of np.abs: that would copy all samples first.
        return max(float(self.samples.max()), -float(self.samples.min())) if self.samples.size else 0.0

    def mono(self) -> Samples:
        """The mean of the channels, shape (n,)."""
        mean: Samples = self.samples.mean(axis=0, dtype=np.float32)
        return mean

    def resampled(self, sample_rate: int) -> Clip:
        """The same sound at another rate (soxr, high quality)."""
        if sample_rate == self.sample_rate:
            return self
        import soxr

        frames = soxr.resample(np.ascontiguousarray(self.samples.T), self.sample_rate, sample_rate)
        return Clip(np.ascontiguousarray(frames.T, dtype=np.float32), sample_rate)

    def between(self, start: float, end: float | None = None) -> Clip:
        """The part from ``start`` to ``end`` seconds (to the clip's end if ``end`` is None or beyond it)."""
        first = round(start * self.sample_rate)
        last = self.samples.shape[1] if end is None else round(end * self.sample_rate)
        return Clip(self.samples[:, first:last], self.sample_rate)

    def scaled(self, gain: float) -> Clip:
        """Every sample times ``gain``."""
        return Clip(self.samples * np.float32(gain), self.sample_rate)

    def heard(self) -> Samples:
        """What the encoder hears: mono, shape (n,), at ``ENCODER_RATE``."""
        heard: Samples = Clip(self.mono()[None], self.sample_rate).resampled(ENCODER_RATE).samples[0]
        return heard


def decibels(level: float) -> float:
    """An amplitude as dB of full scale; -inf for 0."""
    return 20 * math.log10(level) if level > 0 else -math.inf


@dataclass(frozen=True)
class Size:
    """How much sound a file says it holds.

    Args:
        frames: samples per channel.
    """

    frames: int
    channels: int
    sample_rate: int

    @property
    def seconds(self) -> float:
        """Length in seconds."""
        return self.frames / self.sample_rate


def measure(path: Path | str) -> Size:
    """How much sound a file holds, without decoding it.

    Raises:
        AudioError: the file is missing, not sound, or doesn't say how long it is.
    """
    import soundfile

    try:
        info = soundfile.info(path)
    except _UNREADABLE as error:
        raise AudioError(f"{path} can't be read as sound; give a WAV, FLAC, MP3 or OGG file.") from error
    _require_end(path, int(info.frames))
    return Size(int(info.frames), int(info.channels), int(info.samplerate))


def _require_end(path: Path | str, frames: int) -> None:
    """Refuse a file that doesn't say how long it is: soundfile would want room for everything."""
    if frames >= _ENDLESS:
        raise AudioError(f"{path} doesn't say how long it is, as a FLAC that was written into a pipe; export it again.")


def read(path: Path | str) -> Clip:
    """Read a sound file (WAV, FLAC, MP3, OGG, AIFF, ...), any rate and number of channels.

    Raises:
        AudioError: the file is missing, a folder, a pipe, empty, not sound, damaged, or more than fits into memory;
            doesn't say how long it is, or holds samples that aren't finite; or its path is no text, such as a name in
            the letters of an old system.
    """
    path = Path(path)
    require_file(path)
    return _decoded(path, 0.0, math.inf)


def require_file(path: Path) -> None:
    """Refuse what is no sound file at first sight, before it is opened.

    Raises:
        AudioError: it is missing, a folder, a pipe, or empty, or its path is no text.
    """
    try:
        str(path).encode()
    except UnicodeEncodeError as error:  # neither libsndfile nor a page or JSON that names it would take that
        shown = str(path).encode(errors="replace").decode()
        raise AudioError(f"{shown} has letters in its path that aren't Unicode; rename it.") from error
    if not path.exists():
        raise AudioError(f"{path} isn't there; name a sound file that exists.")
    if path.is_dir():
        raise AudioError(f"{path} is a folder; name a sound file.")
    if not path.is_file():  # libsndfile goes back and forth in a file; what comes out of a pipe comes once
        raise AudioError(f"{path} is a device or a pipe; name a sound file.")
    if path.stat().st_size == 0:
        raise AudioError(f"{path} is empty (0 bytes); export it again.")


def read_between(path: Path, start: float, end: float) -> Clip:
    """What a sound file holds from one second to another, without decoding the rest: as ``read(path).between``.

    Raises:
        AudioError: the file is missing, not sound, or is damaged or holds samples that aren't finite there.
    """
    return _decoded(path, start, end)


def _decoded(path: Path, start: float, end: float) -> Clip:
    import soundfile

    try:
        with soundfile.SoundFile(path) as file:
            _require_end(path, file.frames)
            rate = int(file.samplerate)
            first, last = (round(min(second * rate, file.frames)) for second in (start, end))
            file.seek(first)
            return Clip(_samples(path, file, max(0, last - first)), rate)
    except _UNREADABLE as error:
        raise AudioError(f"{path} can't be read as sound; give a WAV, FLAC, MP3 or OGG file.") from error


def _samples(path: Path, file: soundfile.SoundFile, length: int) -> Samples:
    """What comes next in an open file, shape (channels, n): n is ``length``, or less where the file ends before."""
    rate, advice = file.samplerate, "export it again, or name a passage of it"
    try:
        samples = np.empty((file.channels, length), np.float32)
    except (MemoryError, ValueError) as error:  # a song of days, or more likely a header that isn't true
        lasts = f"lasts {length / rate / 3600:.1f} hours, which don't fit into memory"
        raise AudioError(f"{path} says that it {lasts}; {advice}.", remedy="passage") from error
    count = 0
    while count < length:
        # In parts, so that an hour of sound isn't held twice, once a row per channel and once a row per moment.
        try:
            part = file.read(min(_PART, length - count), dtype="float32", always_2d=True)
        except RuntimeError as error:
            raise AudioError(f"{path} is damaged after {count / rate:.0f} s; {advice}.", remedy="passage") from error
        if not len(part):
            return samples[:, :count].copy()
        if not np.isfinite(part).all():
            raise AudioError(f"{path} holds samples that are not numbers (NaN or infinite); export it again.")
        samples[:, count : count + len(part)] = part.T
        count += len(part)
    return samples


def write(path: Path, clip: Clip, subtype: str | None = None) -> None:
    """Write a clip, wholly or not at all; the suffix chooses the format (.wav, .flac, .ogg, .mp3).

    Args:
        subtype: soundfile's name of a sample format; by default 24 bits for FLAC, 32-bit float for WAV.

    Raises:
        AudioError: the format doesn't take the clip's sample rate.
        OSError: the file can't be written: the disk is full, say.
    """
    import soundfile

    from synthmatch.files import atomic_path

    suffix = path.suffix.lower()
    require_rate(suffix, clip.sample_rate)  # before: of a rate, FLAC's encoder complains as it does of a full disk
    subtype = subtype or _SUBTYPES.get(suffix)
    channels, count = clip.samples.shape
    try:
        with (
            atomic_path(path) as temporary,
            soundfile.SoundFile(temporary, "w", clip.sample_rate, channels, subtype=subtype) as file,
        ):
            for first in range(0, count, _PART):  # libsndfile's Vorbis overflows the stack on minutes at once
                file.write(clip.samples[:, first : first + _PART].T)
    except (soundfile.LibsndfileError, AssertionError) as error:  # it asserts that all was written
        raise OSError(f"{path} can't be written ({error}); see whether the disk is full.") from error


def require_rate(suffix: str, sample_rate: int) -> None:
    """Make sure that files with a suffix can have a sample rate: FLAC, for one, takes none above 65,535 Hz that isn't a
    multiple of 10.

    Args:
        suffix: as of :func:`write`, in small letters; any other passes.

    Raises:
        AudioError: they can't.
    """
    if suffix in _SUBTYPES and not _takes(suffix, sample_rate):
        other = "" if suffix == ".wav" else ", or write a .wav file"
        raise AudioError(
            f"A {suffix} file can't have a sample rate of {sample_rate} Hz; choose one that is common, such as 44100 or"
            f" 48000{other}."
        )


@lru_cache
def _takes(suffix: str, sample_rate: int) -> bool:
    """Whether libsndfile writes a format at a rate: it is tried in memory, where no disk can be to blame."""
    import io

    import soundfile

    if suffix == ".ogg" and sample_rate > _FASTEST_VORBIS:
        return False
    silence = np.zeros((1, 1), np.float32)
    try:
        soundfile.write(io.BytesIO(), silence, sample_rate, _SUBTYPES[suffix], format=suffix[1:].upper())
    except soundfile.LibsndfileError:
        return False
    return True


def mp3(clip: Clip, kilobits: int = 96) -> bytes:
    """Compress a clip to an MP3 file in memory, at a constant rate, so that its size is known beforehand.

    Args:
        clip: one or two channels; rates other than 32, 44.1 and 48 kHz are resampled to 44.1 kHz.
        kilobits: thousands of bits a second, one of ``MP3_KILOBITS``.

    Returns:
        A file that decodes to the clip's exact length.
    """
    import io

    import soundfile

    clip = clip if clip.sample_rate in (32_000, 44_100, 48_000) else clip.resampled(44_100)
    file = io.BytesIO()
    # libsndfile counts from 320 kbit/s (level 0) down towards 32 kbit/s (level 1) and takes the nearest rate.
    soundfile.write(
        file,
        clip.samples.T,
        clip.sample_rate,
        format="MP3",
        subtype="MPEG_LAYER_III",
        bitrate_mode="CONSTANT",
        compression_level=(320 - kilobits) / (320 - 32),
    )
    return file.getvalue()


def flac(clip: Clip) -> bytes:
    """Compress a clip to a FLAC file in memory, at 16 bits: thirty times as quickly as :func:`mp3`, for whoever waits.

    Args:
        clip: peaks beyond full scale are cut off.
    """
    import io

    import soundfile

    file = io.BytesIO()
    soundfile.write(file, clip.samples.T, clip.sample_rate, format="FLAC", subtype="PCM_16")
    return file.getvalue()


MP3_KILOBITS = (64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
"""The constant rates that ``mp3`` can write; below 64 the encoder lowers the sample rate and adds silence."""


def require_audible(clip: Clip, name: str) -> None:
    """Refuse a query that nothing can be said about.

    Raises:
        AudioError: shorter than ``SHORTEST_QUERY``, or silent; ``name`` says which sound in the message.
    """
    if clip.seconds < SHORTEST_QUERY:
        raise AudioError(
            f"{name} holds {clip.seconds:.2f} s of sound; at least {SHORTEST_QUERY} s are needed to match it."
        )
    if decibels(clip.peak) < SILENCE_DB:
        raise AudioError(f"{name} is silent (peak below {SILENCE_DB:.0f} dB); choose a passage that sounds.")
