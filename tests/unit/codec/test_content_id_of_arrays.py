"""Content ids of NumPy's values: by dtype, shape and elements, whatever the layout."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from mandala_cas.codec import array_data, array_pieces
from mandala_cas.codec.canonical import canonical_encoding, content_id
from mandala_cas.codec.digests import Digests

Array = np.ndarray[Any, Any]
# NumPy 1 has no strings of variable width.
Strings: Any = getattr(np.dtypes, "StringDType", None)

arrays = npst.arrays(
    npst.scalar_dtypes() | npst.array_dtypes(max_size=3), npst.array_shapes(min_dims=0, max_side=4)
)


def layouts(array: Array) -> list[Array]:
    """Return the same array in other places and orders of memory."""
    wide = np.zeros((*array.shape, 2), array.dtype)
    wide[..., 1] = array
    readonly = array.copy()
    readonly.flags.writeable = False
    turned = np.ascontiguousarray(array[::-1])[::-1] if array.ndim else array
    return [np.array(array, order="F"), wide[..., 1], readonly, turned, array.copy()]


@given(arrays)
def test_layout_does_not_count(array: Array) -> None:
    """A view, a copy in Fortran order and a read-only map are what they show."""
    assert {content_id(other) for other in layouts(array)} == {content_id(array)}


def is_same(one: Any, other: Any) -> bool:
    """Tell whether two scalars of one dtype are the same: by their bytes, or as NaNs."""
    if one.dtype.kind == "c":
        return is_same(one.real, other.real) and is_same(one.imag, other.imag)
    is_nan = one.dtype.kind == "f" and bool(np.isnan(one)) and bool(np.isnan(other))
    return is_nan or one.tobytes() == other.tobytes()


@given(npst.arrays(npst.scalar_dtypes(), npst.array_shapes(max_side=4)), st.data())
def test_one_changed_element_changes_the_id(array: Array, data: st.DataObject) -> None:
    """Wherever it is."""
    flat = array.copy().reshape(-1)
    place = data.draw(st.integers(0, flat.size - 1))
    before = flat[place].copy()

    flat[place] = data.draw(npst.from_dtype(array.dtype))

    changed = flat.reshape(array.shape)
    assert (content_id(changed) == content_id(array)) == is_same(before, flat[place])


def test_dtype_and_shape_count() -> None:
    """The bytes of these are the same."""
    zeros: list[Any] = [
        *(
            np.zeros(4, "i4"),
            np.zeros((4, 1), "i4"),
            np.zeros((2, 2), "i4"),
            np.zeros((1, 4), "i4"),
        ),
        *(np.zeros(2, "i8"), np.zeros(2, "f8"), np.zeros(2, ">f8"), np.zeros(1, "c16")),
        *(np.zeros(2, "M8[s]"), np.zeros(2, "M8[ms]"), np.zeros(2, "M8[2s]"), np.zeros(2, "m8[s]")),
        *(np.zeros(16, "u1"), np.zeros(16, "i1"), np.zeros(16, "?"), np.zeros(16, "S1")),
        *(np.zeros(4, "U1"), np.zeros(2, "U2"), np.zeros(2, "V8"), np.zeros(2, [("a", "f8")])),
        *(np.zeros(2, [("b", "f8")]), np.zeros(2, [("a", "f4"), ("b", "f4")])),
        *(np.zeros(0, "i4"), np.zeros((0, 2), "i4"), np.zeros(0, "i8"), np.zeros((), "i4")),
        *(np.int32(0), np.int64(0), np.float64(0), 0, 0.0, np.array(0, object), np.dtype("i4")),
        *(np.array([[0, 0]], object), np.array([0, 0], object), np.array([0, False], object)),
        *(
            np.dtype("i8"),
            np.dtype(">i8"),
            np.dtype([("a", "i8")]),
            np.zeros(2, Strings() if Strings else "U7"),
        ),
    ]

    ids = [content_id(zero) for zero in zeros]

    assert [i for i, one in enumerate(ids) if one in ids[:i]] == []


@pytest.mark.parametrize("place", [0, 1_200_000, -1])
@pytest.mark.parametrize("dtype", ["<f8", ">f8", "<c16"])
def test_a_nan_is_found_wherever_it_lies_in_a_large_array(dtype: str, place: int) -> None:
    """Large ones are looked at piece by piece, and what was hashed before that is thrown away."""
    one, other = np.ones(1_300_000, dtype), np.ones(1_300_000, dtype)
    one[place] = np.nan
    other[place] = -np.nan
    assert one.tobytes() != other.tobytes()

    assert content_id(one) == content_id(other) != content_id(np.ones(1_300_000, dtype))


@pytest.mark.parametrize("size", [5, 20_000])
@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", ">f4", "c8", "c16", ">c16", "g", "G"])
def test_all_nans_of_a_dtype_are_one(dtype: str, size: int) -> None:
    """Their signs and payloads depend on the processor."""
    one, other = np.ones(size, dtype), np.ones(size, dtype)
    one[size // 2] = np.nan
    other[size // 2] = -np.nan

    assert content_id(one) == content_id(other)
    assert content_id(one) != content_id(np.ones(size, dtype))
    assert content_id(np.roll(one, 1)) != content_id(one)


def test_the_sign_of_zero_counts() -> None:
    """As it does for floats."""
    assert content_id(np.array([0.0])) != content_id(np.array([-0.0]))


def filled(dtype: Any, byte: int, count: int) -> Array:
    """Return zeros whose padding is full of one byte."""
    memory = np.full(count * np.dtype(dtype).itemsize, byte, np.uint8)
    array: Array = memory.view(dtype)
    for name in array.dtype.names or ():
        array[name] = 0
    if array.dtype.names is None:
        array[:] = 0
        memory.reshape(count, -1)[:, 10:16] = byte
    return array


PADDED = np.dtype([("a", "i1"), ("b", "f8"), ("c", "i2", (3,))], align=True)


@pytest.mark.parametrize("count", [3, 30_000])
@pytest.mark.parametrize("dtype", [PADDED, np.longdouble])
def test_padding_does_not_count(dtype: Any, count: int) -> None:
    """It is whatever was in memory before."""
    one, other = filled(dtype, 0, count), filled(dtype, 0xAA, count)

    assert one.tobytes() != other.tobytes()
    assert content_id(one) == content_id(other)


def test_a_structure_counts_field_by_field() -> None:
    """However far apart its fields lie."""
    packed = np.array([(1, 2.0)], [("a", "i1"), ("b", "f8")])

    assert content_id(packed) == content_id(packed.astype(np.dtype(packed.dtype, align=True)))
    assert content_id(packed) != content_id(packed[["b", "a"]])


@pytest.mark.parametrize("shape", [(40_000,), (300, 200), (2, 30_000), (5, 6, 2000)])
@pytest.mark.parametrize("chunk", [1 << 10, 1 << 16, 4 << 20])
def test_large_arrays_are_hashed_in_place(
    shape: tuple[int, ...], chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In pieces of whatever size, with the digest of their bytes in C order."""
    monkeypatch.setattr(array_data, "PIECE_SIZE", chunk)
    monkeypatch.setattr(array_pieces, "PIECE_SIZE", chunk)
    array = np.arange(float(np.prod(shape))).reshape(shape)

    for other in layouts(array):
        assert blake3(array.tobytes()).digest() in canonical_encoding(other)


