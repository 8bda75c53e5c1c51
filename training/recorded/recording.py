"""Gathers what training and the benchmark need: presets and variants of them, their notes and phrases on disk."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from synthmatch.errors import TrainingError
from synthmatch.presets.bank import PresetBank
from synthmatch.presets.preset import Preset
from synthmatch.renderers.pool import Pool, RenderPool
from synthmatch.renderers.renderer import RenderJob
from synthmatch.renderers.synths import bank_folders, installed
from synthmatch.training.recorded.clusters import read_presets, settle, settled
from synthmatch.training.recorded.corpus import VARIANTS, Corpus
from synthmatch.training.recorded.dataplan import FROZEN, NOTE, PHRASE, DataPlan, Estimate, estimate
from synthmatch.training.recorded.drums import has_kits, installed_kits
from synthmatch.training.recorded.kits import FOLDER as KITS
from synthmatch.training.recorded.kits import PITCHES, KitGate, kit_job
from synthmatch.training.recorded.notebank import REFERENCES, NoteBank, note_job, plan
from synthmatch.training.recorded.phrasebank import PhraseBank, phrase_job, phrases
from synthmatch.training.recorded.shards import Progress as Progress
from synthmatch.training.recorded.shards import recording_into
from synthmatch.training.recorded.stock import stock
from synthmatch.training.recorded.variants import (
    Counts,
    Parent,
    Variant,
    VariantGate,
    make_variants,
    placed,
    read_variants,
)
from synthmatch.training.split import Label, frozen

Stop = Callable[[], bool]


def never() -> bool:
    """Go on to the end."""
    return False


def installed_presets(synths: Sequence[str] = FROZEN, known_only: bool = True) -> list[Preset]:
    """The listings of installed synths' banks; of those with frozen labels alone if ``known_only``.

    Raises:
        TrainingError: none of the synths is installed.
    """
    folders = [folder for row in installed() if row.id in synths for folder in bank_folders(row)]
    if not folders:
        raise TrainingError(
            f"None of {', '.join(synths)} is installed, whose banks the benchmark and the recipe use; "
            "install Debian's amsynth, zynaddsubfx-vst and zynaddsubfx-data."
        )
    return [preset for preset in PresetBank.read(*folders) if not known_only or preset.id in frozen()]


def gather(
    folder: Path,
    extra: int | DataPlan,
    workers: int | None = None,
    progress: Progress | None = None,
    for_benchmark: bool = True,
    stop: Stop = never,
) -> Corpus:
    """Record what isn't recorded yet, and open it.

    Args:
        folder: where recordings are kept; a stopped one goes on there.
        extra: what to record; a number means the notes of each preset beside the reference notes, of presets with
            frozen labels, and nothing else.
        workers: host processes; one per processor if None.
        progress: called with (done, all) of notes, of phrases, of variants, one after the other.
        for_benchmark: whether the presets that the benchmark asks for are recorded on every pitch, too.
        stop: asked before each preset; from its first True on, what is under way is finished, and the corpus has
            what there is.

    Raises:
        TrainingError: no synth of the plan is installed, a journal is damaged, or another command records there.
    """
    wanted = extra if isinstance(extra, DataPlan) else DataPlan(extra, frozen_only=True)
    with RenderPool(workers) as pool:
        return Recording(folder, wanted).record(Session(pool, progress, stop), for_benchmark)


@dataclass(frozen=True)
class Session:
    """With what a recording is made.

    Args:
        pool: renders.
        progress: see :func:`gather`.
        stop: see :func:`gather`.
    """

    pool: Pool
    progress: Progress | None = None
    stop: Stop = never


class Recording:
    """A plan and its folder: ``notes-<n>``, with the variants' labels in ``variants.jsonl`` and those of presets
    that the frozen labels don't know in ``presets.tsv``; ``scales``; ``phrases-<n>``; ``kits``."""

    def __init__(self, folder: Path, wanted: DataPlan) -> None:
        """
        Raises:
            TrainingError: no synth of the plan is installed, or a journal is damaged.
        """
        self.folder, self.plan = folder, wanted
        found = stock(wanted)
        self.states, self.labels = found.states, found.labels
        # Whether a kit holds hits of the benchmark's can't be told without those.
        self._kit_states = found.kits if has_kits() else {}
        self.notes = NoteBank(folder / f"notes-{wanted.notes}")
        self.scales = NoteBank(folder / "scales")
        self.kits = NoteBank(folder / KITS)
        self.phrases = PhraseBank(folder / f"phrases-{wanted.phrases}") if wanted.phrases else None
        self._variants: dict[str, Variant] | None = None
        self._settle(read_presets(self.notes.folder))

    @property
    def variants(self) -> dict[str, Variant]:
        """All that are to be tried, by id."""
        if self._variants is None:
            self._variants = {}
            if self.plan.variants != Counts():
                made = make_variants(self.parents, self.plan.variants, self.plan.seed)
                self._variants = {key: each for key, each in sorted(made.items()) if key not in frozen()}
        return self._variants

    @property
    def parents(self) -> list[Parent]:
        """The presets of which variants are made: those of the training side that have a family."""
        return [Parent(self.states[key], label) for key, label in self.labels.items() if _teaches(label)]

    def record(self, session: Session, for_benchmark: bool = False) -> Corpus:
        """Record what isn't there yet; see :func:`gather`. Where nothing is left, nobody needs to wait for another
        command, and nothing is written."""
        if not session.stop() and self._left(for_benchmark):
            with recording_into(self.folder):
                self._read()
                self._record(session, for_benchmark)
        return self.corpus()

    def _read(self) -> None:
        self.notes.read()
        self.scales.read()
        self.kits.read()
        if self.phrases is not None:
            self.phrases.read()
        self._settle(read_presets(self.notes.folder))

    def _left(self, for_benchmark: bool) -> bool:
        """Whether anything is; what takes no time to tell comes first."""
        return (
            bool(self.notes.missing(self.states))
            or not settled(self.notes, self.labels)
            or (for_benchmark and bool(self.scales.missing(self._asked)))
            or bool(self.estimate(1))
        )

    @property
    def _asked(self) -> list[str]:
        """The presets that the benchmark asks for."""
        return [key for key in self.states if self.labels[key].side == "test" and self.labels[key].stated]

    def _record(self, session: Session, for_benchmark: bool) -> None:
        self._record_notes(self.notes, list(self.states), self.plan.notes, session)
        if not session.stop():  # what follows depends on which presets are near-duplicates
            self._settle(settle(self.notes, self.labels))
        self._record_kits(session)
        if for_benchmark:
            self._record_notes(self.scales, self._asked, None, session)
        self._play(self._players(), self.plan.phrases, session)
        if not session.stop() and self.variants:  # each is compared with all presets, so those come first
            self._try_variants(session)
        self._play([key for key in self.variants if key in self.notes], self.plan.variant_phrases, session)

    def corpus(self) -> Corpus:
        """What there is of the plan."""
        written = read_variants(self.notes.folder / VARIANTS) if self.variants else {}
        compared = frozen() | read_presets(self.notes.folder)
        kept = {key: row for key, row in placed(written, compared).items() if key in self.variants}
        labels = {key: label for key, label in self.labels.items() if key in compared}
        labels |= {key: row.label for key, row in kept.items()}
        heard = {key: labels[key] for key in sorted(labels) if key in self.notes}
        parents = {key: row.parents for key, row in kept.items() if key in heard}
        return Corpus(heard, self.notes, self.scales, self.phrases, parents, self.kits)

    def estimate(self, workers: int) -> tuple[Estimate, ...]:
        """What is left to be done, piece by piece; of variants no more than this, since not all are kept."""
        variants = [key for key in self.variants if key not in self.notes.recorded]
        own, theirs = self.plan.phrases, self.plan.variant_phrases
        pieces = [
            ("notes of presets", [key for key in self.states if key not in self.notes.recorded], NOTE, self._sounds),
            ("drum kits", self.kits.missing(self._kit_states), NOTE, lambda _: len(PITCHES)),
            ("phrases of presets", self._silent(self._players(), own), PHRASE, lambda _: own),
            ("notes of variants", variants, NOTE, lambda _: REFERENCES + self.plan.notes),
            ("phrases of variants", self._silent(self._variant_players(), theirs), PHRASE, lambda _: theirs),
        ]
        synths = {key: state.synth for key, state in self.states.items()}
        synths |= {key: state.synth for key, state in self._kit_states.items()}
        synths |= {key: variant.state.synth for key, variant in self.variants.items()}
        return tuple(
            estimate(title, [(synths[key], count(key)) for key in keys], kind, workers)
            for title, keys, kind, count in pieces
            if any(count(key) for key in keys)
        )

    def _sounds(self, key: str) -> int:
        return REFERENCES + (self.plan.notes if self.labels[key].family else 0)

    def _silent(self, keys: Collection[str], count: int) -> list[str]:
        """Those that have played fewer phrases than that; what made no sound has no more to play."""
        bank = self.phrases
        if bank is None:
            return []
        return [key for key in keys if key not in bank.recorded or (key in bank and bank.recorded[key].count < count)]

    def _players(self) -> list[str]:
        return [key for key, label in self.labels.items() if label.side in self.plan.phrase_sides and label.family]

    def _variant_players(self) -> list[str]:
        """Variants that may play phrases: those that were kept, and those that nobody has tried yet."""
        return [key for key in self.variants if key in self.notes or key not in self.notes.recorded]

    def _record_notes(self, bank: NoteBank, keys: Sequence[str], extra: int | None, session: Session) -> None:
        def job(key: str) -> RenderJob:
            return note_job(self.states[key], plan(self.labels[key].family, key, extra))

        bank.record_jobs(keys, job, session.pool.render, session.progress, stop=session.stop)

    def _record_kits(self, session: Session) -> None:
        """Those that hold none of the benchmark's hits."""
        if session.stop() or not self.kits.missing(self._kit_states):
            return

        def job(key: str) -> RenderJob:
            return kit_job(self._kit_states[key])

        gate = KitGate(installed_kits())
        self.kits.record_jobs(list(self._kit_states), job, session.pool.render, session.progress, gate, session.stop)

    def _play(self, keys: Sequence[str], count: int, session: Session) -> None:
        if self.phrases is None or not count:
            return

        def job(key: str) -> RenderJob:
            variant = self.variants.get(key)
            if variant is not None:
                return phrase_job(variant.state, phrases(variant.family, key, count), variant.effects)
            return phrase_job(self.states[key], phrases(self.labels[key].family, key, count))

        fewer = set(self._silent(keys, count))
        self.phrases.record_jobs(keys, job, session.pool.render, session.progress, stop=session.stop, again=fewer)

    def _try_variants(self, session: Session) -> None:
        def job(key: str) -> RenderJob:
            variant = self.variants[key]
            return note_job(variant.state, plan(variant.family, key, self.plan.notes), variant.effects)

        # Whatever the folder holds counts, be it of this plan or of one before.
        everybody = frozen() | read_presets(self.notes.folder) | self.labels
        gate = VariantGate(self.variants, everybody, self.notes, self.notes.folder / VARIANTS)
        self.notes.record_jobs(list(self.variants), job, session.pool.render, session.progress, gate, session.stop)

    def _settle(self, known: Mapping[str, Label]) -> None:
        """Take labels over; where that changes one, forget the variants that were thought of before."""
        settled = self.labels | {key: known[key] for key in self.labels if key in known}
        if settled != self.labels:
            self.labels, self._variants = settled, None


def _teaches(label: Label) -> bool:
    return label.side == "train" and bool(label.family)
