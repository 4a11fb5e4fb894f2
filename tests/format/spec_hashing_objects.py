"""The part of the second implementation that knows objects, functions and classes."""

from __future__ import annotations

import ast
import collections
import copyreg
import dataclasses
import enum
import functools
import inspect
import sys
import textwrap
import types
from pathlib import Path
from typing import Any

import pydantic
from tests.format import spec_hashing as spec

HEAP_TYPE = 1 << 9
IMMUTABLE_TYPE = 1 << 8


def encode(value: Any) -> bytes:
    """Return the encoding of an object."""
    if isinstance(value, type):
        return encode_class(value)
    if isinstance(value, types.FunctionType):
        return encode_function(value)
    if isinstance(value, types.MethodType):
        return spec.record("method", value.__func__, value.__self__)
    if isinstance(value, types.BuiltinFunctionType) and isinstance(
        value.__self__, types.ModuleType
    ):
        return spec.record("name", name_of(value))
    if isinstance(value, enum.Enum):
        name = None if isinstance(value, enum.Flag) else value.name
        return spec.record("enum", name_of(type(value)), name, value.value)
    if isinstance(value, pydantic.BaseModel):
        return encode_model(value)
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return spec.record("namedtuple", name_of(type(value)), value._fields, tuple(value))
    if isinstance(value, set | frozenset):
        state = attributes_of(value) or None
        new = spec.Record("new", name_of(type(value)))
        return spec.record("reduced", new, (frozenset(value),), state, None, None, None)
    if says_not_how_it_is_copied(value):
        return spec.record("instance", name_of(type(value)), attributes_of(value))
    return encode_reduced(value)


def name_of(thing: Any) -> str:
    """Return the name of a class or function."""
    return f"{thing.__module__}:{thing.__qualname__}"


def encode_model(value: Any) -> bytes:
    """Return the encoding of a model of pydantic."""
    fields = {name: getattr(value, name) for name in type(value).model_fields}
    private = value.__pydantic_private__ or {}
    return spec.record("pydantic", name_of(type(value)), fields, value.model_extra or {}, private)


def says_not_how_it_is_copied(value: Any) -> bool:
    """Tell whether a class is written in Python and leaves copying to Python."""
    kind: Any = type(value)
    is_left = all(
        getattr(kind, name) is getattr(object, name) for name in ("__reduce__", "__reduce_ex__")
    ) and not hasattr(kind, "__getnewargs__")
    state_is_left = kind.__getstate__ is object.__getstate__ or dataclasses.is_dataclass(kind)
    is_python = all(base is object or base.__flags__ & HEAP_TYPE for base in kind.__mro__)
    return is_left and state_is_left and is_python and kind not in copyreg.dispatch_table


def attributes_of(value: Any) -> dict[str, Any]:
    """Return what is in the dict and the slots of an instance, and its fields."""
    found = dict(getattr(value, "__dict__", {}))
    names = (
        [field.name for field in dataclasses.fields(value)]
        if dataclasses.is_dataclass(value)
        else []
    )
    for base in type(value).__mro__:
        for name in base.__dict__.get("__slots__", ()):
            is_private = name.startswith("__") and not name.endswith("__")
            names.append(f"_{base.__name__}{name}" if is_private else name)
    found.update({name: getattr(value, name) for name in names if hasattr(value, name)})
    return {
        name: part
        for name, part in found.items()
        if not isinstance(
            inspect.getattr_static(type(value), name, None), functools.cached_property
        )
    }


def encode_reduced(value: Any) -> bytes:
    """Return the encoding of what says how it is copied."""
    reducer = copyreg.dispatch_table.get(type(value))
    reduced = reducer(value) if reducer else value.__reduce_ex__(4)
    if isinstance(reduced, str):
        name = f"{value.__module__}:{reduced}"
        wrapped = [value.__wrapped__] if isinstance(value, functools._lru_cache_wrapper) else []
        return spec.record("name", name, *wrapped)
    function, arguments, state, items, pairs, setter = (*reduced, None, None, None, None)[:6]
    if function.__name__ == "__newobj__":
        made_by: Any = spec.Record("new", name_of(arguments[0]))
        arguments = arguments[1:]
    else:
        made_by = name_of(function) if is_findable(function) else function
    named = tuple(
        spec.Record("name", name_of(part)) if isinstance(part, type) else part for part in arguments
    )
    kind_of_pairs = list if isinstance(value, collections.OrderedDict) else dict
    return spec.record(
        "reduced",
        made_by,
        named,
        state,
        None if items is None else list(items),
        None if pairs is None else kind_of_pairs(pairs),
        setter,
    )


def is_findable(function: Any) -> bool:
    """Tell whether a callable of a module is there under its name."""
    return getattr(sys.modules[function.__module__], function.__name__, None) is function


def encode_function(value: types.FunctionType) -> bytes:
    """Return the encoding of a Python function that has a source."""
    source = source_of_lambda(value) if value.__name__ == "<lambda>" else source_of(value)
    return spec.record(
        "function",
        name_of(value),
        source,
        value.__defaults__,
        value.__kwdefaults__,
        closure_of(value),
    )


def source_of(thing: Any) -> str:
    """Return the source of a function or class."""
    text = inspect.getsource(thing).replace("\r\n", "\n")
    return textwrap.dedent(text).rstrip()


def source_of_lambda(value: types.FunctionType) -> str:
    """Return the text of a lambda that is alone in its line."""
    text = Path(value.__code__.co_filename).read_text("utf-8")
    (node,) = (
        node
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Lambda) and node.lineno == value.__code__.co_firstlineno
    )
    segment = ast.get_source_segment(text, node)
    assert segment is not None
    return segment


def closure_of(value: types.FunctionType) -> dict[str, Any]:
    """Return the free variables of a function, all of which have a value."""
    cells = value.__closure__ or ()
    names = value.__code__.co_freevars
    return {name: cell.cell_contents for name, cell in zip(names, cells, strict=True)}


def encode_class(value: type) -> bytes:
    """Return the encoding of a class of an extension, or of one that has a source."""
    if not value.__flags__ & HEAP_TYPE or value.__flags__ & IMMUTABLE_TYPE:
        return spec.record("name", name_of(value))
    closures = {}
    for name, member in vars(value).items():
        # Those that a dataclass was given are not in a file.
        if isinstance(member, types.FunctionType) and Path(member.__code__.co_filename).exists():
            closure = {k: part for k, part in closure_of(member).items() if k != "__class__"}
            is_written = member.__module__ == value.__module__
            if closure and is_written and member.__globals__["__name__"] == value.__module__:
                closures[name] = [closure]
    bases = tuple(base for base in value.__bases__ if base is not object)
    return spec.record("class", name_of(value), source_of(value), bases, closures)
