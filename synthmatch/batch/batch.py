"""Banks into folders of sound files: every preset rendered, none twice, whatever happens in between."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from synthmatch.audio import Clip
from synthmatch.batch import manifest, mastering
from synthmatch.batch.batchplan import Effects, RenderPlan, Target, made_before, outline, refuse_what_is_in_the_way
from synthmatch.batch.manifest import FAILED, RENDERED, Entry, Manifest
from synthmatch.batch.mastering import Level
from synthmatch.errors import AudioError, FolderBusy, FolderError, InputError
from synthmatch.files import require_place
from synthmatch.locking import write_lock
from synthmatch.presets.bank import PresetBank
from synthmatch.renderers.pool import Pool
from synthmatch.renderers.renderer import Failure, RenderJob, RenderResult
from synthmatch.sound.soundprint import DEPTH_DB
from synthmatch.trust.census import Census, spread, untouched
from synthmatch.trust.report import TrustReport

Progress = Callable[[int, int], None]

SCRATCH = ".unfinished"
"""The folder below the output's in which files are until they are whole; it is gone after a run."""


@dataclass(frozen=True)
class BatchReport:
    """What :func:`render_bank` did.

    Args:
        folder: where the files are.
        entries: the lines of the manifest that are about this bank and plan, in the order of the bank; for a file that
            stays since nothing could be tried, the failure.
        written: files written now.
        kept: files that were there already, as they should be.
        failed_before: files that couldn't be made in an earlier run, and weren't tried again.
        untried: files of an earlier run that stay as they are, since their synth couldn't be loaded.
        others: files that other plans made in this folder, and that the manifest names.
        without_switch: titles of synths whose effects can't be switched off, though that was asked for.
        trust: what there is to say about the sounds.
        seconds: of wall time.
    """

    folder: Path
    entries: tuple[Entry, ...]
    written: int
    kept: int
    failed_before: int
    untried: int
    others: int
    without_switch: tuple[str, ...]
    trust: TrustReport
    seconds: float

    @property
    def sounds(self) -> int:
        """Files of this bank and plan that are there now."""
        return self.written + self.kept

    def lines(self) -> list[str]:
        """The report as text."""
        known = f"; {_files(self.kept)} there already" if self.kept else ""
        others = f"; {_files(self.others)} of other runs left as they are" if self.others else ""
        lines = [f"{_files(self.written)} written to {self.folder} in {self.seconds:.0f} s{known}{others}."]
        for level, words in _LEVELS.items():
            count = sum(entry.sound is not None and entry.sound.level == level.value for entry in self.entries)
            if count:
                lines.append(f"{_files(count)} {words}; the manifest says by how much.")
        if self.failed_before:
            lines.append(f"{_files(self.failed_before)} failed in an earlier run; not tried again.")
        if self.untried:
            lines.append(f"{_files(self.untried)} of an earlier run left there, since their synth can't be loaded now.")
        lines += [f"The effects of {title} can't be switched off." for title in self.without_switch]
        failed_dry = self._failed_dry()
        if failed_dry:
            lines.append(f"{_files(len(failed_dry))} without effects couldn't be made:")
            lines += [f"  {entry.synth}, {entry.bank}, {entry.name}: {entry.reason}" for entry in failed_dry]
        return lines + self.trust.lines()

    def to_json(self) -> dict[str, object]:
        """The report as what ``json`` takes; the files themselves are in the manifest."""
        return {
            "folder": str(self.folder),
            "manifest": str(self.folder / manifest.NAME),
            "written": self.written,
            "kept": self.kept,
            "failed_before": self.failed_before,
            "untried": self.untried,
            "others": self.others,
            "failed": sum(entry.status == FAILED for entry in self.entries),
            "levels": {
                level.value: sum(entry.sound is not None and entry.sound.level == level.value for entry in self.entries)
                for level in Level
            },
            "effects_not_switchable": list(self.without_switch),
            "seconds": self.seconds,
            "trust": self.trust.to_json(),
        }

    def _failed_dry(self) -> list[Entry]:
        """Failures that the trust report, which hears presets as they are, doesn't name."""
        named = {each.id for each in self.trust.failures}
        return [entry for entry in self.entries if entry.status == FAILED and entry.preset not in named]


_LEVELS = {
    Level.SCALED_DOWN: "would have clipped and got scaled down",
    Level.PEAK_LIMITED: f"stay quieter than asked for, with their peak at {mastering.NORMALISED_PEAK_DB:g} dB",
}


