"""What holds for values of every type, alone and within each other."""

from __future__ import annotations

import copy
import os
import pickle
import random
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.codec.descriptions import described

from mandala_cas import Storage, op
from mandala_cas.codec.canonical import content_id
from mandala_cas.codec.digests import Digests
from mandala_cas.codec.registry import default_registry
from mandala_cas.testing import values
from mandala_cas.testing.values import Recipe

REGISTRY: Final = default_registry()
# Each kind has tests of its own, so that few examples of each make many.
FEW: Final = settings(max_examples=max(3, settings.default.max_examples // 20))  # type: ignore[union-attr]  # (a profile is loaded)
CHANGE_COUNT: Final = 12
KIND_SAMPLE: Final = 3
SAMPLE: Final = 120
# What NumPy 1 loses in a pickle, and in any other copy: what a generator would spawn.
LOST_IN_PICKLES: Final = re.compile("'Generator'" if np.__version__.startswith("1.") else "(?!)")
# What else is lost where Arrow is asked for a copy: whether the keys of a map are sorted.
LOST_IN_COPIES: Final = re.compile(f"'sorted map'|{LOST_IN_PICKLES.pattern}")

# What is there twice may be a copy: of a generator of NumPy 1 it would spawn others.
_LOST_IN_TWINS: Final = re.compile(f"'twice'.*(?:{LOST_IN_COPIES.pattern})")

every_kind = pytest.mark.parametrize("kind", values.kinds())


def travelled(value: Any) -> tuple[Any, str]:
    """Return what comes back of a value, and the codec that brought it."""
    encoded = REGISTRY.encode(value, Digests())
    payload = memoryview(bytearray(b"".join(encoded.payload)))
    name = encoded.codec_name
    return REGISTRY.decode(name, encoded.codec_version, encoded.header, payload), name


def some(recipes: Iterator[Recipe], recipe: Recipe) -> list[Recipe]:
    """Return a sample of recipes, which depends on nothing but the one that they are made of."""
    found = list(recipes)
    draw = random.Random(repr(recipe))  # noqa: S311 (a sample)
    return found if len(found) <= CHANGE_COUNT else draw.sample(found, CHANGE_COUNT)


def assert_comes_back(recipe: Recipe) -> None:
    """Check that a value loses nothing, however often it travels."""
    value = values.build(recipe)

    found, codec_name = travelled(value)

    if codec_name == "pickle" and LOST_IN_PICKLES.search(repr(recipe)):
        return
    assert type(found) is type(value)
    assert described(found) == described(value)
    assert content_id(found) == content_id(value)
    assert described(value) == described(values.build(recipe)), "encoding it changed it"
    assert described(travelled(found)[0]) == described(value)


def assert_same_id(recipe: Recipe) -> None:
    """Check that every way of making a value gives one id."""
    if _LOST_IN_TWINS.search(repr(recipe)):
        return
    value = values.build(recipe)
    found = content_id(value)

    assert content_id(values.build(recipe)) == found
    if not LOST_IN_COPIES.search(repr(recipe)):
        assert content_id(copy.deepcopy(value)) == found
    for other in some(values.respellings(recipe), recipe):
        assert content_id(values.build(other)) == found, other


def assert_each_change_counts(recipe: Recipe) -> None:
    """Check that a single change gives another id."""
    found = content_id(values.build(recipe))

    for changed in some(values.changes(recipe), recipe):
        assert content_id(values.build(changed)) != found, changed


@every_kind
@FEW
@given(data=st.data())
def test_each_kind_comes_back(kind: str, data: st.DataObject) -> None:
    """Its type, its dtype, its flags, its elements to the last bit."""
    assert_comes_back(data.draw(values.recipes_of(kind)))


@every_kind
@FEW
@given(data=st.data())
def test_each_kind_has_one_id(kind: str, data: st.DataObject) -> None:
    """Built again, copied, laid out or cut otherwise: a miss would compute it again."""
    assert_same_id(data.draw(values.recipes_of(kind)))


@every_kind
@FEW
@given(data=st.data())
def test_each_change_of_each_kind_counts(kind: str, data: st.DataObject) -> None:
    """A number, a dtype, a name, an order, a zone: a hit on the other would be a wrong result."""
    assert_each_change_counts(data.draw(values.recipes_of(kind)))


@given(values.recipes())
def test_nested_values_keep_every_promise(recipe: Recipe) -> None:
    """Values of any type in values of any other."""
    assert_comes_back(recipe)
    assert_same_id(recipe)
    assert_each_change_counts(recipe)


def sample() -> list[Recipe]:
    """Return a few recipes of each kind, and nested ones of all, the same ones every time."""
    alone = [r for kind in values.kinds() for r in values.sample(kind, count=KIND_SAMPLE)]
    return alone + values.sample(count=SAMPLE)


@op
def served(recipe: Recipe) -> Any:
    """Return the value of a recipe, but no tuple: each element would be an output of its own."""
    value = values.build(recipe)
    return [value] if type(value) is tuple else value


def test_a_storage_gives_back_what_an_op_returned() -> None:
    """Through refs, blobs and the registry of a storage, by refs that hold no values."""
    recipes = sample()
    with Storage() as storage:
        made = pickle.dumps([served(recipe) for recipe in recipes])
    refs: list[Any] = pickle.loads(made)  # noqa: S301 (made here)
    assert not any(ref.in_memory for ref in refs)

    found = storage.unwrap(refs)

    for recipe, value in zip(recipes, found, strict=True):
        if LOST_IN_PICKLES.search(repr(recipe)):
            continue
        assert described(value) == described(served.f(recipe)), recipe


SCRIPT: Final = """
import ast, sys
from mandala_cas.codec.canonical import content_id
from mandala_cas.testing import values
for line in sys.stdin:
    print(content_id(values.build(ast.literal_eval(line))))
"""


def test_three_processes_agree_on_every_id() -> None:
    """Whatever seed their dicts and sets have."""
    recipes = sample()
    lines = "".join(f"{recipe!r}\n" for recipe in recipes)
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", SCRIPT],
            env={**os.environ, "PYTHONHASHSEED": seed},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for seed in ("0", "1", "4242")
    ]

    found = [process.communicate(lines)[0].split() for process in processes]

    expected = [str(content_id(values.build(recipe))) for recipe in recipes]
    assert len(expected) > 300
    assert found == [expected] * 3
