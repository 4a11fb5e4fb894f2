"""What single codecs promise beyond the contract of all."""

from __future__ import annotations

import decimal
import pickle
import sys
import tracemalloc
import types
import uuid
from collections.abc import Callable
from typing import Any

import msgpack
import numpy as np
import pandas as pd
import pytest

from mandala_cas.codec.api import DeclinedError
from mandala_cas.codec.arrays import ArrayCodec
from mandala_cas.codec.pickles import ALIGNMENT, PickleCodec
from mandala_cas.codec.plain import PlainCodec, from_plain, to_plain
from mandala_cas.codec.plain_forms import FIELDS, MAKERS
from mandala_cas.codec.registry import default_registry
from mandala_cas.codec.tables import TableCodec
from mandala_cas.errors import CorruptionError, MandalaError, NotFoundError, UsageError

REGISTRY = default_registry()


def decode_plain(document: Any) -> Any:
    """Decode a document that is made of msgpack types."""
    return REGISTRY.decode("plain", 1, b"\x80", memoryview(msgpack.packb(document)))


def marked(name: bytes, *parts: Any) -> list[Any]:
    """Return an array with a marker."""
    return [msgpack.ExtType(0, name), *parts]


def test_what_is_shared_stays_shared() -> None:
    """An op that changes one of two names for a list changes both, also after a load."""
    part: list[Any] = [1]
    pair = (part,)

    found = from_plain(to_plain([part, part, {"a": part}, pair, {1: pair}]))

    found[0].append(2)
    assert found[1] is found[0]
    assert found[2]["a"] is found[0]
    assert found[3] is found[4][1]


def test_much_sharing_takes_little_room() -> None:
    """Written out, this would be 2**200 lists."""
    value: Any = []
    for _ in range(90):
        value = [value, value]

    document = to_plain(value)
    found = from_plain(document)

    assert len(document) < 2000
    assert found[0] is found[1]
    assert found[0][0] is found[1][1]


def test_what_lies_where_another_lay_is_not_shared() -> None:
    """Parts that are made while encoding die soon, and the next may get their place."""
    value: list[Any] = [decimal.Decimal(n) for n in range(500)]
    value += [slice(n, (n,)) for n in range(500)]

    assert from_plain(to_plain(value)) == value


@pytest.mark.parametrize("size", [65_535, 65_536, 200_000])
def test_large_bytes_are_not_copied_through_the_document(size: int) -> None:
    """They are beside it, as they are."""
    data = bytes(size)

    header, payload = PlainCodec().encode([data, data])

    assert (data in payload) == (size >= 65_536)
    assert header.get("buffers", []) == ([size, size] if size >= 65_536 else [])


def test_many_large_bytes_do_not_fill_the_header(monkeypatch: pytest.MonkeyPatch) -> None:
    """From some number on they are in the document."""
    monkeypatch.setattr("mandala_cas.codec.plain._BUFFERS_MAX", 2)
    value = [bytes([n]) * 65_536 for n in range(4)]

    header, payload = PlainCodec().encode(value)

    assert len(header["buffers"]) == 2
    assert PlainCodec().decode(header, memoryview(b"".join(payload))) == value


def test_how_safe_a_uuid_is_comes_back() -> None:
    """Its equality does not look at that."""
    value = uuid.UUID(int=5, is_safe=uuid.SafeUUID.safe)

    assert from_plain(to_plain(value)).is_safe is uuid.SafeUUID.safe


def test_every_form_that_is_written_is_read() -> None:
    """One without the other would be found out when the value is needed."""
    assert {name for name, _ in FIELDS.values()} == set(MAKERS)


@pytest.mark.parametrize(
    "document",
    [
        marked(b"nothing"),
        marked(b"t", msgpack.ExtType(1, b"\x00")),
        marked(b"E", msgpack.ExtType(1, b"")),
        [msgpack.ExtType(1, b"\x05")],
        [msgpack.ExtType(5, b"\x00")],
        [msgpack.ExtType(9, b"")],
        [1, msgpack.ExtType(0, b"t")],
        msgpack.ExtType(0, b"t"),
        msgpack.ExtType(3, b"1234"),
        msgpack.Timestamp(1),
        marked(b"d", 1),
        marked(b"d", [], 1),
        marked(b"e", []),
        marked(b"date", 2024, 13, 1),
        marked(b"date", "2024"),
        marked(b"time", 1),
        marked(b"datetime", 2024, 1, 1, 0, 0, 0, 0, 0, "UTC"),
        marked(b"timezone", 5, None),
        marked(b"timedelta", 10**12, 0, 0),
        marked(b"Decimal", 0, "1e5", 0),
        marked(b"Fraction", "1e1000000000"),
        marked(b"Fraction", "1e1000000000", 1),
        marked(b"Fraction", 1, 0),
        marked(b"UUID", b"short", None),
        marked(b"zone", "../../etc/passwd"),
        marked(b"range", 1, 2, 0),
        {b"key": 1},
    ],
)
def test_crafted_documents_are_corruption(document: Any) -> None:
    """Plain values need no trust, so anyone may have written them."""
    with pytest.raises(CorruptionError):
        decode_plain(document)


