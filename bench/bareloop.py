"""What the pool is measured against: a DawDreamer loop as one would write it by hand, in one script.

Everything that can be done ahead is done ahead: parameters lie there as numbers, presets as files that the plugin
loads. Nothing is checked, nothing may crash or hang. It isolates as the pool does (amsynth: a fork per preset;
others: a new instance per preset), in the same surroundings (no network, a home of its own), renders the same notes
after the same silence, and ends with the sound in an array of this process.

Started by ``rendering.py``: reads two numbers a line, the first preset and the one after the last; answers with
seconds of audio, and the seconds that they took.
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dawdreamer
import numpy as np
import numpy.typing as npt

from synthmatch.renderers.confinement import confine, move_home

Array = npt.NDArray[np.float32]
Preset = Sequence[float] | str


@dataclass(frozen=True)
class Plan:
    """What to render.

    Args:
        plugin: its file.
        presets: each the values of all parameters, or a file.
        notes: pitch, velocity, seconds held, seconds in all; each is a render of its own.
        settle: seconds of silence before each.
        forks: whether each preset gets a fork of an untouched instance; else it gets a new instance.
        one_processor: whether the plugin is to see one processor.
        random_state: the symbol of the plugin's random numbers, or "".
        home: an empty folder.
        rate, block: samples a second, and a block.
        all_sound_off: a MIDI file that says so.
    """

    plugin: str
    presets: Sequence[Preset]
    notes: Sequence[tuple[int, int, float, float]]
    settle: float
    forks: bool
    one_processor: bool
    random_state: str
    home: str
    rate: int
    block: int
    all_sound_off: str


def new_instance(plan: Plan) -> tuple[Any, Any]:
    """An engine, and the plugin in it."""
    engine = dawdreamer.RenderEngine(plan.rate, plan.block)
    processor = engine.make_plugin_processor("synth", plan.plugin)
    engine.load_graph([(processor, [])])
    return engine, processor


def play(plan: Plan, engine: Any, processor: Any, preset: Preset) -> Iterator[Array]:
    """The sound of each note."""
    if isinstance(preset, str):
        processor.load_preset(preset)
    else:
        for index, value in enumerate(preset):
            processor.set_parameter(index, value)
    for pitch, velocity, held, seconds in plan.notes:
        processor.load_midi(plan.all_sound_off)
        engine.render(plan.settle)
        processor.clear_midi()
        processor.add_midi_note(pitch, velocity, 0.0, held)
        engine.render(seconds)
        yield engine.get_audio().astype(np.float32, copy=True)


def in_forks(plan: Plan, presets: Sequence[Preset], engine: Any, processor: Any) -> Iterator[list[Array]]:
    """The sounds of each preset, shape (channels, n) each."""
    for preset in presets:
        receive, send = os.pipe()
        fcntl.fcntl(send, fcntl.F_SETPIPE_SZ, 1 << 20)
        child = os.fork()
        if child == 0:
            os.close(receive)
            with os.fdopen(send, "wb") as stream:
                for sound in play(plan, engine, processor, preset):
                    stream.write(sound.data)
            os._exit(0)
        os.close(send)
        with os.fdopen(receive, "rb") as stream:
            sounds = np.frombuffer(stream.read(), np.float32)
        os.waitpid(child, 0)
        yield list(sounds.reshape(len(plan.notes), -1, round(plan.notes[0][3] * plan.rate)))


def in_new_instances(plan: Plan, presets: Sequence[Preset]) -> Iterator[list[Array]]:
    """The sounds of each preset, shape (channels, n) each."""
    library = ctypes.CDLL(plan.plugin) if plan.random_state else None
    for preset in presets:
        if library is not None:
            ctypes.c_uint32.in_dll(library, plan.random_state).value = 0x1234
        engine, processor = new_instance(plan)
        yield list(play(plan, engine, processor, preset))


def main() -> None:
    """Render what standard input asks for, until it ends."""
    plan = Plan(**json.loads(Path(sys.argv[1]).read_text()))
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # plugins print
    confine(Path(plan.home), plan.one_processor)
    move_home(Path(plan.home))
    untouched = new_instance(plan) if plan.forks else None
    for line in sys.stdin:
        first, last = map(int, line.split())
        presets = plan.presets[first:last]
        begun = time.perf_counter()
        audio = 0.0
        for sounds in in_forks(plan, presets, *untouched) if untouched else in_new_instances(plan, presets):
            audio += sum(sound.shape[1] for sound in sounds) / plan.rate
        answers.write(f"{audio} {time.perf_counter() - begun}\n")
        answers.flush()


if __name__ == "__main__":
    main()
