"""What the codec of containers promises beyond the contract of all."""

from __future__ import annotations

import collections
import math
import struct
import sys
import types
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgpack
import numpy as np
import pandas as pd
import pytest
from tests.unit.codec import nested_values
from tests.unit.codec.nested_values import (
    Bits,
    Colour,
    Deeper,
    Frozen,
    Mode,
    Ordinary,
    Pair,
    Point,
    Row,
    Segment,
    Square,
)
from tests.unit.codec.process_values import model

from mandala_cas.codec.api import DeclinedError, Encoded
from mandala_cas.codec.digests import Digests
from mandala_cas.codec.leaf_table import ALIGNMENT
from mandala_cas.codec.leaves import SafeLeaves
from mandala_cas.codec.nested_document import NestedLowering
from mandala_cas.codec.object_arrays import find_array_form
from mandala_cas.codec.registry import CodecRegistry, default_registry
from mandala_cas.errors import NotFoundError, UsageError
from mandala_cas.objectstore.api import Buffer

REGISTRY = default_registry()
NAME = "tests.unit.codec.nested_values"


def encode(value: Any, registry: CodecRegistry = REGISTRY) -> Encoded:
    """Return a value as the codec of containers writes it."""
    encoded = registry.encode(value, Digests())
    assert encoded.codec_name == "nested"
    return encoded


def decode(encoded: Encoded, registry: CodecRegistry = REGISTRY) -> Any:
    """Return the value; from a payload that is given away."""
    payload = memoryview(bytearray(b"".join(encoded.payload)))
    return registry.decode("nested", encoded.codec_version, encoded.header, payload)


def again(value: Any) -> Any:
    """Return what comes back."""
    return decode(encode(value))


def address(buffer: Any) -> int:
    """Return where a buffer is in memory."""
    place: int = np.frombuffer(buffer, np.uint8).__array_interface__["data"][0]
    return place


def masked(data: Any, mask: Any, **arguments: Any) -> Any:
    """Return an array with a mask."""
    return np.ma.array(data, mask=mask, **arguments)


def test_the_bytes_are_those_of_the_format() -> None:
    """Another implementation reads the page, not this code."""
    name = b"ndarray"
    header = msgpack.packb({"dtype": "<i8", "shape": [2]})
    document = msgpack.packb(
        [
            [[NAME, "Pair", ["left", "right"]]],
            [msgpack.ExtType(0, b"namedtuple"), 0, msgpack.ExtType(6, b""), "x"],
        ]
    )
    kinds = struct.pack("<BII", len(name), 1, len(header)) + name + header
    records = struct.pack("<IQ", 0, 16)
    table = document + kinds + records
    payload = table + bytes(-len(table) % 16) + np.array([3, 4]).tobytes()
    fields = {"document": len(document), "kinds": len(kinds), "leaves": 1}

    encoded = encode(Pair(np.array([3, 4]), "x"))

    assert msgpack.unpackb(encoded.header) == fields
    assert b"".join(encoded.payload) == payload


def test_without_leaves_there_is_the_document_alone() -> None:
    """Most members and instances are small, and share a short header."""
    encoded = encode(Colour.RED)

    assert encoded.header == msgpack.packb({})
    assert msgpack.unpackb(b"".join(encoded.payload)) == [
        [[NAME, "Colour", []]],
        [msgpack.ExtType(0, b"member"), 0, "RED", "red"],
    ]


def test_large_leaves_are_neither_copied_nor_out_of_line() -> None:
    """An array of a gigabyte in a dict takes no second gigabyte, and can be mapped."""
    first, second, data = np.arange(5001.0), np.arange(200), b"a" * 70_001
    encoded = encode({"a": np.arange(3), "b": first, "c": second, "d": data})

    places, place = {}, 0
    for part in encoded.payload:
        places[address(part)] = place
        place += memoryview(part).nbytes

    assert places[address(first)] % ALIGNMENT == 0
    assert places[address(second)] % ALIGNMENT == 0
    assert address(data) in places
    assert len(tuple(encoded.payload)) <= 7


