"""The house: who may import what, and what every module owes its readers. Read from the source, nothing is run."""

from __future__ import annotations

import ast
import configparser
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FOLDERS = {
    "synthmatch": ROOT / "synthmatch",
    "synthmatch.presets": ROOT / "presets",
    "synthmatch.renderers": ROOT / "renderers",
    "synthmatch.training": ROOT / "training",
}

# Lowest first; a name stands for itself and whatever is inside it. Arrows point down, or stay on a floor.
FLOORS: dict[str, tuple[tuple[str, ...], ...]] = {
    "synthmatch": (
        ("errors", "closing", "extras", "machine", "words", "_version"),
        ("files", "locking", "notes", "midi", "audio", "phrases"),
        ("sound", "presets"),
        ("networks", "models", "renderers"),
        ("trust",),
        ("library", "batch", "adoption", "sources", "convert"),
        ("matching", "doctor"),
        ("refining", "training"),
        ("pages",),
        ("cli", "commands", "web", "__main__"),
    ),
    # No room that teaches imports the benchmark: whoever edits that leaves the training data as they are.
    "synthmatch.training": (
        ("arrays", "config", "split", "parts"),
        ("recorded",),
        ("mixing",),
        ("scoring",),
        ("learning",),
        ("finetuning",),
        ("benchmark",),
        ("record", "run", "pitch", "evaluate", "freeze"),
    ),
}

# The only modules that may import a foreign library, so that there's one place for its habits.
ONLY: dict[str, set[str]] = {
    "dawdreamer": {"synthmatch.renderers.dawdreamer", "synthmatch.renderers.faust"},
    "dexed": {"synthmatch.renderers.dx7"},
    "mido": {"synthmatch.midi"},
    "soundfile": {"synthmatch.audio"},
    "soxr": {"synthmatch.audio"},
    "annoy": {"synthmatch.library.index"},
    "platformdirs": {"synthmatch.files"},
    "mir_eval": {"synthmatch.training.scoring.transcripts"},
    "onnxruntime": {"synthmatch.training.benchmark.basicpitch"},
    "safetensors": {"synthmatch.networks.checkpoint", "synthmatch.training.learning.statefile"},
    "sqlite3": {"synthmatch.library.schema", "synthmatch.library.soundrows", "synthmatch.locking"},
    "defusedxml": {"synthmatch.presets.formats.safexml"},
    "tqdm": {"synthmatch.commands.framework"},
    "pyloudnorm": {"synthmatch.sound.loudness"},
    "cma": {"synthmatch.refining.evolution"},
    "distributed": {"synthmatch.renderers.cluster"},
    "sklearn": {"synthmatch.web.layout"},
    "starlette": {"synthmatch.web.app", "synthmatch.web.forms", "synthmatch.web.guard"},
    "uvicorn": {"synthmatch.web.serve"},
    "jinja2": {"synthmatch.web.page"},
    "anyio": {"synthmatch.web.app"},
}

NEVER: tuple[tuple[str, str], ...] = (
    ("synthmatch.presets", "torch"),
    ("synthmatch.sound", "torch"),
    ("synthmatch.renderers", "torch"),  # a process that forks must have started no threads
)

LINUX_ONLY = {"fcntl", "resource", "pwd", "grp", "termios", "tty", "pty", "posix", "syslog", "spwd", "curses"}


@dataclass(frozen=True)
class Module:
    """A module of the package, parsed."""

    name: str
    path: Path
    tree: ast.Module


@cache
def modules() -> tuple[Module, ...]:
    found = []
    for package, folder in FOLDERS.items():
        for path in sorted(folder.rglob("*.py")):
            inside = path.relative_to(folder).with_suffix("").parts
            name = ".".join((package, *(part for part in inside if part != "__init__")))
            found.append(Module(name, path, ast.parse(path.read_text(encoding="utf-8"))))
    return tuple(found)


@cache
def names() -> frozenset[str]:
    return frozenset(module.name for module in modules())


