"""The benchmark's results: values, JSON and Markdown."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from synthmatch.presets.families import FAMILY_KEYS
from synthmatch.training.benchmark.metrics import Interval, NoteFigures, Presence

KS = (1, 5)


@dataclass(frozen=True)
class Figures:
    """Top-k in per cent, by k: of the very preset, and with near-duplicates counted."""

    strict: dict[int, Interval]
    near: dict[int, Interval]


@dataclass(frozen=True)
class Loss:
    """What a degradation costs, by k, in per cent: top-k before, after, and the points between them."""

    clean: dict[int, float]
    spoilt: dict[int, float]
    lost: dict[int, Interval]


@dataclass(frozen=True)
class Row:
    """One hearing's figures on one suite.

    Args:
        name: of the hearing, and what of it is looked at.
        presets: how many different presets it was asked for.
        figures: over all questions.
        families: the same by family of the preset asked for.
        presence: of the suites that measure it, from hearings that tell it.
        losses: of the suites that spoil another's sounds, by degradation; "all" for all of them.
        notes: how right the notes are that were written down for it, if they were.
    """

    name: str
    presets: int
    figures: Figures
    families: dict[str, Figures]
    presence: Presence | None = None
    losses: dict[str, Loss] | None = None
    notes: NoteFigures | None = None


@dataclass(frozen=True)
class SuiteResult:
    """One suite: how many sounds and questions, how many candidates by family ("" for any), and its rows."""

    name: str
    queries: int
    questions: int
    candidates: dict[str, int]
    rows: tuple[Row, ...]

    @property
    def presets(self) -> int:
        """How many different presets are asked for."""
        return max(row.presets for row in self.rows)


@dataclass(frozen=True)
class Report:
    """The whole benchmark, and what it was measured on.

    Args:
        commit: of the code.
        model, rival: fingerprints of the encoder, and of the one by the paper's recipe, or "".
        library: hash of the presets searched.
        command: makes it again.
        notes: what is missing and why, a sentence each.
    """

    commit: str
    model: str
    rival: str
    library: str
    command: str
    notes: tuple[str, ...]
    suites: tuple[SuiteResult, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "commit": self.commit,
            "model": self.model,
            "rival": self.rival,
            "library": self.library,
            "command": self.command,
            "notes": list(self.notes),
            "suites": {suite.name: _suite_json(suite) for suite in self.suites},
        }

    def to_markdown(self) -> str:
        """Tables of all suites; figures in brackets are 95 % bootstrap intervals."""
        rival = f", rival `{self.rival}`" if self.rival else ""
        lines = [
            f"Commit `{self.commit}`, model `{self.model}`{rival}, library `{self.library}`, made by `{self.command}`.",
            "Per cent, with 95 % bootstrap intervals over presets; *near* counts a preset of the same",
            "near-duplicate cluster as found.",
            *tables_of(self.suites),
            *(f"- {note}" for note in self.notes),
        ]
        return "\n".join(lines) + "\n"


_HEADINGS = 2  # lines of a table without rows


def tables_of(suites: tuple[SuiteResult, ...]) -> list[str]:
    """What was found, and among how many, as lines of Markdown that begin with an empty one."""
    tables = (table(suites) for table in (_figures, _families, _presence, _losses, _notes))
    lines = [line for table in tables if len(table) > _HEADINGS for line in ("", *table)]
    return [*lines, "", *(_size(suite) for suite in suites)]


def _line(*cells: object) -> str:
    return f"| {' | '.join(map(str, cells))} |"


def _table(*headings: str) -> list[str]:
    return [_line(*headings), f"|{'---|' * len(headings)}"]


def _rows(suites: tuple[SuiteResult, ...]) -> Iterator[tuple[str, str, Row]]:
    """Every row, below its suite's name and its own; a row that was asked for fewer presets says for how many."""
    for suite in suites:
        for row in suite.rows:
            fewer = f" ({row.presets} of {suite.presets} presets)" if row.presets < suite.presets else ""
            yield f"`{suite.name}`", row.name + fewer, row


