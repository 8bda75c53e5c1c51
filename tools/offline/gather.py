"""Gathers what a machine without network lacks to record, train and evaluate, as a few files to carry there.

    python3 tools/offline/gather.py parcel --python 3.12

That machine needs Linux on x86-64, and Python with torch and numpy. It gets the other Python packages as wheels,
synthmatch itself, the plugins with the shared libraries that a bare system lacks, their banks, and SoundFonts. Run this
where Debian's synths are installed. It needs nothing but Python 3.9, pip, and for synthmatch's own wheel its clone.

``parcel`` then holds ``part-<n>.tar.gz``, each below the limit, ``parts.sha256`` with their hashes, and
``unpack.sh`` and ``steps.sh``, which docs/offline-training.md explains. A file for which a part has no room is cut into
pieces, which ``unpack.sh`` joins.
"""

from __future__ import annotations

import argparse
import filecmp
import hashlib
import json
import platform
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path

HERE = Path(__file__).resolve().parent
CLONE = HERE.parent.parent

LIMIT = 55_000_000
"""Bytes of a part, at most."""

BOOKKEEPING = 100_000
"""Of those, bytes that an archive may take for itself."""

PIECES = "parcel-pieces"
"""The folder of what was cut: the pieces of its n-th file in ``<n>``, and in ``joined.sha256`` the files' hashes."""

PACKAGES = (
    "dawdreamer",
    *("soundfile", "cffi", "pycparser"),
    "soxr",
    *("mido", "packaging"),
    *("safetensors", "platformdirs", "click", "defusedxml", "tomlkit", "tqdm"),
)
"""What is run there besides torch and numpy. Not annoy, which is built from source: only libraries need it."""

OPTIONAL = ("tinysoundfont", "vita", "dexed-py")
"""What plays further synths; left out where there is no wheel for that Python."""

DRUMS = Path("/usr/share/sounds/sf2/TimGM6mb.sf2")
"""The benchmark's drum kits, by which kits of other SoundFonts are judged; left out where it isn't installed."""

SUFFIXES = (".sf2", ".sf3")
"""Of SoundFonts, as synthmatch knows them."""

VOICES = Path("/usr/share/hexter")
"""The DX7's voices, which songs that teach presence are played by, too; left out where they aren't installed."""

PLUGINS = {"zynaddsubfx": "ZynAddSubFX.so", "amsynth": "amsynth_vst.so"}
PLUGIN_FOLDERS = ("~/.vst", "/usr/lib/vst", "/usr/local/lib/vst")
BANK_FOLDERS = ("/usr/share/{synth}/banks", "/usr/local/share/{synth}/banks")

SYSTEMS = ("manylinux1", "manylinux2010", "manylinux2014", *(f"manylinux_2_{number}" for number in range(5, 40)))
"""Platforms of wheels, oldest first: pip takes each of them by its very name."""

# The C and C++ run-time libraries belong to a system as a whole: another's can't be put beside them.
BASE = re.compile(
    r"(ld-linux.*|linux-vdso|libc|libm|libmvec|libdl|librt|libpthread|libresolv|libutil|libanl|libnsl|libstdc\+\+|libgcc_s)"
    r"\.so(\..*)?"
)


