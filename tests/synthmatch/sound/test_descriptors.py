"""Words for sounds: each measure on sounds that are made to have little or much of it, and real presets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from synthmatch.audio import Clip
from synthmatch.errors import LibraryError
from synthmatch.library.choice import Choice
from synthmatch.library.library import Library
from synthmatch.matching.matcher import Matcher
from synthmatch.networks.encoder import Encoder
from synthmatch.notes import REFERENCE_NOTES
from synthmatch.presets import faustsynth
from synthmatch.renderers.pool import RenderPool
from synthmatch.renderers.renderer import RenderJob
from synthmatch.sound.descriptors import DESCRIPTORS, NAMES, WORDS, Measures, describe, measure

RATE = 44_100
TIME = np.arange(2 * RATE) / RATE
HELD = np.where(TIME < 1.5, 1.0, np.exp(-20 * (TIME - 1.5)))
Wave = Callable[[float], npt.NDArray[np.float64]]


def partials(count: int) -> Wave:
    def wave(hertz: float) -> npt.NDArray[np.float64]:
        numbers = [number for number in range(1, count + 1) if number * hertz < RATE / 2]
        return 0.2 * np.sum([np.sin(2 * np.pi * number * hertz * TIME) / number for number in numbers], axis=0)

    return wave


def noise(hertz: float) -> npt.NDArray[np.float64]:
    return np.random.default_rng(round(hertz)).normal(0, 0.2, len(TIME))


def measured(wave: Wave, shape: npt.NDArray[np.float64] = HELD, side: Wave | None = None) -> Measures:
    clips = []
    for performance in REFERENCE_NOTES:
        hertz = 440 * 2 ** ((performance.notes[0].pitch - 69) / 12)
        middle = wave(hertz) * shape
        other = np.zeros_like(middle) if side is None else side(hertz) * shape
        clips.append(Clip(np.stack([middle + other, middle - other]).astype(np.float32), RATE))
    return measure(clips)


PLAIN = measured(partials(6))


def test_a_sine_has_its_brightness_at_the_note() -> None:
    assert measured(partials(1)).brightness == pytest.approx(0, abs=0.15)
    assert measured(partials(1)).brightness < PLAIN.brightness < measured(partials(60)).brightness


def test_attack_is_the_time_of_the_rise() -> None:
    slow = measured(partials(6), HELD * np.minimum(1, TIME / 0.8))
    assert PLAIN.attack < 0.06
    # Within 3 dB of full after 71 % of a rise, which is heard from 1 % of it on.
    assert slow.attack == pytest.approx(0.56, abs=0.06)


def test_length_is_the_time_within_20_db() -> None:
    assert measured(partials(6), np.exp(-TIME * np.log(10) / 0.4)).length == pytest.approx(0.4, abs=0.06)
    assert PLAIN.length == pytest.approx(1.6, abs=0.1)


def test_ring_is_the_level_at_the_end() -> None:
    assert measured(partials(6), np.exp(-TIME * np.log(10) / 2)).ring == pytest.approx(-19.5, abs=1)
    assert PLAIN.ring == -60


def test_noise_is_flat_and_partials_are_not() -> None:
    assert measured(noise).noise == pytest.approx(-2.5, abs=0.5)  # the mean logarithm of a power spectrum of noise
    assert PLAIN.noise < -30


def test_width_is_what_the_sides_have() -> None:
    assert PLAIN.width == -60
    assert measured(partials(6), side=noise).width > -10
    mono = [Clip(clip, RATE) for clip in np.full((5, 1, RATE), 0.1, np.float32)]
    assert measure(mono).width == -60


def test_movement_is_what_goes_up_and_down() -> None:
    tremolo = measured(partials(6), HELD * (0.6 + 0.4 * np.sin(2 * np.pi * 5 * TIME)))
    dying = measured(partials(6), HELD * np.exp(-TIME))
    assert PLAIN.movement < 0.5
    assert dying.movement < 0.5
    assert tremolo.movement > 3


def test_level_does_not_matter_and_silent_notes_do_not_count() -> None:
    quiet = measured(lambda hertz: 0.01 * partials(6)(hertz))
    assert [getattr(quiet, name) for name in NAMES] == pytest.approx([getattr(PLAIN, name) for name in NAMES], abs=0.05)
    played = [Clip(partials(6)(110)[None].astype(np.float32) * HELD.astype(np.float32), RATE)]
    silent = Clip(np.zeros((1, 2 * RATE), np.float32), RATE)
    alone = measure(played, REFERENCE_NOTES[:1])
    assert measure([*played, silent, silent], REFERENCE_NOTES[:3]) == alone
    assert measure([silent] * 5).movement == 0


@pytest.mark.parametrize("descriptor", DESCRIPTORS, ids=WORDS)
def test_a_word_begins_where_its_row_says(descriptor: object) -> None:
    (row,) = (each for each in DESCRIPTORS if each is descriptor)
    assert (row.least is None) != (row.most is None)
    limit = row.least if row.least is not None else row.most
    assert limit is not None
    step = 0.01 if row.least is not None else -0.01
    assert row.word in describe(replace(PLAIN, **{row.measure: limit}))
    assert row.word not in describe(replace(PLAIN, **{row.measure: limit - step}))


def test_real_presets_are_called_what_they_are(pool: RenderPool) -> None:
    plain = {"osc1_shape": 1.0, "amp_sustain": 1.0, "amp_attack": 0.003, "amp_release": 0.02}
    wanted = {
        "bright": {"filter_cutoff": 18_000, "osc1_shape": 2.0, "filter_resonance": 0.9, "filter_mode": 2},
        "short": {"amp_decay": 0.08, "amp_sustain": 0.0},
        "slow attack": {"amp_attack": 1.2},
        "noisy": {"noise_level": 1.0, "osc1_level": 0.0},
        "modulated": {"lfo_amp": 1.0, "lfo_rate": 4.0},
    }
    for word, values in wanted.items():
        (result,) = pool.render([RenderJob(faustsynth.make_state(plain | values))])
        assert word in describe(measure(result.clips)), word


def test_a_library_describes_what_is_added_and_what_was_there_before(library: Library, encoder: Encoder) -> None:
    before = library.presets()
    assert library.rows.measures().keys() == {each.id for each in before}
    assert any(each.descriptors for each in before)
    gone = before[0].id
    # As in a library of a version that had no words.
    library.rows._connection.executescript("DROP TABLE measures; PRAGMA user_version = 1;")
    library.rows._connection.close()
    with Library.open(library.path) as opened:
        assert not any(each.descriptors for each in opened.presets())
        with pytest.raises(LibraryError, match="not all of its sounds are described yet: run `synthmatch library upd"):
            Matcher(opened, encoder).match(opened.preview(gone), choice=Choice(tags=("dark",)))
        opened.update(encoder)
        assert [each.descriptors for each in opened.presets()] == [each.descriptors for each in before]
        opened.rows.forget_sound([gone])
        assert gone not in opened.rows.measures()
