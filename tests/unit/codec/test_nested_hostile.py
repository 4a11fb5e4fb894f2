"""Nested values need no trust, so anyone may have written them."""

from __future__ import annotations

import struct
import sys
import tracemalloc
import types
from collections.abc import Sequence
from typing import Any

import msgpack
import numpy as np
import pytest
from tests.unit.codec import nested_values

from mandala_cas.codec.digests import Digests
from mandala_cas.codec.registry import default_registry
from mandala_cas.envelope.packing import pack
from mandala_cas.errors import CorruptionError, MandalaError, UnsupportedFormatError, UsageError

REGISTRY = default_registry()
NAME = nested_values.__name__
ARRAY = ("ndarray", 1, pack({"dtype": "<i8", "shape": [2]}), bytes(16))

Leaf = tuple[str, int, bytes, bytes]


def marked(name: bytes, *parts: Any) -> list[Any]:
    """Return an array with a marker."""
    return [msgpack.ExtType(0, name), *parts]


def leaf(number: int) -> msgpack.ExtType:
    """Return the number of a leaf."""
    return msgpack.ExtType(6, number.to_bytes(4, "little"))


def shared(number: int) -> msgpack.ExtType:
    """Return the number of a container that was met before."""
    return msgpack.ExtType(1, number.to_bytes(4, "little"))


def decode_document(form: Any, classes: Sequence[Any] = ()) -> Any:
    """Decode a document without leaves."""
    document = msgpack.packb([list(classes), form])
    return REGISTRY.decode("nested", 1, b"\x80", memoryview(document))


def decode_leaves(
    form: Any,
    given: Sequence[Leaf],
    *,
    records: Sequence[tuple[int, int]] | None = None,
    tail: bytes = b"",
    **lies: Any,
) -> Any:
    """Decode a document with leaves, of which something may be a lie."""
    document = msgpack.packb([[], form])
    kinds = b"".join(
        struct.pack("<BII", len(name), version, len(header)) + name.encode() + header
        for name, version, header, _ in given
    )
    if records is None:
        records = [(number, len(leaf[3])) for number, leaf in enumerate(given)]
    payload = document + kinds + b"".join(struct.pack("<IQ", *record) for record in records)
    for _, _, _, data in given:
        payload += bytes(-len(payload) % (64 if len(data) >= 64 else 16)) + data
    fields = {"document": len(document), "kinds": len(kinds), "leaves": len(records), **lies}
    return REGISTRY.decode("nested", 1, pack(fields), memoryview(payload + tail))


def test_the_crafted_bytes_are_right_but_for_the_lie() -> None:
    """Or the tests below would test something else."""
    found = decode_leaves([leaf(0), leaf(1), leaf(0)], [ARRAY, ARRAY])

    assert [part.tolist() for part in found] == [[0, 0]] * 3
    assert found[0] is found[2]
    assert decode_document(marked(b"deque", 3, 1, 2)).maxlen == 3


@pytest.mark.parametrize(
    "lies",
    [
        {"document": -1},
        {"document": 2**62},
        {"document": 1},
        {"document": True},
        {"kinds": 2**62},
        {"kinds": -5},
        {"kinds": 0},
        {"kinds": 7},
        {"leaves": 2**62},
        {"leaves": 0},
        {"leaves": 2},
        {"leaves": -1},
        {"leaves": 1.0},
        {"records": [(0, 2**63)]},
        {"records": [(0, 2**64 - 1)]},
        {"records": [(0, 15)]},
        {"records": [(0, 17)]},
        {"records": [(1, 16)]},
        {"records": [(2**32 - 1, 16)]},
        {"records": []},
        {"records": [(0, 16), (0, 0)]},
        {"tail": b"\0"},
        {"tail": bytes(16)},
    ],
)
def test_a_table_that_lies_is_corruption(lies: dict[str, Any]) -> None:
    """Every size is compared with what is there before it is used."""
    with pytest.raises(CorruptionError):
        decode_leaves(leaf(0), [ARRAY], **lies)


