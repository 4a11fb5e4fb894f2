"""The values of the test vectors, as Python expressions."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from fractions import Fraction
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import numpy as np


class Model:
    """A value of a user's that says what its id is taken of."""

    def __init__(self, weights: Any) -> None:
        """Hold weights, and what has no content."""
        self.weights = weights
        self.cache = object()

    def __mandala_hash__(self) -> Any:
        """Return what tells models apart."""
        return self.weights


class Layer(Model):
    """Another class, with what it inherits."""


for kind in (Model, Layer):
    kind.__module__ = "example"


NAMES: dict[str, Any] = {
    "Model": Model,
    "Layer": Layer,
    "dt": dt,
    "Decimal": Decimal,
    "Fraction": Fraction,
    "UUID": UUID,
    "ZoneInfo": ZoneInfo,
    "Path": Path,
    "PurePosixPath": PurePosixPath,
    "PureWindowsPath": PureWindowsPath,
    "np": np,
}

VALUES = [
    "None",
    "True",
    "False",
    "...",
    "NotImplemented",
    "0",
    "1",
    "-1",
    "255",
    "2**63 - 1",
    "-2**63",
    "2**63",
    "-2**63 - 1",
    "2**64",
    "-2**71",
    "2**600000",
    "0.0",
    "-0.0",
    "1.0",
    "float('inf')",
    "float('nan')",
    "-float('nan')",
    "5e-324",
    "1 + 2j",
    "complex(-0.0, float('nan'))",
    "''",
    "'1'",
    "'\\u00e9\\U0001f40d'",
    "'\\ud800'",
    "'a' * 1015",
    "'a' * 65535",
    "'a' * 65536",
    "b''",
    "b'1'",
    "bytes(65535)",
    "bytes(65536)",
    "bytearray(b'1')",
    "[]",
    "()",
    "{}",
    "set()",
    "frozenset()",
    "[1, 2]",
    "[2, 1]",
    "(1, 2)",
    "[1, [2]]",
    "[[1], 2]",
    "[[[]]]",
    "['a' * 1015]",
    "['a' * 1016]",
    "['a' * 70000]",
    "[list(range(113))]",
    "[list(range(112))]",
    "[(1, 2)] * 100",
    "{'a': 1, 'b': 2}",
    "{'b': 2, 'a': 1}",
    "{1: 'a', 'b': None, (1, 2): [3], None: {}}",
    "{'a': {'b': {'c': list(range(500))}}}",
    "{1, 2, 3}",
    "{256, 1, 'a', b'a', None}",
    "frozenset({frozenset({1}), frozenset()})",
    "dt.date(2024, 2, 29)",
    "dt.time(1, 2, 3)",
    "dt.time(1, 2, 3, 4, fold=1)",
    "dt.time(23, 0, tzinfo=dt.timezone.utc)",
    "dt.datetime(2024, 2, 29, 12)",
    "dt.datetime(2024, 2, 29, 12, 0, 0, 1, tzinfo=dt.timezone.utc)",
    "dt.datetime(2024, 10, 27, 2, 30, fold=1, tzinfo=ZoneInfo('Europe/Berlin'))",
    "dt.timedelta(0)",
    "dt.timedelta(days=-1, microseconds=5)",
    "dt.timezone.utc",
    "dt.timezone(dt.timedelta(hours=-3))",
    "dt.timezone(dt.timedelta(hours=1), 'CET')",
    "ZoneInfo('Europe/Berlin')",
    "Decimal('1.0')",
    "Decimal('-1.00')",
    "Decimal('1E+5')",
    "Decimal('NaN123')",
    "Decimal('-Infinity')",
    "Fraction(-1, 3)",
    "UUID(int=1)",
    "Path('/tmp/a b')",
    "PurePosixPath('a/../b')",
    "PureWindowsPath('C:\\\\a')",
    "range(0, 10, 3)",
    "range(3)",
    "slice(None, 5, None)",
    "np.int64(1)",
    "np.float32(1.5)",
    "np.bool_(True)",
    "np.datetime64('2024-02-29', 'D')",
    "np.array([1, 2], 'i8')",
    "np.array([[1, 2]], 'i8')",
    "np.array([1, 2], '>i8')",
    "np.array([0.0, np.nan])",
    "np.array(1.0)",
    "np.zeros((0, 3), 'f4')",
    "np.array(['a', 'bc'])",
    "np.zeros(8191)",
    "np.zeros(8192)",
    "Model([0.5, 2.0])",
    "Model('a' * 1100)",
    "Layer([0.5, 2.0])",
    "[Model(None), Model(Layer({'a': 1}))]",
]


def value_of(expression: str) -> Any:
    """Return the value of an expression of this project's own making."""
    return eval(expression, dict(NAMES))  # noqa: S307 (written above, not read from outside)
