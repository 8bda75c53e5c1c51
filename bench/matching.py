"""How long a match takes, warm and cold: ``OPENBLAS_NUM_THREADS=1 python bench/matching.py SONG --library FOLDER``.

Warm is ``Matcher.match`` on ten seconds of the song, from the file to the matches, on one core of a process that has
matched before. Cold is ``synthmatch match`` from the shell, beside what Python needs to import torch alone; the two
take turns. What counts is the processor's time, which a machine that is busy with something else changes little; so
NumPy must not have threads that wait for work, which would be counted. Prints a table and writes ``matching.md``.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

import torch

from synthmatch import Library, Matcher
from synthmatch.files import write_text

HERE = Path(__file__).parent
SECONDS = 10.0
WARM_MS, COLD = 150, 1.6
ROUNDS = 9


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("song", type=Path, help="whose first ten seconds are matched")
    parser.add_argument("--library", type=Path, help="instead of the one in synthmatch's home")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="of each")
    chosen = parser.parse_args()
    warm, presets = _warm(chosen.song, chosen.library, chosen.rounds)
    cold, bare = _cold(chosen.song, chosen.library, chosen.rounds)
    ratio = median(whole / alone for whole, alone in zip(cold, bare, strict=True))
    lines = [
        "# A match, measured",
        "",
        f"Written by `OPENBLAS_NUM_THREADS=1 python bench/matching.py`: {SECONDS:g} s of sound, a library of "
        f"{presets:,} presets, the processor's time. {platform.machine()}, {platform.system()}, "
        f"Python {platform.python_version()}, torch {torch.__version__}; "
        f"load average {', '.join(f'{each:.1f}' for each in os.getloadavg())} on "
        f"{os.cpu_count()} processors; medians of {chosen.rounds} rounds.",
        "",
        "| what | figure | goal |",
        "| --- | --- | --- |",
        f"| `Matcher.match`, warm, one core | {1000 * median(warm):.0f} ms | {WARM_MS} ms |",
        f'| `python -c "import torch"` | {1000 * median(bare):.0f} ms | |',
        f"| `synthmatch match`, cold | {1000 * median(cold):.0f} ms | |",
        f"| times as long as the import | {ratio:.2f} | {COLD} |",
    ]
    document = "\n".join(lines) + "\n"
    print(document, end="")
    write_text(HERE / "matching.md", document)


def _warm(song: Path, library: Path | None, rounds: int) -> tuple[list[float], int]:
    """Seconds of each round, and how many presets were searched."""
    torch.set_num_threads(1)
    with Library.open(library) as opened:
        matcher = Matcher(opened)
        matcher.match(song, end=SECONDS)  # the first one reads the index and chooses kernels
        return [_spent(lambda: matcher.match(song, end=SECONDS)) for _ in range(rounds)], len(opened)


def _spent(call: Callable[[], object]) -> float:
    begun = time.process_time()
    call()
    return time.process_time() - begun


def _cold(song: Path, library: Path | None, rounds: int) -> tuple[list[float], list[float]]:
    """Seconds of each round of the command, and of the import alone."""
    command = [sys.executable, "-m", "synthmatch", "match", str(song), "--end", f"{SECONDS:g}"]
    command += ["--library", str(library)] if library else []
    alone = [sys.executable, "-c", "import torch"]
    for each in (command, alone):
        _run(each)  # what the system has to read from disk
    turns = [(_run(command), _run(alone)) for _ in range(rounds)]
    whole, bare = zip(*turns, strict=True)
    return list(whole), list(bare)


def _run(command: Sequence[str]) -> float:
    """What a process takes of the processor, in seconds."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"`{' '.join(command)}` failed; see above.")
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    main()
