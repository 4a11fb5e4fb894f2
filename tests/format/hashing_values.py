"""The values of the test vectors, as Python expressions."""

from __future__ import annotations

import atexit
import datetime as dt
import shutil
import tempfile
from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import numpy as np

from mandala_cas.model.files import Dir, File

_FOLDER = Path(tempfile.mkdtemp(prefix="hashing-values-"))
atexit.register(shutil.rmtree, _FOLDER)


def file(contents: bytes, name: str = "data.bin") -> File:
    """Return a file with these contents."""
    path = Path(tempfile.mkdtemp(dir=_FOLDER), name)
    path.write_bytes(contents)
    return File(path)


def tracked(contents: bytes) -> File:
    """Return a file with these contents that is to stay where it lies."""
    return File(file(contents).path, copy=False)


def tree(files: Mapping[str, bytes], runs: str = "", empty: str = "") -> Dir:
    """Return a directory with these files, of which ``runs`` can be executed.

    ``empty`` is the name of an empty directory in it.
    """
    root = Path(tempfile.mkdtemp(dir=_FOLDER))
    for name, contents in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(contents)
        path.chmod(0o755 if name == runs else 0o644)
    if empty:
        (root / empty).mkdir(parents=True)
    return Dir(root)


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
    "file": file,
    "tracked": tracked,
    "tree": tree,
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
    "file(b'')",
    "file(b'a,b\\n1,2\\n', 'data.csv')",
    "file(bytes(65536))",
    "tracked(b'a,b\\n1,2\\n')",
    "tree({})",
    "tree({'a': b''})",
    "tree({'a.txt': b'1', 'b.txt': b'2'})",
    "tree({'b.txt': b'1', 'a.txt': b'2'})",
    "tree({'a': b'1', 'run.sh': b'2'}, runs='run.sh')",
    "tree({'a': b'1', 'run.sh': b'2'}, runs='a')",
    "tree({'b': b'1', 'a/c': b'2', 'a.x': b'3', 'a/b/d': b'4'}, empty='a/b/e')",
    "tree({'b': b'1', 'a/c': b'2', 'a.x': b'3', 'a/b/d': b'4'}, empty='e')",
    "tree({'\\u00e9\\U0001f40d': bytes(70000)}, empty='\\uffee')",
    "[file(b'1'), tree({'n%d' % i: b'' for i in range(50)})]",
]


def value_of(expression: str) -> Any:
    """Return the value of an expression of this project's own making."""
    return eval(expression, dict(NAMES))  # noqa: S307 (written above, not read from outside)
