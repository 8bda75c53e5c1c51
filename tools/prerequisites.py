"""Says in one line what the set-up lacks, if it lacks something: Python 3.11, venv, g++, Python's headers."""

from __future__ import annotations

import shutil
import sys
import sysconfig
from importlib.util import find_spec
from pathlib import Path

VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"

NEEDS = (
    (sys.version_info >= (3, 11), f"Python 3.11 or later (this is {VERSION}); name one with PYTHON=python3.11", ""),
    (bool(find_spec("venv") and find_spec("ensurepip")), "Python's venv module", f"python{VERSION}-venv"),
    (bool(shutil.which("g++") or shutil.which("c++")), "a C++ compiler, which annoy is built with", "g++"),
    (
        Path(sysconfig.get_paths()["include"], "Python.h").is_file(),
        "Python's headers, which annoy is built with",
        f"python{VERSION}-dev",
    ),
)


def main() -> str | None:
    """The error, or None if nothing is missing."""
    missing = [(what, package) for there, what, package in NEEDS if not there]
    if not missing:
        return None
    packages = " ".join(package for _, package in missing if package)
    remedy = f" (on Debian: apt-get install {packages})" if packages else ""
    return f"error: synthmatch can't be set up without {', and '.join(what for what, _ in missing)}{remedy}."


if __name__ == "__main__":
    sys.exit(main())
