"""How quickly the page answers: first results of one client, and many clients at once for a while.

``python bench/serving.py SONG --library LIBRARY`` serves the library, sends the song, and prints a table. The goals:
first results within 1 s for 10 s of audio, and 20 clients for a minute without an error and in bounded memory, on two
cores.
"""

from __future__ import annotations

import argparse
import http.client
import os
import statistics
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

_FIRST = b"event: family\n"
_LAST = b"event: done\n"


@dataclass
class Tally:
    """What came of some requests: seconds to the first family and to the end, and what went wrong."""

    first: list[float] = field(default_factory=list)
    whole: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


@contextmanager
def served(library: Path) -> Iterator[tuple[str, int]]:
    """A server's address, and its process."""
    command = [sys.executable, "-m", "synthmatch", "serve", "--no-browser", "--port", "0", "--library", str(library)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield urlsplit(process.stdout.readline().split()[-1]).netloc, process.pid
    finally:
        process.terminate()
        process.wait()


def body(song: Path) -> tuple[bytes, dict[str, str]]:
    """A form with the song, and its headers."""
    mark = uuid.uuid4().hex
    head = f'--{mark}\r\nContent-Disposition: form-data; name="file"; filename="{song.name}"\r\n\r\n'
    form = head.encode() + song.read_bytes() + f"\r\n--{mark}--\r\n".encode()
    return form, {"Content-Type": f"multipart/form-data; boundary={mark}", "Accept": "text/event-stream"}


def ask(place: str, form: bytes, headers: dict[str, str], tally: Tally) -> None:
    """One match, from the first byte sent to the last one read."""
    begun = time.perf_counter()
    connection = http.client.HTTPConnection(place, timeout=120)
    try:
        connection.request("POST", "/api/match", form, headers)
        answer = connection.getresponse()
        first, seen = None, b""
        while part := answer.read1(65_536):
            seen += part
            if first is None and _FIRST in seen:
                first = time.perf_counter() - begun
        if answer.status != 200 or first is None or _LAST not in seen:
            tally.errors.append(f"{answer.status}: {seen[-200:]!r}")
        else:
            tally.first.append(first)
            tally.whole.append(time.perf_counter() - begun)
    except OSError as error:
        tally.errors.append(str(error))
    finally:
        connection.close()


def load(place: str, song: Path, clients: int, seconds: float) -> Tally:
    """So many clients, each asking again as soon as it is answered."""
    form, headers = body(song)
    tally, end = Tally(), time.perf_counter() + seconds

    def client() -> None:
        while time.perf_counter() < end:
            ask(place, form, headers, tally)

    threads = [threading.Thread(target=client) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return tally


def memory(pid: int) -> float:
    """MB that a process holds, on Linux; NaN elsewhere."""
    status = Path(f"/proc/{pid}/status")
    if not status.exists():
        return float("nan")
    rows = (line.split() for line in status.read_text().splitlines())
    return next(int(row[1]) / 1000 for row in rows if row[0] == "VmRSS:")


def main() -> None:
    """Parse, serve, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("song", type=Path)
    parser.add_argument("--library", type=Path, required=True)
    parser.add_argument("--clients", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=60)
    chosen = parser.parse_args()
    with served(chosen.library) as (place, pid):
        load(place, chosen.song, 1, 2)  # warm
        alone = load(place, chosen.song, 1, 10)
        before = memory(pid)
        crowd = load(place, chosen.song, chosen.clients, chosen.seconds)
        after = memory(pid)
    print(f"{os.cpu_count()} processors, load average {os.getloadavg()[0]:.1f}\n")
    print("| clients | matches | errors | first results, median s | slowest s | whole, median s |")
    print("|---|---|---|---|---|---|")
    for clients, tally in ((1, alone), (chosen.clients, crowd)):
        first, whole = tally.first or [float("nan")], tally.whole or [float("nan")]
        counts = f"| {clients} | {len(tally.whole)} | {len(tally.errors)}"
        print(f"{counts} | {statistics.median(first):.2f} | {max(first):.2f} | {statistics.median(whole):.2f} |")
    print(f"\nMemory: {before:.0f} MB before the crowd, {after:.0f} MB after it.")
    for error in crowd.errors[:5]:
        print(error)
    sys.exit(bool(alone.errors or crowd.errors))


if __name__ == "__main__":
    main()
