"""The user's own synths in synths.toml: round trips, what a write leaves alone, what each wrong value is told."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthmatch.errors import SynthError
from synthmatch.presets.catalogue import SYNTHS, Engine, Isolation, Parameter, Synth
from synthmatch.presets.ownsynths import (
    entry,
    entry_text,
    is_synth_id,
    own_synth,
    read_synths,
    remove_synth,
    write_synth,
)

_TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)
_LEVEL = st.floats(0, 1)
_IDS = st.from_regex(r"[a-z0-9][a-z0-9_-]{0,8}", fullmatch=True).filter(lambda name: name not in SYNTHS)
_FIELDS = st.fixed_dictionaries(
    {"plugin": _TEXT.filter(bool)},
    optional={
        "plugin_id": st.sampled_from(["", "DKrs", 'äé" ', "D39D5B69D6AF42FA1234567844695661"]),
        "plugin_version": st.integers(-(2**31) + 1, 2**31 - 1),
        "banks": st.lists(_TEXT.map(lambda name: Path("/banks") / name), max_size=3).map(tuple),
        "parameters": st.lists(st.builds(Parameter, _TEXT, _LEVEL), max_size=5).map(tuple),
        "effects_off": st.dictionaries(_TEXT, _LEVEL, max_size=3).map(lambda table: tuple(table.items())),
        "settle": st.floats(0, 3600),
        "isolation": st.sampled_from(Isolation),
        "random_state": _TEXT,
        "one_processor": st.booleans(),
        "repeatable": st.booleans(),
    },
)
OWN = st.builds(own_synth, _IDS, _TEXT, _FIELDS)


@given(st.lists(OWN, min_size=1, max_size=4, unique_by=lambda row: row.id))
def test_reading_what_was_written_gives_the_same_rows(
    tmp_path_factory: pytest.TempPathFactory, rows: list[Synth]
) -> None:
    path = tmp_path_factory.getbasetemp() / "round-trip.toml"
    path.unlink(missing_ok=True)
    for row in rows:
        write_synth(path, row)
    assert read_synths(path) == {row.id: row for row in rows}
    assert list(read_synths(path)) == [row.id for row in rows]


@given(_IDS, OWN, OWN)
def test_a_row_written_again_replaces_the_first(
    tmp_path_factory: pytest.TempPathFactory, name: str, first: Synth, second: Synth
) -> None:
    path = tmp_path_factory.getbasetemp() / "replaced.toml"
    other = own_synth("between", "Between", {"plugin": "/p.so", "parameters": (Parameter("A", 0.5),)})
    path.unlink(missing_ok=True)
    rows = (
        own_synth(name, row.title, {key: getattr(row, key) for key in ("plugin", "plugin_id", "parameters", "banks")})
        for row in (first, second)
    )
    before, after = rows
    for row in (before, other, after):
        write_synth(path, row)
    assert read_synths(path) == {name: after, "between": other}


_PLUGINS = [row for row in SYNTHS.values() if row.engine is Engine.PLUGIN]


@given(st.sampled_from(_PLUGINS), _FIELDS)
def test_a_row_that_replaces_a_known_synth_is_written_whole(
    tmp_path_factory: pytest.TempPathFactory, row: Synth, fields: dict[str, object]
) -> None:
    path = tmp_path_factory.getbasetemp() / "known.toml"
    path.unlink(missing_ok=True)
    mine = own_synth(row.id, row.title, fields)
    write_synth(path, mine)
    (back,) = read_synths(path).values()
    assert entry(back) == entry(mine)
    for key in ("plugin", "plugin_id", "banks", "parameters", "effects_off", "settle", "isolation", "random_state"):
        assert getattr(back, key) == getattr(mine, key)


def test_a_table_that_is_called_like_a_known_plugin_leaves_the_rest_as_it_is_known(tmp_path: Path) -> None:
    path = tmp_path / "synths.toml"
    path.write_text('[zynaddsubfx]\nplugin = "/opt/ZynAddSubFX.so"\nsettle = 1\n')
    (row,) = read_synths(path).values()
    known = SYNTHS["zynaddsubfx"]
    assert row.package != known.package
    assert row == replace(known, plugin="/opt/ZynAddSubFX.so", settle=1.0, mine=True, package=row.package)


@pytest.mark.parametrize("name", [row.id for row in SYNTHS.values() if row.engine is not Engine.PLUGIN])
def test_a_synth_that_is_no_plugin_keeps_its_name(tmp_path: Path, name: str) -> None:
    path = tmp_path / "synths.toml"
    path.write_text(f'[{name}]\nplugin = "/opt/x.so"\n')
    with pytest.raises(SynthError, match=rf"synths\.toml: {name} is what .* give \[{name}\] another name"):
        read_synths(path)
    path.unlink()
    with pytest.raises(SynthError, match="another name"):
        write_synth(path, own_synth(name, "X", {"plugin": "/x.so"}))
    assert not path.exists()


def test_the_plugin_says_which_files_its_presets_are_in(tmp_path: Path) -> None:
    path = tmp_path / "synths.toml"
    path.write_text(
        '[a]\nplugin = "/x/A.so"\n[b]\nplugin = "/x/B.VST3"\n'
        f'[c]\nplugin = "C"\nplugin_id = "{"d39d5b69" * 4}"\n[d]\nplugin = "/x/D.dll"\nplugin_id = "Dddd"\n'
    )
    rows = read_synths(path)
    assert {row.id: row.files for row in rows.values()} == {
        "a": (".fxp",), "b": (".vstpreset",), "c": (".vstpreset",), "d": (".fxp",),
    }  # fmt: skip
    assert all(row.mine and row.engine is Engine.PLUGIN and row.title == row.id for row in rows.values())
    assert all(f"synthmatch synth remove {row.id}" in row.package for row in rows.values())


def test_a_file_that_is_not_there_names_no_synths(tmp_path: Path) -> None:
    assert read_synths(tmp_path / "synths.toml") == {}


def test_paths_may_begin_at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    path = tmp_path / "synths.toml"
    path.write_text('[a]\nplugin = "/x/A.so"\npresets = ["~/Presets"]\n')
    assert read_synths(path)["a"].banks == (tmp_path / "Presets",)


def test_parameters_of_one_name_are_written_as_pairs(tmp_path: Path) -> None:
    path = tmp_path / "synths.toml"
    row = own_synth("a", "A", {"plugin": "/a.so", "parameters": (Parameter("-", 0.0), Parameter("-", 1.0))})
    write_synth(path, row)
    assert read_synths(path)["a"] == row
    assert entry(row)["parameters"] == [["-", 0.0], ["-", 1.0]]


FILE = """\
# my synths
[first]  # the good one
# where it lies
plugin = "/x/first.so"  # not the old one
settle = 1.0  # seconds

