"""What the codec of sparse arrays promises beyond the contract of all."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse  # type: ignore[import-untyped]  # (it has no types)
from tests.format import hashing_things as things

from mandala_cas.codec import canonical_sparse
from mandala_cas.codec.canonical import content_id
from mandala_cas.codec.digests import Digests
from mandala_cas.codec.registry import default_registry
from mandala_cas.envelope.packing import pack, unpack
from mandala_cas.errors import CorruptionError, UnsupportedFormatError

REGISTRY = default_registry()
KINDS = ("bsr", "coo", "csc", "csr", "dia", "dok", "lil")


def round_trip(value: Any) -> Any:
    """Return what comes back, after a check that no code of the writer's runs for it."""
    encoded = REGISTRY.encode(value, Digests())
    assert encoded.codec_name == "sparse"
    payload = memoryview(bytearray(b"".join(encoded.payload)))
    return REGISTRY.decode("sparse", 1, encoded.header, payload)


def forged(value: Any, **changes: Any) -> tuple[bytes, bytes]:
    """Return header and payload of a value, with fields of the header exchanged."""
    encoded = REGISTRY.encode(value, Digests())
    fields, _ = unpack(encoded.header, name="a value", what="header")
    assert isinstance(fields, Mapping)
    return pack({**fields, **changes}), b"".join(encoded.payload)


def csr(shape: tuple[int, ...] = (2, 3), **changes: Any) -> Any:
    """Return rows, some of whose parts are exchanged."""
    made = things.sparse("csr_array", shape, [1.0, 2.0], indices=[1, 0], indptr=[0, 1, 2])
    for name, part in changes.items():
        setattr(made, name, part)
    return made


entries = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 5), st.sampled_from([0.0, -0.0, 1.0, np.nan])),
    max_size=8,
)


@given(entries, st.sampled_from(KINDS), st.sampled_from(["f4", "f8", "c16", "i2", "?"]))
def test_generated_ones_come_back(
    parts: list[tuple[int, int, float]], kind: str, dtype: str
) -> None:
    """With everything that is in them, and they do the same."""
    columns = [[part[axis] for part in parts] for axis in range(3)]
    values = np.nan_to_num(np.array(columns[2], float)).astype(dtype)
    value = sparse.coo_array((values, columns[:2]), shape=(4, 6)).asformat(kind)

    found = round_trip(value)

    assert type(found) is type(value)
    assert found.dtype == value.dtype
    assert content_id(found) == content_id(value)
    assert (found.toarray() == value.toarray()).all()
    assert (found @ np.ones(6, dtype) == value @ np.ones(6, dtype)).all()


def test_duplicates_are_added_up_when_somebody_asks_for_it() -> None:
    """One that claimed to have none would lose them."""
    value = sparse.coo_array(([1.0, 2.0], ([0, 0], [1, 1])), shape=(2, 3))

    found = round_trip(value)

    assert found.nnz == 2
    assert found.tocsr()[0, 1] == 3
    found.sum_duplicates()
    assert found.nnz == 1


def test_indexes_keep_their_dtype() -> None:
    """There are functions that take only one of the two."""
    for dtype in (np.int32, np.int64):
        value = csr(indices=np.array([1, 0], dtype), indptr=np.array([0, 1, 2], dtype))

        found = round_trip(value)

        assert found.indices.dtype == found.indptr.dtype == dtype


def test_unsorted_indexes_stay_as_they_are() -> None:
    """Sums of floats depend on the order."""
    value = csr(indices=np.array([2, 0], "i4"), indptr=np.array([0, 2, 2], "i4"))

    found = round_trip(value)

    assert found.indices.tolist() == [2, 0]
    assert not found.has_sorted_indices


def test_the_keys_of_a_dict_keep_their_order() -> None:
    """It is seen when one goes through it."""
    value = sparse.dok_array((2, 2))
    value[1, 0], value[0, 1] = 2.0, 1.0

    found = round_trip(value)

    assert list(found.items()) == [((1, 0), 2.0), ((0, 1), 1.0)]
    assert {type(part) for part in found.values()} == {np.float64}
    found[0, 0] = 5.0
    assert found.toarray().tolist() == [[5, 1], [2, 0]]


