"""Makes the frozen labels: ``python -m synthmatch.training.freeze FOLDER`` records the reference notes of the
installed banks in FOLDER and writes ``training/labels.tsv``.

Presets that their banks label keep that family. The others are heard: a small classifier learns the families
from the labelled ones and is believed where it is sure. Near-duplicates are found by the distance of their
reference notes and stay on one side of the split.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from synthmatch.networks.features import sound_print
from synthmatch.notes import REFERENCE_NOTES
from synthmatch.presets.families import FAMILY_KEYS
from synthmatch.presets.preset import Preset
from synthmatch.renderers.pool import RenderPool
from synthmatch.training.learning.losses import smoothed_entropy
from synthmatch.training.recorded.nearness import near_clusters
from synthmatch.training.recorded.notebank import NoteBank
from synthmatch.training.recorded.recording import installed_presets
from synthmatch.training.split import LABELS, Label, hash_side, write_labels

SURE = 0.3
"""The least probability at which the classifier is believed."""

TRUST = ("field", "name", "folder")


def choose_labels(presets: Iterable[Preset]) -> dict[str, tuple[str, str]]:
    """Family and source of each state; where its listings disagree, the most trusted source says."""
    chosen: dict[str, tuple[str, str]] = {}
    for preset in presets:
        held = chosen.get(preset.id, ("", ""))
        if preset.family and (not held[0] or TRUST.index(preset.label_source) < TRUST.index(held[1])):
            held = (preset.family, preset.label_source)
        chosen[preset.id] = held
    return chosen


def prints(bank: NoteBank, ids: Sequence[str]) -> Tensor:
    """Sound prints of presets: (K, notes, bands, N), float16."""
    rows = [sound_print(torch.from_numpy(bank.references(key))).half() for key in ids]
    return torch.stack(rows)


def timbre_statistics(shapes: Tensor) -> Tensor:
    """What the classifier hears of sound prints (K, notes, bands, N): four statistics of each band, (K, C)."""
    whole = shapes.flatten(1, 2).float()
    parts = (whole.mean(-1), whole.std(-1), whole[..., :10].mean(-1), whole[..., -30:].mean(-1))
    return torch.cat(parts, dim=1)


@dataclass(frozen=True)
class Heard:
    """What the classifier says: probabilities (K, F), and its accuracy on presets that it hadn't seen."""

    probabilities: Tensor
    accuracy: float


def hear_families(features: Tensor, families: Sequence[str], seed: int = 0, folds: int = 5) -> Heard:
    """Learn families from the labelled presets; say them of all, each preset by networks that didn't see it.

    Args:
        features: (K, C).
        families: K keys, "" where nobody knows.
    """
    torch.manual_seed(seed)
    known = torch.tensor([FAMILY_KEYS.index(key) if key else -1 for key in families])
    scaled = (features - features.mean(0)) / (features.std(0) + 1e-3)
    fold = torch.from_numpy(np.random.default_rng(seed).integers(folds, size=len(families)))
    total = torch.zeros(len(families), len(FAMILY_KEYS))
    for held in range(folds):
        learn = (known >= 0) & (fold != held)
        network = _train_classifier(scaled[learn], known[learn])
        with torch.inference_mode():
            said = network(scaled).softmax(dim=1)
        ask = (fold == held) | (known < 0)
        total[ask] += said[ask]
    total /= total.sum(dim=1, keepdim=True)
    asked = known >= 0
    return Heard(total, float((total[asked].argmax(1) == known[asked]).float().mean()))


def _train_classifier(features: Tensor, known: Tensor, steps: int = 400) -> nn.Module:
    network = nn.Sequential(nn.Dropout(0.3), nn.Linear(features.shape[1], 128), nn.ReLU(), nn.Dropout(0.5))
    network.append(nn.Linear(128, len(FAMILY_KEYS)))
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3, weight_decay=0.1)
    for _ in range(steps):
        loss = smoothed_entropy(network(features), known, 0.1)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return network.eval()


def freeze(presets: Sequence[Preset], bank: NoteBank) -> tuple[list[Label], float]:
    """Labels of every preset that made sound, and the classifier's accuracy on labelled ones."""
    chosen = choose_labels(presets)
    synths = {preset.id: preset.synth for preset in presets}
    ids = sorted(key for key in chosen if key in bank)
    shapes = prints(bank, ids)
    clusters = near_clusters(ids, shapes)
    heard = hear_families(timbre_statistics(shapes), [chosen[key][0] for key in ids])
    labels = []
    for key, probabilities in zip(ids, heard.probabilities, strict=True):
        family, source = chosen[key]
        if not family and float(probabilities.max()) >= SURE:
            family, source = FAMILY_KEYS[int(probabilities.argmax())], "sound"
        cluster = clusters[key]
        labels.append(Label(key, synths[key], family, source, cluster, hash_side(cluster)))
    return labels, heard.accuracy


def main(folder: Path) -> str:
    """Record, freeze, write; returns one line about what was found."""
    presets = {preset.id: preset for preset in installed_presets(known_only=False)}
    bank = NoteBank(folder)
    with RenderPool() as pool:
        bank.record({k: p.state for k, p in presets.items()}, dict.fromkeys(presets, REFERENCE_NOTES), pool.render)
    labels, accuracy = freeze(installed_presets(known_only=False), bank)
    write_labels(LABELS, labels)
    sides = Counter(label.side for label in labels)
    return f"{len(labels)} labels {dict(sides)}; the classifier agrees with {100 * accuracy:.0f} % of stated labels"


if __name__ == "__main__":
    sys.stdout.write(main(Path(sys.argv[1])) + "\n")
