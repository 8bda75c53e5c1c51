"""The host files in the real plugins: what they load sounds as the original preset does."""

import gzip
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from synthmatch.presets.formats.amsynth import AmsynthBank, vst_values
from synthmatch.presets.formats.fxp import FxFile
from synthmatch.presets.formats.zyn import PLUGIN_ID, PLUGIN_VERSION, ZynInstrument, uses_padsynth
from synthmatch.presets.preset import Preset

AMSYNTH_PLUGIN = Path("/usr/lib/vst/amsynth_vst.so")
ZYN_PLUGIN = Path("/usr/lib/vst/ZynAddSubFX.so")
AMSYNTH_BANK = Path("/usr/share/amsynth/banks/BriansBank05.amSynth.bank")
ZYN_BANKS = Path("/usr/share/zynaddsubfx/banks")

pytestmark = [
    pytest.mark.plugin,
    pytest.mark.skipif(
        not all(path.exists() for path in (AMSYNTH_PLUGIN, ZYN_PLUGIN, AMSYNTH_BANK, ZYN_BANKS)),
        reason="Debian's packages amsynth, zynaddsubfx-vst and zynaddsubfx-data aren't all installed",
    ),
]

# One process per sound: a plugin that was loaded before would lend the next one its random state.
_HOST = """
import ctypes, json, sys
import dawdreamer, numpy
job = json.loads(sys.argv[1])
seeds = [ctypes.c_uint32.in_dll(ctypes.CDLL(job["plugin"]), name) for name in job["seeds"]]
def seed():
    for each in seeds:
        each.value = 1
seed()
engine = dawdreamer.RenderEngine(44100, 512)
plugin = engine.make_plugin_processor("synth", job["plugin"])
seed()
if job["file"]:
    assert plugin.load_preset(job["file"])
for index, value in enumerate(job["values"]):
    plugin.set_parameter(index, value)
plugin.add_midi_note(60, 100, 0.0, 0.7)
engine.load_graph([(plugin, [])])
seed()
engine.render(1.0)
numpy.save(job["out"], engine.get_audio())
"""


def sound(
    folder: Path, plugin: Path, file: Path | None = None, values: list[float] | None = None
) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """What the plugin plays in a process of its own, (channels, samples)."""
    out = folder / "sound.npy"
    seeds = ["_ZN3zyn10prng_stateE"] if plugin == ZYN_PLUGIN else []
    job = {"plugin": str(plugin), "file": str(file or ""), "values": values or [], "seeds": seeds, "out": str(out)}
    environment = {**os.environ, "HOME": str(folder), "OPENBLAS_NUM_THREADS": "1"}
    subprocess.run(
        [sys.executable, "-c", _HOST, json.dumps(job)],
        check=True, timeout=60, capture_output=True, env=environment,
    )  # fmt: skip
    heard: np.ndarray[tuple[int, ...], np.dtype[np.float32]] = np.load(out)
    return heard


@pytest.mark.parametrize("name", ["Scratchin1", "Pluckd", "Church4"])
def test_amsynth_plays_the_program_as_it_plays_the_parameters(tmp_path: Path, name: str) -> None:
    presets, _ = AmsynthBank().read(AMSYNTH_BANK)
    preset = next(each for each in presets if each.name == name)
    file = AmsynthBank().write_host(tmp_path, preset, "host")
    expected = sound(tmp_path, AMSYNTH_PLUGIN, values=vst_values(preset.state.parameters()))
    assert np.abs(expected).max() > 0.01
    np.testing.assert_allclose(sound(tmp_path, AMSYNTH_PLUGIN, file), expected, atol=1e-4)


_CHOSEN = (
    "Bass/0001-Bass 1.xiz",
    "Brass/0035-Analog Brass 3.xiz",
    "olivers-100/0053-The Quack.xiz",
    "the_mysterious_bank_4/0015-belly.xiz",
)


def original_host_file(folder: Path, instrument: Path) -> Path:
    """A host file made from the text of the instrument as it stands, not from what was read of it."""
    data = instrument.read_bytes()
    text = gzip.decompress(data) if data.startswith(b"\x1f\x8b") else data
    root = re.search(rb"<ZynAddSubFX-data[^>]*>", text)
    body = re.search(rb"<INSTRUMENT>.*</INSTRUMENT>", text, re.DOTALL)
    assert root
    assert body
    session = (
        b'state\0<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE ZynAddSubFX-data>\n' + root[0]
        + b'<MASTER><par_real name="volume" value="-6.66667"/><PART id="0"><par_bool name="enabled" value="yes"/>'
        + b'<par_real name="volume" value="0"/><par name="rcv_chn" value="0"/>\n' + body[0]
        + b"\n</PART></MASTER></ZynAddSubFX-data>\0"
    )  # fmt: skip
    path = folder / "original.fxb"
    path.write_bytes(FxFile(PLUGIN_ID, session, bank=True, plugin_version=PLUGIN_VERSION).encode())
    return path


@pytest.mark.parametrize("name", _CHOSEN)
def test_zyn_plays_the_bank_as_it_plays_the_original_text(tmp_path: Path, name: str) -> None:
    (preset,), _ = ZynInstrument().read(ZYN_BANKS / name)
    assert not uses_padsynth(preset.state)
    native = tmp_path / "copy.xiz"
    ZynInstrument().write(native, [preset])
    (copy,), _ = ZynInstrument().read(native)
    file = ZynInstrument().write_host(tmp_path, Preset(preset.name, copy.state), "host")
    expected = sound(tmp_path, ZYN_PLUGIN, original_host_file(tmp_path, ZYN_BANKS / name))
    assert np.abs(expected).max() > 0.01
    np.testing.assert_allclose(sound(tmp_path, ZYN_PLUGIN, file), expected, atol=1e-6)
