"""Adding, stopping, going on, removing, embedding again."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from synthmatch.errors import EncoderMismatch, LibraryError, SynthError
from synthmatch.library import embedding
from synthmatch.library.choice import Choice
from synthmatch.library.library import Library
from synthmatch.library.listing import LISTED_ABOVE
from synthmatch.networks.encoder import Encoder
from synthmatch.notes import REFERENCE_NOTES
from synthmatch.presets import faustsynth
from synthmatch.presets.bank import PresetBank
from synthmatch.presets.catalogue import SYNTHS
from synthmatch.presets.preset import Preset, State
from synthmatch.renderers.faust import FaustRenderer
from synthmatch.renderers.pool import RenderPool
from synthmatch.renderers.renderer import Failure, RenderSettings

_ADD = """
import sys
import torch
from synthmatch.library import embedding
from synthmatch.networks.encoder import Encoder
from synthmatch.library.library import Library
from synthmatch.presets.bank import PresetBank
from synthmatch.renderers.pool import RenderPool

if __name__ == "__main__":
    torch.set_num_threads(1)
    embedding.BATCH = 4
    library, bank, weights = sys.argv[1:]
    with Library.open_or_create(library) as library, RenderPool(1) as pool:
        library.add(PresetBank.read(bank), pool=pool, encoder=Encoder.load(weights))
