"""Containers of the standard library, and instances that are their class and their parts."""

from __future__ import annotations

import collections
import enum
from collections.abc import Callable, Sequence
from typing import Any, Final

from mandala_cas.codec.api import DeclinedError
from mandala_cas.codec.classes import (
    find_flag,
    find_member,
    is_namedtuple,
    layout_of,
    make_instance,
    make_namedtuple,
    own_attributes,
)
from mandala_cas.codec.nested_document import Form, NestedLowering, NestedRaising, pairs_of
from mandala_cas.errors import UsageError

# What a `defaultdict` may call for a missing key: a name in a store leads to one of these.
_FACTORIES: Final[dict[str, type]] = {
    kind.__name__: kind
    for kind in (
        *(bool, int, float, complex, str, bytes, bytearray),
        *(list, tuple, dict, set, frozenset, object),
        *(collections.Counter, collections.OrderedDict, collections.deque, collections.defaultdict),
    )
}
# The value of a member is written beside its name where it is one of these, to notice a change.
_SIMPLE: Final = frozenset({bool, int, str})


def find_instance_form(kind: type) -> Form | None:
    """Return the form of a class of the standard library, or of a user; None if there is none."""
    form = _EXACT.get(kind)
    if form is not None:
        return form
    if issubclass(kind, enum.Flag):
        return _FLAG
    if issubclass(kind, enum.Enum):
        return _MEMBER
    if is_namedtuple(kind):
        return _NAMEDTUPLE
    return _INSTANCE if layout_of(kind) is not None else None


def _lower_pairs(lowering: NestedLowering, value: Any, depth: int) -> Sequence[Any]:
    """Return keys and values of a dict that has nothing else."""
    if vars(value):
        raise DeclinedError(f"a {type(value).__qualname__} with attributes is no form")
    return lowering.each(pairs_of(value), depth)


def _restore_ordered(raising: NestedRaising, parts: list[Any], depth: int) -> Any:
    """Return an ordered dict."""
    return collections.OrderedDict(raising.restore_pairs(parts, depth))


def _restore_counter(raising: NestedRaising, parts: list[Any], depth: int) -> Any:
    """Return a counter."""
    return collections.Counter(raising.restore_pairs(parts, depth))


def _lower_defaultdict(lowering: NestedLowering, value: Any, depth: int) -> Sequence[Any]:
    """Return what is called for a missing key, then keys and values."""
    factory = value.default_factory
    name = None if factory is None else getattr(factory, "__name__", "")
    if name is not None and _FACTORIES.get(name) is not factory:
        raise DeclinedError(f"a defaultdict of {factory!r} has no form")
    return [name, *lowering.each(pairs_of(value), depth)]


def _restore_defaultdict(raising: NestedRaising, parts: list[Any], depth: int) -> Any:
    """Return a defaultdict."""
    name, *pairs = parts
    factory: Any = None if name is None else _FACTORIES[name]
    return collections.defaultdict(factory, raising.restore_pairs(pairs, depth))


def _lower_deque(lowering: NestedLowering, value: Any, depth: int) -> Sequence[Any]:
    """Return the greatest length of a deque, then its elements."""
    return [value.maxlen, *lowering.each(value, depth)]


def _restore_deque(raising: NestedRaising, parts: list[Any], depth: int) -> Any:
    """Return a deque."""
    longest, *elements = parts
    if longest is not None and (type(longest) is not int or longest < len(elements)):
        raise ValueError(f"a deque of {len(elements)} elements and at most {longest!r}")
    return collections.deque(raising.each(elements, depth), longest)


def _lower_member(lowering: NestedLowering, value: Any, depth: int) -> Sequence[Any]:
    """Return the class and the name of a member of an enumeration, and a simple value."""
    del depth
    kind = type(value)
    number = lowering.class_number(kind)
    simple = value._value_ if type(value._value_) in _SIMPLE else None
    _check_found(value, lambda: find_member(kind, value._name_, simple))
    return [number, value._name_, simple]


def _restore_member(raising: NestedRaising, parts: list[Any], depth: int) -> Any:
    """Return a member of an enumeration."""
    del depth
    number, name, value = parts
    kind, _ = raising.class_of(number)
    if type(name) is not str:
        raise ValueError(f"{name!r} is no name of a member")
    return find_member(kind, name, value)


def _lower_flag(lowering: NestedLowering, value: Any, depth: int) -> Sequence[Any]:
    """Return the class and the value of flags: names of combinations differ between Pythons."""
    del depth
    kind = type(value)
    number = lowering.class_number(kind)
    _check_found(value, lambda: find_flag(kind, value._value_))
    return [number, value._value_]


def _restore_flag(raising: NestedRaising, parts: list[Any], depth: int) -> Any:
    """Return a flag, or a combination."""
    del depth
    number, value = parts
    return find_flag(raising.class_of(number)[0], value)


def _lower_namedtuple(lowering: NestedLowering, value: Any, depth: int) -> Sequence[Any]:
    """Return the class and the elements of a named tuple."""
    fields = type(value)._fields
    if len(value) != len(fields) or getattr(value, "__dict__", None):
        raise DeclinedError(f"a {type(value).__qualname__} that is more than its fields")
    return [lowering.class_number(type(value), fields), *lowering.each(tuple(value), depth)]


def _restore_namedtuple(raising: NestedRaising, parts: list[Any], depth: int) -> Any:
    """Return a named tuple."""
    number, *elements = parts
    kind, names = raising.class_of(number)
    return make_namedtuple(kind, names, raising.each(elements, depth))


def _lower_instance(lowering: NestedLowering, value: Any, depth: int) -> Sequence[Any]:
    """Return the class and the attributes of an instance of a dataclass."""
    layout = layout_of(type(value))
    assert layout is not None, "the form was chosen for having one"
    attributes = own_attributes(value, layout)
    number = lowering.class_number(type(value), tuple(attributes))
    return [number, *lowering.each(attributes.values(), depth)]


def _restore_instance(raising: NestedRaising, parts: list[Any], depth: int) -> Any:
    """Return an instance of a dataclass."""
    number, *attributes = parts
    kind, names = raising.class_of(number)
    return make_instance(kind, names, raising.each(attributes, depth))


def _check_found(member: Any, find: Callable[[], Any]) -> None:
    """Decline a member that its name does not lead to."""
    try:
        found = find()
    except UsageError as error:
        raise DeclinedError(str(error)) from error
    if found is not member:
        raise DeclinedError(f"{member!r} is not the member of its name")


_MEMBER: Final = Form(b"member", _lower_member, _restore_member)
_FLAG: Final = Form(b"flag", _lower_flag, _restore_flag)
_NAMEDTUPLE: Final = Form(b"namedtuple", _lower_namedtuple, _restore_namedtuple)
_INSTANCE: Final = Form(b"instance", _lower_instance, _restore_instance)
_EXACT: Final[dict[type, Form]] = {
    collections.OrderedDict: Form(b"OrderedDict", _lower_pairs, _restore_ordered),
    collections.Counter: Form(b"Counter", _lower_pairs, _restore_counter),
    collections.defaultdict: Form(b"defaultdict", _lower_defaultdict, _restore_defaultdict),
    collections.deque: Form(b"deque", _lower_deque, _restore_deque),
}
INSTANCE_FORMS: Final = (*_EXACT.values(), _MEMBER, _FLAG, _NAMEDTUPLE, _INSTANCE)
