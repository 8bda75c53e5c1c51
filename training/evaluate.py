"""The benchmark: suites, rows that stand beside them, and their tables."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synthmatch import checkpoint
from synthmatch.errors import TrainingError
from synthmatch.files import content_hash
from synthmatch.training.hearing import Chance, EncoderHearing, Hearing, LogMelHearing, MfccHearing
from synthmatch.training.metrics import Interval, top_k
from synthmatch.training.recording import Corpus
from synthmatch.training.suites import Found, Listener, mixture_queries, run_mixture, run_single, single_queries

SUITES = ("single", "mixture", "mixture-full")
MIXTURES = 5000
KS = (1, 5)

Say = Callable[[str], None]


@dataclass(frozen=True)
class Row:
    """One hearing's figures on one suite: top-k in per cent, strict and with near-duplicates counted."""

    name: str
    strict: dict[int, Interval]
    lenient: dict[int, Interval]
    families: dict[str, dict[int, float]]


@dataclass(frozen=True)
class SuiteResult:
    """One suite: how many queries and candidates, and a row per hearing."""

    name: str
    queries: int
    presets: int
    candidates: dict[str, int]
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Report:
    """The whole benchmark, and what it was measured on."""

    commit: str
    model: str
    library: str
    command: str
    suites: tuple[SuiteResult, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "commit": self.commit,
            "model": self.model,
            "library": self.library,
            "command": self.command,
            "suites": {suite.name: _suite_json(suite) for suite in self.suites},
        }

    def to_markdown(self) -> str:
        """One table; intervals are 95 % bootstraps over presets."""
        lines = [
            f"Commit `{self.commit}`, model `{self.model}`, library `{self.library}`, made by `{self.command}`.",
            "Per cent, with 95 % bootstrap intervals over presets; *near* counts a preset of the same",
            "near-duplicate cluster as found.",
            "",
            "| suite | row | top-1 | top-1 near | top-5 | top-5 near |",
            "|---|---|---|---|---|---|",
        ]
        for suite in self.suites:
            for row in suite.rows:
                figures = (row.strict[1], row.lenient[1], row.strict[5], row.lenient[5])
                cells = " | ".join(str(figure) for figure in figures)
                lines.append(f"| `{suite.name}` | {row.name} | {cells} |")
        lines.append("")
        for suite in self.suites:
            sizes = ", ".join(f"{count} {family or 'of any family'}" for family, count in suite.candidates.items())
            asked = f"{suite.queries} queries of {suite.presets} test presets"
            lines.append(f"- `{suite.name}`: {asked}; candidates: {sizes}.")
        return "\n".join(lines) + "\n"


def evaluate(
    corpus: Corpus,
    model: Path,
    suites: Sequence[str] = SUITES,
    mixtures: int = MIXTURES,
    command: str = "synthmatch evaluate",
    say: Say = lambda _: None,
) -> Report:
    """Run suites with the encoder and with every row that stands beside it.

    Args:
        model: the encoder's file; the presets that it was trained on are in it.
        mixtures: how many mixtures are asked for.

    Raises:
        TrainingError: the model has heard a test preset, or a suite isn't known.
    """
    unknown = set(suites) - set(SUITES)
    if unknown:
        raise TrainingError(f"There's no suite called {', '.join(sorted(unknown))}; choose of {', '.join(SUITES)}.")
    encoder, facts = checkpoint.load(model)
    refuse_seen(facts, corpus, model)
    hearings: list[Hearing] = [EncoderHearing(encoder), LogMelHearing(), MfccHearing(), Chance()]
    singles = single_queries(corpus) if "single" in suites else None
    mixed = mixture_queries(corpus, mixtures) if set(suites) - {"single"} else None
    runs: dict[str, list[tuple[str, Found]]] = {name: [] for name in suites}
    for hearing in hearings:
        say(f"{hearing.name} listens")
        listener = Listener(corpus, hearing)
        if singles:
            runs["single"].append((hearing.name, run_single(listener, hearing.hear(singles[0]), singles[1])))
        if mixed:
            heard = hearing.hear(mixed[0])
            for name in runs.keys() - {"single"}:
                found = run_mixture(listener, heard, mixed[1], full=name == "mixture-full")
                runs[name].append((hearing.name, found))
    results = [_summary(name, rows) for name, rows in runs.items()]
    library = content_hash(*(key.encode() for key in corpus.labels))
    return Report(_commit(), encoder.fingerprint, library, command, tuple(results))


def refuse_seen(facts: dict[str, Any], corpus: Corpus, model: Path) -> None:
    """Refuse an encoder that has heard a test preset.

    Raises:
        TrainingError: it has, or doesn't say what it heard.
    """
    heard = facts.get("trained_on")
    if heard is None:
        raise TrainingError(f"{model} doesn't say which presets it was trained on; evaluate one of `synthmatch train`.")
    seen = set(heard) & {key for key, label in corpus.labels.items() if label.side == "test"}
    if seen:
        raise TrainingError(f"{model} was trained on {len(seen)} test presets; its figures would mean nothing.")


def _summary(name: str, runs: list[tuple[str, Found]]) -> SuiteResult:
    rows = []
    for title, found in runs:
        strict = {k: top_k(found.strict, found.asked, found.strata, k) for k in KS}
        lenient = {k: top_k(found.lenient, found.asked, found.strata, k) for k in KS}
        families = {
            family: {k: 100 * float((found.strict[found.strata == place] <= k).mean()) for k in KS}
            for place, family in enumerate(found.candidates)
        }
        rows.append(Row(title, strict, lenient, families))
    found = runs[0][1]
    return SuiteResult(name, len(found.strict), len(set(found.asked.tolist())), found.candidates, tuple(rows))


def _suite_json(suite: SuiteResult) -> dict[str, Any]:
    def figures(values: dict[int, Interval]) -> dict[str, Any]:
        return {
            f"top{k}": {"value": round(v.value, 2), "low": round(v.low, 2), "high": round(v.high, 2)}
            for k, v in values.items()
        }

    return {
        "queries": suite.queries,
        "presets": suite.presets,
        "candidates": {family or "any": count for family, count in suite.candidates.items()},
        "rows": {
            row.name: {
                "strict": figures(row.strict),
                "near": figures(row.lenient),
                "families": {
                    family or "any": {f"top{k}": round(share, 2) for k, share in values.items()}
                    for family, values in row.families.items()
                },
            }
            for row in suite.rows
        },
    }


def _commit() -> str:
    """The commit of a clone, or the version of an installed copy."""
    from synthmatch import __version__

    root = Path(__file__).resolve().parent.parent
    if not (root / ".git").exists():
        return __version__
    try:
        command = ["git", "-C", str(root), "describe", "--always", "--dirty"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return __version__
