"""From a sound to matches, JSON and folders."""

from __future__ import annotations

import json
import tempfile
from copy import deepcopy
from pathlib import Path

import numpy as np
import pytest
import torch

from synthmatch import audio
from synthmatch.audio import ENCODER_RATE, Clip
from synthmatch.errors import AudioError, EncoderMismatch, InputError, LibraryError
from synthmatch.library.library import Library
from synthmatch.matching.listening import PRESENT, Query, pool_windows, windows
from synthmatch.matching.matcher import Matcher
from synthmatch.matching.results import FamilyMatches, MatchResult
from synthmatch.networks.encoder import Encoder
from synthmatch.presets.bank import PresetBank
from synthmatch.presets.families import FAMILY_KEYS


@pytest.fixture
def matcher(library: Library, encoder: Encoder) -> Matcher:
    return Matcher(library, encoder)


def song(library: Library, seconds: float = 10.0, rate: int = 44_100) -> Clip:
    """Previews one after the other, cut to a length."""
    joined = np.concatenate([library.preview(each.id).samples for each in library.presets()], axis=1)
    return Clip(joined, 44_100).between(0, seconds).resampled(rate)


def test_a_presets_own_note_finds_it_first(matcher: Matcher, library: Library) -> None:
    for listing in library.presets():
        note = library.sound(listing.id)[2]
        best = matcher.match(note, single=True).family("any")[0]
        assert best.preset.id == listing.id
        assert best.score == pytest.approx(1, abs=5e-3)  # stored at 16 bits, in float16
        for family in listing.families:
            matches = matcher.match(note, k=9, families=[family], single=True).family(family)
            assert matches[0].preset.id == listing.id
            assert all(family in match.preset.families for match in matches)
            assert [match.rank for match in matches] == list(range(1, len(matches) + 1))
            scores = [match.score for match in matches]
            assert scores == sorted(scores, reverse=True)


def test_channels_that_cancel_out_are_refused(matcher: Matcher, library: Library) -> None:
    left = song(library).mono()
    with pytest.raises(AudioError, match=r"wide\.wav cancel each other out, and songs are heard in mono; give a file"):
        matcher.match(Query(Clip(np.stack([left, -left]), 44_100), name="wide.wav"))
    assert len(matcher.match(Clip(np.stack([left, -0.9 * left]), 44_100)))


def test_matches_are_the_largest_cosines(matcher: Matcher, library: Library, encoder: Encoder) -> None:
    clip = song(library, 8.0)
    with torch.inference_mode():
        vectors, logits = encoder.encode_query(torch.from_numpy(clip.heard()[None]))
    result = matcher.match(clip, k=3, families=FAMILY_KEYS)
    assert {each.family for each in result} == set(FAMILY_KEYS)
    presences = [each.presence for each in result]
    assert presences == sorted(presences, reverse=True)
    for place, family in enumerate(FAMILY_KEYS):
        query = vectors[0, place].numpy()
        scores = {}
        for listing in library.presets():
            if family in listing.families:
                stored = library.vectors.space(family)[library.vectors.rows[listing.id]].astype(np.float32)
                scores[listing.id] = max(float(note @ query) for note in stored)
        found = result.family(family)
        assert found.presence == pytest.approx(float(logits[0, place].sigmoid()), abs=1e-5)
        assert [match.preset.id for match in found] == sorted(scores, key=lambda state: -scores[state])[:3]
        for match in found:
            assert match.score == pytest.approx(scores[match.preset.id], abs=1e-5)


def test_shown_are_the_present_families_and_always_the_first(matcher: Matcher, library: Library) -> None:
    clip = song(library)
    presence = {each.family: each.presence for each in matcher.match(clip, families=FAMILY_KEYS)}
    shown = [each.family for each in matcher.match(clip)]
    surest = max(presence, key=lambda family: presence[family])
    assert set(shown) == {family for family, chance in presence.items() if chance >= PRESENT} | {surest}
    assert shown[0] == surest


