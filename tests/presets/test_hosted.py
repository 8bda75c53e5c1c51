"""The host files in the real plugins: what they load sounds as the original preset does."""

import gzip
import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from synthmatch.errors import PresetError
from synthmatch.presets.bank import PresetBank
from synthmatch.presets.catalogue import SYNTHS
from synthmatch.presets.formats import format_of
from synthmatch.presets.formats.amsynth import AmsynthBank, make_state, vst_values
from synthmatch.presets.formats.fxp import FxFile
from synthmatch.presets.formats.vst2 import parameter_state
from synthmatch.presets.formats.zyn import ZynInstrument, uses_padsynth
from synthmatch.presets.preset import Preset
from synthmatch.renderers.synths import bank_folders, find_plugin, is_installed

pytestmark = pytest.mark.plugin


def plugin_of(synth: str) -> Path:
    """Its file; the test is skipped where it, or a bank that comes with it, isn't."""
    row = SYNTHS[synth]
    if not is_installed(row) or (row.banks and not bank_folders(row)):
        pytest.skip(f"{row.title} and its banks aren't all on this machine; {row.remedy}")
    path = find_plugin(row)
    assert path is not None
    return path


def bank_folder(synth: str) -> Path:
    plugin_of(synth)
    return bank_folders(SYNTHS[synth])[0]


# One process per sound: a plugin that was loaded before would lend the next one its random state.
_HOST = """
import ctypes, json, sys
import dawdreamer, numpy
job = json.loads(sys.argv[1])
seeds = [ctypes.c_uint32.in_dll(ctypes.CDLL(job["plugin"]), name) for name in job["seeds"]]
def seed():
    ctypes.CDLL(None).srand(1)
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

_START = """
import sys
import dawdreamer
dawdreamer.RenderEngine(44100, 512).make_plugin_processor("synth", sys.argv[1])
"""


def sound(
    folder: Path, plugin: Path, file: Path | None = None, values: Sequence[float] = ()
) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """What the plugin plays in a process of its own, (channels, samples)."""
    out = folder / "sound.npy"
    seeds = ["_ZN3zyn10prng_stateE"] if "Zyn" in plugin.name else []
    job = {
        "plugin": str(plugin), "file": str(file or ""), "values": list(values), "seeds": seeds, "out": str(out),
    }  # fmt: skip
    environment = {**os.environ, "HOME": str(folder), "OPENBLAS_NUM_THREADS": "1"}
    subprocess.run(
        [sys.executable, "-c", _HOST, json.dumps(job)],
        check=True, timeout=60, capture_output=True, env=environment,
    )  # fmt: skip
    heard: np.ndarray[tuple[int, ...], np.dtype[np.float32]] = np.load(out)
    return heard


def written(path: Path, preset: Preset) -> Path:
    format_of(path).write(path, [preset])
    return path


@pytest.mark.parametrize(
    ("name", "suffix"), [("Scratchin1", ".fxp"), ("Pluckd", ".fxp"), ("Church4", ".fxp"), ("Church4", ".fxb")]
)
def test_amsynth_plays_the_program_as_it_plays_the_parameters(tmp_path: Path, name: str, suffix: str) -> None:
    plugin = plugin_of("amsynth")
    presets, _ = AmsynthBank().read(bank_folder("amsynth") / "BriansBank05.amSynth.bank")
    preset = next(each for each in presets if each.name == name)
    file = written(tmp_path / f"host{suffix}", preset)
    expected = sound(tmp_path, plugin, values=vst_values(preset.state.parameters()))
    assert np.abs(expected).max() > 0.01
    np.testing.assert_allclose(sound(tmp_path, plugin, file), expected, atol=1e-4)


def test_amsynth_starts_beside_the_largest_bank_that_is_written(tmp_path: Path) -> None:
    """It reads all banks of its user whenever it starts, in whatever host: one that crashes it takes that along."""
    plugin, folder = plugin_of("amsynth"), tmp_path / ".local" / "share" / "amsynth" / "banks"
    presets = [Preset(f"Preset {place}", make_state({})) for place in range(129)]
    with pytest.raises(PresetError, match=r"large\.bank can't hold 129 presets; .* more than 128\."):
        AmsynthBank().write(folder / "large.bank", presets)
    AmsynthBank().write(folder / "large.bank", presets[:128])
    environment = {key: value for key, value in os.environ.items() if key != "XDG_DATA_HOME"}
    subprocess.run(
        [sys.executable, "-c", _START, str(plugin)],
        check=True, timeout=60, capture_output=True, env={**environment, "HOME": str(tmp_path)},
    )  # fmt: skip


@pytest.mark.parametrize("synth", ["kars", "nekobi"])
@pytest.mark.parametrize("suffix", [".fxp", ".fxb"])
def test_plugins_of_values_play_the_file_as_they_play_the_values(tmp_path: Path, synth: str, suffix: str) -> None:
    plugin, row = plugin_of(synth), SYNTHS[synth]
    # Kars's first parameter is a switch, Nekobi's as well.
    values = [1.0, *(0.25 + 0.5 * parameter.default for parameter in row.parameters[1:])]
    file = written(tmp_path / f"host{suffix}", Preset("Some", parameter_state(row, values)))
    (back,) = PresetBank.read(file)
    assert back.state == parameter_state(row, values)
    expected = sound(tmp_path, plugin, values=values)
    assert np.abs(expected).max() > 0.01
    assert np.abs(expected - sound(tmp_path, plugin)).max() > 1e-3  # untouched, it plays something else
    np.testing.assert_allclose(sound(tmp_path, plugin, file), expected, atol=1e-6)


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
    row = SYNTHS["zynaddsubfx"]
    path.write_bytes(FxFile(row.plugin_id, session, bank=True, plugin_version=row.plugin_version).encode())
    return path


@pytest.mark.parametrize(("name", "suffix"), [*((name, ".fxb") for name in _CHOSEN), (_CHOSEN[0], ".fxp")])
def test_zyn_plays_the_bank_as_it_plays_the_original_text(tmp_path: Path, name: str, suffix: str) -> None:
    plugin, original = plugin_of("zynaddsubfx"), bank_folder("zynaddsubfx") / name
    (preset,), _ = ZynInstrument().read(original)
    assert not uses_padsynth(preset.state)
    native = tmp_path / "copy.xiz"
    ZynInstrument().write(native, [preset])
    (copy,), _ = ZynInstrument().read(native)
    file = written(tmp_path / f"host{suffix}", Preset(preset.name, copy.state))
    expected = sound(tmp_path, plugin, original_host_file(tmp_path, original))
    assert np.abs(expected).max() > 0.01
    np.testing.assert_allclose(sound(tmp_path, plugin, file), expected, atol=1e-6)
