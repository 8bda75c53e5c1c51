"""Plugins are found where users keep them, and what is missing says how to get it."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from synthmatch.errors import PluginMissing, SynthError
from synthmatch.files import content_hash
from synthmatch.presets.bank import PresetBank
from synthmatch.presets.catalogue import SYNTHS, Engine, Isolation, Synth, known_synth
from synthmatch.renderers import synths
from synthmatch.renderers.synths import (
    bank_folders,
    find_plugin,
    fingerprint,
    is_installed,
    make_renderer,
    require_plugin,
)

AMSYNTH = SYNTHS["amsynth"]
FILE = "amsynth_vst" + {"darwin": ".vst", "win32": ".dll"}.get(sys.platform, ".so")


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """No folder of the system is searched."""
    monkeypatch.setattr(synths, "_FOLDERS", {})
    monkeypatch.delenv("VST_PATH", raising=False)


def test_vst_path_is_searched_first_and_in_its_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folders = [tmp_path / name for name in ("empty", "first", "second")]
    for folder in folders:
        folder.mkdir()
    for folder in folders[1:]:
        (folder / FILE).write_bytes(b"")
    monkeypatch.setenv("VST_PATH", os.pathsep.join(map(str, folders)))
    assert find_plugin(AMSYNTH) == folders[1] / FILE


def test_a_plugin_of_the_other_kind_is_not_the_one_that_is_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many come as both, under one name: a VST3 plugin takes no .fxb, and a VST2 plugin no .vstpreset."""
    vst2, vst3 = tmp_path / FILE, tmp_path / "amsynth_vst.vst3"
    theirs = replace(AMSYNTH, id="theirs", files=(".vstpreset",))
    monkeypatch.setenv("VST_PATH", str(tmp_path))
    monkeypatch.setattr(synths, "_FOLDERS", {})
    vst3.mkdir()
    assert (find_plugin(AMSYNTH), find_plugin(theirs)) == (None, vst3)
    vst2.write_bytes(b"")
    assert (find_plugin(AMSYNTH), find_plugin(theirs)) == (vst2, vst3)


@pytest.mark.usefixtures("nowhere")
def test_a_missing_plugin_names_its_package() -> None:
    assert find_plugin(AMSYNTH) is None
    assert [row.id for row in synths.installed() if row.engine is Engine.PLUGIN] == []
    for attempt in (require_plugin, make_renderer, fingerprint, synths.require):
        with pytest.raises(PluginMissing, match="install Debian's package amsynth"):
            attempt(AMSYNTH)


@pytest.mark.parametrize("engine", [Engine.VITAL, Engine.DX7, Engine.SOUNDFONT])
def test_a_synth_whose_package_is_missing_says_how_to_get_it(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    row = next(row for row in SYNTHS.values() if row.engine is engine)
    monkeypatch.setattr(synths, "find_spec", lambda _: None)
    assert row not in synths.installed()
    with pytest.raises(PluginMissing, match="pip install"):
        make_renderer(row)


def test_an_unknown_synth_names_the_known_ones() -> None:
    with pytest.raises(SynthError, match=r"theremin.*amsynth, zynaddsubfx.*synthmatch synth add"):
        known_synth("theremin")


def test_a_fingerprint_is_of_the_binary_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prints = []
    for folder, content in (("a", b"one build"), ("b", b"one build"), ("c", b"another")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / FILE).write_bytes(content)
        monkeypatch.setenv("VST_PATH", str(tmp_path / folder))
        prints.append(fingerprint(AMSYNTH))
    assert prints[0] == prints[1] != prints[2]


def test_a_fingerprint_tells_how_the_synth_is_hosted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / FILE).write_bytes(b"one build")
    monkeypatch.setenv("VST_PATH", str(tmp_path))
    others = (
        replace(AMSYNTH, revision=2),
        replace(AMSYNTH, settle=1.0),
        replace(AMSYNTH, random_state="srand"),
        *(replace(AMSYNTH, isolation=way) for way in Isolation if way is not AMSYNTH.isolation),
        *(replace(AMSYNTH, id="mine", isolation=way) for way in Isolation),
    )
    assert len({fingerprint(row) for row in (AMSYNTH, *others)}) == 1 + 3 + 3 + 4
    assert fingerprint(replace(AMSYNTH, title="another")) == fingerprint(AMSYNTH)


@pytest.mark.parametrize("row", SYNTHS.values(), ids=SYNTHS)
def test_sounds_made_before_fingerprints_told_of_isolation_stay(row: Synth, monkeypatch: pytest.MonkeyPatch) -> None:
    """The catalogue's synths have the fingerprints that they had then; of one's own, only the least isolated may."""
    monkeypatch.setattr(synths, "require", lambda _: None)
    monkeypatch.setattr(synths, "_source", lambda _: "one build")
    monkeypatch.setattr(synths, "version", lambda _: "1.2")

    def before(row: Synth) -> str:
        way = repr((row.revision, row.settle, row.random_state, row.one_processor, row.effects_off))
        host = f"{synths._PLAYERS[row.engine].distribution} 1.2"
        return content_hash(row.id.encode(), host.encode(), way.encode(), b"one build")

    assert fingerprint(row) == before(row)
    mine = [replace(row, id="mine", isolation=way) for way in Isolation]
    assert [way.isolation for way in mine if fingerprint(way) == before(way)] == [Isolation.NOTHING]


