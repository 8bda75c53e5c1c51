"""What an encoder hears with: a trunk, and the ears that presence may have of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from synthmatch.networks.blocks import Block, ChannelNorm, ContextBlock, TimeBlock
from synthmatch.networks.features import HOP

if TYPE_CHECKING:
    from synthmatch.networks.encoder import EncoderConfig

CLOSER_WINDOW = 4096  # samples, 256 ms: notes a tone apart are told apart from some 130 Hz on
CLOSER_HOP = 2 * HOP  # as many frames as the trunk has after its first stride


class Trunk(nn.Module):
    """Convolutions over bands and frames, which fold the bands, and blocks over frames."""

    def __init__(self, config: EncoderConfig, deeper: int = 0, finer: int = 0) -> None:
        """
        Args:
            deeper: further blocks that begin by changing nothing: so many before bands are folded, and so many after it
                whose frames hear ever further.
            finer: and so many at the end of either stage before the third, where bands lie closer together.
        """
        super().__init__()
        first, second, third = config.channels
        self.stages = nn.Sequential(
            nn.Conv2d(1, first, 5, stride=2, padding=2),
            *(Block(first) for _ in range(config.blocks[0])),
            nn.Conv2d(first, second, 3, stride=2, padding=1),
            *(Block(second) for _ in range(config.blocks[1])),
            nn.Conv2d(second, third, 3, stride=(2, 1), padding=1),
            *(Block(third) for _ in range(config.blocks[2])),
            ChannelNorm(third),
        )
        self.fold = nn.Conv2d(third, config.width, (config.bands // 8, 1))
        self.layers = nn.Sequential(*(TimeBlock(config.width) for _ in range(config.layers)))
        self.norm = ChannelNorm(config.width)
        # Last: other weights begin as they would without them.
        self.deeper = nn.Sequential(*(Block(third) for _ in range(deeper)))
        self.further = nn.Sequential(*(TimeBlock(config.width, 2 ** (place + 1)) for place in range(deeper)))
        self.finer = nn.ModuleList(
            nn.Sequential(*(Block(channels) for _ in range(finer))) for channels in (first, second)
        )
        self._ends = (1 + config.blocks[0], 2 + config.blocks[0] + config.blocks[1])  # of those two stages

    def forward(self, x: Tensor, known: Tensor | None = None) -> Tensor:
        """Log-mel (B, 1, M, N) -> features (B, width, ceil(N / 4)).

        Args:
            known: what else is known of the sound, (B, channels, M / 2, ceil(N / 2)); it is added to what the first
                layer makes of it.
        """
        x = self.stages[0](x.contiguous(memory_format=torch.channels_last))
        if known is not None:
            x = x + known
        first, second = self._ends
        x = self.finer[0](self.stages[1:first](x))
        x = self.finer[1](self.stages[first:second](x))
        x = functional.relu(self.fold(self.deeper(self.stages[second:](x)))).squeeze(2)
        out: Tensor = self.norm(self.further(self.layers(x)))
        return out


class Listener(nn.Module):
    """The ears of presence, where they aren't those by which presets are told apart."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.trunk = Trunk(config, config.deeper, config.finer)
        self.attention = nn.Conv1d(config.width, config.slots * config.heads, 1)
        self.context = context_of(config)
        self.closer = _Closer(config) if config.closer else None

    def forward(self, heard: Tensor, closer: Tensor | None) -> Tensor:
        """Features (B, width, N / 4) of what is heard, (B, bands, N), and heard more closely, (B, closer, N / 2)."""
        known = None if self.closer is None else self.closer(closer)
        out: Tensor = self.context(self.trunk(heard[:, None], known))
        return out


class _Closer(nn.Module):
    """A log-mel of narrow bands (B, closer, N) -> what a trunk's first layer is told (B, channels, bands / 2, N).

    Begins as the silence that changes nothing.
    """

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.rows = config.bands // 2
        self.look = nn.Conv2d(config.closer // self.rows, config.channels[0], 3, padding=1)
        nn.init.zeros_(self.look.weight)
        nn.init.zeros_(self.look.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        batch, _, frames = x.shape
        within = x.view(batch, self.rows, -1, frames).transpose(1, 2)  # the narrow bands of a row become its channels
        out: Tensor = self.look(within.contiguous(memory_format=torch.channels_last))
        return out


def context_of(config: EncoderConfig) -> nn.Sequential:
    """Blocks in which every frame hears all others; none at all for most shapes."""
    return nn.Sequential(*(ContextBlock(config.width, config.heads) for _ in range(config.context)))
