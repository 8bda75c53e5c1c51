"""Heads that are taught alone, once the rest of an encoder is trained: a hidden layer over summaries of sound.

They learn on summaries of mean 0 and spread 1; what goes into the encoder has that folded into its weights.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class Head(nn.Module):
    """Summaries -> one logit a family, by one hidden layer."""

    def __init__(self, summary: int, hidden: int, families: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(summary, hidden)
        self.out = nn.Linear(hidden, families)

    def forward(self, within: Tensor, dropped: tuple[float, float] = (0.0, 0.0)) -> Tensor:
        """(B, S) -> (B, F).

        Args:
            within: summaries, of mean 0 and spread 1.
            dropped: shares of the summary and of the hidden features that are left out, while it learns.
        """
        hidden = functional.relu(self.hidden(functional.dropout(within, dropped[0])))
        logits: Tensor = self.out(functional.dropout(hidden, dropped[1]))
        return logits

    def folded(self, centre: Tensor, spread: Tensor) -> tuple[Tensor, Tensor]:
        """Weights (H, S) and biases (H,) of a hidden layer that takes summaries as they are.

        Args:
            centre, spread: (S,), by which those that it learnt on were moved and divided.
        """
        with torch.no_grad():
            weight = self.hidden.weight / spread
            return weight, self.hidden.bias - weight @ centre
