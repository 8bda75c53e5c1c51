"""A library: the presets of someone's synths, rendered, embedded and indexed, in one folder.

::

    library.json     format version, the encoder's fingerprint, families, reference notes
    library.sqlite   states, listings, failures          (store.py)
    audio/  files/   reference notes and parameters      (sounds.py)
    vectors/<encoder>/   float16, a few segments         (vectors.py, segments.py)
    index/<encoder>/     Annoy, by segment and space     (neighbours.py, index.py)

Opening a library reads little of it. What all of its listings are needed for (:meth:`Library.presets`, ``banks``,
``fingerprint``) reads them once, when it is first asked; adding, removing and matching ask for those alone that they
are about.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from synthmatch.audio import Clip
from synthmatch.closing import Closing
from synthmatch.errors import EncoderMismatch, LibraryError
from synthmatch.files import content_hash, expanded, home
from synthmatch.library import intake, scrutiny
from synthmatch.library.choice import EVERYTHING, Choice
from synthmatch.library.editions import changing
from synthmatch.library.embedding import by_default
from synthmatch.library.export import export_preset
from synthmatch.library.facts import Facts
from synthmatch.library.intake import AddReport, Estimate
from synthmatch.library.listing import BankCount, Listing, count_banks
from synthmatch.library.listings import Listings
from synthmatch.library.neighbours import Neighbours
from synthmatch.library.removing import remove
from synthmatch.library.scrutiny import Progress
from synthmatch.library.settling import settle
from synthmatch.library.sounds import Sounds
from synthmatch.library.store import FAILED, RENDERED, Rows
from synthmatch.presets.preset import Preset
from synthmatch.trust.report import FailedPreset

if TYPE_CHECKING:
    from synthmatch.library.checkup import Problem
    from synthmatch.networks.encoder import Encoder
    from synthmatch.presets.bank import PresetBank
    from synthmatch.renderers.pool import Pool


class Library(Closing):
    """An open library. Use :meth:`create`, :meth:`open` or :meth:`open_or_create`; close it after use.

    Attributes ``rows``, ``sounds``, ``vectors``, ``listings`` and ``neighbours`` are for the modules that work on
    libraries.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._facts = Facts.read(path / "library.json")
        # One that has an encoder has rows: made anew, they'd say that all the rest belongs to nothing.
        self.rows = Rows(path / "library.sqlite", filled=bool(self._facts.encoder))
        self.sounds = Sounds(path)
        self.reload()

    @classmethod
    def create(cls, path: Path | str | None = None, encoder: Encoder | None = None) -> Library:
        """Make an empty library.

        Args:
            path: a folder that is empty or isn't there; by default ``library`` in synthmatch's home.
            encoder: the encoder that will embed it; by default that of the first :meth:`add`.

        Raises:
            LibraryError: something is there already.
        """
        path = _place(path)
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise LibraryError(f"{path} is there already; choose a new or an empty folder for the library.")
        Facts().write(path / "library.json")  # of no encoder, as long as there are no rows
        with cls(path):
            Facts.of(encoder).write(path / "library.json")
        return cls(path)

    @classmethod
    def open(cls, path: Path | str | None = None) -> Library:
        """Open a library.

        Raises:
            LibraryError: there is none, or it is damaged, lacks its rows, or is of another version.
        """
        path = _place(path)
        if not (path / "library.json").exists():
            raise LibraryError(f"There is no library at {path}; make one with `synthmatch library add`.")
        return cls(path)

    @classmethod
    def open_or_create(cls, path: Path | str | None = None, encoder: Encoder | None = None) -> Library:
        """Open the library, or make an empty one."""
        if (_place(path) / "library.json").exists():
            return cls.open(path)
        return cls.create(path, encoder)

    def close(self) -> None:
        """Let its files go; a second call does nothing."""
        self.rows.close()

    def reload(self) -> None:
        """Read again what is on disk."""
        self._facts = Facts.read(self.path / "library.json")
        self.vectors = self._facts.vectors(self.path)
        self.listings = Listings(self.rows, self.vectors, self.families)
        folder = self.path / "index" / (self._facts.encoder or "none")
        self.neighbours = Neighbours(folder, self._facts.spaces, self.vectors, self.listings)

    # What is in it
    def __len__(self) -> int:
        """Different sounds that can be matched."""
        return self.listings.count()

    @property
    def encoder_fingerprint(self) -> str:
        """Of the encoder that embedded it; "" while it is empty and has none."""
        return self._facts.encoder

    @property
    def families(self) -> tuple[str, ...]:
        """The families that its encoder tells apart."""
        return self._facts.spaces[:-1]

    @property
    def spaces(self) -> tuple[str, ...]:
        """The families, then "timbre"; none before there is an encoder."""
        return self._facts.spaces

    @property
    def fingerprint(self) -> str:
        """Hash of what can be matched, and by which encoder; order and place don't matter."""
        return content_hash(self._facts.encoder.encode(), self.listings.fingerprint.encode())

    def presets(self, choice: Choice = EVERYTHING) -> tuple[Listing, ...]:
        """Its listings in the order in which they were added; those of a choice, if one is made."""
        return tuple(filter(choice.takes, self.listings.all))

    def banks(self) -> tuple[BankCount, ...]:
        """One row per bank, with counts."""
        return count_banks(self.listings.all)

    def failures(self) -> tuple[FailedPreset, ...]:
        """The presets that made no usable sound, each with the reason."""
        return scrutiny.failures(self, self.rows.ids_with(status=FAILED))

    def spreads(self) -> dict[str, float]:
        """How far apart two renders of a state were, in dB, for those that were rendered twice; 0 is exact."""
        return self.rows.spreads()

    def listings_of(self, state: str) -> tuple[Listing, ...]:
        """Every listing of a state.

        Raises:
            LibraryError: it isn't in the library.
        """
        self.rows.state(state)
        return self.listings.among([state])

    def preset(self, listing: Listing) -> Preset:
        """A listing with its state.

        Raises:
            LibraryError: its parameter file is missing or damaged.
        """
        return listing.preset(self.sounds.read_state(listing.id, listing.synth))

    def sound(self, state: str) -> tuple[Clip, ...]:
        """The reference notes of a state, as they were rendered.

        Raises:
            LibraryError: it isn't in the library, has no sound, or its file is damaged.
        """
        row = self.rows.state(state)
        if row.status != RENDERED:
            raise LibraryError(f"The preset {state} has no sound ({row.reason or row.status}).")
        return self.sounds.read(state, row.sound)

    def preview(self, state: str) -> Clip:
        """The reference notes of a state in a row."""
        notes = self.sound(state)
        return Clip(np.concatenate([note.samples for note in notes], axis=1), notes[0].sample_rate)

    def export(self, listing: Listing, folder: Path | str) -> list[Path]:
        """Write a preset into a folder: its synth's own file, what a plugin host loads, ``parameters.json``
        and ``preview.flac``.

        Raises:
            LibraryError, PresetError: see :meth:`preset`, :meth:`sound` and the formats.
        """
        return export_preset(self.preset(listing), self.preview(listing.id), Path(folder))

    # What is near
    def search(
        self, space: str, vector: npt.NDArray[np.float32], k: int, *, choice: Choice = EVERYTHING
    ) -> list[tuple[Listing, float]]:
        """The nearest presets in a space.

        Args:
            space: a family, or "timbre" for all presets.
            vector: (D,), unit length.
            k: at most so many, one per state.
            choice: only those that it takes.

        Returns:
            Listings with their cosine, best first. Of several listings of a state that the choice takes, the first
            one whose file is there and that is labelled with the family stands for it.
        """
        return self.neighbours.search(space, vector, k, choice)

    # What changes it
    def require_encoder(self, encoder: Encoder) -> None:
        """Refuse an encoder whose vectors don't compare with the library's.

        Raises:
            EncoderMismatch: it is another one than embedded the library.
        """
        if self._facts.encoder not in ("", encoder.fingerprint):
            raise EncoderMismatch(self._facts.mismatch(self.path, encoder), remedy="encoder")

    def estimate(self, bank: PresetBank) -> Estimate:
        """What adding a bank will take.

        Raises:
            PluginMissing: a synth of the bank isn't on this machine.
        """
        return intake.estimate(self, bank)

    def add(
        self, bank: PresetBank, *, pool: Pool, encoder: Encoder | None = None, progress: Progress | None = None
    ) -> AddReport:
        """Render, embed and index a bank's presets; those that are known already cost nothing.

        Stopped at any point, even killed, it goes on where it was when called again. What the library holds of a file
        that was read whole, and that isn't in it any more, is dropped; of a file that is gone, all is kept.

        Args:
            pool: what renders.
            encoder: what embeds; by default the released one.
            progress: called with (done, total) states, and a remark.

        Raises:
            EncoderMismatch: the library was embedded by another encoder.
            PluginMissing: a synth of the bank isn't on this machine; nothing is written.
            LibraryError: another process is writing into the library.
        """
        fingerprints = intake.fingerprints(bank)
        encoder = by_default(encoder)
        with changing(self.path, self.rows):
            self.reload()
            self.require_encoder(encoder)
            if not self._facts.encoder:
                Facts.of(encoder).write(self.path / "library.json")
                self.reload()
            return intake.add(self, bank, encoder, pool, fingerprints, progress)

    def update(self, encoder: Encoder | None = None, *, progress: Progress | None = None) -> int:
        """Embed the stored sound again for another encoder, by default the released one, without rendering, and measure
        what isn't measured yet; also lists presets anew after labels have changed. The library stays as it was until
        everything is embedded.

        Returns:
            The number of states embedded. Damaged sounds are passed over: :meth:`verify` names them.

        Raises:
            LibraryError: another process is writing into the library.
        """
        encoder = by_default(encoder)
        with changing(self.path, self.rows):
            facts = Facts.of(encoder)
            store = facts.vectors(self.path)
            done = intake.embed_stored(self, encoder, store, progress)
            facts.write(self.path / "library.json")
            intake.measure_stored(self, progress)
            self.reload()
            self.rows.unsettle([*self.rows.ids_with(status=RENDERED), *self.vectors.ids])
            self.finish()
        return done

    def remove(self, *, bank: str | None = None, synth: str | None = None, place: Path | str | None = None) -> int:
        """Drop the listings of a bank, of a synth, of a synth's bank, or of a file or folder, which need not be there
        any more; and every state that nobody lists any more. Unlike in a choice, names are meant letter by letter: what
        is called nearly so isn't deleted.

        Returns:
            The number of listings dropped.

        Raises:
            LibraryError: nothing of that name is in it, several synths have a bank of that name and none is chosen, or
                another process is writing into the library.
        """
        if bank is None and synth is None and place is None:
            raise ValueError("name a bank, a synth or a place")
        with changing(self.path, self.rows):
            return remove(self, bank, synth, None if place is None else Path(place))

    def verify(self) -> list[Problem]:
        """Everything that is missing, damaged or doesn't fit; an empty list is a sound library."""
        from synthmatch.library.checkup import verify

        return verify(self)

    def repair(self, *, pool: Pool | None = None, encoder: Encoder | None = None, embed: bool = True) -> list[Problem]:
        """Mend what :meth:`verify` names: damaged sounds and vectors are dropped, indexes built again;
        sounds are embedded again, and with a pool, rendered again.

        Args:
            encoder: as for :meth:`add`.
            embed: whether sounds are embedded; if not, they aren't rendered either.

        Returns:
            The problems that are left, with what to do about them.

        Raises:
            EncoderMismatch, LibraryError: as for :meth:`add`.
        """
        from synthmatch.library.checkup import repair

        with changing(self.path, self.rows):
            return repair(self, by_default(encoder) if embed else None, pool)

    def finish(self) -> None:
        """Bring vectors and indexes in line with what has changed in the rows, and drop those of other encoders."""
        self._facts.write(self.path / "library.json")  # with this version's format, before anything else has it
        self.reload()
        settle(self)
        self.reload()
        self.neighbours.build()
        for kind in ("vectors", "index"):
            for folder in (self.path / kind).glob("*"):
                if folder.name != self._facts.encoder:
                    shutil.rmtree(folder, ignore_errors=True)


def _place(path: Path | str | None) -> Path:
    return home() / "library" if path is None else expanded(path)