def test_lists_of_rows_can_be_written_to() -> None:
    """They are what one builds sparse arrays with."""
    found = round_trip(sparse.lil_array(np.eye(3)))

    found[2, 0] = 7
    found[0, 0] = 0

    assert found.toarray().tolist() == [[0, 0, 0], [0, 1, 0], [7, 0, 1]]


INT_MAX = 2**31 - 1
FORGERIES: list[tuple[Any, dict[str, Any]]] = [
    (csr(), {"shape": [2, 1]}),
    (csr(), {"shape": [3, 3]}),
    (csr(), {"shape": [2, INT_MAX + 1]}),
    (csr(), {"shape": [2, -3]}),
    (csr(), {"shape": [2, 3, 1]}),
    (csr(), {"class": "csc_array"}),
    (csr(), {"class": "csr_matrix", "shape": [2]}),
    (csr(), {"class": "spmatrix"}),
    (csr(), {"class": "linalg"}),
    (csr(), {"more": 1}),
    (sparse.coo_array(np.eye(2)), {"shape": [2, 1]}),
    (sparse.dok_array(np.eye(2)), {"shape": [1, 2]}),
    (sparse.lil_array(np.eye(2)), {"shape": [2, 1]}),
    (sparse.lil_array(np.eye(2)), {"shape": [1, 2]}),
    (sparse.bsr_array(np.eye(4), blocksize=(2, 2)), {"shape": [4, 2]}),
    (sparse.bsr_array(np.eye(4), blocksize=(2, 2)), {"shape": [4, 5]}),
    (sparse.dia_array(np.eye(2)), {"shape": [2, 2, 2]}),
]


@pytest.mark.parametrize(("value", "changes"), FORGERIES)
def test_a_header_that_leads_out_of_the_array_is_corruption(
    value: Any, changes: dict[str, Any]
) -> None:
    """SciPy would read and write outside of its memory."""
    header, payload = forged(value, **changes)

    with pytest.raises(CorruptionError):
        REGISTRY.decode("sparse", 1, header, memoryview(payload))


def parts_of(*arrays: Any) -> tuple[list[dict[str, Any]], bytes]:
    """Return the headers and the payload of arrays."""
    payload = b""
    for array in arrays:
        payload += bytes(-len(payload) % 64) * bool(array.nbytes) + array.tobytes()
    return [{"dtype": a.dtype.str, "shape": list(a.shape)} for a in arrays], payload


ONE, TWO = np.ones(1), np.ones(2)


def whole(*numbers: int, dtype: str = "i4") -> Any:
    """Return indexes."""
    return np.array(numbers, dtype)


