"""Sources as texts: what is kept of them, and how two are shown to differ."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from mandala_cas.versions.compatibility import only_has_new_arguments
from mandala_cas.versions.source import Source, source_hash
from mandala_cas.versions.texts import TEXT_SIZE_MAX, SourceText, difference, read_source_text


def indented() -> Callable[[int], int]:
    """Return a function that is defined inside another."""

    def function(x: int) -> int:
        # Comments are for people, and so is the text.
        return x + 1

    return function


def of_number(number: int) -> int:
    """Return the next one."""
    return number + 1


def of_x(x: int) -> int:
    """Return the next one."""
    return x + 1


def test_the_text_is_as_it_was_written() -> None:
    """But for the indentation that a function has by where it stands."""
    assert Source(indented()).text == (
        "def function(x: int) -> int:\n"
        "    # Comments are for people, and so is the text.\n"
        "    return x + 1\n"
    )


def test_what_has_no_source_has_no_text() -> None:
    """Neither has anything that was made by ``exec``, nor what is not written in Python."""
    names: dict[str, Any] = {}
    exec("def f(): return 1", names)  # noqa: S102 (a function without source)

    assert Source(names["f"]).text is None
    assert Source(len).text is None


def test_a_source_with_other_names_for_its_variables_has_the_hash_of_that_one() -> None:
    """So a parameter that was renamed is no change of what the function does."""
    source = Source(of_number)

    assert source.hash_with({"number": "x"}) == source_hash(of_x) != source.hash
    assert source.hash_with({"other": "x"}) == source.hash
    assert Source(len).hash_with({"number": "x"}) is None


def test_a_text_survives_a_session() -> None:
    """In what msgpack can hold."""
    source = SourceText("train", "def train(): ...", ("x", "y"))

    assert read_source_text(source.to_fields()) == source


@pytest.mark.parametrize(
    "fields",
    [
        None,
        5,
        [],
        {},
        {"op": 1, "text": "", "parameters": []},
        {"op": "f", "text": b"", "parameters": []},
        {"op": "f", "text": "", "parameters": "xy"},
        {"op": "f", "text": "", "parameters": [1]},
    ],
)
def test_what_is_no_source_is_passed_over(fields: object) -> None:
    """Anybody may have written it."""
    assert read_source_text(fields) is None


def test_a_text_that_is_too_long_is_cut() -> None:
    """It is to be shown to people."""
    read = read_source_text({"op": "f", "text": "x" * (TEXT_SIZE_MAX + 1), "parameters": []})

    assert read is not None
    assert len(read.text) == TEXT_SIZE_MAX


def test_a_difference_is_short_and_fit_for_a_terminal() -> None:
    """A hostile text must not move the cursor, and a long one not fill the screen."""
    shown = difference("def f():\n    return 1\n", "def f():\n    return '\x1b[2J'\n")
    long = difference("", "\n".join(map(str, range(1_000))))

    assert "-    return 1\n+    return '\N{REPLACEMENT CHARACTER}[2J'" in shown
    assert len(long.splitlines()) == 101
    assert long.endswith("lines more")


@pytest.mark.parametrize(
    ("old", "new", "added", "renamed", "expected"),
    [
        (["x"], ["x", "n"], {"n"}, {}, True),
        (["x"], ["x", "n", "m"], {"n", "m"}, {}, True),
        (["x", "n"], ["x", "n", "m"], {"n", "m"}, {}, True),
        (["x"], ["x", "n", "m"], {"n"}, {}, False),
        (["x"], ["x"], {"n"}, {}, False),
        (["x", "n"], ["x", "n"], {"n"}, {}, False),
        (["x", "z"], ["x", "n"], {"n"}, {}, False),
        (["z"], ["x", "n"], {"n"}, {"z": "x"}, True),
        (["z"], ["x"], set[str](), {"z": "x"}, False),
    ],
)
def test_code_that_got_new_arguments_goes_on(
    old: list[str],
    new: list[str],
    added: set[str],
    renamed: dict[str, str],
    expected: bool,  # noqa: FBT001 (what is expected)
) -> None:
    """As long as each is declared as new, and none of the others is gone."""
    assert only_has_new_arguments(old, new, added, renamed) is expected
