"""How one gets from a value to its parts, as a user would write it."""

from __future__ import annotations

import collections
import dataclasses
import functools
import sys
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np

Step = tuple[str, Any]

# A label that takes more to write helps nobody.
_LABEL_MAX: Final = 60
# So many cells of a table, or elements of an array, are looked at.
_CELLS_MAX: Final = 1_000_000


def parts_of(value: Any) -> Iterator[Step]:
    """Yield the parts of a value, each behind what is written after the name of the value.

    Only parts that are there before somebody asks: a part is the very object.
    """
    for kinds, list_parts in _LISTED:
        if isinstance(value, kinds):
            yield from list_parts(value)
            break
    else:
        if _is_table(value):
            yield from _cells(value)
    yield from ((f".{name}", part) for name, part in _attributes(value).items())


def subscript(key: Any) -> str:
    """Return how a key is written in brackets."""
    if type(key) is str:
        return f'["{key}"]'
    text = repr(key)
    return f"[{text}]" if len(text) <= _LABEL_MAX else f"[{text[:_LABEL_MAX]}...]"


def _items(value: Mapping[Any, Any]) -> Iterator[Step]:
    """Yield the keys and values of a mapping."""
    for key, part in value.items():
        yield subscript(key), part
    for key in value:
        yield ".keys()", key


def _sequence(value: Any) -> Iterator[Step]:
    """Yield the elements of a sequence; those of a namedtuple by the names of the fields."""
    names = getattr(type(value), "_fields", None) if isinstance(value, tuple) else None
    for position, part in enumerate(value):
        yield (f".{names[position]}" if names else f"[{position}]"), part


def _set(value: Any) -> Iterator[Step]:
    """Yield the elements of a set, to none of which a step leads."""
    yield from (("", part) for part in value)


def _method(value: types.MethodType) -> Iterator[Step]:
    """Yield what a method is bound to, and its function."""
    yield ".__self__", value.__self__
    yield ".__func__", value.__func__


def _partial(value: functools.partial[Any]) -> Iterator[Step]:
    """Yield the function and the arguments that wait for more."""
    yield ".func", value.func
    yield from _nested(".args", value.args)
    yield from _nested(".keywords", value.keywords)


def _exception(value: BaseException) -> Iterator[Step]:
    """Yield what an exception was made with."""
    yield from _nested(".args", value.args)


def _nested(step: str, parts: Any) -> Iterator[Step]:
    """Yield the parts of a container that has itself no place in a path."""
    yield from ((step + further, part) for further, part in parts_of(parts))


def _elements(array: np.ndarray[Any, Any]) -> Iterator[Step]:
    """Yield the elements of an array of objects."""
    if array.dtype.kind == "O" and array.size <= _CELLS_MAX:
        for index in np.ndindex(array.shape):
            yield f"[{', '.join(map(str, index))}]", array[index]


def _captured(function: types.FunctionType) -> Iterator[Step]:
    """Yield what a function holds besides its code: closures by name, and defaults."""
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            yield f".{name}", cell.cell_contents
        except ValueError:
            continue
    yield from _nested(".__defaults__", function.__defaults__ or ())
    yield from _nested(".__kwdefaults__", function.__kwdefaults__ or {})


def _is_table(value: Any) -> bool:
    """Tell whether this is a frame, series or index of pandas, which is not imported for it."""
    pandas = sys.modules.get("pandas")
    frame = getattr(pandas, "DataFrame", None)
    return frame is not None and isinstance(value, frame | pandas.Series | pandas.Index)  # type: ignore[union-attr]  # (it is there)


def _cells(table: Any) -> Iterator[Step]:
    """Yield the cells of the columns of objects, by column and label, and those of the indexes."""
    if hasattr(table, "columns"):
        for position, column in enumerate(table.columns):
            series = table.iloc[:, position]
            yield from ((subscript(column) + step, part) for step, part in _cells_of(series))
        yield from _nested(".columns", table.columns)
    elif hasattr(table, "index"):
        yield from _cells_of(table)
    elif _is_of_objects(table):
        yield from ((f"[{position}]", part) for position, part in enumerate(table))
    if hasattr(table, "index"):
        yield from _nested(".index", table.index)
        yield from _nested(".attrs", table.attrs)


def _cells_of(series: Any) -> Iterator[Step]:
    """Yield the cells of a series of objects."""
    if _is_of_objects(series):
        for label, part in zip(series.index, series.array, strict=True):
            yield subscript(label), part


def _is_of_objects(column: Any) -> bool:
    """Tell whether a series or index holds objects, and not too many to look at."""
    dtype = column.dtype
    return isinstance(dtype, np.dtype) and dtype.kind == "O" and len(column) <= _CELLS_MAX


def _attributes(value: Any) -> Mapping[str, Any]:
    """Return the attributes of an instance that count: those that a copy of it would get."""
    kind = type(value)
    skipped = (type, types.ModuleType, types.FunctionType, functools.partial, np.ndarray)
    if kind.__module__ == "builtins" or isinstance(value, skipped) or _is_table(value):
        return {}
    known = _known_attributes(value)
    if known is not None:
        return known
    try:
        reduced = value.__reduce_ex__(4)
    except Exception:  # noqa: BLE001 (whatever a user's class raises: then nothing can be listed)
        return {}
    if not isinstance(reduced, tuple):
        return {}
    state = reduced[2] if len(reduced) > 2 else None
    if dataclasses.is_dataclass(kind) and isinstance(state, list):
        # What dataclasses with slots give in place of a dict.
        names = [field.name for field in dataclasses.fields(kind)]
        return dict(zip(names, state, strict=False))
    held = getattr(value, "__dict__", {})
    found = {
        name: part for name, part in held.items() if any(part is other for other in reduced[1])
    }
    for part in state if isinstance(state, tuple) else (state,):
        if isinstance(part, dict):
            found.update({name: part[name] for name in part if type(name) is str})
    return found


def _known_attributes(value: Any) -> Mapping[str, Any] | None:
    """Return the attributes of a model of pydantic or an image of Pillow; None for all else.

    Neither library is imported for it: who has a value of theirs has done so.
    """
    model = getattr(sys.modules.get("pydantic.main"), "BaseModel", None)
    if model is not None and isinstance(value, model):
        extra = getattr(value, "__pydantic_extra__", None) or {}
        private = getattr(value, "__pydantic_private__", None) or {}
        return {**vars(value), **extra, **private}
    image = getattr(sys.modules.get("PIL.Image"), "Image", None)
    if image is not None and isinstance(value, image):
        return {"info": getattr(value, "info", {})}
    return None


_LISTED: Final[Sequence[tuple[Any, Callable[[Any], Iterator[Step]]]]] = (
    (Mapping, _items),
    ((list, tuple, collections.deque), _sequence),
    ((set, frozenset), _set),
    (np.ndarray, _elements),
    (types.FunctionType, _captured),
    (types.MethodType, _method),
    (functools.partial, _partial),
    (BaseException, _exception),
)