# about the second
[second]
plugin = '/x/second.so'
presets = [
    "/x/one",  # the first bank
    "/x/two",
]

[second.parameters]
Cut = 0.25
"Re[s]" = 0.5

# about the third
[third]
plugin = "/x/third.so"
effects_off = { Mix = 0.0 }
# the end
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "synths.toml"
    path.write_text(text, encoding="utf-8")
    return path


def lines_of(path: Path) -> list[str]:
    return [line for line in path.read_text(encoding="utf-8").splitlines() if line]


def test_a_row_that_is_there_already_changes_nothing(tmp_path: Path) -> None:
    path = write(tmp_path, FILE)
    for row in read_synths(path).values():
        write_synth(path, row)
    assert path.read_text() == FILE


def test_a_write_changes_only_what_differs(tmp_path: Path) -> None:
    path = write(tmp_path, FILE)
    row = replace(read_synths(path)["first"], settle=3.5, isolation=Isolation.FORK)
    write_synth(path, row)
    assert path.read_text() == FILE.replace(
        "settle = 1.0  # seconds\n", 'settle = 3.5  # seconds\nisolation = "fork"\n'
    )


@pytest.mark.parametrize("name", ["first", "second", "third"])
def test_whatever_is_written_comments_and_other_tables_stay(tmp_path: Path, name: str) -> None:
    path = write(tmp_path, FILE)
    before = read_synths(path)
    row = own_synth(name, "New", {"plugin": "/new.so", "parameters": (Parameter("A", 1.0), Parameter("B", 0.0))})
    write_synth(path, row)
    assert read_synths(path) == {**before, name: row}
    comments = re.findall(r"# (?!seconds|the first bank|not the old).*", FILE)  # those at values may go with them
    assert [each for each in re.findall("# .*", path.read_text()) if each in comments] == comments


