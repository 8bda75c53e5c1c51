"""What presence in songs fails by: ``python bench/presence.py --data FOLDER``.

The benchmark's songs are heard whole; without the drums and the sounds that are nobody's part; and part by part, as if
somebody had taken the song apart without a trace of the others. A family is in a song that is heard part by part as
surely as it is in any of the parts: 1 - the product of 1 - p. For what is missing then the mixture isn't to blame:
these are presets whose sound doesn't tell what people call them. One row more asks the head for single presets about
each preset's reference notes. A second table is of songs as training makes them, of presets of the training and of the
valid side: where these differ, presets are missing; where they don't, it's the mixture that hides a family, or its word
that doesn't tell it from its neighbours. Prints average precisions, and writes ``presence.md``.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from synthmatch.audio import Samples
from synthmatch.files import write_text
from synthmatch.networks.encoder import Encoder
from synthmatch.presets.families import FAMILY_KEYS
from synthmatch.training.benchmark.metrics import Presence, presence_of
from synthmatch.training.benchmark.queries import pools
from synthmatch.training.benchmark.songs import Song, plan_song, song_stems
from synthmatch.training.config import read_recipe
from synthmatch.training.learning.songs import TOGETHER as SONGS_A_STEP
from synthmatch.training.learning.songs import song_recipe
from synthmatch.training.mixing.batches import Mixer
from synthmatch.training.mixing.mixtures import mix_stems
from synthmatch.training.recorded.corpus import Corpus
from synthmatch.training.recorded.drums import Kit, installed_kits
from synthmatch.training.recorded.recording import gather

HERE = Path(__file__).parent
SONGS = 1000
OF_A_SIDE = 480
SEED = 501  # other songs than any training's
TOGETHER = 16  # sounds heard at a time
SURE = 30.0  # log-odds of what is taken for certain

Floats = npt.NDArray[np.float64]


def main() -> None:
    """Hear, print and write."""
    parser = argparse.ArgumentParser(description="Measure what presence in songs fails by.")
    parser.add_argument("--data", type=Path, required=True, help="where recorded notes are kept")
    parser.add_argument("--songs", type=int, default=SONGS, help="of the benchmark")
    parser.add_argument("--of-a-side", type=int, default=OF_A_SIDE, help="songs of each side")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    corpus = gather(chosen.data, read_recipe("released").extra_notes)
    encoder = Encoder.released()
    text = "\n".join(
        [
            heard_page(measure(corpus, encoder, chosen.songs, installed_kits()), chosen.songs),
            side_page(by_side(corpus, encoder, chosen.of_a_side), chosen.of_a_side),
        ]
    )
    print(text, end="")
    write_text(HERE / "presence.md", text)


def measure(corpus: Corpus, encoder: Encoder, count: int, drums: Sequence[Kit]) -> dict[str, Presence]:
    """Presence in the first songs of the benchmark, by how they are heard."""
    there = pools(corpus, FAMILY_KEYS)
    songs = [plan_song(there, number) for number in range(count)]
    truth = np.array([[family in song.parts for family in FAMILY_KEYS] for song in songs])
    stems = [song_stems(corpus, song, number, drums) for number, song in enumerate(songs)]
    whole = _heard(encoder, [mix_stems(*each) for each in stems])
    bare = [({key: parts[key] for key in song.parts}, gains) for song, (parts, gains) in zip(songs, stems, strict=True)]
    alone = _heard(encoder, [parts[key] for parts, _ in bare for key in parts])
    rows = {
        "songs": whole,
        "without drums and distractors": _heard(encoder, [mix_stems(*each) for each in bare]),
        "part by part": _together(alone, songs),
        "reference notes, preset by preset": _together(_single(encoder, corpus, songs), songs),
    }
    return {name: presence_of(said, truth, FAMILY_KEYS) for name, said in rows.items()}


def by_side(corpus: Corpus, encoder: Encoder, count: int) -> dict[str, Presence]:
    """Presence in songs as training makes them, of presets of the training and of the valid side."""
    found = {}
    for side in ("train", "valid"):
        there = {family: corpus.ids(side, family, stated=True) for family in FAMILY_KEYS}
        recipe = song_recipe(encoder.config, FAMILY_KEYS, SEED)
        mixer = Mixer(corpus.notes, there, corpus.clusters, recipe, None)
        batches = [mixer.batch(step) for step in range(-(-count // SONGS_A_STEP))]
        said = np.concatenate([_heard(encoder, batch.mixtures.numpy()) for batch in batches])
        truth = torch.cat([batch.presence for batch in batches]).bool().numpy()[:, _order(encoder)]
        found[side] = presence_of(said[:count], truth[:count], FAMILY_KEYS)
    return found


def _heard(encoder: Encoder, sounds: Sequence[Samples]) -> Floats:
    """(K, F) log-odds that each family is in each of K sounds."""
    with torch.inference_mode():
        said = [
            encoder.encode_query(torch.from_numpy(np.stack(sounds[first : first + TOGETHER])))[1]
            for first in range(0, len(sounds), TOGETHER)
        ]
    found: Floats = torch.cat(said).double().numpy()[:, _order(encoder)]
    return found


def _single(encoder: Encoder, corpus: Corpus, songs: Sequence[Song]) -> Floats:
    """(K, F) log-odds of the families of the presets in the songs, in their order."""
    known: dict[str, Floats] = {}
    with torch.inference_mode():
        for key in sorted({key for song in songs for key in song.parts.values()}):
            notes = torch.from_numpy(np.stack(corpus.notes.references(key)))
            known[key] = encoder.encode_preset(notes)[1].mean(dim=0).double().numpy()[_order(encoder)]
    said = np.clip(np.stack([known[key] for song in songs for key in song.parts.values()]), 1e-9, 1 - 1e-9)
    found: Floats = np.log(said / (1 - said))
    return found


def _order(encoder: Encoder) -> list[int]:
    return [encoder.config.families.index(key) for key in FAMILY_KEYS]


def _together(said: Floats, songs: Sequence[Song]) -> Floats:
    """(Q, F) log-odds that any of a song's parts is of a family, of those of the parts (K, F)."""
    absent = np.split(-np.logaddexp(0, said), np.cumsum([len(song.parts) for song in songs])[:-1])
    nowhere = np.minimum(np.stack([each.sum(axis=0) for each in absent]), -1e-12)
    found: Floats = np.clip(np.log(-np.expm1(nowhere)) - nowhere, -SURE, SURE)
    return found


def heard_page(rows: dict[str, Presence], count: int) -> str:
    """What the benchmark's songs fail by, as Markdown."""
    lines = [
        "# What presence in songs fails by",
        "",
        f"Written by `python bench/presence.py` over {count:,} songs. Average precision of each family, in per cent,"
        " and their mean with a 95 % bootstrap interval over songs.",
        "",
        *_table("heard", rows),
    ]
    return "\n".join(lines) + "\n"


def side_page(rows: dict[str, Presence], count: int) -> str:
    """How presence in songs of known and of new presets differs, as Markdown."""
    lines = [f"In {count:,} songs each as training makes them, played by presets of either side:", ""]
    return "\n".join([*lines, *_table("presets", rows)]) + "\n"


def _table(what: str, rows: dict[str, Presence]) -> list[str]:
    lines = [f"| {what} | mean | " + " | ".join(FAMILY_KEYS) + " |", "|---|---|" + "---|" * len(FAMILY_KEYS)]
    for name, row in rows.items():
        figures = (f"{row.families[key]:.0f}" if key in row.families else "" for key in FAMILY_KEYS)
        lines.append(f"| {name} | {row.macro} | " + " | ".join(figures) + " |")
    return lines


if __name__ == "__main__":
    main()
