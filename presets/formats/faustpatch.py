"""Patches of the built-in synth: readable JSON, one preset or a whole bank in a file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synthmatch.errors import PresetError
from synthmatch.files import write_text
from synthmatch.presets import faustsynth
from synthmatch.presets.catalogue import Synth
from synthmatch.presets.formats.wholefile import read_whole
from synthmatch.presets.preset import Preset

_KIND = "synthmatch faust patch"
_VERSION = 1
_LARGEST = 64 * 2**20  # bytes; anything beyond isn't a bank
_MOST = 50_000  # presets, about as many as that, each whole; of empty ones there would be far more, and slow to read
_TEXTS = {"name": "name", "author": "author", "family": "category", "comment": "comment"}  # key -> field


@dataclass(frozen=True)
class FaustPatch:
    """``.faustpatch``: ``{"format", "version", "presets": [{name, author, family, comment, parameters}]}``.

    A preset's parameters need not be complete: what is missing has its default, what is out of range is
    moved to the nearest value. An unknown parameter is an error.
    """

    suffix: str = ".faustpatch"
    many: bool = True
    readable: bool = True

    def serves(self, synth: Synth) -> bool:
        """Whether it can hold presets of that synth."""
        return synth.id == faustsynth.SYNTH

    def read(self, path: Path) -> tuple[Sequence[Preset], Sequence[str]]:
        """Read every preset of a file.

        Returns:
            The presets, unlabelled, and one sentence per broken preset.

        Raises:
            PresetError: the file can't be read, or isn't a patch file of this version.
        """
        presets: list[Preset] = []
        broken: list[str] = []
        for slot, row in enumerate(_rows(path)):
            try:
                presets.append(_preset(path, slot, row))
            except PresetError as error:
                broken.append(f"{path}, preset {slot + 1}: {error}")
        return presets, broken

    def write(self, path: Path, presets: Sequence[Preset]) -> None:
        """Write presets to one file, every parameter of each.

        Raises:
            PresetError: a preset belongs to another synth.
        """
        document = {"format": _KIND, "version": _VERSION, "presets": [_row(preset) for preset in presets]}
        write_text(path, json.dumps(document, indent=1, ensure_ascii=False) + "\n")


@dataclass(frozen=True)
class FaustProgram:
    """``.dsp``: the whole synth as source, with one preset's values as its defaults.

    The Faust IDE and the faust2... compilers open it and make a plugin or an application of it. It isn't read.
    """

    suffix: str = ".dsp"
    many: bool = False
    readable: bool = False

    def serves(self, synth: Synth) -> bool:
        """Whether it can hold presets of that synth."""
        return synth.id == faustsynth.SYNTH

    def read(self, path: Path) -> tuple[Sequence[Preset], Sequence[str]]:
        """Refuse: a program isn't a preset."""
        raise PresetError(f"{path} is a Faust program, which isn't read; name a .faustpatch file.")

    def write(self, path: Path, presets: Sequence[Preset]) -> None:
        """Write one preset; see ``PresetFormat.write``."""
        if len(presets) != 1:
            raise PresetError(f"{path} can't hold {len(presets)} presets; a .dsp file holds exactly one.")
        values = faustsynth.values_of(presets[0].state)
        write_text(path, faustsynth.preset_source(presets[0].name, presets[0].author, values))


def _rows(path: Path) -> list[Any]:
    data = read_whole(path, _LARGEST, "bank of patches")
    if data.count(b"{") > 3 * _MOST:  # two of each preset; told before they take the memory that they are to save
        raise PresetError(f"{path} holds more than {_MOST:,} presets; split it.")
    try:
        document = json.loads(data.decode("utf-8-sig"))  # with or without the mark that some editors put first
    except (ValueError, RecursionError) as error:
        raise PresetError(f"{path} isn't JSON text; save the patch again.") from error
    if not isinstance(document, dict) or document.get("format") != _KIND:
        raise PresetError(f'{path} isn\'t a patch file: it doesn\'t say "format": "{_KIND}".')
    if document.get("version") != _VERSION:
        raise PresetError(
            f"{path} is a patch file of version {document.get('version')!r}; only version {_VERSION} can be read."
        )
    rows = document.get("presets")
    if not isinstance(rows, list):
        raise PresetError(f'{path} has no list of "presets"; save the patch again.')
    return rows


def _preset(path: Path, slot: int, row: Any) -> Preset:
    if not isinstance(row, dict) or not isinstance(row.get("parameters"), dict):
        raise PresetError('it has no "parameters"; remove it or write them.')
    texts = {field: row.get(key, "") for key, field in _TEXTS.items()}
    wrong = [key for key, field in _TEXTS.items() if not isinstance(texts[field], str)]
    if wrong:
        raise PresetError(f"its {wrong[0]} isn't text; put it between quotes.")
    try:
        "".join(texts.values()).encode()
    except UnicodeEncodeError as error:
        raise PresetError("a text of it has half a character in it; write it again.") from error
    texts["name"] = texts["name"].strip() or f"Preset {slot + 1}"
    return Preset(state=faustsynth.make_state(row["parameters"]), bank=path.stem, file=path, slot=slot, **texts)


def _row(preset: Preset) -> dict[str, object]:
    texts = {key: getattr(preset, field) for key, field in _TEXTS.items()}
    return {**texts, "parameters": faustsynth.values_of(preset.state)}