def test_a_payload_that_is_given_away_becomes_the_leaves() -> None:
    """A private map of a file is not read before somebody looks."""
    encoded = encode({"a": np.arange(3000.0)})
    given = bytearray(b"".join(encoded.payload))

    found = REGISTRY.decode("nested", 1, encoded.header, memoryview(given))

    assert np.shares_memory(found["a"], np.frombuffer(given, np.uint8))
    assert found["a"].flags.writeable


def test_a_hundred_thousand_leaves_are_kept() -> None:
    """The table of the leaves is in the payload, because a header is bounded."""
    value = [np.array([n, n]) for n in range(100_000)]

    encoded = encode(value)
    found = decode(encoded)

    assert len(encoded.header) < 100
    assert len(tuple(encoded.payload)) < 10
    assert np.array_equal(np.array(found), np.array(value))


def test_leaves_of_twenty_thousand_kinds_are_kept() -> None:
    """Each has a header of its own."""
    value = [np.zeros(n, np.int8) for n in range(20_000)]

    found = again(value)

    assert [len(part) for part in found] == list(range(20_000))


def test_what_is_shared_is_written_once_and_stays_shared() -> None:
    """An op that changes one of two names for a thing changes both, also after a load."""
    array, point, part = np.arange(9000.0), Point(1), np.array([None, 1], object)
    points: collections.deque[Any] = collections.deque([point])
    value = [array, {"a": array, "p": point}, points, points, part, (part,), Frozen(array)]

    encoded = encode(value)
    found = decode(encoded)

    assert encoded.raw_size < 1.1 * array.nbytes
    assert found[0] is found[1]["a"]
    assert found[0] is found[6].key
    assert found[1]["p"] is found[2][0]
    assert found[2] is found[3]
    assert found[4] is found[5][0]


def test_what_is_made_on_the_way_lives_as_long_as_its_number() -> None:
    """Or the next array may lie where it lay, and be taken for it."""
    lowering = NestedLowering(SafeLeaves(REGISTRY, "nested"), find_array_form)
    array = np.array([None], object)
    alive = weakref.ref(array)

    lowering.each_kept([array], 0)
    del array

    assert alive() is not None


def test_instances_are_made_without_running_their_code() -> None:
    """The bytes may be anybody's: no ``__init__``, ``__new__``, ``__setattr__``, ``_missing_``."""
    value = [Point(1), Segment(1, 2), Deeper(size=1, inside=2), Mode.READ, Bits.ONE]
    encoded = encode(value)
    nested_values.tampered.clear()

    found = decode(encoded)

    assert nested_values.tampered == []
    assert [type(part) for part in found] == [type(part) for part in value]


