"""Limits on sizes, and words that have no place here.

A limit is a ratchet: an exception is a line with a reason, and its number may only fall.
"""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "mandala_cas"

MODULE_LINES_MAX = 400
# A contract of many clauses is one subject still.
TEST_LINES_MAX = 500
FUNCTION_LINES_MAX = 60
CLASS_METHODS_MAX = 25

# "path" or "path::Class.function" -> (size, reason).
MODULE_EXCEPTIONS: dict[str, tuple[int, str]] = {}
FUNCTION_EXCEPTIONS: dict[str, tuple[int, str]] = {}
CLASS_EXCEPTIONS: dict[str, tuple[int, str]] = {}

# Package -> why it states no invariant.
INVARIANT_EXCEPTIONS: dict[str, str] = {
    "cli": "the layers say it all: it is the top, and nothing may rest on it",
    "testing": "a kit of independent parts; each suite is the statement of its contract",
}

TEXT_SUFFIXES = {".cfg", ".ini", ".md", ".py", ".sh", ".toml", ".typed", ".yaml", ".yml"}
TEXT_FILES = [".ci/run", ".gitignore", "LICENSE"]
TREES = ["src", "tests", "benchmarks", "docs", "changelog.d"]
# What tools make, beside everything whose name begins with a dot.
MADE = {"__pycache__", "build", "dist", "results", "site"}
# Put together here, so that this file does not hold them.
BANNED = {
    "FIX" + "ME": "do it, or write an issue and name it in a TO" + "DO(#123)",
    "XX" + "X": "say what is wrong, in a sentence",
    "/" + "work/": "a path of one machine; make it relative, or a parameter",
}
TODO_WITHOUT_ISSUE = re.compile(r"\bTO" + r"DO\b(?!\(#\d+\))")


def text_files() -> list[Path]:
    """Return every file that people write, without what tools made of them."""
    found = [path for path in ROOT.iterdir() if path.suffix in TEXT_SUFFIXES]
    for tree in TREES:
        # Pruned, not filtered: an environment below has more files than all of this.
        for folder, names, files in os.walk(ROOT / tree):
            names[:] = [name for name in names if name not in MADE and not name.startswith(".")]
            found += [Path(folder, name) for name in files if Path(name).suffix in TEXT_SUFFIXES]
    return sorted([*found, *(ROOT / name for name in TEXT_FILES)])


def modules() -> list[Path]:
    """Return every Python file."""
    return [path for path in text_files() if path.suffix == ".py"]


def name_of(path: Path) -> str:
    """Return how the tables above and messages name a file."""
    return path.relative_to(ROOT).as_posix()


def body_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Return how many lines a body takes, its docstring apart."""
    body = function.body[1:] if ast.get_docstring(function) else function.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


def definitions(
    node: ast.AST, prefix: str = ""
) -> Iterator[tuple[str, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef]]:
    """Yield classes and functions with their qualified names, nested ones included."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield prefix + child.name, child
            yield from definitions(child, f"{prefix}{child.name}.")
        else:
            yield from definitions(child, prefix)


def method_count(node: ast.ClassDef) -> int:
    """Return how many methods a class has; overloads of one count once.

    Tests do not count: a suite has as many as its contract has clauses.
    """
    names = {
        child.name
        for child in node.body
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef)
        and not child.name.startswith("test_")
    }
    return len(names)


def sizes() -> Iterator[tuple[str, str, int]]:
    """Yield what is limited: its kind, its name, its size."""
    for path in modules():
        text = path.read_text("utf-8")
        is_tests = path.is_relative_to(ROOT / "tests") or path.is_relative_to(PACKAGE / "testing")
        yield "tests" if is_tests else "module", name_of(path), text.count("\n")
        for name, node in definitions(ast.parse(text)):
            place = f"{name_of(path)}::{name}"
            if isinstance(node, ast.ClassDef):
                yield "class", place, method_count(node)
            else:
                yield "function", place, body_lines(node)


