"""Taking in a synth of the user's: ask the plugin, find out by trial how to host it, write its table down.

What is found is written at the very end, so that a plugin which crashes or hangs on the way leaves nothing behind; that
it can be written is made sure of at the beginning, since the trial takes minutes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from synthmatch.errors import PresetError, SynthError
from synthmatch.files import expanded, require_place
from synthmatch.presets.bank import PresetBank, preset_files
from synthmatch.presets.catalogue import SYNTHS, Parameter, Synth, known_synth, synths, synths_file
from synthmatch.presets.formats.vst2 import CHUNKS
from synthmatch.presets.ownsynths import is_synth_id, own_synth, read_synths, remove_synth, text_with, write_synth
from synthmatch.presets.preset import State
from synthmatch.presets.randompatches import random_bank_path, random_patches, write_random_bank
from synthmatch.renderers.frames import Probe
from synthmatch.renderers.identity import class_ids
from synthmatch.renderers.probe import probe
from synthmatch.renderers.synths import bank_folders, is_installed, require
from synthmatch.renderers.trial import Tell, Trial, choose_states, try_isolations

_VST3 = ".vst3"

_EFFECTS = frozenset({"reverb", "delay", "echo", "chorus", "phaser", "flanger", "distortion", "fx", "effects"})
_SWITCHES: Mapping[str, float] = {
    **dict.fromkeys(("on", "active", "enable", "enabled", "switch", "mix", "wet", "amount"), 0.0),
    "bypass": 1.0,
}
"""Words of parameters that switch an effect, and the value at which it is off."""


def _mute(_done: int, _total: int, _what: str) -> None:
    """Tell nobody."""


@dataclass(frozen=True)
class Adoption:
    """A synth that was added.

    Args:
        synth: the row that was written.
        probe: what the plugin said.
        trial: what the trial found.
        presets: how many presets were found, or made up.
        bank: the bank of random patches that was written; None if the user named presets.
        proposal: parameters that may switch effects off, where the user named none.
    """

    synth: Synth
    probe: Probe
    trial: Trial
    presets: int
    bank: Path | None
    proposal: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Verdict:
    """Whether a synth's row still holds: ``problems`` has a sentence for each thing that doesn't."""

    synth: Synth
    trial: Trial
    problems: tuple[str, ...]


@dataclass(frozen=True)
class KnownSynth:
    """A synth as it is listed: whether it is installed, and the folders or files of presets that are there."""

    synth: Synth
    installed: bool
    presets: tuple[Path, ...]


def adopt(
    plugin: Path,
    presets: Sequence[Path] = (),
    name: str | None = None,
    effects_off: Sequence[str] = (),
    tell: Tell = _mute,
) -> Adoption:
    """Add a synth to the user's own.

    Args:
        plugin: its file or bundle.
        presets: files and folders of its presets; without any, random patches make a bank.
        name: its id; made from the plugin's name if None.
        effects_off: parameters that switch its effects off, as "NAME=VALUE" with values from 0 to 1.
        tell: told of progress.

    Raises:
        SynthError: the plugin isn't a synth, is known already, or says too little; or a name can't be.
        PresetError: the presets can't be read, aren't the plugin's, or can't be made up.
        RenderError: the plugin crashes, hangs, or makes no sound.
        InputError: ``synths.toml``, or the bank of random patches, can't be written.
    """
    tell(0, 1, "asking the plugin")
    found = probe(plugin)
    row = _row(found, presets, name)
    row = replace(row, effects_off=parse_effects_off(effects_off, found))
    bank = None
    if presets:
        row = replace(row, banks=tuple(expanded(path).absolute() for path in presets))
        states = _states(row, row.banks)
    else:
        bank = random_bank_path(row)
        require_place(bank)
        row = replace(row, parameters=found.parameters)
        states = [preset.state for preset in random_patches(row)]
    require_place(synths_file())
    text_with(synths_file(), row if bank is None else replace(row, banks=(bank,)))
    trial = try_isolations(row, choose_states(states), tell)
    row = trial.synth if bank is None else replace(trial.synth, banks=(bank,))
    _write(row, bank)
    proposal = () if row.effects_off else propose_effects_off(found.parameters)
    return Adoption(row, found, trial, len(states), bank, proposal)


def check_synth(synth_id: str, tell: Tell = _mute) -> Verdict:
    """Try a synth again, and say whether its row still holds.

    Raises:
        SynthError: no synth has that id.
        PresetError: it has no presets to be tried with.
        RenderError: it isn't there, crashes, hangs, or makes no sound.
    """
    row = known_synth(synth_id)
    require(row)
    places = bank_folders(row)
    if row.parameters and not places:
        states = [preset.state for preset in random_patches(row)]
    else:
        states = _states(row, places or row.banks)
    trial = try_isolations(row, choose_states(states), tell)
    return Verdict(row, trial, tuple(_problems(row, trial)))


def own_synths() -> tuple[Synth, ...]:
    """The synths that the user added.

    Raises:
        SynthError: ``synths.toml`` can't be read.
    """
    return tuple(read_synths(synths_file()).values())


def list_synths() -> tuple[KnownSynth, ...]:
    """Every synth that is known.

    Raises:
        SynthError: ``synths.toml`` can't be read.
    """
    return tuple(KnownSynth(row, is_installed(row), bank_folders(row)) for row in synths().values())


def dismiss(synth_id: str) -> Path | None:
    """Take a synth out of the user's own; what a library holds of it stays there.

    Returns:
        The bank of random patches that was removed with it, or None.

    Raises:
        SynthError: it isn't one of the user's own.
    """
    row = next((each for each in own_synths() if each.id == synth_id), None)
    if row is None and synth_id in SYNTHS:
        raise SynthError(f"{synth_id} is known to synthmatch by itself and can't be removed; only your own can.")
    remove_synth(synths_file(), synth_id)  # says so if there's none
    if row is None:
        return None
    bank = random_bank_path(row)
    if bank not in row.banks or not bank.exists():
        return None
    _discard(bank)
    return bank


def _write(row: Synth, bank: Path | None) -> None:
    """Write a synth's table and, where a path is given, the bank of its random patches: both or none."""
    new = bank is not None and not bank.exists()
    try:
        if bank is not None:
            write_random_bank(row)
        write_synth(synths_file(), row)
    except BaseException:
        if bank is not None and new and bank.exists():
            _discard(bank)
        raise


