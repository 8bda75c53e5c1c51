"""From a song that is dropped to the file that the real plugin opens."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from synthmatch import audio
from synthmatch.library.library import Library
from synthmatch.networks.encoder import Encoder
from synthmatch.notes import REFERENCE_NOTES
from synthmatch.presets.bank import PresetBank
from synthmatch.presets.catalogue import SYNTHS
from synthmatch.presets.formats.amsynth import vst_values
from synthmatch.presets.preset import Preset
from synthmatch.renderers.pool import RenderPool
from synthmatch.renderers.renderer import RenderJob
from synthmatch.renderers.synths import find_plugin

pytestmark = pytest.mark.plugin

_OPENED_BY_THE_PLUGIN = """
import json, sys
import dawdreamer
engine = dawdreamer.RenderEngine(44100, 512)
plugin = engine.make_plugin_processor("synth", sys.argv[1])
assert plugin.load_preset(sys.argv[2])
print(json.dumps([plugin.get_parameter(index) for index in range(int(sys.argv[3]))]))
"""


def test_what_is_downloaded_is_opened_by_the_plugin(
    visit: Any, serving: Any, made: Any, amsynth: tuple[Preset, ...], encoder: Encoder, tmp_path: Path
) -> None:
    presets = amsynth[:6]
    with Library.create(tmp_path / "library") as library, RenderPool(1) as pool:
        library.add(PresetBank(presets), encoder=encoder, pool=pool)
        audio.write(tmp_path / "song.wav", library.preview(presets[0].id).between(0, 6))
    with serving(tmp_path / "library", made.model) as address:
        there = visit(address)
        there.drop(tmp_path / "song.wav")
        there.found()
        there.page.keyboard.press("1")
        there.hears("#match-audio")
        state = there.page.locator(".card.current").get_attribute("data-id")
        files = there.downloads(lambda: there.page.click("#bar-files"), tmp_path / "files")
    (native,), (hosted,) = files.rglob("*.bank"), files.rglob("*.fxp")
    (preset,) = PresetBank.read(native)
    assert preset.id == state
    command = [sys.executable, "-c", _OPENED_BY_THE_PLUGIN, str(find_plugin(SYNTHS["amsynth"])), str(hosted)]
    expected = vst_values(preset.state.parameters())
    done = subprocess.run([*command, str(len(expected))], check=True, capture_output=True, text=True, timeout=120)
    np.testing.assert_allclose(json.loads(done.stdout.splitlines()[-1]), expected, atol=1e-4)
    about = json.loads((native.parent / "parameters.json").read_text())
    preview = audio.read(next(files.rglob("*.flac"))).scaled(about["preview_gain"])
    with RenderPool(1) as pool:
        (result,) = pool.render([RenderJob(preset.state, REFERENCE_NOTES)])
    again = np.concatenate([clip.samples for clip in result.clips], axis=1)
    assert np.abs(preview.samples - again).max() < 1e-4  # it sounds as the page let it be heard
