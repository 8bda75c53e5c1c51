"""Songs hold what they say, whatever is asked for, and the same every time."""

import numpy as np

from synthmatch.audio import ENCODER_RATE
from synthmatch.presets.families import FAMILY_KEYS
from synthmatch.training.benchmark.songs import PARTS, plan_song, song_queries
from synthmatch.training.mixing.distractors import DISTRACTORS
from synthmatch.training.recorded.drums import DRUMS, Kit

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
