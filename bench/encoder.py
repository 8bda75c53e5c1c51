"""How long it takes to embed ten seconds on one core: ``python bench/encoder.py [ENCODER]``.

Beside our encoder stands a network of the shape of AST-base, the paper's. Only time counts, so its weights are
random. What counts is the processor's time, and the two take turns, so that a machine that is busy with something else
changes their ratio little. In its turn our encoder embeds ten mixtures one after the other, as the windows of a song;
the first of them finds the caches full of the other network. Prints a table and writes it to ``encoder.md``.
"""

from __future__ import annotations

import argparse
import os
import platform
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import mean, median

import torch
from torch import Tensor, nn

from synthmatch.audio import ENCODER_RATE
from synthmatch.files import write_text
from synthmatch.networks.encoder import RELEASED, Encoder

HERE = Path(__file__).parent
SECONDS = 10.0
GOAL = 60
ROUNDS = 9
MIXTURES = 10  # that our encoder embeds in a turn

BANDS, FRAMES = 128, 1024  # its log-mel of 10 s: frames of 10 ms, padded to a power of two
PATCH, STRIDE = 16, 10
WIDTH, LAYERS, HEADS = 768, 12, 12


class AstShaped(nn.Module):
    """The paper's encoder as far as time goes: overlapping patches of a log-mel, two further tokens, and twelve
    layers of attention; without the log-mel itself."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(1, WIDTH, PATCH, STRIDE)
        self.tokens = nn.Parameter(torch.zeros(1, 2, WIDTH))
        self.places = nn.Parameter(torch.randn(1, 2 + tokens(), WIDTH) * 0.02)
        layer = nn.TransformerEncoderLayer(
            WIDTH, HEADS, 4 * WIDTH, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
        )
        self.layers = nn.TransformerEncoder(layer, LAYERS, enable_nested_tensor=False)
        self.norm = nn.LayerNorm(WIDTH)

    def forward(self, heard: Tensor) -> Tensor:
        """(B, 1, BANDS, FRAMES) -> (B, WIDTH)."""
        patches = self.patches(heard).flatten(2).transpose(1, 2)
        x = torch.cat([self.tokens.expand(len(heard), -1, -1), patches], dim=1) + self.places
        out: Tensor = self.norm(self.layers(x))[:, :2].mean(dim=1)
        return out


def tokens() -> int:
    """How many patches there are."""
    return ((BANDS - PATCH) // STRIDE + 1) * ((FRAMES - PATCH) // STRIDE + 1)


def size(network: nn.Module) -> float:
    """Millions of parameters."""
    return sum(each.numel() for each in network.parameters()) / 1e6


def seconds(call: Callable[[], object]) -> float:
    """What a call takes of the processor."""
    begun = time.process_time()
    call()
    return time.process_time() - begun


def _beside(mine: Sequence[float], theirs: Sequence[float]) -> str:
    """Two cells: milliseconds, and how many times as fast as the other network in the same turn."""
    ratio = median(other / own for own, other in zip(mine, theirs, strict=True))
    return f"{1000 * median(mine):.0f} | {ratio:.0f}"


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("encoder", type=Path, nargs="?", default=RELEASED, help="the released one if not given")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="turns of each")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    ours, other = Encoder.load(chosen.encoder), AstShaped().eval()
    audio = torch.randn(1, round(SECONDS * ENCODER_RATE))
    heard = torch.randn(1, 1, BANDS, FRAMES)
    with torch.inference_mode():
        calls: list[Callable[[], object]] = [lambda: ours.encode_query(audio)] * MIXTURES + [lambda: other(heard)]
        for call in calls[-2:]:
            call()  # the first call takes memory and chooses kernels
        turns = [[seconds(call) for call in calls] for _ in range(chosen.rounds)]
    firsts, theirs = [turn[0] for turn in turns], [turn[-1] for turn in turns]
    means = [mean(turn[:-1]) for turn in turns]
    lines = [
        "# Embedding, measured",
        "",
        "Written by `python bench/encoder.py`: one mixture of 10 s, on one core, float32. "
        f"{platform.machine()}, {platform.system()}, Python {platform.python_version()}, torch {torch.__version__}; "
        f"load average {', '.join(f'{each:.1f}' for each in os.getloadavg())} on {os.cpu_count()} processors; "
        f"medians of {chosen.rounds} turns.",
        "",
        "| network | parameters, millions | processor's ms | times as fast | goal |",
        "| --- | --- | --- | --- | --- |",
        f"| of AST-base's shape, {tokens():,} patches | {size(other):.0f} | {1000 * median(theirs):.0f} | 1 | |",
        f"| the encoder, from the waveform on | {size(ours):.1f} | {_beside(means, theirs)} | {GOAL} |",
        f"| the first mixture of its turn | | {_beside(firsts, theirs)} | |",
    ]
    document = "\n".join(lines) + "\n"
    print(document, end="")
    write_text(HERE / "encoder.md", document)


if __name__ == "__main__":
    main()
