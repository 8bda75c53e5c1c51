"""Kits of a SoundFont have their drums, and a beat is one."""

from pathlib import Path

import numpy as np
import pytest

from synthmatch.audio import ENCODER_RATE
from synthmatch.errors import SynthmatchError
from synthmatch.training.recorded.drums import CLOSED, DRUMS, KICK, OPEN, SNARE, Kit, beat, installed_kits, kits_of


@pytest.mark.parametrize("seed", range(5))
def test_a_beat_has_its_kick_and_snare_on_the_beats(seed):
    tempo = 120.0
    heights = {pitch: 10.0**place for place, pitch in enumerate(DRUMS)}
    kit = Kit("clicks", {pitch: np.array([height], np.float32) for pitch, height in heights.items()})
    sound = beat(np.random.default_rng(seed), kit, tempo, 4.0)
    struck = {int(place): int(sound[place]) for place in np.flatnonzero(sound)}
    sixteenth = 60 / tempo / 4 * ENCODER_RATE
    digits = {KICK: 0, SNARE: 1, CLOSED: 2, OPEN: 3}

    def hits(drum):
        return {round(place / sixteenth) % 16 for place, sum_ in struck.items() if sum_ // 10 ** digits[drum] % 10}

    assert all(place % sixteenth == 0 for place in struck)
    assert {0, 8} <= hits(KICK)
    assert len(hits(KICK)) == 3
    assert hits(SNARE) == {4, 12}
    assert {0, 4, 8} <= hits(CLOSED)
    assert len(hits(OPEN)) <= 1


def test_the_kits_of_debian_s_soundfont_all_have_their_drums():
    try:
        kits = installed_kits()
    except SynthmatchError as error:
        pytest.skip(str(error))
    assert "Standard" in {kit.name for kit in kits}
    for kit in kits:
        assert set(kit.hits) == set(DRUMS)
        assert all(np.abs(hit).max() > 0.01 for hit in kit.hits.values())


def test_a_bank_without_kits_is_refused():
    from synthmatch.presets.faustsynth import factory_bank_path

    with pytest.raises(SynthmatchError, match="holds no drum kit"):
        kits_of(Path(factory_bank_path()))