def test_an_absolute_path_is_taken_as_it_is(tmp_path: Path) -> None:
    row = replace(AMSYNTH, plugin=str(tmp_path / "mine.so"))
    with pytest.raises(PluginMissing, match=r"looked in .*mine\.so"):
        require_plugin(row)
    (tmp_path / "mine.so").write_bytes(b"")
    assert find_plugin(row) == tmp_path / "mine.so"


def test_a_build_that_replaces_another_has_another_fingerprint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VST_PATH", str(tmp_path))
    (tmp_path / FILE).write_bytes(b"old")
    os.utime(tmp_path / FILE, (1, 1))
    old = fingerprint(AMSYNTH)
    (tmp_path / FILE).write_bytes(b"new")
    assert fingerprint(AMSYNTH) != old


def test_a_build_that_replaces_another_deep_in_a_bundle_has_another_fingerprint(tmp_path: Path) -> None:
    bundle = tmp_path / "X.vst3"
    inside = bundle / "Contents" / "x86_64-linux" / "X.so"
    inside.parent.mkdir(parents=True)
    row = replace(AMSYNTH, plugin=str(bundle))
    inside.write_bytes(b"old")
    os.utime(inside, (1, 1))
    before, changed = fingerprint(row), bundle.stat().st_mtime_ns
    inside.write_bytes(b"new")
    assert bundle.stat().st_mtime_ns == changed
    assert fingerprint(row) != before


def test_homes_of_nobody_hold_no_plugins_and_no_banks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VST_PATH", "~nobody-of-that-name/vst")
    monkeypatch.setenv("SYNTHMATCH_BANKS", "~nobody-of-that-name/banks")
    assert not is_installed(replace(AMSYNTH, plugin="~nobody-of-that-name/X.so"))
    assert find_plugin(replace(AMSYNTH, plugin="no-plugin-of-that-name")) is None
    assert bank_folders(replace(AMSYNTH, banks=())) == ()


def test_a_folder_that_may_not_be_looked_at_hides_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name longer than the system takes stands for one: whoever runs the tests may look at everything."""
    closed, fine = tmp_path / ("d" * 300), tmp_path / "fine"
    (fine / "amsynth").mkdir(parents=True)
    for file in (fine / FILE, fine / "amsynth" / "one.bank"):
        file.write_bytes(b"")
    with pytest.raises(OSError, match="too long"):
        (closed / FILE).stat()
    both = os.pathsep.join((str(closed), str(fine)))
    monkeypatch.setenv("VST_PATH", both)
    assert find_plugin(AMSYNTH) == fine / FILE
    assert find_plugin(replace(AMSYNTH, plugin=str(closed / FILE))) is None
    monkeypatch.setenv("SYNTHMATCH_BANKS", both)
    assert bank_folders(AMSYNTH) == (fine / "amsynth",)
    monkeypatch.delenv("SYNTHMATCH_BANKS")
    assert bank_folders(replace(AMSYNTH, banks=(closed, fine))) == (fine,)


def test_fingerprints_and_look_ups_load_neither_host_nor_plugin() -> None:
    script = (
        "import sys\n"
        "from synthmatch.renderers import synths\n"
        "for row in synths.installed(): synths.fingerprint(row), synths.bank_folders(row)\n"
        "assert len(synths.installed()) >= 1\n"
        "sys.exit('dawdreamer' in sys.modules or 'torch' in sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


@pytest.mark.parametrize("row", SYNTHS.values(), ids=SYNTHS)
def test_an_installed_synth_has_its_banks(row: Synth) -> None:
    if not synths.is_installed(row):
        pytest.skip(f"{row.title} isn't on this machine: {row.remedy}")
    if not bank_folders(row):
        pytest.skip(f"no banks of {row.title} are on this machine: put some into one of {row.banks}")
    bank = PresetBank.read(*bank_folders(row))
    assert bank.faults == ()
    assert {preset.synth for preset in bank} == {row.id}


def test_banks_of_ones_own_folder_stand_for_the_systems(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    for folder in (ours / "amsynth", theirs):
        folder.mkdir(parents=True)
        (folder / "one.bank").write_bytes(b"")
    row = replace(AMSYNTH, banks=(theirs,))
    monkeypatch.setenv("SYNTHMATCH_BANKS", os.pathsep.join((str(tmp_path / "nothing"), str(ours))))
    assert bank_folders(row) == (ours / "amsynth",)
    assert bank_folders(replace(row, id="other")) == (theirs,)
    monkeypatch.delenv("SYNTHMATCH_BANKS")
    assert bank_folders(row) == (theirs,)
    monkeypatch.setenv("SYNTHMATCH_BANKS", str(ours))
    (ours / "amsynth" / "one.bank").unlink()
    assert bank_folders(row) == ()  # an empty one stands for them, too


def test_folders_without_presets_are_no_banks(tmp_path: Path) -> None:
    empty, filled, file = tmp_path / "empty", tmp_path / "filled", tmp_path / "one.bank"
    for folder in (empty, filled / "deep"):
        folder.mkdir(parents=True)
    for each in (file, filled / "deep" / "two.bank", empty / "notes.txt", empty / "._two.bank"):
        each.write_bytes(b"")
    assert bank_folders(replace(AMSYNTH, banks=(empty, filled, file))) == (filled, file)
    (empty / "link").symlink_to(filled)
    assert bank_folders(replace(AMSYNTH, banks=(empty,))) == (empty,)
