"""The parcel for a machine without network: parts below the limit, files in pieces, hashes, and what a damaged part is
told."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import platform
import random
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from types import ModuleType

import pytest

OFFLINE = Path(__file__).parent.parent / "tools" / "offline"
LIMIT = 300_000

needs_shell = pytest.mark.skipif(
    sys.platform != "linux" or not shutil.which("sha256sum"), reason="parcels are unpacked on Linux, with sha256sum"
)


@pytest.fixture(scope="module")
def gather() -> ModuleType:
    spec = importlib.util.spec_from_file_location("gather", OFFLINE / "gather.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def put_wheel(folder: Path, version: str, said: str) -> None:
    """Put a wheel of the module `parcelled` into a folder."""
    folder.mkdir(exist_ok=True)
    facts = f"parcelled-{version}.dist-info"
    with zipfile.ZipFile(folder / f"parcelled-{version}-py3-none-any.whl", "w") as wheel:
        wheel.writestr("parcelled.py", f"SAID = {said!r}\n")
        wheel.writestr(f"{facts}/METADATA", f"Metadata-Version: 2.1\nName: parcelled\nVersion: {version}\n")
        wheel.writestr(f"{facts}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        wheel.writestr(f"{facts}/RECORD", "")


@pytest.fixture
def staged(tmp_path: Path) -> Path:
    """What a parcel holds, in small: a wheel, noise that no archive makes smaller, and a folder of its own."""
    folder = tmp_path / "staged"
    noise = random.Random(0)
    for number in range(7):
        path = folder / "banks" / "some synth" / f"{number}.bank"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(noise.randbytes(20_000 * (number + 1)))
    put_wheel(folder / "wheels", "1.0", "here")
    (folder / "vst").mkdir()
    (folder / "lib").mkdir()
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    (folder / "parcel.json").write_text(f'{{"python": "{python}", "glibc": 17}}', encoding="utf-8")
    return folder


@pytest.fixture
def parcel(gather: ModuleType, staged: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "parcel"
    gather.pack(staged, folder, LIMIT)
    shutil.copy(OFFLINE / "unpack.sh", folder)
    return folder


def unpack(parcel: Path, folder: Path, commands: str = os.environ["PATH"]) -> subprocess.CompletedProcess[str]:
    """In an environment with nothing in it but where commands are."""
    command = ["env", "-i", f"PATH={commands}", "sh", str(parcel / "unpack.sh"), str(folder), sys.executable]
    return subprocess.run(command, capture_output=True, text=True)


def python_says(place: Path, told: str) -> str:
    """What Python prints in the environment that a folder's `env.sh` makes."""
    script = f". '{place}/env.sh' && \"$PYTHON\" -c '{told}'"
    said = subprocess.run(["env", "-i", "sh", "-c", script], capture_output=True, text=True)
    assert said.returncode == 0, said.stderr
    return said.stdout


def test_parts_are_below_the_limit_and_hold_every_file_once(staged: Path, parcel: Path) -> None:
    held: dict[str, bytes] = {}
    parts = sorted(parcel.glob("part-*.tar.gz"))
    assert len(parts) > 1
    for part in parts:
        assert part.stat().st_size <= LIMIT
        with tarfile.open(part) as archive:
            for member in archive:
                assert member.name not in held
                file = archive.extractfile(member)
                assert file is not None
                held[member.name] = file.read()
    files = {file.relative_to(staged).as_posix(): file.read_bytes() for file in staged.rglob("*") if file.is_file()}
    assert held == files


def test_the_list_has_the_hash_of_every_part(parcel: Path) -> None:
    lines = [line.split("  ") for line in (parcel / "parts.sha256").read_text("ascii").splitlines()]
    assert {name for _, name in lines} == {part.name for part in parcel.glob("part-*.tar.gz")}
    for digest, name in lines:
        assert hashlib.sha256((parcel / name).read_bytes()).hexdigest() == digest


def test_a_limit_that_leaves_no_room_is_refused(gather: ModuleType, staged: Path, tmp_path: Path) -> None:
    with pytest.raises(gather.Refused, match="--limit is 150000 bytes, too few"):
        gather.pack(staged, tmp_path / "parcel", 150_000)


@pytest.fixture
def large(staged: Path) -> dict[Path, bytes]:
    """Files that a part has no room for, in what a parcel holds: by far, barely, and one that fills its last piece."""
    noise = random.Random(1)
    room = LIMIT - 100_000
    sizes = {
        "banks/soundfont/a large one.sf2": 12 * room + 1,
        "banks/soundfont/b.sf2": room,
        "huge.bin": 2 * room - 3072,
    }
    made = {Path(name): noise.randbytes(size) for name, size in sizes.items()}
    for name, data in made.items():
        (staged / name).parent.mkdir(exist_ok=True)
        (staged / name).write_bytes(data)
    return made


