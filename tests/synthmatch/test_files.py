import os
import stat
import tempfile
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthmatch.errors import InputError
from synthmatch.files import (
    atomic_path,
    content_hash,
    file_hash,
    fresh_folder,
    home,
    plain_path,
    require_place,
    safe_name,
    write_bytes,
    write_text,
)


def test_hashes_know_where_one_part_ends():
    assert content_hash(b"ab", b"c") != content_hash(b"a", b"bc") != content_hash(b"abc")
    assert content_hash(b"abc") == content_hash(b"abc")
    assert len(content_hash()) == 20


def test_a_files_hash_is_that_of_its_bytes(tmp_path):
    write_bytes(tmp_path / "a", b"one")
    write_bytes(tmp_path / "b", b"one")
    assert file_hash(tmp_path / "a") == file_hash(tmp_path / "b") == content_hash(b"one")


def test_a_large_file_is_hashed_without_being_kept_in_memory(tmp_path):
    size = 32 * 2**20
    with (tmp_path / "large").open("wb") as file:
        file.truncate(size)
    tracemalloc.start()
    try:
        found = file_hash(tmp_path / "large")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert found == content_hash(bytes(size))
    assert peak < size / 4


@given(st.text())
def test_safe_names_name_one_file_in_the_folder(tmp_path_factory, name):
    safe = safe_name(name)
    assert 0 < len(safe) <= 80
    assert not set(safe) & set('<>:"/\\|?*\0')
    assert safe not in (".", "..")
    assert safe == safe.strip(" .")
    assert safe_name(safe) == safe
    folder = tmp_path_factory.mktemp("names")
    if len(os.fsencode(safe)) < 200:
        (folder / safe).touch()
        assert [path.name for path in folder.iterdir()] == [safe]


def test_a_file_name_obeys_nobody():
    """No terminal does anything at one, and none reads backwards: "txt.exe" isn't what a preset's name may pretend."""
    assert safe_name("Bass \u202egnp.exe\u2069") == "Bass gnp.exe"
    assert safe_name("e\u200f\u0301") == "\u00e9"
    assert safe_name("\x9b2JBass\x1b\n") == "_2JBass_"


@pytest.mark.parametrize("name", ["CON", "nul.txt", "COM1", "lpt9.bank"])
def test_names_that_windows_keeps_for_itself_are_changed(name):
    assert safe_name(name) == f"_{name}"


def test_a_failed_write_leaves_what_was_there_and_nothing_else(tmp_path):
    path = tmp_path / "file.txt"
    write_text(path, "before")

    def fail():
        with atomic_path(path) as temporary:
            temporary.write_text("half")
            raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        fail()
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


@pytest.fixture
def somebody(tmp_path: Path) -> Iterator[None]:
    """Whoever may do everything is asked about as someone else, who comes as far as the test's folder."""
    if os.name != "posix":
        pytest.skip("this system has other rights than Unix's")
    if os.getuid():
        yield
        return
    for above in (tmp_path, *tmp_path.parents):  # pytest's own folders are for one user
        if above == Path(tempfile.gettempdir()):
            break
        above.chmod(0o711)
    os.setreuid(65534, -1)
    yield
    os.setreuid(0, -1)


@pytest.mark.usefixtures("somebody")
def test_a_file_needs_a_folder_that_may_be_changed(tmp_path: Path) -> None:
    """It is written beside its place: that it may itself be written isn't enough."""
    for name, mode in (("locked", 0o555), ("open", 0o777)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "page.html").touch()
        (tmp_path / name / "page.html").chmod(0o666)
        (tmp_path / name).chmod(mode)
    for file in ("page.html", "new.html", "below/new.html"):
        with pytest.raises(InputError, match=rf"{file} can't be written, since .*locked may not be changed"):
            require_place(tmp_path / "locked" / file)
        require_place(tmp_path / "open" / file)
    (tmp_path / "open" / "page.html").chmod(0o444)
    with pytest.raises(InputError, match=r"since .*page\.html may not be changed; name another place"):
        require_place(tmp_path / "open" / "page.html")


def test_a_device_is_no_place_for_a_file(tmp_path: Path) -> None:
    """It would be replaced by a file, by whoever may do that."""
    for folder in (False, True):
        with pytest.raises(InputError, match=r"null is a (device or a pipe; name a file|file; name a folder)"):
            require_place(Path(os.devnull), folder)
    (tmp_path / "link").symlink_to(tmp_path / "file")
    (tmp_path / "file").touch()
    require_place(tmp_path / "link")


