"""Kinds of values of NumPy and SciPy."""

from __future__ import annotations

import functools
from typing import Any, Final

import numpy as np

from mandala_cas.testing.values.kinds import Kind, first_alike
from mandala_cas.testing.values.parts import Parts
from mandala_cas.testing.values.slots import Choice, Elements, Integer, Spelling

Array = np.ndarray[Any, Any]

_NUMBERS: Final = ("i1", "u1", "<i2", "<u4", "<i8", "<u8", ">i4", ">u2", "<f4", "<f8", ">f8", "<f2")
_TIMES: Final = ("<M8[ns]", "<M8[us]", "<M8[D]", "<m8[s]", ">m8[ms]", "<M8[25s]")
_DTYPES: Final = (
    *_NUMBERS,
    *_TIMES,
    *("?", "<c8", "<c16", ">c8", "<g", "<U2", "<U3", ">U2", "S2", "S3", "V2", "V3"),
)
# A scalar has the byte order of its machine and the width of its text, wherever it came from.
_NATIVE: Final = tuple(
    name for name in _DTYPES if not name.startswith(">") and name not in {"<U3", "S3"}
)
_SHAPES: Final = ((6,), (2, 3), (3, 2), (6, 1), (1, 6), (1, 2, 3))
_EMPTY_SHAPES: Final = ((0,), (0, 2), (2, 0), (0, 3, 0))
_LAYOUTS: Final = ("C", "F", "strided", "read-only", "backwards")
_CLASSES: Final = ("recarray", "ndarray")


def elements_of(dtype: np.dtype[Any], numbers: tuple[int, ...]) -> Array:
    """Return an array in which small numbers became elements of a dtype.

    Those that differ in their last bit differ; edges of the dtype are among them.
    """
    if dtype.kind in "iu":
        edges = np.iinfo(dtype)
        choices: list[Any] = [0, 1, edges.max, edges.max - 1, edges.min, edges.min + 1]
    elif dtype.kind == "f":
        choices = [0.0, -0.0, np.nan, 1.5, np.inf, -np.inf]
    elif dtype.kind == "c":
        choices = [0j, complex(-0.0, 0.0), complex(np.nan, 1), 1.5j, complex(1, -0.0), 1 + 0j]
    elif dtype.kind in "Mm":
        counts = np.array([0, 1, np.iinfo("i8").min, 5, -1, 2**40], "i8")
        return (
            counts[list(numbers)].view(f"{dtype.kind}8").view(dtype.newbyteorder("=")).astype(dtype)
        )
    elif dtype.kind == "b":
        choices = [False, True] * 3
    elif dtype.kind in "SV":
        choices = [b"", b"a", b"\0b", b"b", b"\xff", b"ab"]
    else:
        choices = ["", "a", "\0b", "b", "\u00e9", "\U0001f600"]
    return np.array([choices[number] for number in numbers], dtype)


@functools.cache
def _shown(dtype: str) -> list[bytes]:
    """Return what tells the elements of six numbers apart: some dtypes have fewer."""
    return [elements_of(np.dtype(dtype), (number,)).tobytes() for number in range(6)]


def normal_numbers(dtype: str, numbers: tuple[int, ...]) -> tuple[int, ...]:
    """Return the first numbers of the same elements of a dtype."""
    return first_alike(_shown(dtype), numbers)


def laid_out(array: Array, layout: str) -> Array:
    """Return an equal array that lies in memory in another way."""
    if layout == "F":
        return np.asfortranarray(array)
    if layout == "strided":
        wide = np.zeros((*array.shape, 2), array.dtype)
        wide[..., 1] = array
        return wide[..., 1]
    if layout == "backwards":
        return array[::-1].copy()[::-1]
    made = np.ascontiguousarray(array)
    made.flags.writeable = layout == "C"
    return made


def _array(dtype: str, shape: tuple[int, ...], numbers: tuple[int, ...], layout: str) -> Array:
    """Return an array of six elements."""
    return laid_out(elements_of(np.dtype(dtype), numbers).reshape(shape), layout)


def _scalar(dtype: str, numbers: tuple[int]) -> Any:
    """Return a scalar."""
    return elements_of(np.dtype(dtype), numbers)[0]


def _single(dtype: str, numbers: tuple[int]) -> Array:
    """Return an array of no dimensions."""
    return elements_of(np.dtype(dtype), numbers).reshape(())


def _matrix(kind: str, dtype: str, numbers: tuple[int, ...]) -> Array:
    """Return an array of one of NumPy's own classes."""
    made = elements_of(np.dtype(dtype), numbers).reshape(2, 2)
    return made.view(np.matrix) if kind == "matrix" else made


def _strings(numbers: tuple[int, ...]) -> Array:
    """Return an array of strings of any width."""
    dtypes: Any = np.dtypes
    return np.array(elements_of(np.dtype("U2"), numbers).tolist(), dtypes.StringDType())


def _strings_or_none(missing: str, coerce: Any, numbers: tuple[int, ...]) -> Array:
    """Return an array of strings of any width, of which the first is missing."""
    dtypes: Any = np.dtypes
    found = {"NaN": np.nan, "None": None, "text": "?"}[missing]
    texts = elements_of(np.dtype("U2"), numbers).tolist()
    return np.array([found, *texts], dtypes.StringDType(na_object=found, coerce=bool(coerce)))


def _objects(parts: list[Any], is_deep: Any) -> Array:
    """Return an array of any objects."""
    made = np.empty(len(parts), object)
    for place, part in enumerate(parts):
        made[place] = part
    return made.reshape(1, -1) if is_deep else made