def imported(nodes: Iterator[ast.AST]) -> Iterator[str]:
    """Full names of what import statements name; of ours, the module that the name belongs to."""
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: relative imports hide the nested names"
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                yield full if full in names() else str(node.module)


def at_load_time(node: ast.AST) -> Iterator[ast.AST]:
    """What runs when the module is imported: no functions, no `if TYPE_CHECKING`."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
            continue
        yield child
        yield from at_load_time(child)


def within(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")


def floor(name: str, house: str = "synthmatch") -> int:
    """The floor of a house on which one of our modules stands; the house's own surface is at the bottom."""
    if name == house:
        return 0
    part = name.removeprefix(f"{house}.").split(".")[0]
    floors = [number for number, parts in enumerate(FLOORS[house]) if part in parts]
    assert floors, f"{name} has no floor: say in FLOORS where it stands"
    return floors[0]


@pytest.mark.parametrize("house", FLOORS)
def test_arrows_point_down(house: str) -> None:
    wrong = [
        f"{module.name} imports {name}"
        for module in modules()
        if within(module.name, house) and module.name != "synthmatch"  # its names are imported when they are used
        for name in imported(ast.walk(module.tree))
        if within(name, house) and floor(name, house) > floor(module.name, house)
    ]
    assert wrong == []


def test_no_module_waits_for_itself() -> None:
    """Imports at load time make no circle."""
    arrows = {
        module.name: {name for name in imported(at_load_time(module.tree)) if name in names() and name != "synthmatch"}
        for module in modules()
    }
    done: set[str] = set()

    def visit(name: str, path: tuple[str, ...]) -> None:
        assert name not in path, " -> ".join((*path, name))
        if name not in done:
            for other in sorted(arrows[name]):
                visit(other, (*path, name))
            done.add(name)

    for name in arrows:
        visit(name, ())


@pytest.mark.parametrize("library", ONLY)
def test_a_foreign_library_has_one_door(library: str) -> None:
    importers = {
        module.name for module in modules() if any(within(name, library) for name in imported(ast.walk(module.tree)))
    }
    assert importers == ONLY[library]


def test_click_is_for_the_command_line() -> None:
    importers = {module.name for module in modules() if "click" in imported(ast.walk(module.tree))}
    assert all(floor(name) == len(FLOORS["synthmatch"]) - 1 for name in importers), importers


@pytest.mark.parametrize(("importer", "other"), NEVER)
def test_what_is_never_imported(importer: str, other: str) -> None:
    wrong = [
        module.name
        for module in modules()
        if within(module.name, importer) and any(within(name, other) for name in imported(ast.walk(module.tree)))
    ]
    assert wrong == []


def test_the_nested_packages_go_by_their_full_names() -> None:
    bare = {folder.name for folder in FOLDERS.values()} - {"synthmatch"}
    for path in python_files():
        for name in imported(ast.walk(ast.parse(path.read_text(encoding="utf-8")))):
            assert name.split(".")[0] not in bare, f"{path} imports {name}: write synthmatch.{name}"


def test_setup_cfg_lists_the_packages_of_the_tree() -> None:
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    listed = config["options"]["packages"].split()
    tree = {module.name for module in modules() if module.path.name == "__init__.py"}
    assert sorted(listed) == sorted(tree)
    for folder in {module.path.parent for module in modules()}:
        assert (folder / "__init__.py").exists(), f"{folder} holds modules and isn't a package"


def test_nothing_at_load_time_is_only_on_linux() -> None:
    wrong = [
        f"{module.name} imports {name}"
        for module in modules()
        for name in imported(at_load_time(module.tree))
        if name.split(".")[0] in LINUX_ONLY
    ]
    assert wrong == []


def test_a_plugin_host_loads_no_torch() -> None:
    code = "import sys, synthmatch.renderers.worker; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


