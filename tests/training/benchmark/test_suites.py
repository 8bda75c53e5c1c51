"""The benchmark on a small corpus of the built-in synth, really rendered."""

import json
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch

from synthmatch.errors import TrainingError
from synthmatch.networks.encoder import Encoder
from synthmatch.presets.families import FAMILY_KEYS
from synthmatch.presets.preset import Preset, State
from synthmatch.training.benchmark.degradations import DEGRADATIONS
from synthmatch.training.benchmark.hearing import Chance, EncoderHearing, Heard, LogMelHearing, MfccHearing
from synthmatch.training.benchmark.queries import (
    ANY,
    Asked,
    degradation,
    degraded_queries,
    mixture_queries,
    single_queries,
)
from synthmatch.training.benchmark.songs import song_queries
from synthmatch.training.benchmark.suites import SUITE, UNSEEN, Listener, candidates, hear_references
from synthmatch.training.benchmark.summary import family_truth, presence_row
from synthmatch.training.evaluate import RIVAL, SUITES, USUAL, banks_of, evaluate, refuse_heard, refuse_seen
from synthmatch.training.recorded.corpus import Corpus

CORE = ("percussion", "bass", "lead")


def listener(corpus, hearing):
    return Listener(corpus, hearing, hear_references(corpus, [hearing], block=5)[0])


def every(corpus, family):  # noqa: ARG001 (whatever the family)
    return corpus.ids()


def sound(queries):
    return torch.cat(list(queries.batches(2)))


@pytest.fixture(scope="session")
def teller(tiny):
    """An encoder that says something, if nothing of use, about presence."""
    torch.manual_seed(0)
    encoder = Encoder(tiny.encoder)
    torch.nn.init.normal_(encoder.presence_weight)
    return encoder


@pytest.fixture
def model(teller, tmp_path):
    path = tmp_path / "model.safetensors"
    teller.save(path, {"trained_on": []})
    return path


@pytest.fixture
def core_songs(monkeypatch):
    """Songs of the three families that the small corpus has."""
    monkeypatch.setitem(SUITE, "song", replace(SUITE["song"], ask=partial(song_queries, families=CORE)))


def test_mixtures_are_the_same_however_many_there_are(corpus):
    few, many = mixture_queries(corpus, 3), mixture_queries(corpus, 5)
    assert torch.equal(sound(few), sound(many)[:3])
    assert sound(few).shape == (3, 160_000)
    assert many.first(3).asked == few.asked
    for each in many.asked:
        assert corpus.labels[each.preset].family == each.family
    assert [(each.query, each.family) for each in few.asked] == [(n, family) for n in range(3) for family in CORE]


def test_mixtures_of_one_synth_hold_no_other(corpus):
    lead = corpus.ids(family="lead")[0]
    labels = {key: replace(label, synth="other") if key == lead else label for key, label in corpus.labels.items()}
    some = Corpus(labels, corpus.notes, corpus.scales)
    assert lead not in {each.preset for each in mixture_queries(some, 30, synth="faust").asked}
    with pytest.raises(TrainingError, match="percussion is there for other"):
        mixture_queries(some, 3, synth="other")


def test_single_notes_have_pitches_that_no_reference_note_has(corpus):
    queries = single_queries(corpus, notes=1)
    assert queries.count == len(queries.asked) == len(corpus.labels)
    for each in queries.asked:
        references = corpus.notes.references(each.preset)
        heard = queries.sound(each.query)[: references.shape[1]]
        assert all(not np.array_equal(heard, other) for other in references)


def test_degradations_take_turns_on_the_same_mixtures(corpus):
    clean = mixture_queries(corpus, 5)
    spoilt = degraded_queries(clean)
    assert spoilt.asked == clean.asked
    assert [degradation(number) for number in range(5)] == [*DEGRADATIONS, "MP3"]
    for number in range(4):
        once, again = spoilt.sound(number), spoilt.sound(number)
        assert np.array_equal(once, again)
        assert not np.allclose(once, clean.sound(number), atol=1e-3)


def test_whoever_hears_the_preset_itself_finds_it(corpus):
    """Asked with the reference notes themselves, every hearing but chance is right every time."""
    keys = list(corpus.labels)
    audio = torch.from_numpy(np.concatenate([corpus.notes.references(key)[:1] for key in keys]))
    asked = [Asked(number, ANY, key) for number, key in enumerate(keys)]
    for hearing in (LogMelHearing(), MfccHearing(), EncoderHearing(Encoder())):
        found = listener(corpus, hearing).find(hearing.hear(audio).vectors, asked, every)
        assert found.strict.tolist() == [1] * len(keys), hearing.name