"""


def contents(library: Library) -> dict[str, object]:
    """All that a library says, but for the order of its rows."""
    rows = library.rows.states()
    return {
        "fingerprint": library.fingerprint,
        "states": {state: (row.status, row.sound) for state, row in rows.items()},
        "listings": sorted((each.name, each.id, each.family, each.families, each.status) for each in library.presets()),
        "audio": {state: library.sounds.audio_path(state).read_bytes() for state in rows},
    }


def rendered(path: Path) -> int:
    """How many sounds a library has, as seen from outside."""
    try:
        connection = sqlite3.connect(f"file:{path / 'library.sqlite'}?mode=ro", uri=True)
    except sqlite3.OperationalError:
        return 0
    try:
        return int(connection.execute("SELECT count(*) FROM states WHERE status = 'rendered'").fetchone()[0])
    except sqlite3.OperationalError:
        return 0
    finally:
        connection.close()


def test_a_killed_add_goes_on_and_ends_as_if_undisturbed(
    tmp_path: Path, bank_writer: Callable[..., PresetBank], encoder: Encoder, pool: RenderPool
) -> None:
    bank = bank_writer(tmp_path / "bank.faustpatch", 20)
    encoder.save(tmp_path / "weights.safetensors")
    command = [sys.executable, "-c", _ADD, tmp_path / "killed", tmp_path / "bank.faustpatch"]
    run = subprocess.Popen([*map(str, command), str(tmp_path / "weights.safetensors")], cwd=tmp_path)
    deadline = time.monotonic() + 120
    while rendered(tmp_path / "killed") < 9 and run.poll() is None and time.monotonic() < deadline:
        time.sleep(0.005)
    os.kill(run.pid, signal.SIGKILL)
    assert run.wait() == -signal.SIGKILL
    before = rendered(tmp_path / "killed")
    assert 9 <= before < 20

    with Library.open(tmp_path / "killed") as killed, Library.create(tmp_path / "whole") as whole:
        kept = {path: path.stat().st_mtime_ns for path in killed.path.glob("audio/*/*.flac")}
        report = killed.add(bank, encoder=encoder, pool=pool)
        assert report.rendered == 20 - before
        assert report.known == before
        stored = {killed.sounds.audio_path(state) for state in killed.rows.states()}
        assert sum(path.stat().st_mtime_ns == when for path, when in kept.items() if path in stored) >= before
        whole.add(bank, encoder=encoder, pool=pool)
        assert contents(killed) == contents(whole)
        assert killed.vectors.ids == whole.vectors.ids
        for space in whole.spaces:
            difference = killed.vectors.space(space).astype(float) - whole.vectors.space(space).astype(float)
            assert np.abs(difference).max() < 2e-3  # float16 steps: batches were cut elsewhere
        assert killed.verify() == [] == whole.verify()


def test_an_interrupted_add_leaves_a_library_that_opens_and_goes_on(
    tmp_path: Path, bank: PresetBank, encoder: Encoder, pool: RenderPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedding, "BATCH", 2)

    def interrupt(done: int, _total: int) -> None:
        if done >= 4:
            raise KeyboardInterrupt

    with (
        Library.create(tmp_path / "library") as library,
        RenderPool(1) as stopped,  # an interrupted command takes its pool with it
        pytest.raises(KeyboardInterrupt),
    ):
        library.add(bank, encoder=encoder, pool=stopped, progress=interrupt)
    with Library.open(tmp_path / "library") as library:
        ready = len(library)
        assert 4 <= ready <= 9
        found = library.search("timbre", library.vectors.space("timbre")[0, 0].astype(np.float32), 20)
        assert len(found) == ready
        counts = library.banks()[0]
        assert (counts.ready, counts.pending) == (ready, 9 - ready)
        library.add(bank, encoder=encoder, pool=pool)
        assert len(library) == 9
        assert library.verify() == []


def test_files_of_one_name_in_two_folders_are_two_banks(
    library: Library,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    bank_writer: Callable[..., PresetBank],
    encoder: Encoder,
    pool: RenderPool,
) -> None:
    for number, folder in enumerate(("one", "two")):
        (tmp_path / folder).mkdir()
        monkeypatch.chdir(tmp_path / folder)
        bank_writer(Path("mine.faustpatch"), 1, first=20 + number)
        library.add(PresetBank.read("mine.faustpatch"), encoder=encoder, pool=pool)
    assert {each.file.parent.name for each in library.presets(Choice(banks=("mine",)))} == {"one", "two"}


def test_an_estimate_counts_what_is_new_and_learns_from_what_was_done(
    library: Library, tmp_path: Path, bank: PresetBank, bank_writer: Callable[..., PresetBank]
) -> None:
    more = bank_writer(tmp_path / "more.faustpatch", 30)  # the library's nine sounds, and 21 others
    first = library.estimate(more)
    assert (first.new_states, first.known_states) == (21, 9)
    assert "21 sounds to render (9 there already)" in str(first)
    assert first.bytes > 21 * 50_000
    library.rows.add_time("faust", 991, 10_000 - library.rows.rates()["faust"][1])
    assert library.estimate(more).seconds == pytest.approx(21 * 10)  # 1,000 sounds took 10,000 s
    assert str(library.estimate(bank)) == "9 sounds in the library already"


def test_a_filter_by_synth_and_the_index_agree(library: Library) -> None:
    vector = library.vectors.space("timbre")[3, 2].astype(np.float32)
    assert library.search("timbre", vector, 9, choice=Choice(("faust",))) == library.search("timbre", vector, 9)
    assert library.search("timbre", vector, 9, choice=Choice(("amsynth",))) == []


def test_adding_twice_changes_nothing(library: Library, bank: PresetBank, encoder: Encoder, pool: RenderPool) -> None:
    before = contents(library)
    files = {path: path.stat().st_mtime_ns for path in library.path.rglob("*.flac")}
    report = library.add(bank, encoder=encoder, pool=pool)
    assert (report.rendered, report.known) == (0, 9)
    assert contents(library) == before
    assert {path: path.stat().st_mtime_ns for path in library.path.rglob("*.flac")} == files
    assert library.estimate(bank).new_states == 0


def test_sounds_come_back_as_rendered_within_16_bits_of_each_note(library: Library, bank: PresetBank) -> None:
    preset = bank.presets[4]
    with FaustRenderer(SYNTHS["faust"]) as renderer:
        renderer.load(preset.state, RenderSettings())
        fresh = [renderer.render(performance) for performance in REFERENCE_NOTES]
    stored = library.sound(preset.id)
    assert len(stored) == len(fresh)
    for ours, theirs in zip(stored, fresh, strict=True):
        assert ours.sample_rate == theirs.sample_rate
        assert ours.samples.shape == theirs.samples.shape
        assert np.abs(ours.samples - theirs.samples).max() <= theirs.peak * 2.0**-15.99
    joined = np.concatenate([clip.samples for clip in stored], axis=1)
    np.testing.assert_array_equal(library.preview(preset.id).samples, joined)


def test_a_label_is_kept_and_sound_labels_the_rest(library: Library) -> None:
    by_name = {each.name: each for each in library.presets()}
    assert by_name["Deep Bass 0"].family == "bass"
    assert by_name["Deep Bass 0"].label_source == "name"
    assert "bass" in by_name["Deep Bass 0"].families
    thing = by_name["Thing 2"]
    assert thing.label_source == "sound"
    presence = library.vectors.presence[library.vectors.rows[thing.id]]
    assert thing.family == library.families[int(presence.argmax())]
    for each in library.presets():
        likely = library.vectors.presence[library.vectors.rows[each.id]] > LISTED_ABOVE
        assert {library.families[place] for place in np.flatnonzero(likely)} <= set(each.families)


def test_a_shared_state_is_rendered_once_and_listed_twice(
    library: Library, tmp_path: Path, bank: PresetBank, encoder: Encoder, pool: RenderPool
) -> None:
    file = tmp_path / "copy.faustpatch"
    shutil.copy(bank.presets[0].file, file)
    again = PresetBank.read(file)
    report = library.add(again, encoder=encoder, pool=pool)
    assert (report.rendered, report.known) == (0, 9)
    assert len(library) == 9
    assert [count.presets for count in library.banks()] == [9, 9]
    names = {each.bank for each in library.listings_of(bank.presets[0].id)}
    assert names == {"nine", "copy"}

    assert library.remove(bank="nine") == 9
    assert len(library) == 9  # the copy lists them still
    assert library.remove(bank="copy") == 9
    assert len(library) == 0
    assert library.rows.states() == {}
    assert not [*library.path.glob("audio/*/*"), *library.path.glob("files/*/*")]
    assert library.vectors.ids == ()


def test_removing_one_bank_leaves_the_other(
    library: Library, tmp_path: Path, bank_writer: Callable[..., PresetBank], encoder: Encoder, pool: RenderPool
) -> None:
    before = contents(library)
    more = bank_writer(tmp_path / "more.faustpatch", 3, first=20)
    assert library.add(more, encoder=encoder, pool=pool).rendered == 3
    assert len(library) == 12
    library.remove(bank="more")
    assert contents(library) == before
    assert library.verify() == []
    with pytest.raises(LibraryError, match=r"more.*library list"):
        library.remove(bank="more")


def test_an_edited_bank_replaces_what_stood_in_its_slots(
    library: Library, tmp_path: Path, bank_writer: Callable[..., PresetBank], encoder: Encoder, pool: RenderPool
) -> None:
    first = bank_writer(tmp_path / "edited.faustpatch", 2, first=20)
    library.add(first, encoder=encoder, pool=pool)
    second = bank_writer(tmp_path / "edited.faustpatch", 2, first=21)
    report = library.add(second, encoder=encoder, pool=pool)
    assert report.rendered == 1
    assert {each.id for each in library.presets(Choice(banks=("edited",)))} == {preset.id for preset in second}
    with pytest.raises(LibraryError, match="holds no preset"):
        library.sound(first.presets[0].id)
    assert library.verify() == []


def test_update_embeds_again_without_rendering(library: Library, encoder: Encoder, other_encoder: Encoder) -> None:
    audio = contents(library)["audio"]
    before = np.array(library.vectors.space("timbre"))
    steps: list[tuple[int, int]] = []
    with pytest.raises(EncoderMismatch, match="library update"):
        library.require_encoder(other_encoder)
    assert library.update(other_encoder, progress=lambda done, total: steps.append((done, total))) == 9
    assert steps[-1] == (9, 9)
    library.require_encoder(other_encoder)
    assert library.encoder_fingerprint == other_encoder.fingerprint
    assert contents(library)["audio"] == audio
    assert np.abs(np.array(library.vectors.space("timbre")) - before).max() > 0.1
    assert [folder.name for folder in (library.path / "vectors").iterdir()] == [other_encoder.fingerprint]
    assert library.verify() == []
    assert library.update(other_encoder) == 0

    library.update(encoder)
    np.testing.assert_allclose(np.array(library.vectors.space("timbre")), before, atol=2e-3)


def test_a_silent_preset_is_named_with_its_reason(library: Library, encoder: Encoder, pool: RenderPool) -> None:
    state = faustsynth.make_state({"osc1_level": 0})
    preset = Preset("Nothing", state, bank="mute", file=Path("mute.faustpatch"))
    report = library.add(PresetBank((preset,)), encoder=encoder, pool=pool)
    (silent,) = report.trust.failures
    assert (report.rendered, silent.name, silent.failure) == (0, "Nothing", Failure.SILENT.value)
    assert silent.reason
    assert library.failures() == report.trust.failures
    assert library.presets(Choice(banks=("mute",)))[0].status == "failed"
    assert len(library) == 9
    assert library.add(PresetBank((preset,)), encoder=encoder, pool=pool).known == 1  # it isn't tried in vain again
    assert library.verify() == []
    with pytest.raises(LibraryError, match="has no sound"):
        library.sound(preset.id)


def test_a_synth_that_is_not_there_writes_nothing(tmp_path: Path, encoder: Encoder, pool: RenderPool) -> None:
    bank = PresetBank((Preset("Gone", State("no such synth", b"{}"), file=Path("gone.xyz")),))
    with Library.create(tmp_path / "library") as library:
        with pytest.raises(SynthError, match="no such synth"):
            library.add(bank, encoder=encoder, pool=pool)
        assert library.rows.states() == {}


def test_opening_what_is_not_a_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, filled: Path) -> None:
    monkeypatch.setenv("SYNTHMATCH_HOME", str(tmp_path / "home"))
    with pytest.raises(LibraryError, match="synthmatch library add"):
        Library.open()
    with Library.open_or_create() as made:
        assert made.path == tmp_path / "home" / "library"
        assert len(made) == 0
        assert made.encoder_fingerprint == ""
        assert made.verify() == []
    with pytest.raises(LibraryError, match="there already"):
        Library.create(filled)
    shutil.copytree(filled, tmp_path / "later")
    facts = json.loads((tmp_path / "later" / "library.json").read_text())
    for version, said in ((99, "a newer synthmatch"), (0, "another version")):
        (tmp_path / "later" / "library.json").write_text(json.dumps(facts | {"format": version}))
        with pytest.raises(LibraryError, match=said):
            Library.open(tmp_path / "later")
    (tmp_path / "later" / "library.json").write_text("{")
    with pytest.raises(LibraryError, match="damaged"):
        Library.open(tmp_path / "later")
    (tmp_path / "later" / "library.json").unlink()
    (tmp_path / "later" / "library.json").mkdir()  # root may read any file, but no folder
    with pytest.raises(LibraryError, match="see to it that you may read it"):
        Library.open(tmp_path / "later")
    shutil.copytree(filled, tmp_path / "broken")
    (tmp_path / "broken" / "library.sqlite").write_bytes(b"no database" * 100)
    with pytest.raises(LibraryError, match="can't be read"):
        Library.open(tmp_path / "broken")


def test_the_fingerprint_is_of_the_contents(
    library: Library, tmp_path: Path, bank: PresetBank, encoder: Encoder, pool: RenderPool
) -> None:
    backwards = PresetBank(bank.presets[::-1])
    with Library.create(tmp_path / "backwards") as other:
        other.add(backwards, encoder=encoder, pool=pool)
        assert other.fingerprint == library.fingerprint
        renamed = replace(bank.presets[0], name="Something else")
        other.add(PresetBank((renamed,)), encoder=encoder, pool=pool)
        assert other.fingerprint != library.fingerprint


def test_importing_the_library_does_not_import_torch() -> None:
    ours = "synthmatch.library.library, synthmatch.matching.matcher"
    code = f"import {ours}, sys; print('torch' in sys.modules, 'annoy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
