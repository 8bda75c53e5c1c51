"""How many processors are ours."""

import os
import subprocess
import sys

import pytest

from synthmatch.machine import processors


def test_a_process_counts_those_that_it_may_run_on() -> None:
    if not hasattr(os, "sched_getaffinity"):
        pytest.skip("This system doesn't let a process be confined to some processors.")
    first = min(os.sched_getaffinity(0))
    asked = f"import os, synthmatch.machine as m; os.sched_setaffinity(0, {{{first}}}); print(m.processors())"
    confined = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert confined.stdout.strip() == "1"
    assert processors() == len(os.sched_getaffinity(0))
