"""Which presets are meant when someone names synths, files, folders, or nothing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from synthmatch.errors import PluginMissing, PresetError
from synthmatch.files import expanded, plain_path
from synthmatch.presets import faustsynth
from synthmatch.presets.bank import PresetBank
from synthmatch.presets.catalogue import Engine, Synth, known_synth, synths
from synthmatch.presets.randompatches import random_bank_path, write_random_bank
from synthmatch.renderers.synths import bank_folders, installed, require

_ON_REQUEST = (Engine.FAUST, Engine.SOUNDFONT)


def default_synths() -> tuple[Synth, ...]:
    """The synths whose banks make up a library when none is named: every synth on this machine whose banks
    are here too; where there is none, the built-in one. Its presets play in no other program, so whoever has
    others gets it only when asking for it; SoundFonts too, which come with all kinds of programs.
    """
    found = tuple(row for row in installed() if row.engine not in _ON_REQUEST and bank_folders(row))
    return found or (known_synth(faustsynth.SYNTH),)


def addable() -> tuple[Synth, ...]:
    """The synths on this machine whose banks are here too, or can be made up: what ``library add`` can be given."""
    return tuple(row for row in installed() if bank_folders(row) or row.parameters)


def read_sources(sources: Sequence[str] = ()) -> PresetBank:
    """Read the presets of synths, preset files and folders.

    Args:
        sources: synths' ids (the banks that came with them) and paths; by default the ``default_synths``. A
            folder that is called like a synth is meant when it's written as a path: ``./amsynth``.

    Raises:
        PluginMissing: a synth that is named, or needed by a preset, isn't on this machine.
        PresetError: a path isn't there, or no preset could be read.
    """
    known = synths()
    paths: list[Path] = []
    for source in sources or [row.id for row in default_synths()]:
        paths += _banks(known[source]) if source in known else [_path(source)]
    bank = PresetBank.read(*paths)
    if not len(bank):
        reason = bank.faults[0].reason if bank.faults else "the files are empty"
        raise PresetError(f"No preset could be read: {reason}")
    for synth in sorted({preset.synth for preset in bank}):
        require(known[synth])
    return bank


def _banks(row: Synth) -> list[Path]:
    require(row)
    folders = list(bank_folders(row))
    if not folders and row.parameters:
        path = random_bank_path(row)
        folders = [path if path.exists() else write_random_bank(row)]
    if not folders:
        other = f", or {row.banks_from}" if row.banks_from else ""
        raise PresetError(f"No banks of {row.title} are on this machine; name a folder of them{other}.")
    return folders


def _path(source: str) -> Path:
    path = expanded(source)
    try:
        there = path.exists()
    except OSError:  # in a folder that may not be looked into: whoever reads it says so
        there = True
    if not there and path.name == source and not path.suffix:
        raise PluginMissing(f"{source} is neither a synth ({', '.join(synths())}) nor a file or folder; name one.")
    return plain_path(path)