def _discard(bank: Path) -> None:
    """Remove a bank, and its folder if nothing else is in it."""
    bank.unlink()
    if not any(bank.parent.iterdir()):
        bank.parent.rmdir()


def parse_effects_off(texts: Sequence[str], found: Probe) -> tuple[tuple[str, float], ...]:
    """Parameters and values from "NAME=VALUE".

    Raises:
        SynthError: the plugin has no such parameter, or the value isn't a number from 0 to 1.
    """
    names = [each.name for each in found.parameters]
    chosen = {}
    for text in texts:
        name, _, value = (part.strip() for part in text.rpartition("="))
        if name not in names:
            nearest = ", ".join(_nearest(name or text, names)) or "none"
            raise SynthError(f"{found.name} has no parameter called {name or text!r}; those most like it: {nearest}.")
        try:
            chosen[name] = float(value)
        except ValueError:
            chosen[name] = -1.0
        if not 0 <= chosen[name] <= 1:
            raise SynthError(f"The effect {name} can't be switched off with {value!r}; give a number from 0 to 1.")
    return tuple(chosen.items())


def propose_effects_off(parameters: Iterable[Parameter]) -> tuple[tuple[str, float], ...]:
    """Parameters whose names say that they switch an effect, and the values at which it is off: to be looked at,
    not to be trusted."""
    return tuple((each.name, value) for each in parameters for value in _switched_off(each.name))


def _switched_off(name: str) -> Iterator[float]:
    """The value at which the effect is off that a parameter of that name switches, if it switches one."""
    words = re.sub(r"(?<=[a-z])(?=[A-Z])|[^A-Za-z]+", " ", name).lower().split()
    if not _EFFECTS.isdisjoint(words):
        yield from [_SWITCHES[word] for word in words if word in _SWITCHES][:1]


def _nearest(name: str, names: Sequence[str]) -> list[str]:
    from difflib import get_close_matches

    by_lower = {each.lower(): each for each in names}
    return [by_lower[each] for each in get_close_matches(name.lower(), by_lower, 5, 0.3)]


