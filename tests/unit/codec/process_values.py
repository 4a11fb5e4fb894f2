"""Values that are made in several processes, and must have the same content id in each."""

from __future__ import annotations

import collections
import datetime as dt
import enum
import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from tests.unit.codec.near_misses import DIFFERENT, SAME


class Colour(enum.Enum):
    """An enumeration."""

    RED = "red"


@dataclass
class Point:
    """A dataclass."""

    x: float
    names: frozenset[str] = frozenset({"a", "b", "c"})


class Tags(set[str]):
    """A set, whose elements come in the order of their hashes."""


def scaled(x: float, *, by: float = 2.0) -> float:
    """Return a function's worth of source."""
    return x * by


def plain() -> Any:
    """Return sets and dicts of strings, whose order depends on the seed of a process."""
    words = {"one", "two", "three", "four"}
    return {"words": words, "map": dict.fromkeys(words, frozenset(words)), "when": dt.UTC}


def objects() -> Any:
    """Return one object of many kinds."""
    return [
        Colour.RED,
        Point(1.5),
        Tags({"one", "two", "three"}),
        collections.Counter(["a", "b", "a"]),
        functools.partial(scaled, by=3.0),
        lambda x: scaled(x, by=4.0),
        Point,
        np.random.default_rng(5),
        np.random.RandomState(5),
        np.zeros(2, np.dtype([("a", "i1"), ("b", "f8")], align=True)),
        pd.DataFrame({"a": [1, 2], "b": ["x", None]}),
    ]


def model() -> Any:
    """Return a fitted forest: trees with padding between the fields of their nodes."""
    rng = np.random.default_rng(0)
    return RandomForestClassifier(5, random_state=0).fit(rng.random((60, 4)), np.arange(60) % 3)


def pipeline() -> Any:
    """Return a fitted pipeline."""
    rng = np.random.default_rng(0)
    steps = make_pipeline(StandardScaler(), LogisticRegression(solver="liblinear"))
    return steps.fit(rng.random((60, 4)), np.arange(60) % 2)


VALUES: dict[str, Callable[[], Any]] = {
    "plain": plain,
    "objects": objects,
    "model": model,
    "pipeline": pipeline,
    "near misses": lambda: [[one(), other()] for one, other in DIFFERENT],
    **{f"same {n}": make for n, pair in enumerate(SAME) for make in pair},
}