@pytest.mark.usefixtures("somebody")
def test_a_link_needs_a_folder_that_may_be_changed_at_its_end(tmp_path: Path) -> None:
    for name, mode in (("locked", 0o555), ("open", 0o777)):
        (tmp_path / name).mkdir()
        (tmp_path / name).chmod(mode)
    (tmp_path / "open" / "link").symlink_to(tmp_path / "locked" / "file")
    with pytest.raises(InputError, match=r"link can't be written, since .*locked may not be changed"):
        require_place(tmp_path / "open" / "link")


@pytest.mark.parametrize("there", [True, False])
def test_a_link_stays_one_and_the_file_at_its_end_is_written(tmp_path: Path, there: bool) -> None:
    """As when settings are kept in a repository; nothing needs to be there yet."""
    kept = tmp_path / "repository" / "kept"
    if there:
        kept.parent.mkdir()
        kept.write_text("before")
    (tmp_path / "home").mkdir()
    link = tmp_path / "home" / "synths.toml"
    link.symlink_to("../repository/kept")
    with atomic_path(link) as temporary:
        assert (temporary.parent, temporary.suffix) == (kept.parent, ".toml")
        temporary.write_text("after")
    assert link.is_symlink()
    assert kept.read_text() == "after"
    assert list(kept.parent.iterdir()) == [kept]
    assert list(link.parent.iterdir()) == [link]


@pytest.mark.skipif(os.name != "posix", reason="this system has no such pipes")
def test_a_link_to_a_device_leaves_it_alone(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(tmp_path / "pipe")
    for path in (tmp_path / "link", tmp_path / "pipe"):
        with pytest.raises(InputError, match=rf"{path} is a device or a pipe; name a file"):
            write_text(path, "mine")
    assert (tmp_path / "pipe").is_fifo()


@pytest.fixture(params=[0o022, 0o077, 0o002])
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    """What the user lets new files be denied."""
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


@pytest.mark.skipif(os.name != "posix", reason="this system has other rights than Unix's")
def test_a_file_has_the_rights_of_the_one_before_it_or_what_the_umask_leaves(tmp_path: Path, umask: int) -> None:
    path = tmp_path / "file"
    write_text(path, "new")
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~umask
    for mode in (0o600, 0o644, 0o664, 0o440):
        path.chmod(mode)
        with atomic_path(path) as temporary:
            assert stat.S_IMODE(temporary.stat().st_mode) == 0o600  # it may be secret
            temporary.write_text("again")
        assert stat.S_IMODE(path.stat().st_mode) == mode


@pytest.mark.skipif(os.name != "posix", reason="this system has other rights than Unix's")
def test_a_fresh_folder_has_the_rights_that_the_umask_leaves_and_a_name_of_its_own(tmp_path: Path, umask: int) -> None:
    first, second = (fresh_folder(tmp_path / "parent", ".building-") for _ in range(2))
    assert first != second
    for folder in (first, second):
        assert folder.parent == tmp_path / "parent"
        assert folder.name.startswith(".building-")
        assert stat.S_IMODE(folder.stat().st_mode) == 0o777 & ~umask


def test_a_plain_path_leads_to_the_same_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for folder in ("here", "there/inside"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "there" / "inside", target_is_directory=True)
    (tmp_path / "there" / "file").write_text("this one")
    monkeypatch.chdir(tmp_path / "here")
    for path in ("../there/file", "../there/inside/../file", "../link/../file", tmp_path / "here/../there/./file"):
        assert plain_path(Path(path)).samefile(path)
        assert plain_path(Path(path)) == tmp_path.resolve() / "there" / "file"
    assert plain_path(Path("..")) == tmp_path.resolve()
    assert plain_path(tmp_path / "link" / "file") == tmp_path / "link" / "file"
    assert plain_path(Path("/../..")) == Path("/").absolute()


def test_home_is_where_the_variable_says(monkeypatch, tmp_path):
    monkeypatch.setenv("SYNTHMATCH_HOME", str(tmp_path / "here"))
    assert home() == tmp_path / "here"
    monkeypatch.delenv("SYNTHMATCH_HOME")
    assert home().name == "synthmatch"


def test_home_is_a_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for path, why in (
        ("file", "isn't a folder"),
        ("link", "isn't a folder"),
        ("file/below/it", f"can't be made, since {tmp_path / 'file'} isn't a folder"),
    ):
        monkeypatch.setenv("SYNTHMATCH_HOME", str(tmp_path / path))
        with pytest.raises(InputError) as caught:
            home()
        sentence = f"{tmp_path / path}, where synthmatch keeps everything, {why}; name another with SYNTHMATCH_HOME."
        assert str(caught.value) == sentence


def test_a_name_of_wide_letters_fits_into_a_file_name(tmp_path: Path) -> None:
    name = safe_name("\N{GRINNING FACE}" * 80)
    assert len(name) == 50
    (tmp_path / f"{name}.faustpatch").write_text("")
    assert safe_name("é" * 80) == "é" * 80
