"""How instances, enumeration members and whatever else can be copied are encoded."""

from __future__ import annotations

import collections
import copyreg
import dataclasses
import enum
import functools
import inspect
import types
from collections.abc import Mapping
from typing import Any, Final

from mandala_cas.codec.canonical_code import (
    encode_builtin,
    encode_class,
    encode_function,
    encode_method,
)
from mandala_cas.codec.encoder import Attributes, Encoder, Record, RefusalError, Rule
from mandala_cas.codec.names import is_found_by_name, name_of

_HEAP_TYPE: Final = 1 << 9
_ABSENT: Final = object()
# The version of a library is no part of a value.
_VERSION_KEYS: Final = frozenset({"_sklearn_version"})


def find_object_rule(kind: type) -> Rule:
    """Return how to encode instances of a type that nothing else knows."""
    if issubclass(kind, type):
        return encode_class
    if issubclass(kind, enum.Enum):
        return _encode_member
    if issubclass(kind, types.FunctionType):
        return encode_function
    if issubclass(kind, types.MethodType):
        return encode_method
    if issubclass(kind, types.BuiltinFunctionType):
        return _encode_builtin_function
    if issubclass(kind, tuple) and _is_namedtuple(kind):
        return _encode_namedtuple
    if issubclass(kind, set | frozenset) and kind.__reduce__ in {
        set.__reduce__,
        frozenset.__reduce__,
    }:
        return _encode_set
    return _encode_instance if is_copied_by_attributes(kind) else _encode_reduced


def attributes_of(value: Any) -> Attributes:
    """Return the attributes of an instance: its dict, its slots, and the fields of a dataclass."""
    kind: Any = type(value)
    found = Attributes(getattr(value, "__dict__", {}))
    for name in _extra_names(kind):
        part = getattr(value, name, _ABSENT)
        if part is not _ABSENT:
            found[name] = part
    for name in [name for name in found if _is_kept_result(kind, name)]:
        del found[name]
    return found


def _is_namedtuple(kind: type) -> bool:
    """Tell whether a subclass of tuple is a namedtuple and nothing more."""
    return (
        kind.__bases__ == (tuple,)
        and isinstance(getattr(kind, "_fields", None), tuple)
        and "__slots__" in kind.__dict__
    )


def is_copied_by_attributes(kind: Any) -> bool:
    """Tell whether copying an instance means copying its attributes."""
    state = getattr(kind, "__getstate__", None)
    return (
        kind.__reduce_ex__ is object.__reduce_ex__
        and kind.__reduce__ is object.__reduce__
        and kind not in copyreg.dispatch_table
        and (state is object.__getstate__ or _is_of_dataclasses(kind, state))
        and not hasattr(kind, "__getnewargs__")
        and not hasattr(kind, "__getnewargs_ex__")
        and all(base is object or base.__flags__ & _HEAP_TYPE for base in kind.__mro__)
    )


def _is_of_dataclasses(kind: type, state: Any) -> bool:
    """Tell whether ``__getstate__`` is what dataclasses with slots are given."""
    return dataclasses.is_dataclass(kind) and getattr(state, "__module__", "") == "dataclasses"


@functools.lru_cache(maxsize=1024)
def _extra_names(kind: Any) -> tuple[str, ...]:
    """Return the names of attributes that need not be in the dict of an instance."""
    names = (
        [field.name for field in dataclasses.fields(kind)] if dataclasses.is_dataclass(kind) else []
    )
    for base in kind.__mro__:
        slots = base.__dict__.get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            if name in {"__dict__", "__weakref__"}:
                continue
            private = name.startswith("__") and not name.endswith("__")
            names.append(f"_{base.__name__.lstrip('_')}{name}" if private else name)
    return tuple(dict.fromkeys(names))


def _is_kept_result(kind: type, name: str) -> bool:
    """Tell whether an attribute is a result that was kept, rather than part of the value."""
    for base in kind.__mro__:
        if name in base.__dict__:
            return isinstance(base.__dict__[name], functools.cached_property)
    return False


