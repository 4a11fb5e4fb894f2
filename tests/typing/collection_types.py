"""What type checkers see of collections: plain containers. Checked by mypy, not run."""

from __future__ import annotations

from typing import assert_type

from mandala_cas.imports import ListRef, MDict, MList, MSet, MTuple, Ref, op


@op
def numbers(count: int) -> MList[int]:
    """Return a list."""
    return list(range(count))


@op
def table(rows: MList[MTuple[str, int]], names: MSet[str]) -> MDict[str, MList[int]]:
    """Return a dict of lists."""
    return {name: [number for key, number in rows if key == name] for name in names}


@op
def ends(given: MList[int]) -> MTuple[int, int]:
    """Return a pair."""
    return given[0], given[-1]


@op
def both(given: MList[int]) -> tuple[MList[int], int]:
    """Return two outputs."""
    return given, len(given)


def callers() -> None:
    """Pass and get plain containers, and elements of their own types."""
    assert_type(numbers(3), list[int])
    assert_type(numbers(3)[0], int)
    assert_type(numbers(3)[1:], list[int])
    assert_type(table([("a", 1)], {"a"}), dict[str, list[int]])
    assert_type(ends(numbers(3)), tuple[int, int])
    assert_type(both([1]), tuple[list[int], int])
    ends(["a"])  # type: ignore[list-item]
    table([(1, 2)], {"a"})  # type: ignore[list-item]
    table((), set())  # type: ignore[arg-type]
    assert_type(MList([1]), list[int])


def look(ref: ListRef) -> None:
    """Refs know that their elements are refs."""
    assert_type(ref[0], Ref)
    assert_type(ref[1:], list[Ref])
    assert_type([element for element in ref], list[Ref])  # noqa: C416 (iterated on purpose)
    assert_type(len(ref), int)
