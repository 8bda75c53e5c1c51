"""What of this machine is ours, and what we keep of it."""

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


FILLED = """
import resource, numpy, synthmatch.machine as machine
kept = {keep} and machine.keep_memory()
for turn in range(4):
    if turn == 2:
        begun = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    numpy.full(2**23, 1.0)  # 64 MB, let go at once
print(int(kept), resource.getrusage(resource.RUSAGE_SELF).ru_minflt - begun)
"""


def test_memory_that_is_kept_is_not_asked_for_again() -> None:
    """Pages that the system has to clear: about 16,384 a turn of 64 MB, or few where it backs them with huge ones."""
    found = {}
    for keep in (False, True):
        done = subprocess.run(
            [sys.executable, "-c", FILLED.format(keep=keep)], capture_output=True, text=True, check=True
        )
        kept, found[keep] = map(int, done.stdout.split())
        if keep and not kept:
            pytest.skip("The C library of this system isn't glibc, and keeps memory in its own way.")
    assert found[True] < 8
    assert found[True] < found[False]
