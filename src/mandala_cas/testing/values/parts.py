"""Slots that hold other recipes: the parts of a value."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from mandala_cas.testing.values.slots import Grammar, Literal, Literals, Recipe, Recipes, Vary


@dataclass(frozen=True)
class Part:
    """Another value; of these kinds only, where there are any."""

    kinds: tuple[str, ...] = ()

    def draws(self, parts: Recipes, keys: Recipes, of: Grammar) -> Literals:
        """Draw a recipe."""
        del keys
        return of.of_kinds(*self.kinds) if self.kinds else parts

    def read(self, literal: Literal, of: Grammar) -> Any:
        """Return the value."""
        return of.build(literal)

    def changes(self, literal: Literal, of: Grammar) -> Iterator[Literal]:
        """Yield recipes that differ in one place."""
        return of.changes(literal)

    def respellings(self, literal: Literal, of: Grammar) -> Iterator[Literal]:
        """Yield other recipes of the same value."""
        return of.respellings(literal)

    def normal(self, literal: Literal, of: Grammar) -> Literal:
        """Return the recipe that stands for the value."""
        return of.normal(literal)


@dataclass(frozen=True)
class Parts:
    """Some values in an order; of these kinds only, where there are any."""

    count_min: int = 0
    count_max: int = 3
    kinds: tuple[str, ...] = ()

    def draws(self, parts: Recipes, keys: Recipes, of: Grammar) -> Literals:
        """Draw some recipes."""
        del keys
        each = of.of_kinds(*self.kinds) if self.kinds else parts
        return st.lists(each, min_size=self.count_min, max_size=self.count_max).map(tuple)

    def read(self, literal: Literal, of: Grammar) -> Any:
        """Return a list of the values."""
        return [of.build(recipe) for recipe in literal]

    def changes(self, literal: Literal, of: Grammar) -> Iterator[Literal]:
        """Yield those without one, with one twice, with two exchanged, and with one changed."""
        if len(literal) > self.count_min:
            yield literal[:-1]
        if literal and len(literal) < self.count_max:
            yield (*literal, literal[0])
        for place in range(len(literal) - 1):
            one, other = literal[place : place + 2]
            if repr(of.normal(one)) != repr(of.normal(other)):
                yield (*literal[:place], other, one, *literal[place + 2 :])
        yield from _each_place(literal, of.changes)

    def respellings(self, literal: Literal, of: Grammar) -> Iterator[Literal]:
        """Yield those with one part made in another way."""
        return _each_place(literal, of.respellings)

    def normal(self, literal: Literal, of: Grammar) -> Literal:
        """Return the recipes that stand for the values."""
        return tuple(map(of.normal, literal))


@dataclass(frozen=True)
class Members:
    """The elements of a set."""

    def draws(self, parts: Recipes, keys: Recipes, of: Grammar) -> Literals:
        """Draw some that are not equal to each other."""
        del parts
        return st.lists(keys, max_size=4, unique_by=of.build).map(tuple)

    def read(self, literal: Literal, of: Grammar) -> Any:
        """Return a list of the values."""
        return [of.build(recipe) for recipe in literal]

    def changes(self, literal: Literal, of: Grammar) -> Iterator[Literal]:
        """Yield those without one, and with one changed."""
        if literal:
            yield literal[:-1]
        yield from _each_place(literal, lambda key: _changed_keys(key, of))

    def respellings(self, literal: Literal, of: Grammar) -> Iterator[Literal]:
        """Yield the other order, and what is made in another way."""
        if len(literal) > 1:
            yield literal[::-1]
        yield from _each_place(literal, of.respellings)

    def normal(self, literal: Literal, of: Grammar) -> Literal:
        """Return the recipes that stand for the values, sorted."""
        return tuple(sorted(map(of.normal, literal), key=repr))


@dataclass(frozen=True)
class Items:
    """Keys and values of a dict, whose order counts or not."""

    is_ordered: bool = False

    def draws(self, parts: Recipes, keys: Recipes, of: Grammar) -> Literals:
        """Draw some whose keys are not equal to each other."""
        pairs = st.tuples(keys, parts)
        return st.lists(pairs, max_size=3, unique_by=lambda item: of.build(item[0])).map(tuple)

    def read(self, literal: Literal, of: Grammar) -> Any:
        """Return a list of pairs."""
        return [(of.build(key), of.build(part)) for key, part in literal]

    def changes(self, literal: Literal, of: Grammar) -> Iterator[Literal]:
        """Yield those without one, with one key or value changed, and in another order."""
        if literal:
            yield literal[:-1]
        if self.is_ordered and len(literal) > 1:
            yield literal[::-1]
        yield from _each_half(literal, lambda key: _changed_keys(key, of), of.changes)

    def respellings(self, literal: Literal, of: Grammar) -> Iterator[Literal]:
        """Yield the other order where it does not count, and what is made in another way."""
        if not self.is_ordered and len(literal) > 1:
            yield literal[::-1]
        yield from _each_half(literal, of.respellings, of.respellings)

    def normal(self, literal: Literal, of: Grammar) -> Literal:
        """Return the recipes that stand for keys and values, sorted where order does not count."""
        pairs = [(of.normal(key), of.normal(part)) for key, part in literal]
        return tuple(pairs if self.is_ordered else sorted(pairs, key=repr))


def _each_place(literal: tuple[Any, ...], vary: Vary) -> Iterator[Literal]:
    """Yield tuples of recipes with one of them varied."""
    for place, recipe in enumerate(literal):
        for varied in vary(recipe):
            yield (*literal[:place], varied, *literal[place + 1 :])


def _each_half(literal: tuple[Any, ...], vary_key: Vary, vary: Vary) -> Iterator[Literal]:
    """Yield tuples of pairs of recipes with one of these varied."""
    for place, (key, part) in enumerate(literal):
        before, behind = literal[:place], literal[place + 1 :]
        yield from ((*before, (varied, part), *behind) for varied in vary_key(key))
        yield from ((*before, (key, varied), *behind) for varied in vary(part))


def _changed_keys(recipe: Recipe, of: Grammar) -> Iterator[Recipe]:
    """Yield the changes of a recipe that are hashable as well."""
    for changed in of.changes(recipe):
        try:
            hash(of.build(changed))
        except TypeError:
            continue
        yield changed
