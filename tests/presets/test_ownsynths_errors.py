"""synths.toml: what each wrong value is told, and that what can't be understood isn't written over."""

from pathlib import Path

import pytest

from synthmatch.errors import SynthError
from synthmatch.presets.ownsynths import own_synth, read_synths, remove_synth, write_synth


def write(folder: Path, text: str) -> Path:
    path = folder / "synths.toml"
    path.write_text(text, encoding="utf-8")
    return path


GOOD = 'plugin = "/x/a.so"\n'


@pytest.mark.parametrize(
    ("line", "key", "right"),
    [
        ("title = 5", "title", "text between quotes"),
        ("plugin_id = 5", "plugin_id", "the four letters of a VST 2 plugin or the 32 hex digits"),
        ('plugin_id = "abc"', "plugin_id", "the four letters"),
        ('plugin_id = "ΩΩΩΩ"', "plugin_id", "the four letters"),
        (f'plugin_id = "{"g" * 32}"', "plugin_id", "the four letters"),
        ("plugin_version = 1.5", "plugin_version", "a whole number"),
        ("plugin_version = true", "plugin_version", "a whole number"),
        ("plugin_version = 2147483648", "plugin_version", "a whole number below 2147483648"),
        ('presets = "/x"', "presets", "a list of folders or files"),
        ("presets = [1]", "presets", "a list of folders or files"),
        ('presets = ["a\\u0000"]', "presets", "a list of folders or files"),
        ('presets = ["~nobody-of-that-name/x"]', "presets", "a list of folders or files, without the home of"),
        ("settle = -1", "settle", "a number of seconds, 0 to 3600"),
        ("settle = nan", "settle", "a number of seconds"),
        ("settle = inf", "settle", "a number of seconds"),
        ("settle = true", "settle", "a number of seconds"),
        ('settle = "2"', "settle", "a number of seconds"),
        ('isolation = "thread"', "isolation", "one of 'nothing', 'fork', 'new instance', 'new process'"),
        ("isolation = []", "isolation", "one of 'nothing'"),
        ("random_state = 1", "random_state", "text between quotes"),
        ("one_processor = 1", "one_processor", "true or false"),
        ('repeatable = "yes"', "repeatable", "true or false"),
        ("effects_off = 0", "effects_off", "a table of parameters and values from 0 to 1"),
        ("effects_off = { Mix = 2 }", "effects_off", "a table of parameters and values from 0 to 1"),
        ("effects_off = { Mix = true }", "effects_off", "a table of parameters and values from 0 to 1"),
        ("effects_off = { Mix = nan }", "effects_off", "a table of parameters and values from 0 to 1"),
        ('parameters = ["Mix"]', "parameters", "a table of parameters and values from 0 to 1"),
        ("parameters = [[1, 0.5]]", "parameters", "a table of parameters and values from 0 to 1"),
        ("parameters = { Mix = '0' }", "parameters", "a table of parameters and values from 0 to 1"),
    ],
)
def test_a_wrong_value_is_named_with_what_is_right(tmp_path: Path, line: str, key: str, right: str) -> None:
    path = write(tmp_path, f"[diva]\n{GOOD}{line}\n")
    with pytest.raises(SynthError) as caught:
        read_synths(path)
    sentence = str(caught.value)
    assert sentence.startswith(f"{path}, [diva]: {key} must be {right}")
    assert "\n" not in sentence
    with pytest.raises(SynthError, match=f"{key} must be"):  # and what can't be understood isn't written over
        write_synth(path, own_synth("other", "Other", {"plugin": "/o.so"}))
    assert "other" not in path.read_text()


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("[diva]\n", "[diva] names no plugin; add the line plugin ="),
        ('[diva]\nplugin = ""\n', "[diva] names no plugin"),
        ("[diva]\nplugin = 5\n", "[diva]: plugin must be text between quotes"),
        ('[diva]\nplugin = "/a\\u0000"\n', "[diva]: plugin must be text between quotes"),
        (f"[diva]\n{GOOD}colour = 1\n", "[diva]: colour means nothing; choose from title, plugin, plugin_id,"),
        ("diva = 5\n", "'diva' isn't a synth's table"),
        (f"[[diva]]\n{GOOD}", "'diva' isn't a synth's table"),
        (f"[Diva]\n{GOOD}", "'Diva' isn't a synth's table; write [name] in small letters, digits and dashes"),
        (f'["a b"]\n{GOOD}', "'a b' isn't a synth's table"),
        ("[diva\n", "can't be read"),
        (f"[diva]\n{GOOD}{GOOD}", "can't be read"),
        ("a = " + "[" * 5000 + "]" * 5000, "can't be read"),
    ],
)
def test_a_table_that_says_something_else_is_named(tmp_path: Path, text: str, right: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(SynthError) as caught:
        read_synths(path)
    assert str(caught.value).startswith(str(path))
    assert right in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_no_text_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "synths.toml"
    path.write_bytes(b"\xff\xfe[a]")
    with pytest.raises(SynthError, match=r"can't be read .* mend it"):
        write_synth(path, own_synth("a", "A", {"plugin": "/a.so"}))
    with pytest.raises(SynthError, match=r"can't be read .* mend it"):
        remove_synth(path, "a")
    assert path.read_bytes() == b"\xff\xfe[a]"


def test_names_that_are_no_text_are_not_written(tmp_path: Path) -> None:
    path = tmp_path / "synths.toml"
    row = own_synth("a", "A", {"plugin": "/a.so", "banks": (Path("/x/\udcff"),)})
    with pytest.raises(SynthError, match=r"can't hold that synth .* in plain text"):
        write_synth(path, row)
    assert not path.exists()
