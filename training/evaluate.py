"""The benchmark: who listens, to what, and what comes of it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from synthmatch.errors import SynthmatchError, TrainingError
from synthmatch.files import content_hash
from synthmatch.networks import checkpoint
from synthmatch.networks.encoder import Encoder
from synthmatch.presets.preset import Preset
from synthmatch.training.benchmark import resynthesis
from synthmatch.training.benchmark.hearing import Chance, EncoderHearing, Heard, Hearing, LogMelHearing, MfccHearing
from synthmatch.training.benchmark.queries import Queries
from synthmatch.training.benchmark.suites import SUITE, Ask, Found, Listener, Suite, hear_references
from synthmatch.training.benchmark.summary import presence_row, row_of
from synthmatch.training.benchmark.tables import Report, Row, SuiteResult
from synthmatch.training.recorded.corpus import Corpus
from synthmatch.training.recorded.drums import Kit, installed_kits
from synthmatch.training.split import Label
from synthmatch.words import counted

SUITES = tuple(SUITE)
USUAL = tuple(name for name, suite in SUITE.items() if not suite.unheard and not suite.resynthesis)
"""The suites that any model can be asked in little time; the others want one that has never heard a synth, or more
time."""

OURS = "synthmatch"
RIVAL = "CIR's recipe"
RIVAL_NOTES = (2,)
"""The reference note that a model by the paper's recipe is scored with: pitch 60 at velocity 100."""

_TOGETHER = 40  # sounds that are made and heard at a time

Say = Callable[[str], None]
Banks = Mapping[str, frozenset[str]]
Labels = Mapping[str, Label]


def banks_of(presets: Sequence[Preset]) -> dict[str, frozenset[str]]:
    """In which banks each state is listed, by id; banks of two synths are never the same."""
    listed: dict[str, set[str]] = {}
    for preset in presets:
        listed.setdefault(preset.id, set()).add(f"{preset.synth}/{preset.bank}")
    return {key: frozenset(names) for key, names in listed.items()}


def evaluate(
    corpus: Corpus,
    model: Path,
    suites: Sequence[str] = USUAL,
    mixtures: int | None = None,
    command: str = "synthmatch evaluate",
    say: Say = lambda _: None,
    rival: Path | None = None,
    banks: Banks | None = None,
    kits: Sequence[Kit] | None = None,
) -> Report:
    """Run suites with the encoder and with every row that stands beside it.

    Args:
        model: the encoder's file; the presets that it was trained on are in it.
        mixtures: how many sounds each suite has that is made of mixtures; as many as it says itself if None.
        rival: the file of an encoder by the paper's recipe, for a row of its own.
        banks: from :func:`banks_of`, for a row of those banks of which the encoder has heard nothing.
        kits: the drum kits of songs; those of the installed SoundFont if None.

    Raises:
        TrainingError: a model has heard a test preset, or the synth that it must not have heard; or a suite
            isn't known.
    """
    unknown = set(suites) - set(SUITE)
    if unknown:
        raise TrainingError(f"There's no suite called {', '.join(sorted(unknown))}; choose of {', '.join(SUITES)}.")
    wanted = {name: SUITE[name] for name in SUITE if name in suites}
    encoder, facts = require_fair(model, suites, corpus.labels)
    notes = []
    if kits is None and any(suite.presence for suite in wanted.values()):
        kits, reason = _kits()
        notes += [reason] if reason else []
    hearings: list[Hearing] = [EncoderHearing(encoder, OURS), LogMelHearing(), MfccHearing(), Chance()]
    other = None
    if rival is not None:
        other, recipe = require_fair(rival, suites, corpus.labels)
        hearings.insert(1, rival_hearing(other, recipe))
    else:
        notes.append(f"The row `{RIVAL}` is left out: no model by the paper's recipe was named.")
    sounds = _listen(corpus, wanted, mixtures, kits or (), hearings, say)
    say(f"{len(corpus.labels)} presets' reference notes")
    listeners = [Listener(corpus, *each) for each in zip(hearings, hear_references(corpus, hearings), strict=True)]
    new = _unheard_banks(corpus, facts, banks) if banks is not None else set()
    results = []
    for name, suite in wanted.items():
        count = min(_count(suite, mixtures), sounds.asked[suite.ask].count)
        found, rows = _rows(corpus, suite, count, sounds, listeners, new)
        if suite.resynthesis:
            say(f"{count} sounds resynthesised ({name})")
            writers, missing = resynthesis.writers()
            heard = sounds.heard[suite.ask][0].vectors
            queries = sounds.asked[suite.ask].first(count)
            rows += resynthesis.rows(queries, heard, listeners[0], suite.candidates, writers)
            notes += missing
        results.append(SuiteResult(name, count, len(found.strict), found.candidates, tuple(rows)))
        if banks is not None and not new & set(found.presets.tolist()):
            notes.append(f"`{name}` asks for no preset of a bank of which the model has heard nothing.")
    library = content_hash(*(key.encode() for key in corpus.labels))
    fingerprint = other.fingerprint if other else ""
    return Report(_commit(), encoder.fingerprint, fingerprint, library, command, tuple(notes), tuple(results))


