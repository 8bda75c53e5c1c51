"""A library that was killed at any moment, again and again, ends like one that never was."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from synthmatch.library.library import Library
from synthmatch.networks.encoder import Encoder
from synthmatch.presets.bank import PresetBank
from synthmatch.presets.faustsynth import factory_bank_path
from synthmatch.presets.formats import native_format

KILLS = 20
PRESETS = 48
IN_FLIGHT = 4  # jobs that a pool of two workers takes ahead
SCRIPT = Path(__file__).with_name("adding.py")


def added(folder: Path, bank: Path, model: Path, seed: int, kills: int) -> Counter[str]:
    """Make a library in ``folder``; returns how often each state was taken to be rendered."""
    folder.mkdir()
    taken = folder / "taken"
    arguments = [folder / "library", bank, model, taken, seed, kills]
    done = subprocess.run(
        [sys.executable, SCRIPT, *map(str, arguments)],
        env=os.environ | {"SYNTHMATCH_HOME": str(folder / "home"), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return Counter(taken.read_text().split())


def rows(library: Path) -> dict[str, list[tuple[object, ...]]]:
    """All that the store says, but for how long it took."""
    connection = sqlite3.connect(library / "library.sqlite")
    queries = {
        "states": "SELECT * FROM states ORDER BY id",
        "heard": "SELECT * FROM heard ORDER BY state",
        "listings": "SELECT state, name, bank, slot, family FROM listings ORDER BY state, slot",
    }
    found = {name: list(connection.execute(query)) for name, query in queries.items()}
    connection.close()
    return found


def sounds(library: Path) -> dict[str, bytes]:
    return {str(path.relative_to(library)): path.read_bytes() for path in (library / "audio").rglob("*.flac")}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork, to pay for imports once")
def test_twenty_kills_change_nothing(tmp_path: Path, encoder: Encoder) -> None:
    bank, model = tmp_path / "some.faustpatch", tmp_path / "model.safetensors"
    native_format("faust").write(bank, PresetBank.read(factory_bank_path()).presets[:PRESETS])
    encoder.save(model)
    undisturbed = added(tmp_path / "undisturbed", bank, model, 0, 0)
    killed = added(tmp_path / "killed", bank, model, 1, KILLS)
    first, second = tmp_path / "undisturbed" / "library", tmp_path / "killed" / "library"
    assert rows(first) == rows(second)
    assert sounds(first) == sounds(second)
    assert len(sounds(first)) == PRESETS
    # Every state is rendered once, a sample of the bank a second time, and the synth without a preset; a kill costs
    # what was under way.
    assert undisturbed.total() == PRESETS + 2 + 1
    assert killed.keys() == undisturbed.keys()
    assert killed.total() <= undisturbed.total() + KILLS * IN_FLIGHT
    assert killed.total() > undisturbed.total()  # the kills did hit
    with Library.open(first) as one, Library.open(second) as other:
        assert other.verify() == []
        assert one.fingerprint == other.fingerprint
        order = [other.vectors.rows[state] for state in one.vectors.ids]
        for space in one.spaces:  # batches were cut differently: the last bits of float16 may differ
            np.testing.assert_allclose(one.vectors.space(space), other.vectors.space(space)[order], atol=2e-3)
