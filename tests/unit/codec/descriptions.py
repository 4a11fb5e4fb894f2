"""What a value is, in words: an oracle of sameness that knows nothing of ids or codecs.

Two values are the same if their descriptions are equal: type, dtype, order, names, flags and
elements to the last bit, but not where they lie in memory.
"""

from __future__ import annotations

import collections
import datetime as dt
import enum
import functools
import types
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pydantic
from PIL import Image
from scipy import sparse  # type: ignore[import-untyped]  # (it has no types)
from sklearn.tree._tree import Tree

Description = Any


def described(value: Any) -> Description:
    """Return a description: nested tuples of strs, and nothing else."""
    kind = f"{type(value).__module__}.{type(value).__qualname__}"
    for types_, describe in _DESCRIBE:
        if isinstance(value, types_):
            return (kind, *describe(value))
    if value is None or type(value).__module__ == "builtins" or type(value) in _PRINTED:
        return (kind, repr(value))
    return (kind, *_of_object(value))


def _each(values: Any) -> tuple[Description, ...]:
    """Return the descriptions of several values."""
    return tuple(map(described, values))


def _pairs(value: dict[Any, Any]) -> tuple[Description, ...]:
    """Return the descriptions of items in their order."""
    return tuple((described(key), described(part)) for key, part in value.items())


def _of_dict(value: dict[Any, Any]) -> tuple[Description, ...]:
    """Describe a dict of any sort."""
    return (repr(getattr(value, "default_factory", "")), _pairs(value))


def _of_set(value: Any) -> tuple[Description, ...]:
    """Describe a set of any sort; its elements have no order."""
    return tuple(sorted(_each(value), key=repr))


def _of_object(value: Any) -> tuple[Description, ...]:
    """Describe an object by its attributes; one without any by what it is copied by."""
    if hasattr(value, "__dict__"):
        return _pairs(vars(value))
    slots = getattr(value, "__slots__", None)
    if slots:
        return tuple((name, described(getattr(value, name))) for name in slots)
    return (repr(value),)


def _of_function(value: Any) -> tuple[Description, ...]:
    """Describe a function by its code and what it holds."""
    code = value.__code__
    cells = [cell.cell_contents for cell in value.__closure__ or ()]
    held = _each([cells, value.__defaults__, value.__kwdefaults__])
    return (value.__qualname__, repr((code.co_code, code.co_consts, code.co_names)), *held)


def _of_dtype(dtype: Any) -> tuple[Description, ...]:
    """Describe a dtype of NumPy, without where it puts its fields."""
    if dtype.names is not None:
        return tuple((name, *_of_dtype(dtype[name])) for name in dtype.names)
    return (dtype.str, repr(dtype))


def _of_array(array: Any) -> tuple[Description, ...]:
    """Describe an array of NumPy's."""
    parts = [_of_dtype(array.dtype), repr(array.dtype.type), repr(array.shape)]
    if isinstance(array, np.ma.MaskedArray):
        mask = repr(np.ma.getmaskarray(array).tolist())
        flags = (mask, repr(array.hardmask))
        return (*parts, described(array.data), *flags, described(array.fill_value))
    base = array.view(np.ndarray)
    if base.dtype.kind == "O":
        return (*parts, *_each(base.ravel().tolist()))
    if base.dtype.names is not None:
        return (*parts, *[described(base[name]) for name in base.dtype.names])
    return (*parts, *[repr(element) for element in base.ravel()])


def _of_scalar(value: Any) -> tuple[Description, ...]:
    """Describe a scalar of NumPy's."""
    return _of_array(np.asarray(value))


def _of_generator(value: Any) -> tuple[Description, ...]:
    """Describe a source of random numbers by its state."""
    if isinstance(value, np.random.RandomState):
        return (described(value.get_state(legacy=False)),)
    return (described(value.bit_generator.state),)


def _of_sparse(value: Any) -> tuple[Description, ...]:
    """Describe a sparse array by its entries in the order in which they are stored."""
    if value.format in {"lil", "dok"}:
        # Keys that were ints of NumPy come back as ints.
        entries = [(*map(int, key), part) for key, part in sparse.dok_array(value).items()]
        return (_of_dtype(value.dtype), repr(value.shape), repr(sorted(entries)))
    names = ("data", "indices", "indptr", "coords", "offsets")
    parts = [described(getattr(value, name)) for name in names if hasattr(value, name)]
    return (repr(value.shape), *parts)


def _of_index(value: Any) -> tuple[Description, ...]:
    """Describe an index."""
    names, frequency = described(list(value.names)), repr(getattr(value, "freq", None))
    if isinstance(value, pd.MultiIndex):
        levels = [described(value.get_level_values(n)) for n in range(value.nlevels)]
        return (names, *levels)
    if isinstance(value, pd.RangeIndex):
        return (names, repr((value.start, value.stop, value.step)))
    return (names, frequency, *_of_column(value.array))


def _of_column(value: Any) -> tuple[Description, ...]:
    """Describe an array of pandas, or one of NumPy that lies in a table."""
    sparse_array: Any = pd.arrays.SparseArray
    if isinstance(value, pd.Categorical):
        codes = value.codes.tolist()
        return ("categorical", repr(value.ordered), described(value.categories), repr(codes))
    if isinstance(value, sparse_array):
        return ("sparse", repr(value.dtype), repr(value.fill_value), *_each(list(value)))
    return (repr(value.dtype), *_each(list(value)))