def rival_hearing(encoder: Encoder, facts: Mapping[str, Any]) -> EncoderHearing:
    """A model by the paper's recipe, which is scored by the one reference note that it was taught."""
    taught = facts.get("settings", {}).get("references", ())
    notes = tuple(taught) if len(taught) == 1 else RIVAL_NOTES
    return EncoderHearing(encoder, RIVAL, notes)


def require_fair(model: Path, suites: Sequence[str], labels: Labels) -> tuple[Encoder, dict[str, Any]]:
    """Read an encoder that may be asked: one that has heard neither a test preset nor what a suite keeps from it.

    Args:
        labels: of the presets that are asked for and searched.

    Returns:
        The encoder, and what its file says of it.

    Raises:
        CheckpointError: the file can't be read.
        TrainingError: it has heard such a thing, or doesn't say what it heard.
    """
    encoder, facts = checkpoint.load(model)
    refuse_seen(facts, labels, model)
    for name in suites:
        if SUITE[name].unheard:
            refuse_heard(facts, labels, SUITE[name].unheard, model)
    return encoder, facts


def refuse_seen(facts: Mapping[str, Any], labels: Labels, model: Path) -> None:
    """Refuse an encoder that has heard a test preset.

    Raises:
        TrainingError: it has, or doesn't say what it heard.
    """
    heard = facts.get("trained_on")
    if heard is None:
        raise TrainingError(f"{model} doesn't say which presets it was trained on; evaluate one of `synthmatch train`.")
    seen = set(heard) & {key for key, label in labels.items() if label.side == "test"}
    if seen:
        raise TrainingError(f"{model} was trained on {len(seen)} test presets; its figures would mean nothing.")


def refuse_heard(facts: Mapping[str, Any], labels: Labels, synth: str, model: Path) -> None:
    """Refuse an encoder that has heard anything of a synth.

    Raises:
        TrainingError: it has.
    """
    heard = set(facts.get("trained_on", ())) & {key for key, label in labels.items() if label.synth == synth}
    if heard or synth in facts.get("settings", {}).get("synths", ()):
        presets = counted(len(heard), "preset") if heard else "some presets"
        raise TrainingError(
            f"{model} was trained on {presets} of {synth}, of which it must have heard nothing; "
            "name one by the recipe `unseen`.",
            remedy="encoder",
        )


def _kits() -> tuple[Sequence[Kit], str]:
    """The installed drum kits, or none and why."""
    try:
        return installed_kits(), ""
    except SynthmatchError as error:
        return (), f"The songs are without drum kits: {error}"


def _unheard_banks(corpus: Corpus, facts: Mapping[str, Any], banks: Banks) -> set[str]:
    """The presets all of whose banks the model has heard nothing of."""
    heard = {name for key in facts["trained_on"] for name in banks.get(key, ())}
    return {key for key in corpus.labels if key in banks and not banks[key] & heard}


def _count(suite: Suite, mixtures: int | None) -> int:
    return (mixtures or suite.count) if suite.count else sys.maxsize


@dataclass(frozen=True, eq=False)
class _Sounds:
    """What is asked, and what each hearing heard, by what made the sounds."""

    asked: dict[Ask, Queries]
    heard: dict[Ask, list[Heard]]


def _listen(
    corpus: Corpus,
    suites: Mapping[str, Suite],
    mixtures: int | None,
    kits: Sequence[Kit],
    hearings: Sequence[Hearing],
    say: Say,
) -> _Sounds:
    """Let everybody hear every sound once, however many suites ask about it."""
    needed: dict[Ask, int] = {}
    for suite in suites.values():
        for each in (suite, SUITE[suite.clean]) if suite.clean else (suite,):
            needed[each.ask] = max(needed.get(each.ask, 0), _count(suite, mixtures))
    sounds = _Sounds({ask: ask(corpus, count, kits) for ask, count in needed.items()}, {})
    for ask, queries in sounds.asked.items():
        names = ", ".join(name for name, suite in SUITE.items() if suite.ask is ask)
        say(f"{queries.count} sounds ({names})")
        presence = any(suite.presence for suite in suites.values() if suite.ask is ask)
        parts: list[list[Heard]] = [[] for _ in hearings]
        for audio in queries.batches(_TOGETHER):
            for part, hearing in zip(parts, hearings, strict=True):
                part.append(hearing.hear(audio, presence))
        sounds.heard[ask] = [Heard.joined(part) for part in parts]
    return sounds


def _rows(
    corpus: Corpus,
    suite: Suite,
    count: int,
    sounds: _Sounds,
    listeners: Sequence[Listener],
    new: set[str],
) -> tuple[Found, list[Row]]:
    """What the encoder found, and everybody's rows."""
    asked = sounds.asked[suite.ask].first(count).asked
    rows, ours = [], []
    for place, listener in enumerate(listeners):
        heard = sounds.heard[suite.ask][place]
        found = listener.find(heard.vectors, asked, suite.candidates)
        before = sounds.heard[SUITE[suite.clean].ask][place] if suite.clean else None
        clean = listener.find(before.vectors, asked, suite.candidates) if before else None
        presence = presence_row(heard, asked, count) if suite.presence else None
        rows.append(row_of(listener.hearing.name, found, corpus.labels, presence, clean))
        ours.append(found)
    inside = np.isin(ours[0].presets, sorted(new))
    if inside.any():
        rows.insert(1, row_of(f"{OURS}, banks never heard", ours[0].only(inside), corpus.labels))
    return ours[0], rows


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
