"""The whole path on real synths: a song in, presets out, and each of them sounds as its preview did."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from synthmatch import audio
from synthmatch.audio import Clip
from synthmatch.library.library import Library
from synthmatch.matching.matcher import Matcher
from synthmatch.networks.encoder import RELEASED
from synthmatch.presets.bank import PresetBank
from synthmatch.presets.formats.zyn import uses_padsynth
from synthmatch.renderers.pool import RenderPool
from synthmatch.renderers.renderer import RenderJob
from synthmatch.training.mixing.mixtures import mix_stems
from synthmatch.training.parts import compose
from synthmatch.training.split import frozen

BANKS = (Path("/usr/share/amsynth/banks"), Path("/usr/share/zynaddsubfx/banks"))
FAMILIES = ("percussion", "bass", "lead")
EACH = 6
RATE = 44_100

pytestmark = [
    pytest.mark.plugin,
    pytest.mark.skipif(
        not all(path.exists() for path in BANKS),
        reason="the banks of Debian's packages amsynth and zynaddsubfx-data aren't installed",
    ),
]


def command(*arguments, home):
    environment = {**os.environ, "SYNTHMATCH_HOME": str(home)}
    return subprocess.run(
        [sys.executable, "-m", "synthmatch", *arguments], capture_output=True, text=True, env=environment, check=False
    )


@pytest.fixture(scope="module")
def chosen():
    """Repeatable test presets of both synths: as many per family."""
    wanted = {}
    for preset in PresetBank.read(*BANKS):
        label = frozen().get(preset.id)
        if label is None or label.side != "test" or not label.stated or label.family not in FAMILIES:
            continue
        if preset.synth == "zynaddsubfx" and uses_padsynth(preset.state):
            continue  # fills its tables in racing threads: no two renders are alike
        rows = wanted.setdefault((preset.synth, label.family), {})
        if len(rows) < EACH // 2:
            rows[preset.id] = preset
    return {
        family: [preset for (_, key), rows in wanted.items() if key == family for preset in rows.values()]
        for family in FAMILIES
    }


@pytest.fixture(scope="module")
def home(tmp_path_factory, chosen):
    """A home with a library of the chosen presets."""
    path = tmp_path_factory.mktemp("home")
    presets = tuple(preset for family in FAMILIES for preset in chosen[family])
    from synthmatch.networks.encoder import Encoder

    with Library.create(path / "library") as library, RenderPool(2) as pool:
        report = library.add(PresetBank(presets), encoder=Encoder.load(RELEASED), pool=pool)
    assert report.rendered == 3 * EACH
    return path


@pytest.fixture(scope="module")
def song(tmp_path_factory, chosen):
    """An MP3 of three test presets playing together, really rendered."""
    parts = compose(np.random.default_rng(7), FAMILIES, 8.0)
    presets = {family: chosen[family][1] for family in FAMILIES}
    jobs = {RenderJob(presets[family].state, (parts[family],)): family for family in FAMILIES}
    stems = {}
    with RenderPool(2) as pool:
        for result in pool.render(jobs):
            assert result.ok, result.reason
            stems[jobs[result.job]] = result.clips[0].mono()
    length = min(map(len, stems.values()))
    path = tmp_path_factory.mktemp("song") / "song.mp3"
    audio.write(path, Clip(mix_stems({key: stem[:length] for key, stem in stems.items()})[None] * 0.9, RATE))
    return path


@pytest.fixture(scope="module")
def found(tmp_path_factory, home, song):
    """What `match` printed, and the folder that it wrote."""
    out = tmp_path_factory.mktemp("out") / "found"
    asked = [part for family in FAMILIES for part in ("--family", family)]
    done = command("match", str(song), "-k", "5", "--out", str(out), "--json", *asked, home=home)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), out


def test_five_folders_per_family_hold_files_that_exist(found):
    printed, out = found
    assert set(printed["families"]) == set(FAMILIES)
    for family, entry in printed["families"].items():
        assert len(list((out / family).iterdir())) == len(entry["matches"]) == 5
        for match in entry["matches"]:
            suffixes = {Path(file).suffix for file in match["files"]}
            assert all(Path(file).is_file() for file in match["files"])
            assert {".flac", ".json"} < suffixes
            assert suffixes & {".xiz", ".bank"}
            assert suffixes & {".fxp", ".fxb"}


def test_scores_fall_with_the_rank_and_are_cosines(found):
    for entry in found[0]["families"].values():
        scores = [match["score"] for match in entry["matches"]]
        assert scores == sorted(scores, reverse=True)
        assert all(-1 <= score <= 1 for score in scores)
        assert 0 <= entry["presence"] <= 1


def test_every_native_file_sounds_as_its_preview(found):
    printed, _ = found
    states, previews = {}, {}
    for entry in printed["families"].values():
        for match in entry["matches"]:
            files = {Path(file).suffix: Path(file) for file in match["files"]}
            native = files.get(".xiz") or files[".bank"]
            (preset,) = PresetBank.read(native)
            assert preset.id == match["id"]
            states[preset.id] = preset.state
            about = json.loads((native.parent / "parameters.json").read_text())
            previews[preset.id] = audio.read(files[".flac"]).scaled(about["preview_gain"])
    with RenderPool(2) as pool:
        for result in pool.render(RenderJob(state) for state in states.values()):
            assert result.ok, result.reason
            again = np.concatenate([clip.samples for clip in result.clips], axis=1)
            preview = previews[result.job.state.id].samples
            assert preview.shape[1] == again.shape[1]
            assert np.abs(preview - again).max() < 1e-4, result.job.state.id


def test_the_command_line_gives_what_the_library_call_gives(found, home, song):
    with Library.open(home / "library") as library:
        result = Matcher(library).match(song, k=5, families=FAMILIES)
    called = {each.family: [match.preset.id for match in each] for each in result}
    printed = {key: [match["id"] for match in entry["matches"]] for key, entry in found[0]["families"].items()}
    assert called == printed