def _figures(suites: tuple[SuiteResult, ...]) -> list[str]:
    lines = _table("suite", "row", "top-1", "top-1 near", "top-5", "top-5 near")
    for suite, name, row in _rows(suites):
        lines.append(_line(suite, name, *(each[k] for k in KS for each in (row.figures.strict, row.figures.near))))
    return lines


def _families(suites: tuple[SuiteResult, ...]) -> list[str]:
    lines = _table("top-1 / top-5 by family", "row", *FAMILY_KEYS)
    for suite, name, row in _rows(suites):
        cells = (
            " / ".join(f"{row.families[key].strict[k].value:.0f}" for k in KS) if key in row.families else ""
            for key in FAMILY_KEYS
        )
        lines.append(_line(suite, name, *cells))
    return lines


def _presence(suites: tuple[SuiteResult, ...]) -> list[str]:
    lines = _table("presence: average precision", "row", "mean", "calibration error", *FAMILY_KEYS)
    for suite, name, row in _rows(suites):
        if row.presence:
            each = (f"{row.presence.families[key]:.0f}" if key in row.presence.families else "" for key in FAMILY_KEYS)
            lines.append(_line(suite, name, row.presence.macro, f"{row.presence.calibration:.1f}", *each))
    return lines


def _losses(suites: tuple[SuiteResult, ...]) -> list[str]:
    sides = (f"top-{k} {side}" for k in KS for side in ("before", "after", "points lost"))
    lines = _table("degradation", "row", *sides)
    for _, name, row in _rows(suites):
        for kind, loss in (row.losses or {}).items():
            cells = ((f"{loss.clean[k]:.1f}", f"{loss.spoilt[k]:.1f}", loss.lost[k]) for k in KS)
            lines.append(_line(kind, name, *(cell for each in cells for cell in each)))
    return lines


def _notes(suites: tuple[SuiteResult, ...]) -> list[str]:
    lines = _table("notes: F-measure of beginnings", "family", "with their key", "in any octave", "on any key")
    for _, name, row in _rows(suites):
        if row.notes:
            for family, key in row.notes.key.items():
                lines.append(_line(name, family, key, row.notes.octave[family], row.notes.onset[family]))
    return lines


def _size(suite: SuiteResult) -> str:
    counts = set(suite.candidates.values())
    each = ", ".join(f"{count} {family or 'of any family'}" for family, count in suite.candidates.items())
    sizes = f"{counts.pop()} for each family" if len(counts) == 1 < len(suite.candidates) else each
    asked = f"{suite.queries} sounds, {suite.questions} questions about {suite.presets} test presets"
    return f"- `{suite.name}`: {asked}; candidates: {sizes}."


def _interval(figure: Interval) -> dict[str, float]:
    return {"value": round(figure.value, 2), "low": round(figure.low, 2), "high": round(figure.high, 2)}


def _figures_json(figures: Figures) -> dict[str, Any]:
    sides = {"strict": figures.strict, "near": figures.near}
    return {side: {f"top{k}": _interval(figure) for k, figure in values.items()} for side, values in sides.items()}


def _row_json(row: Row) -> dict[str, Any]:
    out: dict[str, Any] = {
        "presets": row.presets,
        **_figures_json(row.figures),
        "families": {family: _figures_json(figures) for family, figures in row.families.items()},
    }
    if row.presence:
        out["presence"] = {
            "average precision": _interval(row.presence.macro),
            "calibration error": round(row.presence.calibration, 2),
            "families": {family: round(value, 2) for family, value in row.presence.families.items()},
        }
    if row.losses:
        out["losses"] = {
            kind: {
                f"top{k}": {
                    "before": round(loss.clean[k], 2),
                    "after": round(loss.spoilt[k], 2),
                    "lost": _interval(loss.lost[k]),
                }
                for k in KS
            }
            for kind, loss in row.losses.items()
        }
    if row.notes:
        out["notes"] = {
            what: {family: _interval(figure) for family, figure in figures.items()}
            for what, figures in vars(row.notes).items()
        }
    return out


def _suite_json(suite: SuiteResult) -> dict[str, Any]:
    return {
        "queries": suite.queries,
        "questions": suite.questions,
        "candidates": {family or "any": count for family, count in suite.candidates.items()},
        "rows": {row.name: _row_json(row) for row in suite.rows},
    }
