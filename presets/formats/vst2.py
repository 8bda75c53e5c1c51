"""``.fxp`` and ``.fxb``: presets of any VST 2 plugin, which the file names by its four-letter id.

amsynth's and ZynAddSubFX's chunks are understood, so their presets have the same state whether they come from a
bank of the synth or from a plugin host. Of any other plugin the bytes themselves are the state: the file without
its program's name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from synthmatch.errors import PresetError
from synthmatch.files import write_bytes
from synthmatch.presets import catalogue
from synthmatch.presets.catalogue import Synth
from synthmatch.presets.formats import amsynth, zyn
from synthmatch.presets.formats.fxp import SIZE_LIMIT, FxFile, FxProgram
from synthmatch.presets.formats.wholefile import read_whole
from synthmatch.presets.preset import Preset, State


@dataclass(frozen=True)
class Chunk:
    """How a synth's own states lie in a VST 2 chunk.

    Args:
        encode: a preset as a chunk.
        decode: (chunk, file, name of the program) -> presets, and one sentence per broken one.
    """

    encode: Callable[[Preset], bytes]
    decode: Callable[[bytes, Path, str], tuple[Sequence[Preset], Sequence[str]]]


CHUNKS: Mapping[str, Chunk] = {
    amsynth.SYNTH: Chunk(lambda preset: amsynth.host_chunk(preset.state), amsynth.read_chunk),
    zyn.SYNTH: Chunk(zyn.preset_chunk, zyn.read_chunk),
}
"""The synths whose chunks are understood. Both take theirs from a program as from a bank."""


def plugin_file(state: State) -> FxFile:
    """The file that a state of a plugin without a format of its own is.

    Raises:
        PresetError: it isn't such a state.
    """
    return FxFile.decode(state.data, f"The state {state.id} of {state.synth}")


def parameter_state(synth: Synth, values: Sequence[float]) -> State:
    """The state of a plugin's parameters.

    Args:
        values: 0 to 1, one per parameter, in the plugin's order.
    """
    program = FxProgram("", tuple(values))
    return State(synth.id, FxFile(synth.plugin_id, programs=(program,), plugin_version=synth.plugin_version).encode())


@dataclass(frozen=True)
class Vst2File:
    """``.fxp`` or ``.fxb`` files.

    Args:
        suffix: ".fxp" or ".fxb".
        known: the synths by id, among which plugins are looked up; those of the catalogue if None.
    """

    suffix: str
    known: Mapping[str, Synth] | None = None

    @property
    def many(self) -> bool:
        """Whether a file may hold several presets."""
        return self.suffix == ".fxb"

    readable = True

    def serves(self, synth: Synth) -> bool:
        """Whether it can hold presets of that synth."""
        return synth.id in CHUNKS or ".fxp" in synth.files

    def read(self, path: Path) -> tuple[Sequence[Preset], Sequence[str]]:
        """Read a program, or every program of a bank; see ``PresetFormat.read``."""
        file = FxFile.decode(read_whole(path, SIZE_LIMIT, "plugin's preset"), str(path))
        synth = self._synth(file, path)
        if synth.id in CHUNKS:
            if file.chunk is None:
                raise PresetError(f"{path} holds bare values, which {synth.title} never saves; save it from the synth.")
            presets, faults = CHUNKS[synth.id].decode(file.chunk, path, file.name)
            return _of_folder(presets), faults
        if file.chunk is not None:
            state = State(synth.id, replace(file, name="").encode())
            return _of_folder([Preset(file.name or path.stem, state, file=path)]), []
        if not file.programs:
            raise PresetError(f"{path} is a bank without programs; save it again.")
        presets = [_listed(synth, file, slot, path) for slot, each in enumerate(file.programs) if each.is_whole]
        faults = [
            f"Program {slot + 1} of {path}, {program.name!r}, holds values that aren't numbers; save it again."
            for slot, program in enumerate(file.programs)
            if not program.is_whole
        ]
        return presets if faults else _of_folder(presets), faults

    def write(self, path: Path, presets: Sequence[Preset]) -> None:
        """Write presets of one synth; see ``PresetFormat.write``."""
        if not presets:
            raise PresetError(f"{path} needs at least one preset.")
        if self.suffix == ".fxp" and len(presets) != 1:
            raise PresetError(f"{path} can't hold {len(presets)} presets; an .fxp file holds exactly one.")
        ids = {preset.synth for preset in presets}
        if len(ids) != 1:
            raise PresetError(f"{path} can't hold presets of {' and '.join(sorted(ids))}; write a file for each.")
        write_bytes(path, self._joined(path, presets).encode())

    def _joined(self, path: Path, presets: Sequence[Preset]) -> FxFile:
        first, bank = presets[0], self.suffix == ".fxb"
        row = self._known().get(first.synth)
        if row is None or not self.serves(row):
            raise PresetError(f"{first.name} is a preset of {first.synth}, which an {self.suffix} file can't hold.")
        if row.id in CHUNKS:
            _one(path, presets)
            chunk = CHUNKS[row.id].encode(first)
            name = "" if bank else first.name
            return FxFile(row.plugin_id, chunk, bank=bank, name=name, plugin_version=row.plugin_version)
        files = [plugin_file(preset.state) for preset in presets]
        if files[0].chunk is not None:
            _one(path, presets)
            if files[0].bank != bank:
                right = files[0].suffix
                raise PresetError(f"{first.name} is a chunk that {row.title} takes from an {right} file; write one.")
            return replace(files[0], name="" if bank else first.name)
        if any(file.chunk is not None for file in files):
            raise PresetError(f"{path} can't hold values and chunks of {row.title} together; write a file for each.")
        if len({(file.plugin, file.plugin_version) for file in files}) != 1:
            raise PresetError(f"{path} can't hold programs of several versions of {row.title}; write a file for each.")
        programs = tuple(
            FxProgram(preset.name, file.programs[0].values) for preset, file in zip(presets, files, strict=True)
        )
        return replace(files[0], programs=programs, bank=bank)

    def _known(self) -> Mapping[str, Synth]:
        return catalogue.synths() if self.known is None else self.known

    def _synth(self, file: FxFile, path: Path) -> Synth:
        for row in self._known().values():
            if row.plugin_id == file.plugin and not row.is_vst3:
                return row
        raise PresetError(
            f"{path} is of a plugin with the id {file.plugin!r}, which isn't known;"
            " add the plugin with `synthmatch synth add`."
        )


def _listed(synth: Synth, file: FxFile, slot: int, path: Path) -> Preset:
    program = file.programs[slot]
    alone = replace(file, programs=(replace(program, name=""),), bank=False)
    name = program.name or (f"{path.stem} {slot + 1}" if file.bank else path.stem)
    return Preset(name, State(synth.id, alone.encode()), path.stem, path, slot)


def _of_folder(presets: Sequence[Preset]) -> Sequence[Preset]:
    """The presets of a file; one that is alone in it belongs to the bank that its folder is."""
    return [replace(each, bank=each.file.resolve().parent.name) for each in presets] if len(presets) == 1 else presets


def _one(path: Path, presets: Sequence[Preset]) -> None:
    if len(presets) != 1:
        synth = presets[0].synth
        raise PresetError(f"{path} can hold one preset of {synth}, not {len(presets)}; write a file for each.")
