"""The corners of content ids and codecs: objects that few people have, and some do."""

from __future__ import annotations

import copy
import functools
import linecache
import pickle
import sys
import zoneinfo
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
import pytest
import zstandard

from mandala_cas.codec import columns, tables
from mandala_cas.codec.api import DeclinedError
from mandala_cas.codec.canonical import canonical_encoding, content_id
from mandala_cas.codec.canonical_tables import find_table_rule
from mandala_cas.codec.pandas_columns import _arrow_strings
from mandala_cas.codec.pickles import PickleCodec
from mandala_cas.codec.plain import PlainCodec, to_plain
from mandala_cas.codec.tables import TableCodec
from mandala_cas.errors import UsageError


class Metres(np.float64):
    """A number with a unit."""

    unit = "m"


class Open:
    """A class with slots and a dict."""

    __slots__ = ("__dict__", "x")

    def __init__(self, x: int, y: int) -> None:
        """Hold one attribute in each."""
        self.x = x
        self.y = y


class Numbered:
    """A class whose state has keys that are no names."""

    def __init__(self, state: dict[Any, Any]) -> None:
        """Hold a state."""
        self.state = state

    def __getstate__(self) -> dict[Any, Any]:
        """Return it."""
        return self.state

    def __setstate__(self, state: dict[Any, Any]) -> None:
        """Take it."""
        self.state = state


class Named:
    """A class that is made with a keyword."""

    name: str

    def __new__(cls, *, name: str) -> Self:
        """Take the keyword."""
        made = super().__new__(cls)
        made.name = name
        return made

    def __getnewargs_ex__(self) -> tuple[tuple[()], dict[str, str]]:
        """Return it."""
        return (), {"name": self.name}


class Made:
    """A class that is made by something, which may have no name, of something."""

    def __init__(self, maker: Any, *arguments: Any) -> None:
        """Hold that."""
        self.maker = maker
        self.arguments = arguments

    def __reduce__(self) -> Any:
        """Return it."""
        return self.maker, self.arguments


class Bottomless:
    """A class that never comes to an end."""

    def __reduce__(self) -> Any:
        """Go on."""
        return self.__reduce__()


class Failing(Exception):  # noqa: N818 (it is looked up by this name below)
    """A reason of a user's."""


@dataclass
class Unreadable:
    """A dataclass with a field that cannot be read."""

    part: int

    def __getattribute__(self, name: str) -> Any:
        """Fail for that field."""
        if name == "part":
            raise Failing("not today")
        return super().__getattribute__(name)


def test_a_number_of_a_derived_class_is_no_plain_number() -> None:
    """It may hold more than NumPy looks at."""
    assert content_id(Metres(1.5)) == content_id(Metres(1.5))
    assert content_id(Metres(1.5)) != content_id(np.float64(1.5))
    assert content_id(Metres(1.5)) != content_id(Metres(2.5))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Open(1, 2), Open(1, 3)),
        (Open(1, 2), Open(2, 2)),
        (Numbered({1: 2}), Numbered({1: 3})),
        (Numbered({"_sklearn_version": 1, 2: 3}), Numbered({2: 3})),
        (Named(name="a"), Named(name="b")),
    ],
)
def test_every_part_of_a_copy_counts(one: Any, other: Any) -> None:
    """Slots next to a dict, keys that are no names, keywords, makers without a name."""
    assert content_id(one) == content_id(copy.copy(one))
    assert content_id(one) != content_id(other)


def test_what_makes_a_copy_counts_by_its_value_where_it_has_no_name() -> None:
    """Two functions of one line have the name of neither."""
    makers: list[Any] = [functools.partial(dict, a=1), functools.partial(dict, a=2)]
    makers += [lambda: 1, lambda: 2]

    assert len({content_id(Made(maker)) for maker in makers}) == len(makers)
    assert content_id(Made(makers[0])) == content_id(Made(functools.partial(dict, a=1)))


def test_a_class_that_makes_a_copy_counts_by_name() -> None:
    """Its source is no part of its instances; every change of a method would be one of values."""
    one, other = (type("Row", (), {"x": n, "__module__": "here"}) for n in range(2))

    assert content_id(one) != content_id(other)
    assert content_id(Made(copy.copy, one)) == content_id(Made(copy.copy, other))
    assert content_id(Made(copy.copy, [one])) != content_id(Made(copy.copy, [other]))


def test_classes_of_extensions_are_their_names() -> None:
    """Their source is elsewhere, and in another language."""
    assert canonical_encoding(zstandard.ZstdCompressor).startswith(b"r\4\0\0\0\0\0\0\0name")
    assert content_id(zstandard.ZstdCompressor) != content_id(zstandard.ZstdDecompressor)