def _structures(
    names: tuple[str, str], dtypes: tuple[str, str], is_padded: Any, numbers: Any, kind: str
) -> Array:
    """Return an array of structures."""
    fields = list(zip(names, dtypes, strict=True))
    made = np.zeros(2, np.dtype(fields, align=bool(is_padded)))
    for place, name in enumerate(names):
        made[name] = elements_of(np.dtype(dtypes[place]), numbers[2 * place : 2 * place + 2])
    return made.view(np.recarray) if kind == "recarray" else made


def _masked(dtype: str, numbers: Any, mask: Any, filling: Any, is_hard: Any) -> Any:
    """Return an array with a mask."""
    data = elements_of(np.dtype(dtype), numbers)
    hidden = np.array([bit % 2 for bit in mask], bool)
    fill_value = elements_of(np.dtype(dtype), filling)[0]
    return np.ma.array(data, mask=hidden, fill_value=fill_value, hard_mask=bool(is_hard))


def _generator(kind: str, seed: int, count: int) -> Any:
    """Return a source of random numbers that gave some."""
    made = np.random.Generator(getattr(np.random, kind)(seed))
    made.random(count)
    return made


def _old_generator(seed: int, count: int) -> Any:
    """Return one of the old kind, which keeps every second number for later."""
    made = np.random.RandomState(seed)
    made.standard_normal(count)
    return made


def _sparse(name: str, dtype: str, shape: tuple[int, int], columns: Any, numbers: Any) -> Any:
    """Return a sparse array of three entries."""
    from scipy import sparse  # type: ignore[import-untyped]  # noqa: PLC0415 (heavy)

    values = np.array([number + 1 for number in numbers], dtype)
    entries = (values, ([0, 1, 2], list(columns)))
    made = sparse.coo_array(entries, shape=shape)
    kind, _, ending = name.partition("_")
    if ending == "matrix":
        made = sparse.coo_matrix(entries, shape=shape)
    return made.asformat(kind)


def _normal_elements(dtype: str, numbers: Any) -> tuple[Any, ...]:
    """Return the literals of the same elements of a dtype that come first."""
    return dtype, normal_numbers(dtype, numbers)


def _normal_structures(
    names: Any, dtypes: tuple[str, str], is_padded: Any, numbers: Any, kind: str
) -> tuple[Any, ...]:
    """Return the literals of the same structures that come first."""
    first, second = dtypes
    found = (*normal_numbers(first, numbers[:2]), *normal_numbers(second, numbers[2:]))
    return names, dtypes, is_padded, found, kind


_FORMATS: Final = ("csr", "csc", "coo", "bsr", "dia", "lil", "dok")
_SPARSE: Final = [f"{kind}_{ending}" for kind in _FORMATS for ending in ("array", "matrix")]

ARRAYS: Final[dict[str, Kind]] = {
    "array": Kind(
        _array,
        (Choice(_DTYPES), Choice(_SHAPES), Elements(6), Spelling(_LAYOUTS)),
        normal=lambda dtype, shape, numbers, layout: (
            *(dtype, shape, normal_numbers(dtype, numbers), layout),
        ),
    ),
    "empty array": Kind(
        lambda dtype, shape: np.zeros(shape, dtype),
        (Choice((*_DTYPES, "O")), Choice(_EMPTY_SHAPES)),
    ),
    "NumPy scalar": Kind(
        _scalar, (Choice(_NATIVE), Elements(1)), "single", normal=_normal_elements
    ),
    "array of no dimensions": Kind(
        _single, (Choice(_NATIVE), Elements(1)), "single", normal=_normal_elements
    ),
    "matrix": Kind(_matrix, (Choice(["matrix", "ndarray"]), Choice(["<f8", ">f8"]), Elements(4))),
    "structures": Kind(
        _structures,
        (
            Choice([("a", "b"), ("b", "a"), ("a", "c"), ("a", "\u00e9")]),
            Choice([("i1", "<f8"), ("<f8", "i1"), ("i1", ">f8"), ("u1", "<f8"), ("U2", "<M8[s]")]),
            Spelling([0, 1]),
            Elements(4),
            Choice(_CLASSES),
        ),
        normal=_normal_structures,
    ),
    "masked array": Kind(
        _masked,
        (
            Choice((*_NUMBERS, "?", "U2", "<M8[s]")),
            Elements(4),
            Elements(4),
            Elements(1),
            Choice([0, 1]),
        ),
        normal=lambda dtype, numbers, mask, filling, is_hard: (
            *(dtype, normal_numbers(dtype, numbers), tuple(bit % 2 for bit in mask)),
            *(normal_numbers(dtype, filling), is_hard),
        ),
    ),
    "dtype": Kind(np.dtype, (Choice((*_DTYPES, "O")),), is_key=True),
    "objects": Kind(_objects, (Parts(count_min=1), Choice([0, 1]))),
    "Generator": Kind(
        _generator,
        (
            Choice(["PCG64", "PCG64DXSM", "MT19937", "Philox", "SFC64"]),
            Integer(0, 99),
            Choice([0, 1]),
        ),
    ),
    "RandomState": Kind(_old_generator, (Integer(0, 99), Choice([0, 1, 2]))),
    "sparse array": Kind(
        _sparse,
        (
            Choice(_SPARSE),
            Choice(["<f8", "<f4", "<i4", "<c16"]),
            Choice([(4, 6), (3, 6), (4, 8)]),
            Elements(3),
            Elements(3),
        ),
    ),
}
if hasattr(np, "dtypes") and hasattr(np.dtypes, "StringDType"):
    ARRAYS["strings of any width"] = Kind(_strings, (Elements(3),))
    ARRAYS["strings or none"] = Kind(
        _strings_or_none, (Choice(["NaN", "None", "text"]), Choice([0, 1]), Elements(2))
    )