def test_combined_flags_are_found_without_running_their_class(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In a process that has not made the combination, too."""
    encoded = encode(Mode(0) | Mode.READ | Mode.WRITE)
    document = b"".join(encoded.payload).replace(b"\x00\x03", b"\x00\x00")
    nested_values.tampered.clear()
    # Put back afterwards: a combination is one object as long as a process lives.
    monkeypatch.delitem(Mode._value2member_map_, 0, raising=False)

    found = REGISTRY.decode("nested", 1, encoded.header, memoryview(document))

    assert (found, nested_values.tampered) == (Mode(0), [])


def test_what_a_class_keeps_beside_its_fields_comes_back() -> None:
    """Attributes in slots, in the dict, of bases; a kept result is computed again."""
    square = Square(2, 3)
    square._Base__private = "p"  # type: ignore[attr-defined]  # (a slot)
    square.note = "n"  # type: ignore[attr-defined]  # (in the dict)
    assert square.kept == [3]

    found = again(square)

    assert found == square
    assert (found._Base__private, found.note) == ("p", "n")
    assert "kept" not in vars(found)


@pytest.mark.parametrize(
    "value",
    [
        collections.OrderedDict([("b", 1), ("a", 2), (3, 4)]),
        collections.Counter("bbacc"),
        collections.defaultdict(int, [("b", 1), ("a", 2)]),
        [{"b": np.int8(1), "a": 2, 3: 4}],
    ],
)
def test_order_comes_back(value: Any) -> None:
    """Their equality does not look at that."""
    found = again(value)
    pairs = found[0] if type(found) is list else found

    assert list(pairs.items()) == list((value[0] if type(value) is list else value).items())


def test_what_containers_do_next_comes_back() -> None:
    """The greatest length, and what is made for a missing key."""
    queue = again(collections.deque([1, 2], 2))
    groups = again(collections.defaultdict(list))

    queue.append(3)
    groups["a"].append(1)

    assert list(queue) == [2, 3]
    assert groups == {"a": [1]}


def test_masks_and_their_flags_come_back() -> None:
    """The id does not look at all of them."""
    hard = masked([1, 2], [1, 0], hard_mask=True, fill_value=9)
    bare = np.ma.array([1, 2])

    found_hard, found_bare = again([hard, bare])

    assert (found_hard.hardmask, found_bare.hardmask) == (True, False)
    assert (found_hard.sharedmask, found_bare.sharedmask) == (hard.sharedmask, bare.sharedmask)
    assert (found_hard.fill_value, found_bare.mask is np.ma.nomask) == (9, True)


@pytest.mark.parametrize("order", ["C", "F"])
def test_arrays_of_objects_keep_layout_and_elements(order: Any) -> None:
    """An element that is an array or a list is one, and no axis."""
    array = np.empty((2, 2), object, order=order)
    array[0, 0], array[0, 1], array[1, 0] = [1, 2], (3,), np.arange(2)

    found = again(array)

    assert found.flags[f"{order}_CONTIGUOUS"]
    assert [type(part) for part in found.ravel()] == [list, tuple, np.ndarray, type(None)]
    assert found[1, 0].tolist() == [0, 1]


@pytest.mark.skipif(not hasattr(np.dtypes, "StringDType"), reason="NumPy 1 has no such dtype")
@pytest.mark.parametrize(
    "arguments", [{}, {"coerce": False}, {"na_object": None}, {"na_object": math.nan}]
)
def test_dtypes_of_strings_come_back(arguments: dict[str, Any]) -> None:
    """What stands for a missing string, and what may be assigned."""
    dtype = np.dtypes.StringDType(**arguments)

    found = again(np.array([["a"], ["bc"]], dtype))

    assert found.dtype == dtype
    assert found.dtype.coerce == dtype.coerce
    assert found.tolist() == [["a"], ["bc"]]


@pytest.mark.skipif(not hasattr(np.dtypes, "StringDType"), reason="NumPy 1 has no such dtype")
def test_an_older_numpy_is_told_that_it_is_too_old(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bytes are fine."""
    encoded = encode(np.array(["a"], np.dtypes.StringDType()))
    monkeypatch.delattr(np.dtypes, "StringDType")

    with pytest.raises(NotFoundError, match="install NumPy 2"):
        decode(encoded)


class PointCodec:
    """A codec of a user's, for a class that has a form as well."""

    name = "points"
    version = 1

    def __init__(self, *, runs_code: bool, declines: bool = False) -> None:
        """Say whether it runs code, and whether it declines at a closer look."""
        self.runs_code = runs_code
        self._declines = declines

    def can_encode(self, value: Any) -> bool:
        """Tell whether it is a point."""
        return type(value) is Point

    def encode(self, value: Any) -> tuple[Mapping[str, Any], Sequence[Buffer]]:
        """Return x."""
        if self._declines:
            raise DeclinedError("not this one")
        return {}, (str(value.x).encode(),)

    def decode(self, header: Mapping[str, Any], payload: memoryview) -> Any:
        """Return a point of x and of what shows that this ran."""
        del header
        return Point(int(bytes(payload)), "by a user")


def test_a_codec_of_a_user_comes_before_forms() -> None:
    """It was registered for a reason, and counts inside of containers, too."""
    registry = default_registry()
    registry.register(PointCodec(runs_code=False))

    found = decode(encode([Point(5), Frozen(Point(6))], registry), registry)

    assert found == [Point(5, "by a user"), Frozen(Point(6, "by a user"))]


def test_what_a_codec_of_a_user_declines_has_its_form() -> None:
    """The next one is asked."""
    registry = default_registry()
    registry.register(PointCodec(runs_code=False, declines=True))

    assert decode(encode([Point(5)], registry), registry) == [Point(5, 0)]


def test_a_leaf_of_a_codec_that_runs_code_makes_a_pickle_of_all() -> None:
    """Trust is a matter of values, not of parts."""
    registry = default_registry()
    registry.register(PointCodec(runs_code=True))

    assert registry.encode([np.arange(3), Point(5)], Digests()).codec_name == "pickle"
    assert REGISTRY.encode([np.arange(3), Ordinary(5)], Digests()).codec_name == "pickle"
    assert REGISTRY.encode([np.arange(3), model()], Digests()).codec_name == "pickle"


def test_leaves_are_encoded_only_if_all_can_be(monkeypatch: pytest.MonkeyPatch) -> None:
    """To write a table as Arrow takes a while, and would be for nothing."""
    asked: list[Any] = []
    monkeypatch.setattr(
        "mandala_cas.codec.tables.TableCodec.encode", lambda _, value: asked.append(value)
    )

    REGISTRY.encode({"table": pd.DataFrame({"a": [1]}), "rest": Ordinary(1)}, Digests())

    assert asked == []


def test_a_class_of_the_main_script_is_left_to_pickle(monkeypatch: pytest.MonkeyPatch) -> None:
    """In another process, ``__main__`` is another script; so it is for what a function defines."""

    @dataclass
    class Local:
        """A class without a name."""

        x: int

    main = types.ModuleType("__main__")
    main.Row = dataclass(type("Row", (), {"__module__": "__main__"}))  # type: ignore[attr-defined]  # (made here)
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "__main__", main)
        found = [REGISTRY.encode(value, Digests()) for value in (main.Row(), Local(1))]

    assert [encoded.codec_name for encoded in found] == ["pickle", "pickle"]


