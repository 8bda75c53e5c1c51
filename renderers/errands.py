"""What a worker process of a cluster does: errands, each a job and what is to be kept to.

Plugins are hosted by a ``RenderPool`` of the process, so that one which crashes or hangs ends a host process there
as it does here, and the worker lives on.
"""

from __future__ import annotations

import atexit
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from synthmatch.errors import PluginMissing, SynthError
from synthmatch.presets.catalogue import Synth, synths
from synthmatch.renderers.host import plugin_log
from synthmatch.renderers.pool import RenderPool
from synthmatch.renderers.renderer import RenderJob, RenderResult
from synthmatch.renderers.synths import find_plugin, fingerprint

_POOLS = 3  # that a process keeps, one per synth


@dataclass(frozen=True)
class Errand:
    """A job on its way to a worker.

    Args:
        row: the synth, as whoever sends the job knows it.
        fingerprint: what the worker's own fingerprint of it must be; "" if any will do.
        timeout: seconds that the job may take.
    """

    job: RenderJob
    row: Synth
    fingerprint: str
    timeout: float


@dataclass(frozen=True)
class Reply:
    """What a worker says to an errand.

    Args:
        worker: its address.
        machine: the name of the machine that it runs on.
        fingerprint: what rendered, or would have; "" if the synth isn't there.
        result: what came of the job; None if it wasn't done.
        excuse: why the worker does no errands for this synth, as part of a sentence; "" if it does.
    """

    worker: str
    machine: str
    fingerprint: str = ""
    result: RenderResult | None = None
    excuse: str = ""


def do(errand: Errand, worker: str, threads: int) -> Reply:
    """Do an errand, or say why not.

    Args:
        worker: the address of this process.
        threads: how many errands this process does at a time.
    """
    machine = socket.gethostname()
    row = _as_kept_here(errand.row)
    try:
        own = fingerprint(row)
    except PluginMissing as error:
        return Reply(worker, machine, excuse=str(error).rstrip("."))
    if errand.fingerprint not in ("", own):
        return Reply(worker, machine, own, excuse=another_build(row))
    with _pool(row, own, errand.timeout, threads) as pool:
        (result,) = pool.render([errand.job])
    return Reply(worker, machine, own, result)


def another_build(row: Synth) -> str:
    """The excuse of a worker whose sounds wouldn't be the same."""
    return f"its {row.title}, or what hosts it, is another build; install the same versions on every machine"


def _as_kept_here(row: Synth) -> Synth:
    """The row with the plugin's path on this machine, if the ``synths.toml`` here has one for it."""
    if not Path(row.plugin).is_absolute() or find_plugin(row) is not None:
        return row
    with suppress(SynthError):
        here = synths().get(row.id)
        return row if here is None else replace(row, plugin=here.plugin)
    return row


@dataclass(eq=False)
class _Kept:
    """A pool, and how many threads use it now."""

    pool: RenderPool
    users: int = 0


_pools: dict[tuple[Synth, str, float], _Kept] = {}  # what was used last comes last
_lock = threading.Lock()


@contextmanager
def _pool(row: Synth, build: str, timeout: float, threads: int) -> Iterator[RenderPool]:
    """This process's pool for a synth of a build; it is kept for the errands to come. What plugins print goes to this
    machine's log.

    Args:
        build: the synth's fingerprint: where it has been upgraded, the hosts of the pool before still play the old one.
    """
    key = (row, build, timeout)
    with _lock:
        kept = _pools.pop(key, None) or _Kept(
            RenderPool(threads, timeout=timeout, log=plugin_log(), known={row.id: row})
        )
        kept.users += 1
        _pools[key] = kept
        idle = [other for other, each in _pools.items() if not each.users]
        spare = [_pools.pop(other) for other in idle[: max(0, len(_pools) - _POOLS)]]
    for each in spare:
        each.pool.close()
    try:
        yield kept.pool
    finally:
        with _lock:
            kept.users -= 1


@atexit.register
def _close() -> None:
    """End the hosts, and remove their folders."""
    with _lock:
        for kept in _pools.values():
            kept.pool.close()
        _pools.clear()
