"""Places that can't be read are said to be so. A path longer than the system takes stands for one that one may not
read: whoever runs the tests may read everything."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from synthmatch.doctor import Topic


@pytest.mark.usefixtures("no_plugins")
def test_doctor_calls_no_folder_empty_that_it_cannot_read(
    place: Any, run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    banks = tmp_path / "banks" / "amsynth"
    banks.mkdir(parents=True)
    monkeypatch.setenv("SYNTHMATCH_BANKS", str(banks.parent))
    monkeypatch.chdir(banks)
    depth, longest = len(str(banks)), os.pathconf("/", "PC_PATH_MAX")
    while depth <= longest:
        Path("d" * 200).mkdir()
        os.chdir("d" * 200)
        depth += 201
    os.chdir(place.home)
    (line,) = (each for each in run("doctor", "--model", place.model).out.splitlines() if "amsynth: /" in each)
    assert line.startswith(f"  broken   amsynth: {banks}/ddd")
    assert line.endswith(" can't be read (File name too long); what it holds is left out.")


@pytest.mark.usefixtures("no_plugins")
@pytest.mark.parametrize("what", ["library", "model"])
def test_doctor_says_the_rest_though_a_place_cannot_be_looked_into(
    place: Any, run: Callable[..., Any], what: str
) -> None:
    name = "d" * 300
    asked = {"library": place.library, "model": place.model, what: name}
    lines = run("doctor", "--library", asked["library"], "--model", asked["model"]).out.splitlines()
    sentence = "can't be read (File name too long); see to it that you may read it."
    assert [line for line in lines if line.startswith(f"  broken   {name}: ") and line.endswith(sentence)]
    headings = [line for line in lines if line and not line.startswith(" ")]
    assert headings == [topic.value for topic in Topic]


def test_a_path_that_cannot_be_looked_at_costs_one_sentence(place: Any, run: Callable[..., Any]) -> None:
    name = "d" * 300
    done = run("library", "add", name, "--model", place.model, "--library", "new")
    assert done.status == 1
    assert done.err.startswith("error: ")
    assert done.err.endswith(f"{name} can't be read (File name too long); name a preset file or a folder.\n")
