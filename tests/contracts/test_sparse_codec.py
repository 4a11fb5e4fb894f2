"""The codec of sparse arrays keeps the contract."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from scipy import sparse  # type: ignore[import-untyped]  # (it has no types)

from mandala_cas.codec.sparse import SparseCodec
from mandala_cas.testing.codecs import CodecSuite

Makers = Sequence[Callable[[], Any]]
FORMATS = ("bsr", "coo", "csc", "csr", "dia", "dok", "lil")
CLASSES = [getattr(sparse, f"{name}_{kind}") for name in FORMATS for kind in ("array", "matrix")]


class Weighted(sparse.csr_array):  # type: ignore[misc]  # (it has no types)
    """A class that somebody derived."""


def dense(dtype: Any) -> Any:
    """Return what has an element off the diagonal, a row without elements, and one that has two."""
    return np.array([[0, 2, 0, 0], [0, 0, 0, 0], [1, 0, 0, 3], [0, 0, 5, 0]], dtype)


def with_long_indexes() -> Any:
    """Return rows whose indexes are longer than they need to be."""
    made = sparse.csr_array(dense(float))
    made.indices, made.indptr = made.indices.astype(np.int64), made.indptr.astype(np.int64)
    return made


def with_spare_room() -> Any:
    """Return rows behind which there is room for more."""
    made = sparse.csr_array(dense(float))
    made.data, made.indices = np.append(made.data, 9.0), np.append(made.indices, made.indices[:1])
    return made


def with_stored_zero() -> Any:
    """Return keys of which one has a zero."""
    made = sparse.dok_array((2, 2))
    made[1, 0] = 5.0
    made[0, 1] = 1.0
    dict.update(getattr(made, "_dict", made), {(0, 1): np.float64(0)})
    return made


class TestSparse(CodecSuite):
    """SciPy."""

    @pytest.fixture
    def codec(self) -> SparseCodec:
        """Return the codec."""
        return SparseCodec()

    @pytest.fixture
    def makers(self) -> Makers:
        """Return sparse arrays of every format, dtype and state."""
        rows, columns = [1, 0, 1], [2, 0, 2]
        return [
            *(lambda kind=kind: kind(dense(float)) for kind in CLASSES),
            *(lambda kind=kind: kind((3, 5), dtype=np.float32) for kind in CLASSES),
            lambda: sparse.csc_array(dense(np.complex64)),
            lambda: sparse.dok_array(dense(np.complex64)),
            lambda: sparse.csr_matrix(dense(bool)),
            lambda: sparse.lil_array(dense(bool)),
            lambda: sparse.dok_matrix(dense(np.int8)),
            lambda: sparse.lil_matrix(dense(np.longdouble)),
            lambda: sparse.csr_array((0, 4)),
            lambda: sparse.csc_array((0, 4)),
            lambda: sparse.lil_array((0, 4)),
            lambda: sparse.coo_array(([1.0, 2.0, 3.0], (rows, columns)), shape=(2, 3)),
            lambda: sparse.csr_array(([1.0, -0.0, 3.0], [2, 0, 2], [0, 2, 3]), shape=(2, 3)),
            lambda: sparse.bsr_matrix(np.kron(np.eye(3), np.arange(6).reshape(2, 3))),
            lambda: sparse.bsr_array((4, 6), blocksize=(2, 3)),
            lambda: sparse.dia_array((np.ones((2, 3)), [0, -7]), shape=(4, 4)),
            lambda: sparse.coo_array(np.eye(3)[1]),
            lambda: sparse.csr_array(np.eye(3)[1]),
            lambda: sparse.dok_array(np.eye(3)[1]),
            lambda: sparse.coo_array(np.arange(24).reshape(2, 3, 4) % 5),
            lambda: sparse.csr_matrix(np.diag(np.arange(400) % 7)[:300]),
            with_long_indexes,
            with_spare_room,
            with_stored_zero,
        ]

    @pytest.fixture
    def declined(self) -> Sequence[Any]:
        """Return what holds no numbers, what does not hang together, and what is not sparse."""
        torn = sparse.csr_array(np.eye(3))
        torn.indices = torn.indices[:1]
        beyond = sparse.csr_array(np.eye(3))
        beyond.indices[0] = 7
        mixed = sparse.csr_array(np.eye(3))
        mixed.indptr = mixed.indptr.astype(np.int64)
        foreign = sparse.dok_array((2, 2))
        dict.update(getattr(foreign, "_dict", foreign), {(0, 0): 7})
        lists = sparse.lil_array(np.eye(2))
        lists.data[0].append(1.0)
        objects = sparse.csr_array((np.array([1, "a"], object), [0, 1], [0, 1, 2]), shape=(2, 2))
        far = sparse.dia_array((np.ones((1, 2)), [2**31 - 1]), shape=(2, 2))
        return [
            np.eye(3),
            Weighted(np.eye(3)),
            sparse.linalg.aslinearoperator(np.eye(2)),
            *(torn, beyond, mixed, foreign, lists, objects, far),
        ]
