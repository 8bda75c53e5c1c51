"""What tests of several packages need: a synth that is compiled for them."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("unhurried", deadline=None)  # by default an example fails after 200 ms, be the machine busy
settings.load_profile("unhurried")

_SOURCE = Path(__file__).parent / "renderers" / "running.c"


@pytest.fixture(scope="session")
def running_plugin(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Compiles ``running.c`` with these definitions, "RUNS_ON" for example, linked to a shared library if one is
    named; returns the plugin's path."""
    compiler = shutil.which("gcc") or shutil.which("cc")

    def make(*definitions: str, needs: Path | None = None) -> Path:
        if compiler is None:
            pytest.skip("no C compiler: install gcc to test with a plugin that is made for the test")
        target = tmp_path_factory.mktemp("plugin") / "running-vst.so"
        flags = [f"-D{each}" for each in definitions]
        command = [compiler, "-std=gnu11", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-O1", *flags]
        linked = []
        if needs is not None:
            subprocess.run([compiler, "-shared", "-o", needs, "-x", "c", "/dev/null"], check=True)
            linked = ["-Wl,--no-as-needed", f"-Wl,-rpath,{needs.parent}", needs]
        subprocess.run([*command, "-o", target, _SOURCE, "-lm", *linked], check=True)
        return target

    return make