def test_only_the_notes_that_count_are_compared(corpus):
    """A rival that knows one reference note finds whoever plays it, and nobody by another."""
    keys = list(corpus.labels)
    hearing = EncoderHearing(Encoder(), notes=(2,))
    references = hear_references(corpus, [hearing])[0]
    space = hearing.space("bass")
    for note in range(5):
        scores = hearing.scores(references[:, note, space], references[:, :, space])
        own = np.diag(scores)
        assert np.allclose(own, 1, atol=1e-5) == (note == 2), note
        assert scores.shape == (len(keys), len(keys))


def test_references_are_heard_whatever_the_blocks(corpus):
    hearing = LogMelHearing()
    one, many = (hear_references(corpus, [hearing], block=block)[0] for block in (1, 100))
    assert one.shape == (len(corpus.labels), 5, 1, 128)
    assert np.allclose(one, many, atol=1e-4)


def test_chance_is_chance(corpus):
    keys = list(corpus.labels) * 100
    asked = [Asked(number, ANY, key) for number, key in enumerate(keys)]
    vectors = Chance().hear(torch.zeros(len(keys), 1600)).vectors
    found, again = (listener(corpus, Chance()).find(vectors, asked, every) for _ in range(2))
    assert abs(found.strict.mean() - (len(corpus.labels) + 1) / 2) < 0.5
    assert np.array_equal(found.strict, again.strict)


def test_near_duplicates_are_credited_only_where_the_table_says_so(corpus):
    one, other = corpus.ids(family="bass")[:2]
    labels = dict(corpus.labels)
    labels[one] = replace(labels[one], cluster="pair")
    labels[other] = replace(labels[other], cluster="pair")
    paired = Corpus(labels, corpus.notes, corpus.scales)
    hearing = LogMelHearing()
    vectors = hearing.hear(torch.from_numpy(corpus.notes.references(other)[:1])).vectors
    found = listener(paired, hearing).find(vectors, [Asked(0, ANY, one)], every)
    assert found.strict[0] > 1
    assert found.lenient[0] == 1


def test_candidates_hold_every_asked_preset_and_no_more_than_the_size(corpus):
    labels = dict(corpus.labels)
    family = corpus.ids(family="lead")
    for key in family[1:]:
        labels[key] = replace(labels[key], side="train")
    labels[family[2]] = replace(labels[family[2]], synth="other")
    some = Corpus(labels, corpus.notes, corpus.scales)
    drawn = candidates(some, "lead", 2)
    assert drawn[0] == family[0]
    assert len(set(drawn)) == 2
    assert drawn == candidates(some, "lead", 2)
    assert sorted(candidates(some, "lead", None)) == sorted(family)
    assert candidates(some, "lead", None, synth="other") == [family[2]]


def test_who_names_the_right_families_has_all_of_presence():
    asked = [Asked(0, "bass", "a"), Asked(0, "pad", "b"), Asked(1, "pad", "c"), Asked(2, "wind", "d")]
    truth = family_truth(asked, 3)
    named = [[FAMILY_KEYS[place] for place in np.flatnonzero(row)] for row in truth]
    assert named == [["bass", "pad"], ["pad"], ["wind"]]
    right = presence_row(Heard(np.zeros((3, 1, 1)), np.where(truth, 9.0, -9.0)), asked, 3)
    assert right.macro.value == 100
    assert right.calibration < 0.1
    assert presence_row(Heard(np.zeros((3, 1, 1))), asked, 3) is None


def test_a_model_that_heard_what_it_must_not_is_refused(corpus, tiny, tmp_path):
    path = tmp_path / "model.safetensors"
    Encoder(tiny.encoder).save(path, {"trained_on": corpus.ids("test")[:2]})
    with pytest.raises(TrainingError, match="trained on 2 test presets"):
        evaluate(corpus, path, ["single"])
    with pytest.raises(TrainingError, match="doesn't say"):
        refuse_seen({}, corpus.labels, path)
    with pytest.raises(TrainingError, match="trained on 2 presets of faust"):
        refuse_heard({"trained_on": corpus.ids("test")[:2]}, corpus.labels, "faust", path)
    with pytest.raises(TrainingError, match="some presets of amsynth"):
        refuse_heard({"trained_on": [], "settings": {"synths": ["amsynth"]}}, corpus.labels, "amsynth", path)
    refuse_heard({"trained_on": corpus.ids("test")}, corpus.labels, "amsynth", path)


