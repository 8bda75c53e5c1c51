"""What a run writes down as it goes: JSON lines, and TensorBoard where it is installed."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from synthmatch.closing import Closing
from synthmatch.extras import remedy
from synthmatch.files import write_text

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter


def without() -> str:
    """Says that there are no curves, and how to get them."""
    return f"TensorBoard isn't installed, so there are no curves; {remedy('train')}."


class Journal(Closing):
    """``log.jsonl`` in a run's folder, and TensorBoard's files beside it."""

    def __init__(self, folder: Path, step: int, of: str = "") -> None:
        """Open a run's log at a step; what it says of later ones, which will be taken again, is dropped, and so are
        lines that a power cut left damaged.

        Args:
            of: what is learnt apart from the rest, with steps of its own; its log is called so, as are its curves.
        """
        self._path = folder / f"{of or 'log'}.jsonl"
        if self._path.exists():
            lines = self._path.read_text(encoding="utf-8").splitlines(keepends=True)
            kept = [line for line in lines if line.endswith("\n") and _step_of(line) <= step]
            if kept != lines:
                write_text(self._path, "".join(kept))
        self._board = _board(folder / "tensorboard" / of, step)

    @property
    def notice(self) -> str:
        """A sentence about what is missing, or nothing."""
        return "" if self._board else without()

    def write(self, step: int, values: Mapping[str, float], speed: Mapping[str, float]) -> None:
        """Note the values of a step, and, on the board alone, how fast it went: runs are to have the same log."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a", encoding="utf-8") as log:
            log.write(json.dumps({"step": step, **values}) + "\n")
        if self._board:
            for name, value in (dict(values) | dict(speed)).items():
                self._board.add_scalar(name, value, step)

    def close(self) -> None:
        """Write what TensorBoard still holds back."""
        if self._board:
            self._board.close()


def _step_of(line: str) -> float:
    """The step of which a line tells; of one that is damaged, one that never comes."""
    try:
        return int(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError):
        return math.inf


def _board(folder: Path, step: int) -> SummaryWriter | None:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(folder), purge_step=step + 1)
