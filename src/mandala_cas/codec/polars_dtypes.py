"""The dtypes of Polars as plain values: a name alone, or a list of a name and its parameters.

``docs/reference/hashing.md`` is normative for the names.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

DEPTH_MAX: Final = 100

# Arrow has no form for these that every reader has: their text stands for them.
_AS_TEXT: Final = frozenset({"Categorical", "Enum", "Int128", "UInt128"})
_NESTED: Final = frozenset({"List", "Array", "Struct", "Map"})
_SIMPLE: Final = frozenset(
    {
        *("Boolean", "Int8", "Int16", "Int32", "Int64", "Int128"),
        *("UInt8", "UInt16", "UInt32", "UInt64", "UInt128", "Float16", "Float32", "Float64"),
        *("String", "Binary", "Date", "Time", "Null", "Object"),
    }
)


def form_of(dtype: Any) -> Any:
    """Return the form of a dtype; None for one that is not known here.

    A dtype that was not instantiated, such as ``pl.Datetime``, is its name alone.
    """
    name = dtype.__name__ if isinstance(dtype, type) else type(dtype).__name__
    if name in _SIMPLE:
        return name
    parameters = _PARAMETERS.get(name)
    if parameters is None:
        return None
    if isinstance(dtype, type):
        return name
    found = parameters(dtype)
    if name in _NESTED and any(part is None for part in found):
        return None
    return [name, *found]


def dtype_of(form: Any, depth: int = 0) -> Any:
    """Return the dtype of a form, as it stands in a column; ValueError and its like if none."""
    import polars as pl  # noqa: PLC0415 (heavy)

    if depth > DEPTH_MAX:
        raise ValueError("a dtype is nested too deeply")
    if isinstance(form, str):
        if form not in _SIMPLE:
            raise ValueError(f"{form!r} is no dtype without parameters")
        # One that this version of Polars does not have is an AttributeError.
        return getattr(pl, form)()
    name, *parameters = form
    return _MAKERS[name](*parameters, depth=depth + 1)


def storage_of(dtype: Any) -> Any:
    """Return the dtype in which the values of a dtype are given to Arrow."""
    import polars as pl  # noqa: PLC0415 (heavy)

    name = type(dtype).__name__
    if name in _AS_TEXT:
        return pl.String()
    if name == "List":
        return pl.List(storage_of(dtype.inner))
    if name == "Array":
        return pl.Array(storage_of(dtype.inner), dtype.size)
    if name == "Struct":
        return pl.Struct({field.name: storage_of(field.dtype) for field in dtype.fields})
    if name == "Map":
        return pl.Map(storage_of(dtype.key), storage_of(dtype.value))
    return dtype


def _struct_parameters(dtype: Any) -> Sequence[Any]:
    """Return the fields of a struct; None where one is not known here."""
    fields = [[field.name, form_of(field.dtype)] for field in dtype.fields]
    return (fields if all(form is not None for _, form in fields) else None,)


def _categorical_parameters(dtype: Any) -> Sequence[Any]:
    """Return which set of categories a dtype is of: none of these for the common one."""
    categories = getattr(dtype, "categories", None)
    if categories is not None and hasattr(categories, "is_global"):
        if categories.is_global():
            return ()
        return categories.name(), categories.namespace(), form_of(categories.physical())
    # Versions with one set for all could also sort by when a category was met first, unless told.
    return ("lexical",) if getattr(dtype, "ordering", None) == "lexical" else ()


def _make_categorical(*parameters: Any, depth: int) -> Any:
    """Return a dtype of categories that are collected as they come."""
    import polars as pl  # noqa: PLC0415 (heavy)

    del depth
    if not parameters:
        return pl.Categorical()
    if parameters == ("lexical",):
        return pl.Categorical("lexical")
    name, namespace, physical = parameters
    if physical not in {"UInt8", "UInt16", "UInt32"}:
        raise ValueError(f"categories are not numbered by {physical!r}")
    return pl.Categorical(pl.Categories(name, namespace, getattr(pl, physical)))


def _make_simple(name: str) -> Callable[..., Any]:
    """Return what makes a dtype whose parameters Polars takes, and checks, as they are."""

    def make(*parameters: Any, depth: int) -> Any:
        """Return the dtype."""
        import polars as pl  # noqa: PLC0415 (heavy)

        del depth
        return getattr(pl, name)(*parameters)

    return make


def _make_list(inner: Any, *, depth: int) -> Any:
    """Return a dtype of lists."""
    import polars as pl  # noqa: PLC0415 (heavy)

    return pl.List(dtype_of(inner, depth))


def _make_map(key: Any, value: Any, *, depth: int) -> Any:
    """Return a dtype of maps, which not every version of Polars has."""
    import polars as pl  # noqa: PLC0415 (heavy)

    return pl.Map(dtype_of(key, depth), dtype_of(value, depth))


def _make_array(inner: Any, size: int, *, depth: int) -> Any:
    """Return a dtype of lists of one size."""
    import polars as pl  # noqa: PLC0415 (heavy)

    if type(size) is not int or size < 1:
        raise ValueError(f"{size!r} is no size of an array")
    return pl.Array(dtype_of(inner, depth), size)


def _make_struct(fields: Any, *, depth: int) -> Any:
    """Return a dtype of structs."""
    import polars as pl  # noqa: PLC0415 (heavy)

    return pl.Struct([pl.Field(name, dtype_of(form, depth)) for name, form in fields])


_PARAMETERS: Final[Mapping[str, Callable[[Any], Sequence[Any]]]] = {
    "Datetime": lambda dtype: (dtype.time_unit, dtype.time_zone),
    "Duration": lambda dtype: (dtype.time_unit,),
    "Decimal": lambda dtype: (dtype.precision, dtype.scale),
    "List": lambda dtype: (form_of(dtype.inner),),
    "Array": lambda dtype: (form_of(dtype.inner), dtype.size),
    "Map": lambda dtype: (form_of(dtype.key), form_of(dtype.value)),
    "Struct": _struct_parameters,
    "Enum": lambda dtype: (dtype.categories.to_list(),),
    "Categorical": _categorical_parameters,
}
_MAKERS: Final[Mapping[str, Callable[..., Any]]] = {
    **{name: _make_simple(name) for name in ("Datetime", "Duration", "Decimal", "Enum")},
    "List": _make_list,
    "Array": _make_array,
    "Map": _make_map,
    "Struct": _make_struct,
    "Categorical": _make_categorical,
}
