"""What is missing is named by its own name, never as an extra of a package that an index may have of somebody else."""

from __future__ import annotations

import re
from importlib import metadata
from pathlib import Path

import pytest

from synthmatch import doctor
from synthmatch.extras import remedy, requirements

ROOT = Path(__file__).parent.parent.parent
EXTRAS = sorted({each.extra for each in requirements()} - {""})


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if synthmatch alone were installed, and of the rest only Starlette."""
    version = metadata.version

    def known(name: str) -> str:
        if name in ("synthmatch", "starlette"):
            return version(name)
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", known)


def test_the_metadata_is_read_whole() -> None:
    assert {"vital", "dx7", "soundfont", "loudness", "refine", "cluster", "web", "train", "basicpitch"} <= set(EXTRAS)
    assert next(each for each in requirements() if each.name == "torch").version


@pytest.mark.usefixtures("bare")
def test_what_is_missing_of_an_extra_is_named_and_nothing_else() -> None:
    assert remedy("web") == "run `pip install uvicorn jinja2 python-multipart scikit-learn`"
    assert remedy("dx7") == "run `pip install dexed-py`"


@pytest.mark.parametrize("extra", EXTRAS)
def test_what_is_there_and_does_not_work_is_named_whole(extra: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata, "version", lambda _: "1.0")
    named = re.fullmatch(r"run `pip install ([\w. -]+)`", remedy(extra))
    assert named is not None
    assert named[1].split() == [each.name for each in requirements() if each.extra == extra]


def test_without_metadata_no_index_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(name: str) -> list[str]:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "requires", gone)
    assert "extra `web`" in remedy("web")
    assert "pip install" not in remedy("web")
    assert [each.subject for each in doctor._packages()] == ["Python"]


def test_an_extra_that_the_installed_copy_has_not_is_asked_of_no_index() -> None:
    assert "pip install" not in remedy("kazoo")


@pytest.mark.usefixtures("bare")
def test_doctor_names_each_by_its_own_name() -> None:
    found = {each.subject: each for each in doctor._packages()}
    assert found["starlette"].mark is doctor.Mark.FOUND
    assert found["torch"].mark is doctor.Mark.BROKEN
    assert (found["cma"].mark, found["cma"].sentence) == (
        doctor.Mark.MISSING,
        "not installed; run `pip install cma`.",
    )
    assert "pytest" not in found


def test_nobody_is_told_to_ask_an_index_for_synthmatch() -> None:
    told = re.compile(r"pip install (?:--?\S+ )*['\"]?synthmatch\b")
    assert told.search("run `pip install 'synthmatch[web]'`")
    folders = ("synthmatch", "presets", "renderers", "training", "docs", "bench", "tools", "tests")
    files = [*ROOT.glob("*.md"), *(file for each in folders for file in (ROOT / each).rglob("*.*"))]
    texts = {file: file.read_text("utf-8") for file in files if file.suffix in (".py", ".md", ".html", ".js", ".sh")}
    wrong = [file.relative_to(ROOT) for file, text in texts.items() if told.search(text) and file != Path(__file__)]
    assert wrong == []
