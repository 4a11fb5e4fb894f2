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
from PIL import Image


def noted(image: Image.Image, **info: Any) -> Image.Image:
    """Return an image with notes."""
    image.info = dict(info)
    return image


def coloured(image: Image.Image, colours: bytes, mode: str) -> Image.Image:
    """Return an image with a palette."""
    image.putpalette(colours, mode)
    return image


NAMES: dict[str, Any] = {
    "dt": dt,
    "Decimal": Decimal,
    "Fraction": Fraction,
    "UUID": UUID,
    "ZoneInfo": ZoneInfo,
    "Path": Path,
    "PurePosixPath": PurePosixPath,
    "PureWindowsPath": PureWindowsPath,
    "np": np,
    "Image": Image,
    "noted": noted,
    "coloured": coloured,
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
    "Image.new('RGB', (2, 1), (1, 2, 3))",
    "Image.new('RGB', (1, 2), (1, 2, 3))",
    "Image.new('RGBA', (2, 1), (1, 2, 3, 4))",
    "noted(Image.new('RGB', (2, 1), (1, 2, 3)), dpi=(72, 72))",
    "Image.frombytes('1', (9, 2), bytes([255, 0, 1, 128]))",
    "Image.new('L', (0, 3))",
    "Image.new('L', (9, 2), 255)",
    "Image.frombytes('I;16', (2, 1), bytes(range(4)))",
    "Image.new('I', (2, 2), -5)",
    "Image.new('F', (2, 2), 0.5)",
    "coloured(Image.new('P', (2, 1), 1), bytes(range(9)), 'RGB')",
    "coloured(Image.new('P', (2, 1), 1), bytes(range(8)), 'RGBA')",
    "coloured(Image.new('PA', (2, 1)), bytes(range(9)), 'RGB')",
    "Image.new('CMYK', (200, 100), (1, 2, 3, 4))",
]


def value_of(expression: str) -> Any:
    """Return the value of an expression of this project's own making."""
    return eval(expression, dict(NAMES))  # noqa: S307 (written above, not read from outside)
