"""The words are true: commands, options, links, settings and figures in the documentation exist in the code."""

from __future__ import annotations

import ast
import configparser
import csv
import doctest
import importlib
import re
import shlex
from collections import Counter
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import click
import pytest

import synthmatch
from synthmatch.commands.commandline import cli
from synthmatch.library import index, listing
from synthmatch.matching import listening
from synthmatch.networks.encoder import EncoderConfig
from synthmatch.networks.transcriber import Transcriber
from synthmatch.notes import REFERENCE_NOTES
from synthmatch.sound.descriptors import DESCRIPTORS
from synthmatch.training.benchmark.suites import CANDIDATES, CORE
from synthmatch.training.config import Degradations, Recipe
from synthmatch.training.evaluate import SUITES
from synthmatch.training.split import LABELS, frozen

ROOT = Path(__file__).parent.parent
CARD = ROOT / "synthmatch" / "models" / "README.md"
PAGES = (*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md")), CARD)
SOURCES = ("synthmatch", "presets", "renderers", "training")

REFERENCE = REFERENCE_NOTES[0]

# Programs that our pages may tell a reader to run, beside those that are checked here.
OF_THE_SYSTEM = {"apt-get", "cd", "dask", "pip", "source", "torchrun"}

every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())


@cache
def text(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text(page), re.MULTILINE | re.DOTALL)


def prose(page: Path) -> str:
    """The page without its fenced blocks."""
    return re.sub(r"^```.*?^```$", "", text(page), flags=re.MULTILINE | re.DOTALL)


def command_lines(page: Path) -> list[list[str]]:
    """What a page tells to type, word by word."""
    shown = "".join(blocks(page, "console")).replace("\\\n", " ")
    return [shlex.split(line[2:]) for line in shown.splitlines() if line.startswith("$ ")]


def mentioned(page: Path) -> list[list[str]]:
    """Command lines in the midst of sentences, word by word."""
    return [line.split() for line in re.findall(r"`(synthmatch [a-z][^`]*)`", prose(page))]


def planned(page: Path) -> str:
    """The section about what isn't there yet."""
    return text(page).partition("\n## Planned\n")[2]


def descend(words: list[str]) -> tuple[click.Command, list[str]]:
    """The command that a line names, and the rest of the line."""
    assert words[0] == "synthmatch"
    command: click.Command = cli
    rest = words[1:]
    while isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
        assert rest[0] in command.commands, f"there's no command {rest[0]} in: {' '.join(words)}"
        command = command.commands[rest[0]]
        rest = rest[1:]
    return command, rest


def options(command: click.Command) -> set[str]:
    with click.Context(command, help_option_names=["-h", "--help"]) as context:
        return {name for parameter in command.get_params(context) for name in parameter.opts}


def check_synthmatch(words: list[str]) -> None:
    command, rest = descend(words)
    if rest and set(rest) <= {"--help", "-h", "--version"}:
        return
    command.make_context(command.name or "synthmatch", list(rest))  # a usage error here is the reader's


def check_make(words: list[str]) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    variables = set(re.findall(r"^([A-Z]+) [?:]?=", makefile, re.MULTILINE))
    for word in words[1:]:
        name, equals, _ = word.partition("=")
        assert name in (variables if equals else targets), f"make knows no {name}"


def check_python(words: list[str]) -> None:
    assert words[1] == "-m", f"only modules are run: {' '.join(words)}"
    assert find_spec(words[2]) is not None, f"there's no module {words[2]}"


CHECKS = {"synthmatch": check_synthmatch, "make": check_make, "python": check_python, "python3": check_python}


@every_page
def test_every_command_line_can_be_typed(page: Path) -> None:
    for words in command_lines(page):
        program = Path(words[0]).name
        if program not in OF_THE_SYSTEM:
            assert program in CHECKS, f"nothing checks {words[0]}"
            CHECKS[program]([program, *words[1:]])


@every_page
def test_every_command_and_option_in_a_sentence_is_there(page: Path) -> None:
    later = planned(page)
    for words in mentioned(page):
        if " ".join(words) in later:
            continue
        command, rest = descend(words)
        for word in rest:
            assert not word.startswith("-") or word in options(command), f"no option {word} in: {' '.join(words)}"


def test_what_is_planned_is_not_there_yet() -> None:
    later = planned(ROOT / "docs" / "architecture.md")
    assert later  # else this test, and the one above, would read nothing
    assert set(re.findall(r"`synthmatch ([a-z]+)`", later)) & set(cli.commands) == set()