@pytest.mark.parametrize(
    "lying", [("ndarray", 1, b"\xff" * 9, bytes(16)), ("ndarray", 1, b"", bytes(16))]
)
def test_a_header_of_a_leaf_that_lies_is_corruption(lying: Leaf) -> None:
    """It is one of the codec's own, and read as such."""
    with pytest.raises(CorruptionError):
        decode_leaves(leaf(0), [lying])


def test_a_leaf_is_no_pickle() -> None:
    """Nobody was asked whether to trust the writer: the value says that it runs no code."""
    evil = REGISTRY.encode(nested_values.Ordinary(1), Digests())
    assert evil.codec_name == "pickle"

    with pytest.raises(CorruptionError, match="'pickle'"):
        decode_leaves(leaf(0), [("pickle", 1, evil.header, b"".join(evil.payload))])


def test_a_leaf_is_no_container() -> None:
    """Each would have a table and a stack of its own, without an end."""
    document = msgpack.packb([[], [1]])

    with pytest.raises(CorruptionError, match="'nested'"):
        decode_leaves(leaf(0), [("nested", 1, b"\x80", document)])


def test_a_leaf_of_the_future_asks_for_an_upgrade() -> None:
    """It is not corruption."""
    for name, version in [("ndarray", 2), ("hologram", 1)]:
        with pytest.raises(UnsupportedFormatError, match="upgrade"):
            decode_leaves(leaf(0), [(name, version, ARRAY[2], ARRAY[3])])


@pytest.mark.parametrize(
    "form", [[leaf(1)], [leaf(0), leaf(2)], [], [leaf(0)], [leaf(1), leaf(0)], [leaf(2**31)]]
)
def test_leaves_are_numbered_as_they_are_met(form: Any) -> None:
    """What nobody mentions has no business there."""
    with pytest.raises(CorruptionError):
        decode_leaves(form, [ARRAY, ARRAY])


PAIR = [NAME, "Pair", ["left", "right"]]
POINT = [NAME, "Point", ["x", "y"]]