def _row(found: Probe, presets: Sequence[Path], name: str | None) -> Synth:
    """The row as far as it is known before the trial."""
    if not found.instrument:
        raise SynthError(f"{found.plugin} is an effect, which plays no notes; name a synth.")
    vst3 = found.plugin.suffix.lower() == _VST3
    plugin_id = found.plugin_id or (_id_in(found, presets) if vst3 else "")
    if not plugin_id:
        raise SynthError(f"{found.plugin} doesn't say which id its preset files carry; try another format of it.")
    fields = {"plugin": str(found.plugin), "plugin_id": plugin_id, "plugin_version": found.plugin_version}
    return own_synth(_id(found.name, plugin_id, name), found.name, fields)


def _id_in(found: Probe, presets: Sequence[Path]) -> str:
    """A VST3 plugin's id, from presets that must be its own."""
    files = (file for path in map(expanded, presets) for file in preset_files(path)[0])
    ids = sorted(set(class_ids(file for file in files if file.suffix.lower() == ".vstpreset")))
    if len(ids) > 1:
        raise SynthError(f"The presets are of {len(ids)} plugins ({', '.join(ids)}); name a folder of {found.name}'s.")
    if not ids:
        raise SynthError(
            f"{found.plugin} doesn't say its class id; give presets, one of them a .vstpreset that it saved.",
            remedy="presets",
        )
    return ids[0]


def _id(title: str, plugin_id: str, name: str | None) -> str:
    """What the synth will be called.

    Raises:
        SynthError: the plugin is known already, or the name can't be, or is taken.
    """
    known = synths()
    same = next((row for row in known.values() if row.plugin_id == plugin_id), None)
    if same is not None and same.mine:
        raise SynthError(f"{title} is yours already, as {same.id}; run `synthmatch synth remove {same.id}` first.")
    if same is not None and same.id in CHUNKS:
        raise SynthError(
            f"{title} is known to synthmatch already, with all that its presets need: run `synthmatch library add "
            f"{same.id}`; where it isn't found, name its folder in VST_PATH."
        )
    if same is not None and name not in (None, same.id):
        raise SynthError(
            f"{title} is known as {same.id}, and can't be called {name} as well; give it no name.", remedy="name"
        )
    if same is not None:
        return same.id  # the user's row stands in for ours from now on
    chosen = name or re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")
    if not is_synth_id(chosen):
        raise SynthError(
            f"A synth can't be called {chosen!r}; name it in small letters, digits and dashes.", remedy="name"
        )
    if chosen in known:
        raise SynthError(
            f"{chosen} is another synth already ({known[chosen].title}); name {title} otherwise.", remedy="name"
        )
    return chosen


def _states(row: Synth, places: Sequence[Path]) -> list[State]:
    """The states of a synth's presets at some places.

    Raises:
        PresetError: there are none, or one of the places holds no presets.
    """
    if not places:
        raise PresetError(f"{row.title} has no presets here; {row.remedy}.")
    bank = PresetBank.read(*places, known={**synths(), row.id: row})
    states = [preset.state for preset in bank if preset.synth == row.id]
    if not states:
        where = ", ".join(map(str, places))
        why = f" ({bank.faults[0].reason})" if bank.faults else ""
        raise PresetError(f"No preset in {where} is of {row.title} ({row.plugin_id}){why}; name another folder.")
    return states


def _problems(row: Synth, trial: Trial) -> Iterator[str]:
    found, way = trial.synth, trial.way(row.isolation)
    if way is not None and not way.good:
        why = way.reason or f"sounds are up to {way.difference:.2g} off"
        yield f"isolation {row.isolation.value!r} isn't enough ({why}); {found.isolation.value!r} is."
    if row.repeatable and not found.repeatable:
        yield f"it doesn't sound the same twice any more ({trial.spread:.1f} dB apart)."
    if found.settle > row.settle:
        yield f"{row.settle:g} s of silence in between aren't enough; {found.settle:g} s are."
    if found.random_state != row.random_state:
        yield f"it sounds the same twice only with random_state = {found.random_state!r}."
    if found.one_processor and not row.one_processor:
        yield "it sounds the same twice only with one_processor = true."