def test_arrays_that_claim_all_there_is_allocate_little() -> None:
    """One within the other, each would have had room for as many items as there are bytes."""
    document = (b"\xdd\x00\x00\x40\x00" * 500).ljust(1 << 14, b"\xc0")
    tracemalloc.start()

    with pytest.raises(CorruptionError):
        REGISTRY.decode("plain", 1, b"\x80", memoryview(document))

    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 20


@pytest.mark.parametrize("outer", [b"e", b"E", b"d"])
def test_elements_that_take_for_ever_to_hash_are_corruption(outer: bytes) -> None:
    """Eighty tuples of two, each twice the one before, have a hash of 2**80 steps."""
    form: Any = marked(b"t", 1, 2)
    for level in range(80, 0, -1):
        form = marked(b"t", form, msgpack.ExtType(1, bytes([level + 1])))
    parts = [form, 1] if outer == b"d" else [form]

    with pytest.raises(CorruptionError, match="hash"):
        decode_plain(marked(outer, *parts))


def test_frozensets_that_share_much_are_hashed_in_no_time() -> None:
    """They remember their hash, so that a user can have such a key."""
    key: frozenset[Any] = frozenset()
    for _ in range(45):
        key = frozenset({(key, key)})

    (found,) = from_plain(to_plain({key: 1}))

    assert hash(found) == hash(key)


@pytest.mark.parametrize("depth", [102, 500, 5000])
def test_deep_documents_are_typed_errors(depth: int) -> None:
    """The limit of msgpack, Python's stack and ours: none of them is a crash."""
    for document in (b"\x91" * depth + b"\xc0", b"\x81\xa1a" * depth + b"\xc0"):
        with pytest.raises(MandalaError):
            REGISTRY.decode("plain", 1, b"\x80", memoryview(document))


def test_a_zone_that_this_machine_does_not_know_says_what_to_install() -> None:
    """The bytes are fine."""
    with pytest.raises(NotFoundError, match="tzdata"):
        decode_plain(marked(b"zone", "Mars/Olympus_Mons"))


@pytest.mark.parametrize(
    "dtype",
    [
        "O",
        "|O",
        "object",
        "T",
        "f8,O",
        {"names": ["a"], "formats": ["O"]},
        "<f8,<f8",
        "float",
        "<q",
    ],
)
def test_dtypes_that_hold_addresses_are_refused(dtype: Any) -> None:
    """The bytes would be followed to wherever they point."""
    with pytest.raises((ValueError, TypeError, KeyError)):
        ArrayCodec().decode({"dtype": dtype, "shape": [1]}, memoryview(bytes(16)))


@pytest.mark.parametrize("shape", [[2], [-1], [0, -5], [2**62, 4], [1.0], ["1"], [True], [[1]]])
def test_shapes_must_fit_the_payload(shape: Any) -> None:
    """Nothing is allocated for what is not there."""
    with pytest.raises((ValueError, TypeError)):
        ArrayCodec().decode({"dtype": "<f8", "shape": shape}, memoryview(bytes(8)))


@pytest.mark.parametrize("make_payload", [bytes, bytearray])
@pytest.mark.parametrize("offset", [0, 1])
def test_arrays_are_writable_aligned_and_private(
    make_payload: Callable[[bytes], bytes | bytearray], offset: int
) -> None:
    """An op that does ``X -= 1`` must work the same on a retrace."""
    header, (buffer,) = ArrayCodec().encode(np.arange(5.0))
    whole = make_payload(bytes(offset) + bytes(buffer))
    payload = memoryview(whole)[offset:]

    found = ArrayCodec().decode(header, payload)
    found -= 1

    assert found.flags.aligned
    assert found.tolist() == [-1, 0, 1, 2, 3]
    assert type(whole) is bytearray or bytes(whole[offset:]) == bytes(buffer)