@pytest.mark.usefixtures("core_songs")
def test_the_report_holds_every_row_of_every_usual_suite(corpus, model):
    report = evaluate(corpus, model, mixtures=4, rival=model, kits=())
    shown = report.to_json()
    assert tuple(shown["suites"]) == USUAL == SUITES[:-2]
    for suite in shown["suites"].values():
        assert list(suite["rows"]) == ["synthmatch", RIVAL, "log-mel", "MFCC", "chance"]
        for row in suite["rows"].values():
            assert row["presets"] == suite["rows"]["chance"]["presets"]
            for figures in (row, *row["families"].values()):
                for figure in (*figures["strict"].values(), *figures["near"].values()):
                    assert 0 <= figure["low"] <= figure["value"] <= figure["high"] <= 100
    song, degraded = shown["suites"]["song"]["rows"], shown["suites"]["degraded"]["rows"]
    assert {name for name, row in song.items() if "presence" in row} == {"synthmatch", RIVAL, "chance"}
    assert set(song["synthmatch"]["presence"]["families"]) <= set(CORE)
    assert list(degraded["MFCC"]["losses"]) == ["all", *DEGRADATIONS]
    before = degraded["MFCC"]["losses"]["all"]["top5"]["before"]
    assert before == shown["suites"]["mixture"]["rows"]["MFCC"]["strict"]["top5"]["value"]
    assert shown["rival"] == shown["model"]
    assert report.to_markdown().count("| `mixture` |") == 2 * 5
    assert "candidates: 12 for each family." in report.to_markdown()


@pytest.mark.usefixtures("core_songs")
def test_two_runs_say_the_same_to_the_last_byte(corpus, model):
    first, second = (evaluate(corpus, model, ["single", "song", "degraded"], 4, kits=()) for _ in range(2))
    assert json.dumps(first.to_json()) == json.dumps(second.to_json())
    assert first.to_markdown() == second.to_markdown()
    assert any("CIR's recipe" in note for note in first.notes)


def test_a_synth_that_was_never_heard_is_asked_among_its_own(corpus, model):
    labels = {key: replace(label, synth=UNSEEN) for key, label in corpus.labels.items()}
    odd = corpus.ids(family="bass")[0]
    labels[odd] = replace(labels[odd], synth="zynaddsubfx")
    some = Corpus(labels, corpus.notes, corpus.scales)
    (suite,) = evaluate(some, model, ["unseen-synth"], 6).suites
    assert suite.queries == 6
    assert suite.candidates == {"percussion": 4, "bass": 3, "lead": 4}


def test_presets_of_banks_that_were_never_heard_have_a_row_of_their_own(corpus, teller, tmp_path):
    path = tmp_path / "model.safetensors"
    train, *test = corpus.ids(family="lead")
    labels = {**corpus.labels, train: replace(corpus.labels[train], side="train")}
    some = Corpus(labels, corpus.notes, corpus.scales)
    teller.save(path, {"trained_on": [train]})
    banks = dict.fromkeys(labels, frozenset({"faust/heard"}))
    banks[train] = frozenset({"faust/heard", "faust/copy"})
    banks[test[0]] = frozenset({"faust/new"})
    banks[test[1]] = frozenset({"faust/new", "faust/copy"})
    report = evaluate(some, path, ["single"], banks=banks)
    row = report.suites[0].rows[1]
    assert row.name == "synthmatch, banks never heard"
    assert row.presets == 1
    assert "| `single` | synthmatch, banks never heard (1 of 11 presets) |" in report.to_markdown()
    banks[test[0]] = frozenset({"faust/heard"})
    report = evaluate(some, path, ["single"], banks=banks)
    assert [row.name for row in report.suites[0].rows] == ["synthmatch", "log-mel", "MFCC", "chance"]
    assert any("bank of which the model has heard nothing" in note for note in report.notes)


def test_banks_of_two_synths_are_two_banks():
    state, other = State("faust", b"{}"), State("amsynth", b"{}")
    presets = [Preset("a", state, "Lead"), Preset("b", state, "Bass"), Preset("c", other, "Lead")]
    assert banks_of(presets) == {state.id: {"faust/Lead", "faust/Bass"}, other.id: {"amsynth/Lead"}}


def test_an_unknown_suite_is_named(corpus, tmp_path):
    with pytest.raises(TrainingError, match="no suite called nothing"):
        evaluate(corpus, tmp_path / "x", ["nothing"])