LIMITS = {
    "module": (MODULE_LINES_MAX, "lines", MODULE_EXCEPTIONS, "split it by what changes together"),
    "tests": (TEST_LINES_MAX, "lines", MODULE_EXCEPTIONS, "split it by what is tested"),
    "function": (FUNCTION_LINES_MAX, "lines", FUNCTION_EXCEPTIONS, "name a part of it"),
    "class": (CLASS_METHODS_MAX, "methods", CLASS_EXCEPTIONS, "it has a second job; find it"),
}


def test_nothing_grows_beyond_its_limit() -> None:
    """What is too large to read at once is not read."""
    too_large = []
    for kind, name, size in sizes():
        limit, unit, exceptions, advice = LIMITS[kind]
        limit = exceptions.get(name, (limit, ""))[0]
        if size > limit:
            too_large.append(f"{name} has {size} {unit}, the limit is {limit}: {advice}")

    assert too_large == []


def test_exceptions_only_shrink() -> None:
    """A number that is larger than needed would let the thing grow again."""
    found = {name: size for _, name, size in sizes()}
    loose = [
        f"{name}: the exception says {size}, it has {found.get(name, 0)}"
        for _, _, exceptions, _ in LIMITS.values()
        for name, (size, reason) in exceptions.items()
        if not reason or found.get(name, 0) != size
    ]

    assert loose == []


def test_every_module_says_what_it_is() -> None:
    """One sentence first; ruff checks that it is one."""
    silent = [
        name_of(path)
        for path in modules()
        if not ast.get_docstring(ast.parse(path.read_text("utf-8")))
    ]

    assert silent == []


@pytest.mark.parametrize(
    "path",
    sorted([*PACKAGE.glob("*/__init__.py"), *PACKAGE.glob("upkeep/*/__init__.py")]),
    ids=name_of,
)
def test_every_package_states_its_invariant(path: Path) -> None:
    """What must stay true is written where those look who could break it."""
    docstring = ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""
    excused = path.parent.name in INVARIANT_EXCEPTIONS

    states = "Architecture invariant:" in docstring

    assert states or excused, f"{name_of(path)}: add what must stay true"
    assert not (states and excused), f"{path.parent.name}: take it out of the exceptions"


def test_nothing_unfinished_and_nothing_of_one_machine() -> None:
    """A mark that nobody follows up, and a path that nobody else has."""
    found = []
    for path in text_files():
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
            found += [
                f"{name_of(path)}:{number}: {word}: {advice}"
                for word, advice in BANNED.items()
                if word in line
            ]
            if TODO_WITHOUT_ISSUE.search(line):
                found.append(f"{name_of(path)}:{number}: name the issue that it waits for")

    assert found == []


def test_the_walk_finds_what_it_is_for() -> None:
    """A walk over nothing would let everything pass."""
    names = {name_of(path) for path in text_files()}

    assert {
        ".ci/run",
        "README.md",
        "benchmarks/README.md",
        "docs/index.md",
        "mkdocs.yml",
        "pyproject.toml",
        "src/mandala_cas/errors.py",
        "tests/architecture/test_tidy.py",
        "tox.ini",
    } <= names


def test_sizes_are_counted_as_described() -> None:
    """A docstring is free, overloads count once, nested functions are part of their body."""
    source = (
        "class A:\n"
        "    def f(self):\n"
        '        """Do.\n\n        Long.\n        """\n'
        "        def g():\n"
        "            return 1\n"
        "        return g\n"
        "    def f(self): ...\n"
        "    def test_f(self): ...\n"
    )
    tree = ast.parse(source)

    found = {name: node for name, node in definitions(tree) if name != "A"}
    (class_node,) = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    first = class_node.body[0]

    assert set(found) == {"A.f", "A.f.g", "A.test_f"}
    assert method_count(class_node) == 1
    assert isinstance(first, ast.FunctionDef)
    assert body_lines(first) == 3