@pytest.fixture
def cut(gather: ModuleType, staged: Path, large: dict[Path, bytes], tmp_path: Path) -> Path:
    """A parcel with files in pieces."""
    assert large
    folder = tmp_path / "cut"
    gather.pack(staged, folder, LIMIT)
    shutil.copy(OFFLINE / "unpack.sh", folder)
    return folder


def test_a_file_above_the_limit_is_cut_into_pieces_that_fit(cut: Path, large: dict[Path, bytes]) -> None:
    parts = list(cut.glob("part-*.tar.gz"))
    assert all(part.stat().st_size <= LIMIT for part in parts)
    names = []
    for part in parts:
        with tarfile.open(part) as archive:
            names += archive.getnames()
    assert len(names) == len(set(names))
    assert not set(names) & {name.as_posix() for name in large}
    assert sum(name.startswith("parcel-pieces/") for name in names) == 1 + 13 + 2 + 2


@needs_shell
def test_pieces_are_joined_and_nothing_of_them_stays(cut: Path, large: dict[Path, bytes], tmp_path: Path) -> None:
    place = tmp_path / "a place"
    for _ in range(2):
        done = unpack(cut, place)
        assert done.returncode == 0, done.stderr
        assert {name: (place / name).read_bytes() for name in large} == large
        assert not (place / "parcel-pieces").exists()


@needs_shell
def test_what_is_joined_wrongly_is_put_nowhere(
    gather: ModuleType, staged: Path, large: dict[Path, bytes], tmp_path: Path
) -> None:
    """A piece is changed before the parts get their hashes, so that the file's own alone can tell."""
    gather.cut(staged, LIMIT - 100_000)
    piece = staged / "parcel-pieces" / "1" / "00002"
    piece.write_bytes(piece.read_bytes()[1:])
    gather.pack(staged, tmp_path / "parcel", LIMIT)
    shutil.copy(OFFLINE / "unpack.sh", tmp_path / "parcel")
    done = unpack(tmp_path / "parcel", tmp_path / "there")
    assert done.returncode == 1
    assert done.stderr == (
        "error: banks/soundfont/a large one.sf2 isn't what was gathered, once it is joined; gather it again.\n"
    )
    assert not any((tmp_path / "there" / name).exists() for name in large)


@needs_shell
def test_a_file_for_which_there_is_no_room_is_put_nowhere(cut: Path, large: dict[Path, bytes], tmp_path: Path) -> None:
    """`cat` stands for one that finds the disk full."""
    commands = tmp_path / "commands"
    commands.mkdir()
    (commands / "cat").write_text('#!/bin/sh\nhead -c 9 "$1"\necho "No space left" >&2\nexit 1\n', encoding="utf-8")
    (commands / "cat").chmod(0o755)
    place = tmp_path / "there"
    done = unpack(cut, place, f"{commands}:{os.environ['PATH']}")
    assert done.returncode == 1
    assert done.stderr == (
        f"error: banks/soundfont/a large one.sf2 can't be joined in {place}; make room there, and unpack again.\n"
    )
    assert not any((place / name).exists() for name in large)
    assert unpack(cut, place).returncode == 0
    assert {name: (place / name).read_bytes() for name in large} == large


@needs_shell
def test_unpacking_goes_on_after_it_was_stopped_among_pieces(
    cut: Path, large: dict[Path, bytes], tmp_path: Path
) -> None:
    """An earlier parcel's pieces are still there, more of them than this one's files have."""
    place = tmp_path / "there"
    left = place / "parcel-pieces" / "1" / "00099"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"half a file")
    (place / "parcel.json").touch()
    done = unpack(cut, place)
    assert done.returncode == 0, done.stderr
    assert {name: (place / name).read_bytes() for name in large} == large