def test_windows_cover_the_sound_and_skip_silence() -> None:
    second = ENCODER_RATE
    ramp = np.arange(1, 23 * second + 1, dtype=np.float32)
    cut = windows(ramp)
    assert cut.shape == (4, 10 * second)
    assert [int(row[0]) - 1 for row in cut] == [0, 5 * second, 10 * second, 13 * second]
    assert cut[-1, -1] == ramp[-1]
    assert windows(ramp[: 10 * second]).shape == (1, 10 * second)
    assert windows(ramp[: 3 * second]).shape == (1, 3 * second)
    half = np.where(np.arange(40 * second) < 9 * second, np.float32(0.5), np.float32(0))
    assert [len(windows(half)), len(windows(half[::-1].copy()))] == [2, 2]


def test_a_family_says_where_it_was_heard_most_surely(matcher: Matcher, library: Library) -> None:
    """Sound in the middle of a long silence is where everything is surest, counted from the song's beginning."""
    clip = song(library, 4.0)
    silence = np.zeros((clip.samples.shape[0], 30 * clip.sample_rate), np.float32)
    late = Clip(np.concatenate([silence, clip.samples, silence], axis=1), clip.sample_rate)
    for start in (0.0, 12.0):
        for found in matcher.match(late, families=["bass", "lead"], start=start):
            begin, end = found.surest
            assert end - begin == pytest.approx(10.0)
            assert begin < 34.0
            assert end > 30.0
    (whole,) = matcher.match(clip, single=True)
    assert whole.surest == pytest.approx((0.0, clip.seconds), abs=1e-3)


@pytest.mark.parametrize(
    ("end", "surest", "expected"),
    [
        (25.0, {"bass": 15.0}, (2.0, 25.0)),  # short enough to be heard whole
        (100.0, {"bass": 70.0}, (70.0, 100.0)),
        (100.0, {"bass": 85.0}, (70.0, 100.0)),  # the passage's end
        (100.0, {"bass": 40.0, "lead": 55.0}, (40.0, 70.0)),
        (100.0, {"bass": 10.0, "lead": 55.0, "pad": 60.0}, (55.0, 85.0)),  # two outweigh one
    ],
)
def test_the_stretch_that_plays_tells_most_of_what_was_found(
    end: float, surest: dict[str, float], expected: tuple[float, float]
) -> None:
    families = tuple(FamilyMatches(key, 0.9, (), (begin, begin + 10.0)) for key, begin in surest.items())
    result = MatchResult("song", 2.0, end, "model", "library", families)
    assert result.stretch(30.0) == pytest.approx(expected)


