"""Content ids of plain values: equal for what is the same, and for nothing else."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from tests.unit.codec.plain_strategies import is_same, rebuilt, values
from tests.unit.codec.process_values import VALUES

from mandala_cas.codec import encoder
from mandala_cas.codec.canonical import canonical_encoding, content_id
from mandala_cas.codec.encoder import DEPTH_MAX, FOLD_MAX
from mandala_cas.errors import UsageError


def nested(levels: int) -> Any:
    """Return lists within lists."""
    value: list[Any] = []
    for _ in range(levels - 1):
        value = [value]
    return value


@given(values)
def test_a_value_that_is_built_again_has_the_same_id(value: Any) -> None:
    """Whatever the order of dicts and sets, and whatever its parts share."""
    assert content_id(rebuilt(value)) == content_id(value)


@given(values, values)
@example(1, True)
@example([[1], 2], [1, [2]])
@example({"a": 1}, {"a": True})
@example({1, 2}, frozenset({1, 2}))
def test_ids_are_equal_exactly_for_values_that_are_the_same(one: Any, other: Any) -> None:
    """A false hit would be a wrong result; a false miss, work done twice."""
    assert (content_id(one) == content_id(other)) == is_same(one, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ([1, 2], [1, 2, None]),
        (["ab", "c"], ["a", "bc"]),
        ([b"ab", b"c"], [b"a", b"bc"]),
        ({"a": "b"}, {"b": "a"}),
        ({"a": ["b"]}, {"a": "b"}),
        ([[], []], [[[]]]),
        (["a" * FOLD_MAX], ["a" * (FOLD_MAX + 1)]),
        ([["a" * 2000], 1], [["a" * 2001], 1]),
        ("a" * 65536, "a" * 65535 + "b"),
        (bytes(65536), bytearray(65536)),
        ({"a": 1, "b": 2}, {"a": 2, "b": 1}),
        ([{"a": 1}, {"b": 2}], [{"b": 2}, {"a": 1}]),
    ],
)
def test_near_misses_differ(one: Any, other: Any) -> None:
    """At the borders between elements, and at those where encodings are folded."""
    assert content_id(one) != content_id(other)


def test_numbers_that_are_equal_to_python_differ() -> None:
    """An op may do one thing with an int, and another with a bool."""
    kinds: list[Any] = [1, 1.0, True, "1", b"1", bytearray(b"1"), complex(1), [1], (1,), {1}]

    assert len({content_id(kind) for kind in kinds}) == len(kinds)


def test_all_nans_are_one() -> None:
    """They cannot be told apart in Python, either."""
    nans = [float("nan"), -float("nan"), float("inf") - float("inf")]

    assert len({content_id(nan) for nan in nans}) == 1
    assert len({content_id([complex(nan, -nan)]) for nan in nans}) == 1


@pytest.mark.parametrize("fill", ["", "x" * 2000])
def test_a_value_that_contains_itself_has_an_id(fill: str) -> None:
    """Parents that know their children know their parents."""

    def family() -> dict[str, Any]:
        parent: dict[str, Any] = {"fill": fill}
        parent["child"] = {"fill": fill, "parent": parent}
        return parent

    def other_family() -> dict[str, Any]:
        parent = family()
        parent["child"]["parent"] = parent["child"]
        return parent

    assert content_id(family()) == content_id(family())
    assert content_id(family()) != content_id(family()["child"])
    assert content_id(family()) != content_id(other_family())


def test_a_cycle_is_encoded_as_the_page_says() -> None:
    """One level up is one; a dict and a tuple are levels as well."""
    value: list[Any] = []
    value.append({"a": (value,)})

    assert canonical_encoding(value).endswith(b"^" + (3).to_bytes(8, "little"))


def test_the_order_of_a_dict_does_not_count_in_cycles() -> None:
    """What was met first is remembered, but only where that does not show."""

    def knot(order: tuple[str, ...]) -> dict[str, Any]:
        # Large enough to be remembered, and not by what is folded within.
        fill = {str(n): n for n in range(100)}
        parts: dict[str, dict[str, Any]] = {name: dict(fill, name=name) for name in "abc"}
        parts["a"]["next"], parts["b"]["next"] = parts["b"], parts["a"]
        parts["c"]["next"], parts["a"]["other"] = parts["a"], parts["c"]
        return {name: parts[name] for name in order}

    assert len({content_id(knot(order)) for order in itertools.permutations("abc")}) == 1


def test_shared_parts_are_encoded_once() -> None:
    """Otherwise this value would take as long as 2**100 of its parts."""
    value: Any = "leaf"
    other: Any = "leaf"
    for _ in range(100):
        value, other = [value, value], [other, other]

    assert content_id(value) == content_id(other)
    assert content_id([value]) != content_id([value[0]])


def test_sharing_does_not_count() -> None:
    """Two references to a list and two equal lists are the same content."""
    part = ["x" * 2000]

    assert content_id([part, part]) == content_id([["x" * 2000], ["x" * 2000]])


@pytest.mark.parametrize("levels", [DEPTH_MAX + 1, 5000])
def test_deep_nesting_is_an_error_that_says_so(levels: int) -> None:
    """Not a RecursionError, which says nothing about the value."""
    with pytest.raises(UsageError, match="nested more than 200 levels"):
        content_id(nested(levels))


def test_what_is_just_deep_enough_has_an_id() -> None:
    """The limit is the one that the page names."""
    assert content_id(nested(DEPTH_MAX)) == content_id(nested(DEPTH_MAX))


def test_a_stack_that_is_nearly_used_up_is_an_error_that_says_so() -> None:
    """Also where the user's own functions took most of it."""

    def deep_in(levels: int) -> None:
        if levels == 0:
            content_id(nested(DEPTH_MAX))
            return
        deep_in(levels - 1)

    with pytest.raises(UsageError, match="flat form"):
        deep_in(sys.getrecursionlimit() - 250)


def test_parts_that_all_know_each_other_are_an_error_that_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Following all ways through such a knot would take for ever."""
    monkeypatch.setattr(encoder, "_REVISITS_MAX", 1000)
    parts: list[dict[str, Any]] = [{"name": n} for n in range(14)]
    for part in parts:
        part["others"] = [other for other in parts if other is not part]

    with pytest.raises(UsageError, match="without cycles"):
        content_id(parts)


SCRIPT = """
import sys
sys.path.insert(0, sys.argv[1])
from tests.unit.codec.process_values import VALUES
from mandala_cas.codec.canonical import content_id
for make in VALUES.values():
    print(content_id(make()))
"""


def test_processes_agree() -> None:
    """Whatever seed their dicts and sets have, and wherever things lie in memory."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", SCRIPT, str(Path(__file__).parents[3])],
            env={**os.environ, "PYTHONHASHSEED": seed},
            stdout=subprocess.PIPE,
            text=True,
        )
        for seed in ("0", "1", "4242")
    ]

    found = [process.communicate()[0].split() for process in processes]

    assert found == [[str(content_id(make())) for make in VALUES.values()]] * 3