class Refused(Exception):
    """What is missing, in one sentence that says what to do."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Gather; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parcel", type=Path, help="a folder that is empty or isn't there")
    parser.add_argument("--python", default=f"3.{sys.version_info.minor}", metavar="3.N", help="that machine's Python")
    parser.add_argument("--glibc", type=int, default=39, metavar="N", help="that machine's C library: 2.N or later")
    parser.add_argument("--without", action="append", default=[], choices=[*PLUGINS], help="leave a synth out")
    parser.add_argument(
        "--soundfont", action="append", default=[], type=Path, metavar="FILE", help="take it along; repeatable"
    )
    parser.add_argument("--limit", type=int, default=LIMIT, metavar="BYTES", help="of a part")
    chosen = parser.parse_args(arguments)
    synths = set(PLUGINS) - set(chosen.without)
    try:
        gather(chosen.parcel, chosen.python, chosen.glibc, synths, chosen.limit, chosen.soundfont)
    except Refused as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    return 0


def gather(parcel: Path, python: str, glibc: int, synths: set[str], limit: int, further: Sequence[Path] = ()) -> None:
    """Fill ``parcel``.

    Args:
        further: SoundFonts beside the benchmark's.

    Raises:
        Refused: something is missing, or doesn't fit.
    """
    if platform.system() != "Linux" or platform.machine() != "x86_64":
        raise Refused("Plugins are gathered from Linux on x86-64 alone; run this there.")
    if parcel.exists() and (not parcel.is_dir() or any(parcel.iterdir())):
        raise Refused(f"{parcel} isn't an empty folder; name one that is, or one that isn't there.")
    room_of(limit)
    fonts = soundfonts(further)
    with tempfile.TemporaryDirectory(prefix="parcel-") as folder:
        staged = Path(folder)
        wheels = download(staged / "wheels", python, glibc)
        build(staged / "wheels")
        plugins = [find(PLUGINS[synth], PLUGIN_FOLDERS, synth) for synth in sorted(synths)]
        copy(plugins, staged / "vst")
        for synth in sorted(synths):
            banks = find("", [place.format(synth=synth) for place in BANK_FOLDERS], synth)
            shutil.copytree(banks, staged / "banks" / synth, symlinks=False)
        if fonts:
            copy(fonts, staged / "banks" / "soundfont")
        if VOICES.exists():
            copy(sorted(VOICES.glob("*.dx7")), staged / "banks" / "dx7")
        with tempfile.TemporaryDirectory() as unpacked:
            needing = [*plugins, *binaries(wheels, Path(unpacked))]
            copy(libraries(needing, Path(unpacked)), staged / "lib")
        needed = newest_glibc(sorted((staged / "lib").iterdir()) + plugins)
        facts = {"python": python, "glibc": max(needed, 17), "commit": commit(), "synths": sorted(synths)}
        (staged / "parcel.json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
        parts = pack(staged, parcel, limit)
    for script in ("unpack.sh", "steps.sh"):
        shutil.copy(HERE / script, parcel)
    size = sum(part.stat().st_size for part in parts)
    there = f"Python {python} and glibc 2.{facts['glibc']} or later"
    sys.stdout.write(f"{parcel}: {len(parts)} parts, {size / 1e6:.0f} MB in all, for {there}.\n")


def download(folder: Path, python: str, glibc: int) -> list[Path]:
    """Fetch wheels of ``PACKAGES`` for another machine's Python; returns their files."""
    systems = [name for name in SYSTEMS if not name.startswith("manylinux_") or int(name.split("_")[2]) <= glibc]
    there = [word for name in systems for word in ("--platform", f"{name}_x86_64")]
    command = [
        *(sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"),
        *("--only-binary=:all:", "--python-version", python, "--implementation", "cp", *there, "--dest", str(folder)),
    ]
    sys.stderr.write("fetching wheels\n")
    done = subprocess.run([*command, *PACKAGES], capture_output=True, text=True)
    if done.returncode:
        raise Refused(f"pip can't fetch wheels for Python {python} ({_last(done.stderr)}); try another --python.")
    for package in OPTIONAL:
        done = subprocess.run([*command, package], capture_output=True, text=True)
        if done.returncode:
            sys.stderr.write(f"left out: {package}, of which pip has no wheel for Python {python}\n")
    return sorted(folder.glob("*.whl"))


def build(folder: Path) -> None:
    """Build synthmatch's own wheel, which any Python takes, from a copy of the clone: it builds in its source."""
    sys.stderr.write("building synthmatch's wheel\n")
    with tempfile.TemporaryDirectory() as temporary:
        source = Path(temporary) / "source"
        ignored = shutil.ignore_patterns(".*", "runs", "build", "dist", "*.egg-info", "__pycache__")
        shutil.copytree(CLONE, source, ignore=ignored)
        command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check", "--no-deps"]
        done = subprocess.run([*command, "--wheel-dir", str(folder), str(source)], capture_output=True, text=True)
    if done.returncode:
        raise Refused(f"pip can't build synthmatch's wheel ({_last(done.stderr)}); run this from a whole clone.")


def _last(told: str) -> str:
    return (told.strip().splitlines() or ["no reason given"])[-1]


def find(name: str, folders: Iterable[str], synth: str) -> Path:
    """A file, or a folder, of a synth."""
    places = [Path(folder).expanduser() / name for folder in folders]
    for place in places:
        if place.exists():
            return place
    looked = ", ".join(map(str, places))
    raise Refused(f"{synth} isn't installed whole (looked for {looked}); install it, or say --without {synth}.")


def soundfonts(further: Sequence[Path]) -> list[Path]:
    """The SoundFonts to take along, each once: the benchmark's if it is installed, and those that are named.

    Raises:
        Refused: one isn't a SoundFont, or two have the same name.
    """
    found = {DRUMS.name: DRUMS} if DRUMS.exists() else {}
    for file in further:
        if not _is_soundfont(file):
            raise Refused(f"{file} isn't a SoundFont that can be read; name a file, .sf2 or .sf3.")
        other = found.setdefault(file.name, file)
        if not filecmp.cmp(other, file, shallow=False):
            raise Refused(f"{other} and {file} would lie in one folder by the same name; rename one of them.")
    if DRUMS.name not in found:
        sys.stderr.write(
            f"left out: {DRUMS.name}, so songs have no recorded drum kits; it is in Debian's timgm6mb-soundfont\n"
        )
    return list(found.values())


def _is_soundfont(file: Path) -> bool:
    try:
        with file.open("rb") as opened:
            head = opened.read(12)
    except OSError:
        return False
    return file.suffix.lower() in SUFFIXES and head[:4] == b"RIFF" and head[8:] == b"sfbk"


def copy(files: Iterable[Path], folder: Path) -> None:
    """Copy files, not links, into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for file in files:
        shutil.copy(file, folder / file.name, follow_symlinks=True)


def binaries(wheels: Iterable[Path], folder: Path) -> list[Path]:
    """Unpack the shared objects in wheels."""
    found: list[Path] = []
    for wheel in wheels:
        with zipfile.ZipFile(wheel) as archive:
            names = [name for name in archive.namelist() if re.search(r"\.so(\.[\d.]+)?$", name)]
            found += [Path(archive.extract(name, folder / wheel.stem)) for name in names]
    return found


def libraries(files: Iterable[Path], wheels: Path) -> list[Path]:
    """The shared libraries that files need, and those need in turn, but for the system's run-time and for what
    wheels, unpacked to ``wheels``, bring along.

    Raises:
        Refused: one isn't on this machine, either.
    """
    brought = {path.name for path in wheels.rglob("*.so*")}
    found: dict[str, Path] = {}
    for file in files:
        told = subprocess.run(["ldd", str(file)], capture_output=True, text=True).stdout
        for name, place in re.findall(r"^\s*(\S+) => (not found|/\S+)", told, re.MULTILINE):
            if BASE.fullmatch(name) or name in brought:
                continue
            if place == "not found":
                raise Refused(f"{file.name} needs {name}, which isn't here; install it.")
            found[name] = Path(place)
    return [found[name] for name in sorted(found)]


def newest_glibc(files: Iterable[Path]) -> int:
    """The N of the newest C library, 2.N, that one of the files asks for."""
    asked = (match for file in files for match in re.findall(rb"GLIBC_2\.(\d+)", file.read_bytes()))
    return max(map(int, asked), default=0)


def commit() -> str:
    """What the clone is at, or "" where that can't be told."""
    done = subprocess.run(["git", "-C", str(CLONE), "describe", "--always", "--dirty"], capture_output=True, text=True)
    return done.stdout.strip()


def room_of(limit: int) -> int:
    """Bytes that the files of a part may take.

    Raises:
        Refused: there is none to speak of.
    """
    if limit < 2 * BOOKKEEPING:
        raise Refused(f"--limit is {limit} bytes, too few for a part; give it {2 * BOOKKEEPING} or more.")
    return limit - BOOKKEEPING


def cut(staged: Path, room: int) -> None:
    """Put pieces into ``PIECES`` in place of every file of a folder that takes more than ``room`` bytes."""
    large = sorted(file for file in _files(staged) if _packed(file.stat().st_size) > room)
    size = room - _packed(512)  # of a piece, which then takes no more than the room
    hashes = []
    for number, file in enumerate(large, start=1):
        folder = staged / PIECES / str(number)
        folder.mkdir(parents=True)
        whole = hashlib.sha256()
        with file.open("rb") as opened:
            for place, piece in enumerate(iter(lambda opened=opened: opened.read(size), b""), start=1):
                whole.update(piece)
                (folder / f"{place:05}").write_bytes(piece)  # in the order in which a shell lists them
        hashes.append(f"{whole.hexdigest()}  {file.relative_to(staged).as_posix()}\n")
        file.unlink()
    if hashes:
        (staged / PIECES / "joined.sha256").write_text("".join(hashes), encoding="utf-8")


def pack(staged: Path, parcel: Path, limit: int) -> list[Path]:
    """Write a folder's files as archives below a limit each, any of which can be unpacked by itself.

    Files are put into parts by their size before compression, so the limit holds whatever is in them. Of what is too
    large for a part the folder holds pieces afterwards.

    Returns:
        The parts; ``parts.sha256`` beside them names their hashes.

    Raises:
        Refused: the limit is too low.
    """
    room = room_of(limit)
    cut(staged, room)
    parts: list[list[Path]] = []
    left: list[int] = []
    for file in sorted(_files(staged), key=lambda file: -file.stat().st_size):
        size = _packed(file.stat().st_size)
        fitting = next((number for number, free in enumerate(left) if free >= size), len(parts))
        if fitting == len(parts):
            parts.append([])
            left.append(room)
        parts[fitting].append(file)
        left[fitting] -= size
    parcel.mkdir(parents=True, exist_ok=True)
    written = []
    for number, group in enumerate(parts, start=1):
        path = parcel / f"part-{number}.tar.gz"
        with tarfile.open(path, "w:gz", compresslevel=9) as archive:
            for file in sorted(group):
                archive.add(file, file.relative_to(staged).as_posix())
        if path.stat().st_size > limit:
            raise Refused(f"{path.name} came out larger than {limit} bytes; raise --limit.")
        written.append(path)
    lines = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in written]
    (parcel / "parts.sha256").write_text("".join(lines), encoding="ascii")
    return written


def _files(folder: Path) -> list[Path]:
    return [file for file in folder.rglob("*") if file.is_file()]


def _packed(size: int) -> int:
    """Bytes that a file of a size takes in an archive before compression: a header, and whole blocks of 512."""
    return 1024 + -(-size // 512) * 512


if __name__ == "__main__":
    sys.exit(main())
