"""What has no content is an error that says where it is, what it is and what to do."""

from __future__ import annotations

import socket
import threading
import types
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tests.unit.codec.process_values import Point

from mandala_cas.codec.canonical import content_id
from mandala_cas.errors import UsageError
from mandala_cas.model.ids import ContentId, HistoryId
from mandala_cas.model.refs import AtomRef


class Holder:
    """An object with attributes."""

    def __init__(self, **attributes: Any) -> None:
        """Hold attributes."""
        self.__dict__.update(attributes)


class Slotted:
    """An object without a dict."""

    __slots__ = ("part",)

    def __init__(self, part: Any) -> None:
        """Hold one attribute."""
        self.part = part


class Failing:
    """An object that cannot be copied, for a reason of its own."""

    def __reduce__(self) -> str:
        """Fail."""
        raise RuntimeError("the license ran out")


class Unreadable:
    """An object with an attribute that cannot be read."""

    __slots__ = ("part",)

    def __getattribute__(self, name: str) -> Any:
        """Fail for that attribute."""
        if name == "part":
            raise RuntimeError("not today")
        return super().__getattribute__(name)


def generator() -> Iterator[int]:
    """Yield a number."""
    yield 1


LOCK = threading.Lock()


def closing_over(part: Any) -> Any:
    """Return a function that holds ``part``."""
    return lambda: part


@pytest.mark.parametrize(
    ("value", "path"),
    [
        (LOCK, ""),
        ([1, 2, 3, LOCK], "[3]"),
        ((1, [LOCK]), "[1][0]"),
        ({"loader": Holder(lock=LOCK)}, '["loader"].lock'),
        ({1: {(2, 3): LOCK}}, "[1][(2, 3)]"),
        ({LOCK: 1}, ".keys()"),
        ({"a": {LOCK}}, '["a"]'),
        (Holder(a=Holder(b=[LOCK])), ".a.b[0]"),
        (Slotted({"x": LOCK}), '.part["x"]'),
        (Point(LOCK), ".x"),  # type: ignore[arg-type]  # (on purpose)
        (np.array([1, LOCK], object), "[1]"),
        (closing_over([LOCK]), ".part[0]"),
    ],
)
def test_the_error_says_where(value: Any, path: str) -> None:
    """In a configuration of hundreds of parts, one has to be found."""
    with pytest.raises(UsageError) as caught:
        content_id(value)

    assert caught.value.path == path
    assert path in str(caught.value)
    assert "_thread.lock" in str(caught.value)


@pytest.mark.parametrize(
    "value",
    [
        LOCK,
        threading.Event(),
        generator(),
        types,
        memoryview(b"a"),
        weakref.ref(LOCK.__class__),
        np.frompyfunc(len, 1, 1),
        {}.keys(),
        Unreadable(),
        Failing(),
        pd.DataFrame({"a": [LOCK]}),
    ],
)
def test_what_cannot_be_copied_has_no_id(value: Any) -> None:
    """The message ends with what to do."""
    with pytest.raises(UsageError, match=r"cannot hash .*; (leave it out|pass)"):
        content_id(value)


def test_open_files_and_connections_have_no_id(tmp_path: Path) -> None:
    """Whatever they were opened on."""
    with (tmp_path / "file").open("w") as file, pytest.raises(UsageError, match="TextIOWrapper"):
        content_id(file)
    with socket.socket() as connection, pytest.raises(UsageError, match="socket"):
        content_id([connection])


def test_the_reason_of_a_class_is_passed_on() -> None:
    """It knows best."""
    with pytest.raises(UsageError, match="the license ran out"):
        content_id(Failing())


def test_a_long_path_is_cut_in_the_message_and_whole_in_the_error() -> None:
    """One is for people, the other for programs."""
    value: Any = LOCK
    for _ in range(90):
        value = [value]

    with pytest.raises(UsageError) as caught:
        content_id(value)

    assert caught.value.path == "[0]" * 90
    assert len(str(caught.value)) < 400


def test_a_ref_inside_a_value_is_refused() -> None:
    """Its history would be lost; as an argument of its own it keeps it."""
    ref = AtomRef(HistoryId(bytes(16)), ContentId(bytes(32)), 5)

    with pytest.raises(UsageError, match="refs are taken only as arguments") as caught:
        content_id({"numbers": [1, ref]})

    assert caught.value.path == '["numbers"][1]'
