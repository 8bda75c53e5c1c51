"""How quickly the page answers: first results of one client, and many clients at once for a while.

``python bench/serving.py SONG --library LIBRARY`` serves the library, sends the song, prints a table, and writes it to
``serving.md``. The goals: first results within 1 s for 10 s of audio, and 20 clients for a minute without an error or a
lost request and in bounded memory, on two cores.
"""

from __future__ import annotations

import argparse
import http.client
import os
import platform
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

from synthmatch import audio
from synthmatch.files import write_text
from synthmatch.library.library import Library

HERE = Path(__file__).parent
_FIRST = b"event: family\n"
_LAST = b"event: done\n"


@dataclass
class Tally:
    """What came of some requests: how many there were, seconds to the first family and to the end, what went wrong."""

    asked: int = 0
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
    tally.asked += 1
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


def memory(pid: int, what: str) -> float:
    """MB that a process holds (``VmRSS``) or held at most (``VmHWM``), on Linux; NaN elsewhere."""
    status = Path(f"/proc/{pid}/status")
    if not status.exists():
        return float("nan")
    rows = (line.split() for line in status.read_text().splitlines())
    return next(int(row[1]) / 1000 for row in rows if row[0] == f"{what}:")


def processor(pid: int) -> float:
    """Seconds of processor that a process has had, on Linux; NaN elsewhere."""
    stat = Path(f"/proc/{pid}/stat")
    if not stat.exists():
        return float("nan")
    fields = stat.read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def row(clients: int, tally: Tally, seconds: float) -> str:
    """A line of the table; ``seconds`` of processor were spent on it."""
    first, whole = tally.first or [float("nan")], tally.whole or [float("nan")]
    lost = tally.asked - len(tally.whole) - len(tally.errors)
    return (
        f"| {clients} | {tally.asked} | {len(tally.errors)} | {lost} | {statistics.median(first):.2f}"
        f" | {max(first):.2f} | {statistics.median(whole):.2f} | {seconds / max(1, len(tally.whole)):.2f} |"
    )


def main() -> None:
    """Parse, serve, measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("song", type=Path)
    parser.add_argument("--library", type=Path, required=True)
    parser.add_argument("--clients", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=60)
    chosen = parser.parse_args()
    with Library.open(chosen.library) as library:
        held = f"{len(library):,} sounds"
    with served(chosen.library) as (place, pid):
        load(place, chosen.song, 1, 2)  # warm
        before, begun = os.getloadavg()[0], processor(pid)
        alone = load(place, chosen.song, 1, 10)
        between, held_before = processor(pid), memory(pid, "VmRSS")
        crowd = load(place, chosen.song, chosen.clients, chosen.seconds)
        after, held_after, peak = processor(pid), memory(pid, "VmRSS"), memory(pid, "VmHWM")
    seconds = audio.measure(chosen.song).seconds
    document = f"""# Serving, measured

Written by `python bench/serving.py`: {seconds:.0f} s of audio, a library of {held}; {platform.machine()}, \
{platform.system()}, Python {platform.python_version()}, {os.cpu_count()} processors; load average {before:.1f} \
before, {os.getloadavg()[0]:.1f} after.

| clients | requests | errors | lost | first results, median s | slowest s | whole, median s | processor's s a match |
| --- | --- | --- | --- | --- | --- | --- | --- |
{row(1, alone, between - begun)}
{row(chosen.clients, crowd, after - between)}

Memory: {held_before:.0f} MB before the crowd, {held_after:.0f} MB after it, {peak:.0f} MB at most.
"""
    print(document)
    write_text(HERE / "serving.md", document)
    for error in [*alone.errors, *crowd.errors][:5]:
        print(error)
    sys.exit(bool(alone.errors or crowd.errors))


if __name__ == "__main__":
    main()
