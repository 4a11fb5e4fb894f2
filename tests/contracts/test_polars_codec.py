"""The codec of Polars keeps the contract, for every dtype."""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from mandala_cas.codec.digests import Digests
from mandala_cas.codec.polars_tables import PolarsCodec
from mandala_cas.codec.registry import CodecRegistry
from mandala_cas.testing.codecs import CodecSuite, decode

Makers = Sequence[Callable[[], Any]]

NUMBERS: Final = [
    getattr(pl, f"{sign}Int{bits}")
    for sign in ("", "U")
    for bits in (8, 16, 32, 64, 128)
    # Not every version has them all.
    if hasattr(pl, f"{sign}Int{bits}")
]
LETTERS: Final = pl.Enum(["b", "a"])
NOON: Final = dt.datetime(2024, 10, 27, 12)  # noqa: DTZ001 (Polars takes naive ones)

SERIES: Final[Mapping[str, Callable[[], Any]]] = {
    **{str(kind): functools.partial(pl.Series, "n", [1, None], dtype=kind) for kind in NUMBERS},
    "Float32": lambda: pl.Series([1.5, None, float("nan")], dtype=pl.Float32),
    "Float64": lambda: pl.Series([1.5, None, -0.0, float("nan")]),
    "Boolean": lambda: pl.Series([True, None]),
    "String": lambda: pl.Series(["é", None, "", "longer than twelve letters"]),
    "Binary": lambda: pl.Series([b"\xff", None, b""]),
    "Null": lambda: pl.Series([None, None]),
    "Date": lambda: pl.Series([NOON.date(), None]),
    "Time": lambda: pl.Series([dt.time(1, 2, 3, 4), None]),
    "Datetime": lambda: pl.Series([NOON, None], dtype=pl.Datetime("ns")),
    "zoned": lambda: pl.Series([NOON], dtype=pl.Datetime("ms")).dt.replace_time_zone(
        "Europe/Berlin"
    ),
    "Duration": lambda: pl.Series([dt.timedelta(1, 2), None], dtype=pl.Duration("ms")),
    "Decimal": lambda: pl.Series([Decimal("1.50"), None], dtype=pl.Decimal(10, 2)),
    "Categorical": lambda: pl.Series(["a", None, "b"], dtype=pl.Categorical),
    "Enum": lambda: pl.Series(["a", None, "b"], dtype=LETTERS),
    "List": lambda: pl.Series([[1, None], None, []]),
    "Array": lambda: pl.Series([[1, 2], None], dtype=pl.Array(pl.Int8, 2)),
    "matrix": lambda: pl.Series([[[1, 2], [3, 4]]], dtype=pl.Array(pl.Int8, (2, 2))),
    "Struct": lambda: pl.Series([{"a": 1, "b": "x"}, None, {"a": None, "b": "y"}]),
    "categories in lists": lambda: pl.Series([["a"], None], dtype=pl.List(pl.Categorical)),
    "letters in arrays": lambda: pl.Series([["a"]], dtype=pl.Array(LETTERS, 1)),
    "letters in structs": lambda: pl.Series([{"x": "a"}], dtype=pl.Struct({"x": LETTERS})),
    "numbers in lists": lambda: pl.Series([[2**100, None], None], dtype=pl.List(pl.Int128)),
    "nested": lambda: pl.Series([[{"a": [b"x", None]}], None]),
}
"""A series of each dtype, most with a value that is missing."""


class TestPolars(CodecSuite):
    """Series and frames."""

    @pytest.fixture
    def codec(self) -> PolarsCodec:
        """Return the codec."""
        return PolarsCodec()

    @pytest.fixture
    def makers(self) -> Makers:
        """Return series of every dtype, and frames."""
        return [
            *SERIES.values(),
            lambda: pl.DataFrame({"a": [1, 2], "b": ["x", None], "": [b"", b"y"]}),
            pl.DataFrame,
            lambda: pl.DataFrame({"a": []}),
            lambda: pl.DataFrame({"a": range(3000)}),
            lambda: pl.concat([pl.DataFrame({"a": [1]}), pl.DataFrame({"a": [2]})], rechunk=False),
            lambda: pl.DataFrame([make().rename(name)[:0] for name, make in SERIES.items()]),
        ]

    @pytest.fixture
    def declined(self) -> Sequence[Any]:
        """Return what Arrow does not hold, and what belongs to others."""
        return [
            1.5,
            pd.Series([1]),
            pa.table({"a": [1]}),
            pl.Series([object()], dtype=pl.Object),
            pl.Series([[]], dtype=pl.Array(pl.Int8, 0)),
            pl.LazyFrame({"a": [1]}),
            pl.Int64,
        ]


@pytest.fixture
def registry() -> CodecRegistry:
    """Return a registry with this codec alone."""
    registry = CodecRegistry()
    registry.register(PolarsCodec())
    return registry


@pytest.mark.parametrize("name", SERIES)
def test_dtypes_and_names_come_back(registry: CodecRegistry, name: str) -> None:
    """By Polars' own account, too."""
    value = SERIES[name]().rename(name)

    found = decode(registry, registry.encode(value, Digests()))

    assert found.dtype == value.dtype
    assert found.name == name
    assert found.equals(value)


@pytest.mark.skipif(not hasattr(pl, "Categories"), reason="this Polars has one set of categories")
def test_a_set_of_categories_comes_back(registry: CodecRegistry) -> None:
    """Series of other sets cannot be compared."""
    value = pl.Series(["a"], dtype=pl.Categorical(pl.Categories("mine", "here", pl.UInt8)))

    found = decode(registry, registry.encode(value, Digests()))

    assert found.dtype == value.dtype
    assert found.dtype != pl.Categorical()


@pytest.mark.skipif(not hasattr(pl, "Map"), reason="this Polars has no maps")
def test_maps_come_back(registry: CodecRegistry) -> None:
    """With their order."""
    value = pl.Series([{"b": 1, "a": 2}, None], dtype=pl.Map(pl.String, pl.Int64))

    found = decode(registry, registry.encode(value, Digests()))

    assert found.dtype == value.dtype
    assert found.equals(value)


def test_changing_a_loaded_series_leaves_the_payload_alone(registry: CodecRegistry) -> None:
    """Polars writes into memory that only it knows of."""
    encoded = registry.encode(pl.Series(np.arange(1000)), Digests())
    payload = b"".join(encoded.payload)

    found = decode(registry, encoded, memoryview(payload))
    found[0] = 77

    assert payload == b"".join(encoded.payload)
    assert decode(registry, encoded, memoryview(payload))[0] == 0
