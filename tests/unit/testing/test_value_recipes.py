"""The recipes of values: what they call the same, and what they call a change."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import pytest

from mandala_cas.codec.canonical import content_id
from mandala_cas.testing import values
from mandala_cas.testing.values import Recipe
from mandala_cas.testing.values.slots import Choice, Elements

SAMPLE: Final = 3


def with_elements() -> list[str]:
    """Return the kinds that have small numbers for elements."""
    return [name for name, kind in values._BOOK._kinds.items() if elements_of(kind)]


def elements_of(kind: Any) -> list[int]:
    """Return the places of the slots of a kind that have small numbers for elements."""
    return [place for place, slot in enumerate(kind.slots, 1) if isinstance(slot, Elements)]


def with_each_option(recipe: Recipe) -> Iterator[Recipe]:
    """Yield a recipe with every choice in it made otherwise."""
    yield recipe
    for place, slot in enumerate(values._BOOK._kinds[recipe[0]].slots, 1):
        if isinstance(slot, Choice):
            yield from ((*recipe[:place], option, *recipe[place + 1 :]) for option in slot.options)


def with_each_number(recipe: Recipe, place: int) -> list[Recipe]:
    """Return a recipe with each number for the first of the elements at a place."""
    return [
        (*recipe[:place], (number, *recipe[place][1:]), *recipe[place + 1 :]) for number in range(6)
    ]


@pytest.mark.parametrize("kind", with_elements())
def test_recipes_stand_for_each_other_where_their_values_are_the_same(kind: str) -> None:
    """Or what exchanges two of them would be called a change, and nothing had changed."""
    for drawn in values.sample(kind, count=SAMPLE):
        for recipe in with_each_option(drawn):
            for place in elements_of(values._BOOK._kinds[kind]):
                others = with_each_number(recipe, place)
                ids = [content_id(values.build(other)) for other in others]
                normal = [values._BOOK.normal(other) for other in others]

                for one in range(6):
                    same = [ids[one] == ids[other] for other in range(6)]
                    assert same == [normal[one] == normal[other] for other in range(6)], recipe


def test_columns_that_are_the_same_are_not_exchanged() -> None:
    """Their numbers differ, and what these stand for does not."""
    columns = [("Arrow column of a dictionary", "uvw", 0, (0, 0, last)) for last in (0, 5)]
    recipe = ("Arrow table", tuple(columns), ("a", "b", "c"), ("", ""), "table")

    changed = list(values.changes(recipe))

    assert (*recipe[:1], tuple(columns[::-1]), *recipe[2:]) not in changed
    assert all(content_id(values.build(c)) != content_id(values.build(recipe)) for c in changed)