def test_a_digest_is_left_for_the_codec() -> None:
    """The bytes of a large array are hashed once, for its id and for its payload hash."""
    array = np.arange(20_000.0)
    digests = Digests()

    content_id({"a": [array]}, digests)
    array[0] = 5

    # Still the digest of what was there: taken from memory, not anew.
    assert digests.of(array.data) == blake3(np.arange(20_000.0).tobytes()).digest()


def test_a_map_of_a_file_is_the_array_in_it(tmp_path: Path) -> None:
    """Read-only, and whatever the file is called."""
    array = np.arange(20_000.0)
    np.save(tmp_path / "a.npy", array)

    assert content_id(np.load(tmp_path / "a.npy", mmap_mode="r")) == content_id(array)


class Tagged(np.ndarray[Any, Any]):
    """An array with more to it."""

    tag = "none"


def tagged(tag: str) -> Tagged:
    """Return an array with a tag."""
    array = np.arange(6).view(Tagged)
    array.tag = tag
    return array


MAKERS: list[Callable[[], Any]] = [
    lambda: np.ma.array([1.0, 2.0], mask=[True, False]),
    lambda: np.zeros(2, [("a", "i4")]).view(np.recarray),
    lambda: np.matrix([[1, 2]]),
    lambda: np.array(["a", "bc"], Strings() if Strings else "U7"),
    lambda: np.array([{"a": [1]}, None], object),
]


