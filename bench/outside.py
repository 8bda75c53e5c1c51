"""Presets from outside: ``python bench/outside.py --data FOLDER --banks /usr/share/yoshimi/banks``.

Nothing of the banks that come with Yoshimi, a fork of ZynAddSubFX, is ever trained on; ZynAddSubFX plays them. Many
are editions of its own banks: whatever sounds nearly like a preset with a frozen label is left out, and only what is
left asks and is asked for. Mixtures of three parts are made of it as the benchmark's are, and searched among all
presets of the family, these and Debian's; songs tell how surely its families are heard. Prints tables as
``synthmatch evaluate`` does, and writes ``outside.md``.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from synthmatch.files import write_text
from synthmatch.networks.encoder import RELEASED
from synthmatch.presets.bank import PresetBank
from synthmatch.presets.families import FAMILY_KEYS
from synthmatch.presets.preset import Preset
from synthmatch.renderers.pool import RenderPool
from synthmatch.training.benchmark.hearing import Chance, EncoderHearing, Heard, Hearing, LogMelHearing, MfccHearing
from synthmatch.training.benchmark.queries import CORE, Queries, mixture_queries
from synthmatch.training.benchmark.songs import song_queries
from synthmatch.training.benchmark.suites import Candidates, Listener, candidates, hear_references
from synthmatch.training.benchmark.summary import presence_row, row_of
from synthmatch.training.benchmark.tables import Row, SuiteResult, tables_of
from synthmatch.training.config import read_recipe
from synthmatch.training.evaluate import OURS, require_fair
from synthmatch.training.record import Ticker
from synthmatch.training.recorded.corpus import Corpus
from synthmatch.training.recorded.drums import installed_kits
from synthmatch.training.recorded.nearness import Neighbourhood, near_clusters, recorded_print
from synthmatch.training.recorded.notebank import NoteBank, plan
from synthmatch.training.recorded.recording import gather
from synthmatch.training.split import Label, frozen

HERE = Path(__file__).parent
BANKS = Path("/usr/share/yoshimi/banks")
SOUNDS = 400
TOGETHER = 16  # sounds heard at a time


def main() -> None:
    """Record, ask, print and write."""
    parser = argparse.ArgumentParser(description="Ask for presets of banks that nothing was trained on.")
    parser.add_argument("--data", type=Path, required=True, help="where recorded notes are kept")
    parser.add_argument("--banks", type=Path, default=BANKS, help="a folder of presets of ZynAddSubFX")
    parser.add_argument("--sounds", type=int, default=SOUNDS, help="how many mixtures, and how many songs")
    parser.add_argument("--model", type=Path, default=RELEASED)
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    known = gather(chosen.data, read_recipe("released").extra_notes)
    outside = record(chosen.banks, known, chosen.data / "outside")
    encoder, _ = require_fair(chosen.model, (), outside.labels)
    hearings = [EncoderHearing(encoder, OURS), LogMelHearing(), MfccHearing(), Chance()]
    text = page(ask(outside, known, hearings, chosen.sounds), outside, encoder.fingerprint)
    print(text, end="")
    write_text(HERE / "outside.md", text)


def record(banks: Path, known: Corpus, folder: Path) -> Corpus:
    """The presets of some banks that sound like none with a frozen label, recorded: reference notes of all, and every
    pitch of its family's range of each whose family is stated."""
    presets = {preset.id: preset for preset in PresetBank.read(banks) if preset.id not in frozen()}
    notes, scales, said = NoteBank(folder / "notes"), NoteBank(folder / "scales"), Ticker(print)
    with RenderPool() as pool:
        states = {key: preset.state for key, preset in presets.items()}
        notes.record(states, {key: plan("", key, 0) for key in presets}, pool.render, said)
        near = Neighbourhood(known.notes, known.labels)
        new = [key for key in presets if key in notes and not near.near(recorded_print(notes, key))]
        asked = [key for key in new if presets[key].family]
        pitches = {key: plan(presets[key].family, key, None) for key in asked}
        scales.record({key: states[key] for key in asked}, pitches, pool.render, said)
    clusters = near_clusters(new, torch.stack([recorded_print(notes, key) for key in new]))
    return Corpus({key: _label(presets[key], clusters[key]) for key in sorted(new)}, notes, scales)


def _label(preset: Preset, cluster: str) -> Label:
    return Label(preset.id, preset.synth, preset.family, preset.label_source, cluster, "test")


def ask(outside: Corpus, known: Corpus, hearings: list[Hearing], count: int) -> tuple[SuiteResult, ...]:
    """Mixtures and songs of what is from outside, searched among all."""
    both = replace(outside, labels=outside.labels | known.labels)
    references = [
        np.concatenate(pair)
        for pair in zip(hear_references(outside, hearings), hear_references(known, hearings), strict=True)
    ]
    listeners = [Listener(both, *each) for each in zip(hearings, references, strict=True)]
    families = tuple(family for family in FAMILY_KEYS if any(outside.ids(family=family)))
    mixtures, songs = mixture_queries(outside, count), song_queries(outside, count, installed_kits(), families)
    return (
        _result("mixtures from outside", mixtures, listeners, lambda corpus, family: candidates(corpus, family, None)),
        _result("songs from outside", songs, listeners, lambda corpus, _: corpus.ids(), presence=True),
    )


def _result(
    name: str, queries: Queries, listeners: list[Listener], among: Candidates, presence: bool = False
) -> SuiteResult:
    parts: list[list[Heard]] = [[] for _ in listeners]
    for audio in queries.batches(TOGETHER):
        for part, listener in zip(parts, listeners, strict=True):
            part.append(listener.hearing.hear(audio, presence))
    rows, sizes = list[Row](), dict[str, int]()
    for part, listener in zip(parts, listeners, strict=True):
        heard = Heard.joined(part)
        found = listener.find(heard.vectors, queries.asked, among)
        said = presence_row(heard, queries.asked, queries.count) if presence else None
        rows.append(row_of(listener.hearing.name, found, listener.corpus.labels, said))
        sizes = found.candidates
    return SuiteResult(name, queries.count, len(queries.asked), sizes, tuple(rows))


def page(results: tuple[SuiteResult, ...], outside: Corpus, model: str) -> str:
    """The tables as Markdown."""
    return "\n".join([*_beginning(outside, model), *tables_of(results)]) + "\n"


def _beginning(outside: Corpus, model: str) -> Iterator[str]:
    counts = Counter(label.family or "unknown" for label in outside.labels.values())
    there = ", ".join(f"{counts[family]} {family}" for family in (*CORE, *sorted(counts.keys() - set(CORE))))
    yield "# Presets from outside"
    yield ""
    yield f"Written by `python bench/outside.py`, model `{model}`. {len(outside.labels)} presets sound like none that"
    yield f"have frozen labels: {there}."


if __name__ == "__main__":
    main()