def _encode_instance(encoder: Encoder, value: Any) -> bytes:
    """Return the encoding of an object that is its class and its attributes."""
    # Some classes of extensions look plain, and cannot be copied.
    _reduce(value)
    try:
        attributes = attributes_of(value)
    except Exception as error:
        raise RefusalError(f"its attributes cannot be read ({error})", value) from error
    return encoder.record("instance", name_of(type(value)), attributes)


def _encode_member(encoder: Encoder, value: enum.Enum) -> bytes:
    """Return the encoding of a member of an enumeration."""
    # The names of combined flags differ between versions of Python.
    name = None if isinstance(value, enum.Flag) else value.name
    return encoder.record("enum", name_of(type(value)), name, value.value)


def _encode_builtin_function(encoder: Encoder, value: Any) -> bytes:
    """Return the encoding of a function of an extension, or of a method of a value."""
    if inspect.ismodule(value.__self__) or value.__self__ is None or is_found_by_name(value):
        return encode_builtin(encoder, value)
    return _encode_reduced(encoder, value)


def _encode_namedtuple(encoder: Encoder, value: Any) -> bytes:
    """Return the encoding of a namedtuple."""
    return encoder.record("namedtuple", name_of(type(value)), value._fields, tuple(value))


def _encode_set(encoder: Encoder, value: Any) -> bytes:
    """Return the encoding of an instance of a subclass of set or frozenset.

    Its reduced form has the elements in the order of this process.
    """
    new = Record("new", name_of(type(value)))
    state = attributes_of(value) or None
    return encoder.record("reduced", new, (frozenset(value),), state, None, None, None)


def _encode_reduced(encoder: Encoder, value: Any) -> bytes:
    """Return the encoding of an object that says how it is copied."""
    reduced = _reduce(value)
    if isinstance(reduced, str):
        module = getattr(value, "__module__", None) or type(value).__module__
        name = f"{module}:{reduced}"
        wrapped = getattr(value, "__wrapped__", None)
        # A function behind `lru_cache` is its name to pickle; its source counts all the same.
        return encoder.record("name", name, *(() if wrapped is None else (wrapped,)))
    function, arguments, *rest = reduced
    state, items, pairs, setter = (*rest, None, None, None, None)[:4]
    if isinstance(state, dict):
        state = _attributes(state)
    if pairs is not None:
        pairs = list(pairs) if isinstance(value, collections.OrderedDict) else dict(pairs)
    return encoder.record(
        "reduced",
        *_construction(function, tuple(arguments)),
        state,
        None if items is None else list(items),
        pairs,
        setter,
    )


def _reduce(value: Any) -> Any:
    """Return what says how to copy ``value``."""
    reducer = copyreg.dispatch_table.get(type(value))
    try:
        reduced = value.__reduce_ex__(4) if reducer is None else reducer(value)
    except RecursionError:
        raise
    except Exception as error:
        # Whatever the class of a user raises here, the value cannot be copied.
        raise RefusalError(f"it has no content to take an id of ({error})", value) from error
    return reduced


def _attributes(state: Mapping[Any, Any]) -> Mapping[Any, Any]:
    """Return a state as attributes, if it is one, without what is no part of the value."""
    if not all(type(key) is str for key in state):
        return state
    return Attributes({key: part for key, part in state.items() if key not in _VERSION_KEYS})


def _construction(function: Any, arguments: tuple[Any, ...]) -> tuple[Any, tuple[Any, ...]]:
    """Return the fields of a record that say what makes a copy."""
    if function is copyreg.__newobj__:  # type: ignore[attr-defined]  # (typeshed)
        return Record("new", name_of(arguments[0])), _by_name(arguments[1:])
    if function is copyreg.__newobj_ex__:  # type: ignore[attr-defined]  # (typeshed)
        kind, positional, named = arguments
        return Record("new", name_of(kind)), (_by_name(positional), named)
    return (name_of(function) if is_found_by_name(function) else function), _by_name(arguments)


def _by_name(arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return arguments with classes replaced by their names: their source does not count here."""
    return tuple(Record("name", name_of(a)) if isinstance(a, type) else a for a in arguments)
