"""Songs hold what they say, whatever is asked for, and the same every time."""

from pathlib import Path

import numpy as np
import pytest

from synthmatch.audio import ENCODER_RATE
from synthmatch.errors import SynthmatchError
from synthmatch.presets.families import FAMILY_KEYS
from synthmatch.training.benchmark.drums import CLOSED, DRUMS, KICK, OPEN, SNARE, Kit, beat, installed_kits, kits_of
from synthmatch.training.benchmark.songs import DISTRACTORS, PARTS, distractor, plan_song, song_queries

THERE = {family: [f"{family} {number}" for number in range(5)] for family in FAMILY_KEYS}
CORE = ("percussion", "bass", "lead")


def clicks(*pitches):
    """A kit whose hits are one sample each, told apart by their height."""
    return Kit("clicks", {pitch: np.array([height], np.float32) for height, pitch in enumerate(pitches, start=1)})


def test_songs_have_one_to_six_parts_of_any_families():
    songs = [plan_song(THERE, number) for number in range(600)]
    assert {len(song.parts) for song in songs} == set(range(PARTS[0], PARTS[1] + 1))
    assert {family for song in songs for family in song.parts} == set(FAMILY_KEYS)
    for song in songs:
        assert all(preset in THERE[family] for family, preset in song.parts.items())


def test_half_of_the_songs_have_drums_and_half_a_distractor_one_whatever_the_other():
    songs = [plan_song(THERE, number) for number in range(400)]
    pairs = [(song.drums, bool(song.distractor)) for song in songs]
    assert {pair: pairs.count(pair) for pair in pairs} == {(a, b): 100 for a in (True, False) for b in (True, False)}
    assert {song.distractor for song in songs} == {"", *DISTRACTORS}


def test_a_song_is_the_same_however_many_there_are_and_another_with_another_seed():
    assert plan_song(THERE, 7) == plan_song(THERE, 7)
    assert [plan_song(THERE, number) for number in range(9)] != [plan_song(THERE, number, 1) for number in range(9)]


def test_what_is_asked_is_what_was_planned(corpus):
    queries = song_queries(corpus, 8, (), CORE)
    there = {family: corpus.ids(family=family) for family in CORE}
    for number in range(8):
        asked = {each.family: each.preset for each in queries.asked if each.query == number}
        assert asked == plan_song(there, number).parts
    assert np.array_equal(queries.sound(3), queries.sound(3))
    assert queries.sound(0).shape == (10 * ENCODER_RATE,)


def test_drums_are_heard_only_where_they_are_planned(corpus):
    kit = clicks(*DRUMS)
    bare, drummed = (song_queries(corpus, 8, kits, CORE) for kits in ((), (kit,)))
    for number in range(8):
        same = np.array_equal(bare.sound(number), drummed.sound(number))
        assert same == (not plan_song({family: corpus.ids(family=family) for family in CORE}, number).drums)


@pytest.mark.parametrize("seed", range(5))
def test_a_beat_has_its_kick_and_snare_on_the_beats(seed):
    tempo = 120.0
    heights = {pitch: 10.0**place for place, pitch in enumerate(DRUMS)}
    kit = Kit("clicks", {pitch: np.array([height], np.float32) for pitch, height in heights.items()})
    sound = beat(np.random.default_rng(seed), kit, tempo, 4.0)
    struck = {int(place): int(sound[place]) for place in np.flatnonzero(sound)}
    sixteenth = 60 / tempo / 4 * ENCODER_RATE
    digits = {KICK: 0, SNARE: 1, CLOSED: 2, OPEN: 3}

    def hits(drum):
        return {round(place / sixteenth) % 16 for place, sum_ in struck.items() if sum_ // 10 ** digits[drum] % 10}

    assert all(place % sixteenth == 0 for place in struck)
    assert {0, 8} <= hits(KICK)
    assert len(hits(KICK)) == 3
    assert hits(SNARE) == {4, 12}
    assert {0, 4, 8} <= hits(CLOSED)
    assert len(hits(OPEN)) <= 1


@pytest.mark.parametrize("kind", DISTRACTORS)
def test_a_distractor_sounds_from_beginning_to_end(kind):
    for seed in range(5):
        sound = distractor(np.random.default_rng(seed), kind, 10.0)
        assert np.abs(sound).max() == pytest.approx(1)
        loud = np.sqrt((sound.reshape(40, -1) ** 2).mean(axis=1))
        assert loud.min() > 0.1 * loud.max()


def test_the_kits_of_debian_s_soundfont_all_have_their_drums():
    try:
        kits = installed_kits()
    except SynthmatchError as error:
        pytest.skip(str(error))
    assert "Standard" in {kit.name for kit in kits}
    for kit in kits:
        assert set(kit.hits) == set(DRUMS)
        assert all(np.abs(hit).max() > 0.01 for hit in kit.hits.values())


def test_a_bank_without_kits_is_refused():
    from synthmatch.presets.faustsynth import factory_bank_path

    with pytest.raises(SynthmatchError, match="holds no drum kit"):
        kits_of(Path(factory_bank_path()))
