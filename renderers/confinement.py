"""What keeps a host process from the rest of the machine: no network, a home of its own, a limit to its memory,
and an end when its parent ends. Each is done as far as the system lets it, and none is missed where it doesn't.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

# A bank root that doesn't exist keeps ZynAddSubFX from reading through all banks on the disk: an instance
# is made in half the time.
_HOME_FILES = {
    ".zynaddsubfxXML.cfg": (
        '<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE ZynAddSubFX-data>\n'
        '<ZynAddSubFX-data version-major="3" version-minor="0" version-revision="6">'
        '<CONFIGURATION><BANKROOT id="0"><string name="bank_root">{home}/no-banks</string></BANKROOT>'
        "</CONFIGURATION></ZynAddSubFX-data>\n"
    ),
}
_HOME_FOLDERS = (".local/share", ".config", ".cache")

# Linux's numbers for unshare(2), mount(2) and prctl(2).
_NEW_NETWORK, _NEW_MOUNTS, _NEW_USER = 0x4000_0000, 0x2_0000, 0x1000_0000
_BIND, _RECURSIVE, _PRIVATE = 0x1000, 0x4000, 0x4_0000
_SIGNAL_AT_PARENTS_DEATH = 1
_PROCESSORS = b"/sys/devices/system/cpu/online"  # where the C library counts them

_MEMORY = 16 * 2**30
"""Bytes of address space: far above what a plugin and its samples take, far below what drags a machine down."""


def confine(home: Path, one_processor: bool) -> None:
    """Cut this process off from every network and limit its memory, where the system lets it.

    ZynAddSubFX opens a server to the outside on all interfaces, and has no switch for it.

    Args:
        home: a folder for what the confinement itself needs.
        one_processor: whether the process is to see a single processor, so that a plugin which splits its work
            among racing threads does it in one.
    """
    _limit_memory()
    if sys.platform != "linux":
        return
    libc = ctypes.CDLL(None)
    wanted = _NEW_NETWORK | (_NEW_MOUNTS if one_processor else 0)
    # The second try needs no privileges.
    if all(libc.unshare(flags) != 0 for flags in (wanted, wanted | _NEW_USER)) or not one_processor:
        return
    online = home / "processors-online"
    online.write_text("0\n")
    if libc.mount(b"none", b"/", None, _RECURSIVE | _PRIVATE, None) == 0:  # what follows stays in this process
        libc.mount(os.fsencode(online), _PROCESSORS, None, _BIND, None)


def what_is_missing() -> str:
    """What the system doesn't let ``confine`` do here, in a sentence; "" if it lets all of it. Starts a process."""
    if sys.platform != "linux":
        return "plugins can reach the network: only Linux can keep them from it"
    code = "import sys; from synthmatch.renderers.confinement import show_confined; show_confined(sys.argv[1])"
    with tempfile.TemporaryDirectory(prefix="synthmatch-") as folder:
        done = subprocess.run([sys.executable, "-P", "-c", code, folder], capture_output=True, text=True, check=False)
    if done.stdout.split() == ["1", "1"]:
        return ""
    return (
        "plugins can reach the network, and ZynAddSubFX's PADsynth presets sound a little different each time:"
        " this system lets no process have namespaces of its own; allow user namespaces, or run as root"
    )


def show_confined(home: str) -> None:
    """Confine this process, and write down the network interfaces and processors that it sees then."""
    confine(Path(home), one_processor=True)
    interfaces = len(Path("/proc/net/dev").read_text().splitlines()) - 2  # below two lines of headings
    os.write(1, f"{interfaces} {os.sysconf('SC_NPROCESSORS_ONLN')}\n".encode())


def die_with_parent() -> None:
    """End this process when the one that started it ends, however that happens."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_SIGNAL_AT_PARENTS_DEATH, signal.SIGKILL)


def move_home(home: Path) -> None:
    """Make ``home`` the plugin's home: it neither reads nor changes the user's own settings."""
    for folder in _HOME_FOLDERS:
        (home / folder).mkdir(parents=True, exist_ok=True)
    for name, text in _HOME_FILES.items():
        (home / name).write_text(text.format(home=home), "utf-8")
    os.environ["HOME"] = str(home)
    tempfile.tempdir = str(home)  # removed with the rest, even if this process is killed
    for variable in ("XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME"):
        os.environ.pop(variable, None)


def _limit_memory() -> None:
    try:
        import resource

        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        limit = _MEMORY if hard == resource.RLIM_INFINITY else min(_MEMORY, hard)
        resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
    except (ImportError, ValueError, OSError):
        return
