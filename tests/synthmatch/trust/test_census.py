"""What is there twice is said to be, and what never sounds the same is found out."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from synthmatch.audio import Clip
from synthmatch.presets import faustsynth
from synthmatch.presets.bank import Fault
from synthmatch.presets.preset import Preset, State
from synthmatch.renderers.pool import RenderPool
from synthmatch.renderers.renderer import Failure, RenderJob
from synthmatch.trust.census import Census, Heard, digest, group, sample, spread

RATE = 44_100


def noise(seed: int, level: float = 0.2) -> Clip:
    return Clip((level * np.random.default_rng(seed).standard_normal((2, RATE // 2))).astype(np.float32), RATE)


def listing(name: str, state: str, bank: str = "bank") -> Preset:
    return Preset(name, State("tone", state.encode()), bank)


def test_a_digest_is_of_the_sound_to_16_bits() -> None:
    sound = noise(1)
    hair = Clip(sound.samples * np.float32(1 + 1e-7), RATE)
    assert (
        digest([sound])
        == digest(
            [
                sound,
            ]
        )
        != digest([noise(2)])
    )
    assert digest([sound]) != digest([sound.scaled(1.01), sound])
    assert spread([sound], [hair]) == 0
    assert spread([sound], [noise(2)]) > 0.5


def test_groups_hold_what_sounds_the_same_and_what_nearly_does() -> None:
    base = noise(1)
    tilted = Clip(base.samples + np.float32(0.01) * noise(9).samples, RATE)
    heard = {
        name: Heard.of([clip])
        for name, clip in (("a", base), ("b", base), ("c", tilted), ("d", noise(3, 0.2).between(0, 0.1)))
    }
    same, near = group(heard)
    assert same == [["a", "b"]]
    assert near == [["a", "c"]]  # b is a's; d is of another length and compares with nothing


def test_a_chain_of_small_steps_is_not_one_group() -> None:
    """Each tone is a little brighter than the one before: neighbours are near, the ends are not."""
    time = np.arange(RATE) / RATE
    bank = {}
    for step in range(24):
        tilt = 10 ** (-0.5 * step / 20)
        wave = sum(tilt ** (k - 1) * np.sin(2 * np.pi * 220 * k * time) / k for k in range(1, 9))
        bank[f"{step:02}"] = Heard.of([Clip((0.2 * wave)[None].astype(np.float32), RATE)])
    same, near = group(bank)
    assert same == []
    assert len(near) >= 2
    assert max(map(len, near)) < 12
    members = [state for names in near for state in names]
    assert len(members) == len(set(members))


def test_the_sample_of_a_bank_is_the_same_in_any_order() -> None:
    presets = [listing(f"p{i}", f"s{i}", f"bank {i % 3}") for i in range(30)]
    first, again = sample(presets), sample(presets[::-1])
    assert first == again
    assert {key: len(states) for key, states in first.items()} == {("tone", f"bank {i}"): 2 for i in range(3)}


def test_a_census_tells_what_happened() -> None:
    presets = [listing("Lead", "1"), listing("Copy", "2"), listing("Listed twice", "1"), listing("Mute", "3")]
    census = Census(presets)
    by_name = {each.name: each.id for each in presets}
    for name in ("Lead", "Copy"):
        census.hear(by_name[name], [noise(1)])
    census.failed(by_name["Mute"], Failure.SILENT.value, "It is mute.")
    steady, unsteady = census.repeats()  # the two that were heard
    census.heard_again(steady.id, spread([noise(1)], [noise(1)]))
    census.heard_again(unsteady.id, spread([noise(1)], [noise(5)]))
    assert census.repeats() == ()
    report = census.report([Fault(Path("x.bank"), "x.bank is torn.")])
    assert (report.presets, report.sounds) == (4, 3)
    assert [each.name for each in report.failures] == ["Mute"]
    assert [[each.name for each in names] for names in report.same] == [sorted(["Lead", "Copy"], key=by_name.get)]
    assert [(each.tried, each.exact) for each in report.repeats] == [(2, 1)]
    text = "\n".join(report.lines())
    for words in ("No sound (1 preset):", "It is mute.", "x.bank is torn.", "same sound (1 group", "1 of 2 presets"):
        assert words in text
    assert json.loads(json.dumps(report.to_json()))["failures"][0]["failure"] == "silent"


def test_what_sounds_like_the_synth_by_itself_is_named() -> None:
    presets = [listing("Init", "1"), listing("Lead", "2"), listing("Init again", "1")]
    census = Census(presets)
    census.hear(presets[0].id, [noise(1)])
    census.hear(presets[1].id, [noise(2)])
    assert census.report().plain == ()  # nobody knows yet
    census.hear_without("tone", [noise(1, 0.5)])  # as loud as it likes
    (init,) = census.report().plain
    assert init.id == presets[0].id
    assert any("without any preset (1 preset)" in line for line in census.report().lines())


def test_a_clean_bank_is_told_in_one_line() -> None:
    census = Census([listing("Lead", "1")])
    (preset,) = [listing("Lead", "1")]
    census.hear(preset.id, [noise(1)])
    census.heard_again(preset.id, spread([noise(1)], [noise(1)]))
    assert census.report().lines() == ["Rendered twice, 1 preset came out the same to the last sample."]


def test_long_lists_are_cut_short_in_the_text_alone() -> None:
    presets = [listing(f"p{i}", str(i)) for i in range(40)]
    census = Census(presets)
    for preset in presets:
        census.failed(preset.id, Failure.CRASH.value, f"{preset.name} crashed.")
    report = census.report()
    assert len(report.lines()) < 10
    assert "35 more" in report.lines()[-1]
    assert len(report.to_json()["failures"]) == 40  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def factory() -> tuple[Preset, ...]:
    from synthmatch.presets.bank import PresetBank

    return PresetBank.read(faustsynth.factory_bank_path()).presets[:12]


def test_a_real_bank_with_a_doubled_and_a_nearly_doubled_preset(factory: tuple[Preset, ...]) -> None:
    values = faustsynth.values_of(factory[0].state)
    # Reverb's size is of no account where there is no reverb: other parameters, the same sound.
    idle = faustsynth.make_state({**values, **faustsynth.EFFECTS_OFF})
    presets = [replace(factory[0], state=idle, name="dry"), *factory]
    name, row = next((name, value) for name, value in values.items() if name == "cutoff" or "cutoff" in name)
    nearly = faustsynth.make_state({**values, name: row * 1.01})
    presets.append(replace(factory[0], state=nearly, name="nearly"))
    census = Census(presets)
    heard = {}
    with RenderPool(1) as pool:
        for result in pool.render(RenderJob(preset.state) for preset in presets):
            heard[result.job.state.id] = result.clips
            census.hear(result.job.state.id, result.clips)
        for result in pool.render(RenderJob(state) for state in census.repeats()):
            census.heard_again(result.job.state.id, spread(heard[result.job.state.id], result.clips))
    report = census.report()
    assert all(each.exact == each.tried for each in report.repeats)
    assert any({factory[0].name, "nearly"} <= {each.name for each in names} for names in report.near)
    assert not any({factory[1].name, factory[2].name} <= {each.name for each in names} for names in report.near)
