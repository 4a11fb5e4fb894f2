"""Values of every codec, as the fuzzer begins with them."""

from __future__ import annotations

import collections
import datetime as dt
import pathlib
import random
import uuid
import zoneinfo
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
from PIL import Image
from scipy import sparse  # type: ignore[import-untyped]
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from tests.contracts.arrow_values import ARRAYS
from tests.unit.codec.file_trees import make_tree
from tests.unit.codec.nested_values import Colour, Frozen, Mode, Pair, Point

from mandala_cas.codec.digests import Digests
from mandala_cas.codec.registry import default_registry
from mandala_cas.model.collections import Collection, CollectionKind
from mandala_cas.model.files import Dir, File
from mandala_cas.model.ids import ContentId
from mandala_cas.testing.mutations import Sample, sample_of
from mandala_cas.values.file_cache import FileCache

NOW: Final = dt.datetime(2024, 10, 27, 2, 30, fold=1, tzinfo=zoneinfo.ZoneInfo("Europe/Berlin"))
STRUCTURE: Final = np.dtype(
    [("a", "i1"), ("b", ">f8", (2,)), ("c", [("d", "<U2"), ("e", "?")])], align=True
)


def plain_values() -> Iterable[Any]:
    """Return values of every plain type."""
    return [
        [True, None, 0, -1, 2**64 - 1, 2**300, 0.5, 1 + 2j, "é", "\ud800", b"a" * 40],
        {"a": (1, [2, {3}]), (1, 2): frozenset({4}), b"x": bytearray(b"y")},
        [NOW, NOW.date(), NOW.timetz(), dt.timedelta(-1, 2, 3), dt.UTC],
        [Decimal("1.00"), Decimal("NaN12"), Fraction(-1, 3), uuid.UUID(int=5)],
        [pathlib.Path("a/b"), pathlib.PureWindowsPath("C:/x"), range(1, 9, 2), slice(None, 3), ...],
        list(range(3000)),
        {f"key {n}": [n] for n in range(200)},
        ["a" * 70_000, b"b" * 70_000],
    ]


def nested_values() -> Iterable[Any]:
    """Return containers of every kind, with leaves of other codecs."""
    shared = [np.arange(3)]
    return [
        {"w": np.zeros((2, 3), order="F"), "n": None, 1: [np.str_("é"), {np.int64(5)}]},
        [np.arange(n % 5, dtype=f"i{2 ** (n % 4)}") for n in range(40)],
        [shared, shared, np.arange(20_000), b"a" * 70_000],
        collections.OrderedDict([("b", np.arange(2)), ("a", 1)]),
        [collections.Counter(a=2), collections.defaultdict(list, a=[1])],
        collections.deque([1, np.arange(2)], maxlen=3),
        [Point(1, np.arange(3)), Frozen("k", (1,)), Pair(1), Colour.RED, Mode.READ],
        np.array([1, "a", None, [2]], object),
        [pd.Series([1.5]), pl.Series([1]), pa.array([1]), sparse.eye_array(3, format="csr")],
    ]


def arrays() -> Iterable[Any]:
    """Return arrays of every kind of dtype."""
    return [
        np.arange(24.0).reshape(2, 3, 4),
        np.asfortranarray(np.arange(6).reshape(2, 3)),
        np.array(["a", "bcd", ""]),
        np.array([b"a", b"bcd"]),
        np.array(["2024-02-29", "NaT"], "M8[25m]"),
        np.zeros(3, STRUCTURE),
        np.zeros(3, [("a", "i4", (2,)), ("b", [("c", "u1")])]),
        np.zeros(3, "V5"),
        np.array([1, 2], np.longdouble),
        np.zeros((0, 3)),
        np.ndarray((2,), "<U0"),
        np.float64(1.5),
        np.arange(20_000),
    ]


def sparse_values() -> Iterable[Any]:
    """Return a matrix in every format, and arrays of other dimensions."""
    whole = sparse.random_array((6, 9), density=0.3, rng=np.random.default_rng(0))
    formats = ("bsr", "coo", "csc", "csr", "dia", "dok", "lil")
    return [
        *(whole.asformat(name) for name in formats),
        *(sparse.coo_matrix(whole).asformat(name) for name in formats),
        sparse.coo_array(np.eye(3)[1]),
        sparse.coo_array(np.arange(24).reshape(2, 3, 4) % 5),
        sparse.csr_matrix(np.diag(np.arange(400) % 7)[:300]),
    ]


def frames() -> Iterable[Any]:
    """Return frames, series and indexes of pandas."""
    table = pd.DataFrame(
        {
            "int": [1, 2],
            "text": ["x", None],
            "object": pd.Series(["x", None], dtype=object),
            "nullable": pd.array([1, None], dtype="Int8"),
            "category": pd.Categorical(["u", None], categories=["v", "u"], ordered=True),
            "zoned": pd.DatetimeIndex(["2024-10-27T00:30Z", "NaT"]).tz_convert("Europe/Berlin"),
            "span": np.array([1, 2], "m8[ns]"),
            "period": pd.period_range("2024", periods=2, freq="M"),
        }
    )
    table.attrs["note"] = {"a": 1}
    return [
        table,
        table.set_index(["int", "text"]),
        pd.Series([1.5, np.nan], name=("a", 1)),
        pd.MultiIndex.from_product([[1, 2], ["a", "b"]], names=["x", None]),
        pd.date_range("2024", periods=5, freq="D"),
        pd.DataFrame(np.arange(40_000.0).reshape(-1, 4), columns=list("abcd")),
    ]


