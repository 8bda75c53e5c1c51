"""Where the page comes from: bundled by ``make web``, shipped in the wheel, and opened where ``make demo`` says."""

from __future__ import annotations

import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from synthmatch.commands.commandline import cli
from synthmatch.web.page import is_bundled

ROOT = Path(__file__).parents[2]
MAKE = shutil.which("make")

pytestmark = pytest.mark.skipif(MAKE is None, reason="there is no make: install it to test what it does")


def make(*words: str, folder: Path = ROOT, path: Path | None = None) -> str:
    environment = None if path is None else {"PATH": str(path)}
    done = subprocess.run([str(MAKE), *words], cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.skipif(not is_bundled(), reason="the page isn't bundled: run `make web`, which needs npm")
def test_what_is_bundled_comes_with_its_licences() -> None:
    bundle = ROOT / "synthmatch" / "web" / "bundle"
    licences = (bundle / "LICENCES.txt").read_text(encoding="utf-8")
    assert "wavesurfer.js" in licences
    assert "BSD-3-Clause" in licences
    assert "THIS SOFTWARE IS PROVIDED BY THE COPYRIGHT HOLDER" in licences.upper()
    assert any(file.name.startswith("waveform-") for file in bundle.iterdir())  # apart: the page can go without it


def test_where_npm_is_missing_make_goes_on_without_a_bundle(tmp_path: Path) -> None:
    tools, tree = tmp_path / "bin", tmp_path / "tree"
    tools.mkdir()
    for tool in ("sh", "rm", "mkdir", "cp"):
        (tools / tool).symlink_to(str(shutil.which(tool)))
    shutil.copytree(ROOT / "synthmatch" / "web" / "frontend", tree / "synthmatch" / "web" / "frontend")
    shutil.copy(ROOT / "Makefile", tree)
    assert "The page goes without its waveform, since npm is missing or failed" in make("web", folder=tree, path=tools)
    assert not (tree / "synthmatch" / "web" / "bundle").exists()


def test_the_demonstration_ends_with_the_commands_for_songs_of_ones_own() -> None:
    *_, page, table = make("--dry-run", "demo").splitlines()
    for line, named in ((page, "serve"), (table, "match")):
        (printed,) = shlex.split(line)[1:]
        program, name, *rest = shlex.split(printed)
        assert (Path(program).name, name) == ("synthmatch", named)
        cli.commands[name].make_context(name, rest)  # a usage error here is the reader's
