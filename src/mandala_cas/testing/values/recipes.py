"""Recipes of values of every kind: built anew, changed in one place, or made in another way."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from mandala_cas.testing.values.kinds import Kind
from mandala_cas.testing.values.slots import Recipe, Recipes


class Cookbook:
    """All kinds of values that are known."""

    def __init__(self, kinds: dict[str, Kind]) -> None:
        """Know these."""
        self._kinds = kinds
        # To make a strategy takes longer than to draw from it.
        self._strategies: dict[tuple[str, ...], Recipes] = {}

    def kinds(self) -> list[str]:
        """Return the names of all kinds."""
        return list(self._kinds)

    def build(self, recipe: Recipe) -> Any:
        """Return the value of a recipe, made anew each time."""
        name, *literals = recipe
        kind = self._kinds[name]
        parts = [
            slot.read(literal, self) for slot, literal in zip(kind.slots, literals, strict=True)
        ]
        return kind.make(*parts)

    def changes(self, recipe: Recipe) -> Iterator[Recipe]:
        """Yield recipes of values that differ from this one in exactly one place."""
        name, *literals = recipe
        kind = self._kinds[name]
        if kind.family:
            for other, found in self._kinds.items():
                if found.family == kind.family and other != name:
                    yield (other, *literals)
        for place, slot in enumerate(kind.slots):
            for changed in slot.changes(literals[place], self):
                yield (name, *literals[:place], changed, *literals[place + 1 :])

    def respellings(self, recipe: Recipe) -> Iterator[Recipe]:
        """Yield other recipes of the same value."""
        name, *literals = recipe
        for place, slot in enumerate(self._kinds[name].slots):
            for other in slot.respellings(literals[place], self):
                yield (name, *literals[:place], other, *literals[place + 1 :])

    def normal(self, recipe: Recipe) -> Recipe:
        """Return the one of all recipes of the same value that stands for them."""
        name, *literals = recipe
        kind = self._kinds[name]
        pairs = zip(kind.slots, literals, strict=True)
        found = tuple(slot.normal(literal, self) for slot, literal in pairs)
        return (name, *(found if kind.normal is None else kind.normal(*found)))

    def of_kinds(self, *names: str) -> Recipes:
        """Return a strategy of recipes of these kinds, with small parts."""
        if names not in self._strategies:
            each = [self._of_kind(name, self._leaves, self._keys) for name in names]
            self._strategies[names] = st.one_of(each)
        return self._strategies[names]

    def recipes(self) -> Recipes:
        """Return a strategy of recipes of every kind, nested in each other."""
        return self._nested

    @functools.cached_property
    def _nested(self) -> Recipes:
        """Return the strategy of all recipes."""
        containers = [name for name, kind in self._kinds.items() if kind.holds_any()]
        return st.recursive(
            self._leaves,
            lambda inner: st.one_of(
                [self._of_kind(name, inner, self._keys) for name in containers]
            ),
            max_leaves=6,
        )

    @functools.cached_property
    def _leaves(self) -> Recipes:
        """Return a strategy of recipes without other recipes."""
        return self._some([name for name, kind in self._kinds.items() if not kind.holds_any()])

    @functools.cached_property
    def _keys(self) -> Recipes:
        """Return a strategy of recipes of what can be an element of a set."""
        hashable = {name: kind for name, kind in self._kinds.items() if kind.is_key}
        leaves = self._some([name for name, kind in hashable.items() if not kind.holds_any()])
        of_keys = [name for name, kind in hashable.items() if kind.holds_any()]
        return leaves | st.one_of([self._of_kind(name, leaves, leaves) for name in of_keys])

    def _some(self, names: list[str]) -> Recipes:
        """Return a strategy of recipes of kinds that hold none of every kind."""
        return st.one_of([self._of_kind(name, st.nothing(), st.nothing()) for name in names])

    def _of_kind(self, name: str, parts: Recipes, keys: Recipes) -> Recipes:
        """Return a strategy of recipes of one kind."""
        drawn_from: list[Recipes] = []

        @st.composite
        def recipe(draw: st.DrawFn) -> Recipe:
            """Draw a literal for each slot."""
            if not drawn_from:
                # Not before, because the slots may ask for strategies of other kinds.
                slots = self._kinds[name].slots
                drawn_from.extend(slot.draws(parts, keys, self) for slot in slots)
            return (name, *map(draw, drawn_from))

        return recipe()

    def sample(self, *names: str, count: int) -> list[Recipe]:
        """Return so many recipes of these kinds, or of all, and always the same ones."""
        drawn: list[Recipe] = []

        @settings(
            max_examples=count,
            derandomize=True,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(self.of_kinds(*names) if names else self.recipes())
        def draw(recipe: Recipe) -> None:
            """Note a recipe."""
            drawn.append(recipe)

        draw()
        return drawn
