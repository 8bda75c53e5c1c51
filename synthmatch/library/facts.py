"""What a library says about itself: ``library.json``."""

from __future__ import annotations

import json
import shlex
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from synthmatch.errors import LibraryError
from synthmatch.files import write_text
from synthmatch.library.embedding import spaces
from synthmatch.library.vectors import VectorStore
from synthmatch.notes import REFERENCE_NOTES

if TYPE_CHECKING:
    from synthmatch.networks.encoder import Encoder

FORMAT = 2
READABLE = (1, FORMAT)
"""Format 1 had one table of vectors instead of segments; the next change of such a library makes them."""
_NOTES = [asdict(performance) for performance in REFERENCE_NOTES]


@dataclass(frozen=True)
class Facts:
    """What ``library.json`` says. ``encoder`` is "" until the first preset is added."""

    encoder: str = ""
    spaces: tuple[str, ...] = ()
    dimension: int = 0

    @classmethod
    def of(cls, encoder: Encoder | None) -> Facts:
        """The facts of a library that this encoder embeds."""
        if encoder is None:
            return cls()
        return cls(encoder.fingerprint, spaces(encoder), encoder.config.dimension)

    def write(self, path: Path) -> None:
        """Write them, with the format's version and the notes that every preset is rendered on."""
        text = json.dumps({"format": FORMAT, **asdict(self), "reference_notes": _NOTES}, indent=1)
        write_text(path, text + "\n")

    @classmethod
    def read(cls, path: Path) -> Facts:
        """Read them.

        Raises:
            LibraryError: it can't be read, is damaged, or is of another version.
        """
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
            facts = cls(str(values["encoder"]), tuple(values["spaces"]), int(values["dimension"]))
            version, notes = values["format"], values["reference_notes"]
        except OSError as error:
            raise LibraryError(f"{path} can't be read ({error.strerror}); see to it that you may read it.") from error
        except (ValueError, KeyError, TypeError) as error:
            raise LibraryError(f"{path} is damaged; move its folder away and add your banks again.") from error
        if isinstance(version, int) and version > FORMAT:
            raise LibraryError(
                f"The library {path.parent} was written by a newer synthmatch; bring this one up to date."
            )
        if version not in READABLE or notes != json.loads(json.dumps(_NOTES)):
            raise LibraryError(
                f"The library {path.parent} was made by another version of synthmatch;"
                " move it away and run `synthmatch library add` again."
            )
        return facts

    def mismatch(self, library: Path, encoder: Encoder) -> str:
        """Why another encoder doesn't fit the library, and both ways out, in one sentence."""
        from synthmatch.networks.encoder import RELEASED

        # Without its file, `library update` would embed it for the released encoder, and this one fitted no better.
        released = encoder.path in (None, RELEASED)
        path = shlex.quote(str(encoder.path))
        update = "synthmatch library update" if released else f"synthmatch library update --model {path}"
        own = "" if released else ", or none if it is the released one"
        return (
            f"The library {library} was embedded by another encoder ({self.encoder}, not {encoder.fingerprint});"
            f" embed it for this one with `{update}`, or use the library's own: name its file{own}."
        )

    def vectors(self, library: Path) -> VectorStore:
        """Where a library keeps this encoder's vectors."""
        folder = library / "vectors" / (self.encoder or "none")
        return VectorStore(folder, self.spaces or ("timbre",), len(REFERENCE_NOTES), self.dimension)