def test_a_payload_that_is_given_away_is_not_copied() -> None:
    """A private map of a file becomes the array itself."""
    header, (buffer,) = ArrayCodec().encode(np.arange(5.0))
    given = np.frombuffer(bytearray(bytes(buffer)), np.uint8)

    found = ArrayCodec().decode(header, given.data)

    assert np.shares_memory(found, given)


@pytest.mark.parametrize("order", ["C", "F"])
def test_layout_comes_back(order: Any) -> None:
    """It decides how fast an op is."""
    array = np.asarray(np.arange(6.0).reshape(2, 3), order=order)

    header, (buffer,) = ArrayCodec().encode(array)
    found = ArrayCodec().decode(header, memoryview(buffer))

    assert found.flags[f"{order}_CONTIGUOUS"]
    assert found.tolist() == array.tolist()
    assert np.shares_memory(np.frombuffer(buffer), array)


def test_what_lies_between_fields_is_not_written() -> None:
    """It may be anything that was in memory before, such as a password."""
    inner = np.dtype([("x", "i1"), ("y", "i8")], align=True)
    dtype = np.dtype([("a", "i1"), ("b", inner)], align=True)
    memory = np.full(3 * dtype.itemsize, 0xAA, np.uint8)
    array = memory.view(dtype)
    array["a"], array["b"]["x"], array["b"]["y"] = 0, 0, 0

    _, (buffer,) = ArrayCodec().encode(array)

    assert not any(bytes(buffer))


@pytest.mark.parametrize("align", [True, False])
def test_structures_stay_aligned(*, align: bool) -> None:
    """Their equality does not look at that."""
    array = np.zeros(2, np.dtype([("a", "i1"), ("b", "i8")], align=align))

    header, (buffer,) = ArrayCodec().encode(array)

    assert ArrayCodec().decode(header, memoryview(buffer)).dtype.isalignedstruct == align


def test_values_of_tables_can_be_changed() -> None:
    """Arrow's own memory cannot."""
    frame = pd.DataFrame({"a": [1, 2], "b": [1.5, None], "c": pd.array([1, None], dtype="Int64")})
    _, (buffer,) = TableCodec().encode(frame)

    found = TableCodec().decode({}, memoryview(bytes(buffer)))
    found.iloc[0, 0] = 5
    found["b"] += 1
    found.loc[1, "c"] = 7

    assert found["a"].tolist() == [5, 2]
    assert found["c"].tolist() == [1, 7]


def test_objects_stay_objects_in_tables() -> None:
    """Strings, would pandas 3 make strings of them."""
    frame = pd.DataFrame({"a": pd.Series(["x"], dtype=object)}, index=pd.Index(["i"], dtype=object))
    _, (buffer,) = TableCodec().encode(frame)

    found = TableCodec().decode({}, memoryview(bytes(buffer)))

    assert (found["a"].dtype, found.index.dtype) == (object, object)


def test_attributes_and_frequencies_of_tables_come_back() -> None:
    """They are no part of the id, but of the value."""
    frame = pd.DataFrame({"a": [1, 2]}, index=pd.date_range("2024", periods=2, freq="2h"))
    frame.attrs["unit"] = ("m", 2)
    _, (buffer,) = TableCodec().encode(frame)

    found = TableCodec().decode({}, memoryview(bytes(buffer)))

    assert found.attrs == {"unit": ("m", 2)}
    assert found.index.freqstr == "2h"


@pytest.mark.parametrize("make_payload", [bytes, bytearray])
def test_arrays_in_pickles_are_beside_the_stream_and_writable(
    make_payload: Callable[[bytes], bytes | bytearray],
) -> None:
    """Without a copy on the way in; on the way out, where the payload is given away."""
    arrays = {"a": np.arange(5000.0), "b": np.arange(3), "c": np.arange(9000)}
    header, payload = PickleCodec().encode(arrays)

    found = PickleCodec().decode(header, memoryview(make_payload(b"".join(payload))))

    assert len(header["buffers"]) == 2
    assert any(np.shares_memory(np.frombuffer(p, np.uint8), arrays["a"]) for p in payload[1:] if p)
    assert all(array.flags.writeable for array in found.values())
    assert found["c"].tolist() == list(range(9000))


