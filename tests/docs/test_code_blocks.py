"""Every Python block in the documentation runs, and prints what the page says it prints."""

from __future__ import annotations

import contextlib
import doctest
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.unit.codec.own_hooks import own_hooks

ROOT = Path(__file__).parents[2]
BUCKET = "my-bucket"
# Their blocks show bytes and algorithms; tests of their own read those pages.
READ_ELSEWHERE = {"docs/reference/format.md", "docs/reference/hashing.md"}

FENCE = re.compile(r"```(\w*)$")
# A model's accuracy may change with scikit-learn, and a run time with anything.
FRACTION = re.compile(r"\d+\.\d+")


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block; ``first_line`` is that of its text, counted from 1."""

    language: str
    text: str
    first_line: int
    last_line: int


def read_blocks(text: str) -> Iterator[Block]:
    """Yield the fenced blocks of a page."""
    lines = text.splitlines(keepends=True)
    begin: int | None = None
    language = ""
    for number, line in enumerate(lines, 1):
        fence = FENCE.match(line.rstrip())
        if fence is None:
            continue
        if begin is None:
            begin, language = number + 1, fence[1]
        else:
            yield Block(language, "".join(lines[begin - 1 : number - 1]), begin, number)
            begin = None
    assert begin is None, f"the block that begins in line {begin} is not closed"


def steps(text: str) -> Iterator[tuple[Block, str]]:
    """Yield each Python block with what it must print: the ``text`` block behind it, if any."""
    lines = text.splitlines()
    blocks = list(read_blocks(text))
    for position, block in enumerate(blocks):
        if block.language != "python":
            continue
        shown = ""
        following = blocks[position + 1] if position + 1 < len(blocks) else None
        if following is not None and following.language == "text":
            between = lines[block.last_line : following.first_line - 2]
            shown = "" if any(between) else following.text
        yield block, shown


def run_page(path: Path, text: str) -> Iterator[tuple[str, str, str]]:
    """Run a page's Python blocks in order; yield where each is, its output, and the expected."""
    namespace: dict[str, Any] = {"__name__": "__main__"}
    for block, shown in steps(text):
        # On its own lines of its own file, where tracebacks and `inspect` look for it.
        source = "\n" * (block.first_line - 1) + block.text
        code = compile(source, str(path), "exec", dont_inherit=True)
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(code, namespace)  # noqa: S102 (the documentation's own code)
        yield f"{path}:{block.first_line}", printed.getvalue(), shown


def is_as_shown(printed: str, shown: str) -> bool:
    """Compare, blind to fractions, to spacing, and to what ``...`` stands for."""
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    printed, shown = (FRACTION.sub("0.0", text) for text in (printed, shown))
    return doctest.OutputChecker().check_output(shown, printed, flags)


def pages() -> list[str]:
    """Return the pages with Python blocks."""
    paths = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    names = [path.relative_to(ROOT).as_posix() for path in paths]
    return [
        name
        for name, path in zip(names, paths, strict=True)
        if name not in READ_ELSEWHERE and any(steps(path.read_text("utf-8")))
    ]


@pytest.fixture
def reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """Yield the environment of somebody who reads a page for the first time."""
    home = tmp_path / "home"
    (tmp_path / "folder").mkdir()
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / ".config"))
    monkeypatch.chdir(tmp_path / "folder")
    with own_hooks():
        yield monkeypatch


@pytest.mark.parametrize("name", pages())
def test_the_code_of_a_page_does_what_the_page_says(
    name: str, reader: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    """People type what they read; where it differs, they cannot know who is wrong."""
    path = ROOT / name
    text = path.read_text("utf-8")
    if f"s3://{BUCKET}" in text:
        server = request.getfixturevalue("s3_server")
        server.make_bucket(BUCKET)
        for variable, value in server.environment.items():
            reader.setenv(variable, value)

    for where, printed, shown in run_page(path, text):
        assert is_as_shown(printed, shown), f"{where} printed:\n{printed}\nthe page has:\n{shown}"


def test_the_tutorial_and_the_recipes_have_code() -> None:
    """A reader of blocks that finds none would let everything pass."""
    assert {
        "README.md",
        "docs/tutorials/first-pipeline.md",
        "docs/how-to/add-an-argument-without-losing-results.md",
        "docs/how-to/use-a-bucket.md",
    } <= set(pages())


def test_output_belongs_to_the_block_right_above_it() -> None:
    """Text further down is an example of something else."""
    page = (
        "```python\nprint(1)\n```\n\n```text\n1\n```\n\n```python\n2\n```\nso:\n```text\n2\n```\n"
    )

    found = [(block.text, shown) for block, shown in steps(page)]

    assert found == [("print(1)\n", "1\n"), ("2\n", "")]


def test_an_open_block_is_noticed() -> None:
    """Everything behind it would be read inside out."""
    with pytest.raises(AssertionError, match="line 3 is not closed"):
        list(read_blocks("text\n```python\nprint(1)\n"))


@pytest.mark.parametrize(
    ("printed", "shown", "same"),
    [
        ("AtomRef(0.91, hid=8f5...)", "AtomRef(0.88, hid=8f5...)", True),
        ("AtomRef(0.91, hid=8f5...)", "AtomRef(0.91, hid=8f6...)", False),
        ("3 calls", "4 calls", False),
        ("a   b\n", "a b\n", True),
        ("Training ...\n", "", False),
    ],
)
def test_only_fractions_and_spacing_may_differ(printed: str, shown: str, *, same: bool) -> None:
    """Counts and ids are the same everywhere; accuracies need not be."""
    result = is_as_shown(printed, shown)

    assert result is same
