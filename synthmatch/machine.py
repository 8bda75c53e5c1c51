"""What of this machine is ours to use."""

from __future__ import annotations

import os


def processors() -> int:
    """How many processors this process may run on, at least 1: on a shared machine fewer than there are."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS, nor on Windows
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