def test_a_lambda_of_a_file_that_is_gone_or_broken_counts_by_what_it_does(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """While a program runs, people edit."""
    path = str(tmp_path / "module.py")
    monkeypatch.setitem(linecache.cache, path, (1, None, ["it = (lambda: 1\n"], path))
    scope: dict[str, Any] = {}
    exec(compile("it = lambda: 1\nthat = lambda: 2", path, "exec"), scope)  # noqa: S102 (written here)

    assert b"code" in canonical_encoding(scope["it"])
    assert content_id(scope["it"]) != content_id(scope["that"])


@pytest.mark.parametrize(
    ("value", "reason"),
    [(Bottomless(), "stack that is left"), (Unreadable(1), "not today")],
)
def test_objects_that_fail_are_typed_errors(value: Any, reason: str) -> None:
    """Whatever the class of a user does."""
    with pytest.raises(UsageError, match=reason):
        content_id(value)


def test_a_zone_without_a_key_has_no_id_and_no_plain_form() -> None:
    """It was read from a file, which may be any."""
    rules = Path(zoneinfo.__file__)
    for folder in zoneinfo.TZPATH:
        if (Path(folder) / "UTC").is_file():
            rules = Path(folder) / "UTC"
    if rules.suffix == ".py":
        pytest.skip("there is no data base of time zones here")
    zone = zoneinfo.ZoneInfo.from_file(BytesIO(rules.read_bytes()))

    with pytest.raises(UsageError, match="use ZoneInfo"):
        content_id([zone])
    with pytest.raises(DeclinedError, match="without a key"):
        to_plain(zone)


def test_without_pandas_nothing_is_a_table(monkeypatch: pytest.MonkeyPatch) -> None:
    """And it is not imported to find out."""
    frame = pd.DataFrame({"a": [1]})
    assert find_table_rule(type(frame)) is not None
    assert TableCodec().can_encode(frame)

    monkeypatch.delitem(sys.modules, "pandas")

    assert find_table_rule(type(frame)) is None
    assert not TableCodec().can_encode(frame)
    assert "pandas" not in sys.modules


def test_strings_come_back_as_objects_where_there_is_no_dtype_for_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As pandas 2 would have made them."""

    def refuse(storage: str, **_: Any) -> None:
        raise TypeError(storage)

    monkeypatch.setattr(pd, "StringDtype", refuse)

    assert columns._string_dtype("python", nullable=False).kind == "O"


@pytest.mark.parametrize("dtype", ["int64", "no dtype", "category"])
def test_a_crafted_nullable_column_is_refused(dtype: str) -> None:
    """It names a dtype, which might be any."""
    form, column = columns.write_column(pd.array([1, None], dtype="Int64"))

    with pytest.raises((ValueError, TypeError)):
        columns.read_column({**form, "dtype": dtype}, column)


def test_crafted_columns_are_refused() -> None:
    """Arrow is content with all of these."""
    form, column = columns.write_column(pd.array([1, None], dtype="Int64"))

    for crafted in (
        {"kind": "numpy", "dtype": "<i8"},
        {"kind": "numpy", "dtype": "O"},
        {"kind": ""},
    ):
        with pytest.raises(ValueError, match=r"missing|no dtype|not known"):
            columns.read_column(crafted, column)
    assert columns.read_column(form, column)[0] == 1


@pytest.mark.parametrize(
    "value",
    [
        pd.Series([1.5, np.str_("a")], dtype=object),
        pd.DataFrame({"a": ["\ud800"]}, dtype=object),
        pd.DataFrame([[1, 2]], columns=pd.MultiIndex.from_tuples([("a", 1), ("a", object)])),
        pd.Series([1], index=pd.Index([object()])),
    ],
)
def test_tables_with_an_odd_part_are_left_to_pickle(value: Any) -> None:
    """Which keeps them exactly."""
    with pytest.raises(DeclinedError, match=r"\w"):
        TableCodec().encode(value)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        (lambda found: found.astype("float64"), "dtype"),
        (lambda found: found + 1, "another"),
        (lambda found: found.to_frame(), "DataFrame"),
        (lambda found: found.rename_axis("i"), "index"),
    ],
)
def test_a_table_that_would_come_back_changed_is_declined(
    changed: Callable[[Any], Any], reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Versions of pandas and Arrow to come may see things in another way."""
    assemble = tables._assemble
    monkeypatch.setattr(tables, "_assemble", lambda table: changed(assemble(table)))

    with pytest.raises(DeclinedError, match=reason):
        TableCodec().encode(pd.Series([1, 2]))


def test_strings_of_arrow_in_one_piece_or_more_are_the_same() -> None:
    """What holds them decides how it hands them out."""
    import pyarrow as pa  # noqa: PLC0415 (heavy)

    class Holder:
        """An array of strings."""

        def __init__(self, held: Any) -> None:
            """Hold what Arrow is to get."""
            self.held = held

        def __arrow_array__(self) -> Any:
            """Hand it out."""
            return self.held

    whole, chunked = pa.array(["a", None]), pa.chunked_array([["a"], pa.array([None], pa.string())])
    part = pa.array(["other", "a", None, "more"])[1:3]

    ids = {content_id([_arrow_strings("str", Holder(held))]) for held in (whole, chunked, part)}

    assert len(ids) == 1


def test_a_header_where_none_belongs_is_refused() -> None:
    """It would be part of the payload hash and mean nothing."""
    _, (payload,) = TableCodec().encode(pd.Series([1]))

    with pytest.raises(ValueError, match="says nothing"):
        TableCodec().decode({"a": 1}, memoryview(payload))


def test_plain_declines_where_the_stack_is_nearly_used_up() -> None:
    """The next codec may need less of it."""
    nested: list[Any] = []
    for _ in range(90):
        nested = [nested]

    def deep_in(levels: int) -> Any:
        if levels == 0:
            return PlainCodec().encode(nested)
        return deep_in(levels - 1)

    with pytest.raises(DeclinedError, match="stack"):
        deep_in(sys.getrecursionlimit() - 250)


class Scattered:
    """A buffer that is not in one piece."""

    def __init__(self) -> None:
        """Hold every other byte."""
        self.data = memoryview(bytes(20_000))[::2]

    def __reduce_ex__(self, protocol: Any) -> Any:
        """Offer it as it is."""
        return bytes, (pickle.PickleBuffer(self.data),)


def test_buffers_that_are_not_in_one_piece_are_refused_with_a_reason() -> None:
    """Pickle itself cannot take them."""
    with pytest.raises(UsageError, match="contiguous"):
        PickleCodec().encode(Scattered())
