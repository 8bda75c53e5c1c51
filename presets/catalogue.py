"""Which synths there are: the table of known ones, and the user's own from ``synths.toml``.

A row says what a synth is called, where its plugin and its banks lie, which files its presets are kept in, and
what it needs between two presets. Nothing here loads a plugin; ``synthmatch.renderers.synths`` finds and hosts
what the rows name.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from synthmatch.errors import SynthError
from synthmatch.extras import remedy
from synthmatch.files import expanded, home
from synthmatch.presets.faustsynth import factory_bank_path


class Engine(enum.Enum):
    """What plays a synth."""

    FAUST = "faust"  # built in
    PLUGIN = "plugin"  # VST2 or VST3, hosted by DawDreamer
    VITAL = "vital"
    DX7 = "dx7"
    SOUNDFONT = "soundfont"


class Isolation(enum.Enum):
    """What must happen between two presets so that the second sounds as if it were the first; cheapest first."""

    NOTHING = "nothing"
    FORK = "fork"  # a child of the untouched host per preset; a new process where the system can't fork
    NEW_INSTANCE = "new instance"
    NEW_PROCESS = "new process"


@dataclass(frozen=True)
class Parameter:
    """A parameter as a plugin host sees it; ``default`` is its value, 0 to 1, in an untouched instance."""

    name: str
    default: float


@dataclass(frozen=True)
class Synth:
    """One synth.

    Args:
        id: what states, commands and libraries call it.
        title: what its users call it.
        engine: what plays it.
        files: suffixes of the files that a match of it is written as: its own first, then what plugin hosts load.
        package: how to get it, as the end of a sentence, unless an extra of synthmatch brings it.
        isolation: what must happen between two of its presets.
        plugin: file name of the plugin without its suffix, or an absolute path; "" if it isn't one.
        plugin_id: by which preset files name the plugin: four letters (VST2) or 32 hex digits (VST3).
        plugin_version: as a VST2 plugin counts.
        banks: folders, or single files, where banks of it are.
        bank_package: how to get banks that come apart from it, as the end of a sentence.
        extra: of synthmatch, that brings what plays it.
        parameters: what random patches are made of; for plugins without banks.
        effects_off: parameters by name, and the values (0 to 1) that switch its effects off.
        settle: seconds of silence that end whatever was played before.
        random_state: "srand" if it draws from the C library's random numbers, or the exported 32-bit symbol of its
            own; set before each step that may draw some.
        fixed_rate: samples a second that it is played at, whatever is asked for, since it is out of tune at others; 0
            if it isn't. Who changes it raises ``revision``.
        one_processor: whether it sounds the same twice only where it sees a single processor.
        repeatable: whether it sounds the same twice when hosted like this.
        mine: whether the user added it.
        revision: raised when the way it is hosted changes its sound, so that stored sound is made again.
    """

    id: str
    title: str
    engine: Engine
    files: tuple[str, ...]
    package: str = ""
    isolation: Isolation = Isolation.NEW_PROCESS
    plugin: str = ""
    plugin_id: str = ""
    plugin_version: int = 1
    banks: tuple[Path, ...] = ()
    bank_package: str = ""
    extra: str = ""
    parameters: tuple[Parameter, ...] = ()
    effects_off: tuple[tuple[str, float], ...] = ()
    settle: float = 2.0
    random_state: str = ""
    fixed_rate: int = 0
    one_processor: bool = False
    repeatable: bool = True
    mine: bool = False
    revision: int = 1

    @property
    def remedy(self) -> str:
        """How to get it, as the end of a sentence."""
        return remedy(self.extra) if self.extra else self.package

    @property
    def banks_from(self) -> str:
        """How to get banks of it, as the end of a sentence; "" if none are known."""
        comes_along = self.package if self.engine is Engine.PLUGIN and self.banks else ""
        return self.bank_package or comes_along

    @property
    def is_vst3(self) -> bool:
        """Whether its presets are ``.vstpreset`` files."""
        return ".vstpreset" in self.files


_DPF = "install Debian's package dpf-plugins-vst, or get it from https://github.com/DISTRHO/DPF-Plugins"

_TABLE = (
    Synth(
        "amsynth",
        "amsynth",
        Engine.PLUGIN,
        (".bank", ".fxp"),
        "install Debian's package amsynth, or get it from https://amsynth.github.io",
        Isolation.FORK,  # its oscillators run on from one preset into the next
        "amsynth_vst",
        "amsy",
        banks=(Path("/usr/share/amsynth/banks"), Path("/usr/local/share/amsynth/banks")),
    ),
    Synth(
        "zynaddsubfx",
        "ZynAddSubFX",
        Engine.PLUGIN,
        (".xiz", ".fxb"),
        "install Debian's packages zynaddsubfx-vst and zynaddsubfx-data, or get it from "
        "https://zynaddsubfx.sourceforge.io",
        Isolation.NEW_INSTANCE,  # parameters that a preset leaves out keep the values of the one before
        "ZynAddSubFX",
        "ZASF",
        0x00030006,
        banks=(Path("/usr/share/zynaddsubfx/banks"), Path("/usr/local/share/zynaddsubfx/banks")),
        random_state="_ZN3zyn10prng_stateE",
        one_processor=True,  # PADsynth fills its tables in as many racing threads as there are processors
        revision=2,
    ),
    Synth(
        "kars",
        "Kars",
        Engine.PLUGIN,
        (".fxp",),
        _DPF,
        Isolation.NOTHING,
        "Kars-vst",
        "DKrs",
        0x10100,
        parameters=(Parameter("Sustain", 0.0), Parameter("Release", 0.002), Parameter("Volume", 0.75)),
        random_state="srand",
    ),
    Synth(
        "nekobi",
        "Nekobi",
        Engine.PLUGIN,
        (".fxp",),
        _DPF,
        Isolation.NOTHING,
        "Nekobi-vst",
        "DNek",
        0x10100,
        parameters=(
            Parameter("Waveform", 0.0),
            Parameter("Tuning", 0.5),
            Parameter("Cutoff", 0.25),
            Parameter("VCF Resonance", 0.263158),
            Parameter("Env Mod", 0.5),
            Parameter("Decay", 0.75),
            Parameter("Accent", 0.25),
            Parameter("Volume", 0.75),
        ),
        fixed_rate=44_100,  # it tunes itself once, when it is made, before its host can say any other
        revision=2,
    ),
    Synth(
        "vital",
        "Vital",
        Engine.VITAL,
        (".vital",),
        extra="vital",
        # Seeded by what the process did before; exact in a fork, 60 ms cheaper than a new synth.
        isolation=Isolation.FORK,
        banks=(
            *(expanded("~/.local/share/vital"), expanded("~/Music/Vital")),
            expanded("~/Documents/Vital"),
        ),
    ),
    Synth(
        "dx7",
        "DX7",
        Engine.DX7,
        (".syx",),
        extra="dx7",
        isolation=Isolation.NOTHING,  # every note is played from a fresh start
        banks=(Path("/usr/share/hexter"),),  # the voices of the DX7's and TX7's cartridges
        bank_package="install Debian's package hexter",
        settle=0.0,
    ),
    Synth(
        "soundfont",
        "SoundFont",
        Engine.SOUNDFONT,
        (".sf2",),
        extra="soundfont",
        isolation=Isolation.NOTHING,  # every render is by a player of its own
        banks=(Path("/usr/share/sounds/sf2"), Path("/usr/share/sounds/sf3")),
        bank_package="install Debian's package timgm6mb-soundfont",
        settle=0.0,
    ),
    Synth(
        "faust",
        "synthmatch's own synth",
        Engine.FAUST,
        (".faustpatch", ".dsp"),
        "install synthmatch again",
        Isolation.NOTHING,
        banks=(factory_bank_path(),),
        settle=0.0,
    ),
)

SYNTHS: Mapping[str, Synth] = MappingProxyType({row.id: row for row in _TABLE})
"""Every synth that synthmatch knows by itself, in the order in which they are shown."""


def synths_file() -> Path:
    """Where the user's own synths are written down."""
    return home() / "synths.toml"


def synths() -> Mapping[str, Synth]:
    """Every synth by id: the user's own after the known ones; one of the same id replaces a known one.

    Raises:
        SynthError: ``synths.toml`` can't be read.
    """
    from synthmatch.presets.ownsynths import read_synths

    return MappingProxyType({**SYNTHS, **read_synths(synths_file())})


def known_synth(synth_id: str) -> Synth:
    """The row of a synth.

    Raises:
        SynthError: no synth has that id.
    """
    rows = synths()
    if synth_id not in rows:
        raise SynthError(unknown(synth_id, rows))
    return rows[synth_id]


def unknown(synth_id: str, known: Mapping[str, Synth]) -> str:
    """The sentence that says that no synth has an id."""
    choice = ", ".join(known)
    return f"No synth called {synth_id} is known; choose one of {choice}, or add yours with `synthmatch synth add`."
