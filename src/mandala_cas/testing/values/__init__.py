"""Values of every type that mandala-cas knows, as recipes: built anew, changed, made differently.

A recipe is a tuple of literals, so that ``ast.literal_eval(repr(recipe))`` is the same recipe in
another process. ``build`` makes its value anew each time; ``changes`` yields recipes of values that
differ from it in one place, ``respellings`` those of values that are the same and do not look it::

    @given(recipes())
    def test_ids(recipe: Recipe) -> None:
        assert content_id(build(recipe)) == content_id(build(recipe))

Kinds whose package is not installed are left out.
"""

from __future__ import annotations

import importlib.util
from typing import Final

from mandala_cas.testing.values.array_kinds import ARRAYS
from mandala_cas.testing.values.code_kinds import CODE, IMAGES, MODELS, PYDANTIC
from mandala_cas.testing.values.frame_kinds import FRAMES
from mandala_cas.testing.values.kinds import Kind
from mandala_cas.testing.values.pandas_kinds import TABLES
from mandala_cas.testing.values.plain_kinds import CONTAINERS, SCALARS
from mandala_cas.testing.values.recipes import Cookbook
from mandala_cas.testing.values.slots import Recipe

__all__ = [
    "Cookbook",
    "Kind",
    "Recipe",
    "build",
    "changes",
    "kinds",
    "recipes",
    "recipes_of",
    "respellings",
    "sample",
]


def _installed() -> dict[str, Kind]:
    """Return the kinds whose packages are here."""
    found = {**SCALARS, **CONTAINERS, **ARRAYS, **TABLES, **FRAMES, **CODE}
    needed = {"sklearn": MODELS, "pydantic": PYDANTIC, "PIL": IMAGES}
    for package, more in needed.items():
        if importlib.util.find_spec(package) is not None:
            found.update(more)
    if importlib.util.find_spec("scipy") is None:
        del found["sparse array"]
    return found


_BOOK: Final = Cookbook(_installed())

build = _BOOK.build
changes = _BOOK.changes
kinds = _BOOK.kinds
recipes = _BOOK.recipes
recipes_of = _BOOK.of_kinds
respellings = _BOOK.respellings
sample = _BOOK.sample
