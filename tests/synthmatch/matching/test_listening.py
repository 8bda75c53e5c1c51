"""What is said of a whole song, made of what is said of its windows; and of a passage, as it lies in its song."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from synthmatch import audio
from synthmatch.audio import ENCODER_RATE, Clip
from synthmatch.errors import AudioError, InputError
from synthmatch.library.library import Library
from synthmatch.matching.listening import PRESENT, STEP, WINDOW, Heard, Query, hear, song_presence, windows
from synthmatch.matching.matcher import Matcher
from synthmatch.networks.encoder import Encoder


def test_the_odds_of_a_song_are_the_mean_of_its_windows_odds() -> None:
    said = np.random.default_rng(0).normal(-1, 3, (7, 3)).astype(np.float32)
    for family, found in enumerate(song_presence(said)):
        odds = [math.exp(value) for value in said[:, family]]
        assert found == pytest.approx(math.log(sum(odds) / len(odds)), abs=1e-5)


def test_a_song_that_goes_on_as_it_is_becomes_no_surer() -> None:
    said = np.array([[3.0, -4.0, 0.5]], np.float32)
    for count in (1, 2, 40):
        assert song_presence(np.repeat(said, count, axis=0)) == pytest.approx(said[0], abs=1e-5)


def test_what_plays_once_is_there_in_a_long_song_and_what_is_doubtful_everywhere_stays_doubtful() -> None:
    said = np.full((20, 2), -3.0, np.float32)
    said[4, 0] = 6.0
    said[:, 1] = -0.5
    once, doubtful = 1 / (1 + np.exp(-song_presence(said)))
    assert doubtful < PRESENT < 0.9 < once


BELOW, ABOVE = np.nextafter(np.float32(PRESENT), np.array([0, 1], np.float32))


@pytest.mark.parametrize(
    ("presence", "present"),
    [
        ((BELOW, ABOVE, 0.0, 1.0), ("bass", "pad")),
        ((ABOVE, BELOW, ABOVE, ABOVE), ("percussion", "lead", "pad")),  # in the encoder's order, not the surest first
        ((0.0, PRESENT, 0.0, PRESENT), ("bass", "pad")),  # at it
        ((0.1, BELOW, 0.3, 0.0), ("bass",)),  # none, and the surest is shown
        ((0.0, 0.0, 0.0, 1e-6), ("pad",)),
    ],
)
def test_present_is_what_is_at_least_probable_and_always_the_surest(
    presence: tuple[float, ...], present: tuple[str, ...]
) -> None:
    vectors = np.zeros((4, 2), np.float32)
    said = np.array(presence, np.float32)
    heard = Heard(("percussion", "bass", "lead", "pad"), said, vectors, vectors[0], np.zeros((5, 2)))
    assert heard.present == present


def test_odds_beyond_all_numbers_are_no_trouble() -> None:
    said = np.array([[2000.0, -2000.0], [-2000.0, -2000.0]], np.float32)
    assert song_presence(said) == pytest.approx([2000 - math.log(2), -2000])


def test_a_songs_windows_are_heard_like_this(encoder: Encoder) -> None:
    rng = np.random.default_rng(1)
    sound = rng.normal(0, 0.1, round(ENCODER_RATE * (WINDOW + 2 * STEP))).astype(np.float32)
    sound[: ENCODER_RATE * 10] *= np.sin(np.arange(ENCODER_RATE * 10) / 9).astype(np.float32)
    heard = hear(encoder, Query(Clip(sound[None], ENCODER_RATE)))
    with torch.inference_mode():
        said = encoder.embed(torch.from_numpy(windows(sound)))[1].numpy()
    assert len(said) == 3
    assert np.ptp(said, axis=0).max() > 1e-3  # or the mean would be any of them
    assert heard.presence == pytest.approx(1 / (1 + np.exp(-song_presence(said))), abs=1e-5)


@pytest.mark.parametrize(("start", "end"), [(3.3337, 21.01), (0.0, 12.5), (7.5, None), (2.0, 60.0)])
def test_a_passage_that_is_read_alone_is_answered_as_in_its_song(
    library: Library, encoder: Encoder, tmp_path: Path, start: float, end: float | None
) -> None:
    joined = np.concatenate([library.preview(each.id).samples for each in library.presets()], axis=1)
    path = tmp_path / "song.wav"
    audio.write(path, Clip(joined[:, : 25 * 44_100 + 7], 44_100))
    whole = Query(audio.read(path), start, end, ("bass", "lead"), str(path))
    alone = Query.read(path, start, end, ("bass", "lead"))
    assert alone.clip.seconds < whole.clip.seconds
    assert alone.seconds == whole.seconds
    matcher = Matcher(library, encoder)
    result = matcher.match(alone)
    assert result == matcher.match(whole)
    assert result == matcher.match(path, families=("bass", "lead"), start=start, end=end)
    first, last = result.stretch(5.0)
    assert (alone.between(first, last).samples == whole.between(first, last).samples).all()
    assert alone.between(first, last).seconds == pytest.approx(5.0, abs=1e-4)


def test_a_query_that_holds_a_passage_answers_for_no_other(library: Library, encoder: Encoder, tmp_path: Path) -> None:
    joined = np.concatenate([library.preview(each.id).samples for each in library.presets()], axis=1)
    path = tmp_path / "song.wav"
    audio.write(path, Clip(joined[:, : 25 * 44_100 + 7], 44_100))
    matcher = Matcher(library, encoder)
    alone, whole = Query.read(path, 10.0, 20.0), Query(audio.read(path), name=str(path))
    for start, end in ((15.0, 24.0), (22.0, 24.0), (5.0, 15.0), (9.99, None), (10.0, 20.01), (12.0, 60.0), (2.0, 4.0)):
        with pytest.raises(InputError, match=r"song\.wav the passage from 10\.0 s to 20\.0 s was read.*again"):
            matcher.match(alone, start=start, end=end)
    for start, end in ((10.0, 20.0), (12.3337, 20.0), (10.0, 15.01), (11.0, None)):
        asked = 20.0 if end is None else end
        assert matcher.match(alone, start=start, end=end) == matcher.match(whole, start=start, end=asked)
    rest = Query.read(path, 10.0)  # to the song's end, wherever one says that this is
    assert matcher.match(rest, end=60.0) == matcher.match(whole, start=10.0)


def test_a_passage_that_cannot_be_read_alone_is_refused_as_in_its_song(tmp_path: Path) -> None:
    path = tmp_path / "song.wav"
    audio.write(path, Clip(np.zeros((1, 3 * 8000), np.float32), 8000))
    for start, end in ((3.0, None), (5.0, 6.0), (2.0, 1.0), (-1.0, 1.0), (float("nan"), 1.0), (0.0, float("inf"))):
        with pytest.raises(InputError, match=r"song\.wav") as whole:
            Query(audio.read(path), start, end, name=str(path)).passage()
        with pytest.raises(InputError) as alone:
            Query.read(path, start, end)
        assert str(alone.value) == str(whole.value)
    with pytest.raises(AudioError, match=r"^The passage of .*song\.wav is silent"):
        Query.read(path, 0.0, 2.0).passage()
    with pytest.raises(AudioError, match=r"none\.wav isn't there"):
        Query.read(tmp_path / "none.wav", 1.0)
