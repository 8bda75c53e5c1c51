"""Re-ranking on the benchmark's mixtures, and how right written-down notes are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pytest
import torch

from synthmatch.audio import ENCODER_RATE, Samples
from synthmatch.networks.encoder import Encoder
from synthmatch.notes import Note
from synthmatch.presets.families import FAMILIES
from synthmatch.training.benchmark import basicpitch
from synthmatch.training.benchmark.hearing import EncoderHearing
from synthmatch.training.benchmark.queries import CORE, mixture_queries
from synthmatch.training.benchmark.resynthesis import FIRST, TRUE, Players, Writer, note_figures, rows, shifted
from synthmatch.training.benchmark.suites import SUITE, Listener, hear_references
from synthmatch.training.evaluate import USUAL
from synthmatch.training.recorded.corpus import Corpus
from synthmatch.training.scoring import transcripts

needs_mir_eval = pytest.mark.skipif(not transcripts.is_installed(), reason=transcripts.without())


def every(corpus: Corpus, family: str) -> list[str]:
    return corpus.ids(family=family)


def test_a_recording_is_brought_to_the_pitch_that_is_wanted() -> None:
    times = np.arange(2 * ENCODER_RATE) / ENCODER_RATE
    tone = np.sin(2 * np.pi * 220 * times).astype(np.float32)
    higher = shifted(tone, 12)
    assert np.abs(np.fft.rfft(higher[:ENCODER_RATE])).argmax() == 440
    assert np.array_equal(shifted(tone, 0), tone)
    assert len(shifted(tone, -5)) > len(tone)


def test_a_preset_that_plays_its_recorded_pitches_plays_its_recordings(corpus: Corpus) -> None:
    key = corpus.ids(family="bass")[0]
    note = Note(0.5, corpus.notes.recorded[key].pitches[0], 100, 0.4)
    played = Players(corpus).play(key, [note])
    own = corpus.notes.nearest(key, note)
    first, fade = round(0.5 * ENCODER_RATE), round(0.02 * ENCODER_RATE)
    assert np.array_equal(played[first : first + len(own) - fade], own[:-fade])
    assert not played[:first].any()
    assert not Players(corpus).play(key, []).any()


def test_a_shortlist_is_the_order_of_the_ranks(corpus: Corpus) -> None:
    torch.manual_seed(0)
    hearing = EncoderHearing(Encoder())
    listener = Listener(corpus, hearing, hear_references(corpus, [hearing])[0])
    queries = mixture_queries(corpus, 3)
    vectors = hearing.hear(next(queries.batches(3))).vectors
    found = listener.find(vectors, queries.asked, every)
    for count in (2, 4):
        for place, first in enumerate(listener.shortlists(vectors, queries.asked, every, count)):
            assert len(first.ids) == count
            assert list(first.scores) == sorted(first.scores, reverse=True)
            right = np.nonzero(first.exact)[0]
            assert (found.strict[place] <= count) == bool(len(right))
            if len(right):
                assert found.strict[place] == right[0] + 1
                assert first.ids[right[0]] == queries.asked[place].preset


def test_with_the_true_notes_the_true_presets_rise(corpus: Corpus) -> None:
    """Mixtures of this corpus are made of the very recordings with which candidates are played."""
    torch.manual_seed(0)
    hearing = EncoderHearing(Encoder())
    listener = Listener(corpus, hearing, hear_references(corpus, [hearing])[0])
    queries = mixture_queries(corpus, 4)
    vectors = hearing.hear(next(queries.batches(4))).vectors
    silent = Writer("nobody", lambda _: {})
    true, nobody = rows(queries, vectors, listener, every, [silent])
    plain = np.mean(listener.find(vectors, queries.asked, every).strict == 1)
    assert (true.name, nobody.name) == (TRUE, "re-ranked, notes by nobody")
    assert true.figures.strict[1].value >= 100 * plain
    assert nobody.figures.strict[1].value == pytest.approx(100 * plain)  # without notes nothing changes


@needs_mir_eval
def test_notes_are_measured_by_family(corpus: Corpus) -> None:
    queries = mixture_queries(corpus, 2)
    right = [{key: part.notes for key, part in queries.played(number).items()} for number in range(2)]
    perfect = note_figures(queries, right)
    assert {figure.value for each in vars(perfect).values() for figure in each.values()} == {100.0}
    bass: list[Mapping[str, Sequence[Note]]] = [{"bass": each["bass"]} for each in right]
    some = note_figures(queries, bass)
    assert {family: figure.value for family, figure in some.key.items()} == {"percussion": 0, "bass": 100, "lead": 0}


def test_the_suite_is_run_when_it_is_asked_for() -> None:
    assert SUITE["resynthesis"].resynthesis
    assert "resynthesis" not in USUAL
    assert FIRST >= 2
    assert SUITE["resynthesis"].ask is SUITE["mixture"].ask


def test_the_rival_hears_a_tone() -> None:
    if basicpitch.weights() is None:
        pytest.skip(basicpitch.without())
    times = np.arange(3 * ENCODER_RATE) / ENCODER_RATE
    tone = sum(np.sin(2 * np.pi * 261.63 * n * times) / n for n in range(1, 6)) * (times > 1)
    heard: Samples = (0.2 * tone).astype(np.float32)
    written = basicpitch.BasicPitch().transcribe(heard)
    assert set(written) == set(FAMILIES)
    (note,) = (note for note in written["lead"] if note.pitch == 60)
    assert note.start == pytest.approx(1.0, abs=0.05)
    assert set(CORE) <= set(written)