def soundfont(path: Path, said: bytes = b"") -> Path:
    """Put something that begins as a SoundFont does."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"RIFF" + bytes(4) + b"sfbk" + said)
    return path


def test_soundfonts_are_taken_once_and_the_benchmarks_with_them(
    gather: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drums = soundfont(tmp_path / "system" / "TimGM6mb.sf2")
    monkeypatch.setattr(gather, "DRUMS", drums)
    mine = soundfont(tmp_path / "Mine.SF3")
    again = soundfont(tmp_path / "copy" / "TimGM6mb.sf2")
    assert gather.soundfonts([]) == [drums]
    assert gather.soundfonts([mine, again, mine]) == [drums, mine]


def test_without_the_benchmarks_soundfont_one_is_told(
    gather: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(gather, "DRUMS", tmp_path / "TimGM6mb.sf2")
    mine = soundfont(tmp_path / "mine.sf2")
    assert gather.soundfonts([mine]) == [mine]
    assert "TimGM6mb.sf2, so songs have no recorded drum kits" in capsys.readouterr().err
    mine = soundfont(tmp_path / "elsewhere" / "TimGM6mb.sf2")
    assert gather.soundfonts([mine]) == [mine]
    assert not capsys.readouterr().err


def test_what_is_no_soundfont_is_refused(gather: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "a.sf2").write_bytes(b"RIFF" + bytes(4) + b"WAVE")
    for name in ("a.sf2", "missing.sf2", ".", soundfont(tmp_path / "a.wav").name):
        with pytest.raises(gather.Refused, match="isn't a SoundFont that can be read"):
            gather.soundfonts([tmp_path / name])


def test_two_soundfonts_of_one_name_are_refused(gather: ModuleType, tmp_path: Path) -> None:
    two = [soundfont(tmp_path / said / "same.sf2", said.encode()) for said in ("one", "two")]
    with pytest.raises(gather.Refused, match="same name; rename one of them"):
        gather.soundfonts(two)


def test_soundfonts_and_the_limit_are_judged_before_anything_is_fetched(
    gather: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if sys.platform != "linux" or platform.machine() != "x86_64":
        pytest.skip("parcels are gathered on Linux on x86-64 alone")
    for words in (["--soundfont", "nothing.sf2"], ["--limit", "9"]):
        assert gather.main([str(tmp_path / "parcel"), *words]) == 1
        told = capsys.readouterr().err
        assert told.startswith("error: ")
        assert told.count("\n") == 1
        assert not (tmp_path / "parcel").exists()


@needs_shell
@pytest.mark.parametrize("harm", ["cut", "changed", "missing"])
def test_a_damaged_part_is_refused_and_nothing_is_unpacked(parcel: Path, tmp_path: Path, harm: str) -> None:
    part = parcel / "part-2.tar.gz"
    data = part.read_bytes()
    if harm == "missing":
        part.unlink()
    else:
        part.write_bytes(data[:-1] if harm == "cut" else data[:-1] + bytes([data[-1] ^ 1]))
    done = unpack(parcel, tmp_path / "there")
    assert done.returncode == 1
    assert done.stderr == f"error: part-2.tar.gz is {'missing' if harm == 'missing' else 'damaged'}; copy it again.\n"
    assert list((tmp_path / "there").iterdir()) == []


@needs_shell
def test_another_python_is_refused(gather: ModuleType, staged: Path, tmp_path: Path) -> None:
    (staged / "parcel.json").write_text('{"python": "3.5", "glibc": 17}', encoding="utf-8")
    gather.pack(staged, tmp_path / "parcel", LIMIT)
    shutil.copy(OFFLINE / "unpack.sh", tmp_path / "parcel")
    done = unpack(tmp_path / "parcel", tmp_path / "there")
    assert done.returncode == 1
    assert "The parcel is for Python 3.5".lower() in done.stderr.lower()
    assert "--python" in done.stderr


@needs_shell
def test_a_parcel_is_set_up_without_network(staged: Path, parcel: Path, tmp_path: Path) -> None:
    place = tmp_path / "a place"
    done = unpack(parcel, place)
    assert done.returncode == 0, done.stderr
    for file in (staged / "banks").rglob("*.bank"):
        assert (place / file.relative_to(staged)).read_bytes() == file.read_bytes()
    told = 'import parcelled, os; print(parcelled.SAID, os.environ["SYNTHMATCH_BANKS"], os.environ["VST_PATH"])'
    assert python_says(place, told) == f"here {place / 'banks'} {place / 'vst'}\n"


@needs_shell
def test_a_later_parcel_takes_the_place_of_an_earlier_one(
    gather: ModuleType, staged: Path, parcel: Path, tmp_path: Path
) -> None:
    place = tmp_path / "there"
    (place / "lib").mkdir(parents=True)
    (place / "lib" / "mine").write_text("none of the parcel's")
    assert unpack(parcel, place).returncode == 0
    assert (place / "lib" / "mine").exists()
    kept = [place / name / "mine" for name in ("home", "results")]
    for file in kept:
        file.parent.mkdir(exist_ok=True)
        file.touch()
    shutil.rmtree(staged / "wheels")
    put_wheel(staged / "wheels", "2.0", "later")
    (staged / "banks" / "some synth" / "0.bank").unlink()
    shutil.rmtree(parcel)
    gather.pack(staged, parcel, LIMIT)
    shutil.copy(OFFLINE / "unpack.sh", parcel)
    done = unpack(parcel, place)
    assert done.returncode == 0, done.stderr
    assert python_says(place, "import parcelled; print(parcelled.SAID)") == "later\n"
    assert not (place / "banks" / "some synth" / "0.bank").exists()
    assert all(file.exists() for file in kept)


@needs_shell
def test_what_a_plugin_needs_is_found_but_for_the_run_time(gather: ModuleType, tmp_path: Path) -> None:
    plugin = Path("/usr/lib/vst/amsynth_vst.so")
    if not plugin.exists():
        pytest.skip("Debian's amsynth isn't installed; apt-get install amsynth")
    names = {path.name for path in gather.libraries([plugin], tmp_path)}
    assert "libgtk-x11-2.0.so.0" in names
    assert not any(name.startswith(("libc.", "libm.", "libstdc++", "ld-linux")) for name in names)
    assert gather.newest_glibc([plugin]) >= 4