def test_pooling_weighs_the_best_three_windows() -> None:
    random = np.random.default_rng(3)
    vectors = random.normal(size=(6, 2, 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=-1, keepdims=True)
    weights = random.uniform(0, 1, (6, 2)).astype(np.float32)
    pooled = pool_windows(vectors, weights)
    for space in range(2):
        best = sorted(range(6), key=lambda window: -weights[window, space])[:3]
        mean = sum(weights[window, space] * vectors[window, space] for window in best)
        np.testing.assert_allclose(pooled[space], mean / np.linalg.norm(mean), atol=1e-5)
    opposite = np.stack([vectors[0], -vectors[0]])
    np.testing.assert_allclose(pool_windows(opposite, np.ones((2, 2), np.float32)), vectors[0], atol=1e-5)


def test_silence_around_a_long_passage_changes_nothing(matcher: Matcher, library: Library) -> None:
    clip = song(library, 10.0)
    silence = np.zeros((clip.samples.shape[0], 10 * clip.sample_rate), np.float32)
    plain = matcher.match(clip, families=["bass"])
    query = Query(Clip(np.concatenate([silence, clip.samples, silence], axis=1), clip.sample_rate), 10.0, 20.0)
    inside = matcher.match(query, families=["bass"])
    assert [match.preset.id for match in inside.family("bass")] == [match.preset.id for match in plain.family("bass")]
    assert (inside.start, inside.end) == (10.0, 20.0)


@pytest.mark.parametrize(("suffix", "rate"), [(".wav", 48_000), (".flac", 44_100), (".ogg", 22_050), (".mp3", 44_100)])
def test_every_kind_of_file_is_matched(
    matcher: Matcher, library: Library, tmp_path: Path, suffix: str, rate: int
) -> None:
    path = tmp_path / f"song{suffix}"
    audio.write(path, song(library, 12.0, rate).scaled(0.3))
    result = matcher.match(path, k=2, families=["lead"], start=1.0)
    assert len(result.family("lead")) == 2
    assert result.path == str(path)
    assert result.end == pytest.approx(12.0, abs=0.1)


def test_where_a_part_is_heard_best_is_told_of_songs_longer_than_a_window(matcher: Matcher, library: Library) -> None:
    long = matcher.match(song(library, 23.0), k=1, families=["bass"], start=4.0)
    bass = long.family("bass")
    first, last = bass.surest
    assert 4 <= first < last <= 23
    assert long.best_heard(bass) == f"heard best from {first:.0f} to {last:.0f} s"
    for seconds in (8.0, 308_701 / 44_100, 10.05):  # resampled, the second is shorter by a third of a sample
        short = matcher.match(song(library, seconds), k=1, families=["bass"])
        assert short.best_heard(short.family("bass")) == ""


def test_json_is_what_the_design_says(matcher: Matcher, library: Library, encoder: Encoder) -> None:
    result = matcher.match(song(library), k=2, families=["bass"])
    document = json.loads(json.dumps(result.to_json()))
    assert list(document) == ["query", "model", "library", "families"]
    assert document["query"] == {"path": "the clip", "start": 0.0, "end": 10.0}
    assert document["model"] == encoder.fingerprint
    assert document["library"] == library.fingerprint
    bass = document["families"]["bass"]
    assert list(bass) == ["presence", "nothing_close", "surest", "matches"]
    assert list(bass["matches"][0]) == [
        *("rank", "score", "id", "name", "synth", "bank", "family", "label_source", "tags", "descriptors", "files")
    ]
    assert bass["matches"][0]["rank"] == 1


def exported(matcher: Matcher, library: Library, out: Path, families: list[str], k: int = 3) -> MatchResult:
    return matcher.export(matcher.match(song(library), k=k, families=families), out)


def test_exported_presets_read_back_as_the_same_states(matcher: Matcher, library: Library, tmp_path: Path) -> None:
    result = exported(matcher, library, tmp_path / "found", ["bass", "lead"])
    for found in result:
        folders = sorted(folder.name for folder in (tmp_path / "found" / found.family).iterdir())
        assert folders == sorted(f"{match.rank}-{match.preset.name}" for match in found)
        for match in found:
            assert all(file.is_file() for file in match.files)
            native = next(file for file in match.files if file.suffix == ".faustpatch")
            (preset,) = PresetBank.read(native)
            assert (preset.id, preset.name) == (match.preset.id, match.preset.name)
            about = json.loads((native.parent / "parameters.json").read_text())
            assert about["id"] == match.preset.id
            assert about["parameters"] == preset.state.parameters()
            heard, stored = audio.read(native.parent / "preview.flac"), library.preview(match.preset.id)
            difference = heard.samples * about["preview_gain"] - stored.samples
            assert np.abs(difference).max() < 1e-6 * about["preview_gain"]
    files = result.to_json()["families"]["bass"]["matches"][0]["files"]
    assert all(Path(file).exists() for file in files)
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_an_export_replaces_the_one_before_and_nothing_else(matcher: Matcher, library: Library, tmp_path: Path) -> None:
    out = tmp_path / "found"
    exported(matcher, library, out, ["bass"], k=3)
    (out / "bass" / "1-my own folder").mkdir()
    (out / "bass" / "notes.txt").write_text("mine")
    exported(matcher, library, out, ["bass"], k=1)
    names = sorted(path.name for path in (out / "bass").iterdir())
    assert len([name for name in names if name[0].isdigit()]) == 2
    assert {"1-my own folder", "notes.txt"} < set(names)


def test_another_disk_takes_an_export_and_loses_nothing(matcher: Matcher, library: Library, tmp_path: Path) -> None:
    """A stick, say, that is linked to: what lies beside the link lies on this disk."""
    memory = Path("/dev/shm")
    if not memory.is_dir() or memory.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is no second file system on this machine that anybody may write to")
    with tempfile.TemporaryDirectory(dir=memory) as disk:
        out = tmp_path / "found"
        out.symlink_to(disk, target_is_directory=True)
        for k in (3, 2):
            exported(matcher, library, out, ["bass"], k)
            assert [folder.name[0] for folder in sorted((out / "bass").iterdir())] == [str(n + 1) for n in range(k)]
        assert [path.name for path in out.iterdir()] == ["bass"]


def test_a_failed_export_leaves_nothing_behind(matcher: Matcher, library: Library, tmp_path: Path) -> None:
    result = matcher.match(song(library), k=3, families=["bass"])
    library.sounds.delete_sound(result.family("bass")[2].preset.id)
    with pytest.raises(LibraryError, match="repair"):
        matcher.export(result, tmp_path / "found")
    assert not (tmp_path / "found").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["library"]
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="is a file"):
        matcher.export(result, tmp_path / "file")


