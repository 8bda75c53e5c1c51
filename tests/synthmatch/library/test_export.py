"""A preset as files, whatever its synth's states are made of."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from synthmatch.audio import Clip
from synthmatch.library.export import MARK, export_preset
from synthmatch.presets import faustsynth
from synthmatch.presets.bank import PresetBank
from synthmatch.presets.preset import Preset

PREVIEW = Clip(np.full((2, 4410), 0.1, np.float32), 44_100)


def test_a_state_that_is_no_plain_list_of_parameters_is_told_by_its_own_file_alone(tmp_path: Path) -> None:
    """Vital's, which are JSON as a list of parameters is, but of another shape."""
    told = {"synth_version": "1.0.7", "settings": {"osc_1_on": 1.0, "lfos": [{"name": "Line"}]}}
    (tmp_path / "Soft.vital").write_text(json.dumps(told))
    (preset,) = PresetBank.read(tmp_path / "Soft.vital")
    written = export_preset(preset, PREVIEW, tmp_path / "out")
    assert [path.name for path in written] == ["Soft.vital", MARK, "preview.flac"]
    about = json.loads((tmp_path / "out" / MARK).read_text())
    assert (about["id"], about["parameters"]) == (preset.id, None)
    (again,) = PresetBank.read(tmp_path / "out" / "Soft.vital")
    assert again.id == preset.id


def test_a_state_that_is_one_is_told_by_name(tmp_path: Path) -> None:
    preset = Preset("Plain", faustsynth.make_state({"filter_cutoff": 900}))
    export_preset(preset, PREVIEW, tmp_path)
    about = json.loads((tmp_path / MARK).read_text())
    assert about["parameters"] == preset.state.parameters()
    assert about["parameters"]["filter_cutoff"] == 900
