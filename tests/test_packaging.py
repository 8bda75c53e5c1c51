"""What is shipped: a source distribution from which a wheel is built that works in another folder."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

import synthmatch
from synthmatch.web.page import is_bundled

ROOT = Path(__file__).parent.parent
PACKAGES = ("synthmatch", "presets", "renderers", "training")
NEEDED = ("py.typed", "report.html", "report.css", "report.js", "synth.dsp", "factory.faustpatch", "labels.tsv")


@pytest.fixture(scope="module")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist, and the wheel that was built from it."""
    tree = tmp_path_factory.mktemp("tree") / "synthmatch"
    left_out = shutil.ignore_patterns(".*", "__pycache__", "build", "dist", "runs", "*.egg-info", "found")
    shutil.copytree(ROOT, tree, ignore=left_out)
    out = tmp_path_factory.mktemp("dist")
    # Where there's no network, the environment's own setuptools builds it.
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", out, tree]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return out


@pytest.fixture(scope="module")
def installed(distributions: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which the wheel alone is installed."""
    target = tmp_path_factory.mktemp("installed")
    (wheel,) = distributions.glob("*.whl")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", target, wheel]
    subprocess.run(command, check=True)
    return target


def data_files() -> dict[str, Path]:
    """Every file of the packages that isn't Python, by its place in an installed copy."""
    files = {}
    for package in PACKAGES:
        home = Path("synthmatch") if package == "synthmatch" else Path("synthmatch", package)
        for path in (ROOT / package).rglob("*"):
            if path.is_file() and path.suffix not in (".py", ".pyc") and not path.name.startswith("."):
                files[(home / path.relative_to(ROOT / package)).as_posix()] = path
    return files


def test_the_wheel_holds_every_data_file(distributions: Path) -> None:
    files = data_files()
    assert set(NEEDED) <= {Path(name).name for name in files}
    assert any(name.startswith("synthmatch/training/recipes/") for name in files)
    (wheel,) = distributions.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        assert sorted(set(files) - set(archive.namelist())) == []
        for name, path in files.items():
            assert archive.read(name) == path.read_bytes()
        tops = {name.split("/")[0] for name in archive.namelist()}
    assert tops == {"synthmatch", f"synthmatch-{synthmatch.__version__}.dist-info"}


@pytest.mark.skipif(not is_bundled(), reason="the page isn't bundled: run `make web`, which needs npm")
def test_the_wheel_holds_the_bundled_page_and_its_licences(distributions: Path) -> None:
    (wheel,) = distributions.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        bundled = {Path(name).name for name in archive.namelist() if name.startswith("synthmatch/web/bundle/")}
        assert {"main.js", "LICENCES.txt"} < bundled
        assert b"wavesurfer.js" in archive.read("synthmatch/web/bundle/LICENCES.txt")
    assert any(name.startswith("waveform-") for name in bundled)


def test_the_sdist_holds_source_licence_and_metadata(distributions: Path) -> None:
    (sdist,) = distributions.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"LICENSE", "setup.cfg", "pyproject.toml", "presets/preset.py", "synthmatch/cli.py"} <= names


def test_the_installed_copy_runs_elsewhere(installed: Path, tmp_path: Path) -> None:
    environment = os.environ | {"PYTHONPATH": str(installed)}

    def python(*arguments: str) -> str:
        command = [sys.executable, "-P", *arguments]
        return subprocess.run(command, cwd=tmp_path, env=environment, check=True, capture_output=True, text=True).stdout

    assert python("-m", "synthmatch", "--version") == f"synthmatch {synthmatch.__version__}\n"
    code = (
        "import synthmatch, synthmatch.presets.formats as f, synthmatch.training.config as c;"
        "from synthmatch.presets.bank import PresetBank; from synthmatch.presets.faustsynth import factory_bank_path;"
        "print(synthmatch.__file__, f.__file__, c.__file__, len(PresetBank.read(factory_bank_path())), sep='\\n')"
    )
    *places, presets = python("-c", code).split("\n")[:-1]
    assert all(Path(place).is_relative_to(installed) for place in places), places
    assert int(presets) >= 200