def test_a_module_that_is_not_imported_is_named_and_not_imported(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """To import a module is to run it, and a store says which one."""
    encoded = encode([Pair(1), Colour.RED, Point(1)])
    monkeypatch.delitem(sys.modules, NAME)

    with pytest.raises(UsageError, match=f"'{NAME}'; import it") as caught:
        decode(encoded)

    assert caught.value.module == NAME
    assert NAME not in sys.modules


def renamed(value: Any, name: bytes, other: bytes) -> Encoded:
    """Return a value whose bytes have another name of the same length in place of one."""
    encoded = encode(value)
    payload = b"".join(encoded.payload)
    assert payload.count(name) == 1
    assert len(name) == len(other)
    return Encoded(
        "nested",
        1,
        encoded.header,
        (payload.replace(name, other),),
        len(payload),
        encoded.payload_hash,
        None,
    )


@pytest.mark.parametrize(
    ("encoded", "reason"),
    [
        (renamed(Point(1), b"Point", b"Punkt"), "no such class"),
        (renamed(Point(1), b"Point", b"Level"), "no dataclass"),
        (renamed(Point(1), b"\xa1y", b"\xa1z"), None),
        (renamed(Frozen(1), b"key", b"kez"), "no attribute 'kez'"),
        (renamed(Square(1), b"\xa1x", b"\xa1q"), "its field 'x' is newer"),
        (renamed(Pair(1), b"left", b"lift"), "fields lift, right"),
        (renamed(Row(1, 2), b"Row", b"Box"), "fields id, cells"),
        (renamed(Colour.RED, b"RED", b"RAD"), "no member 'RAD'"),
        (renamed(Colour.RED, b"red", b"rad"), "another value"),
        (renamed(Mode.READ, b"Mode", b"Pair"), "no combination"),
        (renamed(Mode.READ, b"\x00\x01", b"\x00\x04"), "no combination"),
    ],
)
def test_a_class_that_has_changed_says_how(encoded: Encoded, reason: str | None) -> None:
    """A value that is not what it was is no value; a field with a default may be new."""
    if reason is None:
        assert decode(encoded).y == 0
        return
    with pytest.raises(UsageError, match=reason):
        decode(encoded)