@pytest.mark.parametrize(
    ("name", "shape", "arrays"),
    [
        ("csr_array", [1, 2], (ONE, whole(2), whole(0, 1))),
        ("csr_array", [1, 2], (ONE, whole(-1), whole(0, 1))),
        ("csr_array", [1, 2], (TWO, whole(0, 1), whole(1, 2))),
        ("csr_array", [1, 2], (ONE, whole(0), whole(0, 2))),
        ("csr_array", [1, 2], (TWO, whole(0), whole(0, 1))),
        ("csr_array", [2, 2], (ONE, whole(0), whole(0, 5, 1))),
        ("csr_array", [2, 2], (ONE, whole(0), whole(0, -5, 1))),
        ("csr_array", [1, 2], (ONE, whole(0), whole(0, 1, dtype="i8"))),
        ("csr_array", [1, 2], (ONE, whole(0, dtype="u4"), whole(0, 1, dtype="u4"))),
        ("csr_array", [1, 2], (ONE, whole(0, dtype=">i4"), whole(0, 1, dtype=">i4"))),
        ("csr_array", [1, 2], (ONE.astype("M8[s]"), whole(0), whole(0, 1))),
        ("csr_array", [1, 2], (ONE, whole(0))),
        ("csr_array", [1, 2], (ONE,)),
        ("csr_array", [1, 2], ()),
        ("csc_array", [2, 1], (ONE, whole(2), whole(0, 1))),
        ("bsr_array", [2, 2], (np.ones((1, 2, 2)), whole(1), whole(0, 1))),
        ("bsr_array", [2, 2], (np.ones((1, 0, 2)), whole(0), whole(0, 1))),
        ("bsr_array", [2, 2], (np.ones(1), whole(0), whole(0, 1, 1))),
        ("coo_array", [2, 2], (ONE, whole(0), whole(2))),
        ("coo_array", [2, 2], (ONE, whole(0), whole(0, 1))),
        ("coo_array", [2, 2], (ONE, whole(0))),
        ("coo_array", [], (ONE,)),
        ("dia_array", [2, 2], (np.ones((1, 2)), whole(INT_MAX))),
        ("dia_array", [2, 2], (np.ones((1, 2)), whole(-INT_MAX - 1))),
        ("dia_array", [2, 2], (np.ones((2, 2)), whole(0, 0))),
        ("dia_array", [2, 2], (np.ones((2, 2)), whole(0))),
        ("lil_array", [1, 2], (ONE, whole(2, dtype="i8"), whole(1, dtype="i8"))),
        ("lil_array", [2, 2], (ONE, whole(0, dtype="i8"), whole(2, -1, dtype="i8"))),
        ("lil_array", [1, 2], (ONE, whole(0), whole(1))),
        ("dok_array", [2, 2], (ONE, whole(0, dtype="i8"), whole(2, dtype="i8"))),
        ("dok_array", [2], (TWO, whole(1, 1, dtype="i8"))),
        ("dok_array", [2, 2], (ONE, whole(0), whole(0))),
    ],
)
def test_parts_that_make_up_no_sparse_array_are_corruption(
    name: str, shape: list[int], arrays: tuple[Any, ...]
) -> None:
    """Whoever wrote them: loops in C follow them without a look."""
    headers, payload = parts_of(*arrays)
    header = pack({"class": name, "shape": shape, "arrays": headers})

    with pytest.raises(CorruptionError):
        REGISTRY.decode("sparse", 1, header, memoryview(payload))


def test_a_shape_alone_takes_no_memory() -> None:
    """A header of a few bytes may say any number."""
    blocks = np.zeros((0, 2**40, 1))
    headers, payload = parts_of(blocks, whole(dtype="i8"), whole(0, 0, dtype="i8"))
    header = pack({"class": "bsr_array", "shape": [2**40, 1], "arrays": headers})

    found = REGISTRY.decode("sparse", 1, header, memoryview(payload))

    assert found.shape == (2**40, 1)
    assert len(found.indptr) == 2


def test_sides_that_are_no_numbers_are_not_multiplied() -> None:
    """A text times a large number is a larger text."""
    header, payload = forged(csr(), arrays=[{"dtype": "<f8", "shape": [2**40, "abc"]}] * 3)

    with pytest.raises(CorruptionError):
        REGISTRY.decode("sparse", 1, header, memoryview(payload))


def test_without_scipy_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever reads the store need not have what its writer had."""
    header, payload = forged(csr())
    monkeypatch.setitem(sys.modules, "scipy", None)

    with pytest.raises(UnsupportedFormatError, match="pip install scipy"):
        REGISTRY.decode("sparse", 1, header, memoryview(payload))


def test_an_older_scipy_says_that_it_has_no_such_array(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which is no damage."""
    header, payload = forged(csr())
    monkeypatch.delattr(sparse, "csr_array")

    with pytest.raises(UnsupportedFormatError, match="upgrade"):
        REGISTRY.decode("sparse", 1, header, memoryview(payload))


def test_nothing_sparse_is_looked_for_where_scipy_is_not_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Asking a codec must not import it."""
    monkeypatch.delitem(sys.modules, "scipy.sparse")

    assert canonical_sparse.public_name(sparse.csr_array) is None
    assert "scipy.sparse" not in sys.modules


def test_the_values_are_not_copied() -> None:
    """They may be most of what there is in memory."""
    value = sparse.csr_array(np.eye(1000))

    encoded = REGISTRY.encode(value, Digests())

    views = [np.frombuffer(part, "u1") for part in encoded.payload if len(part) > 64]
    for part in (value.data, value.indices, value.indptr):
        assert any(np.shares_memory(part, view) for view in views)
