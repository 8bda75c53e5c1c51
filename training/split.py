"""The frozen labels: which family each preset of the benchmark has, and on which side of the split it stands.

A file in the package maps states to families, clusters of near-duplicates and sides, so that a new encoder
doesn't change the benchmark. A state that the file doesn't know is put on a side by its own hash.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from synthmatch.errors import TrainingError

LABELS = Path(__file__).parent / "labels.tsv"
TEST_SHARE = 0.25
VALID_SHARE = 0.125
SIDES = ("train", "valid", "test")


@dataclass(frozen=True, slots=True)
class Label:
    """What is frozen about a state.

    Args:
        id: the state's id.
        synth: the synth's id.
        family: a key of ``FAMILIES``, or "" when neither bank nor sound tell.
        source: "field", "name", "folder" or "sound".
        cluster: the smallest id among its near-duplicates (its own when it has none).
        side: "train", "valid" or "test"; one cluster is on one side.
    """

    id: str
    synth: str
    family: str
    source: str
    cluster: str
    side: str

    @property
    def stated(self) -> bool:
        """Whether a person said so; only such presets are asked for in the headline suites."""
        return self.source in ("field", "name", "folder")


def hash_side(state_id: str) -> str:
    """The side of a cluster, from the hash of its smallest member."""
    share = int(state_id[:8], 16) / 16**8
    return "test" if share < TEST_SHARE else "valid" if share < TEST_SHARE + VALID_SHARE else "train"


@cache
def frozen() -> dict[str, Label]:
    """Every frozen label by state id.

    Raises:
        TrainingError: the file is missing or damaged.
    """
    return read_labels(LABELS)


def side_of(state_id: str) -> str:
    """The side of the split on which a state stands: "train", "valid" or "test"."""
    known = frozen().get(state_id)
    return known.side if known else hash_side(state_id)


def read_labels(path: Path, remedy: str = "reinstall synthmatch") -> dict[str, Label]:
    """Read a file that :func:`write_labels` wrote.

    Args:
        remedy: what to do if it is damaged.

    Raises:
        TrainingError: the file is missing or damaged.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = [Label(**row) for row in csv.DictReader(file, delimiter="\t", restval="")]
    except (OSError, TypeError, ValueError, csv.Error) as error:
        raise TrainingError(f"{path} is damaged ({error}); {remedy}.") from error
    cut = next((row.id for row in rows if row.side not in SIDES), None)
    if cut is not None:
        raise TrainingError(f"{path} is damaged ({cut} is on no side); {remedy}.")
    return {row.id: row for row in rows}


def write_labels(path: Path, labels: list[Label]) -> None:
    """Write labels as tab-separated text, sorted by synth and id."""
    from synthmatch.files import write_text

    fields = ("id", "synth", "family", "source", "cluster", "side")
    rows = sorted(labels, key=lambda label: (label.synth, label.id))
    lines = ["\t".join(fields), *("\t".join(getattr(row, name) for name in fields) for row in rows)]
    write_text(path, "\n".join(lines) + "\n")
