"""SoundFonts: ``.sf2``, and ``.sf3`` with compressed samples. Every preset of a file is a preset here.

A state is the smallest SoundFont that holds the preset: the samples that it plays, all that its zones say, and no
names. Bank and program belong to the listing: the same preset has the same state wherever it stands.
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from synthmatch.errors import PresetError
from synthmatch.files import write_bytes
from synthmatch.presets.catalogue import Synth
from synthmatch.presets.families import BY_PROGRAM
from synthmatch.presets.formats.sfbk import Patch, encode
from synthmatch.presets.formats.sfreader import Listing, SoundFontReader
from synthmatch.presets.labels import family_of_name
from synthmatch.presets.preset import Preset, State

SYNTH = "soundfont"
TOTAL_LIMIT = 2**31
"""Bytes of all presets of a file above which the rest is left out: they are kept in memory."""

_KITS = 128  # the bank of percussion kits
_TELLING = 16  # names of instruments from which on a bank can be judged


def patch_of(state: State) -> Patch:
    """What a state holds.

    Raises:
        PresetError: it isn't a SoundFont's preset.
    """
    if state.synth != SYNTH:
        raise PresetError(f"A state of {state.synth} isn't a preset of a SoundFont; read its file again.")
    name = f"The state {state.id}"
    reader = SoundFontReader(io.BytesIO(state.data), name)
    if len(reader.listings) != 1:
        raise PresetError(f"{name} holds {len(reader.listings)} presets instead of one; read its file again.")
    return reader.patch(0)


def state_of(patch: Patch) -> State:
    """The state that a preset has, whatever its name."""
    return State(SYNTH, encode([("", patch)]))


@dataclass(frozen=True)
class SoundFontFile:
    """``.sf2`` and ``.sf3`` files.

    Players tell compressed samples by the file's content, not by its name, and so does this format: either suffix
    is read and written with or without them.

    Args:
        suffix: ".sf2" or ".sf3".
    """

    suffix: str = ".sf2"

    many = True
    readable = True

    def serves(self, synth: Synth) -> bool:
        """Whether it can hold presets of that synth."""
        return synth.id == SYNTH

    def read(self, path: Path) -> tuple[Sequence[Preset], Sequence[str]]:
        """Read every preset of a file of any size; see ``PresetFormat.read``.

        The bank is what the file calls itself. A category is "kit" for a preset of the bank of percussion kits,
        and "program 34" (counted from 1) where the file keeps to the order of General MIDI.
        """
        presets: list[Preset] = []
        faults: list[str] = []
        try:
            with path.open("rb") as file:
                reader = SoundFontReader(file, str(path))
                presets += _presets(reader, path, faults)
        except OSError as error:
            raise PresetError(f"{path} can't be read ({error.strerror}).") from error
        if not presets and not faults:
            raise PresetError(f"{path} is a SoundFont without presets.")
        return presets, faults

    def write(self, path: Path, presets: Sequence[Preset]) -> None:
        """Write presets as the programs of bank 0, 1 and so on; see ``PresetFormat.write``.

        Reading gives the same states, and names as far as 20 bytes of Latin-1 hold them.
        """
        if not presets:
            raise PresetError(f"{path} needs at least one preset.")
        for preset in presets:
            if preset.synth != SYNTH:
                raise PresetError(f"{preset.name} is a preset of {preset.synth}; a SoundFont can't hold it.")
        title = presets[0].bank or path.stem
        write_bytes(path, encode([(preset.name, patch_of(preset.state)) for preset in presets], title))


def _presets(reader: SoundFontReader, path: Path, faults: list[str]) -> Iterator[Preset]:
    """Every preset that can be read; of the others ``faults`` tells."""
    bank = reader.title or path.stem
    ordered = is_general_midi(reader.listings)
    total = 0
    for slot, listing in enumerate(reader.listings):
        name = listing.name or f"{path.stem} {slot + 1}"
        try:
            if total > TOTAL_LIMIT:
                raise PresetError(f"those before it fill {TOTAL_LIMIT >> 30} GiB; split the file.")
            state = state_of(reader.patch(slot))
        except PresetError as error:
            faults.append(f"{path}: preset {slot + 1} ({name!r}) is left out: {error}")
            continue
        total += len(state.data)
        yield Preset(name, state, bank, path, slot, category=_category(listing, ordered))


def is_general_midi(listings: Sequence[Listing]) -> bool:
    """Whether a file keeps to the order of General MIDI: whether most of the names that tell a family stand where
    General MIDI has that family.

    A number alone says nothing: a SoundFont with a single bass has it as program 1, which is a piano.
    """
    told = [(row, family_of_name(row.name)) for row in listings if row.bank < _KITS]
    agree = Counter(BY_PROGRAM.get(row.program + 1) == family for row, family in told if family)
    return agree.total() >= _TELLING and agree[True] > 2 * agree[False]


def _category(listing: Listing, ordered: bool) -> str:
    if listing.bank == _KITS:
        return "kit"
    return f"program {listing.program + 1}" if ordered else ""
