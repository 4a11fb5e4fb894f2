"""A change in a value is found, and its place is named."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tests.unit.codec.process_values import Point
from tests.unit.codec.test_refusals import Holder

from mandala_cas.codec.impressions import PARTS_MAX, ValueImpression
from mandala_cas.errors import UsageError


def config() -> dict[str, Any]:
    """Return a nested value."""
    return {"loader": Holder(batch=[1, 2, 3], lr=0.5), "seed": 5, "names": {"a"}}


def set_first(array: Any) -> None:
    """Change an array in place."""
    array[0] = 9


CHANGES: list[tuple[Callable[[], Any], Callable[[Any], object], str]] = [
    (config, lambda v: v["loader"].batch.append(4), '["loader"].batch[3]'),
    (config, lambda v: v["loader"].batch.pop(), '["loader"].batch[2]'),
    (config, lambda v: setattr(v["loader"], "lr", 0.1), '["loader"].lr'),
    (config, lambda v: v.update(seed=6), '["seed"]'),
    (config, lambda v: v.update(new=6), '["new"]'),
    (config, lambda v: v.pop("seed"), '["seed"]'),
    (config, lambda v: v["names"].add("b"), '["names"]'),
    (config, lambda v: setattr(v["loader"], "lock", threading.Lock()), '["loader"].lock'),
    (lambda: [1, 2], list.clear, "[0]"),
    (lambda: [Point(1.5)], lambda v: setattr(v[0], "x", 2.5), "[0].x"),
    (lambda: [np.arange(3)], lambda v: set_first(v[0]), "[0]"),
    (lambda: np.arange(30000), set_first, ""),
    # Numbers for labels: how strings are held depends on the version of pandas.
    (lambda: pd.DataFrame({0: [1]}), lambda v: v.__setitem__(1, 2), ""),
    (lambda: pd.DataFrame({"a": [[1]]}), lambda v: v["a"][0].append(2), '["a"][0][1]'),
]


@pytest.mark.parametrize(("make", "change", "path"), CHANGES)
def test_a_change_is_found(
    make: Callable[[], Any], change: Callable[[Any], object], path: str
) -> None:
    """Down to the part that is different."""
    value = make()
    impression = ValueImpression(value)

    change(value)

    assert impression.change_in(value) == path


@pytest.mark.parametrize("make", [make for make, _, _ in CHANGES])
def test_no_change_is_no_change(make: Callable[[], Any]) -> None:
    """An equal value is as good as the same."""
    value = make()
    impression = ValueImpression(value)

    assert impression.change_in(value) is None
    assert impression.change_in(make()) is None


def test_a_hasher_says_what_counts() -> None:
    """What it does not look at may change."""
    value = Holder(weights=1, cache=threading.Lock())
    impression = ValueImpression(value, lambda holder: vars(holder)["weights"])

    vars(value)["cache"] = None
    unchanged = impression.change_in(value)
    vars(value)["weights"] = 2

    assert unchanged is None
    assert impression.change_in(value) == ""


def test_what_cannot_be_hashed_has_no_impression() -> None:
    """The caller decides what that means."""
    with pytest.raises(UsageError):
        ValueImpression(threading.Lock())


def test_of_very_many_parts_the_first_are_told_apart() -> None:
    """What was counted before only because a part is new now is not called a change."""
    value: list[Any] = [[], [5] * PARTS_MAX, [5]]
    impression = ValueImpression(value)

    value[0].append(1)
    first = impression.change_in(value)
    value[0].clear()
    value[2].append(1)

    assert (first, impression.change_in(value)) == ("[0][0]", "[2]")