@pytest.mark.parametrize(
    ("form", "classes"),
    [
        (marked(b"nothing"), []),
        (marked(b"namedtuple", 0, 1), [PAIR]),
        (marked(b"namedtuple", 0, 1, 2, 3), [PAIR]),
        (marked(b"namedtuple", 1, 1, 2), [PAIR]),
        (marked(b"namedtuple", -1, 1, 2), [PAIR]),
        (marked(b"namedtuple", False, 1, 2), [PAIR]),
        (marked(b"namedtuple", None, 1, 2), [PAIR]),
        (marked(b"namedtuple"), [PAIR]),
        (marked(b"namedtuple", 0, 1, shared(0)), [PAIR]),
        (marked(b"instance", 0, 1), [POINT]),
        (marked(b"instance", 0, 1, 2, 3), [POINT]),
        (marked(b"instance", 0, 1, shared(0)), [POINT]),
        (marked(b"instance", 0, 1, 2), [[NAME, "Point", ["x", "x"]]]),
        (marked(b"instance", 0, 1, 2), [[NAME, "Point", ["x", 5]]]),
        (marked(b"instance", 0, 1, 2), [[NAME, "Point"]]),
        (marked(b"instance", 0, 1, 2), [[NAME, 5, ["x", "y"]]]),
        (marked(b"instance", 0, 1, 2), [["__main__", "Point", ["x", "y"]]]),
        (1, [[NAME, "Point", ["x"], 5]]),
        (1, [5]),
        (1, {"a": 1}),
        (marked(b"member", 0, 5, None), [[NAME, "Colour", []]]),
        (marked(b"member", 0, "RED"), [[NAME, "Colour", []]]),
        (marked(b"deque", -1), []),
        (marked(b"deque", 1, 1, 2), []),
        (marked(b"deque", True, 1), []),
        (marked(b"deque"), []),
        (marked(b"OrderedDict", 1), []),
        (marked(b"OrderedDict", [], 1), []),
        (marked(b"Counter", 1, 2, 3), []),
        (marked(b"defaultdict", "eval", 1, 2), []),
        (marked(b"defaultdict", ["int"], 1, 2), []),
        (marked(b"defaultdict", "list", 1), []),
        (marked(b"objects", "C", [2], 1), []),
        (marked(b"objects", "C", [2**40, 2**40]), []),
        (marked(b"objects", "C", [0, 2**62, 2**62]), []),
        (marked(b"objects", "C", [-1, -1], 1), []),
        (marked(b"objects", "C", [1] * 100, 1), []),
        (marked(b"objects", "C", [True], 1), []),
        (marked(b"objects", "C", 1, 1), []),
        (marked(b"objects", "K", [1], 1), []),
        (marked(b"objects", "C", [1], shared(0)), []),
        (marked(b"strings", "C", [1], True, False, None, 5), []),
        (marked(b"strings", "C", [1], True, False, [], "a"), []),
        (marked(b"strings", "C", [1], True, False, None, None), []),
        (marked(b"strings", "C", [2**62], True, False, None), []),
        (marked(b"masked array", False, False, 1, None, None), []),
        (marked(b"masked array", False, False), []),
        (marked(b"recarray", [1]), []),
        (marked(b"matrix", marked(b"objects", "C", [1], 1)), []),
        (marked(b"strings", "C", [1], True, True, None, 1.5), []),
        ([msgpack.ExtType(7, b"")], []),
        (msgpack.ExtType(0, b"deque"), []),
        (msgpack.Timestamp(1), []),
    ],
)
def test_crafted_documents_are_corruption(form: Any, classes: Any) -> None:
    """A marker promises parts, and their number and types are checked."""
    with pytest.raises(CorruptionError):
        decode_document(form, classes)


@pytest.mark.parametrize("document", [b"", b"\x90", b"\x91\x90", b"\x93\x90\x01\x01", b"\xc0"])
def test_a_document_has_classes_and_a_value(document: bytes) -> None:
    """Neither less nor more."""
    with pytest.raises(CorruptionError):
        REGISTRY.decode("nested", 1, b"\x80", memoryview(document))


@pytest.mark.parametrize(
    ("module", "qualname"),
    [
        ("os", "system"),
        ("subprocess", "Popen"),
        ("builtins", "eval"),
        ("builtins", "object"),
        ("builtins", "type"),
        ("tests", "unit.codec.nested_values.Point"),
        (NAME, "Point.__class__"),
        (NAME, "Point.__init__"),
        (NAME, "Dying"),
        (NAME, "Made"),
        (NAME, "Reduced"),
        (NAME, "Odd"),
        (NAME, "Ordinary"),
        (NAME, "Failure"),
        (NAME, "Colour.RED"),
        ("", ""),
        ("antigravity", "Point"),
        (NAME, "Point\0"),
    ],
)
def test_no_other_class_is_made(module: str, qualname: str) -> None:
    """Only those whose instances are their attributes, whatever a store asks for."""
    for marker in (b"instance", b"namedtuple", b"member", b"flag"):
        parts = ("x", None) if marker == b"member" else (5,)
        with pytest.raises(UsageError):
            decode_document(marked(marker, 0, *parts), [[module, qualname, ["x"]]])

    assert "antigravity" not in sys.modules


