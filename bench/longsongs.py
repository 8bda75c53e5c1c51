"""How true it is what is said of a whole song: ``python bench/longsongs.py --data FOLDER``.

The benchmark's songs last as long as the encoder hears at a time. These last up to two minutes, of sections of 10 s:
each part plays in about half of them, something new in each, and drums and what lasts come and go as parts do. Their
windows are heard as ``match`` hears them, and several rules make one probability a family of all windows: that of the
surest one, the mean of the three surest, and the rule that is built in. Prints average precision and calibration of
each, and how many families it would show beside how many there are. Writes ``longsongs.md``.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from synthmatch.audio import ENCODER_RATE, Samples
from synthmatch.files import write_text
from synthmatch.matching.listening import PRESENT, song_presence, windows
from synthmatch.networks.encoder import RELEASED, Encoder
from synthmatch.presets.families import FAMILY_KEYS
from synthmatch.training.arrays import Bools
from synthmatch.training.benchmark.metrics import Presence, presence_of
from synthmatch.training.benchmark.queries import SECONDS, pools
from synthmatch.training.benchmark.songs import Song, plan_song, song_stems
from synthmatch.training.config import read_recipe
from synthmatch.training.mixing.mixtures import mix_stems
from synthmatch.training.recorded.corpus import Corpus
from synthmatch.training.recorded.drums import Kit, installed_kits
from synthmatch.training.recorded.recording import gather

HERE = Path(__file__).parent
SECTIONS = (1, 3, 6, 12)  # of 10 s
SONGS = 100  # of each length
SEED = 2027

Floats = npt.NDArray[np.float32]
Rule = Callable[[Floats], Floats]
"""Log-odds of windows (W, F) -> of the song, (F,)."""


def three_surest(logits: Floats) -> Floats:
    """The mean of the three highest."""
    mean: Floats = np.sort(logits, axis=0)[-3:].mean(axis=0)
    return mean


RULES: dict[str, Rule] = {
    "the surest window": lambda logits: logits.max(axis=0),
    "the mean of the three surest": three_surest,
    "built in": song_presence,
}


def main() -> None:
    """Hear, print and write."""
    parser = argparse.ArgumentParser(description="Measure presence in whole songs.")
    parser.add_argument("--data", type=Path, required=True, help="where recorded notes are kept")
    parser.add_argument("--songs", type=int, default=SONGS, help="of each length")
    parser.add_argument("--side", choices=("valid", "test"), default="test", help="whose presets play")
    parser.add_argument("--model", type=Path, default=RELEASED)
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    corpus = side_of(gather(chosen.data, read_recipe("released").extra_notes), chosen.side)
    encoder, drums = Encoder.load(chosen.model), installed_kits()
    heard = {count: hear(corpus, encoder, chosen.songs, count, drums) for count in SECTIONS}
    text = page(heard, chosen.songs, chosen.side, encoder.fingerprint)
    print(text, end="")
    write_text(HERE / "longsongs.md", text)


def side_of(corpus: Corpus, side: str) -> Corpus:
    """The presets of a side alone, asked for as test presets are; those that aren't recorded on every pitch are played
    from the notes that there are."""
    labels = {key: replace(label, side="test") for key, label in corpus.labels.items() if label.side == side}
    return replace(corpus, labels=labels, scales=corpus.scales if side == "test" else corpus.notes)


def hear(
    corpus: Corpus, encoder: Encoder, count: int, sections: int, drums: tuple[Kit, ...]
) -> tuple[list[Floats], Bools]:
    """What is said of the windows of some songs, (W, F) each, and what is so, (count, F)."""
    there = pools(corpus, FAMILY_KEYS)
    order = [encoder.config.families.index(key) for key in FAMILY_KEYS]
    songs = [plan_song(there, number, SEED + sections) for number in range(count)]
    said = []
    with torch.inference_mode():
        for number, song in enumerate(songs):
            cut = torch.from_numpy(windows(long_song(corpus, song, number, sections, drums)))
            said.append(torch.cat([encoder.encode_query(some)[1] for some in cut.split(8)]).numpy()[:, order])
    return said, np.array([[family in song.parts for family in FAMILY_KEYS] for song in songs])


def long_song(corpus: Corpus, song: Song, number: int, sections: int, drums: tuple[Kit, ...]) -> Samples:
    """A song of sections, in each of which about half of what is in it plays, but for one that has only one; it begins
    somewhere in the first half of its first section, so that windows and sections don't begin together."""
    rng = np.random.default_rng((SEED, sections, number))
    plays = rng.random((sections, len(song.parts))) < (0.5 if sections > 1 else 1.0)
    for silent in np.flatnonzero(~plays.any(axis=0)):  # a part that nobody would hear is no part
        plays[rng.integers(sections), silent] = True
    for empty in np.flatnonzero(~plays.any(axis=1)):
        plays[empty, rng.integers(len(song.parts))] = True
    pieces = []
    for place, playing in enumerate(plays):
        parts = {key: song.parts[key] for key, there in zip(song.parts, playing, strict=True) if there}
        lasting = song.distractor if sections == 1 or rng.random() < 0.5 else ""
        section = Song(parts, song.drums and (sections == 1 or bool(rng.random() < 0.5)), lasting)
        pieces.append(mix_stems(*song_stems(corpus, section, number * sections + place, drums, SEED + sections)))
    whole: Samples = np.concatenate(pieces)
    return whole if sections == 1 else whole[round(rng.uniform(0, SECONDS / 2) * ENCODER_RATE) :]


def page(heard: dict[int, tuple[list[Floats], Bools]], count: int, side: str, model: str) -> str:
    """The figures as Markdown."""
    lines = [
        "# Presence in whole songs",
        "",
        f"Written by `python bench/longsongs.py` over {count} songs of each length by presets of the {side} side, model"
        f" `{model}`. Per cent; what is shown is said to be there with {PRESENT:g} or more.",
        "",
        "| seconds | one probability of | average precision | calibration error | families shown | there |",
        "|---|---|---|---|---|---|",
    ]
    for sections, (said, truth) in heard.items():
        for name, rule in RULES.items():
            logits = np.stack([rule(each) for each in said])
            found: Presence = presence_of(logits, truth, FAMILY_KEYS)
            shown = (1 / (1 + np.exp(-logits)) >= PRESENT).sum(axis=1).mean()
            figures = f"{found.macro} | {found.calibration:.1f} | {shown:.1f} | {truth.sum(axis=1).mean():.1f}"
            lines.append(f"| {sections * SECONDS:g} | {name} | {figures} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
