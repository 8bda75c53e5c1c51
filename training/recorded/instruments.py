"""ZynAddSubFX's instruments, changed and crossed: blocks of XML instead of a list of parameters."""

from __future__ import annotations

import re
from collections.abc import Iterator
from copy import deepcopy
from functools import lru_cache
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import numpy as np

from synthmatch.presets.formats.zyn import SYNTH
from synthmatch.presets.knobs import MOVED, REACH
from synthmatch.presets.preset import State

_LARGEST = 127
_WHOLE = re.compile(r"\d+", re.ASCII)

MOVABLE: dict[str, tuple[str, ...]] = {
    "AMPLITUDE_ENVELOPE": ("D_dt", "S_val", "R_dt"),
    "FILTER": ("freq", "q"),
    "FILTER_ENVELOPE": ("A_dt", "A_val", "D_dt", "D_val", "R_dt"),
    "AMPLITUDE_LFO": ("intensity",),
    "FILTER_LFO": ("intensity",),
    "FREQUENCY_LFO": ("intensity",),
    "FM_PARAMETERS": ("volume", "volume_damp"),
    "HARMONIC": ("mag", "relbw"),
    "HARMONIC_PROFILE": ("base_par1", "width"),
    "OSCIL": ("base_function_par", "wave_shaping", "filter_par1", "filter_par2", "modulation_par1", "rand"),
    "VOICE": ("unison_frequency_spread", "unison_vibratto"),
}
"""By element, the values from 0 to 127 that a perturbation may move; neither tuning nor volume."""

_CAREFUL = frozenset({"AMPLITUDE_ENVELOPE", "FREQUENCY_LFO"})  # half as far: they shape the family

ENGINES = ("ADD_SYNTH_PARAMETERS", "SUB_SYNTH_PARAMETERS", "PAD_SYNTH_PARAMETERS")
_FIRST = "INSTRUMENT_KIT/INSTRUMENT_KIT_ITEM[@id='0']"  # most instruments have no other
_PARTS = ("AMPLITUDE_PARAMETERS", "FILTER_PARAMETERS", "HARMONICS", "OSCIL", "VOICE[@id='0']/OSCIL")
BLOCKS: tuple[str, ...] = (
    "INSTRUMENT_EFFECTS",
    *(f"{_FIRST}/{engine}" for engine in ENGINES),
    *(f"{_FIRST}/{engine}/{part}" for engine in ENGINES for part in _PARTS),
)
"""Paths of what is exchanged between instruments, larger blocks before those inside them."""


def group(state: State) -> str:
    """Instruments of one group may be crossed: those of one version, since each version reads numbers its way."""
    root, tag, _ = state.data.partition(b"<INSTRUMENT>")
    return root.decode() if tag else state.id


def has_effects(state: State) -> bool:
    """Whether an instrument's own effects do anything."""
    kinds = _instrument(_parsed(state)).iterfind("INSTRUMENT_EFFECTS/INSTRUMENT_EFFECT/EFFECT/par[@name='type']")
    return any(kind.get("value") != "0" for kind in kinds)


def perturbed(state: State, rng: np.random.Generator) -> State:
    """A few values moved, of what sounds."""
    root = deepcopy(_parsed(state))
    free = list(_movable(_instrument(root)))
    count = min(len(free), int(rng.integers(*MOVED)))
    for place in rng.choice(len(free), count, replace=False) if free else ():
        owner, parameter = free[place]
        reach = REACH / 2 if owner in _CAREFUL else REACH
        value = int(parameter.get("value", "0")) + round(float(rng.normal(0, reach)) * _LARGEST)
        parameter.set("value", str(min(_LARGEST, max(0, value))))
    return _state(root)


def crossed(first: State, second: State, rng: np.random.Generator) -> State:
    """The first instrument with some blocks of the second, each with an even chance.

    Only what both have is exchanged, so that nothing is switched on that isn't there.
    """
    root, other = deepcopy(_parsed(first)), _parsed(second)
    for path in BLOCKS:
        mine, theirs = _instrument(root).find(path), _instrument(other).find(path)
        if mine is not None and theirs is not None and rng.random() < 0.5:
            mine[:] = deepcopy(theirs[:])
    return _state(root)


@lru_cache(maxsize=32)  # several variants are made of one preset, and parsing is what takes the time
def _parsed(state: State) -> Element:
    return ElementTree.fromstring(state.data)  # no stranger's: it was read and written again by zyn.py


def _movable(instrument: Element) -> Iterator[tuple[str, Element]]:
    """(owner's tag, parameter) of everything that may be moved, below what is switched on."""
    for parameter in instrument:
        if parameter.tag == "par" and parameter.get("name") in MOVABLE.get(instrument.tag, ()):
            if _WHOLE.fullmatch(parameter.get("value", "0")):  # of others the synth makes what it can
                yield instrument.tag, parameter
        elif _is_on(parameter):
            yield from _movable(parameter)


def _is_on(element: Element) -> bool:
    enabled = element.find("par_bool[@name='enabled']")
    return enabled is None or enabled.get("value") == "yes"


def _instrument(root: Element) -> Element:
    found = root.find("INSTRUMENT")
    return root if found is None else found


def _state(root: Element) -> State:
    return State(SYNTH, ElementTree.tostring(root, encoding="unicode").encode())
