"""A trial finds what a synth needs, shown with synths that are compiled to need just that."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from synthmatch.audio import Clip
from synthmatch.errors import PluginMissing, RenderError
from synthmatch.presets.catalogue import SYNTHS, Isolation, Synth
from synthmatch.presets.ownsynths import own_synth
from synthmatch.presets.preset import Preset, State
from synthmatch.presets.randompatches import random_patches
from synthmatch.renderers import trial
from synthmatch.renderers.probe import probe
from synthmatch.renderers.soundcheck import difference
from synthmatch.renderers.synths import is_installed
from synthmatch.renderers.trial import Trial, choose_states, try_isolations

Compile = Callable[..., Path]


def synth_of(plugin: Path) -> tuple[Synth, tuple[State, ...]]:
    """A plugin's row, which believes the worst of nothing, and three of its random patches."""
    found = probe(plugin)
    fields = {"plugin": str(plugin), "plugin_id": found.plugin_id, "parameters": found.parameters}
    row = own_synth("running", found.name, fields)
    return row, choose_states([preset.state for preset in random_patches(row, 20)], 3)


def tried(plugin: Path) -> Trial:
    row, states = synth_of(plugin)
    return try_isolations(row, states)


def test_a_synth_without_memory_needs_nothing(running_plugin: Compile) -> None:
    found = tried(running_plugin())
    assert found.synth.isolation is found.ways[0].isolation  # any will do, and which takes least is measured
    assert found.synth.repeatable
    assert found.spread == 0
    assert (found.synth.settle, found.synth.random_state, found.synth.one_processor) == (0.0, "", False)
    assert [way.exact for way in found.ways] == [True] * len(found.ways)
    seconds = [way.seconds for way in found.ways]
    assert seconds == sorted(seconds)


def test_an_oscillator_that_runs_on_is_stopped(running_plugin: Compile) -> None:
    found = tried(running_plugin("RUNS_ON"))
    reused = found.way(Isolation.NOTHING)
    assert reused is not None
    assert not reused.good
    assert not reused.exact
    assert reused.difference > 0.01
    assert reused.spread > 0.1
    others = [way for way in found.ways if way.isolation is not Isolation.NOTHING]
    assert all(way.exact for way in others)
    assert found.synth.isolation is others[0].isolation  # the cheapest of them
    assert found.synth.settle == 0  # the phase never comes back, and nothing rings


def test_random_numbers_are_started_over(running_plugin: Compile) -> None:
    found = tried(running_plugin("DRAWS"))
    assert found.synth.random_state == "srand"
    assert not found.synth.one_processor
    assert found.synth.repeatable
    assert all(way.exact for way in found.ways)  # a plugin that is used again, too
    assert found.synth.isolation is found.ways[0].isolation


def test_what_is_never_the_same_twice_is_marked_with_its_spread(running_plugin: Compile) -> None:
    found = tried(running_plugin("NEVER_AGAIN"))
    assert not found.synth.repeatable
    assert found.spread > 0.3  # white noise, in the mean over bands
    assert found.synth.random_state == ""
    assert not found.synth.one_processor
    for way in found.ways:
        assert not way.exact
        assert way.good == (way.isolation is Isolation.NEW_PROCESS or way.spread <= trial.MARGIN * found.spread)


def test_the_silence_is_as_long_as_what_rings(running_plugin: Compile) -> None:
    assert tried(running_plugin("RINGS=1.6")).synth.settle == 2.0  # down to -90 dB after 1.25 s


@pytest.mark.parametrize(("deed", "reason"), [("BREAKS", "started again"), ("STOPS", "took longer")])
def test_a_way_in_which_the_plugin_fails_loses(
    deed: str, reason: str, running_plugin: Compile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trial, "_SHORTEST_TIMEOUT", 3.0)
    monkeypatch.setattr(trial, "_SLOWER", 1.0)
    found = tried(running_plugin(deed))
    lost = found.ways[-1]
    assert lost.isolation is Isolation.NOTHING
    assert reason in lost.reason
    assert not lost.good
    assert math.isinf(lost.difference)
    assert found.synth.isolation is found.ways[0].isolation
    assert found.ways[0].exact


def test_presets_without_sound_are_left_out(running_plugin: Compile) -> None:
    row, states = synth_of(running_plugin())
    wrong = State(row.id, states[0].data.replace(b"RunS", b"Another"[:4]))
    found = try_isolations(row, (*states[:2], wrong))
    assert found.presets == 2
    assert len(found.left_out) == 1
    assert wrong.id in found.left_out[0]
    with pytest.raises(RenderError, match="1 of its presets make a sound, and 2 are needed"):
        try_isolations(row, (states[0], wrong))


def test_a_plugin_that_is_gone_is_missed_at_once(running_plugin: Compile) -> None:
    row, states = synth_of(running_plugin())
    with pytest.raises(PluginMissing, match="nowhere"):
        try_isolations(replace(row, plugin="/nowhere/running-vst.so"), states)


def test_states_are_chosen_by_their_seed_and_differ() -> None:
    states = [State("synth", bytes([number // 2])) for number in range(60)]
    chosen = choose_states(states)
    assert chosen == choose_states(states) != choose_states(states, seed=1)
    assert len({state.id for state in chosen}) == trial.PRESETS
    assert len(choose_states(states[:4])) == 2


@pytest.mark.plugin
def test_amsynth_is_forked(amsynth_presets: list[Preset]) -> None:
    found = try_isolations(SYNTHS["amsynth"], [preset.state for preset in amsynth_presets[:3]])
    reused, forked = found.way(Isolation.NOTHING), found.way(Isolation.FORK)
    assert reused is not None
    assert not reused.good
    assert forked is not None
    assert forked.difference == 0
    assert found.synth.repeatable


@pytest.mark.plugin
def test_kars_is_cured_by_srand() -> None:
    row = SYNTHS["kars"]
    if not is_installed(row):
        pytest.skip(f"Kars isn't on this machine: {row.remedy}")
    states = choose_states([preset.state for preset in random_patches(row)], 3)
    found = try_isolations(replace(row, random_state=""), states)
    assert found.synth.random_state == "srand"
    assert found.synth.repeatable


def noise(seed: int, level: float = 0.1, count: int = 9000) -> Clip:
    samples = np.random.default_rng(seed).standard_normal((2, count)) * level
    return Clip(samples.astype(np.float32), 44_100)


def test_the_difference_is_the_largest_of_all_clips() -> None:
    first, second = noise(1), noise(2)
    changed = second.samples.copy()
    changed[1, 7] += 0.25
    assert difference([first, second], [first, Clip(changed, 44_100)]) == pytest.approx(0.25, rel=1e-5)
    assert math.isinf(difference([first], [first.between(0, 0.1)]))
    assert math.isinf(difference([first], []))