def render_bank(
    bank: PresetBank, plan: RenderPlan, out: Path, pool: Pool, progress: Progress | None = None
) -> BatchReport:
    """Render every preset of a bank to a sound file, and write ``manifest.jsonl`` beside them.

    What an earlier run with the same plan wrote is kept, as far as its bytes are what they were; so a run that
    was stopped, however that happened, goes on where it was. The same bank, plan and plugins make the same files
    and the same manifest, whatever of it was there before and however many workers the pool has; presets that
    aren't repeatable apart.

    A few presets of each bank are rendered a second time in the end, to see whether they are repeatable.

    Args:
        bank: what to render.
        plan: how.
        out: a folder, which is made if need be.
        pool: what renders.
        progress: called with (files done, files in all).

    Raises:
        InputError: the folder can't be used, since files of others are in the way, or another run is at work there.
        AudioError: the sample rate or the loudness asked for can't be made.
        PresetError: the plan's choice takes none of the presets.
        SynthError, PluginMissing: a preset's synth can't be played on this machine.
    """
    begun = time.monotonic()
    plan.check()
    chosen = plan.chosen(bank)
    with _working(out) as scratch, Manifest(out / manifest.NAME) as lines:
        made = outline(bank, plan, folders=lines.folders())
        refuse_what_is_in_the_way(out, made, lines)
        lines.begin(scratch)
        batch = _Batch(chosen, plan, out, scratch, lines, made.targets, progress)
        batch.take_stock()
        batch.render(pool)
        batch.render_again(pool)
        batch.render_without_presets(pool)
        mine = {target.entry.file: lines.entries[target.entry.file] for target in made.targets}
        # What another plan couldn't make stays known too: a preset that hangs its plugin costs a minute whenever tried.
        others = [
            entry
            for file, entry in lines.entries.items()
            if file not in mine and (entry.sound is None or (out / file).is_file())
        ]
        lines.write([*mine.values(), *others], scratch)
    return BatchReport(
        out,
        tuple((mine | batch.untried).values()),
        batch.written,
        batch.kept,
        batch.failed_before,
        len(batch.untried),
        sum(entry.sound is not None for entry in others),
        tuple(row.title for row in made.without_switch),
        batch.census.report(chosen.faults),
        time.monotonic() - begun,
    )


@dataclass(frozen=True)
class _Made:
    """A line of the manifest, and what its file plays; None if there is no file."""

    entry: Entry
    clip: Clip | None = None


