"""How a state gets into a plugin: one row per synth whose states are its own, one for every other plugin.

``load_preset`` and ``set_parameter`` need no display. ``load_state`` isn't used: it opens the plugin's editor
window, which ends or kills a process without one.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from synthmatch.errors import PresetError, RenderError
from synthmatch.presets.catalogue import Engine, Synth
from synthmatch.presets.formats import amsynth, zyn
from synthmatch.presets.formats.fxp import FxFile
from synthmatch.presets.formats.vst2 import plugin_file
from synthmatch.presets.preset import State

Load = Callable[[Any, Synth, State, bool], None]
"""Puts a state into a plugin: (DawDreamer's processor, the synth, the state, effects on)."""


def _load_amsynth(processor: Any, _row: Synth, state: State, effects: bool) -> None:
    parameters = state.parameters()
    values = amsynth.vst_values(parameters if effects else amsynth.effects_off(parameters))
    if not all(0 <= value <= 1 for value in values):  # the plugin aborts on NaN
        raise PresetError(f"amsynth's state {state.id} holds values that aren't numbers; read its bank again.")
    for index, value in enumerate(values):
        processor.set_parameter(index, value)


def _load_zynaddsubfx(processor: Any, row: Synth, state: State, effects: bool) -> None:
    chunk = zyn.host_chunk(state, effects)
    _load_file(processor, row, FxFile(row.plugin_id, chunk, bank=True, plugin_version=row.plugin_version), state)


def _load_vst2(processor: Any, row: Synth, state: State, effects: bool) -> None:
    file = plugin_file(state)
    if file.plugin != row.plugin_id:
        raise PresetError(f"The state {state.id} is of the plugin {file.plugin!r}, not of {row.title}.")
    if file.chunk is not None:
        _load_file(processor, row, file, state)
    else:
        _set_values(processor, row, file.programs[0].values)
    if not effects:
        switch_effects_off(processor, row)


def _load_vst3(processor: Any, row: Synth, state: State, effects: bool) -> None:
    with tempfile.TemporaryDirectory(prefix="synthmatch-") as folder:
        path = Path(folder) / "state.vstpreset"
        path.write_bytes(state.data)
        if not processor.load_vst3_preset(str(path)):
            raise RenderError(f"{row.title} refused the state {state.id}; read its file again.")
    if not effects:
        switch_effects_off(processor, row)


def _load_file(processor: Any, row: Synth, file: FxFile, state: State) -> None:
    with tempfile.TemporaryDirectory(prefix="synthmatch-") as folder:
        path = Path(folder) / f"state{file.suffix}"
        path.write_bytes(file.encode())
        if not processor.load_preset(str(path)):
            raise RenderError(f"{row.title} refused the state {state.id}; read its file again.")


def _set_values(processor: Any, row: Synth, values: tuple[float, ...]) -> None:
    count = processor.get_plugin_parameter_size()
    if len(values) > count:
        raise PresetError(f"A preset with {len(values)} values isn't {row.title}'s, which has {count} parameters.")
    for index, value in enumerate(values):
        processor.set_parameter(index, min(max(value, 0.0), 1.0))


def switch_effects_off(processor: Any, row: Synth) -> None:
    """Set the parameters that the synth's row names for that; none of one whose effects are in its states.

    Raises:
        RenderError: the plugin has no parameter of a name.
    """
    if not row.effects_off:
        return
    names = told_apart(map(processor.get_parameter_name, range(processor.get_plugin_parameter_size())))
    for name, value in row.effects_off:
        if name not in names:
            raise RenderError(f"{row.title} has no parameter called {name}; correct effects_off in synths.toml.")
        processor.set_parameter(names.index(name), value)


def told_apart(names: Iterable[str]) -> list[str]:
    """What a plugin's parameters are called here, in its order: different where the plugin gives several the same
    name, or none.

    >>> told_apart(["Mix", "", "Mix"])
    ['Mix', 'parameter 2', 'Mix (3)']
    """
    taken: set[str] = set()
    found = []
    for place, name in enumerate(names, 1):
        own = name.strip() or f"parameter {place}"
        found.append(f"{own} ({place})" if own in taken else own)
        taken.add(found[-1])
    return found


_OWN: Mapping[str, Load] = {amsynth.SYNTH: _load_amsynth, zyn.SYNTH: _load_zynaddsubfx}


def loader(row: Synth) -> Load:
    """What puts a synth's states into its plugin."""
    return _OWN.get(row.id, _load_vst3 if row.is_vst3 else _load_vst2)


def switches_effects_off(row: Synth) -> bool:
    """Whether a plugin's effects can be switched off: in its states, or by the parameters that its row names."""
    return row.id in _OWN or bool(row.effects_off)


def says_everything(processor: Any, row: Synth, state: State) -> bool:
    """Whether a state sets all of the plugin's parameters: one that an older version saved may lack the newer ones,
    which keep the values of the preset before."""
    if row.id in _OWN or row.is_vst3:
        return True
    file = plugin_file(state)
    return file.chunk is not None or len(file.programs[0].values) >= processor.get_plugin_parameter_size()


def may_be_ignored(row: Synth, state: State) -> bool:
    """Whether the plugin may take a state without an error and go on playing what it played before: true of
    chunks, not of parameters that are set one by one."""
    if row.engine is not Engine.PLUGIN or not state.data or row.id == amsynth.SYNTH:
        return False
    return row.id in _OWN or row.is_vst3 or plugin_file(state).chunk is not None