def _of_series(value: Any) -> tuple[Description, ...]:
    """Describe a series of pandas."""
    notes = (described(value.attrs), repr(value.flags.allows_duplicate_labels))
    return (described(value.index), described(value.name), *notes, *_of_column(value.array))


def _of_frame(value: Any) -> tuple[Description, ...]:
    """Describe a frame of pandas."""
    notes = (described(value.attrs), repr(value.flags.allows_duplicate_labels))
    columns = [_of_column(value.iloc[:, place].array) for place in range(value.shape[1])]
    return (described(value.index), described(value.columns), *notes, *columns)


def _of_polars(value: Any) -> tuple[Description, ...]:
    """Describe a series of Polars."""
    return (value.name, repr(value.dtype), *_each(value.to_list()))


def _of_polars_frame(value: Any) -> tuple[Description, ...]:
    """Describe a frame of Polars."""
    return (repr(value.height), *map(_of_polars, value.get_columns()))


def _of_arrow(value: Any) -> tuple[Description, ...]:
    """Describe an array of Arrow, in chunks or whole."""
    kind = value.type
    parts = [_of_arrow_type(kind), *_each(value.to_pylist())]
    if pa.types.is_dictionary(kind):
        # How a column is cut into chunks is no part of it.
        whole = value.combine_chunks() if isinstance(value, pa.ChunkedArray) else value
        parts += [repr(kind.ordered), _of_arrow(whole.dictionary)]
    return tuple(parts)


def _of_arrow_type(kind: Any) -> tuple[Description, ...]:
    """Describe a type of Arrow, down to whether parts of it may be missing."""
    fields = [kind.field(place) for place in range(kind.num_fields)]
    return (str(kind), *map(_of_field, fields))


def _of_field(value: Any) -> tuple[Description, ...]:
    """Describe a field of Arrow."""
    # An empty dict says no more than None.
    noted = repr(sorted((value.metadata or {}).items()))
    return (value.name, *_of_arrow_type(value.type), repr(value.nullable), noted)


def _of_arrow_table(value: Any) -> tuple[Description, ...]:
    """Describe a table or a batch of Arrow."""
    return (described(value.schema), *map(_of_arrow, value.columns))


def _of_schema(value: Any) -> tuple[Description, ...]:
    """Describe a schema of Arrow."""
    return (repr(sorted((value.metadata or {}).items())), *map(_of_field, value))


def _of_model(value: Any) -> tuple[Description, ...]:
    """Describe a model of pydantic."""
    extra, private = value.__pydantic_extra__, value.__pydantic_private__
    return (described(vars(value)), described(extra), described(private))


def _of_image(value: Any) -> tuple[Description, ...]:
    """Describe an image."""
    palette = value.getpalette("RGB") if value.mode in {"P", "PA"} else None
    info = described(value.info)
    return (value.mode, repr(value.size), repr(value.tobytes()), repr(palette), info)


def _of_tree(value: Any) -> tuple[Description, ...]:
    """Describe the nodes of a decision tree."""
    return (described(value.__getstate__()),)


_PRINTED = {pd.Timestamp, pd.Timedelta, pd.Period, pd.Interval, type(pd.NA), type(pd.NaT), np.ufunc}
_DESCRIBE: list[tuple[Any, Any]] = [
    (enum.Enum, lambda value: (repr(value.name), repr(value.value))),
    (type, lambda value: (value.__module__, value.__qualname__)),
    # Before the dicts: one of the formats is a dict as well.
    ((sparse.sparray, sparse.spmatrix), _of_sparse),
    (dict, _of_dict),
    (set | frozenset, _of_set),
    (collections.deque, lambda value: (repr(value.maxlen), *_each(value))),
    (list | tuple, _each),
    (slice, lambda value: _each([value.start, value.stop, value.step])),
    # Zones of pytz hold one another; their names tell them apart.
    (dt.tzinfo, lambda value: (str(value),)),
    ((dt.datetime, dt.time), lambda value: (repr(value), described(value.tzinfo))),
    (types.FunctionType, _of_function),
    (types.MethodType, lambda value: _each([value.__func__, value.__self__])),
    (functools.partial, lambda value: _each([value.func, value.args, value.keywords])),
    (np.ndarray, _of_array),
    (np.generic, _of_scalar),
    (np.dtype, _of_dtype),
    ((np.random.Generator, np.random.RandomState), _of_generator),
    (pd.Index, _of_index),
    (pd.Series, _of_series),
    (pd.DataFrame, _of_frame),
    (pd.api.extensions.ExtensionArray, _of_column),
    (pd.offsets.BaseOffset, lambda value: (repr(value), repr(value.n), repr(value.normalize))),
    (pl.DataFrame, _of_polars_frame),
    (pl.Series, _of_polars),
    (pl.DataType, lambda value: (repr(value),)),
    ((pa.Array, pa.ChunkedArray), _of_arrow),
    (pa.Scalar, lambda value: (_of_arrow_type(value.type), described(value.as_py()))),
    ((pa.Table, pa.RecordBatch), _of_arrow_table),
    (pa.Schema, _of_schema),
    (pa.Field, _of_field),
    (pa.DataType, _of_arrow_type),
    (pydantic.BaseModel, _of_model),
    (Image.Image, _of_image),
    (Tree, _of_tree),
]
