"""The README's example from Python, from a folder of presets to one that was brought closer, as it stands there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from synthmatch import audio
from synthmatch.notes import Performance
from synthmatch.presets import faustsynth
from synthmatch.presets.bank import PresetBank
from synthmatch.presets.formats import native_format
from synthmatch.renderers.pool import render_one
from synthmatch.renderers.renderer import RenderJob

pytest.importorskip("cma", reason="the example refines a preset: pip install cma")

README = Path(__file__).parent.parent / "README.md"
ASKED = "sm.Effort(seconds=60)"


def test_it_runs_by_the_names_of_sm_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SYNTHMATCH_HOME", str(tmp_path / "home"))
    factory = PresetBank.read(faustsynth.factory_bank_path())
    heard, *presets = [each for each in factory if each.family == "bass"][:4]  # what is heard isn't among them
    Path("patches").mkdir()
    native_format(faustsynth.SYNTH).write(Path("patches", "some.faustpatch"), presets)
    (sound,) = render_one(RenderJob(heard.state, (Performance.single(45, 100),))).clips
    audio.write(Path("bass.wav"), sound)

    (example,) = re.findall(r"^```python\n(.*?)^```$", README.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    assert ASKED in example
    names: dict[str, object] = {}
    exec(compile(example.replace(ASKED, "sm.Effort(seconds=600, renders=12)"), str(README), "exec"), names)

    matches = names["result"].family("bass")  # type: ignore[attr-defined]
    assert {match.preset.name for match in matches} == {each.name for each in presets}
    assert all(match.files and all(file.is_file() for file in match.files) for match in matches)
    assert names["closer"].renders > 1  # type: ignore[attr-defined]
    assert Path("refined").exists() is (names["closer"].preset is not names["closer"].start)  # type: ignore[attr-defined]