@pytest.mark.parametrize("beside", [len, lambda: 1], ids=["by name", "by value"])
@pytest.mark.parametrize("dtype", [">i4", ">f8", [("a", ">i2"), ("b", "<f4")]])
def test_arrays_in_pickles_keep_their_byte_order(beside: Any, dtype: Any) -> None:
    """Also where they do not lie in one piece; NumPy alone makes them of this machine's."""
    array = np.zeros((4, 6), dtype)[::2, 1::2]

    header, payload = PickleCodec().encode((array, beside))

    found, _ = PickleCodec().decode(header, memoryview(b"".join(payload)))

    assert (found.dtype, found.shape) == (array.dtype, array.shape)
    assert np.array_equal(found, array)


def test_payloads_of_pickles_are_what_their_headers_say() -> None:
    """Pickle itself would be content with more than it needs."""
    header, payload = PickleCodec().encode([np.arange(5000)])
    whole = b"".join(payload)

    (size,) = header["buffers"]
    for wrong in ([1], [], [size, -8], [size, 64, -64], [2**62]):
        with pytest.raises(ValueError, match="header"):
            PickleCodec().decode({**header, "buffers": wrong}, memoryview(whole))
    for wrong_payload in (whole + b"\0", whole[:-1]):
        with pytest.raises(ValueError, match="header"):
            PickleCodec().decode(header, memoryview(wrong_payload))


def test_buffers_of_pickles_are_aligned() -> None:
    """Arrays that are mapped from a file must be."""
    header, payload = PickleCodec().encode([np.arange(5001, dtype="u1"), np.arange(6000)])

    places, place = [], 0
    for part in payload:
        places.append(place)
        place += memoryview(part).nbytes

    assert len(header["buffers"]) == 2
    assert [places[n] % ALIGNMENT for n in (2, 4)] == [0, 0]


def test_many_buffers_do_not_fill_the_header(monkeypatch: pytest.MonkeyPatch) -> None:
    """From some number on they are in the stream."""
    monkeypatch.setattr("mandala_cas.codec.pickles._OUT_OF_BAND_COUNT_MAX", 2)

    header, _ = PickleCodec().encode([np.arange(1000 + n) for n in range(4)])

    assert len(header["buffers"]) == 2


def test_what_lives_in_the_main_script_travels_with_its_code(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In another process, ``__main__`` is another script."""
    main = types.ModuleType("__main__")
    source = "class Row:\n    def total(self): return 5\ndef five(): return Row().total()"
    exec(source, main.__dict__)  # noqa: S102 (as a notebook does)
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "__main__", main)
        header, payload = PickleCodec().encode([main.Row(), main.five])

    row, five = PickleCodec().decode(header, memoryview(b"".join(payload)))

    assert (row.total(), five()) == (5, 5)


def test_functions_without_a_name_travel_with_their_code() -> None:
    """They cannot be found anywhere."""
    by = 3
    header, payload = PickleCodec().encode({"f": lambda x: x * by})

    assert PickleCodec().decode(header, memoryview(b"".join(payload)))["f"](2) == 6


def test_a_class_that_has_moved_is_an_error_that_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bytes are fine: they name what is not there."""
    module = types.ModuleType("made_here")
    module.Row = type("Row", (), {"__module__": "made_here"})  # type: ignore[attr-defined]  # (made here)
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "made_here", module)
        header, payload = PickleCodec().encode(module.Row())

    with pytest.raises(UsageError, match="made_here"):
        PickleCodec().decode(header, memoryview(b"".join(payload)))


class Unpicklable:
    """A class with a reason of its own."""

    def __reduce__(self) -> str:
        """Fail."""
        raise RuntimeError("the license ran out")


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (Unpicklable(), "the license ran out"),
        ([iter(int, 1), (n for n in "a")], "generator"),
        (sys, None),
    ],
)
def test_what_cannot_be_pickled_says_why(value: Any, reason: str | None) -> None:
    """With the reason of whoever refused; cloudpickle takes modules, by name."""
    if reason is None:
        assert PickleCodec().encode(value)
        return
    with pytest.raises(UsageError, match=reason):
        PickleCodec().encode(value)


def test_pickles_are_of_protocol_5() -> None:
    """Older ones copy large buffers; newer ones older Pythons cannot read."""
    header, payload = PickleCodec().encode(object)

    assert bytes(memoryview(payload[0])[:2]) == pickle.PROTO + bytes([5])
    assert header["buffers"] == []


def test_large_bytes_have_no_place_in_a_document_for_a_header() -> None:
    """Headers are small."""
    with pytest.raises(DeclinedError):
        to_plain(bytes(70_000))
