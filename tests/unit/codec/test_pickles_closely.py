"""What a pickle keeps that the libraries of its values would lose."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from mandala_cas.codec.canonical import content_id
from mandala_cas.codec.pickles import PickleCodec

Array = np.ndarray[Any, Any]


def pickled(value: Any) -> Any:
    """Return what comes back of a value by pickle."""
    codec = PickleCodec()
    header, payload = codec.encode(value)
    return codec.decode(header, memoryview(bytearray(b"".join(payload))))


class Measured(np.ndarray[Any, Any]):
    """An array of a class of somebody's own."""


class Holder:
    """An object that only pickle takes."""

    def __init__(self, held: Any) -> None:
        """Hold a value."""
        self.held = held

    def __call__(self) -> None:
        """Do nothing."""


def turned(*shape: int) -> Array:
    """Return an array in the byte order that is not this machine's."""
    dtype = np.dtype("f8").newbyteorder("S")
    return np.arange(1, 1 + np.prod(shape, dtype=int)).astype(dtype).reshape(shape)


@pytest.mark.filterwarnings("ignore:the matrix subclass:PendingDeprecationWarning")
@pytest.mark.parametrize("kind", [np.matrix, np.recarray, Measured, np.ndarray])
@pytest.mark.parametrize("order", ["C", "F", "strided"])
def test_arrays_keep_their_byte_order(kind: Any, order: str) -> None:
    """NumPy turns them to that of the machine that reads them."""
    whole = turned(4, 6)
    array = whole[:, ::2] if order == "strided" else np.array(whole, order=order)  # type: ignore[call-overload]  # (a str)
    value = Holder(array.view(kind))

    found = pickled(value)

    assert type(found.held) is kind
    assert found.held.dtype == value.held.dtype
    assert found.held.tolist() == value.held.tolist()
    assert content_id(found) == content_id(value)
    assert found.held.flags.writeable


@pytest.mark.parametrize("hard", [False, True])
@pytest.mark.parametrize("mask", [np.ma.nomask, False, [True, False, True]])
@pytest.mark.parametrize("fill_value", [None, 7])
@pytest.mark.parametrize("dtype", ["<f8", ">f8", "<U2", ">U3"])
def test_arrays_with_masks_keep_all_that_they_are(
    hard: bool,  # noqa: FBT001 (a parameter)
    mask: Any,
    fill_value: Any,
    dtype: str,
) -> None:
    """Their byte order, and whether an assignment reaches what is masked."""
    array = np.ma.array(
        np.array([1, 2, 3]).astype(dtype), mask=mask, hard_mask=hard, fill_value=fill_value
    )
    value = Holder(array)

    found = pickled(value)

    assert type(found.held) is np.ma.MaskedArray
    assert found.held.dtype == array.dtype
    assert found.held.hardmask is hard
    assert content_id(found) == content_id(value)


@pytest.mark.parametrize("dtype", ["M8[s]", "m8[25us]", "f8", "c16", "U3", "i2", "f2"])
@pytest.mark.parametrize("shape", [(), (0,), (2, 0), (3,), (2, 3)])
def test_every_dtype_keeps_its_byte_order(dtype: str, shape: tuple[int, ...]) -> None:
    """Those of times have no buffers that pickle could take as they are."""
    made = np.ones(shape, "i8").astype(np.dtype(dtype).newbyteorder("S"))
    wide = np.ones((*shape, 2), "i8").astype(made.dtype)

    for array in (made, np.asfortranarray(made), wide[..., 0], np.ma.array(made)):
        found = pickled(Holder(array)).held

        assert found.dtype == array.dtype
        assert found.tolist() == array.tolist()
        assert content_id(found) == content_id(array)


def test_asking_for_a_fill_value_does_not_change_what_is_kept() -> None:
    """NumPy makes one up for who asks, and cuts one that is set to the width of the array."""
    for dtype in ("<U2", ">U2", "<f8"):
        for hard in (False, True):
            array = np.ma.array(np.array([1, 2]).astype(dtype), hard_mask=hard)
            asked = array.copy()
            assert asked.fill_value is not None

            assert pickled(Holder(array)).held.fill_value == array.copy().fill_value
            assert content_id(pickled(Holder(asked))) == content_id(Holder(asked))


def test_a_map_keeps_that_its_keys_are_sorted() -> None:
    """Alone, in a field, and as the type of a table that a pickle holds."""
    kind = pa.map_(pa.field("k", pa.string(), nullable=False), pa.field("v", pa.int64()), True)
    table = pa.table({"a": pa.array([[("x", 1)]], kind)})

    for value in (Holder(kind), Holder(pa.field("a", kind)), Holder([table, table["a"]])):
        assert content_id(pickled(value)) == content_id(value)
    found = pickled(Holder(table)).held
    assert found.schema.field("a").type.keys_sorted
    assert found == table


def adder(by: int) -> Callable[[int], int]:
    """Return a function that pickle has no name for."""

    def add(x: int) -> int:
        # A comment is part of what a function is.
        return x + by

    return add


def factory() -> Callable[[], Callable[[int], Callable[[int], int]]]:
    """Return a function that has another within."""

    def outer() -> Callable[[int], Callable[[int], int]]:
        def inner(by: int) -> Callable[[int], int]:
            return lambda x: x - by

        return inner

    return outer


def local_class() -> type:
    """Return a class that pickle has no name for."""

    @dataclasses.dataclass
    class Local:
        """A class of a function's body."""

        x: int = 1

        def shown(self) -> str:
            """Return a text."""
            return f"{self.x}"

    return Local


FUNCTIONS: list[Callable[[], Any]] = [
    lambda: adder(1),
    lambda: [adder(1), adder(2)],
    lambda: (lambda x: x + 1, lambda x: x + 2),
    factory,
    factory(),
    local_class,
    lambda: local_class()(5),
    lambda: local_class()(5).shown,
]


@pytest.mark.parametrize("make", FUNCTIONS)
def test_code_keeps_its_source(make: Callable[[], Any]) -> None:
    """What is loaded is what was stored, and calls with it are hits."""
    value = make()

    found = pickled(value)

    assert content_id(found) == content_id(value)
    assert content_id(pickled(found)) == content_id(value)


def test_functions_that_a_loaded_one_makes_keep_their_source() -> None:
    """Their code came with that of the function around them."""
    expected = factory()()(3)

    found = pickled(factory())()(3)

    assert content_id(found) == content_id(expected)
    assert found(5) == expected(5) == 2


SCRIPT = """
import sys
from pathlib import Path
from mandala_cas.codec.canonical import content_id
from mandala_cas.codec.pickles import PickleCodec

if sys.argv[1] == "write":
    import made_up
    value = made_up.made()
    header, payload = PickleCodec().encode(value)
    data = b"".join(payload)
    assert not header["buffers"]
    Path("stream").write_bytes(data)
else:
    data = Path("stream").read_bytes()
    value = PickleCodec().decode({"stream": len(data), "buffers": []}, memoryview(data))
print(content_id(value))
"""


def test_the_file_of_a_function_need_not_be_there(tmp_path: Path) -> None:
    """A colleague loads it, who has no such file, or another one under its name."""
    source = tmp_path / "made_up.py"
    source.write_text("def made():\n    def add(x):\n        return x + 1\n    return add\n")

    def run(what: str) -> str:
        """Return the id that a process prints."""
        command = [sys.executable, "-c", SCRIPT, what]
        return subprocess.check_output(command, cwd=tmp_path, text=True)

    written = run("write")
    source.write_text("def made():\n    def sub(x):\n        return x - 1\n    return sub\n")

    assert run("read") == written
