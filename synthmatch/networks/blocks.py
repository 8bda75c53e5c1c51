"""What the encoder is built of. None of it looks from one clip of a batch to another."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional


class ChannelNorm(nn.Module):
    """Layer norm over the channels of each position alone, so that neither the other clips of a batch nor
    the length of a clip changes what comes out."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, ...) -> the same."""
        out: Tensor = self.norm(x.movedim(1, -1)).movedim(-1, 1)
        return out


class Block(nn.Module):
    """Residual block over bands and frames."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = ChannelNorm(channels)
        self.spread = nn.Conv2d(channels, channels, 3, padding=1)
        self.mix = nn.Conv2d(channels, channels, 1)
        nn.init.zeros_(self.mix.weight)  # starts as the identity
        nn.init.zeros_(self.mix.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        """A log-mel's features of shape (B, C, M, N), M bands and N frames, to the same shape."""
        out: Tensor = x + self.mix(functional.relu(self.spread(self.norm(x))))
        return out


class TimeBlock(nn.Module):
    """Residual block over frames.

    Args:
        apart: how many frames lie between a frame and the ones that it hears beside itself.
    """

    def __init__(self, width: int, apart: int = 1) -> None:
        super().__init__()
        self.norm = ChannelNorm(width)
        self.spread = nn.Conv1d(width, width, 3, padding=apart, dilation=apart)
        self.mix = nn.Conv1d(width, width, 1)
        nn.init.zeros_(self.mix.weight)
        nn.init.zeros_(self.mix.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        """Frames of shape (B, C, N) to the same shape."""
        out: Tensor = x + self.mix(functional.relu(self.spread(self.norm(x))))
        return out


class ContextBlock(nn.Module):
    """Residual block in which every frame hears all others, wherever they are: a preset that plays here and there is
    told from what sounds beside it by what stays the same. It starts as the identity."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norms = nn.ModuleList([nn.LayerNorm(width), nn.LayerNorm(width)])
        self.asked = nn.Linear(width, 3 * width)  # queries, keys and values
        self.told = nn.Linear(width, width)
        self.spread = nn.Linear(width, 4 * width)
        self.mix = nn.Linear(4 * width, width)
        for last in (self.told, self.mix):
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Frames of shape (B, C, N) in, of the same shape out: each has heard all N of its own sound."""
        x = x.mT
        batch, frames, width = x.shape
        asked = self.asked(self.norms[0](x)).view(batch, frames, 3, self.heads, width // self.heads)
        queries, keys, values = asked.permute(2, 0, 3, 1, 4)
        heard = functional.scaled_dot_product_attention(queries, keys, values)
        x = x + self.told(heard.transpose(1, 2).reshape(batch, frames, width))
        out: Tensor = x + self.mix(functional.gelu(self.spread(self.norms[1](x))))
        return out.mT