def test_a_new_table_comes_last(tmp_path: Path) -> None:
    path = write(tmp_path, FILE)
    row = own_synth("fourth", "Fourth", {"plugin": "/new.so"})
    write_synth(path, row)
    assert path.read_text().startswith(FILE)
    assert lines_of(path)[-3:] == ["[fourth]", 'title = "Fourth"', 'plugin = "/new.so"']


@pytest.mark.parametrize("name", ["first", "second", "third"])
def test_removing_a_table_leaves_the_rest(tmp_path: Path, name: str) -> None:
    path = write(tmp_path, FILE)
    rows = read_synths(path)
    remove_synth(path, name)
    del rows[name]
    assert read_synths(path) == rows
    left = lines_of(path)
    assert [line for line in FILE.splitlines() if line in left] == left  # in their order, none of them changed
    for comment in ("# my synths", "# about the second", "# about the third", "# the end"):
        assert comment in left
    with pytest.raises(SynthError, match=rf"synths\.toml names no synth called {name}; `synthmatch synth list`"):
        remove_synth(path, name)


def test_removing_all_leaves_no_synths(tmp_path: Path) -> None:
    path = write(tmp_path, FILE)
    for name in ("second", "first", "third"):
        remove_synth(path, name)
    assert read_synths(path) == {}
    with pytest.raises(SynthError, match="names no synth called first"):
        remove_synth(tmp_path / "nowhere.toml", "first")


@pytest.mark.parametrize(
    "text",
    [
        'a = {plugin = "/a.so", settle = 1.0}\n\n[b]\nplugin = "/b.so"\n',
        'a.plugin = "/a.so"\na.settle = 1.0\n\n[b]\nplugin = "/b.so"\n',
        '[a]\nplugin = "/a.so"\n\n[b]\nplugin = "/b.so"\n\n[a.parameters]\nX = 0.5\n',
    ],
)
def test_a_table_in_another_spelling_can_be_changed_and_removed(tmp_path: Path, text: str) -> None:
    path = write(tmp_path, text)
    before = read_synths(path)
    row = replace(before["a"], title="Changed", settle=2.5)
    write_synth(path, row)
    assert read_synths(path) == {**before, "a": row}
    path.write_text(text)
    remove_synth(path, "a")
    assert read_synths(path) == {"b": before["b"]}


@pytest.mark.parametrize(
    ("text", "right"), [("a", True), ("0-b_c", True), ("", False), ("-a", False), ("A", False), ("a b", False)]
)
def test_ids(text: str, right: bool) -> None:
    assert is_synth_id(text) is right


@given(OWN)
def test_a_table_is_shown_as_it_is_written(tmp_path_factory: pytest.TempPathFactory, row: Synth) -> None:
    path = tmp_path_factory.getbasetemp() / "shown.toml"
    path.unlink(missing_ok=True)
    write_synth(path, row)
    assert path.read_text(encoding="utf-8").strip("\n") == entry_text(row).strip("\n")
