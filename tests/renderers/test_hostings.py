"""What is put into a plugin beside its preset: the values that switch its effects off."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from synthmatch.presets.catalogue import Isolation
from synthmatch.presets.formats.vst2 import parameter_state
from synthmatch.presets.ownsynths import own_synth
from synthmatch.renderers.pool import RenderPool
from synthmatch.renderers.probe import probe
from synthmatch.renderers.renderer import RenderJob, RenderSettings
from synthmatch.renderers.soundcheck import same_sound

VALUES = [0.25, 0.5, 0.5, 0.0, 0.0]


@pytest.mark.parametrize("place", [0, 1])
def test_effects_are_switched_off_by_the_names_that_the_plugin_is_shown_with(
    place: int, running_plugin: Callable[..., Path]
) -> None:
    plugin = running_plugin("TWINS")
    names = [each.name for each in probe(plugin).parameters]
    assert names == ["Mix", "Mix (2)", "parameter 3", "Reverb Wet", "Reverb Wet (5)"]
    off = ((names[place], 1.0), (names[2], 0.5), (names[4], 0.0))
    fields = {"plugin": str(plugin), "plugin_id": "RunS", "isolation": Isolation.NOTHING, "effects_off": off}
    row = own_synth("twins", "Twins", fields)
    turned = [1.0 if each == place else value for each, value in enumerate(VALUES)]
    wet, dry = parameter_state(row, VALUES), parameter_state(row, turned)
    jobs = [RenderJob(wet), RenderJob(wet, settings=RenderSettings(effects=False)), RenderJob(dry)]
    with RenderPool(1, known={row.id: row}) as pool:
        found = {result.job.key: result for result in pool.render(jobs)}
    assert [found[job.key].reason for job in jobs] == ["", "", ""]
    on, switched, parameters = (found[job.key].clips for job in jobs)
    assert same_sound(switched, parameters)
    assert not same_sound(switched, on)