_OPTION = re.compile(r"(?<![\w-])--[a-z]")
_COMMANDS = "|".join(path.stem for path in (FOLDERS["synthmatch"] / "commands").glob("[a-z]*.py"))
_WHOLE_COMMAND = re.compile(rf"\b(synthmatch ({_COMMANDS})|pip install)\b[^`]*")  # is typed as it stands
_ARGUMENT = re.compile(r"--\S+")  # of a program that is run


def sentences(module: Module) -> Iterator[tuple[int, str]]:
    """Strings that aren't documentation, with their lines; what is filled in stands as "_"."""
    nodes = list(ast.walk(module.tree))
    inside = {
        id(part) for node in nodes if isinstance(node, ast.Expr | ast.JoinedStr) for part in ast.iter_child_nodes(node)
    }
    for node in nodes:
        if isinstance(node, ast.JoinedStr):
            yield (
                node.lineno,
                "".join(str(part.value) if isinstance(part, ast.Constant) else "_" for part in node.values),
            )
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inside:
            yield node.lineno, node.value


def is_command_line(module: Module) -> bool:
    """Whether all that a module says is read by who has typed a command."""
    part = module.name.split(".")[1:2]
    return part in (["cli"], ["commands"], ["__main__"]) or "argparse" in imported(ast.walk(module.tree))


def test_only_the_command_line_speaks_of_options() -> None:
    """The page and Python have none: a sentence names the thing, and ``commands.remedies`` the options for it."""
    wrong = [
        f"{module.name}, line {line}: {text}"
        for module in modules()
        if not is_command_line(module)
        for line, text in sentences(module)
        if _OPTION.search(_WHOLE_COMMAND.sub("", text)) and not _ARGUMENT.fullmatch(text)
    ]
    assert wrong == []


def test_remedies_are_those_that_errors_name() -> None:
    named = {
        keyword.value.value
        for module in modules()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("Error", "Mismatch"))
        for keyword in node.keywords
        if keyword.arg == "remedy" and isinstance(keyword.value, ast.Constant)
    }
    (table,) = (module for module in modules() if module.name == "synthmatch.commands.remedies")
    known = next(node.value for node in table.tree.body if isinstance(node, ast.AnnAssign))
    assert isinstance(known, ast.Dict)
    assert named == {key.value for key in known.keys if isinstance(key, ast.Constant)}


def python_files() -> list[Path]:
    folders = [*FOLDERS.values(), ROOT / "tests", ROOT / "bench", ROOT / "tools"]
    return sorted({path for folder in folders for path in folder.rglob("*.py")})


def test_no_module_is_longer_than_350_lines() -> None:
    lengths = {str(path): len(path.read_text(encoding="utf-8").splitlines()) for path in python_files()}
    assert {path: length for path, length in lengths.items() if length > 350} == {}


def public(module: Module) -> Iterator[tuple[str, ast.AST]]:
    """The module, and its public classes, functions and methods."""
    yield module.name, module.tree
    for node in module.tree.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and not node.name.startswith("_"):
            yield f"{module.name}.{node.name}", node
            for inner in node.body if isinstance(node, ast.ClassDef) else ():
                if isinstance(inner, ast.FunctionDef) and not inner.name.startswith("_"):
                    yield f"{module.name}.{node.name}.{inner.name}", inner


def protocol_methods() -> set[str]:
    """The names of methods that a protocol explains, so that each implementation needn't."""
    return {
        inner.name
        for module in modules()
        for node in module.tree.body
        if isinstance(node, ast.ClassDef) and "Protocol" in map(ast.unparse, node.bases)
        for inner in node.body
        if isinstance(inner, ast.FunctionDef)
    }


def test_everything_public_says_what_it_is() -> None:
    explained = protocol_methods()
    silent = [
        name
        for module in modules()
        for name, node in public(module)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and not ast.get_docstring(node)
        if not (name.count(".") > module.name.count(".") + 1 and name.rpartition(".")[2] in explained)
    ]
    assert silent == []
