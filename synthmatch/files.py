"""Content hashes, names that every file system takes, and writes that happen wholly or not at all."""

from __future__ import annotations

import hashlib
import os
import re
import stat
import unicodedata
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import platformdirs

from synthmatch.errors import InputError

_NAME_BYTES = 200
HASH_LENGTH = 20  # hex digits: 80 bits, no collision to expect below 10^11 items
_PART = 2**20  # bytes of a file hashed at a time


def content_hash(*parts: bytes) -> str:
    """Hash byte strings, each with its length, so that ("ab", "c") and ("a", "bc") differ.

    Returns:
        ``HASH_LENGTH`` lower-case hex digits of SHA-256.
    """
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return digest.hexdigest()[:HASH_LENGTH]


def file_hash(path: Path) -> str:
    """Hash a file's bytes, as ``content_hash`` does; the same bytes under another name give the same hash.

    Files of any size: SoundFonts have gigabytes.
    """
    digest = hashlib.sha256()
    with path.open("rb") as file:
        digest.update(os.fstat(file.fileno()).st_size.to_bytes(8, "big"))
        while part := file.read(_PART):
            digest.update(part)
    return digest.hexdigest()[:HASH_LENGTH]


def require_place(path: Path, folder: bool = False) -> None:
    """Refuse a place where nothing can be written, before any work is done for it.

    Args:
        folder: whether it is to be a folder; else a file.

    Raises:
        InputError: something of another kind stands there, or it or the folder for it can't be made or changed.
    """
    if path.exists() and path.is_dir() != folder:
        raise InputError(f"{path} is a {'file; name a folder' if folder else 'folder; name a file'}.")
    if path.exists() and not folder and not path.is_file():
        raise InputError(f"{path} is a device or a pipe; name a file.")
    # A file is written beside its place, and moved.
    place = path.absolute() if folder else _link_end(path).absolute().parent
    standing = next(each for each in (place, *place.parents) if each.exists())
    if not standing.is_dir():
        raise InputError(f"{path} can't be written, since {standing} is a file; name another place.")
    for each in (standing, path):
        if each.exists() and not os.access(each, os.W_OK):
            raise InputError(f"{path} can't be written, since {each} may not be changed; name another place.")


def require_unread(path: Path, *read: Path | None) -> None:
    """Refuse to write over a file that is read for what is written, before any work is done; None is no file.

    Raises:
        InputError: ``path`` is one of them, by whatever name.
    """
    for each in read:
        if each is not None and path.exists() and each.exists() and path.samefile(each):
            raise InputError(f"{path} is what is read here and mustn't be written over; name another file.")


def expanded(path: Path | str) -> Path:
    """A path with "~" and "~someone" filled in; as it is where nobody knows who that is: nothing is there."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        return Path(path)


def plain_path(path: Path) -> Path:
    """A path as an absolute one without "..": a file is the same, and its folder has a name, from wherever it is
    named. Links are followed only where ".." leads out of one."""
    path = path.absolute()
    plain = Path(path.anchor)
    for part in path.parts[1:]:
        if part == "..":
            plain = (plain.resolve() if plain.is_symlink() else plain).parent
        else:
            plain /= part
    return plain


def safe_name(name: str, limit: int = 80) -> str:
    """Turn a preset's name into a file name that Linux, macOS and Windows all take.

    Returns:
        1 to ``limit`` characters, at most 200 bytes, without separators, control characters, what turns the direction
        of text, leading or trailing dots and spaces; ``"unnamed"`` when nothing is left.
    """
    name = re.sub(r"[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]", "", name)  # they could hide where a name ends
    name = unicodedata.normalize("NFC", name)
    name = re.sub(r'[\x00-\x1f\x7f-\x9f<>:"/\\|?*]+', "_", name)
    name = re.sub(r"\s+", " ", name).strip(" .")[:limit]
    # Most file systems count bytes, 255 of them, and a suffix is still to come.
    name = name.encode()[:_NAME_BYTES].decode(errors="ignore").strip(" .")
    if re.fullmatch(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\..*)?", name):
        name = f"_{name}"
    return name or "unnamed"


def _link_end(path: Path) -> Path:
    """Where a file of that name lies: at the end of a link, whether anything is there or not."""
    return Path(os.path.realpath(path)) if path.is_symlink() else path


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; move it there when the block ends without an error.

    The temporary name keeps the suffix, since audio writers choose the format by it. After an error
    nothing is left behind, and what stood at ``path`` before stands there still. A link stays one: the file to which
    it leads is written. A file keeps the rights that it has; a new one gets what the user's umask leaves.

    Raises:
        InputError: what stands there is no file.
    """
    end = _link_end(path)
    end.parent.mkdir(parents=True, exist_ok=True)
    try:
        mode = end.stat().st_mode
    except FileNotFoundError:
        mode = None
    if mode is not None and not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):  # a move would take its place
        raise InputError(f"{path} is a device or a pipe; name a file.")
    temporary = end.with_name(f".{path.stem[:40]}-{uuid.uuid4().hex[:16]}{path.suffix}")
    # The kernel applies the umask, which can't be read without being changed for every thread. What takes a file's
    # place may be secret: only its owner sees it until it has that file's rights.
    temporary.touch(0o666 if mode is None else 0o600, exist_ok=False)
    try:
        yield temporary
        if mode is not None:
            temporary.chmod(stat.S_IMODE(mode))
        temporary.replace(end)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def fresh_folder(parent: Path, prefix: str) -> Path:
    """Make an empty folder, of a name that nothing has, in which something is built that is moved away once it is
    whole: ``tempfile``'s would stay its owner's alone; this one has the rights that the user's umask leaves."""
    parent.mkdir(parents=True, exist_ok=True)
    folder = parent / f"{prefix}{uuid.uuid4().hex[:16]}"
    folder.mkdir()
    return folder


def write_bytes(path: Path, data: bytes) -> None:
    """Write ``data`` to ``path``, wholly or not at all."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)


def write_text(path: Path, text: str) -> None:
    """Write ``text`` to ``path`` as UTF-8, wholly or not at all."""
    write_bytes(path, text.encode("utf-8"))


def home() -> Path:
    """Where synthmatch keeps everything: ``$SYNTHMATCH_HOME``, else the platform's data folder.

    Raises:
        InputError: it is no folder, nor can one be made there.
    """
    chosen = os.environ.get("SYNTHMATCH_HOME")
    path = expanded(chosen) if chosen else Path(platformdirs.user_data_dir("synthmatch", False))
    standing = next((each for each in (path, *path.parents) if os.path.lexists(each)), None)
    if standing is not None and not standing.is_dir():
        why = "isn't a folder" if standing == path else f"can't be made, since {standing} isn't a folder"
        raise InputError(f"{path}, where synthmatch keeps everything, {why}; name another with SYNTHMATCH_HOME.")
    return path