def test_what_cannot_be_matched_is_said_in_a_sentence(matcher: Matcher, library: Library, tmp_path: Path) -> None:
    clip = song(library)
    quiet = Clip(np.zeros((1, 44_100), np.float32), 44_100)
    with pytest.raises(AudioError, match="isn't there"):
        matcher.match(tmp_path / "none.wav")
    with pytest.raises(AudioError, match=r"^the clip is silent"):
        matcher.match(quiet, end=2.0)
    with pytest.raises(AudioError, match=r"^The passage of the clip is silent"):
        matcher.match(quiet, end=0.5)
    with pytest.raises(AudioError, match=r"^the clip holds 0\.10 s"):
        matcher.match(clip.between(1.0, 1.1))
    with pytest.raises(AudioError, match=r"^The passage of the clip holds 0\.10 s"):
        matcher.match(clip, start=1.0, end=1.1)
    with pytest.raises(InputError, match=r"ends at 10\.00 s"):
        matcher.match(clip, start=11.0)
    with pytest.raises(InputError, match="is empty"):
        matcher.match(clip, start=5.0, end=4.0)
    with pytest.raises(InputError, match="is empty"):
        matcher.match(clip, start=-1.0)
    with pytest.raises(InputError, match="no family 'kazoo'; choose among percussion"):
        matcher.match(clip, families=["kazoo"])
    with pytest.raises(InputError, match="at least 1"):
        matcher.match(clip, k=0)
    with pytest.raises(InputError, match="isn't among the families"):
        matcher.match(clip, families=["bass"]).family("lead")


def test_another_encoder_is_refused_until_the_library_is_updated(
    library: Library, other_encoder: Encoder, tmp_path: Path
) -> None:
    with pytest.raises(EncoderMismatch, match="synthmatch library update"):
        Matcher(library, other_encoder)
    library.update(other_encoder)
    listing = library.presets()[3]
    match = Matcher(library, other_encoder).match(library.sound(listing.id)[0], single=True).family("any")[0]
    assert match.preset.id == listing.id
    with Library.create(tmp_path / "empty") as empty, pytest.raises(LibraryError, match="library add"):
        Matcher(empty, other_encoder)


def test_an_encoder_whose_weights_have_changed_is_another_one(library: Library, encoder: Encoder) -> None:
    """However they were changed, and however often it was asked who it is before."""
    changed, name = deepcopy(encoder), "attention.weight"
    weight = changed.get_parameter(name)

    def loaded() -> None:
        weights = encoder.state_dict()
        changed.load_state_dict(weights | {name: weights[name] + 1})

    def nudged() -> None:
        weight.data.add_(1)  # which torch keeps no count of

    def stepped() -> None:
        weight.grad = torch.ones_like(weight)
        torch.optim.SGD(changed.parameters(), lr=0.1).step()

    for change in (loaded, nudged, stepped, changed.half):
        changed.float().load_state_dict(encoder.state_dict())
        Matcher(library, changed)
        change()
        with pytest.raises(EncoderMismatch):
            Matcher(library, changed)


def test_channels_and_level_do_not_matter(matcher: Matcher, library: Library) -> None:
    clip = song(library)
    both = Clip(np.repeat(clip.mono()[None], 2, axis=0), clip.sample_rate)
    results = [matcher.match(each, families=["bass"]) for each in (clip, both, both.scaled(0.01))]
    scores = [[match.score for match in result.family("bass")] for result in results]
    np.testing.assert_allclose(scores[1], scores[0], atol=1e-3)
    np.testing.assert_allclose(scores[2], scores[0], atol=1e-3)