def test_the_readme_shows_every_command() -> None:
    shown = {tuple(words[1:2]) for words in (*command_lines(ROOT / "README.md"), *mentioned(ROOT / "README.md"))}
    assert {(name,) for name in cli.commands} <= shown


def test_a_wrong_command_line_would_be_noticed() -> None:
    with pytest.raises(click.UsageError):
        check_synthmatch(["synthmatch", "match", "song.mp3", "--loud"])
    with pytest.raises(click.UsageError):
        check_synthmatch(["synthmatch", "match", "--json"])
    with pytest.raises(AssertionError, match="no command fly"):
        check_synthmatch(["synthmatch", "library", "fly"])
    with pytest.raises(AssertionError, match="make knows no coffee"):
        check_make(["make", "coffee"])


def anchors(page: Path) -> set[str]:
    """What links may point to within a page: its headings, as GitHub names them."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def links(page: Path) -> Iterator[str]:
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if not re.match(r"[a-z]+:", target):
            yield target


@every_page
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in links(page):
        name, _, anchor = link.partition("#")
        target = (page.parent / name) if name else page
        assert target.exists(), f"{link} leads nowhere"
        assert not anchor or anchor in anchors(target), f"{name or page.name} has no heading #{anchor}"


def chain(node: ast.expr) -> tuple[str, ...]:
    """The names of ``a.b.c``; empty for anything else."""
    if isinstance(node, ast.Name):
        return (node.id,)
    inner = chain(node.value) if isinstance(node, ast.Attribute) else ()
    return (*inner, node.attr) if inner and isinstance(node, ast.Attribute) else ()


@every_page
def test_python_in_pages_compiles_and_names_what_is_exported(page: Path) -> None:
    for block in blocks(page, "python"):
        tree = ast.parse(block)
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                assert [alias.name for alias in node.names] == ["synthmatch"]
                assert node.names[0].asname == "sm"
            assert not isinstance(node, ast.ImportFrom), "examples import synthmatch as sm"
            if isinstance(node, ast.Attribute) and (names := chain(node))[:1] == ("sm",):
                assert names[1] in synthmatch.__all__
                thing = synthmatch
                for name in names[1:]:
                    thing = getattr(thing, name)


def test_the_readme_has_a_python_example() -> None:
    assert "sm.Matcher" in "".join(blocks(ROOT / "README.md", "python"))


def modules_with_examples() -> list[str]:
    found = []
    for folder in SOURCES:
        for path in sorted((ROOT / folder).rglob("*.py")):
            if ">>>" in path.read_text(encoding="utf-8"):
                parts = path.relative_to(ROOT).with_suffix("").parts
                parts = parts[:-1] if parts[-1] == "__init__" else parts
                found.append(".".join(parts if folder == "synthmatch" else ("synthmatch", *parts)))
    return found


@pytest.mark.parametrize("name", modules_with_examples())
def test_docstring_examples_come_out_as_written(name: str) -> None:
    result = doctest.testmod(importlib.import_module(name))
    assert result.failed == 0


def tables(page: Path) -> list[list[list[str]]]:
    """Every table of a page: rows of cells, without the line below the headings."""
    found = re.findall(r"(?:^\|.*\|\n)+", text(page), re.MULTILINE)
    rows = [[line.strip("| ").split("|") for line in table.splitlines()] for table in found]
    return [[[cell.strip() for cell in row] for at, row in enumerate(table) if at != 1] for table in rows]


def table_of(page: str, *headings: str) -> list[list[str]]:
    """The rows below some headings, of the first table that has them."""
    return next(table[1:] for table in tables(ROOT / "docs" / page) if tuple(table[0]) == headings)


@pytest.mark.parametrize(("kind", "number"), [(Recipe, 0), (EncoderConfig, 1), (Degradations, 2)])
def test_every_setting_is_explained_with_its_default(
    kind: type[Recipe | EncoderConfig | Degradations], number: int
) -> None:
    page = ROOT / "docs" / "training.md"
    rows = [table[1:] for table in tables(page) if table[0][0] == "setting"][number]
    documented = {row[0].strip("`"): row[1] for row in rows}
    values = {each.name: getattr(kind(), each.name) for each in fields(kind)}
    values = {name: value for name, value in values.items() if not is_dataclass(value)}  # those have their own table
    assert documented.keys() == values.keys()
    for name, value in values.items():
        shown = ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
        assert documented[name] == ("all twelve" if name == "families" else shown)
    assert len(EncoderConfig().families) == 12


def test_the_frozen_labels_are_as_many_as_training_says() -> None:
    sources = ("field", "name", "folder", "sound", "none")
    counts = Counter((label.synth, label.source or "none") for label in frozen().values())
    told = {
        (row[0], source): int(count)
        for row in table_of("training.md", "synth", *sources)
        for source, count in zip(sources, row[1:], strict=True)
    }
    assert {key: count for key, count in told.items() if count} == counts
    with LABELS.open(encoding="utf-8") as file:
        assert sum(told.values()) == sum(1 for _ in csv.DictReader(file, delimiter="\t"))


def test_the_presets_asked_for_are_as_many_as_evaluation_says() -> None:
    asked = Counter(label.family for label in frozen().values() if label.side == "test" and label.stated)
    told = {family: int(count) for family, count in table_of("evaluation.md", "family", "presets")}
    assert told == {family: asked[family] for family in CORE}


def test_every_suite_and_its_candidates_are_explained() -> None:
    table = table_of("evaluation.md", "suite", "the query", "family", "candidates")
    rows = {row[0].strip("`"): row[3] for row in table}
    assert tuple(rows) == SUITES
    assert rows["mixture"] == ", ".join(f"{count} {family}" for family, count in CANDIDATES.items())


def test_the_words_for_sounds_begin_where_choosing_says() -> None:
    told = {word: (measure, limit) for word, measure, limit in table_of("choosing.md", "word", "measure", "from")}
    there = {
        each.word: (each.measure, f"at most {each.most:g}" if each.least is None else f"at least {each.least:g}")
        for each in DESCRIPTORS
    }
    assert told == there


def test_the_licence_of_every_requirement_is_named() -> None:
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    required = "\n".join([config["options"]["install_requires"], *config["options.extras_require"].values()])
    names = {re.split(r"[ <>=!~]", line)[0].lower() for line in required.split("\n") if line}
    page = ROOT / "docs" / "licences.md"
    told = {row[0] for table in tables(page) if table[0][:2] == ["package", "licence"] for row in table[1:]}
    assert told == names


def test_architecture_names_every_module_and_no_other() -> None:
    (tree,) = (each for each in re.findall(r"^```\n(.*?)^```$", text(ROOT / "docs" / "architecture.md"), re.M | re.S)
               if each.startswith("synthmatch/"))  # fmt: skip
    told = set(re.findall(r"\b[a-z0-9]+\.py\b", tree))
    there = {path.name for folder in SOURCES for path in (ROOT / folder).rglob("*.py") if "_" not in path.name}
    commands = {path.name for path in (ROOT / "synthmatch" / "commands").glob("*.py")}  # one per stage: not listed
    assert there - commands <= told
    assert told <= there


@pytest.mark.parametrize(
    ("sentence", "values"),
    [
        (r"in windows of (\d+) s every (\d+) s", (listening.WINDOW, listening.STEP)),
        (r"if its presence reaches ([\d.]+)", (listening.PRESENT,)),
        (r"probability from its own notes is above ([\d.]+)", (listing.LISTED_ABOVE,)),
        (r"Up to ([\d,]+) vectors", (index.EXACT,)),
        (r"held for ([\d.]+) s, with ([\d.]+) s of tail", (REFERENCE.notes[0].duration, REFERENCE.tail)),
    ],
)
def test_numbers_in_architecture_are_those_of_the_code(sentence: str, values: tuple[float, ...]) -> None:
    found = re.search(sentence, " ".join(text(ROOT / "docs" / "architecture.md").split()))
    assert found, f"no sentence like: {sentence}"
    assert tuple(float(number.replace(",", "")) for number in found.groups()) == values


def test_the_shares_in_phrases_are_the_released_transcribers() -> None:
    told = " ".join(text(ROOT / "docs" / "phrases.md").split())
    found = re.search(r"at least ([\d.]+) times .* of the surest beginning .* at least ([\d.]+) times as sure", told)
    assert found
    config = Transcriber.released().config
    assert tuple(map(float, found.groups())) == (config.surest, config.fading)


@every_page
def test_every_file_of_code_that_a_page_names_is_there(page: Path) -> None:
    folders = "synthmatch|training|renderers|presets|bench|tests|tools"
    for path in re.findall(rf"`((?:{folders})/[\w./-]+\.\w+)`", prose(page)):
        assert (ROOT / path).exists(), f"{path} isn't there"


def test_the_changelog_has_this_version() -> None:
    released = re.escape(synthmatch.__version__)
    assert re.search(rf"^## \[{released}\]|^What will be {released}", text(ROOT / "CHANGELOG.md"), re.MULTILINE)


@every_page
def test_pages_tell_nothing_of_the_machine_they_were_written_on(page: Path) -> None:
    assert not re.search(r"/work\b|/root\b|/tmp\b", text(page))
