"""What was found, playing the song's notes: really rendered by the built-in synth."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from synthmatch import audio
from synthmatch.audio import Clip
from synthmatch.library.library import Library
from synthmatch.matching.auditions import LOUDNESS, RATE, Auditions, at_one_loudness, audition, match_and_play
from synthmatch.matching.listening import Query
from synthmatch.matching.matcher import Matcher
from synthmatch.matching.parts import LONGEST, Part
from synthmatch.matching.rerank import rerank
from synthmatch.midi import read_midi
from synthmatch.networks.encoder import Encoder
from synthmatch.notes import Note, Performance
from synthmatch.pages.matchpage import match_page
from synthmatch.renderers.pool import RenderPool
from synthmatch.renderers.renderer import RenderJob, RenderSettings
from synthmatch.sound import loudness

NOTES = Performance((Note(0.0, 40, 100, 0.5), Note(0.5, 47, 100, 0.5)), tail=1.0)
FAMILIES = ("bass", "pad")


@pytest.fixture
def matcher(library: Library, encoder: Encoder) -> Matcher:
    return Matcher(library, encoder)


@pytest.fixture
def query(library: Library) -> Query:
    return Query(library.preview(library.presets()[0].id).between(0, 2), families=FAMILIES, name="song.wav")


@pytest.fixture
def parts() -> dict[str, Part]:
    return {"bass": Part(NOTES, "Your notes."), "pad": Part(None, "Nobody knows.")}


def test_each_match_plays_its_parts_notes(
    library: Library, matcher: Matcher, query: Query, parts: dict[str, Part], pool: RenderPool
) -> None:
    """The same sound as its preset's own on these notes, at one loudness with all others."""
    result = matcher.match(query, k=3)
    seen: list[tuple[int, int]] = []
    heard = audition(library, result, parts, pool, lambda *far: seen.append(far))
    basses = result.family("bass")
    assert set(heard.played) == {("bass", match.preset.id) for match in basses}
    assert seen[-1] == (len(basses), len(basses))
    for match in basses:
        clip = heard.of("bass", match).clip
        assert clip is not None
        assert clip.seconds == pytest.approx(NOTES.seconds, abs=0.01)
        job = RenderJob(library.preset(match.preset).state, (NOTES,), RenderSettings(sample_rate=RATE))
        (own,) = pool.render([job])
        assert np.allclose(own.clips[0].samples / own.clips[0].peak, clip.samples / clip.peak, atol=1e-5)
        if loudness.is_installed() and clip.peak < 0.97:
            assert loudness.integrated(clip) == pytest.approx(LOUDNESS, abs=0.1)


def test_a_preset_that_fails_costs_its_own_phrase(
    library: Library, matcher: Matcher, query: Query, parts: dict[str, Part], pool: RenderPool
) -> None:
    result = matcher.match(query, k=3)
    lost, *others = result.family("bass")
    for file in (library.path / "files").rglob(f"{lost.preset.id}*"):
        file.unlink()
    heard = audition(library, result, parts, pool)
    assert heard.of("bass", lost).clip is None
    assert heard.failures == [heard.of("bass", lost).reason]
    assert all(heard.of("bass", match).clip is not None for match in others)
    bass = next(each for each in match_page(library, query, result, heard).passages[0].sections if each.title == "Bass")
    assert heard.failures[0] in bass.matches[0].preset.note
    assert bass.matches[0].preset.sound is not None  # its reference notes
    assert [card.preset.note for card in bass.matches[1:]] == [match.preset.note for match in others]


def test_the_page_says_where_notes_come_from(
    library: Library, matcher: Matcher, query: Query, parts: dict[str, Part], pool: RenderPool
) -> None:
    result = matcher.match(query, k=2)
    page = match_page(library, query, result, audition(library, result, parts, pool))
    notes = {section.title: section.note for section in page.passages[0].sections}
    assert notes["Bass"] == "Your notes."
    assert notes["Pad"].startswith("Nobody knows.")
    assert "five reference notes" in notes["Pad"]
    plain = match_page(library, query, result)
    assert {section.note for section in plain.passages[0].sections} == {""}
    silent = Auditions(dict.fromkeys(parts, Part(None, "Nobody knows.")), {})
    once = match_page(library, query, result, silent)
    assert "Nobody knows. Each preset plays" in once.intro  # for all of them, and of each nothing more
    assert {section.note for section in once.passages[0].sections} == {""}


def test_sound_and_notes_stand_beside_the_exported_files(
    library: Library, matcher: Matcher, query: Query, parts: dict[str, Part], pool: RenderPool, tmp_path: Path
) -> None:
    heard = audition(library, matcher.match(query, k=2), parts, pool)
    result = matcher.export(matcher.match(query, k=2), tmp_path / "found", more=heard.writer("wav"))
    for match in result.family("bass"):
        folder = match.files[0].parent
        assert {"phrase.wav", "phrase.mid"} <= {file.name for file in match.files}
        assert audio.read(folder / "phrase.wav").seconds == pytest.approx(NOTES.seconds, abs=0.01)
        assert [note.pitch for note in read_midi(folder / "phrase.mid").notes] == [40, 47]
        assert json.loads((folder / "parameters.json").read_text())["id"] == match.preset.id
    assert not [file for match in result.family("pad") for file in match.files if file.name.startswith("phrase")]


def test_what_plays_the_song_rises_when_compared_with_it(library: Library, matcher: Matcher, pool: RenderPool) -> None:
    """Each bass in turn is the song: among the others on the same notes it stands no lower than before, and all of them
    stand as what they play puts them. Two octaves up, where this encoder takes each for the same one."""
    high = replace(NOTES, notes=tuple(replace(note, pitch=note.pitch + 24) for note in NOTES.notes))
    count, risen = len(library), 0
    for played in [each for each in library.presets() if "bass" in each.families][:3]:
        job = RenderJob(library.preset(played).state, (high,), RenderSettings(sample_rate=RATE))
        (song,) = pool.render([job])
        query = Query(song.clips[0], families=("bass",))
        plain = matcher.match(query, k=count)
        result, auditions = match_and_play(
            matcher, query, count, first=count, estimate=lambda _: {"bass": high.notes}, pool=pool
        )
        passage = query.clip.between(*plain.stretch(LONGEST))
        assert result == rerank(plain, passage, {key: each.clip for key, each in auditions.played.items()}, count)
        before, after = ([match.preset.id for match in each.family("bass")] for each in (plain, result))
        assert after.index(played.id) <= before.index(played.id)
        risen += after.index(played.id) < before.index(played.id)
    assert risen


def test_silence_stays_silent() -> None:
    silence = Clip(np.zeros((1, RATE), np.float32), RATE)
    assert at_one_loudness(silence).peak == 0
    assert Auditions({}, {}).failures == []
