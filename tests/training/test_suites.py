"""The benchmark on a small corpus of the built-in synth, really rendered."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from synthmatch.encoder import Encoder
from synthmatch.errors import TrainingError
from synthmatch.training.evaluate import evaluate, refuse_seen
from synthmatch.training.hearing import ANY, Chance, EncoderHearing, LogMelHearing, MfccHearing
from synthmatch.training.recording import Corpus
from synthmatch.training.split import Label
from synthmatch.training.suites import Listener, candidates, mixture_queries, run_mixture, run_single, single_queries


@pytest.fixture(scope="session")
def corpus(notes):
    """Every preset of the small bank is a labelled test preset."""
    labels = {
        key: Label(key, "faust", family, "field", key, "test") for family, ids in notes.presets.items() for key in ids
    }
    return Corpus(labels, notes.bank, notes.bank)


def test_mixtures_are_the_same_every_time_and_name_their_presets(corpus):
    sounds, asked = mixture_queries(corpus, 3)
    again, same = mixture_queries(corpus, 3)
    assert torch.equal(sounds, again)
    assert asked == same
    assert sounds.shape == (3, 160_000)
    for family, ids in asked.items():
        assert all(corpus.labels[key].family == family for key in ids)


def test_single_notes_have_pitches_that_no_reference_note_has(corpus):
    sounds, asked = single_queries(corpus, notes=1)
    assert len(sounds) == len(asked) == len(corpus.labels)
    for sound, key in zip(sounds, asked, strict=True):
        references = corpus.notes.references(key)
        length = references.shape[1]
        assert all(not np.array_equal(sound.numpy()[:length], each) for each in references)


def test_whoever_hears_the_preset_itself_finds_it(corpus):
    """Asked with the reference notes themselves, every hearing but chance is right every time."""
    keys = list(corpus.labels)
    queries = torch.from_numpy(np.concatenate([corpus.notes.references(key)[:1] for key in keys]))
    for hearing in (LogMelHearing(), MfccHearing(), EncoderHearing(Encoder())):
        found = run_single(Listener(corpus, hearing), hearing.hear(queries), keys)
        assert found.strict.tolist() == [1] * len(keys), hearing.name


def test_chance_is_chance(corpus):
    keys = list(corpus.labels) * 100
    queries = torch.zeros(len(keys), 1600)
    found = run_single(Listener(corpus, Chance()), Chance().hear(queries), keys)
    expected = (len(corpus.labels) + 1) / 2
    assert abs(found.strict.mean() - expected) < 0.5


def test_near_duplicates_are_credited_only_where_the_table_says_so(corpus):
    one, other = corpus.ids(family="bass")[:2]
    labels = dict(corpus.labels)
    labels[one] = replace(labels[one], cluster="pair")
    labels[other] = replace(labels[other], cluster="pair")
    paired = Corpus(labels, corpus.notes, corpus.scales)
    queries = torch.from_numpy(corpus.notes.references(other)[:1])
    found = run_single(Listener(paired, LogMelHearing()), LogMelHearing().hear(queries), [one])
    assert found.strict[0] > 1
    assert found.lenient[0] == 1


def test_candidates_hold_every_asked_preset_and_no_more_than_the_size(corpus):
    labels = dict(corpus.labels)
    family = corpus.ids(family="lead")
    for key in family[1:]:
        labels[key] = replace(labels[key], side="train")
    some = Corpus(labels, corpus.notes, corpus.scales)
    drawn = candidates(some, "lead", 2)
    assert drawn[0] == family[0]
    assert len(set(drawn)) == 2
    assert drawn == candidates(some, "lead", 2)
    assert sorted(candidates(some, "lead", None)) == sorted(family)
    assert candidates(some, ANY, None) == some.ids()


def test_a_mixture_is_asked_once_per_part(corpus):
    sounds, asked = mixture_queries(corpus, 4)
    hearing = EncoderHearing(Encoder())
    found = run_mixture(Listener(corpus, hearing), hearing.hear(sounds), asked, full=True)
    assert len(found.strict) == 12
    assert found.candidates == {"percussion": 4, "bass": 4, "lead": 4}
    assert ((found.strict >= 1) & (found.strict <= 4)).all()


def test_a_model_that_heard_a_test_preset_is_refused(corpus, tiny, tmp_path):
    path = tmp_path / "model.safetensors"
    Encoder(tiny.encoder).save(path, {"trained_on": corpus.ids("test")[:2]})
    with pytest.raises(TrainingError, match="trained on 2 test presets"):
        evaluate(corpus, path, ["single"])
    with pytest.raises(TrainingError, match="doesn't say"):
        refuse_seen({}, corpus, path)


def test_the_report_holds_every_row_of_every_suite(corpus, tiny, tmp_path):
    path = tmp_path / "model.safetensors"
    Encoder(tiny.encoder).save(path, {"trained_on": []})
    report = evaluate(corpus, path, mixtures=2)
    assert set(report.to_json()["suites"]) == {"single", "mixture", "mixture-full"}
    for suite in report.to_json()["suites"].values():
        assert set(suite["rows"]) == {"synthmatch", "log-mel", "MFCC", "chance"}
        for row in suite["rows"].values():
            for figure in row["strict"].values():
                assert 0 <= figure["low"] <= figure["value"] <= figure["high"] <= 100
    assert report.to_markdown().count("| `mixture` |") == 4


def test_an_unknown_suite_is_named(corpus, tmp_path):
    with pytest.raises(TrainingError, match="no suite called nothing"):
        evaluate(corpus, tmp_path / "x", ["nothing"])
