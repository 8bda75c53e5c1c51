"""What a plugin says about itself, and what is said of plugins that can't be asked."""

from __future__ import annotations

import json
import plistlib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthmatch.errors import PluginCrashed, PluginMissing, RenderTimeout, SynthError
from synthmatch.presets.catalogue import SYNTHS
from synthmatch.renderers.identity import class_ids, identity, module_identity, plain_json
from synthmatch.renderers.probe import probe
from synthmatch.renderers.synths import find_plugin

Compile = Callable[..., Path]

CLASS_ID = "d39d5b69d6af42fa1234567844695661"
MODULE = """{
  // written by hand, as the SDK's own tool does it
  "Name": "Diva", "Version": "1.4",
  "Classes": [
    { "CID": "00000000000000000000000000000001", "Category": "Component Controller Class", "Name": "x", },
    /* the one, "Category": "Audio Module Class", */
    {
      "CID": "D39D5B69D6AF42FA1234567844695661",
      "Category": "Audio Module Class",
      "Name": "Diva, the // synth",
      "Sub Categories": [ "Instrument", "Synth", /* last */ ],
    },
  ],
}
"""


def test_everything_a_plugin_says(running_plugin: Compile) -> None:
    plugin = running_plugin()
    found = probe(plugin)
    assert (found.plugin, found.name, found.plugin_id, found.plugin_version) == (plugin, "Running Synth", "RunS", 0x102)
    assert (found.instrument, found.inputs, found.outputs) == (True, 0, 1)
    values = {each.name: each.default for each in found.parameters}
    assert values == {"Shape": 0.5, "Colour": 0, "Master Tune": 0.5, "Reverb Wet": 0, "Reverb Wet (5)": 0}


def test_an_effect_says_so(running_plugin: Compile) -> None:
    found = probe(running_plugin("EFFECT"))
    assert (found.instrument, found.inputs) == (False, 1)


@pytest.mark.parametrize("synth", ["amsynth", "zynaddsubfx", "kars", "nekobi"])
@pytest.mark.plugin
def test_the_catalogue_agrees_with_the_plugins(synth: str) -> None:
    row = SYNTHS[synth]
    plugin = find_plugin(row)
    if plugin is None:
        pytest.skip(f"{row.title} isn't on this machine: {row.remedy}")
    found = probe(plugin)
    assert found.plugin_id == row.plugin_id
    assert found.instrument
    assert found.name.lower() == row.title.lower()
    for each, ours in zip(found.parameters, row.parameters, strict=False):
        assert each.name == ours.name
        assert each.default == pytest.approx(ours.default, abs=1e-6)


def test_a_plugin_that_crashes_or_hangs_is_one_sentence(running_plugin: Compile) -> None:
    with pytest.raises(PluginCrashed, match=r"running-vst\.so died by SIGSEGV when it was loaded"):
        probe(running_plugin("ENTRY_CRASH"))
    with pytest.raises(RenderTimeout, match=r"running-vst\.so wasn't loaded after 3 s"):
        probe(running_plugin("ENTRY_HANG"), timeout=3)


def test_what_is_no_plugin(tmp_path: Path) -> None:
    with pytest.raises(SynthError, match="isn't there"):
        probe(tmp_path / "gone.so")
    text = tmp_path / "text.txt"
    text.write_text("no plugin")
    with pytest.raises(SynthError, match="isn't a plugin; those end in"):
        probe(text)
    with pytest.raises(PluginMissing, match="can't be loaded as a plugin"):
        probe(text.rename(tmp_path / "text.so"))


def test_a_vst3_bundle_says_who_it_is(tmp_path: Path) -> None:
    assert identity(tmp_path / "Diva.vst3").plugin_id == ""
    resources = tmp_path / "Diva.vst3" / "Contents" / "Resources"
    resources.mkdir(parents=True)
    (resources / "moduleinfo.json").write_text(MODULE)
    found = identity(tmp_path / "Diva.vst3")
    assert (found.plugin_id, found.name, found.instrument) == (CLASS_ID, "Diva, the // synth", True)
    wrong = (MODULE[:200], '{"Classes": [1, {"Category": "Audio Module Class", "SubCategories": 1}]}', "[" * 100_000)
    for text in wrong:
        (resources / "moduleinfo.json").write_text(text)
        assert (identity(tmp_path / "Diva.vst3").plugin_id, identity(tmp_path / "Diva.vst3").instrument) == ("", None)


def test_an_audio_unit_says_who_it_is(tmp_path: Path) -> None:
    contents = tmp_path / "Diva.component" / "Contents"
    contents.mkdir(parents=True)
    unit = {"type": "aumu", "subtype": "Diva", "manufacturer": "u-he", "name": "u-he: Diva", "version": 66560}
    (contents / "Info.plist").write_bytes(plistlib.dumps({"AudioComponents": [unit]}))
    found = identity(tmp_path / "Diva.component")
    assert (found.plugin_id, found.name, found.version, found.instrument) == ("Diva", "Diva", 66560, True)
    wrong = [plistlib.dumps({"AudioComponents": parts}) for parts in ([], ["Diva"], [{"version": "new"}])]
    for data in (*wrong, b"<?xml version='1.0'?><plist><dict>", b"no plist"):
        (contents / "Info.plist").write_bytes(data)
        assert identity(tmp_path / "Diva.component").plugin_id == ""


def test_a_module_without_classes_is_refused() -> None:
    with pytest.raises(ValueError, match="classes"):
        module_identity("[]")


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text('ab ,]}"/*\\\n'),
    lambda inner: st.lists(inner) | st.dictionaries(st.text('k,]/"'), inner),
)


@given(VALUES)
def test_plain_json_stays_as_it_is(value: object) -> None:
    for indent in (None, 1):
        text = json.dumps(value, indent=indent)
        assert plain_json(text) == text


def test_class_ids_come_from_presets_alone(tmp_path: Path) -> None:
    preset, wrong = tmp_path / "one.vstpreset", tmp_path / "two.vstpreset"
    preset.write_bytes(b"VST3\1\0\0\0" + CLASS_ID.upper().encode() + bytes(8))
    wrong.write_bytes(b"VST3\1\0\0\0" + b"not a class id".ljust(32) + bytes(8))
    assert list(class_ids(iter([wrong, preset, tmp_path / "gone.vstpreset"]))) == [CLASS_ID]
