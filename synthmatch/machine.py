"""What of this machine is ours to use."""

from __future__ import annotations

import ctypes
import os

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4  # parameters of mallopt(3)
_KEPT = 2**31 - 1  # bytes: the most that may be asked for
_GROWN = 2**26  # bytes by which the heap grows at least


def processors() -> int:
    """How many processors this process may run on, at least 1: on a shared machine fewer than there are."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS, nor on Windows
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def keep_memory() -> bool:
    """Have this process keep what it frees, for good; whether its C library (glibc) can.

    A training step fills the same large tensors as the one before. As a rule glibc gives each back to the system and
    asks for it anew, and a fifth of a step on a CPU goes by while the system clears pages.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, TypeError, AttributeError):  # another C library, or another system
        return False
    asked = (_MMAP_MAX, 0), (_TRIM_THRESHOLD, _KEPT), (_TOP_PAD, _GROWN)
    return all(mallopt(*each) == 1 for each in asked)
