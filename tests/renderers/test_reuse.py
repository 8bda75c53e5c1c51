"""What a preset leaves behind in its process costs none of those that come after it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from synthmatch.notes import Performance
from synthmatch.presets.catalogue import Engine, Isolation, Synth
from synthmatch.presets.formats.vst2 import parameter_state
from synthmatch.renderers import host
from synthmatch.renderers.pool import RenderPool
from synthmatch.renderers.renderer import Failure, RenderJob, RenderResult

Compile = Callable[..., Path]
NOTE = Performance.single(60, 100, 0.2, 0.1)


def synth(plugin: Path) -> Synth:
    return Synth("running", "Running", Engine.PLUGIN, (".fxp",), "", Isolation.NOTHING, str(plugin), "RunS", settle=0.0)


def played(row: Synth, *presets: Sequence[float]) -> list[RenderResult]:
    """What presets sound like, one after the other in one worker."""
    with RenderPool(1, known={row.id: row}) as pool:
        return list(pool.render(RenderJob(parameter_state(row, values), (NOTE,)) for values in presets))


def test_of_many_outputs_the_first_two_are_heard(running_plugin: Compile) -> None:
    """A host plays the main output; the others are for drums, or layers, that somebody routes there."""
    (mono,) = played(synth(running_plugin()), [0.3])
    (many,) = played(synth(running_plugin("OUTPUTS=6")), [0.3])
    left = mono.clips[0].samples[0]
    np.testing.assert_array_equal(many.clips[0].samples, [left, -left])


def test_a_preset_that_poisons_its_instance_is_the_only_one_that_fails(running_plugin: Compile) -> None:
    results = played(synth(running_plugin("POISONED")), [0.1], [0.95], [0.2])
    assert [result.failure for result in results] == [None, Failure.NOT_FINITE, None]


def test_what_a_preset_leaves_out_is_not_taken_from_the_one_before(running_plugin: Compile) -> None:
    row = synth(running_plugin())
    after, alone = played(row, [0.3, 0.9], [0.3])[1], played(row, [0.3])[0]
    np.testing.assert_array_equal(after.clips[0].samples, alone.clips[0].samples)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux says how much memory another process holds")
def test_a_process_whose_plugin_leaks_is_renewed(running_plugin: Compile, monkeypatch: pytest.MonkeyPatch) -> None:
    """It leaks 20 MiB a preset; a growth of 50 stands for a gigabyte."""
    monkeypatch.setattr(host, "GROWTH", 50 * 2**20)
    shapes = [(0.1 + number / 20,) for number in range(9)]
    row, processes = synth(running_plugin("LEAKS=20")), []
    with RenderPool(1, known={row.id: row}) as pool:
        for result in pool.render(RenderJob(parameter_state(row, shape), (NOTE,)) for shape in shapes):
            assert result.failure is None
            processes += pool.pids()
    assert 2 <= len(set(processes)) <= 6
    leaking, sound = played(row, *shapes), played(synth(running_plugin()), *shapes)
    for ours, theirs in zip(leaking, sound, strict=True):
        np.testing.assert_array_equal(ours.clips[0].samples, theirs.clips[0].samples)