def pandas_scalars() -> Iterable[Any]:
    """Return single values of pandas."""
    return [
        pd.Timestamp("2024-10-27T00:30Z").tz_convert("Europe/Berlin"),
        pd.Timedelta("1 day"),
        pd.Period("2024-02", "M"),
        pd.Interval(1, 2, closed="left"),
        pd.NaT,
        pd.NA,
    ]


def polars_values() -> Iterable[Any]:
    """Return frames and series of Polars."""
    table = pl.DataFrame(
        {
            "int": [1, None],
            "text": ["é", None],
            "list": [[1, 2], None],
            "struct": [{"a": 1, "b": ["x"]}, None],
            "time": [NOW, None],
            "decimal": [Decimal("1.50"), None],
            "category": pl.Series(["u", "v"], dtype=pl.Categorical),
            "enum": pl.Series(["u", "v"], dtype=pl.Enum(["v", "u"])),
            "array": pl.Series([[1, 2], [3, 4]], dtype=pl.Array(pl.Int8, 2)),
            "binary": [b"\xff", None],
        }
    )
    return [
        table,
        pl.Series("a", [1.5, None]),
        pl.DataFrame({"a": np.arange(20_000)}),
        pl.DataFrame(),
    ]


def arrow_values() -> Iterable[Any]:
    """Return values of Arrow, of every type."""
    words = pa.array(["a", "b", None])
    return [
        *(make() for make in ARRAYS.values()),
        pa.table({"a": [1, None], "b": ["x", "y"]}),
        pa.table({"a": words.dictionary_encode()}),
        pa.record_batch({"a": [1, 2]}),
        pa.chunked_array([["a"], [], ["b", None]]),
        pa.schema([pa.field("a", pa.int8())], metadata={"made": "here"}),
        pa.list_(pa.int8()),
        pa.scalar([{"a": 1}]),
        pa.table({"a": np.arange(20_000)}),
    ]


def parquet_values() -> Iterable[Any]:
    """Return tables of all three libraries that Parquet can hold."""
    return [
        pd.DataFrame({"a": [1, 2], "b": ["x", None], "c": pd.array([1, None], dtype="Int8")}),
        pl.DataFrame({"a": [1, None], "b": ["é", None], "c": [[1, 2], None]}),
        pa.table({"a": [1, None], "b": [{"x": 1}, None]}),
        pl.DataFrame({"a": np.arange(20_000)}),
    ]


def images() -> Iterable[Any]:
    """Return images of several modes, with a palette and with notes."""
    noise = random.Random(0).randbytes(300)  # noqa: S311 (noise)
    palette = Image.frombytes("P", (4, 3), noise[:12])
    palette.putpalette(bytes(range(30)), "RGB")
    noted = Image.frombytes("L", (4, 3), noise[:12])
    noted.info = {"dpi": (72, 72.0), "comment": b"x", "nested": {"a": [1]}}
    return [
        Image.frombytes("RGB", (5, 3), noise[:45]),
        Image.frombytes("1", (8, 3), noise[:3]),
        Image.frombytes("F", (2, 3), noise[:24]),
        palette,
        noted,
        Image.new("L", (0, 0)),
    ]


def models() -> Iterable[Any]:
    """Return estimators, one of them fitted."""
    points = np.random.default_rng(0).normal(size=(20, 3))
    return [LogisticRegression(), StandardScaler().fit(points)]


def collections_of_values() -> Iterable[Any]:
    """Return what is stored of collections of every kind."""
    ids = [ContentId(bytes([n]) * ContentId.SIZE) for n in range(200)]
    return [
        Collection(CollectionKind.LIST, ()),
        Collection(CollectionKind.LIST, tuple(ids[:3])),
        Collection(CollectionKind.TUPLE, (ids[1], ids[1])),
        Collection(CollectionKind.SET, tuple(ids)),
        Collection(CollectionKind.DICT, tuple(ids[:3]), ("a", "", "é" * 40)),
        Collection(CollectionKind.DICT, tuple(ids), tuple(f"key {n}" for n in range(200))),
    ]


MAKERS: Final[Mapping[str, Callable[[], Iterable[Any]]]] = {
    "plain": plain_values,
    "nested": nested_values,
    "ndarray": arrays,
    "sparse": sparse_values,
    "pandas": frames,
    "pandas-scalar": pandas_scalars,
    "polars": polars_values,
    "arrow": arrow_values,
    "parquet": parquet_values,
    "image": images,
    "skops": models,
    "collection": collections_of_values,
}
"""Makers of the values of each codec that keeps nothing on a disk."""


def samples_of(codec_name: str, folder: pathlib.Path) -> Sequence[Sample]:
    """Return samples of a codec; those of files need a folder to lie in."""
    registry = default_registry(FileCache(folder / "cache"))
    values = MAKERS[codec_name]() if codec_name in MAKERS else _files(codec_name, folder)
    only = codec_name if codec_name in {"parquet", "collection"} else None
    encoded = [registry.encode(value, Digests(), only=only) for value in values]
    assert {part.codec_name for part in encoded} == {codec_name}
    return [sample_of(part) for part in encoded]


def _files(codec_name: str, folder: pathlib.Path) -> Iterable[Any]:
    """Return files or directories."""
    files = {"a.txt": b"a", "b/run.sh": b"#!", "b/c/d.bin": bytes(range(256)) * 20, "empty": b""}
    root = make_tree(folder / "tree", files, runs="b/run.sh", empty="b/none")
    if codec_name == "dir":
        return [Dir(root), Dir(root / "b"), Dir(root / "b" / "none")]
    if codec_name == "tracked-dir":
        return [Dir(root, copy=False), Dir(root / "b" / "none", copy=False)]
    paths = [root / name for name in files]
    return [File(path, copy=codec_name == "file") for path in paths]
