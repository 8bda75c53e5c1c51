"""`synthmatch convert`: what it prints and writes, and how it fails."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from synthmatch.presets.bank import PresetBank
from synthmatch.presets.formats.amsynth import AmsynthBank, make_state
from synthmatch.presets.preset import Preset

Run = Callable[..., Any]


@pytest.fixture(autouse=True)
def current(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder, and a home without synths of the user's own."""
    monkeypatch.setenv("SYNTHMATCH_HOME", str(tmp_path / "home"))
    folder = tmp_path / "current"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def bank(tmp_path: Path) -> Path:
    path = tmp_path / "Mine.bank"
    AmsynthBank().write(path, [Preset(name, make_state({})) for name in ("One", "Two", "Three")])
    return path


def written(folder: Path = Path()) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_a_bank_into_single_presets_and_back(run: Run, bank: Path) -> None:
    done = run("convert", bank, "--to", "fxp", "--out", "singles")
    assert (done.status, done.out, done.err) == (0, "3 presets written to 3 files: singles\n", "")
    assert written() == ["singles/One.fxp", "singles/Three.fxp", "singles/Two.fxp"]
    done = run("convert", "singles", "--to", "bank", "--name", "Again")
    assert (done.status, done.out, done.err) == (0, "3 presets written: Again.bank\n", "")
    assert {each.name for each in PresetBank.read("Again.bank")} == {"One", "Two", "Three"}


@pytest.mark.parametrize("spelling", ["fxp", ".fxp", "FXP"])
def test_a_format_is_named_with_or_without_its_dot(run: Run, bank: Path, spelling: str) -> None:
    assert run("convert", bank, "--to", spelling).status == 0
    assert written() == ["One.fxp", "Three.fxp", "Two.fxp"]


def test_help_offers_the_formats(run: Run) -> None:
    shown = run("convert", "--help").out
    assert "[bank|xiz|" in shown
    assert "fxp|fxb" in shown
    assert "xmz" not in shown


def test_nothing_is_overwritten_without_force(run: Run, bank: Path) -> None:
    Path("Two.fxp").write_text("mine")
    done = run("convert", bank, "--to", "fxp")
    assert (done.status, done.out) == (1, "")
    assert done.err == "error: Two.fxp is there already; name another folder, or say to overwrite (--out, --force).\n"
    assert written() == ["Two.fxp"]
    assert run("convert", bank, "--to", "fxp", "--force").status == 0
    assert [each.name for each in PresetBank.read("Two.fxp")] == ["Two"]


def test_what_is_bad_is_listed_and_the_rest_goes_on(run: Run, bank: Path) -> None:
    bank.write_text(bank.read_text().replace("amp_attack", "warp_drive", 1))
    Path("in").mkdir()
    bank.rename("in/Mine.bank")
    Path("in/broken.xiz").write_bytes(b"\x1f\x8bno gzip")
    done = run("convert", "in", "--to", "fxp", "--out", "out")
    assert (done.status, done.err) == (0, "")
    lines = done.out.splitlines()
    assert lines[:2] == ["2 presets written to 2 files: out", "2 could not be converted:"]
    assert lines[2].startswith("  in/Mine.bank: preset 1 ('One') is left out: ")
    assert lines[3].startswith("  in/broken.xiz is damaged")
    assert written(Path("out")) == ["Three.fxp", "Two.fxp"]


def test_where_nothing_can_be_converted_it_fails(run: Run, bank: Path) -> None:
    done = run("convert", bank, "--to", "xiz", "--out", "out")
    assert (done.status, done.out) == (1, "")
    assert done.err == (
        f"error: {bank} is of amsynth, whose presets can't be written as .xiz; its formats are .bank, .fxp, .fxb.\n"
    )
    Path("broken.fxp").write_bytes(b"CcnK")
    done = run("convert", bank, "broken.fxp", "--to", "xiz", "--out", "out")
    assert done.status == 1
    assert len(done.out.splitlines()) == 3
    assert done.err == "error: Nothing could be converted to .xiz; the lines above say why.\n"
    assert written() == ["broken.fxp"]


def test_paths_that_are_not_there(run: Run) -> None:
    done = run("convert", "nowhere", "--to", "fxp")
    assert (done.status, done.out) == (1, "")
    assert done.err == "error: nowhere isn't there; name a preset file or a folder of them.\n"


@pytest.mark.parametrize(
    "arguments", [(), ("--to", "fxp"), ("x.bank",), ("x.bank", "--to", "wav"), ("x.bank", "--to", "xmz")]
)
def test_wrong_usage(run: Run, arguments: tuple[str, ...]) -> None:
    done = run("convert", *arguments)
    assert (done.status, done.out) == (2, "")
    assert "Usage: synthmatch convert" in done.err


def test_a_folder_that_cannot_be_made(run: Run, bank: Path) -> None:
    Path("file").write_text("mine")
    done = run("convert", bank, "--to", "bank", "--out", "file")
    assert (done.status, done.out) == (1, "")
    assert done.err == "error: file is a file; name a folder.\n"
    assert Path("file").read_text() == "mine"