@dataclass(eq=False)
class _Batch:
    """One run: what is there, what is missing, and what has been heard of the bank."""

    bank: PresetBank
    plan: RenderPlan
    out: Path
    scratch: Path
    lines: Manifest
    targets: Sequence[Target]
    progress: Progress | None
    written: int = 0
    kept: int = 0
    failed_before: int = 0
    untried: dict[str, Entry] = field(default_factory=dict)  # by file: failures that nothing of before gives way to
    missing: defaultdict[str, list[Target]] = field(default_factory=lambda: defaultdict(list))  # by job
    listened: dict[str, Target] = field(default_factory=dict)  # by state: the file that the census hears
    done: int = 0

    def __post_init__(self) -> None:
        self.unfinished = self.scratch / f"sound{self.plan.form.suffix}"
        self.census = Census(self.bank)
        heard = self.plan.effects is not Effects.OFF
        for target in self.targets:
            if target.entry.settings.effects is heard:
                self.listened.setdefault(target.entry.preset, target)

    def take_stock(self) -> None:
        """Keep what is there and as it should be; the rest is missing."""
        for target in self.targets:
            known = made_before(target, self.out, self.lines, self.plan.retry)
            if known is None:
                self.missing[target.job.key].append(target)
                continue
            entry = replace(
                target.entry,
                status=known.status,
                sound=known.sound,
                spread=known.spread,
                failure=known.failure,
                reason=known.reason,
            )
            self.lines.entries[entry.file] = entry
            self.kept += entry.sound is not None
            self.failed_before += entry.sound is None
            path = self.out / entry.file
            clip = None if entry.sound is None else mastering.played(path, entry.sound)
            self._listen(target, _Made(entry, clip))

    def render(self, pool: Pool) -> None:
        """Make what is missing."""
        for result in pool.render([targets[0].job for targets in self.missing.values()]):
            for target in self.missing[result.job.key]:
                self._finish(target, result)

    def render_again(self, pool: Pool) -> None:
        """Render a sample a second time, to see what is repeatable."""
        states = {state.id for state in self.census.repeats()}
        jobs = [target.job for state, target in self.listened.items() if state in states]
        for result in pool.render(jobs):
            if result.failure is Failure.MISSING:  # which says nothing about it
                continue
            entry = self.lines.entries[self.listened[result.job.state.id].entry.file]
            made = self._made(entry, result)
            if entry.sound is not None:
                first = mastering.played(self.out / entry.file, entry.sound)
                # One that makes no usable sound the second time is as far from the first as can be.
                apart = DEPTH_DB if made.clip is None else spread([first], [made.clip])
                self.lines.add(replace(entry, spread=apart))
                self.census.heard_again(entry.preset, apart)

    def render_without_presets(self, pool: Pool) -> None:
        """Hear what the synths sound like by themselves."""
        settings = next((target.job.settings for target in self.listened.values()), None)
        if settings is not None:
            jobs = [RenderJob(state, (self.plan.performance,), settings) for state in untouched(self.bank)]
            for result in pool.render(jobs):
                if result.ok:
                    self.census.hear_without(result.job.state.synth, result.clips)

    def _finish(self, target: Target, result: RenderResult) -> None:
        path = self.out / target.entry.file
        made = self._made(target.entry, result)
        before = self.lines.entries.get(target.entry.file)
        if result.failure is Failure.MISSING and before is not None and before.sound is not None and path.is_file():
            self.untried[target.entry.file] = made.entry  # no verdict: the next run tries again, by the line of before
            self._listen(target, made)
            return
        if made.clip is None:
            path.unlink(missing_ok=True)  # what another plan made isn't what the manifest will say
        self.lines.add(made.entry)  # before there is a file: one of ours is always one that the manifest names
        if made.clip is not None:
            path.parent.mkdir(exist_ok=True)
            self.unfinished.replace(path)
            self.written += 1
        self._listen(target, made)

    def _made(self, planned: Entry, result: RenderResult) -> _Made:
        """What came of a job; its sound is in ``unfinished`` then."""
        failure, reason = result.failure, result.reason
        if failure is None:
            try:
                sound, clip = mastering.write(self.unfinished, result.clips[0], self.plan.form, self.plan.normalise)
                return _Made(replace(planned, status=RENDERED, sound=sound), clip)
            except AudioError as error:
                failure, reason = Failure.REFUSED, str(error)
        return _Made(replace(planned, status=FAILED, failure=failure.value, reason=reason))

    def _listen(self, target: Target, made: _Made) -> None:
        """Let the census hear what is in the file: the same whether it was made now or before."""
        entry = made.entry
        if self.listened.get(entry.preset) is target:
            if made.clip is None:
                self.census.failed(entry.preset, entry.failure, entry.reason)
            else:
                self.census.hear(entry.preset, [made.clip])
            if entry.spread is not None:
                self.census.heard_again(entry.preset, entry.spread)
        self._advance()

    def _advance(self) -> None:
        self.done += 1
        if self.progress is not None:
            self.progress(self.done, len(self.targets))


@contextlib.contextmanager
def _working(out: Path) -> Iterator[Path]:
    """A folder for unfinished files, for this process alone."""
    require_place(out, folder=True)
    scratch = out / SCRATCH
    scratch.mkdir(parents=True, exist_ok=True)
    busy = InputError(f"Another run is writing into {out}; wait for its end, or name another folder.")
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(write_lock(scratch))
        except FolderError as error:
            if isinstance(error, FolderBusy) or not scratch.is_dir():
                raise busy from error
            wrong = error.__cause__ or "it may not be written"
            raise InputError(f"{scratch} can't be used ({wrong}); delete it, nothing finished is in it.") from error
        if not scratch.is_dir():  # a run took it away in its end, and the lock that we got with it
            raise busy
        _empty(scratch)
        try:
            yield scratch
        finally:
            _empty(scratch)
            if os.name == "nt":  # where nothing can be deleted that is open
                stack.close()
            shutil.rmtree(scratch, ignore_errors=True)  # still locked: a run that begins now would lose its own


def _empty(scratch: Path) -> None:
    """Remove what a run left that was killed."""
    for path in scratch.iterdir():
        if not path.name.startswith("lock"):
            path.unlink()


def _files(count: int) -> str:
    return f"{count} file" if count == 1 else f"{count} files"
