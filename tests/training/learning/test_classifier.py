from dataclasses import replace

import pytest
import torch

from synthmatch.networks.encoder import Encoder
from synthmatch.training.learning import classifier
from synthmatch.training.learning.classifier import fit_families
from synthmatch.training.learning.losses import smoothed_entropy
from synthmatch.training.recorded.corpus import Corpus
from synthmatch.training.split import Label

FITTED = {"family_hidden_weight", "family_hidden_bias", "family_weight", "family_bias"}


def corpus_of(notes, side):
    labels = {
        key: Label(key, "faust", family, "field", key, side) for family, ids in notes.presets.items() for key in ids
    }
    return Corpus(labels, notes.bank, notes.bank)


def test_families_that_were_learnt_are_said_again(notes, tiny):
    """Asked for the presets that it learnt from, it says most of them; the other weights stay as they were."""
    torch.manual_seed(0)
    encoder = Encoder(tiny.encoder).eval()
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    corpus = corpus_of(notes, "train")
    assert fit_families(encoder, corpus) == 0.0  # nothing on the valid side to agree with
    after = encoder.state_dict()
    assert {name for name in before if not torch.equal(before[name], after[name])} == FITTED
    right = 0
    for key, label in corpus.labels.items():
        with torch.inference_mode():
            said = encoder.encode_preset(torch.from_numpy(corpus.notes.references(key)))[1].mean(0)
        assert float(said.sum()) > 0.999
        right += encoder.config.families[int(said.argmax())] == label.family
    assert right >= 9  # of 12


def test_each_step_asks_for_labels_that_are_smoothed(notes, tiny, monkeypatch):
    """Of all families, equally; the loss is that of a loop over the notes of a step."""
    asked = []

    def kept(logits, labels, smoothed):
        loss = smoothed_entropy(logits, labels, smoothed)
        asked.append((logits.detach().double().log_softmax(dim=1), labels, float(loss.detach())))
        return loss

    monkeypatch.setattr(classifier, "smoothed_entropy", kept)
    monkeypatch.setattr(classifier, "STEPS", 3)
    fit_families(Encoder(tiny.encoder).eval(), corpus_of(notes, "train"))
    assert len(asked) == 3
    for chances, labels, loss in asked:
        each = [
            0.9 * -row[label] + 0.1 * -sum(row) / len(row) for row, label in zip(chances.tolist(), labels, strict=True)
        ]
        assert loss == pytest.approx(sum(each) / len(each), abs=1e-5)
        assert set(labels.tolist()) == {0, 1, 2}


def test_without_labels_nothing_is_learnt(notes, tiny):
    encoder = Encoder(tiny.encoder).eval()
    assert fit_families(encoder, corpus_of(notes, "test")) == 0.0
    assert not encoder.family_weight.any()


def test_presets_of_families_that_an_encoder_lacks_are_passed_over(notes, tiny):
    """On either side, of an encoder that knows two families alone."""
    config = replace(tiny.encoder, families=("percussion", "bass"), family=8)
    taught = corpus_of(notes, "train")
    asked = {ids[0]: "valid" for ids in notes.presets.values()}
    labels = {key: replace(label, side=asked.get(key, "train")) for key, label in taught.labels.items()}
    agreement = fit_families(Encoder(config).eval(), Corpus(labels, notes.bank, notes.bank))
    assert agreement in (0.0, 0.5, 1.0)  # of two


def test_a_variant_of_a_preset_without_sound_is_nobodys_example(notes):
    """Who its parent was, nobody knows here: its label went with its sound."""
    corpus = corpus_of(notes, "train")
    silent, child, *_ = notes.presets["bass"]
    labels = {key: label for key, label in corpus.labels.items() if key != silent}
    made = Corpus(labels, notes.bank, notes.bank, None, {child: (silent,)})
    assert set(made.players("bass")) == set(notes.presets["bass"][2:])
