"""What a recipe says about one property of a value: how it is drawn, read and changed.

What a slot holds is a literal: None, a bool, an int, a str, bytes, or a tuple of literals. So the
``repr`` of a recipe is all that another process needs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from hypothesis import strategies as st

Literal = Any
Recipe = tuple[Any, ...]
Vary = Callable[[Recipe], Iterator[Recipe]]
Recipes = st.SearchStrategy[Recipe]
Literals = st.SearchStrategy[Any]


class Grammar(Protocol):
    """What a slot needs to know about the recipes in it."""

    def build(self, recipe: Recipe) -> Any:
        """Return the value, made anew."""
        ...

    def changes(self, recipe: Recipe) -> Iterator[Recipe]:
        """Yield recipes of values that differ in one place."""
        ...

    def respellings(self, recipe: Recipe) -> Iterator[Recipe]:
        """Yield other recipes of the same value."""
        ...

    def normal(self, recipe: Recipe) -> Recipe:
        """Return the one of all recipes of the same value that stands for them."""
        ...

    def of_kinds(self, *names: str) -> Recipes:
        """Return a strategy of recipes of these kinds."""
        ...


class Slot(Protocol):
    """One property of a value."""

    def draws(self, parts: Recipes, keys: Recipes, of: Grammar) -> Literals:
        """Return a strategy of literals, with parts of these recipes."""
        ...

    def read(self, literal: Literal, of: Grammar) -> Any:
        """Return what a literal stands for, made anew."""
        ...

    def changes(self, literal: Literal, of: Grammar) -> Iterator[Literal]:
        """Yield literals of values that differ in one place."""
        ...

    def respellings(self, literal: Literal, of: Grammar) -> Iterator[Literal]:
        """Yield literals of values that are the same, though made in another way."""
        ...

    def normal(self, literal: Literal, of: Grammar) -> Literal:
        """Return the one of all literals of the same value that stands for them."""
        ...


@dataclass(frozen=True)
class _Leaf:
    """A slot without parts, of which every literal counts."""

    def read(self, literal: Literal, of: Grammar) -> Any:
        """Return the literal itself."""
        del of
        return literal

    def respellings(self, literal: Literal, of: Grammar) -> Iterator[Literal]:
        """Yield nothing."""
        del literal, of
        yield from ()

    def normal(self, literal: Literal, of: Grammar) -> Literal:
        """Return the literal itself."""
        del of
        return literal


@dataclass(frozen=True)
class Choice(_Leaf):
    """One of a few literals."""

    options: Sequence[Literal]

    def draws(self, parts: Recipes, keys: Recipes, of: Grammar) -> Literals:
        """Draw one of them."""
        del parts, keys, of
        return st.sampled_from(self.options)

    def changes(self, literal: Literal, of: Grammar) -> Iterator[Literal]:
        """Yield all others."""
        del of
        yield from (option for option in self.options if not _equal(option, literal))


@dataclass(frozen=True)
class Spelling(_Leaf):
    """One of a few ways of making the same value."""

    options: Sequence[Literal]

    def draws(self, parts: Recipes, keys: Recipes, of: Grammar) -> Literals:
        """Draw one of them."""
        del parts, keys, of
        return st.sampled_from(self.options)

    def changes(self, literal: Literal, of: Grammar) -> Iterator[Literal]:
        """Yield nothing: they are all the same."""
        del literal, of
        yield from ()

    def respellings(self, literal: Literal, of: Grammar) -> Iterator[Literal]:
        """Yield all others."""
        del of
        yield from (option for option in self.options if not _equal(option, literal))

    def normal(self, literal: Literal, of: Grammar) -> Literal:
        """Return the first."""
        del literal, of
        return self.options[0]


@dataclass(frozen=True)
class Integer(_Leaf):
    """An int in a range."""

    low: int = -(2**300)
    high: int = 2**300

    def draws(self, parts: Recipes, keys: Recipes, of: Grammar) -> Literals:
        """Draw small ones, and those around powers of two, more often."""
        del parts, keys, of
        edges = [
            sign * 2**bits + step
            for bits in (7, 8, 15, 31, 32, 53, 63, 64, 127, 128)
            for step in (-1, 0, 1)
            for sign in (-1, 1)
        ]
        inside = [edge for edge in edges if self.low <= edge <= self.high] or [self.low]
        return st.integers(self.low, self.high) | st.sampled_from(inside)

    def changes(self, literal: Literal, of: Grammar) -> Iterator[Literal]:
        """Yield neighbours, the negative, and one that differs in a high bit."""
        del of
        near = {literal + 1, literal - 1, -literal, literal ^ 2**64, literal ^ 2**31}
        yield from sorted(n for n in near if self.low <= n <= self.high and n != literal)


@dataclass(frozen=True)
class Number(_Leaf):
    """A float, written in hexadecimal digits."""

    def draws(self, parts: Recipes, keys: Recipes, of: Grammar) -> Literals:
        """Draw any, with infinities, NaN and both zeros."""
        del parts, keys, of
        return st.floats().map(lambda number: "nan" if math.isnan(number) else number.hex())

    def read(self, literal: Literal, of: Grammar) -> Any:
        """Return the float."""
        del of
        return float.fromhex(literal)

    def changes(self, literal: Literal, of: Grammar) -> Iterator[Literal]:
        """Yield its neighbour, and what has the other sign."""
        del of
        number = float.fromhex(literal)
        if math.isnan(number):
            yield from ("inf", "0x0.0p+0")
            return
        yield math.nextafter(number, 0.0 if number else 1.0).hex()
        yield (-number).hex()
        yield "nan"


@dataclass(frozen=True)
class Text(_Leaf):
    """A str."""

    alphabet: str | None = None
    size_min: int = 0

    def draws(self, parts: Recipes, keys: Recipes, of: Grammar) -> Literals:
        """Draw any, or one of these characters."""
        del parts, keys, of
        if self.alphabet is not None:
            return st.text(self.alphabet, min_size=self.size_min, max_size=6)
        return st.text(st.characters(), min_size=self.size_min, max_size=8) | st.sampled_from(
            ["e\u0301", "\u00e9", "\ud800", "a\0", "long " * 300]
        )

    def changes(self, literal: Literal, of: Grammar) -> Iterator[Literal]:
        """Yield what is longer, shorter, or in another order."""
        del of
        extra = (self.alphabet or "a\0")[0]
        changed = [literal + extra, extra + literal, literal[:-1], literal[::-1]]
        if self.alphabet is None:
            changed.append(literal.swapcase())
        yield from {c for c in changed if c != literal and len(c) >= self.size_min}


@dataclass(frozen=True)
class Bytes(_Leaf):
    """Bytes."""

    def draws(self, parts: Recipes, keys: Recipes, of: Grammar) -> Literals:
        """Draw any."""
        del parts, keys, of
        return st.binary(max_size=12) | st.sampled_from([b"long " * 300])

    def changes(self, literal: Literal, of: Grammar) -> Iterator[Literal]:
        """Yield what is longer, shorter, or has a bit turned."""
        del of
        yield literal + b"\0"
        if literal:
            yield literal[:-1]
            yield bytes([literal[0] ^ 1]) + literal[1:]


@dataclass(frozen=True)
class Elements(_Leaf):
    """So many small numbers, of which 0 and 1, 2 and 3, 4 and 5 stand for different elements."""

    count: int

    def draws(self, parts: Recipes, keys: Recipes, of: Grammar) -> Literals:
        """Draw all of them."""
        del parts, keys, of
        return st.tuples(*[st.integers(0, 5)] * self.count)

    def changes(self, literal: Literal, of: Grammar) -> Iterator[Literal]:
        """Yield those with one element exchanged."""
        del of
        for place, element in enumerate(literal):
            yield (*literal[:place], element ^ 1, *literal[place + 1 :])


def _equal(one: Literal, other: Literal) -> bool:
    """Tell whether two literals are the same; True is not 1."""
    return repr(one) == repr(other)