@pytest.mark.filterwarnings("ignore:the matrix subclass:PendingDeprecationWarning")
@pytest.mark.parametrize("make", MAKERS)
def test_subclasses_count_with_their_class(make: Callable[[], Any]) -> None:
    """And come through pickle."""
    value = make()

    assert content_id(pickle.loads(pickle.dumps(value))) == content_id(make())  # noqa: S301 (made here)
    assert (
        content_id(np.asarray(value, order="K")) != content_id(value) or type(value) is np.ndarray
    )


def test_masks_fill_values_and_tags_count() -> None:
    """They are part of what an op sees."""
    values = [
        np.ma.array([1, 2], mask=[True, False]),
        np.ma.array([1, 2], mask=[False, True]),
        np.ma.array([1, 2]),
        np.ma.array([1, 2], fill_value=7),
        tagged("a"),
        tagged("b"),
    ]

    assert len({content_id(value) for value in values}) == len(values)
    assert content_id(np.ma.array([1, 2])) == content_id(np.ma.array([1, 2], mask=[False, False]))


def test_a_hard_mask_counts_and_a_shared_one_does_not() -> None:
    """Through a hard mask no assignment reaches an element; who else has a mask is no matter."""
    soft, hard = (np.ma.array([1, 2], mask=[True, False], hard_mask=flag) for flag in (False, True))
    for array in (soft, hard):
        array[0] = 5
    shared = np.ma.array([1, 2], mask=[True, False], hard_mask=True)
    shared.__dict__["_sharedmask"] = not shared.sharedmask

    assert soft.tolist() != hard.tolist()
    assert content_id(shared) == content_id(np.ma.array([1, 2], mask=[True, False], hard_mask=True))
    assert content_id(shared) != content_id(np.ma.array([1, 2], mask=[True, False]))
    assert content_id(np.ma.array([1], hard_mask=True)) != content_id(np.ma.array([1]))


@pytest.mark.skipif(Strings is None, reason="NumPy 1 has no strings of variable width")
def test_what_a_dtype_of_strings_does_counts() -> None:
    """What is missing, and whether anything is turned into a string: NumPy tells them apart."""
    dtypes = [
        Strings(),
        Strings(coerce=False),
        *(Strings(na_object=missing) for missing in (None, float("nan"), "", "?", pd.NA)),
        Strings(na_object=None, coerce=False),
    ]

    for values in (dtypes, [np.array(["a", "b"], dtype) for dtype in dtypes]):
        assert len({content_id(value) for value in values}) == len(dtypes)
    assert len({content_id(np.zeros((0, 2), dtype)) for dtype in dtypes}) == len(dtypes)
    nan = np.array(["a"], Strings(na_object=-float("nan")))
    assert content_id(nan) == content_id(np.array(["a"], Strings(na_object=np.nan)))


def test_functions_of_numpy_count_by_name() -> None:
    """They have no source."""
    assert content_id(np.add) == content_id(pickle.loads(pickle.dumps(np.add)))  # noqa: S301 (made here)
    assert content_id(np.add) != content_id(np.subtract)