def test_a_module_is_not_asked_for_what_it_makes_on_demand(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Some import others when they are."""

    class Lazy(types.ModuleType):
        """A module that notes what it is asked for."""

        def __getattribute__(self, name: str) -> Any:
            """Fail."""
            raise AssertionError(name)

    monkeypatch.setitem(sys.modules, "lazy_module", Lazy("lazy_module"))

    with pytest.raises(UsageError, match="no such class"):
        decode_document(marked(b"instance", 0, 1), [["lazy_module", "Point", ["x"]]])


def test_what_runs_code_when_it_is_set_is_set_without() -> None:
    """A property with the name of an attribute is not asked, and not run."""
    nested_values.tampered.clear()

    found = decode_document(
        marked(b"instance", 0, 1, 2, 3, 4),
        [[NAME, "Deeper", ["size", "total", "hidden", "area"]]],
    )

    assert nested_values.tampered == []
    assert vars(found)["area"] == 4


@pytest.mark.parametrize("kind", [b"t", b"E", b"namedtuple", b"instance", b"flat"])
def test_elements_that_take_for_ever_to_hash_are_corruption(kind: bytes) -> None:
    """Ninety tuples of two, each twice the one before, have a hash of 2**90 steps."""
    heads: dict[bytes, list[Any]] = {
        b"namedtuple": marked(b"namedtuple", 0),
        b"instance": marked(b"instance", 1),
    }
    head = heads.get(kind, marked(b"t" if kind == b"flat" else kind))
    classes = [PAIR, [NAME, "Frozen", ["key", "parts"]]]
    if kind == b"E":
        # A frozenset remembers its hash, so that one of tuples is as bad.
        head = marked(b"t")
    form: Any = [*head, 1, 2]
    for level in range(80, 0, -1):
        form = [*head, form, shared(level + 1)]
    for outer in (marked(b"e", form), marked(b"d", form, 1), marked(b"Counter", form, 1)):
        with pytest.raises(CorruptionError, match="hash"):
            decode_document(outer, classes)


def test_much_sharing_that_is_never_hashed_is_fine() -> None:
    """In lists, and in what a dict leads to."""
    form: Any = marked(b"t", 1, 2)
    for level in range(80, 0, -1):
        form = marked(b"t", form, shared(level + 1))

    found = decode_document(marked(b"d", "a", form, 5, shared(1)))

    assert found["a"] is found[5]


@pytest.mark.parametrize("depth", [102, 500, 5000])
@pytest.mark.parametrize(
    "begin", [b"\x91", b"\x92\xc7\x01\x00t", b"\x93\xc7\x05\x00deque\xc0", b"\x81\xa1a"]
)
def test_deep_documents_are_typed_errors(begin: bytes, depth: int) -> None:
    """The limit of msgpack, Python's stack and ours: none of them is a crash."""
    with pytest.raises(MandalaError):
        REGISTRY.decode("nested", 1, b"\x80", memoryview(b"\x92\x90" + begin * depth + b"\xc0"))


def test_nothing_is_allocated_for_what_is_not_there() -> None:
    """A claim of exabytes costs its writer a few bytes."""
    tracemalloc.start()
    try:
        for lies in ({"leaves": 2**62}, {"kinds": 2**62}, {"records": [(0, 2**62)]}):
            with pytest.raises(CorruptionError):
                decode_leaves(leaf(0), [ARRAY], **lies)
        with pytest.raises(CorruptionError):
            decode_document(marked(b"objects", "C", [2**50]))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 10_000_000


def test_a_mask_fits_its_array() -> None:
    """NumPy would stretch one that does not."""
    data = ("ndarray", 1, pack({"dtype": "<i8", "shape": [2]}), bytes(16))
    masks = {
        ("|b1", (2,)): True,
        ("|b1", (1,)): False,
        ("|u1", (2,)): False,
        ("|b1", (1, 2)): False,
    }
    for (dtype, shape), fits in masks.items():
        mask = np.zeros(shape, dtype)
        header = pack({"dtype": dtype, "shape": list(shape)})
        form = marked(b"masked array", False, False, leaf(0), leaf(1), None)
        leaves = [data, ("ndarray", 1, header, mask.tobytes())]

        if fits:
            assert decode_leaves(form, leaves).tolist() == [0, 0]
            continue
        with pytest.raises(CorruptionError, match="mask"):
            decode_leaves(form, leaves)
