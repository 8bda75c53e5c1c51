"""The steps that are taken on a machine without network, by a command that stands for synthmatch."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from synthmatch.training.config import read_recipe
from synthmatch.training.record import arguments, plan_of
from synthmatch.training.run import data_plan

STEPS = Path(__file__).parent.parent / "tools" / "offline" / "steps.sh"

needs_shell = pytest.mark.skipif(
    sys.platform != "linux" or not shutil.which("sh"), reason="the steps are taken on Linux, by a shell"
)


def stand_in(folder: Path, script: str) -> None:
    """Put a command of the name `synthmatch` where the steps in a folder find it first."""
    (folder / "env.sh").write_text(f"PATH='{folder}':$PATH\n", encoding="utf-8")
    command = folder / "synthmatch"
    command.write_text(script, encoding="utf-8")
    command.chmod(0o755)


@needs_shell
def test_an_encoder_of_another_recipe_is_no_sign_that_training_is_done(tmp_path: Path) -> None:
    """`synthmatch` stands for one that trains the recipe `short` to its end, and no other."""
    stand_in(tmp_path, '#!/bin/sh\n[ "$3" != short ] || { mkdir -p "$7" && echo weights >"$9"; }\n')

    def step(name: str, recipe: str) -> int:
        words = ["sh", str(STEPS), str(tmp_path), name]
        return subprocess.run(words, env={**os.environ, "RECIPE": recipe}, capture_output=True).returncode

    (tmp_path / "parcel.json").write_text("of which commit\n")
    assert step("train", "short") == 0
    assert step("results", "short") == 0
    home = {path.name: path.read_text() for path in (tmp_path / "results").iterdir()}
    assert home == {"encoder.safetensors": "weights\n", "parcel.json": "of which commit\n"}
    assert step("train", "long") == 3


@needs_shell
@pytest.mark.parametrize(
    ("asked", "synths", "phrases"),
    [
        (None, {"amsynth", "zynaddsubfx", "dx7", "soundfont"}, 3),
        ("--phrases 1", {"amsynth", "zynaddsubfx", "dx7", "soundfont"}, 1),
        ("--synths amsynth", {"amsynth"}, 0),
    ],
)
def test_recording_is_of_the_synths_that_the_released_weights_heard(
    tmp_path: Path, asked: str | None, synths: set[str], phrases: int
) -> None:
    """Python stands for one that writes its arguments down, and they are read as the command does."""
    stand_in(tmp_path, "#!/bin/sh\n")
    python = tmp_path / "python"
    python.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n', encoding="utf-8")
    python.chmod(0o755)
    words = ["sh", str(STEPS), str(tmp_path), "record"]
    given = {"PYTHON": str(python)} | ({"RECORD": asked} if asked is not None else {})
    told = subprocess.run(words, env={**os.environ, **given}, check=True, capture_output=True, text=True).stdout
    module, *rest = told.splitlines()[1:]
    assert module == "synthmatch.training.record"
    plan = plan_of(arguments().parse_args(rest))
    assert set(plan.synths) == synths
    assert plan.phrases == phrases
    if asked is None:
        recipe = data_plan(read_recipe("released"))
        assert set(recipe.synths) == synths
        assert (recipe.notes, recipe.phrases) == (plan.notes, plan.phrases)
        assert recipe.variants.perturbed <= plan.variants.perturbed


@needs_shell
def test_each_suite_has_a_table_of_its_own(tmp_path: Path) -> None:
    """`synthmatch` stands for one that writes its arguments for a table."""
    stand_in(tmp_path, '#!/bin/sh\necho "$@" >"$7"\n')
    for suite, mixtures in (("single", ""), ("mixture", "200"), ("", "")):
        words = ["sh", str(STEPS), str(tmp_path), "evaluate"]
        subprocess.run(words, env={**os.environ, "SUITE": suite, "MIXTURES": mixtures}, check=True)
    tables = {path.name: path.read_text() for path in (tmp_path / "results").iterdir()}
    assert tables.keys() == {"table-single.md", "table-mixture.md", "table.md"}
    assert tables["table-single.md"].endswith("--suite single\n")
    assert tables["table-mixture.md"].endswith("--suite mixture --mixtures 200\n")
    assert tables["table.md"].endswith("table.md\n")


@needs_shell
@pytest.mark.parametrize("asked", ["40", ""])
def test_training_may_be_given_more_memory(tmp_path: Path, asked: str) -> None:
    """`synthmatch` stands for one that writes its arguments for an encoder."""
    stand_in(tmp_path, '#!/bin/sh\nmkdir -p "$7"\necho "$@" >"$9"\n')
    words = ["sh", str(STEPS), str(tmp_path), "train"]
    subprocess.run(words, env={**os.environ, "RECIPE": "short", "MEMORY_GB": asked}, check=True)
    told = (tmp_path / "home" / "run-short" / "encoder.safetensors").read_text()
    assert told.endswith(f"--minutes 8{' --memory-gb 40' if asked else ''}\n")
