"""The codec of Parquet files, by its contract."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.contracts.test_codecs import Makers
from tests.contracts.test_pandas_codec import mixed_frame

from mandala_cas.codec.api import DeclinedError
from mandala_cas.codec.digests import Digests
from mandala_cas.codec.parquet import ParquetCodec
from mandala_cas.codec.registry import CodecRegistry, default_registry
from mandala_cas.envelope.packing import pack
from mandala_cas.errors import CorruptionError
from mandala_cas.testing import CodecSuite

NAN = float("nan")


def strings_and_numbers() -> pd.DataFrame:
    """Return a frame with a column of every kind that Parquet gives back."""
    return mixed_frame().loc[:, "int":"month"].drop(columns="codes")


def nested() -> pa.Table:
    """Return a table with nested columns, NaN, nulls, and metadata of its own."""
    columns = {
        "number": pa.array([1.5, NAN, None]),
        "half": pa.array(np.array([1, NAN, 3], np.float16)),
        "list": pa.array([[1.0, NAN], None, []]),
        # Of no missing list: not every version of Arrow writes one.
        "fixed": pa.array([[1.0, NAN], [2.0, 2.0], [3.0, 4.0]], pa.list_(pa.float64(), 2)),
        "struct": pa.array([{"a": NAN, "b": "x"}, None, {"a": None, "b": None}]),
        "time": pa.array([1, None, 3], pa.timestamp("ns", "Europe/Berlin")),
        "seconds": pa.array([1, None, 3], pa.timestamp("s")),
        "words": pa.array(["a", None, ""]).dictionary_encode(),
    }
    return pa.table(columns).replace_schema_metadata({b"\xff": b"\x00"})


def polars_frame() -> pl.DataFrame:
    """Return a frame of Polars with a column of many kinds."""
    return pl.DataFrame(
        {
            "number": [1.5, NAN, None],
            "text": ["a", None, ""],
            "list": [[1.0, NAN], None, []],
            "struct": [{"a": 1}, None, {"a": None}],
            "day": [dt.date(2024, 2, 29), None, dt.date(1, 1, 1)],
            "span": [dt.timedelta(1), None, dt.timedelta(0, 1)],
            "small": pl.Series([1, None, 3], dtype=pl.UInt8),
        }
    )


class TestParquet(CodecSuite):
    """Tables of three libraries, in one form."""

    @pytest.fixture
    def codec(self) -> ParquetCodec:
        """Return the codec."""
        return ParquetCodec()

    @pytest.fixture
    def makers(self) -> Makers:
        """Return tables of each library, the empty ones among them."""
        return [
            strings_and_numbers,
            lambda: strings_and_numbers().drop(columns="category")[:0],
            pd.DataFrame,
            lambda: pd.DataFrame({"a": range(3000)}, index=pd.Index(range(3000, 0, -1), name="i")),
            lambda: pd.DataFrame([[1, 2]], columns=["a", "a"]),
            lambda: pd.Series([1.5, NAN], index=["x", "y"], name=("a", 1)),
            lambda: pd.date_range("2024", periods=3, freq="h", tz="UTC"),
            nested,
            lambda: nested()[:0].drop_columns("words"),
            lambda: nested()[1:],
            lambda: pa.concat_tables([nested(), nested()]),
            lambda: pa.table({"empty": [[]] * 1000, "none": pa.nulls(1000), "no": [False] * 1000}),
            lambda: pa.table({}),
            polars_frame,
            lambda: polars_frame()[:0],
            pl.DataFrame,
        ]

    @pytest.fixture
    def declined(self) -> Sequence[Any]:
        """Return tables that Parquet cannot hold exactly, and what is no table."""
        return [
            1.5,
            np.arange(3),
            pl.Series([1]),
            pa.array([1]),
            # Parquet has no categories but of strings.
            mixed_frame(),
            mixed_frame()[["category"]][:0],
            pa.table({"t": pa.array([5]).dictionary_encode()}),
            pa.table({"i": pa.array([(1, 2, 3)], pa.month_day_nano_interval())}),
            pl.DataFrame({"o": pl.Series([object()], dtype=pl.Object)}),
            pl.DataFrame({"i": pl.Series([1], dtype=pl.Int128)}),
            pd.DataFrame({"a": [1, "x"]}),
        ]

    def is_same(self, found: Any, value: Any) -> bool:
        """Compare as the library of the table does; NaN is itself."""
        if isinstance(value, pa.Table):
            same_schema = found.schema.equals(value.schema, check_metadata=True)
            return bool(same_schema and repr(found.to_pylist()) == repr(value.to_pylist()))
        if isinstance(value, pl.DataFrame):
            return bool(found.schema == value.schema and found.equals(value))
        return super().is_same(found, value)


def encoded_table(table: pa.Table, **options: Any) -> tuple[dict[str, Any], bytes]:
    """Return the header that a table has, and a file with it that this codec did not write."""
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, **options)
    header, _ = ParquetCodec().encode(table)
    return dict(header), sink.getvalue().to_pybytes()


def test_it_is_asked_by_name_only() -> None:
    """Who does not ask for it gets what reads fastest."""
    registry = default_registry()
    frame = pd.DataFrame({"a": [1]})

    assert registry.encode(frame, Digests()).codec_name == "pandas"
    assert registry.encode(frame, Digests(), "parquet").codec_name == "parquet"


def test_what_it_writes_is_a_parquet_file() -> None:
    """Other tools read it."""
    header, payload = ParquetCodec().encode(nested())

    found = pq.read_table(pa.BufferReader(b"".join(payload)))

    assert found.column("words").to_pylist() == ["a", None, ""]
    assert header["rows"] == 3


def test_a_declined_table_names_the_column() -> None:
    """Of hundreds, one has to be found."""
    table = pa.table({"a": ["x"], "t": pa.array(["x"]).dictionary_encode()})[:0]

    with pytest.raises(DeclinedError, match="column 't' would come back with other values"):
        ParquetCodec().encode(table)


def test_chunks_leave_no_trace() -> None:
    """One table, however it came together, is one payload."""
    chunked = pa.concat_tables([pa.table({"b": [True], "n": [1]})] * 3)

    header, payload = ParquetCodec().encode(chunked)
    whole_header, whole_payload = ParquetCodec().encode(chunked.combine_chunks())

    assert header == whole_header
    assert b"".join(payload) == b"".join(whole_payload)


def test_compressed_columns_are_refused() -> None:
    """A page may claim to unfold into gigabytes, and the reader would make room for them."""
    table = pa.table({"a": [0] * 1000})
    plain, compressed = (
        encoded_table(table, compression=compression) for compression in ("none", "zstd")
    )

    assert ParquetCodec().decode(plain[0], memoryview(plain[1])).equals(table)
    with pytest.raises(ValueError, match="compressed"):
        ParquetCodec().decode(compressed[0], memoryview(compressed[1]))


@pytest.mark.parametrize(("field", "lie"), [("rows", 10**6 - 1), ("size", 1000)])
def test_a_file_that_has_more_than_its_header_says_is_refused_before_it_is_read(
    field: str, lie: int
) -> None:
    """A million zeros take a hundred bytes in a file."""
    header, payload = encoded_table(pa.table({"a": [0] * 10**6}), compression="none")
    registry = CodecRegistry()
    registry.register(ParquetCodec())
    with pytest.raises(CorruptionError, match="than its header"):
        registry.decode("parquet", 1, pack({**header, field: lie}), memoryview(payload))
